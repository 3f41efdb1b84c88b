/* cardea gate test: the route of a request, the rule that decides, and what the application would receive. */
#include <stdio.h>
#include <string.h>

#include "base/canonical.h"
#include "base/streams.h"
#include "base/url.h"
#include "cmd/rule_test.h"
#include "cmd/text_table.h"
#include "core/return_to.h"
#include "gate/forward.h"
#include "gate/readings.h"

enum {
        JSON_MAX = 4 << 20, /* bytes of the output */
        DETAILS_MAX = 8,
        URL_ARENA = 64 << 10,
};

struct url {
        cd_str scheme, authority, path;
        cd_str query; /* ptr NULL: none */
};

struct test {
        struct cd_rule_test rule; /* its arena has all texts but those of the URL */
        struct url url;
        struct cd_access_decision decision;
        cd_str refused;                     /* why the path is; ptr NULL: it is not */
        const struct cd_config_route *from; /* NULL: no route has the host and the path */
        struct cd_gate_route route;
        struct cd_http_log_context log;
        struct cd_http_header host;
        struct cd_http_request request;
        struct cd_live_session session;
        struct cd_upstream_request forwarded;
        bool is_forwarded;
        struct cd_detail details[DETAILS_MAX];
        size_t detail_count;
};

/* ---- the URL ---- */

/* Returns NULL, or what is wrong with it. */
static const char *split(struct cd_arena *arena, cd_str text, struct url *ret)
{
        struct cd_url parts;
        cd_str canonical;

        if (!cd_url_split(text, &parts))
                return "begins with neither https:// nor http://";
        if (cd_str_index(parts.rest, '#') < parts.rest.len)
                return "has a #: browsers keep that part to themselves";
        ret->scheme = parts.is_https ? CD_STR("https") : CD_STR("http");
        ret->authority = parts.authority;
        ret->path = cd_str_slice(parts.rest, 0, cd_str_index(parts.rest, '?'));
        ret->query = (cd_str){ 0 };
        if (ret->path.len < parts.rest.len)
                ret->query = cd_str_slice(parts.rest, ret->path.len + 1, parts.rest.len);
        if (!ret->path.len)
                ret->path = CD_STR("/");
        if (cd_canonical_host(arena, ret->authority, &canonical) != CD_OK)
                return "has no host";
        if (ret->query.ptr && !cd_is_clean_query(ret->query))
                return "has a character in its query that is not allowed there";
        return NULL;
}

/* ---- the route ---- */

static void find_route(struct test *t)
{
        const struct cd_config *config = &t->rule.admin->config;
        const struct cd_config_route *routes = config->gate.routes.items;
        size_t first = config->access.count;

        t->from = NULL;
        if (t->decision.rule != CD_ACCESS_NO_RULE && t->decision.rule >= first)
                t->from = &routes[t->decision.rule - first];
}

/* A route for "*.example.com" leaves the portal alone. */
static bool is_portals(struct test *t)
{
        cd_str url = t->rule.admin->config.portal.url, host = t->rule.request.host;
        struct cd_portal_url portal;

        return url.len && cd_portal_url_parse(&t->rule.admin->arena, url, &portal, NULL) == CD_OK &&
               cd_str_eq(host, portal.host) && !cd_access_names_host(t->rule.access, host);
}

/* Decides as the gate does: on the canonical path, or on all readings of the bytes that were sent, if they are passed
 * on. Returns NULL, or why it is no request of the gate's. */
static const char *choose_route(struct test *t)
{
        cd_str canonical = t->rule.path;
        struct cd_error err = { 0 };

        if (canonical.ptr && cd_portal_has_path(canonical))
                return "has a path of Cardea's own: none below " CD_PORTAL_BASE " reaches an application";
        if (is_portals(t))
                return "has the host of portal.url, which is Cardea's own unless a route names it";
        t->rule.request.path = canonical;
        t->decision = cd_access_decide(t->rule.access, &t->rule.request);
        find_route(t);
        if (!t->from && t->decision.rule != CD_ACCESS_NO_RULE)
                return "has a host of access, not of gate.routes; see: cardea access test";
        if (canonical.ptr && (!t->from || t->from->paths != CD_GATE_OPAQUE))
                return NULL;
        if (cd_gate_judge_readings(&t->rule.admin->arena, t->rule.access, t->url.path, &t->rule.request, &t->decision,
                                   &err) != CD_OK)
                t->refused = cd_arena_copy(&t->rule.admin->arena, cd_str_from_c(err.reason));
        find_route(t);
        return NULL;
}

/* ---- the request ---- */

static void make_session(struct test *t)
{
        const struct cd_rule_test *rule = &t->rule;
        struct cd_arena *arena = &t->rule.admin->arena;
        cd_str groups = CD_STR("");

        for (size_t i = 0; i < rule->login.groups.count; i++)
                groups = cd_arena_printf(arena, "%.*s%s%.*s", CD_STR_ARG(groups), i ? "," : "",
                                         CD_STR_ARG(rule->login.groups.items[i]));
        t->session = (struct cd_live_session){
                .user = rule->login.user,
                .groups = groups,
                .display_name = rule->user.display_name,
                .email = rule->user.email,
                .factors = rule->login.factors,
                .auth_time = rule->login.auth_time,
        };
}

static void make_request(struct test *t, const char *address)
{
        const struct cd_access_request *decided = &t->rule.request;
        cd_str client = address ? cd_str_from_c(address) : CD_STR("");

        t->host = (struct cd_http_header){ CD_STR("Host"), t->url.authority };
        t->request = (struct cd_http_request){
                .arena = &t->rule.admin->arena,
                .method = cd_http_method_of(decided->method),
                .method_name = decided->method,
                .protocol = CD_STR("HTTP/1.1"),
                .scheme = t->url.scheme,
                .path = t->rule.path,
                .path_as_sent = t->url.path,
                .was_path_changed = !t->rule.path.ptr || !cd_str_eq(t->rule.path, t->url.path),
                .query = t->url.query,
                .authority = t->url.authority,
                .host = decided->host,
                .headers = &t->host,
                .header_count = 1,
                .peer = client,
                .client_address = client,
                .request_id = CD_STR("cardea-gate-test"),
                .log = &t->log,
        };
        memset(t->request.trace.trace_id, '1', sizeof(t->request.trace.trace_id));
        memset(t->request.trace.span_id, '1', sizeof(t->request.trace.span_id));
}

/* What the application would receive of a request that is let in. */
static cd_status forward(struct test *t, const char *address, struct cd_error *reterr)
{
        const struct cd_config *config = &t->rule.admin->config;
        struct cd_arena *arena = &t->rule.admin->arena;
        struct cd_gate_identity identity = { .jwt = CD_STR("<signed when the request is passed on>") };

        make_request(t, address);
        make_session(t);
        if (t->rule.request.login) {
                identity.who = &t->session;
                identity.auth_type = "session";
                identity.provider_token =
                        cd_arena_printf(arena, "<redacted: the user's token of %.*s>", CD_STR_ARG(t->from->pass_token));
        }
        /* Nothing is sent, so the files of its TLS, which only the server may read, are not. */
        const struct cd_upstream_options options = { .url = t->from->upstream };
        cd_status status = cd_config_route_fill(config, t->from, arena, &t->route, reterr);
        if (status == CD_OK)
                status = cd_upstream_new(&options, &t->route.upstream, reterr);
        if (status == CD_OK)
                status = cd_gate_forward(&t->route, &t->request, &identity, 0, &t->forwarded, reterr);
        t->is_forwarded = status == CD_OK;
        return status;
}

/* ---- what is shown ---- */

static void add_detail(struct test *t, const char *name, cd_str value)
{
        if (value.ptr && t->detail_count < DETAILS_MAX)
                t->details[t->detail_count++] = (struct cd_detail){ name, value };
}

static void describe(struct test *t)
{
        struct cd_arena *arena = &t->rule.admin->arena;

        add_detail(t, "outcome", cd_str_from_c(cd_access_outcome_name(t->decision.outcome)));
        if (t->from)
                add_detail(t, "route",
                           cd_arena_printf(arena, "%.*s%.*s", CD_STR_ARG(t->from->rule.host),
                                           CD_STR_ARG(t->from->rule.path)));
        add_detail(t, "rule", cd_rule_test_rule(&t->rule, &t->decision));
        add_detail(t, "reason", cd_rule_test_reason(&t->rule, &t->decision));
        add_detail(t, "returns to", cd_rule_test_return(&t->rule, &t->decision));
        if (t->from)
                add_detail(t, "upstream", t->from->upstream);
}

static void print_request(struct test *t)
{
        struct cd_arena *arena = &t->rule.admin->arena;
        const struct cd_upstream_request *request = &t->forwarded;
        bool is_uwsgi = cd_upstream_is_uwsgi(t->route.upstream);

        if (is_uwsgi)
                printf("\n");
        else
                printf("\n%.*s %.*s HTTP/1.1\n", CD_STR_ARG(cd_safe_text(arena, request->method)),
                       CD_STR_ARG(cd_safe_text(arena, request->target)));
        for (size_t i = 0; i < request->field_count; i++)
                printf("%.*s%s%.*s\n", CD_STR_ARG(cd_safe_text(arena, request->fields[i].name)),
                       is_uwsgi                       ? "="
                       : request->fields[i].value.len ? ": "
                                                      : ":",
                       CD_STR_ARG(cd_safe_text(arena, request->fields[i].value)));
}

static bool print_json(const struct test *t)
{
        const struct cd_upstream_request *request = &t->forwarded;
        struct cd_buf buf;

        cd_json_begin(&buf, JSON_MAX, t->details[0].name, t->details[0].value);
        for (size_t i = 1; i < t->detail_count; i++)
                cd_json_add_str(
                        &buf, cd_str_eq_c(CD_STR("returns to"), t->details[i].name) ? "returns_to" : t->details[i].name,
                        t->details[i].value);
        if (!t->is_forwarded)
                return cd_json_end(&buf);
        if (!cd_upstream_is_uwsgi(t->route.upstream)) {
                cd_json_add_str(&buf, "method", request->method);
                cd_json_add_str(&buf, "target", request->target);
                cd_buf_add(&buf, CD_STR(",\"headers\":["));
        } else {
                cd_buf_add(&buf, CD_STR(",\"variables\":["));
        }
        for (size_t i = 0; i < request->field_count; i++) {
                cd_buf_add(&buf, i ? CD_STR(",[") : CD_STR("["));
                cd_buf_add_json(&buf, request->fields[i].name);
                cd_buf_add_char(&buf, ',');
                cd_buf_add_json(&buf, request->fields[i].value);
                cd_buf_add_char(&buf, ']');
        }
        cd_buf_add_char(&buf, ']');
        return cd_json_end(&buf);
}

static int print(struct test *t, bool json)
{
        if (json && !print_json(t))
                return CD_EXIT_FAILED;
        if (!json) {
                cd_print_details(&t->rule.admin->arena, t->details, t->detail_count);
                if (t->is_forwarded)
                        print_request(t);
        }
        return t->is_forwarded ? CD_EXIT_OK : CD_EXIT_REFUSED;
}

/* What the client gets instead of the application's response; ptr NULL: that, or what the outcome says. */
static cd_str answer_of(struct test *t)
{
        bool is_opaque = t->from && t->from->paths == CD_GATE_OPAQUE;

        if (t->refused.ptr)
                return cd_arena_printf(&t->rule.admin->arena, "400: %.*s", CD_STR_ARG(t->refused));
        if (!t->rule.path.ptr && !is_opaque)
                return CD_STR("400: the path has no canonical form; a route with paths: opaque passes it on");
        if (!t->from)
                return CD_STR("404: no route has this host and path");
        bool is_closed = t->from->maintenance.len && t->decision.outcome == CD_ACCESS_ALLOW;
        return is_closed ? CD_STR("503: the route has maintenance") : (cd_str){ 0 };
}

static int decide(struct test *t, const struct cd_rule_words *words)
{
        struct cd_error err = { 0 };

        const char *wrong = choose_route(t);
        if (wrong)
                return cd_usage_error(t->rule.command, "the URL %s", wrong);
        describe(t);
        cd_str answer = answer_of(t);
        add_detail(t, "answer", answer);
        if (answer.ptr || t->decision.outcome != CD_ACCESS_ALLOW)
                return print(t, words->json);
        cd_status status = forward(t, words->address, &err);
        if (status == CD_INVALID_REQUEST && !err.field[0]) {
                add_detail(t, "answer", cd_arena_printf(&t->rule.admin->arena, "400: %s", err.reason));
                return print(t, words->json);
        }
        return status == CD_OK ? print(t, words->json) : cd_context_fail(t->rule.command, &err);
}

static int test(struct cd_context *context, void *ask)
{
        struct cd_rule_words *words = ask;
        struct test t = { 0 };
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena;

        cd_arena_init(&arena, URL_ARENA);
        const char *wrong = split(&arena, cd_str_from_c(words->url), &t.url);
        if (wrong)
                return cd_usage_error(context->command, "the URL %s; write it as in https://wiki.example.com/start",
                                      wrong);
        words->host = cd_arena_copy(&arena, t.url.authority).ptr;
        words->path = cd_arena_copy(&arena, t.url.path).ptr;
        if (!words->host || !words->path)
                return cd_usage_error(context->command, "the URL is too long");
        int code = cd_rule_test_open(&t.rule, context, words);
        if (code == CD_EXIT_OK)
                code = decide(&t, words);
        cd_upstream_unref(t.route.upstream);
        cd_rule_test_close(&t.rule);
        return code;
}

static const struct cd_argument test_arguments[] = {
        { "URL", offsetof(struct cd_rule_words, url), .help = "what the browser asks for, with https:// or http://" },
        { 0 },
};
static const struct cd_option test_options[] = {
        CD_RULE_REQUEST_OPTIONS,
        CD_RULE_USER_OPTIONS,
        CD_FLAG(struct cd_rule_words, json, "--json", 0, "print JSON instead"),
        { 0 },
};

static const struct cd_command gate_test = {
        .name = "test",
        .summary = "show the route of a request, who decides, and what the application receives",
        .about =
                "Prints the outcome (allow, deny, \"log in\" or \"step up\"), the route, its rule with the line in the "
                "configuration, and the reason; and, if the request is let in, what the upstream would receive: the "
                "request and its headers or, over the uwsgi protocol, the variables. A browser's own headers are not "
                "among them. Nothing is changed, no running server is asked, and nothing is sent to the upstream.",
        .examples = "cardea gate test https://wiki.example.com/start --user alice",
        .exit_codes = "0 the request reaches the upstream\n3 the user does not exist\n5 the request does not reach the "
                      "upstream",
        .arguments = test_arguments,
        .options = test_options,
        .ask_size = sizeof(struct cd_rule_words),
        .act = test,
        .opens = CD_OPENS_CONFIG,
};

static const struct cd_command *const actions[] = { &gate_test, NULL };

const struct cd_command cd_cmd_gate = {
        .name = "gate",
        .summary = "try the routes to applications",
        .about = "The routes are the setting \"gate.routes\" of the configuration.",
        .actions = actions,
};
