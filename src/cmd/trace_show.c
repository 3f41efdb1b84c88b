/* What `cardea trace` prints while it goes on. */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "app/redact.h"
#include "base/json.h"
#include "base/percent.h"
#include "base/streams.h"
#include "cmd/text_table.h"
#include "cmd/trace.h"

enum {
        SECRET_MAX = 256, /* bytes of one as it is shown */
};

/* "‹redacted 40 chars, fingerprint 1a2b3c4d…›" */
static cd_str hidden(struct cd_arena *arena, struct cd_fingerprints *fingerprints, cd_str secret)
{
        struct cd_redact redact = { .fingerprints = fingerprints, .arena = arena };
        struct cd_buf buf;
        cd_str text;

        cd_buf_init(&buf, arena, SECRET_MAX);
        cd_redact_secret(&redact, &buf, secret);
        return cd_buf_view(&buf, &text) == CD_OK ? text : CD_STR("‹redacted›");
}

void cd_trace_show_settings(struct cd_trace *trace)
{
        const struct cd_signin_provider_settings *settings = trace->login.settings;
        struct cd_arena *arena = &trace->context->arena;
        cd_str redirect_uri = cd_signin_redirect_uri(trace->provider);
        cd_str secret = hidden(arena, trace->outgoing.fingerprints, settings->client_secret);
        cd_str scopes = settings->scopes.count ? cd_list_text(arena, &settings->scopes) : CD_STR("none");

        cd_print_line(stdout, "Configuration of %.*s", CD_STR_ARG(settings->name));
        cd_print_line(stdout, "  client_id      %.*s", CD_STR_ARG(settings->client_id));
        cd_print_line(stdout, "  client_secret  %.*s", CD_STR_ARG(secret));
        cd_print_line(stdout, "  redirect URI   %.*s", CD_STR_ARG(redirect_uri));
        cd_print_line(stdout, "  scopes         %.*s", CD_STR_ARG(scopes));
        fflush(stdout);
}

/* ---- requests ---- */

static void show_lines(const char *mark, cd_str text)
{
        cd_str line;

        while (text.len && cd_str_take_until(&text, '\n', &line))
                cd_print_line(stdout, "  %s %.*s", mark, CD_STR_ARG(line));
}

static void show_message(const char *mark, cd_str headers, cd_str body)
{
        show_lines(mark, headers);
        if (!body.len)
                return;
        cd_print_line(stdout, "  %s", mark);
        show_lines(mark, body);
}

/* "in 2.4 ms: name 0.1, connected 0.2, TLS 2.2, first byte 2.4" */
static void show_times(const struct cd_fetch_record *record)
{
        const struct {
                const char *name;
                int64_t us;
        } times[] = { { "name", record->dns_us },
                      { "connected", record->connect_us },
                      { "TLS", record->tls_us },
                      { "first byte", record->first_byte_us } };
        char text[256];
        size_t len = 0;

        text[0] = '\0';
        for (size_t i = 0; i < CD_LEN(times); i++)
                if (times[i].us)
                        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %.1f", len ? ", " : ": ",
                                                times[i].name, (double)times[i].us / 1000);
        if (record->error)
                cd_print_line(stdout, "  no complete answer after %.1f ms%s: %s", (double)record->total_us / 1000, text,
                              record->error->reason);
        else
                cd_print_line(stdout, "  %d from %.*s in %.1f ms%s", record->status, CD_STR_ARG(record->address),
                              (double)record->total_us / 1000, text);
}

/* ---- what is seen in them ---- */

static void note_clock(struct cd_trace_seen *seen, cd_str head)
{
        struct tm parts = { 0 };
        char text[64];
        cd_str line;

        while (cd_str_take_until(&head, '\n', &line)) {
                if (line.len < 5 || strncasecmp(line.ptr, "date:", 5) != 0)
                        continue;
                snprintf(text, sizeof(text), "%.*s", CD_STR_ARG(cd_str_slice(line, 5, line.len)));
                const char *end = strptime(text, " %a, %d %b %Y %H:%M:%S GMT", &parts);
                seen->has_clock = end != NULL;
                if (end)
                        seen->clock = (int64_t)timegm(&parts) - cd_realtime_us() / 1000000;
                return;
        }
}

/* Of a form: its value, decoded. ptr NULL: it has none. */
static cd_str form_value(struct cd_arena *arena, cd_str form, cd_str name)
{
        cd_str pair, value;

        while (cd_str_take_until(&form, '&', &pair)) {
                size_t equals = cd_str_index(pair, '=');
                if (cd_str_eq(cd_str_slice(pair, 0, equals), name) &&
                    cd_percent_decode(arena, cd_str_slice(pair, equals + 1, pair.len), true, &value) == CD_OK)
                        return value;
        }
        return (cd_str){ NULL, 0 };
}

/* Some providers write a list. */
static cd_str json_text(struct cd_arena *arena, const struct cd_json *node)
{
        struct cd_buf buf;
        cd_str text;

        if (!node || node->type != CD_JSON_ARRAY)
                return node && node->type == CD_JSON_STRING ? cd_arena_copy(arena, node->text) : (cd_str){ NULL, 0 };
        cd_buf_init(&buf, arena, 4096);
        for (const struct cd_json *item = node->child; item; item = item->next) {
                cd_buf_add(&buf, item->type == CD_JSON_STRING ? item->text : CD_STR(""));
                cd_buf_add_char(&buf, ' ');
        }
        return cd_buf_view(&buf, &text) == CD_OK ? text : (cd_str){ NULL, 0 };
}

static void note_tokens(struct cd_trace *trace, cd_str body)
{
        struct cd_arena *arena = &trace->context->arena;
        const struct cd_json *object;

        if (cd_json_parse(arena, cd_arena_copy(arena, body), 0, &object, NULL) == CD_OK) {
                trace->seen.scope = json_text(arena, cd_json_find(object, CD_STR("scope")));
                trace->seen.error = json_text(arena, cd_json_find(object, CD_STR("error")));
        } else {
                trace->seen.scope = form_value(arena, body, CD_STR("scope"));
                trace->seen.error = form_value(arena, body, CD_STR("error"));
        }
        trace->seen.has_scope = trace->seen.scope.ptr != NULL;
}

void cd_trace_show_request(void *arg, const struct cd_fetch_record *record, const struct cd_outgoing_parts *parts)
{
        struct cd_trace *trace = arg;

        note_clock(&trace->seen, record->response_head);
        if (cd_str_eq_c(record->method, "POST"))
                note_tokens(trace, record->response_body);
        cd_print_line(stdout, "%s", "");
        cd_print_line(stdout, "%.*s %.*s (%.*s)", CD_STR_ARG(record->method), CD_STR_ARG(parts->url),
                      CD_STR_ARG(record->name));
        show_message(">", parts->request_headers, parts->request_body);
        show_message("<", parts->response_headers, parts->response_body);
        show_times(record);
        fflush(stdout);
}

/* ---- the callback ---- */

void cd_trace_show_callback(const struct cd_trace *trace, const char *from, const struct cd_signin_callback *callback)
{
        struct cd_arena arena;

        cd_arena_init(&arena, 64 * 1024);
        cd_print_line(stdout, "%s", "");
        cd_print_line(stdout, "The redirect came back, %s", from);
        if (callback->code.ptr)
                cd_print_line(stdout, "  code   %.*s",
                              CD_STR_ARG(hidden(&arena, trace->outgoing.fingerprints, callback->code)));
        if (callback->iss.ptr)
                cd_print_line(stdout, "  iss    %.*s", SHOWN(callback->iss));
        if (callback->error.ptr)
                cd_print_line(stdout, "  error  %.*s: %.*s", SHOWN(callback->error),
                              SHOWN(callback->error_description));
        fflush(stdout);
        cd_arena_done(&arena);
}

/* ---- who it is ---- */

static void show_list(const char *name, struct cd_strs list)
{
        for (size_t i = 0; i < list.count; i++)
                cd_print_line(stdout, "  %-14s %.*s", i ? "" : name, CD_STR_ARG(list.items[i]));
}

void cd_trace_show_account(const struct cd_signin_traced *traced)
{
        cd_print_line(stdout, "%s", "");
        cd_print_line(stdout, "The provider says who it is");
        cd_print_line(stdout, "  subject        %.*s", CD_STR_ARG(traced->subject));
        if (traced->login.len)
                cd_print_line(stdout, "  login          %.*s", CD_STR_ARG(traced->login));
        if (traced->name.len)
                cd_print_line(stdout, "  name           %.*s", CD_STR_ARG(traced->name));
        if (traced->email.len)
                cd_print_line(stdout, "  e-mail         %.*s, %s", CD_STR_ARG(traced->email),
                              traced->email_verified ? "verified" : "not verified, so email_domains does not count");
        show_list("organizations", traced->organizations);
        show_list("teams", traced->teams);
}

void cd_trace_show_decision(const struct cd_trace *trace, enum cd_signin_failure failure,
                            const struct cd_signin_traced *traced)
{
        const struct cd_signin_provider_settings *settings = trace->login.settings;

        cd_print_line(stdout, "%s", "");
        cd_print_line(stdout, "Decision");
        if (traced->entry.len)
                cd_print_line(stdout, "  %.*s lets the account in", CD_STR_ARG(traced->entry));
        else
                cd_print_line(stdout, "  no entry of allow names the account");
        if (traced->is_linked)
                cd_print_line(stdout, "  the account belongs to the user %.*s", CD_STR_ARG(traced->user));
        else
                cd_print_line(stdout, "  the account belongs to no user, and create is %s",
                              settings->create ? "true" : "false");
        if (failure == CD_SIGNIN_OK && settings->second_factor)
                cd_print_line(stdout, "  a code is asked for on top (second_factor)");
}
