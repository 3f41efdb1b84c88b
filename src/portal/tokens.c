/* The page of a user's personal tokens, which makes and revokes them. */
#include "base/secret.h"
#include "core/personal_token.h"
#include "portal/account.h"

enum {
        EXAMPLE_MAX = 300, /* bytes: of a URL with a host */
};

#define DAYS_OFFERED "90"

/* Who asks. */
struct asker {
        struct cd_session session;
        struct cd_user user;
        bool may_make; /* the login is recent enough */
};

/* What each request begins with. A token lives on after the session, so a stolen session must not make one. False: it
 * has answered. */
static bool begin(struct cd_visit *visit, struct asker *ret)
{
        struct cd_error err;

        if (!cd_visit_need_session(visit, &ret->session, &ret->user))
                return false;
        if (cd_account_is_confirmed(visit, &ret->session, &ret->may_make, &err) == CD_OK)
                return true;
        cd_visit_fail_error(visit, &err);
        return false;
}

/* The session has ended while the form was filled in. */
static void fail_ended(struct cd_visit *visit)
{
        cd_visit_fail(visit, 401, (struct cd_page_message){ .id = CD_MESSAGE_SESSION_EXPIRED });
}

/* ---- the page ---- */

static bool join(struct cd_arena *arena, struct cd_strs list, cd_str *ret)
{
        struct cd_buf buf;

        *ret = CD_STR("");
        if (!list.count)
                return true;
        cd_buf_init(&buf, arena, 2 * CD_PERSONAL_TOKEN_LIMIT_MAX);
        for (size_t i = 0; i < list.count; i++) {
                if (i)
                        cd_buf_add(&buf, CD_STR(", "));
                cd_buf_add(&buf, list.items[i]);
        }
        return cd_buf_view(&buf, ret) == CD_OK;
}

static bool write_token(struct cd_arena *arena, const struct cd_personal_token *token, struct cd_page_token *ret)
{
        *ret = (struct cd_page_token){
                .id = token->id,
                .name = token->name,
                .address = token->address,
                .created = { token->created_at },
                .used = { token->used_at },
                .expires = { token->expires_at },
        };
        return join(arena, token->hosts, &ret->hosts) && join(arena, token->paths, &ret->paths) &&
               join(arena, token->methods, &ret->methods) && join(arena, token->networks, &ret->networks);
}

static cd_status list_tokens(const struct cd_visit *visit, cd_str user, struct cd_page_tokens *fields,
                             struct cd_error *reterr)
{
        struct cd_arena *arena = visit->req->arena;
        struct cd_personal_tokens_list list;

        cd_status status = cd_personal_token_list(visit->portal->services.sessions, arena, user, &list, reterr);
        if (status != CD_OK)
                return status;
        struct cd_page_token *items = cd_arena_calloc(arena, list.count + 1, sizeof(*items));
        for (size_t i = 0; i < list.count; i++)
                if (!items || !write_token(arena, &list.items[i], &items[i]))
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the tokens");
        fields->tokens.items = items;
        fields->tokens.count = list.count;
        fields->is_full = list.count >= CD_PERSONAL_TOKENS_MAX;
        return CD_OK;
}

static void show_tokens(struct cd_visit *visit, int status, const struct asker *asker, struct cd_page_tokens *fields)
{
        struct cd_error err;
        struct cd_buf buf;

        if (list_tokens(visit, asker->user.name, fields, &err) != CD_OK) {
                cd_visit_fail_error(visit, &err);
                return;
        }
        fields->may_make = asker->may_make;
        fields->max_days = CD_PERSONAL_TOKEN_DAYS_MAX;
        cd_visit_begin_page(visit, &buf);
        cd_page_tokens(&visit->view, fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

/* ---- making one ---- */

struct token_form {
        cd_str csrf, name, days, hosts, paths, methods, networks;
};

#define LIMIT(field)                                                                                                   \
        {                                                                                                              \
                .name = #field, .offset = offsetof(struct token_form, field), .type = CD_FIELD_STRING,                 \
                .max = CD_PERSONAL_TOKEN_LIMIT_MAX                                                                     \
        }
static const struct cd_field token_fields[] = {
        CD_VISIT_CSRF_FIELD(struct token_form),
        { .name = "name",
          .offset = offsetof(struct token_form, name),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED },
        { .name = "days",
          .offset = offsetof(struct token_form, days),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED },
        LIMIT(hosts),
        LIMIT(paths),
        LIMIT(methods),
        LIMIT(networks),
};
static const struct cd_table token_table = { "tokens", token_fields, CD_LEN(token_fields), sizeof(struct token_form),
                                             false };

/* An address to try the token with. */
static cd_str example_of(const struct cd_visit *visit, const struct cd_personal_token *token)
{
        const struct cd_portal *portal = visit->portal;
        struct cd_strs sites = { NULL, 0 };
        cd_str host = portal->url.host;

        if (portal->settings.access)
                sites = cd_access_hosts(portal->settings.access);
        if (sites.count)
                host = sites.items[0];
        for (size_t i = 0; i < token->hosts.count; i++)
                if (!cd_str_has_prefix(token->hosts.items[i], CD_STR("*."))) {
                        host = token->hosts.items[i];
                        break;
                }
        return cd_arena_printf(visit->req->arena, "https://%.*s/", CD_STR_ARG(cd_str_slice(host, 0, EXAMPLE_MAX)));
}

/* The answer to the POST itself, so that the token is in no address and no cache. */
static void show_made(struct cd_visit *visit, const struct cd_personal_token *token,
                      const struct cd_personal_token_text *text)
{
        const struct cd_page_token_made fields = {
                .username = token->user,
                .name = token->name,
                .token = cd_str_of(text->text, sizeof(text->text)),
                .example = example_of(visit, token),
                .expires = { token->expires_at },
        };
        struct cd_buf buf;

        if (!fields.example.ptr)
                return; /* without a status the server answers 500 */
        cd_visit_begin_page(visit, &buf);
        cd_page_token_made(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, 200, &buf);
}

/* What is wrong with the field that the error names. */
static struct cd_page_message blame(const struct cd_error *err, struct cd_page_tokens *fields)
{
        const struct {
                const char *field;
                bool *wrong;
                struct cd_page_message message;
        } all[] = {
                { "name", &fields->name_wrong, { CD_MESSAGE_DISPLAY_NAME_INVALID, 0 } },
                { "days", &fields->days_wrong, { CD_MESSAGE_TOKEN_DAYS_INVALID, CD_PERSONAL_TOKEN_DAYS_MAX } },
                { "hosts", &fields->hosts_wrong, { CD_MESSAGE_TOKEN_HOSTS_INVALID, CD_PERSONAL_TOKEN_ITEMS_MAX } },
                { "paths", &fields->paths_wrong, { CD_MESSAGE_TOKEN_PATHS_INVALID, CD_PERSONAL_TOKEN_ITEMS_MAX } },
                { "methods",
                  &fields->methods_wrong,
                  { CD_MESSAGE_TOKEN_METHODS_INVALID, CD_PERSONAL_TOKEN_ITEMS_MAX } },
                { "networks",
                  &fields->networks_wrong,
                  { CD_MESSAGE_TOKEN_NETWORKS_INVALID, CD_PERSONAL_TOKEN_ITEMS_MAX } },
        };

        for (size_t i = 0; i < CD_LEN(all); i++)
                if (strcmp(err->field, all[i].field) == 0) {
                        *all[i].wrong = true;
                        return all[i].message;
                }
        return (struct cd_page_message){ .id = CD_MESSAGE_FORM_INVALID };
}

static void make_token(struct cd_visit *visit, const struct asker *asker, const struct token_form *form,
                       struct cd_page_tokens *fields)
{
        struct cd_personal_token_params params = {
                .session = &asker->session,
                .name = cd_str_trim(form->name),
                .hosts = form->hosts,
                .paths = form->paths,
                .methods = form->methods,
                .networks = form->networks,
                .address = visit->req->client_address,
        };
        struct cd_personal_token_text *text = CD_NEW(visit->req->arena, struct cd_personal_token_text);
        struct cd_personal_token token;
        struct cd_error err;

        if (!cd_str_to_i64(cd_str_trim(form->days), &params.days))
                params.days = 0; /* which is refused */
        cd_status status = text ? cd_personal_token_create(visit->portal->services.sessions, visit->req->arena, &params,
                                                           &token, text, &err)
                                : cd_fail(&err, CD_NO_MEMORY, "no memory for a token");
        if (status == CD_OK) {
                show_made(visit, &token, text);
                cd_wipe(text, sizeof(*text));
        } else if (status == CD_INVALID_REQUEST) {
                visit->view.error = blame(&err, fields);
                show_tokens(visit, 400, asker, fields);
        } else if (status == CD_TOO_LARGE) {
                visit->view.error = (struct cd_page_message){ CD_MESSAGE_TOO_MANY_TOKENS, CD_PERSONAL_TOKENS_MAX };
                show_tokens(visit, 409, asker, fields);
        } else if (status == CD_NOT_FOUND) {
                fail_ended(visit);
        } else {
                cd_visit_fail_error(visit, &err);
        }
}

static void post_token(struct cd_visit *visit, const struct asker *asker)
{
        struct token_form form = { 0 };
        int status = 400;

        bool is_read = cd_visit_read_form(visit, &token_table, &form, &status);
        struct cd_page_tokens fields = {
                .name = form.name,
                .days = form.days,
                .hosts = form.hosts,
                .paths = form.paths,
                .methods = form.methods,
                .networks = form.networks,
        };
        if (!is_read)
                show_tokens(visit, status, asker, &fields);
        else if (!asker->may_make)
                cd_visit_redirect(visit, CD_STR("/step-up?return_to=" CD_PORTAL_BASE "/tokens"));
        else
                make_token(visit, asker, &form, &fields);
}

void cd_portal_tokens(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_page_tokens fields = { .days = CD_STR(DAYS_OFFERED) };
        struct cd_visit visit;
        struct asker asker;

        if (!cd_visit_begin(app, req, res, &visit) || !begin(&visit, &asker))
                return;
        if (req->method == CD_HTTP_POST)
                post_token(&visit, &asker);
        else
                show_tokens(&visit, 200, &asker, &fields);
}

/* ---- revoking ---- */

struct revoke_form {
        cd_str csrf, token;
};

static const struct cd_field revoke_fields[] = {
        CD_VISIT_CSRF_FIELD(struct revoke_form),
        { .name = "token",
          .offset = offsetof(struct revoke_form, token),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED,
          .max = CD_PERSONAL_TOKEN_ID_SIZE },
};
static const struct cd_table revoke_table = { "tokens/revoke", revoke_fields, CD_LEN(revoke_fields),
                                              sizeof(struct revoke_form), false };

static cd_status revoke(const struct cd_visit *visit, cd_str user, cd_str id, struct cd_error *reterr)
{
        const struct cd_sessions *sessions = visit->portal->services.sessions;
        const struct cd_http_request *req = visit->req;
        struct cd_personal_tokens_list list;
        cd_status status = cd_personal_token_list(sessions, req->arena, user, &list, reterr);

        for (size_t i = 0; status == CD_OK && i < list.count; i++)
                if (cd_str_eq(list.items[i].id, id))
                        return cd_personal_token_revoke(sessions, req->arena, &list.items[i], req->client_address,
                                                        reterr);
        return status;
}

/* An id that is none of this user's tokens, because it is another user's or is revoked, is answered as one that is
 * revoked now: the user has no such token. It makes nothing easier for who has stolen the session, so it asks for
 * nothing. */
void cd_portal_revoke_token(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct revoke_form form = { 0 };
        struct cd_session session;
        struct cd_visit visit;
        struct cd_user user;
        struct cd_error err;
        int wrong;

        if (!cd_visit_begin(app, req, res, &visit) || !cd_visit_need_session(&visit, &session, &user))
                return;
        if (!cd_visit_read_form(&visit, &revoke_table, &form, &wrong)) {
                cd_visit_fail(&visit, wrong, visit.view.error);
                return;
        }
        cd_status status = revoke(&visit, user.name, form.token, &err);
        if (status == CD_OK || status == CD_NOT_FOUND)
                cd_visit_redirect(&visit, CD_STR("/tokens?done=token-revoked"));
        else
                cd_visit_fail_error(&visit, &err);
}
