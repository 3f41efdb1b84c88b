#include "core/account_link.h"

#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/secret.h"
#include "core/admin_users.h"
#include "core/digest.h"
#include "core/notice.h"
#include "core/password_rules.h"
#include "core/user_details.h"
#include "core/user_name.h"
#include "crypto/password.h"

enum {
        TOKEN_BYTES = 32,
        DETAIL_MAX = 200, /* bytes */
};

static cd_status new_token(const struct cd_operator *by, struct cd_arena *arena, struct cd_link_token *ret,
                           cd_str *ret_digest, struct cd_error *reterr)
{
        char bytes[TOKEN_BYTES];

        if (by->random->fill(by->random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        cd_base64url_encode(ret->text, cd_str_of(bytes, sizeof(bytes)));
        cd_wipe(bytes, sizeof(bytes));
        return cd_digest_text(arena, cd_str_of(ret->text, sizeof(ret->text)), ret_digest, reterr);
}

/* Shows the link, then stores it: one that nobody has received must not replace an earlier one (LESSONS 38). */
static cd_status add_link(const struct cd_operator *by, struct cd_account_link *link, int64_t lifetime,
                          const struct cd_audit_event *event, struct cd_link_token *token, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        link->created_at = event->at;
        link->expires_at = token->expires_at = event->at + lifetime;
        if (by->show_secret)
                status = by->show_secret(by->show_arg, link->user, cd_str_of(token->text, sizeof(token->text)), reterr);
        return status == CD_OK ? by->store->links->add(by->store, link, event, reterr) : status;
}

bool cd_link_is_token(cd_str text)
{
        char bytes[CD_LINK_TOKEN_SIZE];
        size_t size;

        return text.len == CD_LINK_TOKEN_SIZE && cd_base64url_decode(text, bytes, &size) == CD_OK;
}

/* One reason for everything that can be wrong with a link. */
static cd_status fail_link(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NOT_FOUND, "the link was used already, has expired, or is none of ours");
}

static cd_status find_link(const struct cd_operator *by, struct cd_arena *arena, cd_str token, const char *kind,
                           struct cd_account_link *ret, struct cd_error *reterr)
{
        cd_time now = by->clock->now(by->clock);
        cd_str digest;

        if (now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        if (!cd_link_is_token(token))
                return fail_link(reterr);
        cd_status status = cd_digest_text(arena, token, &digest, reterr);
        if (status == CD_OK)
                status = by->store->links->find(by->store, arena, digest, ret, reterr);
        if (status == CD_NOT_FOUND || (status == CD_OK && (now >= ret->expires_at || !cd_str_eq_c(ret->kind, kind))))
                return fail_link(reterr);
        return status;
}

/* ---- invitations ---- */

/* `user` has the details of the account. */
static cd_status write_account(struct cd_arena *arena, const struct cd_user *user, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, CD_INVITE_ACCOUNT_MAX);
        cd_buf_add(&buf, CD_STR("{\"display_name\":"));
        cd_buf_add_json(&buf, user->display_name);
        cd_buf_add(&buf, CD_STR(",\"email\":"));
        cd_buf_add_json(&buf, user->email);
        cd_buf_add(&buf, CD_STR(",\"groups\":"));
        cd_json_write_strs(user->groups, &buf);
        cd_buf_add(&buf, user->email_verified ? CD_STR(",\"mailed\":true}") : CD_STR("}"));
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "out of memory");
}

static cd_status check_free(const struct cd_operator *by, struct cd_arena *arena, cd_str name, struct cd_error *reterr)
{
        struct cd_user user;

        if (cd_strs_has(by->configured, name))
                return cd_failf(reterr, CD_EXISTS, CD_STR("name"),
                                "\"%.*s\" is the id of a client; choose another name", CD_STR_ARG(name));
        cd_status status = cd_admin_user_check_no_client(by, arena, name, reterr);
        if (status != CD_OK)
                return status;
        status = by->store->users->find(by->store, arena, name, &user, reterr);
        if (status == CD_OK)
                return cd_failf(reterr, CD_EXISTS, CD_STR("name"),
                                "user \"%.*s\" exists already; for a new password use cardea user reset",
                                CD_STR_ARG(name));
        return status == CD_NOT_FOUND ? CD_OK : status;
}

/* "+admins +staff": the audit records permissions. */
static cd_str detail_of(struct cd_arena *arena, struct cd_strs groups)
{
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, arena, DETAIL_MAX);
        for (size_t i = 0; i < groups.count; i++)
                cd_buf_printf(&buf, "%s+%.*s", i ? " " : "", CD_STR_ARG(groups.items[i]));
        return cd_buf_view(&buf, &text) == CD_OK ? text : CD_STR("many groups");
}

/* Checks the params; *ret gets the user and the account, *ret_detail the detail for the audit. */
static cd_status check_invite(const struct cd_operator *by, struct cd_arena *arena,
                              const struct cd_invite_params *params, struct cd_account_link *ret, cd_str *ret_detail,
                              struct cd_error *reterr)
{
        const struct cd_user_params account = { .display_name = params->display_name,
                                                .email = params->email,
                                                .email_verified = params->is_mailed,
                                                .groups = params->groups };
        struct cd_user user = { 0 };
        struct cd_error why = { 0 };
        cd_status status = cd_user_name_new(arena, params->name, &ret->user, &why);

        if (status != CD_OK)
                return cd_fail_field(reterr, status, CD_STR("name"), why.reason);
        if (params->lifetime < 0 || params->lifetime > CD_INVITE_LIFETIME_MAX)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("lifetime"), "is longer than 30 days");
        status = check_free(by, arena, ret->user, reterr);
        if (status == CD_OK)
                status = cd_admin_user_read_details(arena, &account, &user, reterr);
        if (status != CD_OK)
                return status;
        *ret_detail = detail_of(arena, user.groups);
        return write_account(arena, &user, &ret->account, reterr);
}

cd_status cd_invite(const struct cd_operator *by, struct cd_arena *arena, const struct cd_invite_params *params,
                    struct cd_link_token *ret, struct cd_error *reterr)
{
        struct cd_account_link link = { .kind = CD_STR("invite") };
        struct cd_audit_event event;
        cd_str detail;
        cd_status status = check_invite(by, arena, params, &link, &detail, reterr);

        if (status == CD_OK)
                status = new_token(by, arena, ret, &link.digest, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.invite", link.user, &event, reterr);
        if (status != CD_OK)
                return status;
        event.detail = detail;
        return add_link(by, &link, params->lifetime ? params->lifetime : CD_INVITE_LIFETIME, &event, ret, reterr);
}

static cd_str text_of(const struct cd_json *object, cd_str name)
{
        const struct cd_json *node = cd_json_find(object, name);

        return node && node->type == CD_JSON_STRING ? node->text : CD_STR("");
}

static cd_status read_account(struct cd_arena *arena, cd_str account, struct cd_invite_params *ret,
                              struct cd_error *reterr)
{
        const struct cd_json *object, *groups;
        cd_str *names;

        if (cd_json_parse(arena, account, CD_JSON_UNIQUE_NAMES, &object, NULL) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the store is damaged: an invitation is no JSON");
        ret->display_name = text_of(object, CD_STR("display_name"));
        ret->email = text_of(object, CD_STR("email"));
        ret->is_mailed = cd_json_find(object, CD_STR("mailed")) != NULL;
        groups = cd_json_find(object, CD_STR("groups"));
        if (!groups || groups->type != CD_JSON_ARRAY)
                return CD_OK;
        names = cd_arena_calloc(arena, groups->count + 1, sizeof(*names));
        if (!names)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        ret->groups.items = names;
        for (const struct cd_json *item = groups->child; item; item = item->next)
                names[ret->groups.count++] = item->text;
        return CD_OK;
}

cd_status cd_invite_look(const struct cd_operator *by, struct cd_arena *arena, cd_str token,
                         struct cd_account_link *ret, struct cd_invite_params *ret_params, struct cd_error *reterr)
{
        struct cd_account_link link;
        struct cd_invite_params params = { 0 };
        cd_status status = find_link(by, arena, token, "invite", &link, reterr);

        if (status == CD_OK)
                status = read_account(arena, link.account, &params, reterr);
        if (status != CD_OK)
                return status;
        params.name = link.user;
        *ret = link;
        *ret_params = params;
        return CD_OK;
}

/* ---- resets ---- */

cd_status cd_reset_link(const struct cd_operator *by, struct cd_arena *arena, const struct cd_user *user,
                        struct cd_link_token *ret, struct cd_error *reterr)
{
        struct cd_account_link link = {
                .kind = CD_STR("reset"), .user = user->name, .generation = user->generation, .account = CD_STR("{}")
        };
        struct cd_audit_event event;
        cd_status status = new_token(by, arena, ret, &link.digest, reterr);

        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.reset_link", user->name, &event, reterr);
        return status == CD_OK ? add_link(by, &link, CD_RESET_LIFETIME, &event, ret, reterr) : status;
}

cd_status cd_reset_look(const struct cd_operator *by, struct cd_arena *arena, cd_str token, struct cd_account_link *ret,
                        struct cd_error *reterr)
{
        struct cd_account_link link;
        struct cd_user user;
        cd_status status = find_link(by, arena, token, "reset", &link, reterr);

        if (status == CD_OK)
                status = by->store->users->find(by->store, arena, link.user, &user, reterr);
        if (status == CD_NOT_FOUND || (status == CD_OK && (user.disabled || user.generation != link.generation)))
                return fail_link(reterr);
        if (status == CD_OK)
                *ret = link;
        return status;
}

cd_status cd_reset_password(const struct cd_operator *by, struct cd_arena *arena, cd_str token, cd_str password,
                            cd_str *ret_name, struct cd_error *reterr)
{
        struct cd_account_link link;
        struct cd_audit_event event;
        struct cd_error why = { 0 };
        cd_str stored;
        cd_status status = find_link(by, arena, token, "reset", &link, reterr);

        if (status != CD_OK)
                return status;
        status = cd_password_check_new(password, by->password_min, &why);
        if (status != CD_OK)
                return cd_fail_field(reterr, status, CD_STR("password"), why.reason);
        status = by->hasher->hash(by->hasher, password, arena, &stored, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "user.reset", link.user, &event, reterr);
        if (status == CD_OK)
                status = by->store->links->reset(by->store, &link, stored, event.at, &event, reterr);
        if (status == CD_NOT_FOUND)
                return fail_link(reterr);
        if (status != CD_OK)
                return status;
        *ret_name = link.user;
        cd_notice_tell(by->notices, CD_NOTICE_PASSWORD, link.user, by->address);
        return CD_OK;
}
