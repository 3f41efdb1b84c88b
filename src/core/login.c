#include "core/login.h"

#include "core/known_device.h"
#include "core/metrics.h"
#include "core/network_limit.h"
#include "core/notice.h"
#include "core/user_name.h"

enum {
        NOTE_EVERY = 60, /* seconds: the precision of a user's last login */
};

/* A login in progress. */
struct login {
        const struct cd_login *with;
        struct cd_arena *arena;
        const struct cd_login_attempt *attempt;
        cd_time now;
        struct cd_user user;
        bool is_known; /* `user` was found */
        struct cd_lockout_subject address, account;
        bool is_on_device; /* the attempt counts for `device`, not for `account` */
        struct cd_known_device device;
};

static void audit_on(const struct login *l, cd_str subject, const char *action, const char *detail)
{
        const struct cd_audit_event event = {
                .at = l->now,
                .action = cd_str_from_c(action),
                .actor = l->attempt->by,
                .subject = subject,
                .address = l->attempt->address,
                .detail = cd_str_from_c(detail),
        };

        (void)l->with->store->audit->add_later(l->with->store, &event, NULL);
}

static void audit(const struct login *l, const char *action, const char *detail)
{
        cd_str subject = l->is_known ? cd_arena_printf(l->arena, "user:%.*s", CD_STR_ARG(l->user.name)) : CD_STR("");

        audit_on(l, subject.ptr ? subject : CD_STR(""), action, detail);
}

/* Called for the attempt that makes the account, or the unknown name, wait. */
static void lock_account(const struct login *l)
{
        cd_count_lockout(CD_LOCKED_ACCOUNT);
        audit(l, "login.locked", "too many wrong passwords for the account");
        if (l->is_known)
                cd_notice_tell(l->with->notices, CD_NOTICE_LOCKED, l->user.name, l->attempt->address);
}

/* Finds the user, if there is one with that name; an invalid name is not an error here. */
static cd_status find_user(struct login *l, struct cd_error *reterr)
{
        struct cd_store *store = l->with->store;
        cd_str name = { NULL, 0 };
        struct cd_error error = { 0 };

        cd_status status = cd_user_name_canonical(l->arena, l->attempt->name, &name, &error);
        if (status == CD_INVALID_REQUEST)
                status = CD_NOT_FOUND;
        else if (status == CD_OK)
                status = store->users->find(store, l->arena, name, &l->user, &error);
        l->is_known = status == CD_OK;
        l->account = (struct cd_lockout_subject){ .kind = CD_LOCKOUT_NAME, .key = name.ptr ? name : l->attempt->name };
        if (l->is_known)
                l->account = (struct cd_lockout_subject){
                        .kind = CD_LOCKOUT_ACCOUNT,
                        .key = l->user.name,
                        .failures = l->user.failures,
                        .failed_at = l->user.failed_at,
                        .cleared_at = l->user.cleared_at,
                };
        if (l->is_known || status == CD_NOT_FOUND)
                return CD_OK;
        if (reterr)
                *reterr = error;
        return status;
}

/* Computes one hash, whether the user exists and has a password or not. */
static cd_status check_password(const struct login *l, bool *ret_matches, struct cd_error *reterr)
{
        const struct cd_hasher *hasher = l->with->hasher;
        cd_str password = l->attempt->password;
        bool has_password = l->is_known && !cd_password_is_none(l->user.password);

        *ret_matches = false;
        cd_status status = has_password ? hasher->verify(hasher, l->user.password, password, ret_matches, reterr)
                                        : hasher->dummy(hasher, password, reterr);
        if (status == CD_MALFORMED)
                return cd_failf(reterr, CD_INTERNAL, CD_STR(""), "the stored password of user \"%.*s\" is damaged",
                                CD_STR_ARG(l->user.name));
        return status;
}

static void note(const struct login *l, enum cd_login_note what)
{
        struct cd_store *store = l->with->store;
        int64_t forget_every = cd_lockout_forgets_every(l->with->lockout);

        (void)store->users->note_login(store, l->user.name, what, l->now, forget_every, NULL);
}

static cd_status refuse(const struct login *l, bool matches, struct cd_error *reterr)
{
        const struct cd_failed_login failed = { l->account.key, l->attempt->address, l->attempt->by };

        cd_network_limit_note_failed(l->with->networks, l->with->store, &failed);
        if (l->is_known && !l->is_on_device)
                note(l, CD_LOGIN_WRONG);
        audit(l, "login.failed",
              !l->is_known        ? "unknown user"
              : !l->user.disabled ? "wrong password"
              : matches           ? "right password of a disabled user"
                                  : "wrong password of a disabled user");
        return cd_fail(reterr, CD_INVALID_GRANT, "invalid username or password");
}

/* Replaces only the hash that was checked, so that a password changed meanwhile stays. */
static void rehash(struct login *l)
{
        const struct cd_hasher *hasher = l->with->hasher;
        struct cd_store *store = l->with->store;
        struct cd_user_change change = {
                .name = l->user.name, .now = l->now, .if_password = l->user.password, .is_rehash = true
        };
        const struct cd_audit_event event = {
                .at = l->now,
                .action = CD_STR("user.rehash"),
                .actor = CD_STR("cardea"),
                .subject = cd_arena_printf(l->arena, "user:%.*s", CD_STR_ARG(l->user.name)),
                .detail = CD_STR("the password hash was of a foreign form or cheaper than the setting"),
        };

        if (!event.subject.ptr)
                return;
        if (hasher->hash(hasher, l->attempt->password, l->arena, &change.password, NULL) != CD_OK)
                return;
        if (store->users->update(store, &change, &event, NULL) == CD_OK)
                l->user.password = change.password;
}

/* Limits how often a login is recorded: a client that logs in for each of its calls would otherwise write its user's
 * row each time. */
static bool is_noted(const struct login *l)
{
        const struct cd_user *user = &l->user;

        return (user->failures == 0 || l->is_on_device) && user->last_login_at <= l->now &&
               l->now - user->last_login_at < NOTE_EVERY;
}

static void accept(struct login *l, bool has_ended_failures, struct cd_user *ret)
{
        bool is_login = !l->attempt->is_first_factor;

        if (is_login && (has_ended_failures || !is_noted(l)))
                note(l, l->is_on_device ? CD_LOGIN_RIGHT_ON_DEVICE : CD_LOGIN_RIGHT);
        if (cd_password_needs_rehash(l->user.password, &l->with->hasher->cost))
                rehash(l);
        if (is_login)
                audit(l, "login.ok", "");
        *ret = l->user;
}

static enum cd_lockout_outcome outcome_of(const struct login *l, bool matches)
{
        if (!matches || l->user.disabled)
                return CD_LOCKOUT_WRONG;
        return l->attempt->is_first_factor ? CD_LOCKOUT_UNJUDGED : CD_LOCKOUT_RIGHT;
}

static cd_time latest(cd_time a, cd_time b)
{
        return a < b ? b : a;
}

static cd_status begin_account(struct login *l, struct cd_error *reterr)
{
        const struct cd_known_devices *devices = l->with->devices;
        cd_str cookie = l->attempt->device;
        cd_status status = CD_NOT_FOUND;

        if (devices && cookie.len)
                status = cd_known_device_begin(devices, cookie, l->is_known ? &l->user : NULL, l->now, &l->device,
                                               reterr);
        l->is_on_device = status == CD_OK;
        return status == CD_NOT_FOUND ? cd_lockout_begin(l->with->lockout, &l->account, l->now, reterr) : status;
}

static cd_status end_account(struct login *l, enum cd_lockout_outcome outcome, bool *ret_has_ended_failures,
                             struct cd_error *reterr)
{
        bool is_void;

        *ret_has_ended_failures = false;
        if (!l->is_on_device) {
                bool changes = cd_lockout_end(l->with->lockout, &l->account, outcome, l->now);
                *ret_has_ended_failures = changes && outcome == CD_LOCKOUT_RIGHT;
                if (changes && outcome == CD_LOCKOUT_WRONG)
                        lock_account(l);
                return CD_OK;
        }
        cd_status status = cd_known_device_end(l->with->devices, &l->device, outcome, l->now, &is_void, reterr);
        if (is_void) {
                cd_count_lockout(CD_LOCKED_DEVICE);
                audit(l, "login.locked", CD_DEVICE_IS_VOID);
        }
        return status;
}

/* Called once the address may try. */
static cd_status try_account(struct login *l, enum cd_lockout_outcome *ret_outcome, struct cd_user *ret,
                             struct cd_error *reterr)
{
        bool matches, has_ended_failures;

        cd_status status = find_user(l, reterr);
        /* The store may have taken seconds, in which other attempts have failed. For the lockout, an earlier time would
         * be a clock that was set back. */
        l->now = latest(l->now, l->with->clock->now(l->with->clock));
        if (status == CD_OK)
                status = begin_account(l, reterr);
        if (status != CD_OK)
                return status;
        status = check_password(l, &matches, reterr);
        if (status == CD_OK)
                *ret_outcome = outcome_of(l, matches);
        cd_status ended = end_account(l, *ret_outcome, &has_ended_failures, status == CD_OK ? reterr : NULL);
        if (status == CD_OK)
                status = ended;
        if (status != CD_OK)
                return status;
        if (*ret_outcome == CD_LOCKOUT_WRONG)
                return refuse(l, matches, reterr);
        accept(l, has_ended_failures, ret);
        return CD_OK;
}

static cd_status log_in_uncounted(const struct cd_accounts *port, struct cd_arena *arena,
                                  const struct cd_login_attempt *attempt, struct cd_user *ret, struct cd_error *reterr)
{
        const struct cd_login *with = (const struct cd_login *)port;
        enum cd_lockout_outcome outcome = CD_LOCKOUT_UNJUDGED;
        struct login l = { .with = with, .arena = arena, .attempt = attempt };

        cd_status status = cd_store_state_need(with->store_state, reterr);
        if (status != CD_OK)
                return status;
        status = cd_clock_read(with->clock, &l.now, reterr);
        if (status != CD_OK)
                return status;
        l.address = (struct cd_lockout_subject){ .kind = CD_LOCKOUT_ADDRESS, .key = attempt->address };
        status = cd_lockout_begin(with->lockout, &l.address, l.now, reterr);
        if (status != CD_OK)
                return status;
        status = try_account(&l, &outcome, ret, reterr);
        if (cd_lockout_end(with->lockout, &l.address, outcome, l.now)) {
                cd_count_lockout(CD_LOCKED_ADDRESS);
                audit_on(&l, CD_STR(""), "login.locked", "too many wrong passwords from the address");
        }
        return status;
}

static cd_status log_in(const struct cd_accounts *port, struct cd_arena *arena, const struct cd_login_attempt *attempt,
                        struct cd_user *ret, struct cd_error *reterr)
{
        cd_status status = log_in_uncounted(port, arena, attempt, ret, reterr);

        cd_count_login(CD_LOGIN_BY_PASSWORD, status);
        return status;
}

/* Does not check the account, because only the store knows whether an operator has cleared it meanwhile. A login would
 * report an unavailable store first. */
static cd_status check_address(const struct cd_accounts *port, cd_str address, struct cd_error *reterr)
{
        const struct cd_login *with = (const struct cd_login *)port;
        const struct cd_lockout_subject subject = { .kind = CD_LOCKOUT_ADDRESS, .key = address };
        cd_time now = with->clock->now(with->clock);

        if (now < 0 || cd_store_state_need(with->store_state, NULL) != CD_OK)
                return CD_OK;
        cd_status status = cd_lockout_check(with->lockout, &subject, now, reterr);
        return status == CD_OK ? cd_network_limit_take(with->networks, CD_NETWORK_LOGIN, address, reterr) : status;
}

struct cd_login cd_login(struct cd_store *store, const struct cd_store_state *store_state, struct cd_lockout *lockout,
                         const struct cd_hasher *hasher, const struct cd_clock *clock)
{
        return (struct cd_login){
                { true, log_in, check_address }, store, store_state, lockout, hasher, clock, .networks = NULL
        };
}
