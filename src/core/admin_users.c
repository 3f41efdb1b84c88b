#include "core/admin_users.h"

#include <string.h>

#include "base/buf.h"
#include "core/user_claims.h"
#include "core/user_name.h"

enum {
        /* Others may change a user's claims between our reading and writing; so often in a row is a fault. */
        CLAIMS_ATTEMPTS = 16,
        DETAIL_MAX = 200, /* bytes */
};

static cd_status canonical_name(struct cd_arena *arena, cd_str name, cd_str *ret, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_status status = cd_user_name_canonical(arena, name, ret, &why);

        if (status != CD_OK)
                return cd_fail_field(reterr, status, CD_STR("name"), why.reason);
        return CD_OK;
}

static cd_status fail_unknown(cd_str name, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_NOT_FOUND, CD_STR("name"), "there is no user \"%.*s\"", CD_STR_ARG(name));
}

static cd_status check_password(cd_str password, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_status status = cd_password_check(password, &why);

        return status == CD_OK ? CD_OK : cd_fail_field(reterr, status, CD_STR("password"), why.reason);
}

static cd_status check_stored(cd_str stored, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_status status = cd_password_check_form(stored, &why);

        return status == CD_OK ? CD_OK : cd_fail_field(reterr, status, CD_STR("hash"), why.reason);
}

/* The field of a claim at fault becomes "claims.role". */
static cd_status fail_claims(const struct cd_error *why, struct cd_error *reterr)
{
        char field[sizeof(why->field) + 8] = "claims";

        if (why->field[0]) {
                strcat(field, ".");
                strcat(field, why->field);
        }
        return cd_failf(reterr, why->status, cd_str_slice(cd_str_from_c(field), 0, sizeof(why->field) - 1), "%s",
                        why->reason);
}

static cd_status canonical_claims(const struct cd_operator *by, struct cd_arena *arena, cd_str claims, cd_str *ret,
                                  struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        if (cd_user_claims_canonical(arena, claims.len ? claims : CD_STR("{}"), by->scopes, ret, &why) != CD_OK)
                return fail_claims(&why, reterr);
        return CD_OK;
}

static cd_status fail_client(cd_str name, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_EXISTS, CD_STR("name"),
                        "\"%.*s\" is the id of a client, and the tokens of both would have one \"sub\"",
                        CD_STR_ARG(name));
}

static cd_status fail_exists(cd_str name, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_EXISTS, CD_STR("name"), "user \"%.*s\" exists already", CD_STR_ARG(name));
}

static cd_status check_not_configured(const struct cd_operator *by, cd_str name, struct cd_error *reterr)
{
        for (size_t i = 0; i < by->configured.count; i++)
                if (cd_str_eq(by->configured.items[i], name))
                        return fail_client(name, reterr);
        return CD_OK;
}

cd_status cd_admin_user_check_no_client(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                        struct cd_error *reterr)
{
        struct cd_client_record client;
        cd_status status = by->store->clients->find(by->store, arena, name, &client, reterr);

        if (status == CD_OK)
                return fail_client(name, reterr);
        return status == CD_NOT_FOUND ? CD_OK : status;
}

cd_status cd_admin_user_prepare(const struct cd_operator *by, struct cd_arena *arena,
                                const struct cd_user_params *params, struct cd_user *ret, struct cd_error *reterr)
{
        struct cd_user user = { .password = params->stored, .disabled = params->disabled };
        cd_time now = by->clock->now(by->clock);

        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock fails");
        user.created_at = user.changed_at = user.password_at = now;
        cd_status status = canonical_name(arena, params->name, &user.name, reterr);
        if (status == CD_OK)
                status = check_not_configured(by, user.name, reterr);
        if (status == CD_OK)
                status = canonical_claims(by, arena, params->claims, &user.claims, reterr);
        if (status == CD_OK)
                status = params->password.ptr ? check_password(params->password, reterr)
                                              : check_stored(params->stored, reterr);
        if (status == CD_OK && params->password.ptr)
                status = by->hasher->hash(by->hasher, params->password, arena, &user.password, reterr);
        if (status == CD_OK)
                *ret = user;
        return status;
}

cd_status cd_admin_user_add(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user_params *params,
                            struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_audit_event event;
        struct cd_user user;

        cd_status status = cd_admin_user_prepare(by, arena, params, &user, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.add", user.name, &event, reterr);
        if (status != CD_OK)
                return status;
        status = by->store->users->add(by->store, &(struct cd_users_page){ &user, 1 }, &event, reterr);
        if (status == CD_EXISTS) {
                status = cd_admin_user_check_no_client(by, arena, user.name, reterr);
                return status == CD_OK ? fail_exists(user.name, reterr) : status;
        }
        if (status == CD_OK)
                *ret = (struct cd_user_result){ user.name };
        return status;
}

/* Makes the change, which has all but the time. */
static cd_status change_user(const struct cd_operator *by, struct cd_user_change *change, struct cd_audit_event *event,
                             struct cd_user_result *ret, struct cd_error *reterr)
{
        change->now = event->at;
        cd_status status = by->store->users->update(by->store, change, event, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(change->name, reterr);
        if (status == CD_OK)
                *ret = (struct cd_user_result){ change->name };
        return status;
}

cd_status cd_admin_user_set_password(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str password,
                                     struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_user_change change = { 0 };
        struct cd_audit_event event;

        cd_status status = canonical_name(arena, name, &change.name, reterr);
        if (status == CD_OK)
                status = check_password(password, reterr);
        if (status == CD_OK)
                status = by->hasher->hash(by->hasher, password, arena, &change.password, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.passwd", change.name, &event, reterr);
        return status == CD_OK ? change_user(by, &change, &event, ret, reterr) : status;
}

cd_status cd_admin_user_switch(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               enum cd_user_switch to, struct cd_user_result *ret, struct cd_error *reterr)
{
        const char *action = to == CD_USER_DISABLE ? "user.disable" : "user.enable";
        struct cd_user_change change = { .disabled = to };
        struct cd_audit_event event;

        cd_status status = canonical_name(arena, name, &change.name, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, action, change.name, &event, reterr);
        return status == CD_OK ? change_user(by, &change, &event, ret, reterr) : status;
}

cd_status cd_admin_user_remove(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                               struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_user_change change = { 0 };
        struct cd_audit_event event;

        cd_status status = canonical_name(arena, name, &change.name, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.remove", change.name, &event, reterr);
        if (status != CD_OK)
                return status;
        change.now = event.at;
        status = by->store->users->remove(by->store, &change, &event, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(change.name, reterr);
        if (status == CD_OK)
                *ret = (struct cd_user_result){ change.name };
        return status;
}

cd_status cd_admin_user_find(const struct cd_operator *by, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                             struct cd_error *reterr)
{
        cd_str canonical;

        cd_status status = canonical_name(arena, name, &canonical, reterr);
        if (status != CD_OK)
                return status;
        status = by->store->users->find(by->store, arena, canonical, ret, reterr);
        return status == CD_NOT_FOUND ? fail_unknown(canonical, reterr) : status;
}

/* The names of the claims that were assigned: what they are worth is not the audit's. */
static cd_str names_of(struct cd_arena *arena, const struct cd_claims_change *change)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, arena, DETAIL_MAX);
        if (change->replace)
                cd_buf_add(&buf, CD_STR("all"));
        for (size_t i = 0; i < change->assignments.count; i++) {
                cd_str assignment = change->assignments.items[i];
                if (buf.len)
                        cd_buf_add(&buf, change->replace && i == 0 ? CD_STR(": ") : CD_STR(", "));
                cd_buf_add(&buf, cd_str_slice(assignment, 0, cd_str_index(assignment, '=')));
        }
        return cd_buf_view(&buf, &text) == CD_OK ? text : CD_STR("many");
}

static cd_status set_claims_once(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                 const struct cd_claims_change *ask, struct cd_user_result *ret,
                                 struct cd_error *reterr)
{
        struct cd_user_change change = { .name = name };
        struct cd_audit_event event;
        struct cd_error why = { 0 };
        struct cd_user user;

        cd_status status = cd_admin_user_find(by, arena, name, &user, reterr);
        if (status != CD_OK)
                return status;
        change.if_claims = user.claims;
        if (cd_user_claims_assign(arena, ask->replace ? CD_STR("") : user.claims, ask->assignments, by->scopes,
                                  &change.claims, &why) != CD_OK)
                return fail_claims(&why, reterr);
        status = cd_operator_event(by, arena, "user.claims", name, &event, reterr);
        if (status != CD_OK)
                return status;
        event.detail = names_of(arena, ask);
        return change_user(by, &change, &event, ret, reterr);
}

cd_status cd_admin_user_set_claims(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                   const struct cd_claims_change *change, struct cd_user_result *ret,
                                   struct cd_error *reterr)
{
        struct cd_user user;
        cd_str canonical;

        cd_status status = canonical_name(arena, name, &canonical, reterr);
        if (status != CD_OK)
                return status;
        for (unsigned i = 0; i < CLAIMS_ATTEMPTS; i++) {
                status = set_claims_once(by, arena, canonical, change, ret, reterr);
                /* Not found for a user who is there: somebody else changed the claims in between. */
                if (status != CD_NOT_FOUND || cd_admin_user_find(by, arena, canonical, &user, reterr) != CD_OK)
                        return status;
        }
        return cd_fail(reterr, CD_UNAVAILABLE, "others keep changing the claims of this user");
}

cd_status cd_admin_users_add(const struct cd_operator *by, struct cd_arena *arena, const struct cd_users_page *users,
                             struct cd_error *reterr)
{
        struct cd_audit_event event;

        if (!users->count)
                return CD_OK;
        cd_status status = cd_operator_event(by, arena, "user.import",
                                             users->count == 1 ? users->items[0].name : CD_STR(""), &event, reterr);
        if (status != CD_OK)
                return status;
        if (users->count > 1)
                event.detail = cd_arena_printf(arena, "%zu users, %.*s to %.*s", users->count,
                                               CD_STR_ARG(users->items[0].name),
                                               CD_STR_ARG(users->items[users->count - 1].name));
        if (!event.detail.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        return by->store->users->add(by->store, users, &event, reterr);
}

cd_status cd_admin_user_replace(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                                struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_user_change change = {
                .name = user->name,
                .password = user->password,
                .claims = user->claims,
                .disabled = user->disabled ? CD_USER_DISABLE : CD_USER_ENABLE,
        };
        struct cd_audit_event event;

        cd_status status = cd_operator_event(by, arena, "user.import", user->name, &event, reterr);
        return status == CD_OK ? change_user(by, &change, &event, ret, reterr) : status;
}
