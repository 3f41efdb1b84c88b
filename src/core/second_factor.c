#include "core/second_factor.h"

#include "core/known_device.h"
#include "core/metrics.h"
#include "core/network_limit.h"
#include "core/notice.h"
#include "core/recovery.h"
#include "core/user_name.h"
#include "crypto/totp.h"

/* The check of one code. */
struct check {
        const struct cd_factors *with;
        struct cd_arena *arena;
        const struct cd_code_attempt *attempt;
        cd_time now;
        struct cd_user user;
        bool is_known; /* `user` was found */
        struct cd_totp_factor factor;
        bool has_factor;
        bool is_alone; /* no password was required */
        bool is_recovery;
        struct cd_lockout_subject subjects[3]; /* the address, the account, the factor */
        size_t begun;                          /* how many of them count this attempt */
        bool is_on_device;                     /* it counts for `device`, not for account and factor */
        struct cd_known_device device;
        int64_t skew;
};

/* The result of checking a code. */
enum verdict {
        WRONG,
        RIGHT,
        USED, /* it was right before: not a guess, so it is not counted as one */
        OPEN, /* could not be judged */
};

cd_status cd_totp_seal(const struct cd_master_key *master, struct cd_arena *arena, cd_str user, cd_str secret,
                       cd_str *ret, struct cd_error *reterr)
{
        cd_str context = cd_arena_printf(arena, "totp:%.*s", CD_STR_ARG(user));

        if (!context.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        return cd_seal(master, arena, context, secret, ret, reterr);
}

cd_status cd_totp_unseal(const struct cd_master_key *master, struct cd_arena *arena,
                         const struct cd_totp_factor *factor, cd_str *ret, struct cd_error *reterr)
{
        cd_str context = cd_arena_printf(arena, "totp:%.*s", CD_STR_ARG(factor->user));

        if (!context.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        return cd_unseal(master, arena, context, factor->sealed, ret, reterr);
}

static void audit_on(const struct check *c, cd_str subject, const char *action, const char *detail)
{
        const struct cd_audit_event event = {
                .at = c->now,
                .action = cd_str_from_c(action),
                .actor = c->attempt->by,
                .subject = subject,
                .address = c->attempt->address,
                .detail = cd_str_from_c(detail),
        };

        (void)c->with->store->audit->add_later(c->with->store, &event, NULL);
}

static void audit(const struct check *c, const char *action, const char *detail)
{
        cd_str subject = c->is_known ? cd_arena_printf(c->arena, "user:%.*s", CD_STR_ARG(c->user.name)) : CD_STR("");

        audit_on(c, subject.ptr ? subject : CD_STR(""), action, detail);
}

static void tell(const struct check *c, enum cd_notice_kind kind)
{
        cd_notice_tell(c->with->notices, kind, c->user.name, c->attempt->address);
}

static void lock(const struct check *c, const char *detail)
{
        cd_count_lockout(CD_LOCKED_ACCOUNT);
        audit(c, "login.locked", detail);
        if (c->is_known)
                tell(c, CD_NOTICE_LOCKED);
}

/* ---- counting ---- */

/* The factor has a counter of its own, under a name that no user can have. The store never forgets its failures; the
 * delays end with time, as for passwords. */
static cd_status name_subjects(struct check *c, cd_str name, struct cd_error *reterr)
{
        const struct cd_user *user = &c->user;
        cd_str key = cd_arena_printf(c->arena, "totp:%.*s", CD_STR_ARG(name));

        if (!key.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        c->subjects[0] = (struct cd_lockout_subject){ .kind = CD_LOCKOUT_ADDRESS, .key = c->attempt->address };
        c->subjects[1] = (struct cd_lockout_subject){ .kind = CD_LOCKOUT_NAME, .key = name };
        c->subjects[2] = (struct cd_lockout_subject){ .kind = CD_LOCKOUT_NAME, .key = key };
        if (!c->is_known)
                return CD_OK;
        c->subjects[1] = (struct cd_lockout_subject){
                .kind = CD_LOCKOUT_ACCOUNT,
                .key = user->name,
                .failures = user->failures,
                .failed_at = user->failed_at,
                .cleared_at = user->cleared_at,
        };
        c->subjects[2] = (struct cd_lockout_subject){
                .kind = CD_LOCKOUT_ACCOUNT,
                .key = key,
                .failures = c->factor.failures,
                .failed_at = c->factor.failed_at,
                .cleared_at = c->factor.failures ? 0 : user->cleared_at,
        };
        return CD_OK;
}

/* The account and its factor usually begin to wait at the same attempt, and are then one event. */
static void end_subjects(struct check *c, enum cd_lockout_outcome outcome)
{
        bool is_locked = false;

        while (c->begun > 0) {
                const struct cd_lockout_subject *subject = &c->subjects[--c->begun];
                if (!cd_lockout_end(c->with->lockout, subject, outcome, c->now) || outcome != CD_LOCKOUT_WRONG)
                        continue;
                if (subject->kind != CD_LOCKOUT_ADDRESS) {
                        is_locked = true;
                        continue;
                }
                cd_count_lockout(CD_LOCKED_ADDRESS);
                audit_on(c, CD_STR(""), "login.locked", "too many wrong codes from the address");
        }
        if (is_locked)
                lock(c, "too many wrong codes");
}

/* Ends the counting of the attempt. A device's wrong attempt is written to the store. */
static cd_status end_all(struct check *c, enum cd_lockout_outcome outcome, struct cd_error *reterr)
{
        cd_status status = CD_OK;
        bool is_void = false;

        if (c->is_on_device)
                status = cd_known_device_end(c->with->devices, &c->device, outcome, c->now, &is_void, reterr);
        if (is_void) {
                cd_count_lockout(CD_LOCKED_DEVICE);
                audit(c, "login.locked", CD_DEVICE_IS_VOID);
        }
        end_subjects(c, outcome);
        return status;
}

static cd_status begin_next(struct check *c, struct cd_error *reterr)
{
        cd_status status = cd_lockout_begin(c->with->lockout, &c->subjects[c->begun], c->now, reterr);

        if (status == CD_OK)
                c->begun++;
        return status;
}

/* CD_NOT_FOUND: it is no known device. */
static cd_status begin_device(struct check *c, struct cd_error *reterr)
{
        const struct cd_known_devices *devices = c->with->devices;
        cd_status status = CD_NOT_FOUND;

        if (devices && c->attempt->device.len)
                status = cd_known_device_begin(devices, c->attempt->device, c->is_known ? &c->user : NULL, c->now,
                                               &c->device, reterr);
        c->is_on_device = status == CD_OK;
        return status;
}

static cd_status begin_all(struct check *c, struct cd_error *reterr)
{
        cd_status status = begin_next(c, reterr);

        if (status != CD_OK)
                return status;
        status = begin_device(c, reterr);
        if (status == CD_NOT_FOUND)
                status = begin_next(c, reterr);
        if (status == CD_OK && !c->is_on_device)
                status = begin_next(c, reterr);
        if (status != CD_OK)
                (void)end_all(c, CD_LOCKOUT_UNJUDGED, NULL);
        return status;
}

/* Counts in the store before the answer. For an unknown user something else is written, so that the answer takes as
 * long (LESSONS 10). */
static cd_status count_wrong(const struct check *c, int64_t *ret, struct cd_error *reterr)
{
        struct cd_store *store = c->with->store;
        const struct cd_store_expiry nothing = { .now = c->now };
        size_t deleted;

        *ret = 0;
        if (!c->has_factor)
                return store->expire(store, &nothing, &deleted, reterr);
        return store->totp->note_wrong(store, &c->factor, c->now, ret, reterr);
}

/* ---- judging ---- */

static cd_status accept_or_used(cd_status status, enum verdict *ret)
{
        *ret = status == CD_OK ? RIGHT : status == CD_NOT_FOUND ? USED : OPEN;
        return status == CD_NOT_FOUND ? CD_OK : status;
}

/* A user without a factor is checked against a random secret, which is not known to anyone. */
static cd_status read_secret(const struct check *c, cd_str *ret, struct cd_error *reterr)
{
        char *bytes;

        if (c->has_factor)
                return cd_totp_unseal(c->with->master, c->arena, &c->factor, ret, reterr);
        bytes = cd_arena_alloc(c->arena, CD_TOTP_SECRET_SIZE);
        if (!bytes)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (c->with->random->fill(c->with->random, bytes, CD_TOTP_SECRET_SIZE) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        *ret = cd_str_of(bytes, CD_TOTP_SECRET_SIZE);
        return CD_OK;
}

static cd_status judge_totp(struct check *c, enum verdict *ret, struct cd_error *reterr)
{
        struct cd_store *store = c->with->store;
        char code[CD_TOTP_DIGITS];
        struct cd_totp_match match;
        cd_str secret;

        *ret = WRONG;
        if (!cd_totp_read(c->attempt->code, code))
                return CD_OK;
        *ret = OPEN;
        cd_status status = read_secret(c, &secret, reterr);
        if (status == CD_OK && cd_totp_judge(secret, code, c->now, c->factor.last_step, &match) != CD_OK)
                status = cd_fail(reterr, CD_INTERNAL, "a TOTP code cannot be computed");
        if (status != CD_OK)
                return status;
        *ret = WRONG;
        if (!c->has_factor || c->user.disabled)
                return CD_OK;
        c->skew = match.skew;
        if (match.verdict == CD_TOTP_USED)
                *ret = USED;
        if (match.verdict != CD_TOTP_RIGHT)
                return CD_OK;
        return accept_or_used(store->totp->accept(store, &c->factor, match.step, c->is_on_device, reterr), ret);
}

static cd_status judge_recovery(struct check *c, enum verdict *ret, struct cd_error *reterr)
{
        struct cd_store *store = c->with->store;
        char mac[CD_RECOVERY_MAC_TEXT];

        *ret = WRONG;
        cd_status status = cd_recovery_mac_of(c->with->recovery_codes, c->user.name, c->attempt->code, mac);
        if (status == CD_MALFORMED || (status == CD_OK && c->user.disabled))
                return CD_OK;
        if (status != CD_OK)
                return cd_fail(reterr, status, "the keyed hash of a recovery code failed");
        status = store->recovery->take(store, c->user.name, cd_str_of(mac, sizeof(mac)), reterr);
        *ret = status == CD_OK ? RIGHT : status == CD_NOT_FOUND ? WRONG : OPEN;
        return status == CD_NOT_FOUND ? CD_OK : status;
}

/* If only the code is required, the attempt is counted first: 100 attempts are 100, however many are concurrent. Those
 * of a known device are not concurrent, and are counted when they end. */
static cd_status judge(struct check *c, enum verdict *ret, struct cd_error *reterr)
{
        int64_t failures = 0;
        bool counts_first = c->is_alone && !c->is_on_device;
        cd_status status = counts_first ? count_wrong(c, &failures, reterr) : CD_OK;

        *ret = status == CD_OK ? WRONG : OPEN;
        if (status != CD_OK)
                return status;
        if (failures == CD_TOTP_FAILURES_MAX)
                lock(c, "100 wrong codes since the last right one: cardea user enable ends that");
        if (failures > CD_TOTP_FAILURES_MAX)
                return CD_OK;
        status = c->is_recovery ? judge_recovery(c, ret, reterr) : judge_totp(c, ret, reterr);
        if (status == CD_OK && *ret == WRONG && !counts_first && !c->is_on_device)
                status = count_wrong(c, &failures, reterr);
        return status;
}

static void note(const struct check *c, enum cd_login_note what)
{
        struct cd_store *store = c->with->store;
        int64_t forget_every = cd_lockout_forgets_every(c->with->lockout);

        if (c->is_known)
                (void)store->users->note_login(store, c->user.name, what, c->now, forget_every, NULL);
}

static void note_name(const struct check *c)
{
        const struct cd_failed_login failed = { c->subjects[1].key, c->attempt->address, c->attempt->by };

        cd_network_limit_note_failed(c->with->networks, c->with->store, &failed);
}

static const char *describe(const struct check *c, enum verdict verdict)
{
        if (!c->is_known)
                return "unknown user";
        if (!c->has_factor)
                return "no second factor";
        if (c->user.disabled)
                return "a code of a disabled user";
        if (verdict == USED)
                return "a code that was used already";
        return c->skew ? "a code of a wrong clock" : c->is_recovery ? "wrong recovery code" : "wrong code";
}

/* The login is complete. */
static void record(const struct check *c, const char *detail)
{
        note(c, c->is_on_device ? CD_LOGIN_RIGHT_ON_DEVICE : CD_LOGIN_RIGHT);
        audit(c, "login.ok", detail);
}

static cd_status conclude(const struct check *c, enum verdict verdict, struct cd_code_result *ret,
                          struct cd_error *reterr)
{
        if (verdict == RIGHT) {
                record(c, c->is_recovery ? "with a recovery code" : "");
                if (c->is_recovery)
                        tell(c, CD_NOTICE_RECOVERY_CODE);
                ret->factor = c->is_recovery ? CD_FACTOR_RECOVERY : CD_FACTOR_TOTP;
                return CD_OK;
        }
        if (verdict == WRONG && !c->is_on_device)
                note(c, CD_LOGIN_WRONG);
        if (verdict == WRONG && c->is_alone)
                note_name(c);
        audit(c, "login.failed", describe(c, verdict));
        return cd_fail(reterr, CD_INVALID_GRANT, c->is_alone ? "invalid username or code" : "invalid code");
}

static cd_status run_uncounted(struct check *c, struct cd_code_result *ret, struct cd_error *reterr)
{
        static const enum cd_lockout_outcome outcomes[] = { [WRONG] = CD_LOCKOUT_WRONG,
                                                            [RIGHT] = CD_LOCKOUT_RIGHT,
                                                            [USED] = CD_LOCKOUT_UNJUDGED,
                                                            [OPEN] = CD_LOCKOUT_UNJUDGED };
        enum verdict verdict;
        cd_status status = begin_all(c, reterr);

        if (status != CD_OK)
                return status;
        /* A wrong code counts in memory even if the store could not record it, so that a full disk does not allow
         * guessing. */
        status = judge(c, &verdict, reterr);
        cd_status ended = end_all(c, outcomes[verdict], status == CD_OK ? reterr : NULL);
        if (status == CD_OK)
                status = ended;
        ret->clock_skew = c->skew;
        return status == CD_OK ? conclude(c, verdict, ret, reterr) : status;
}

static cd_status run(struct check *c, struct cd_code_result *ret, struct cd_error *reterr)
{
        cd_status status = run_uncounted(c, ret, reterr);

        cd_count_login(c->is_recovery ? CD_LOGIN_BY_RECOVERY_CODE : CD_LOGIN_BY_TOTP, status);
        return status;
}

static cd_status begin(struct check *c, struct cd_error *reterr)
{
        c->now = c->with->clock->now(c->with->clock);
        return c->now < 0 ? cd_fail(reterr, CD_UNAVAILABLE, "the clock failed") : CD_OK;
}

static cd_status find_factor(struct check *c, cd_str name, struct cd_error *reterr)
{
        struct cd_store *store = c->with->store;
        cd_status status = store->totp->find(store, c->arena, name, &c->factor, reterr);

        c->has_factor = status == CD_OK;
        return status;
}

static cd_status check_second(struct check *c, const struct cd_user *user, struct cd_code_result *ret,
                              struct cd_error *reterr)
{
        ret->clock_skew = 0;
        c->user = *user;
        c->is_known = true;
        cd_status status = begin(c, reterr);
        if (status == CD_OK)
                status = find_factor(c, user->name, reterr);
        if (status == CD_NOT_FOUND)
                return cd_fail(reterr, CD_NOT_FOUND, "the user has no second factor");
        if (status == CD_OK)
                status = name_subjects(c, user->name, reterr);
        return status == CD_OK ? run(c, ret, reterr) : status;
}

cd_status cd_totp_check(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                        const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr)
{
        struct check c = { .with = factors, .arena = arena, .attempt = attempt };

        return check_second(&c, user, ret, reterr);
}

cd_status cd_recovery_check(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                            const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr)
{
        struct check c = { .with = factors, .arena = arena, .attempt = attempt, .is_recovery = true };

        return check_second(&c, user, ret, reterr);
}

/* Makes the same lookups whether the user exists or not. */
static cd_status find_user(struct check *c, cd_str *name, struct cd_error *reterr)
{
        struct cd_store *store = c->with->store;
        cd_str canonical = *name;
        cd_status status = cd_user_name_canonical(c->arena, *name, &canonical, reterr);

        if (status != CD_OK && status != CD_INVALID_REQUEST)
                return status;
        *name = canonical;
        status = store->users->find(store, c->arena, canonical, &c->user, reterr);
        c->is_known = status == CD_OK;
        if (status != CD_OK && status != CD_NOT_FOUND)
                return status;
        status = find_factor(c, canonical, reterr);
        return status == CD_NOT_FOUND ? CD_OK : status;
}

cd_status cd_login_code(const struct cd_factors *factors, struct cd_arena *arena, cd_str name,
                        const struct cd_code_attempt *attempt, struct cd_user *ret_user, struct cd_code_result *ret,
                        struct cd_error *reterr)
{
        struct check c = { .with = factors, .arena = arena, .attempt = attempt, .is_alone = true };
        cd_status status = begin(&c, reterr);

        ret->clock_skew = 0;
        if (status == CD_OK)
                status = find_user(&c, &name, reterr);
        if (status == CD_OK)
                status = name_subjects(&c, name, reterr);
        if (status == CD_OK)
                status = run(&c, ret, reterr);
        *ret_user = c.is_known ? c.user : (struct cd_user){ 0 };
        return status;
}

void cd_login_record(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                     const struct cd_code_attempt *attempt, const char *detail)
{
        struct check c = { .with = factors, .arena = arena, .attempt = attempt, .user = *user, .is_known = true };

        if (begin(&c, NULL) == CD_OK)
                record(&c, detail);
}
