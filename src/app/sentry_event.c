#include "app/sentry_event.h"

#include <signal.h>
#include <string.h>

#include "base/json.h"

enum {
        TEXT_MAX = 2048, /* bytes of one value */
        TAG_MAX = 200,   /* characters of a tag, which Sentry would cut or refuse */
        FRAMES_MAX = 64,
};

/* ---- parts of an event ---- */

/* One value, without the secrets that a URL in it may have. A value that does not fit ends early. */
static cd_str redacted(struct cd_sentry_params *params, struct cd_arena *arena, cd_str text)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, TEXT_MAX);
        cd_redact_url(&params->redact, &buf, cd_str_slice(text, 0, TEXT_MAX / 2));
        return cd_str_of(buf.ptr ? buf.ptr : "", buf.len);
}

static void add_name(struct cd_buf *to, const char *name)
{
        if (to->len && to->ptr[to->len - 1] != '{')
                cd_buf_add_char(to, ',');
        cd_buf_add_json(to, cd_str_from_c(name));
        cd_buf_add_char(to, ':');
}

static void add_str(struct cd_buf *to, const char *name, cd_str value)
{
        if (!value.len)
                return;
        add_name(to, name);
        cd_buf_add_json(to, value);
}

static void add_open(struct cd_buf *to, const char *name)
{
        add_name(to, name);
        cd_buf_add_char(to, '{');
}

static void add_tag(struct cd_buf *to, const char *name, cd_str value)
{
        add_str(to, name, cd_str_slice(value, 0, TAG_MAX));
}

/* What both kinds of event begin with; the object stays open. */
static void begin_event(struct cd_buf *to, const struct cd_sentry_params *params, const char *level)
{
        cd_buf_add_char(to, '{');
        add_str(to, "event_id", cd_str_of(params->event_id, sizeof(params->event_id)));
        add_str(to, "platform", CD_STR("native"));
        add_str(to, "level", cd_str_from_c(level));
        add_str(to, "release", params->origin->release);
        add_str(to, "environment", params->origin->environment);
        add_str(to, "server_name", params->origin->server_name);
        add_open(to, "sdk");
        add_str(to, "name", CD_STR("cardea"));
        add_str(to, "version", CD_STR(CD_VERSION));
        cd_buf_add_char(to, '}');
}

static cd_status make_envelope(const struct cd_sentry_params *params, struct cd_arena *arena,
                               const struct cd_buf *event, cd_str *ret, struct cd_error *reterr)
{
        char now[CD_RFC3339_LEN];
        struct cd_buf to;

        cd_buf_init(&to, arena, CD_SENTRY_ENVELOPE_MAX + 512);
        cd_time_format_rfc3339(params->now, now);
        cd_buf_printf(&to, "{\"event_id\":\"%.*s\",\"sent_at\":\"%.*s\"}\n", (int)sizeof(params->event_id),
                      params->event_id, (int)sizeof(now), now);
        cd_buf_printf(&to, "{\"type\":\"event\",\"content_type\":\"application/json\",\"length\":%zu}\n", event->len);
        cd_buf_add(&to, cd_str_of(event->ptr, event->len));
        cd_buf_add_char(&to, '\n');
        if (event->failed || to.failed)
                return cd_fail(reterr, CD_TOO_LARGE, "the event is too large for an envelope");
        return cd_buf_view(&to, ret);
}

/* ---- an event of the log ---- */

static cd_str text_of(const struct cd_json *root, const char *name)
{
        const struct cd_json *member = cd_json_find(root, cd_str_from_c(name));
        return member ? member->text : CD_STR("");
}

/* Events of one name are one problem in Sentry, unless they are about different settings, routes or others of these. */
static void add_fingerprint(struct cd_buf *to, struct cd_sentry_params *params, struct cd_arena *arena,
                            const struct cd_json *root)
{
        static const char *const parts[] = { "setting", "field", "route", "store", "upstream", "relay", "provider" };

        add_name(to, "fingerprint");
        cd_buf_add_char(to, '[');
        cd_buf_add_json(to, text_of(root, "event"));
        for (size_t i = 0; i < CD_LEN(parts); i++) {
                cd_str value = text_of(root, parts[i]);
                if (!value.len)
                        continue;
                cd_buf_add_char(to, ',');
                cd_buf_add_json(to, redacted(params, arena, value));
        }
        cd_buf_add_char(to, ']');
}

/* "store unavailable: disk full". */
static void add_message(struct cd_buf *to, struct cd_sentry_params *params, struct cd_arena *arena,
                        const struct cd_json *root)
{
        cd_str event = text_of(root, "event"), reason = redacted(params, arena, text_of(root, "reason"));
        char *words = cd_arena_alloc(arena, event.len + 1);

        for (size_t i = 0; words && i < event.len; i++)
                words[i] = event.ptr[i] == '_' ? ' ' : event.ptr[i];
        add_open(to, "logentry");
        add_str(to, "formatted",
                cd_arena_printf(arena, "%.*s%s%.*s", (int)event.len, words ? words : event.ptr, reason.len ? ": " : "",
                                CD_STR_ARG(reason)));
        cd_buf_add_char(to, '}');
}

static void add_request(struct cd_buf *to, struct cd_sentry_params *params, struct cd_arena *arena,
                        const struct cd_json *root)
{
        cd_str path = text_of(root, "path"), user = text_of(root, "user");

        if (user.len) {
                add_open(to, "user");
                add_str(to, "id", user);
                cd_buf_add_char(to, '}');
        }
        add_str(to, "transaction", text_of(root, "route"));
        if (path.len) {
                add_open(to, "request");
                add_str(to, "method", text_of(root, "method"));
                add_str(to, "url", redacted(params, arena, path));
                cd_buf_add_char(to, '}');
        }
}

static void add_tags(struct cd_buf *to, const struct cd_json *root)
{
        static const char *const tags[] = {
                "event", "service", "request_id", "client_id", "session", "route", "setting"
        };

        add_open(to, "tags");
        for (size_t i = 0; i < CD_LEN(tags); i++)
                add_tag(to, tags[i], text_of(root, tags[i]));
        cd_buf_add_char(to, '}');
}

static void add_extra(struct cd_buf *to, struct cd_sentry_params *params, struct cd_arena *arena,
                      const struct cd_json *root)
{
        add_open(to, "extra");
        for (const struct cd_json *m = root->child; m; m = m->next) {
                if (cd_str_eq(m->name, CD_STR("ts")) || cd_str_eq(m->name, CD_STR("level")))
                        continue;
                if (to->ptr && to->len && to->ptr[to->len - 1] != '{')
                        cd_buf_add_char(to, ',');
                cd_buf_add_json(to, m->name);
                cd_buf_add_char(to, ':');
                if (m->type == CD_JSON_STRING)
                        cd_buf_add_json(to, redacted(params, arena, m->text));
                else
                        cd_json_write(m, to);
        }
        cd_buf_add_char(to, '}');
}

cd_status cd_sentry_from_log(struct cd_sentry_params *params, struct cd_arena *arena, cd_str line, cd_str *ret,
                             struct cd_error *reterr)
{
        const struct cd_json *root;
        struct cd_buf to;
        cd_status status = cd_json_parse(arena, line, 0, &root, reterr);

        if (status != CD_OK)
                return status;
        cd_buf_init(&to, arena, CD_SENTRY_ENVELOPE_MAX);
        begin_event(&to, params, "error");
        add_str(&to, "timestamp", text_of(root, "ts"));
        add_str(&to, "logger", text_of(root, "service"));
        add_message(&to, params, arena, root);
        add_fingerprint(&to, params, arena, root);
        add_request(&to, params, arena, root);
        add_tags(&to, root);
        add_extra(&to, params, arena, root);
        cd_buf_add_char(&to, '}');
        return make_envelope(params, arena, &to, ret, reterr);
}

/* ---- a crash ---- */

struct crash {
        cd_str release, environment, request_id, client_id, user, session;
        uint64_t signal, time, address, program;
        bool has_address;
        uint64_t frames[FRAMES_MAX];
        size_t frame_count;
};

static bool read_number(cd_str text, unsigned base, uint64_t *ret)
{
        uint64_t value = 0;

        for (size_t i = 0; i < text.len; i++) {
                char c = text.ptr[i];
                unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                                 : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                        : 99;
                if (digit >= base || value > (UINT64_MAX - digit) / base)
                        return false;
                value = value * base + digit;
        }
        *ret = value;
        return text.len > 0;
}

static void read_line(struct crash *crash, cd_str name, cd_str value)
{
        const struct {
                const char *name;
                cd_str *text;
                uint64_t *number;
                unsigned base;
        } fields[] = {
                { "release", &crash->release, NULL, 0 },
                { "environment", &crash->environment, NULL, 0 },
                { "request_id", &crash->request_id, NULL, 0 },
                { "client_id", &crash->client_id, NULL, 0 },
                { "user", &crash->user, NULL, 0 },
                { "session", &crash->session, NULL, 0 },
                { "signal", NULL, &crash->signal, 10 },
                { "time", NULL, &crash->time, 10 },
                { "address", NULL, &crash->address, 16 },
                { "program", NULL, &crash->program, 16 },
        };
        uint64_t frame;

        for (size_t i = 0; i < CD_LEN(fields); i++) {
                if (!cd_str_eq(name, cd_str_from_c(fields[i].name)))
                        continue;
                if (fields[i].text)
                        *fields[i].text = value;
                else if (read_number(value, fields[i].base, fields[i].number) && fields[i].number == &crash->address)
                        crash->has_address = true;
        }
        if (cd_str_eq(name, CD_STR("frame")) && crash->frame_count < FRAMES_MAX && read_number(value, 16, &frame))
                crash->frames[crash->frame_count++] = frame;
}

/* Tolerant: the process may have died while it wrote, and the file may have been edited. */
static bool read_record(cd_str record, struct crash *ret)
{
        cd_str rest = record, line, name;

        *ret = (struct crash){ 0 };
        while (rest.len && cd_str_take_until(&rest, '\n', &line)) {
                cd_str value = line;
                if (cd_str_has_prefix(line, CD_STR("crash "))) {
                        *ret = (struct crash){ 0 };
                        continue;
                }
                if (cd_str_take_until(&value, ' ', &name) && value.ptr)
                        read_line(ret, name, value);
        }
        return ret->signal != 0 && ret->time != 0;
}

static cd_str signal_name(uint64_t number)
{
        static const struct {
                uint64_t number;
                cd_str name;
        } names[] = {
                { SIGSEGV, CD_STR_INIT("SIGSEGV") }, { SIGABRT, CD_STR_INIT("SIGABRT") },
                { SIGBUS, CD_STR_INIT("SIGBUS") },   { SIGFPE, CD_STR_INIT("SIGFPE") },
                { SIGILL, CD_STR_INIT("SIGILL") },
        };

        for (size_t i = 0; i < CD_LEN(names); i++)
                if (names[i].number == number)
                        return names[i].name;
        return CD_STR("a signal");
}

/* The outermost first, as Sentry wants them. An address within the program is shown as addr2line(1) reads it. */
static void add_frames(struct cd_buf *to, const struct crash *crash)
{
        enum {
                PROGRAM_MAX = 256 * 1024 * 1024 /* bytes: libraries are further away */
        };

        add_open(to, "stacktrace");
        add_name(to, "frames");
        cd_buf_add_char(to, '[');
        for (size_t i = crash->frame_count; i-- > 0;) {
                uint64_t offset = crash->frames[i] - crash->program;
                bool is_ours = crash->frames[i] >= crash->program && offset < PROGRAM_MAX;
                cd_buf_printf(to, "{\"instruction_addr\":\"0x%jx\"", (uintmax_t)crash->frames[i]);
                if (is_ours)
                        cd_buf_printf(to, ",\"package\":\"cardea\",\"function\":\"cardea+0x%jx\",\"in_app\":true",
                                      (uintmax_t)offset);
                cd_buf_add(to, i ? CD_STR("},") : CD_STR("}"));
        }
        cd_buf_add(to, CD_STR("]}"));
}

static void add_exception(struct cd_buf *to, struct cd_arena *arena, const struct crash *crash)
{
        cd_str value = CD_STR("the server crashed");

        if (crash->has_address)
                value = cd_arena_printf(arena, "the server crashed; address 0x%jx", (uintmax_t)crash->address);
        add_open(to, "exception");
        add_name(to, "values");
        cd_buf_add(to, CD_STR("[{"));
        add_str(to, "type", signal_name(crash->signal));
        add_str(to, "value", value);
        add_open(to, "mechanism");
        cd_buf_printf(to, "\"type\":\"signalhandler\",\"handled\":false,\"meta\":{\"signal\":{\"number\":%ju}}}",
                      (uintmax_t)crash->signal);
        if (crash->frame_count)
                add_frames(to, crash);
        cd_buf_add(to, CD_STR("}]}"));
}

cd_status cd_sentry_from_crash(struct cd_sentry_params *params, struct cd_arena *arena, cd_str record, cd_str *ret,
                               struct cd_error *reterr)
{
        struct cd_sentry_origin origin = *params->origin;
        struct crash *crash = CD_NEW(arena, struct crash);
        struct cd_buf to;

        if (!crash)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the report of a crash");
        if (!read_record(record, crash))
                return cd_fail(reterr, CD_MALFORMED, "the report of a crash is not complete");
        origin.release = crash->release; /* of the program that crashed: it may have been upgraded since */
        origin.environment = crash->environment;
        struct cd_sentry_params theirs = *params;
        theirs.origin = &origin;
        cd_buf_init(&to, arena, CD_SENTRY_ENVELOPE_MAX);
        begin_event(&to, &theirs, "fatal");
        add_name(&to, "timestamp");
        cd_buf_add_u64(&to, crash->time);
        add_exception(&to, arena, crash);
        if (crash->user.len) {
                add_open(&to, "user");
                add_str(&to, "id", crash->user);
                cd_buf_add_char(&to, '}');
        }
        add_open(&to, "tags");
        add_tag(&to, "event", CD_STR("crash"));
        add_tag(&to, "request_id", crash->request_id);
        add_tag(&to, "client_id", crash->client_id);
        add_tag(&to, "session", crash->session);
        cd_buf_add(&to, CD_STR("}}"));
        return make_envelope(params, arena, &to, ret, reterr);
}
