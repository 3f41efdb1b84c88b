#include "core/admin_users.h"

#include <string.h>

#include "base/buf.h"
#include "core/notice.h"
#include "core/password_rules.h"
#include "core/user_claims.h"
#include "core/user_details.h"
#include "core/user_name.h"

enum {
        /* Another process may change a user between reading and writing; that many times in a row is a fault. */
        EDIT_ATTEMPTS = 16,
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

static cd_status check_password(const struct cd_operator *by, cd_str password, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_status status = cd_password_check_new(password, by->password_min, &why);

        return status == CD_OK ? CD_OK : cd_fail_field(reterr, status, CD_STR("password"), why.reason);
}

static cd_status check_stored(cd_str stored, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_status status = cd_password_check_form(stored, &why);

        return status == CD_OK ? CD_OK : cd_fail_field(reterr, status, CD_STR("hash"), why.reason);
}

/* For a claim at fault, the field becomes "claims.role". */
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

static cd_status in_field(const char *field, cd_status status, const struct cd_error *why, struct cd_error *reterr)
{
        return status == CD_OK ? CD_OK : cd_fail_field(reterr, status, cd_str_from_c(field), why->reason);
}

cd_status cd_admin_user_read_details(struct cd_arena *arena, const struct cd_user_params *params, struct cd_user *ret,
                                     struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        struct cd_strs groups;
        cd_status status = CD_OK;

        if (params->display_name.len)
                status = in_field("display_name", cd_display_name_check(params->display_name, &why), &why, reterr);
        if (status == CD_OK && params->email.len)
                status = in_field("email", cd_email_check(params->email, &why), &why, reterr);
        if (status == CD_OK && params->email_verified && !params->email.len)
                status = cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("email_verified"),
                                       "there is no e-mail address that could be verified");
        if (status == CD_OK)
                status = in_field("groups", cd_groups_canonical(arena, params->groups, &groups, &why), &why, reterr);
        if (status != CD_OK)
                return status;
        ret->display_name = params->display_name;
        ret->email = params->email;
        ret->email_verified = params->email_verified;
        ret->groups = groups;
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
        struct cd_error why = { 0 };
        cd_time now = by->clock->now(by->clock);

        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock fails");
        user.created_at = user.changed_at = user.password_at = user.cleared_at = now;
        cd_status status = params->has_provider && cd_user_name_has_provider(params->name)
                                   ? cd_user_name_canonical(arena, params->name, &user.name, &why)
                                   : cd_user_name_new(arena, params->name, &user.name, &why);
        if (status != CD_OK)
                return cd_fail_field(reterr, status, CD_STR("name"), why.reason);
        status = check_not_configured(by, user.name, reterr);
        if (status == CD_OK)
                status = canonical_claims(by, arena, params->claims, &user.claims, reterr);
        if (status == CD_OK)
                status = cd_admin_user_read_details(arena, params, &user, reterr);
        if (status == CD_OK)
                status = params->password.ptr ? check_password(by, params->password, reterr)
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
                *ret = (struct cd_user_result){ .name = user.name };
        return status;
}

/* Makes the change, which is complete except for the time. */
static cd_status change_user(const struct cd_operator *by, struct cd_user_change *change, struct cd_audit_event *event,
                             struct cd_user_result *ret, struct cd_error *reterr)
{
        change->now = event->at;
        cd_status status = by->store->users->update(by->store, change, event, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(change->name, reterr);
        if (status == CD_OK)
                *ret = (struct cd_user_result){ .name = change->name };
        return status;
}

/* Makes the change, whose name is set, to a new password. */
static cd_status change_password(const struct cd_operator *by, struct cd_arena *arena, cd_str password,
                                 struct cd_user_change *change, struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_audit_event event;

        cd_status status = check_password(by, password, reterr);
        if (status == CD_OK)
                status = by->hasher->hash(by->hasher, password, arena, &change->password, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.passwd", change->name, &event, reterr);
        if (status == CD_OK)
                status = change_user(by, change, &event, ret, reterr);
        if (status == CD_OK)
                cd_notice_tell(by->notices, CD_NOTICE_PASSWORD, change->name, by->address);
        return status;
}

cd_status cd_admin_user_set_password(const struct cd_operator *by, struct cd_arena *arena, cd_str name, cd_str password,
                                     struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_user_change change = { 0 };

        cd_status status = canonical_name(arena, name, &change.name, reterr);
        return status == CD_OK ? change_password(by, arena, password, &change, ret, reterr) : status;
}

cd_status cd_admin_user_change_password(const struct cd_operator *by, struct cd_arena *arena,
                                        const struct cd_user *user, cd_str password, int64_t *ret_generation,
                                        struct cd_error *reterr)
{
        struct cd_user_change change = { .name = user->name,
                                         .if_generation = user->generation,
                                         .ret_generation = ret_generation };
        struct cd_user_result result;

        return change_password(by, arena, password, &change, &result, reterr);
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
                *ret = (struct cd_user_result){ .name = change.name };
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

/* A change that depends on the current user: `make` writes the change, and its detail in the audit. */
struct edit {
        const struct cd_operator *by;
        struct cd_arena *arena;
        const char *action;
        const void *ask;
        cd_status (*make)(const struct edit *edit, const struct cd_user *user, struct cd_user_change *ret,
                          cd_str *ret_detail, struct cd_error *reterr);
};

static bool are_same(struct cd_strs a, struct cd_strs b)
{
        if (a.count != b.count)
                return false;
        for (size_t i = 0; i < a.count; i++)
                if (!cd_str_eq(a.items[i], b.items[i]))
                        return false;
        return true;
}

/* As users->update has it; of what an edit can change. */
static bool ends_tokens(const struct cd_user *user, const struct cd_user_change *change)
{
        return (change->claims.ptr && !cd_str_eq(change->claims, user->claims)) ||
               (change->groups && !are_same(*change->groups, user->groups));
}

/* Of what an edit can change. */
static bool changes(const struct cd_user *user, const struct cd_user_change *change)
{
        return ends_tokens(user, change) ||
               (change->display_name.ptr && !cd_str_eq(change->display_name, user->display_name)) ||
               (change->email.ptr &&
                (!cd_str_eq(change->email, user->email) || change->email_verified != user->email_verified));
}

static cd_status edit_once(const struct edit *edit, cd_str name, struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_user_change change = { .name = name };
        struct cd_audit_event event;
        struct cd_user user;
        cd_str detail;

        cd_status status = cd_admin_user_find(edit->by, edit->arena, name, &user, reterr);
        if (status != CD_OK)
                return status;
        change.if_generation = user.generation;
        status = edit->make(edit, &user, &change, &detail, reterr);
        if (status == CD_OK)
                status = cd_operator_event(edit->by, edit->arena, edit->action, name, &event, reterr);
        if (status != CD_OK)
                return status;
        event.detail = detail;
        status = change_user(edit->by, &change, &event, ret, reterr);
        if (status != CD_OK)
                return status;
        ret->ended_tokens = ends_tokens(&user, &change);
        ret->changed = changes(&user, &change);
        return CD_OK;
}

static cd_status edit_user(const struct edit *edit, cd_str name, struct cd_user_result *ret, struct cd_error *reterr)
{
        struct cd_user user;
        cd_str canonical;

        cd_status status = canonical_name(edit->arena, name, &canonical, reterr);
        if (status != CD_OK)
                return status;
        for (unsigned i = 0; i < EDIT_ATTEMPTS; i++) {
                status = edit_once(edit, canonical, ret, reterr);
                /* CD_NOT_FOUND for an existing user: another process changed it in between. */
                if (status != CD_NOT_FOUND ||
                    cd_admin_user_find(edit->by, edit->arena, canonical, &user, reterr) != CD_OK)
                        return status;
        }
        return cd_fail(reterr, CD_UNAVAILABLE, "others keep changing this user");
}

static cd_status make_claims(const struct edit *edit, const struct cd_user *user, struct cd_user_change *ret,
                             cd_str *ret_detail, struct cd_error *reterr)
{
        const struct cd_claims_change *ask = edit->ask;
        struct cd_error why = { 0 };

        if (cd_user_claims_assign(edit->arena, ask->replace ? CD_STR("") : user->claims, ask->assignments,
                                  edit->by->scopes, &ret->claims, &why) != CD_OK)
                return fail_claims(&why, reterr);
        *ret_detail = cd_user_claims_difference(edit->arena, user->claims, ret->claims);
        return CD_OK;
}

cd_status cd_admin_user_set_claims(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                   const struct cd_claims_change *change, struct cd_user_result *ret,
                                   struct cd_error *reterr)
{
        const struct edit edit = { by, arena, "user.claims", change, make_claims };

        return edit_user(&edit, name, ret, reterr);
}

static const char *how_email_changed(const struct cd_details_change *ask)
{
        return !ask->email.len ? " email (removed)" : ask->email_verified ? " email (verified)" : " email";
}

/* What was set, and the groups. The audit records permissions, but not personal data such as an e-mail address. */
static cd_str details_of(struct cd_arena *arena, const struct cd_details_change *ask)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, arena, DETAIL_MAX);
        if (ask->display_name.ptr)
                cd_buf_printf(&buf, "%s", ask->display_name.len ? " display_name" : " display_name (removed)");
        if (ask->email.ptr)
                cd_buf_printf(&buf, "%s", how_email_changed(ask));
        for (size_t i = 0; i < ask->add_groups.count; i++)
                cd_buf_printf(&buf, " +%.*s", CD_STR_ARG(ask->add_groups.items[i]));
        for (size_t i = 0; i < ask->remove_groups.count; i++)
                cd_buf_printf(&buf, " -%.*s", CD_STR_ARG(ask->remove_groups.items[i]));
        return cd_buf_view(&buf, &text) == CD_OK ? cd_str_slice(text, 1, text.len) : CD_STR("many");
}

/* The user's groups without those to remove, and with those to add. */
static cd_status edit_groups(struct cd_arena *arena, struct cd_strs groups, const struct cd_details_change *ask,
                             struct cd_strs *ret, struct cd_error *reterr)
{
        cd_str *names = cd_arena_calloc(arena, groups.count + ask->add_groups.count + 1, sizeof(*names));
        size_t count = 0;

        if (!names)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        for (size_t i = 0; i < ask->remove_groups.count; i++) {
                cd_status status = cd_group_name_check(ask->remove_groups.items[i], reterr);
                if (status != CD_OK)
                        return status;
        }
        for (size_t i = 0; i < groups.count; i++)
                if (!cd_strs_has(ask->remove_groups, groups.items[i]))
                        names[count++] = groups.items[i];
        for (size_t i = 0; i < ask->add_groups.count; i++) {
                if (cd_strs_has(ask->remove_groups, ask->add_groups.items[i]))
                        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                        "\"%.*s\" cannot be both added and removed",
                                        CD_STR_ARG(cd_str_slice(ask->add_groups.items[i], 0, CD_GROUP_NAME_MAX)));
                names[count++] = ask->add_groups.items[i];
        }
        *ret = (struct cd_strs){ names, count };
        return CD_OK;
}

static cd_status make_details(const struct edit *edit, const struct cd_user *user, struct cd_user_change *ret,
                              cd_str *ret_detail, struct cd_error *reterr)
{
        const struct cd_details_change *ask = edit->ask;
        struct cd_user_params params = { .display_name = ask->display_name,
                                         .email = ask->email,
                                         .email_verified = ask->email_verified };
        struct cd_user *after = CD_NEW(edit->arena, struct cd_user);
        bool changes_groups = ask->add_groups.count || ask->remove_groups.count;
        struct cd_error why = { 0 };
        cd_status status = CD_OK;

        if (!after)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        if (changes_groups)
                status = in_field("groups", edit_groups(edit->arena, user->groups, ask, &params.groups, &why), &why,
                                  reterr);
        if (status == CD_OK)
                status = cd_admin_user_read_details(edit->arena, &params, after, reterr);
        if (status != CD_OK)
                return status;
        ret->display_name = after->display_name;
        ret->email = after->email;
        ret->email_verified = after->email_verified;
        ret->groups = changes_groups ? &after->groups : NULL;
        *ret_detail = details_of(edit->arena, ask);
        return CD_OK;
}

cd_status cd_admin_user_set_details(const struct cd_operator *by, struct cd_arena *arena, cd_str name,
                                    const struct cd_details_change *change, struct cd_user_result *ret,
                                    struct cd_error *reterr)
{
        const struct edit edit = { by, arena, "user.set", change, make_details };

        return edit_user(&edit, name, ret, reterr);
}
