#include "core/enrolment.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/secret.h"
#include "core/account_link.h"
#include "core/admin_users.h"
#include "core/notice.h"
#include "crypto/otpauth.h"
#include "crypto/totp.h"

enum {
        TICKET_TEXT = 2500, /* bytes before sealing; CD_TICKET_MAX after it */
};

/* ---- tickets ---- */

/* The contents of a ticket, for a user who enrols or for one who registers. */
struct ticket {
        cd_time until;
        int64_t generation;
        cd_str replaces; /* the sealed secret of the old factor; empty: there was none */
        cd_str name, stored, display_name, invite;
        cd_str secret;   /* bytes */
        int64_t factors; /* that the user has chosen; of a registration */
};

static void add_text(struct cd_buf *buf, const char *name, cd_str value)
{
        cd_buf_printf(buf, ",\"%s\":", name);
        cd_buf_add_json(buf, value);
}

static cd_status write_ticket(const struct cd_factors *with, struct cd_arena *arena, cd_str context,
                              const struct ticket *ticket, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, arena, TICKET_TEXT);
        cd_buf_add(&buf, CD_STR("{\"until\":"));
        cd_buf_add_i64(&buf, ticket->until);
        cd_buf_add(&buf, CD_STR(",\"generation\":"));
        cd_buf_add_i64(&buf, ticket->generation);
        cd_buf_add(&buf, CD_STR(",\"factors\":"));
        cd_buf_add_i64(&buf, ticket->factors);
        add_text(&buf, "replaces", ticket->replaces);
        add_text(&buf, "name", ticket->name);
        add_text(&buf, "stored", ticket->stored);
        add_text(&buf, "display_name", ticket->display_name);
        add_text(&buf, "invite", ticket->invite);
        cd_buf_add(&buf, CD_STR(",\"secret\":\""));
        cd_base32_encode(&buf, ticket->secret);
        cd_buf_add(&buf, CD_STR("\"}"));
        if (cd_buf_view(&buf, &text) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        return cd_seal(with->master, arena, context, text, ret, reterr);
}

static cd_str text_of(const struct cd_json *object, const char *name)
{
        const struct cd_json *node = cd_json_find(object, cd_str_from_c(name));

        return node && node->type == CD_JSON_STRING ? node->text : CD_STR("");
}

static cd_status fail_ticket(struct cd_error *reterr)
{
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("ticket"),
                             "has expired, or is none of ours; begin again");
}

/* Only this service can have sealed it, so its form needs no check. */
static cd_status read_ticket(const struct cd_factors *with, struct cd_arena *arena, cd_str context, cd_str sealed,
                             struct ticket *ret, struct cd_error *reterr)
{
        cd_time now = with->clock->now(with->clock);
        const struct cd_json *object;
        cd_str text;

        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        cd_status status = sealed.len <= CD_TICKET_MAX ? cd_unseal(with->master, arena, context, sealed, &text, reterr)
                                                       : CD_MALFORMED;
        if (status == CD_OK)
                status = cd_json_parse(arena, text, 0, &object, reterr);
        if (status == CD_NO_MEMORY)
                return status;
        if (status != CD_OK || !cd_json_int64(cd_json_find(object, CD_STR("until")), &ret->until) ||
            !cd_json_int64(cd_json_find(object, CD_STR("generation")), &ret->generation) ||
            !cd_json_int64(cd_json_find(object, CD_STR("factors")), &ret->factors) || now >= ret->until)
                return fail_ticket(reterr);
        ret->replaces = text_of(object, "replaces");
        ret->name = text_of(object, "name");
        ret->stored = text_of(object, "stored");
        ret->display_name = text_of(object, "display_name");
        ret->invite = text_of(object, "invite");
        status = cd_base32_decode(arena, text_of(object, "secret"), &ret->secret);
        return status == CD_OK ? CD_OK : cd_fail(reterr, status, "the secret of a ticket cannot be read");
}

static cd_status new_secret(const struct cd_factors *with, struct cd_arena *arena, struct ticket *ret,
                            struct cd_error *reterr)
{
        char *bytes = cd_arena_alloc(arena, CD_TOTP_SECRET_SIZE);

        if (!bytes)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (with->random->fill(with->random, bytes, CD_TOTP_SECRET_SIZE) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        ret->secret = cd_str_of(bytes, CD_TOTP_SECRET_SIZE);
        return CD_OK;
}

static cd_status begin_ticket(const struct cd_factors *with, struct ticket *ret, struct cd_error *reterr)
{
        cd_time now = with->clock->now(with->clock);

        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        ret->until = now + CD_ENROLMENT_LIFETIME;
        return CD_OK;
}

/* ---- the code which shows that the app has the secret ---- */

/* The holder of the ticket sees the secret, so there is nothing to guess, and wrong codes are not counted. */
static cd_status judge(const struct cd_factors *with, const struct ticket *ticket, cd_str text,
                       struct cd_totp_factor *ret_factor, struct cd_code_result *ret, struct cd_error *reterr)
{
        cd_time now = with->clock->now(with->clock);
        struct cd_totp_match match = { .verdict = CD_TOTP_WRONG };
        char code[CD_TOTP_DIGITS];

        ret->clock_skew = 0;
        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        if (cd_totp_read(text, code) && cd_totp_judge(ticket->secret, code, now, -1, &match) != CD_OK)
                return cd_fail(reterr, CD_INTERNAL, "a TOTP code cannot be computed");
        ret->clock_skew = match.skew;
        if (match.verdict != CD_TOTP_RIGHT)
                return cd_fail(reterr, CD_INVALID_GRANT, "invalid code");
        ret->factor = CD_FACTOR_TOTP;
        ret_factor->created_at = now;
        ret_factor->last_step = match.step;
        return CD_OK;
}

/* An event for the user's own action. */
static cd_status event_of(const struct cd_factors *with, struct cd_arena *arena, const char *action, cd_str name,
                          const struct cd_code_attempt *attempt, struct cd_audit_event *ret)
{
        cd_str user = cd_arena_printf(arena, "user:%.*s", CD_STR_ARG(name));

        if (!user.ptr)
                return CD_NO_MEMORY;
        *ret = (struct cd_audit_event){
                .at = with->clock->now(with->clock),
                .action = cd_str_from_c(action),
                .actor = user,
                .subject = user,
                .address = attempt->address,
        };
        return ret->at < 0 ? CD_UNAVAILABLE : CD_OK;
}

/* ---- the second factor of a user ---- */

static cd_str context_of(struct cd_arena *arena, cd_str name)
{
        return cd_arena_printf(arena, "enrol:%.*s", CD_STR_ARG(name));
}

cd_status cd_totp_enrol(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                        unsigned verified, struct cd_enrolment *ret, struct cd_error *reterr)
{
        struct cd_store *store = factors->store;
        struct ticket ticket = { .generation = user->generation };
        struct cd_totp_factor old;
        cd_status status = store->totp->find(store, arena, user->name, &old, reterr);

        if (status == CD_OK && !(verified & (CD_FACTOR_TOTP | CD_FACTOR_RECOVERY)))
                return cd_fail(reterr, CD_INVALID_GRANT, "a code of the present second factor is needed to replace it");
        if (status == CD_OK)
                ticket.replaces = old.sealed;
        if (status == CD_OK || status == CD_NOT_FOUND)
                status = begin_ticket(factors, &ticket, reterr);
        if (status == CD_OK)
                status = new_secret(factors, arena, &ticket, reterr);
        if (status == CD_OK)
                status = write_ticket(factors, arena, context_of(arena, user->name), &ticket, &ret->ticket, reterr);
        if (status == CD_OK)
                ret->secret = ticket.secret;
        return status;
}

cd_status cd_totp_look(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                       cd_str text, struct cd_totp_ticket *ret, struct cd_error *reterr)
{
        struct ticket ticket = { 0 };
        cd_status status = read_ticket(factors, arena, context_of(arena, user->name), text, &ticket, reterr);

        if (status != CD_OK)
                return status;
        if (ticket.generation != user->generation)
                return fail_ticket(reterr);
        *ret = (struct cd_totp_ticket){ ticket.secret, ticket.replaces.len > 0 };
        return CD_OK;
}

cd_status cd_totp_confirm(const struct cd_factors *factors, struct cd_arena *arena, struct cd_user *user, cd_str text,
                          const struct cd_code_attempt *attempt, struct cd_code_result *ret, struct cd_error *reterr)
{
        struct cd_totp_change change = { .factor = { .user = user->name }, .ret_generation = &user->generation };
        struct ticket ticket = { 0 };
        struct cd_audit_event event;

        ret->clock_skew = 0;
        cd_status status = read_ticket(factors, arena, context_of(arena, user->name), text, &ticket, reterr);
        if (status == CD_OK)
                status = judge(factors, &ticket, attempt->code, &change.factor, ret, reterr);
        if (status != CD_OK)
                return status;
        change.if_generation = ticket.generation;
        if (ticket.replaces.len)
                change.if_sealed = ticket.replaces;
        status = cd_totp_seal(factors->master, arena, user->name, ticket.secret, &change.factor.sealed, reterr);
        if (status != CD_OK)
                return status;
        status = event_of(factors, arena, "user.totp", user->name, attempt, &event);
        if (status != CD_OK)
                return cd_fail(reterr, status, "an audit event cannot be made");
        status = factors->store->totp->put(factors->store, &change, &event, reterr);
        if (status == CD_OK)
                cd_notice_tell(factors->notices, CD_NOTICE_TOTP_SET, user->name, attempt->address);
        return status;
}

cd_status cd_recovery_renew(const struct cd_factors *factors, struct cd_arena *arena, const struct cd_user *user,
                            const struct cd_code_attempt *attempt, struct cd_recovery_code ret[CD_RECOVERY_CODES],
                            struct cd_error *reterr)
{
        struct cd_store *store = factors->store;
        struct cd_recovery_macs macs;
        struct cd_audit_event event;
        cd_status status =
                cd_recovery_generate(factors->recovery_codes, factors->random, user->name, ret, &macs, reterr);

        if (status != CD_OK)
                return status;
        status = event_of(factors, arena, "user.recovery_codes", user->name, attempt, &event);
        if (status != CD_OK)
                return cd_fail(reterr, status, "an audit event cannot be made");
        return store->recovery->replace(store, user->name, user->generation, &macs, &event, reterr);
}

/* ---- registration ---- */

static const cd_str register_context = CD_STR_INIT("register");

/* Applies the contents of the invitation; *ret_link is its digest. */
static cd_status join_invite(const struct cd_registrar *registrar, struct cd_arena *arena, cd_str invite,
                             struct cd_user_params *params, cd_str *ret_link, struct cd_error *reterr)
{
        struct cd_invite_params gives;
        struct cd_account_link link;
        cd_status status = cd_invite_look(registrar->by, arena, invite, &link, &gives, reterr);

        if (status != CD_OK)
                return status;
        params->name = gives.name;
        params->email = gives.email;
        params->email_verified = gives.is_mailed;
        params->groups = gives.groups;
        if (!params->display_name.len)
                params->display_name = gives.display_name;
        *ret_link = link.digest;
        return CD_OK;
}

cd_status cd_register_begin(const struct cd_registrar *registrar, struct cd_arena *arena,
                            const struct cd_register_params *params, struct cd_enrolment *ret, struct cd_error *reterr)
{
        struct cd_store *store = registrar->by->store;
        struct cd_user_params wanted = { .name = params->name,
                                         .password = params->password,
                                         .stored = CD_PASSWORD_NONE,
                                         .display_name = params->display_name };
        struct ticket ticket = { .invite = params->invite };
        struct cd_user user, other;
        cd_str link;
        cd_status status = begin_ticket(registrar->factors, &ticket, reterr);

        if (status == CD_OK && params->invite.len)
                status = join_invite(registrar, arena, params->invite, &wanted, &link, reterr);
        if (status == CD_OK)
                status = cd_admin_user_prepare(registrar->by, arena, &wanted, &user, reterr);
        if (status == CD_OK)
                status = cd_admin_user_check_no_client(registrar->by, arena, user.name, reterr);
        if (status != CD_OK)
                return status;
        status = store->users->find(store, arena, user.name, &other, reterr);
        if (status == CD_OK)
                return cd_fail_field(reterr, CD_EXISTS, CD_STR("name"), "is taken; choose another one");
        if (status != CD_NOT_FOUND)
                return status;
        ticket.name = user.name;
        ticket.stored = user.password;
        ticket.display_name = user.display_name;
        ticket.factors = (params->password.ptr ? CD_FACTOR_PASSWORD : 0) | (params->without_totp ? 0 : CD_FACTOR_TOTP);
        status = params->without_totp ? CD_OK : new_secret(registrar->factors, arena, &ticket, reterr);
        if (status == CD_OK)
                status = write_ticket(registrar->factors, arena, register_context, &ticket, &ret->ticket, reterr);
        if (status == CD_OK)
                ret->secret = ticket.secret;
        return status;
}

cd_status cd_register_look(const struct cd_registrar *registrar, struct cd_arena *arena, cd_str text,
                           struct cd_register_ticket *ret, struct cd_error *reterr)
{
        struct ticket ticket = { 0 };
        cd_status status = read_ticket(registrar->factors, arena, register_context, text, &ticket, reterr);

        if (status != CD_OK)
                return status;
        *ret = (struct cd_register_ticket){
                .name = ticket.name,
                .secret = ticket.secret,
                .factors = (unsigned)ticket.factors,
                .is_invited = ticket.invite.len > 0,
        };
        return CD_OK;
}

/* Adds the account's factor and codes if the code is right. */
static cd_status add_factor(const struct cd_factors *with, struct cd_arena *arena, const struct ticket *ticket,
                            struct cd_registration *registration, struct cd_registered *ret, struct cd_error *reterr)
{
        struct cd_totp_factor *factor = &registration->factor;
        cd_status status = cd_totp_seal(with->master, arena, ticket->name, ticket->secret, &factor->sealed, reterr);

        factor->user = ticket->name;
        if (status == CD_OK)
                status = cd_recovery_generate(with->recovery_codes, with->random, ticket->name, ret->codes,
                                              &registration->codes, reterr);
        ret->code_count = status == CD_OK ? registration->codes.count : 0;
        return status;
}

cd_status cd_register_confirm(const struct cd_registrar *registrar, struct cd_arena *arena, cd_str text,
                              const struct cd_code_attempt *attempt, struct cd_registered *ret, struct cd_error *reterr)
{
        const struct cd_factors *with = registrar->factors;
        struct cd_store *store = with->store;
        struct cd_registration registration = { .link = CD_STR("") };
        struct ticket ticket = { 0 };
        struct cd_audit_event event;
        struct cd_user user;

        ret->code_count = 0;
        ret->code.clock_skew = 0;
        cd_status status = read_ticket(with, arena, register_context, text, &ticket, reterr);
        if (status == CD_OK && ticket.secret.len)
                status = judge(with, &ticket, attempt->code, &registration.factor, &ret->code, reterr);
        if (status != CD_OK)
                return status;
        struct cd_user_params wanted = { .name = ticket.name,
                                         .stored = ticket.stored,
                                         .display_name = ticket.display_name };
        if (ticket.invite.len)
                status = join_invite(registrar, arena, ticket.invite, &wanted, &registration.link, reterr);
        if (status == CD_OK)
                status = cd_admin_user_prepare(registrar->by, arena, &wanted, &user, reterr);
        if (status == CD_OK && ticket.secret.len)
                status = add_factor(with, arena, &ticket, &registration, ret, reterr);
        if (status != CD_OK)
                return status;
        status = event_of(with, arena, "user.register", user.name, attempt, &event);
        if (status != CD_OK)
                return cd_fail(reterr, status, "an audit event cannot be made");
        registration.user = &user;
        registration.now = event.at;
        status = store->links->join(store, &registration, &event, reterr);
        if (status == CD_OK)
                ret->name = user.name;
        return status;
}
