/* The sender of e-mail, step by step: what each answer of a mail server leads to. A fixed clock, a store in memory, and
 * a function instead of the server. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/mail_sender.h"
#include "crypto/random.h"
#include "support/memory_store.h"

enum {
        NOW = 1795962056
};

static struct {
        struct cd_clock clock;
        cd_time now;
        struct cd_store *store;
        struct cd_master_key *master;
        struct cd_mail_sender *sender;
        struct cd_error err;
        /* What the server does with the next e-mail, and what it was sent. */
        cd_status answer;
        struct cd_smtp_reply reply;
        int takes_s; /* how long that takes */
        int calls;
        char to[64], message[4096], password[64];
} f;

static cd_time fixed_now(const struct cd_clock *clock)
{
        (void)clock;
        return f.now;
}

static cd_status fake_send(const struct cd_smtp_server *server, const struct cd_smtp_mail *mail,
                           struct cd_smtp_reply *ret, struct cd_error *reterr)
{
        f.calls++;
        f.now += f.takes_s;
        *ret = f.reply;
        snprintf(f.to, sizeof(f.to), "%.*s", CD_STR_ARG(mail->to));
        snprintf(f.message, sizeof(f.message), "%.*s", CD_STR_ARG(mail->message));
        snprintf(f.password, sizeof(f.password), "%.*s", CD_STR_ARG(server->password));
        assert_str(mail->from, "auth@example.com");
        assert_str(mail->hello, "example.com");
        return f.answer == CD_OK ? CD_OK : cd_fail(reterr, f.answer, "as the test says");
}

static struct cd_mail_settings *settings_with(const char *password)
{
        const struct cd_smtp_server server = {
                .url = CD_STR("smtp://mail.example.com"),
                .user_name = CD_STR("cardea"),
                .password = cd_str_from_c(password),
                .ca_file = CD_STR(""),
        };
        const struct cd_mailbox from = { CD_STR("Cardea"), CD_STR("auth@example.com") };
        struct cd_mail_settings *settings = NULL;

        assert_status(cd_mail_settings_new(f.sender, &server, &from, &settings, &f.err), CD_OK);
        return settings;
}

static int set_up(void **state)
{
        static const struct cd_clock clock = { .now = fixed_now };
        char key[CD_MASTER_KEY_TEXT];

        (void)state;
        memset(&f, 0, sizeof(f));
        f.now = NOW;
        f.clock = clock;
        f.store = new_memory_store();
        assert_status(cd_master_key_generate(&cd_random_system, key, NULL), CD_OK);
        assert_status(cd_master_key_parse(cd_str_of(key, sizeof(key)), &cd_random_system, &f.master, NULL), CD_OK);
        const struct cd_mail_sender_options options = {
                .store = f.store, .master = f.master, .clock = &f.clock, .send = fake_send
        };
        assert_status(cd_mail_sender_new(&options, &f.sender, &f.err), CD_OK);
        cd_mail_sender_set(f.sender, settings_with("secret"));
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_mail_sender_free(f.sender);
        cd_master_key_free(f.master);
        f.store->free(f.store);
        return 0;
}

static void queue_until(const char *to, cd_time expires_at)
{
        const struct cd_mail mail = {
                .to = cd_str_from_c(to),
                .subject = CD_STR("Hello"),
                .text = CD_STR("a text\n"),
                .created_at = f.now,
                .expires_at = expires_at,
        };

        assert_status(cd_mail_queue(f.store, f.master, &mail, &f.err), CD_OK);
}

static void queue(const char *to)
{
        queue_until(to, NOW + 3 * 86400);
}

static size_t waiting(void)
{
        size_t count = 99;

        assert_status(f.store->mails->count(f.store, &count, NULL), CD_OK);
        return count;
}

/* The text of the newest event of the audit: "action subject detail"; "" if there is none. */
static const char *last_event(void)
{
        static char text[512];
        struct cd_audit_events events;
        struct cd_arena arena;

        cd_arena_init(&arena, 1 << 20);
        assert_status(f.store->audit->list(f.store, &arena, -1, 1, &events, NULL), CD_OK);
        text[0] = '\0';
        if (events.count)
                snprintf(text, sizeof(text), "%.*s %.*s %.*s", CD_STR_ARG(events.items[0].action),
                         CD_STR_ARG(events.items[0].subject), CD_STR_ARG(events.items[0].detail));
        cd_arena_done(&arena);
        return text;
}

static void answer_with(cd_status status, int code, const char *enhanced)
{
        f.answer = status;
        f.reply.code = code;
        snprintf(f.reply.enhanced, sizeof(f.reply.enhanced), "%s", enhanced);
}

static void what_is_accepted_is_sent_once(void **state)
{
        (void)state;
        assert_false(cd_mail_sender_step(f.sender));
        assert_int_equal(f.calls, 0);
        queue("ana@example.com");
        queue("bo@example.com");
        assert_true(cd_mail_sender_step(f.sender));
        assert_true(cd_mail_sender_step(f.sender));
        assert_false(cd_mail_sender_step(f.sender));
        assert_int_equal(f.calls, 2);
        assert_int_equal(waiting(), 0);
        assert_non_null(strstr(f.message, "\r\nSubject: Hello\r\n"));
        assert_non_null(strstr(f.message, "\r\n\r\na text\r\n"));
        assert_string_equal(f.password, "secret");
        assert_string_equal(last_event(), "");
}

/* 10 s, 30 s, 1 min, 2 min, 5 min, 10 min, and 15 min from then on, after each attempt. */
static void what_fails_is_tried_again_after_longer_and_longer_pauses(void **state)
{
        static const int pauses[] = { 10, 30, 60, 120, 300, 600, 900, 900, 900 };

        (void)state;
        queue("ana@example.com");
        answer_with(CD_UNAVAILABLE, 451, "4.7.1");
        f.takes_s = 3;
        for (size_t i = 0; i < CD_LEN(pauses); i++) {
                assert_false(cd_mail_sender_step(f.sender));
                assert_int_equal(f.calls, i + 1);
                f.now += pauses[i] - 1;
                assert_false(cd_mail_sender_step(f.sender));
                assert_int_equal(f.calls, i + 1);
                f.now++;
        }
        assert_int_equal(waiting(), 1);
        answer_with(CD_OK, 250, "");
        assert_true(cd_mail_sender_step(f.sender));
        assert_int_equal(waiting(), 0);
        assert_string_equal(last_event(), "");
}

static void what_would_expire_before_the_next_attempt_is_given_up(void **state)
{
        (void)state;
        queue_until("ana@example.com", NOW + 11);
        queue_until("bo@example.com", NOW + 10);
        answer_with(CD_TIMEOUT, 0, "");
        assert_false(cd_mail_sender_step(f.sender));
        assert_false(cd_mail_sender_step(f.sender));
        assert_int_equal(f.calls, 2);
        assert_int_equal(waiting(), 1);
        assert_string_equal(last_event(), "mail.given_up email:bo@example.com as the test says");
}

static void what_is_refused_for_good_is_given_up(void **state)
{
        (void)state;
        queue("ana@example.com");
        answer_with(CD_INVALID_REQUEST, 550, "5.1.1");
        assert_true(cd_mail_sender_step(f.sender));
        assert_int_equal(f.calls, 1);
        assert_int_equal(waiting(), 0);
        assert_string_equal(last_event(), "mail.given_up email:ana@example.com as the test says: 550 5.1.1");
}

static void what_cannot_be_opened_is_given_up(void **state)
{
        const struct cd_queued_mail odd = {
                .id = CD_STR("1"),
                .recipient = CD_STR("ana@example.com"),
                .sealed = CD_STR("x1.c29tZXRoaW5nIGVsc2Ugc29tZXRoaW5nIGVsc2Ugc29tZXRoaW5nIGVsc2U"),
                .created_at = NOW,
                .expires_at = NOW + 100,
                .next_at = NOW,
        };

        (void)state;
        assert_status(f.store->mails->add(f.store, &odd, NULL), CD_OK);
        assert_true(cd_mail_sender_step(f.sender));
        assert_int_equal(f.calls, 0);
        assert_int_equal(waiting(), 0);
        assert_non_null(strstr(last_event(), "mail.given_up email:ana@example.com"));
}

static void other_settings_are_used_for_the_next_one(void **state)
{
        (void)state;
        queue("ana@example.com");
        cd_mail_sender_set(f.sender, NULL);
        assert_false(cd_mail_sender_step(f.sender));
        assert_int_equal(f.calls, 0);
        cd_mail_sender_set(f.sender, settings_with("other"));
        assert_true(cd_mail_sender_step(f.sender));
        assert_string_equal(f.password, "other");
}

/* A password whose file the server may not read any more (conf/report.h). */
static void a_password_that_is_left_out_stays(void **state)
{
        (void)state;
        queue("ana@example.com");
        queue("bo@example.com");
        cd_mail_sender_set(f.sender, settings_with("")); /* from settings that are not used yet */
        assert_true(cd_mail_sender_step(f.sender));
        assert_string_equal(f.password, "secret");
        cd_mail_sender_set(f.sender, settings_with("")); /* and from those that are */
        assert_true(cd_mail_sender_step(f.sender));
        assert_string_equal(f.password, "secret");
}

/* The thread: woken, it sends at once. */
static void a_thread_sends_what_it_is_woken_for_and_ends(void **state)
{
        (void)state;
        assert_status(cd_mail_sender_start(f.sender, &f.err), CD_OK);
        assert_status(cd_mail_sender_start(f.sender, &f.err), CD_OK); /* it runs */
        queue("ana@example.com");
        cd_mail_sender_wake(f.sender);
        for (int i = 0; i < 3000 && waiting(); i++)
                usleep(10000);
        assert_int_equal(waiting(), 0);
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(what_is_accepted_is_sent_once),
                TEST(what_fails_is_tried_again_after_longer_and_longer_pauses),
                TEST(what_would_expire_before_the_next_attempt_is_given_up),
                TEST(what_is_refused_for_good_is_given_up),
                TEST(what_cannot_be_opened_is_given_up),
                TEST(other_settings_are_used_for_the_next_one),
                TEST(a_password_that_is_left_out_stays),
                TEST(a_thread_sends_what_it_is_woken_for_and_ends),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
