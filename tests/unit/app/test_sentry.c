#include "support/check.h"

#include <string.h>

#include "app/sentry_dsn.h"
#include "app/sentry_event.h"
#include "app/sentry_limits.h"
#include "base/json.h"

static const struct cd_sentry_origin ORIGIN = { CD_STR_INIT("cardea@1"), CD_STR_INIT("test"), CD_STR_INIT("host") };

static struct cd_arena arena;

static int start(void **state)
{
        (void)state;
        cd_arena_init(&arena, 1 << 20);
        return 0;
}

static int end(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

static void a_dsn_is_split(void **state)
{
        struct cd_sentry_dsn dsn;

        (void)state;
        assert_null(cd_sentry_dsn_parse(CD_STR("https://abc123@o1.ingest.sentry.io/42"), &dsn));
        assert_str(dsn.key, "abc123");
        assert_str(cd_sentry_dsn_url(&dsn, &arena), "https://o1.ingest.sentry.io/api/42/envelope/");
        assert_null(cd_sentry_dsn_parse(CD_STR("http://k:secret@[::1]:9000/a/b/7"), &dsn));
        assert_str(dsn.key, "k");
        assert_true(dsn.is_local && !dsn.is_https);
        assert_str(cd_sentry_dsn_url(&dsn, &arena), "http://[::1]:9000/a/b/api/7/envelope/");
}

static void what_is_no_dsn_is_said(void **state)
{
        static const struct {
                const char *text, *what;
        } rows[] = {
                { "", "does not begin with https://" },    { "ftp://k@h/1", "does not begin with https://" },
                { "https://h/1", "has no key" },           { "https://@h/1", "has no key" },
                { "https://:s@h/1", "has no key" },        { "https://k@/1", "has no host" },
                { "https://k@h:0/1", "has a host" },       { "https://k@u@h/1", "has a host" },
                { "https://k@h", "has no project" },       { "https://k@h/", "has no project" },
                { "https://k@h/1?x=2", "has no project" }, { "https://k@h/a b/1", "has no project" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++) {
                struct cd_sentry_dsn dsn;
                const char *what = cd_sentry_dsn_parse(cd_str_from_c(rows[i].text), &dsn);
                assert_non_null(what);
                assert_memory_equal(what, rows[i].what, strlen(rows[i].what));
        }
}

static void a_rate_limit_is_read(void **state)
{
        static const struct {
                int status;
                const char *limits, *retry_after;
                int64_t seconds;
        } rows[] = {
                { 200, "", "", 0 },
                { 200, "", "30", 0 },
                { 429, "", "", 60 },
                { 429, "", "30", 30 },
                { 429, "", "Sun, 06 Nov 1994 08:49:37 GMT", 60 },
                { 429, "", "99999999999999999999999", 60 },
                { 429, "", "999999999", 86400 },
                { 429, "", "-5", 60 },
                { 200, "60:error:organization", "", 60 },
                { 200, "60:transaction:organization", "", 0 },
                { 200, "60::organization", "", 60 },
                { 200, "60:transaction;Error:key, 120:error:key:reason:namespace", "", 120 },
                { 429, "2700.5:default;error;security:organization", "5", 2700 },
                { 200, "nonsense", "", 0 },
                { 200, ",,::,", "", 60 },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(rows); i++)
                assert_int_equal(cd_sentry_pause(rows[i].status, cd_str_from_c(rows[i].limits),
                                                 cd_str_from_c(rows[i].retry_after)),
                                 rows[i].seconds);
}

static struct cd_sentry_params params_of_test(void)
{
        struct cd_sentry_params params = { .origin = &ORIGIN, .redact = { .arena = &arena }, .now = 1800000000 };

        memset(params.event_id, 'a', sizeof(params.event_id));
        return params;
}

/* The event of an envelope, after header and item header. */
static const struct cd_json *event_of(cd_str envelope)
{
        cd_str head, item, rest = envelope;
        const struct cd_json *root, *event;
        int64_t length;

        assert_true(cd_str_take_until(&rest, '\n', &head));
        assert_true(cd_str_take_until(&rest, '\n', &item));
        assert_str(head, "{\"event_id\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"sent_at\":\"2027-01-15T08:00:00Z\"}");
        assert_status(cd_json_parse(&arena, item, CD_JSON_UNIQUE_NAMES, &root, NULL), CD_OK);
        assert_true(cd_json_int64(cd_json_find(root, CD_STR("length")), &length));
        assert_int_equal(length + 1, rest.len);
        assert_status(cd_json_parse(&arena, cd_str_slice(rest, 0, rest.len - 1), CD_JSON_UNIQUE_NAMES, &event, NULL),
                      CD_OK);
        return event;
}

static cd_str text_at(const struct cd_json *root, const char *outer, const char *inner)
{
        const struct cd_json *found = cd_json_find(root, cd_str_from_c(outer));

        if (inner)
                found = cd_json_find(found, cd_str_from_c(inner));
        return found ? found->text : CD_STR("");
}

static void a_failed_request_has_its_context(void **state)
{
        const cd_str line = CD_STR("{\"ts\":\"2026-11-22T19:52:00.105542Z\",\"level\":\"error\",\"service\":\"cardea\","
                                   "\"event\":\"request_failed\",\"request_id\":\"r1\",\"client_id\":\"c\","
                                   "\"user\":\"alice\",\"session\":\"s1\",\"method\":\"GET\",\"path\":\"/a\","
                                   "\"route\":\"/a\",\"status\":500,\"reason\":\"no\\nmemory\"}");
        struct cd_sentry_params params = params_of_test();
        cd_str envelope;

        (void)state;
        assert_status(cd_sentry_from_log(&params, &arena, line, &envelope, NULL), CD_OK);
        const struct cd_json *event = event_of(envelope);
        assert_str(text_at(event, "level", NULL), "error");
        assert_str(text_at(event, "timestamp", NULL), "2026-11-22T19:52:00.105542Z");
        assert_str(text_at(event, "release", NULL), "cardea@1");
        assert_str(text_at(event, "logentry", "formatted"), "request failed: no\nmemory");
        assert_str(text_at(event, "transaction", NULL), "/a");
        assert_str(text_at(event, "user", "id"), "alice");
        assert_str(text_at(event, "tags", "request_id"), "r1");
        assert_str(text_at(event, "tags", "client_id"), "c");
        assert_str(text_at(event, "tags", "session"), "s1");
        assert_str(text_at(event, "request", "url"), "/a");
        assert_str(text_at(event, "extra", "status"), "500");
        assert_str(text_at(event, "fingerprint", NULL), "[\"request_failed\",\"/a\"]");
}

static void lesson_28_values_of_urls_are_not_sent(void **state)
{
        const cd_str line = CD_STR("{\"ts\":\"T\",\"level\":\"error\",\"event\":\"e\",\"reason\":\"cannot reach "
                                   "https://bob:hunter2@a.example/x?token=verysecret&b=c\",\"store\":"
                                   "\"postgresql://u:hunter2@h/d\"}");
        struct cd_sentry_params params = params_of_test();
        cd_str envelope;

        (void)state;
        assert_status(cd_sentry_from_log(&params, &arena, line, &envelope, NULL), CD_OK);
        assert_null(memmem(envelope.ptr, envelope.len, "verysecret", 10));
        assert_null(memmem(envelope.ptr, envelope.len, "hunter2", 7));
        assert_non_null(memmem(envelope.ptr, envelope.len, "a.example", 9));
        assert_status(cd_sentry_from_log(&params, &arena, CD_STR("{broken"), &envelope, NULL), CD_MALFORMED);
}

static void a_crash_is_an_exception(void **state)
{
        const cd_str record =
                CD_STR("crash 1\nrelease old\nsignal 6\ntime 1\nend\n"
                       "crash 1\nrelease cardea@0\nenvironment prod\nprogram 1000\nsignal 11\n"
                       "time 1790000000\naddress 0\nrequest_id r\nuser u \"x\"\nframe 1234\nframe 7f0000000000\n"
                       "frame zz\nfra");
        struct cd_sentry_params params = params_of_test();
        cd_str envelope;

        (void)state;
        assert_status(cd_sentry_from_crash(&params, &arena, record, &envelope, NULL), CD_OK);
        const struct cd_json *event = event_of(envelope);
        assert_str(text_at(event, "level", NULL), "fatal");
        assert_str(text_at(event, "release", NULL), "cardea@0");
        assert_str(text_at(event, "environment", NULL), "prod");
        assert_str(text_at(event, "timestamp", NULL), "1790000000");
        assert_str(text_at(event, "user", "id"), "u \"x\"");
        const struct cd_json *crash = cd_json_find(cd_json_find(event, CD_STR("exception")), CD_STR("values"))->child;
        assert_str(text_at(crash, "type", NULL), "SIGSEGV");
        assert_str(text_at(crash, "value", NULL), "the server crashed; address 0x0");
        const struct cd_json *frames = cd_json_find(cd_json_find(crash, CD_STR("stacktrace")), CD_STR("frames"));
        assert_int_equal(frames->count, 2);
        assert_str(text_at(frames->child, "instruction_addr", NULL), "0x7f0000000000");
        assert_str(text_at(frames->child->next, "function", NULL), "cardea+0x234");
}

static void a_record_without_a_crash_is_none(void **state)
{
        static const char *const records[] = { "", "\n\n", "crash 1\n", "crash 1\nsignal 11\n", "signal x\ntime 5\n" };
        struct cd_sentry_params params = params_of_test();
        cd_str envelope;

        (void)state;
        for (size_t i = 0; i < CD_LEN(records); i++)
                assert_status(cd_sentry_from_crash(&params, &arena, cd_str_from_c(records[i]), &envelope, NULL),
                              CD_MALFORMED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_dsn_is_split),
                cmocka_unit_test(what_is_no_dsn_is_said),
                cmocka_unit_test(a_rate_limit_is_read),
                cmocka_unit_test(a_failed_request_has_its_context),
                cmocka_unit_test(lesson_28_values_of_urls_are_not_sent),
                cmocka_unit_test(a_crash_is_an_exception),
                cmocka_unit_test(a_record_without_a_crash_is_none),
        };
        return cmocka_run_group_tests_name("sentry", tests, start, end);
}
