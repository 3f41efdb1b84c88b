#include "cmd/rule_test.h"

#include "app/storage.h"
#include "base/canonical.h"
#include "core/admin_users.h"
#include "core/return_to.h"
#include "core/user_details.h"
#include "core/user_name.h"

/* ---- the request ---- */

static cd_status read_host_and_path(struct cd_rule_test *t, const struct cd_rule_words *words, struct cd_error *reterr)
{
        cd_str path = cd_str_from_c(words->path ? words->path : "/"), host = cd_str_from_c(words->host);
        size_t end = host.len && host.ptr[0] == '[' ? cd_str_index(host, ']') : 0;

        cd_status status = cd_canonical_host(&t->admin->arena, host, &t->request.host);
        if (status != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("--host"),
                                     "is not a host; write it as in wiki.example.com");
        host = cd_str_slice(host, end, host.len);
        t->port = cd_str_slice(host, cd_str_index(host, ':'), host.len);
        if (cd_str_index(path, '?') < path.len)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("--path"),
                                     "has a query, which no rule looks at; leave it out");
        if (cd_canonical_path(&t->admin->arena, path, &t->path) != CD_OK)
                t->path = (cd_str){ 0 };
        t->request.path = t->path.ptr && cd_str_eq(t->path, path) ? path : (cd_str){ 0 };
        return CD_OK;
}

static cd_status read_numbers(struct cd_rule_test *t, const struct cd_rule_words *words, struct cd_error *reterr)
{
        static const struct cd_field factors = {
                .name = "--factors", .type = CD_FIELD_INT, .min = 1, .max = CD_ACCESS_FACTORS_MAX
        };
        static const struct cd_field age = { .name = "--age", .type = CD_FIELD_DURATION };
        int64_t count = (int64_t)t->admin->config.portal.factors.count, milliseconds = 0;
        cd_status status = CD_OK;

        if (words->factors)
                status = cd_field_bind(&t->admin->arena, &factors, cd_str_from_c(words->factors), &count, reterr);
        if (status == CD_OK && words->age)
                status = cd_field_bind(&t->admin->arena, &age, cd_str_from_c(words->age), &milliseconds, reterr);
        t->login.factors = (unsigned)count;
        t->login.auth_time = t->request.now - milliseconds / 1000;
        return status;
}

static cd_status read_request(struct cd_rule_test *t, const struct cd_rule_words *words, struct cd_error *reterr)
{
        t->request.method = cd_str_from_c(words->method ? words->method : "GET");
        t->request.now = t->admin->clock->now(t->admin->clock);
        if (t->request.now < 0)
                return cd_fail(reterr, CD_UNAVAILABLE, "the clock failed");
        if (words->audience) {
                t->token = (struct cd_access_token){ cd_str_from_c(words->audience), cd_str_from_c(words->scope) };
                t->request.token = &t->token;
        }
        if (words->address) {
                if (!cd_address_parse(cd_str_from_c(words->address), &t->address))
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("--address"),
                                             "is not an address; write it as in 192.0.2.1 or 2001:db8::1");
                t->request.address = &t->address;
        }
        cd_status status = read_host_and_path(t, words, reterr);
        return status == CD_OK ? read_numbers(t, words, reterr) : status;
}

/* ---- the user ---- */

static cd_status find_user(struct cd_rule_test *t, struct cd_error *reterr)
{
        struct cd_admin *admin = t->admin;
        const struct cd_storage_options options = { .file_name = admin->report.file_name };
        struct cd_storage storage;

        cd_status status = cd_storage_open(&admin->config, &admin->arena, &options, &storage, reterr);
        if (status != CD_OK)
                return status;
        admin->store = storage.store;
        admin->master = storage.master;
        return cd_admin_user_find(&(struct cd_operator){ .store = admin->store }, &admin->arena, t->login.user,
                                  &t->user, reterr);
}

/* Those of the user in the store, and those of --group. */
static cd_status read_groups(struct cd_rule_test *t, const struct cd_words *given, const struct cd_strs *own,
                             struct cd_error *reterr)
{
        cd_str *items = cd_arena_calloc(&t->admin->arena, given->count + own->count + 1, sizeof(*items));
        size_t count = 0;

        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the groups");
        for (size_t i = 0; i < own->count; i++)
                items[count++] = own->items[i];
        for (size_t i = 0; i < given->count; i++) {
                struct cd_error why;
                cd_str group = cd_str_from_c(given->items[i]);
                if (cd_group_name_check(group, &why) != CD_OK)
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("--group"), why.reason);
                items[count++] = group;
        }
        t->login.groups = (struct cd_strs){ items, count };
        return CD_OK;
}

/* Without a store there are no users, and the name is what the command line says. */
static cd_status read_user(struct cd_rule_test *t, const struct cd_rule_words *words, struct cd_error *reterr)
{
        struct cd_error why;

        if (!words->user)
                return CD_OK;
        cd_status status = cd_user_name_canonical(&t->admin->arena, cd_str_from_c(words->user), &t->login.user, &why);
        if (status != CD_OK)
                return cd_fail_field(reterr, status, CD_STR("--user"), why.reason);
        if (cd_config_is_durable(&t->admin->config))
                status = find_user(t, reterr);
        if (status == CD_OK)
                status = read_groups(t, &words->groups, &t->user.groups, reterr);
        if (status == CD_OK && !t->user.disabled)
                t->request.login = &t->login;
        return status;
}

/* ---- what is shown ---- */

cd_str cd_rule_test_rule(struct cd_rule_test *t, const struct cd_access_decision *decision)
{
        struct cd_arena *arena = &t->admin->arena;
        size_t rule = decision->rule, first_route = t->admin->config.access.count;

        if (rule == CD_ACCESS_NO_RULE)
                return CD_STR("none");
        cd_str setting = rule < first_route ? cd_arena_printf(arena, "access[%zu]", rule)
                                            : cd_arena_printf(arena, "gate.routes[%zu]", rule - first_route);
        const struct cd_setting_source *source = cd_report_find_source(&t->admin->report, setting);
        return source ? cd_arena_printf(arena, "%.*s (%.*s:%u)", CD_STR_ARG(setting),
                                        CD_STR_ARG(t->admin->report.file_name), source->line)
                      : setting;
}

cd_str cd_rule_test_reason(struct cd_rule_test *t, const struct cd_access_decision *decision)
{
        cd_str why = cd_access_explain(&t->admin->arena, t->access, &t->request, decision);

        if (t->user.disabled && decision->reason == CD_ACCESS_BY_NO_LOGIN)
                return cd_arena_printf(&t->admin->arena, "user %.*s is disabled and cannot log in",
                                       CD_STR_ARG(t->login.user));
        if (decision->reason == CD_ACCESS_BY_PATH && t->path.ptr)
                return cd_arena_printf(&t->admin->arena, "%.*s; canonical is %.*s", CD_STR_ARG(why),
                                       CD_STR_ARG(t->path));
        return why;
}

/* "https://wiki.example.com": by the scheme of the portal; without a port in --host, the portal's host has its own. */
static cd_str make_origin(struct cd_rule_test *t, const struct cd_portal_url *portal)
{
        if (!t->port.len && cd_str_eq(t->request.host, portal->host))
                return portal->origin;
        cd_str scheme = cd_str_slice(portal->origin, 0, cd_str_index(portal->origin, ':'));
        return cd_arena_printf(&t->admin->arena, "%.*s://%.*s%.*s", CD_STR_ARG(scheme), CD_STR_ARG(t->request.host),
                               CD_STR_ARG(t->port));
}

cd_str cd_rule_test_return(struct cd_rule_test *t, const struct cd_access_decision *decision)
{
        enum cd_access_outcome outcome = decision->outcome;
        struct cd_arena *arena = &t->admin->arena;
        struct cd_portal_url portal;

        if ((outcome != CD_ACCESS_LOG_IN && outcome != CD_ACCESS_STEP_UP) || !t->admin->config.portal.url.len ||
            cd_portal_url_parse(arena, t->admin->config.portal.url, &portal, NULL) != CD_OK)
                return (cd_str){ 0 };
        cd_str asked = cd_arena_printf(arena, "%.*s%.*s", CD_STR_ARG(make_origin(t, &portal)),
                                       CD_STR_ARG(t->request.path.ptr ? t->request.path : CD_STR("/")));
        struct cd_return_to to = cd_return_to_decide(arena, t->access, &portal, asked);
        return to.refused ? cd_arena_printf(arena, "%.*s, since %.*s %s", CD_STR_ARG(to.url), CD_STR_ARG(asked),
                                            to.refused)
                          : to.url;
}

int cd_rule_test_open(struct cd_rule_test *t, struct cd_context *context, const struct cd_rule_words *words)
{
        struct cd_error err = { 0 };

        *t = (struct cd_rule_test){ .command = context->command, .admin = &context->admin };
        if (!words->user && (words->groups.count || words->factors || words->age))
                return cd_usage_error(t->command, "--group, --factors and --age are of a user: --user NAME");
        if (!words->audience && words->scope)
                return cd_usage_error(t->command, "--scope is of an access token: --audience AUDIENCE");
        cd_status status = cd_config_access_new(&t->admin->config, &t->access, &err);
        if (status != CD_OK)
                return cd_context_fail_open(t->command, t->admin, &err);
        status = read_request(t, words, &err);
        if (status == CD_OK)
                status = read_user(t, words, &err);
        return status == CD_OK ? CD_EXIT_OK : cd_context_fail(t->command, &err);
}

void cd_rule_test_close(struct cd_rule_test *t)
{
        cd_access_free(t->access);
}
