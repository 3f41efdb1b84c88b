/* The section smtp: what each mistake says. */
#include "support/check.h"

#include <stdio.h>
#include <string.h>

#include "app/config.h"

static struct cd_arena arena;
static struct cd_report report;
static struct cd_config config;

static int set_up(void **state)
{
        (void)state;
        cd_arena_init(&arena, 64 * 1024 * 1024);
        return 0;
}

static int tear_down(void **state)
{
        (void)state;
        cd_arena_done(&arena);
        return 0;
}

#define PORTAL "portal: { url: https://auth.example.com/_auth }\n"
#define GOOD   "url: 'smtp://mail.example.com:587', from: Cardea <auth@example.com>"

static void check(const char *text)
{
        cd_report_init(&report, &arena, CD_STR("f.yaml"));
        (void)cd_settings_decode(&report, cd_str_from_c(text), &cd_config_table, &config, NULL);
        cd_config_check_smtp(&config, &report);
        cd_config_check_smtp_files(&config, &report);
}

/* The only finding that is not "ok". */
static void finds(enum cd_finding_level level, const char *smtp, const char *expected)
{
        char text[1024];
        cd_str found = CD_STR("");
        size_t count = 0;

        snprintf(text, sizeof(text), PORTAL "smtp: { %s }\n", smtp);
        check(text);
        for (const struct cd_finding *finding = report.findings; finding; finding = finding->next) {
                if (finding->level == CD_FINDING_OK)
                        continue;
                count++;
                found = cd_finding_text(&report, finding);
                if (finding->level != level)
                        fail_msg("another level: %.*s", CD_STR_ARG(found));
        }
        if (count != 1)
                fail_msg("%zu findings, the last: %.*s", count, CD_STR_ARG(found));
        size_t place = (size_t)((const char *)memmem(found.ptr, found.len, "smtp", 4) - found.ptr);
        assert_str(cd_str_slice(found, place, found.len), expected);
}

static void refuses(const char *smtp, const char *expected)
{
        finds(CD_FINDING_ERROR, smtp, expected);
}

static void good_settings_are_fine(void **state)
{
        static const char *const good[] = {
                GOOD,
                "url: 'smtps://mail.example.com', from: auth@example.com",
                "url: 'smtp://127.0.0.1:25', from: cardea@localhost",
                "url: 'smtp://[::1]:1025', from: cardea@localhost",
                GOOD ", username: cardea, password: hunter22",
                GOOD ", ca_file: /etc/hostname",
        };
        char text[1024];

        (void)state;
        for (size_t i = 0; i < CD_LEN(good); i++) {
                snprintf(text, sizeof(text), PORTAL "smtp: { %s }\n", good[i]);
                check(text);
                if (report.errors || report.warnings)
                        fail_msg("%s: %.*s", good[i], CD_STR_ARG(cd_finding_text(&report, report.findings)));
                assert_str(report.last->setting, "smtp");
        }
        check("scopes: [read]\n");
        assert_null(report.findings);
}

#define FORM "write it as in smtp://mail.example.com:587 or smtps://mail.example.com:465"

static void a_url_has_scheme_host_and_port(void **state)
{
#define FROM ", from: auth@example.com"
        (void)state;
        refuses("url: mail.example.com" FROM, "smtp.url: is not an smtp or smtps URL; " FORM);
        refuses("url: 'https://mail.example.com'" FROM, "smtp.url: is not an smtp or smtps URL; " FORM);
        refuses("url: 'SMTP://mail.example.com'" FROM, "smtp.url: is not an smtp or smtps URL; " FORM);
        refuses("url: 'smtp://'" FROM, "smtp.url: is not a URL with a host; " FORM);
        refuses("url: 'smtp://mail.example.com:0'" FROM, "smtp.url: is not a URL with a host; " FORM);
        refuses("url: 'smtp://mail.example.com:65536'" FROM, "smtp.url: is not a URL with a host; " FORM);
        refuses("url: 'smtp://mail.example.com?x'" FROM, "smtp.url: is not a URL with a host; " FORM);
        refuses("url: 'smtp://ma il.example.com'" FROM, "smtp.url: is not a URL with a host; " FORM);
        refuses("url: 'smtp://mail.example.com/'" FROM,
                "smtp.url: has a path; remove what follows the host and the port");
        refuses("url: 'smtp://ana:secret@mail.example.com'" FROM,
                "smtp.url: has a user name or a password in it; write them as smtp.username and smtp.password");
        refuses("from: auth@example.com", "smtp.url: is missing, and other settings of smtp are set; write it as in "
                                          "smtp://mail.example.com:587");
}

static void a_sender_is_needed(void **state)
{
        (void)state;
        refuses("url: 'smtp://mail.example.com'", "smtp.from: is missing; write it as in Cardea <auth@example.com>");
        refuses("url: 'smtp://mail.example.com', from: Cardea",
                "smtp.from: \"Cardea\" is not a sender: an e-mail address has the form name@domain; write it as in "
                "Cardea <auth@example.com>");
}

static void name_and_password_come_together(void **state)
{
        (void)state;
        refuses(GOOD ", password: hunter22",
                "smtp.username: is missing, and smtp.password is set; name the user whose password it is, or leave out "
                "password");
        refuses(GOOD ", username: cardea", "smtp.password: is missing, and smtp.username is set; write password: "
                                           "${file:PATH}, or leave out username");
}

static void plaintext_is_said(void **state)
{
        (void)state;
        refuses("url: 'smtps://mail.example.com', from: auth@example.com, plaintext: true",
                "smtp.plaintext: contradicts smtp.url, which is smtps; leave it out, or write smtp:// in smtp.url");
        finds(CD_FINDING_WARNING, GOOD ", plaintext: true",
              "smtp.plaintext: is true: links that are as good as a password travel in the clear; leave it out if the "
              "server has STARTTLS or smtps");
        finds(CD_FINDING_WARNING, GOOD ", plaintext: true, username: a, password: b",
              "smtp.plaintext: is true: the password, and links that are as good as one, travel in the clear; leave it "
              "out if the server has STARTTLS or smtps");
}

static void a_ca_file_is_there(void **state)
{
        (void)state;
        refuses(GOOD ", ca_file: /no/such/file",
                "smtp.ca_file: /no/such/file cannot be read: No such file or directory; name a PEM file that the "
                "server may read, also while it runs");
}

static void without_a_portal_nothing_is_sent(void **state)
{
        (void)state;
        check("smtp: { " GOOD " }\n");
        assert_int_equal(report.warnings, 1);
        assert_int_equal(report.errors, 0);
}

static void tls_is_required_but_for_this_machine(void **state)
{
        static const struct {
                const char *smtp;
                bool starttls;
        } cases[] = {
                { GOOD, true },
                { "url: 'smtps://mail.example.com', from: a@example.com", false },
                { "url: 'smtp://localhost', from: a@example.com", false },
                { "url: 'smtp://127.0.0.9:25', from: a@example.com", false },
                { "url: 'smtp://[::1]', from: a@example.com", false },
                { "url: 'smtp://localhost.example.com', from: a@example.com", true },
                { "url: 'smtp://10.0.0.1', from: a@example.com", true },
                { GOOD ", plaintext: true", false },
                { GOOD ", plaintext: false", true },
                { "url: 'smtp://127.0.0.1', from: a@example.com, plaintext: false", true },
        };
        struct cd_smtp_server server;
        struct cd_mailbox from;
        char text[1024];

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                snprintf(text, sizeof(text), PORTAL "smtp: { %s }\n", cases[i].smtp);
                check(text);
                assert_int_equal(report.errors, 0);
                assert_status(cd_config_smtp_read(&config.smtp, CD_STR("f.yaml"), &arena, &server, &from, NULL), CD_OK);
                if (server.starttls != cases[i].starttls)
                        fail_msg("%s", cases[i].smtp);
        }
}

static void a_relative_ca_file_is_beside_the_configuration(void **state)
{
        struct cd_smtp_server server;
        struct cd_mailbox from;

        (void)state;
        check(PORTAL "smtp: { " GOOD ", ca_file: ca.pem }\n");
        assert_status(cd_config_smtp_read(&config.smtp, CD_STR("/etc/x/f.yaml"), &arena, &server, &from, NULL), CD_OK);
        assert_str(server.ca_file, "/etc/x/ca.pem");
        assert_str(from.name, "Cardea");
        assert_str(from.address, "auth@example.com");
        config.smtp.ca_file = CD_STR("/etc/y.pem");
        assert_status(cd_config_smtp_read(&config.smtp, CD_STR("/etc/x/f.yaml"), &arena, &server, &from, NULL), CD_OK);
        assert_str(server.ca_file, "/etc/y.pem");
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(good_settings_are_fine),
                TEST(a_url_has_scheme_host_and_port),
                TEST(a_sender_is_needed),
                TEST(name_and_password_come_together),
                TEST(plaintext_is_said),
                TEST(a_ca_file_is_there),
                TEST(without_a_portal_nothing_is_sent),
                TEST(tls_is_required_but_for_this_machine),
                TEST(a_relative_ca_file_is_beside_the_configuration),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
