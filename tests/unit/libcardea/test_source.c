/* Files, and which URLs may be fetched from. What a server answers is tested over HTTP (tests/http/resource). */
#include "fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static void keys_come_by_https_or_from_this_host(void **state)
{
        static const char of_another_host[] = "is an http:// URL of another host";
        static const struct {
                const char *url, *wrong; /* wrong NULL: fine */
        } cases[] = {
                { "https://auth.example/jwks", NULL },
                { "https://auth.example:8443/jwks?a=b", NULL },
                { "http://127.0.0.1:5001/jwks", NULL },
                { "http://127.255.0.1/jwks", NULL },
                { "http://localhost:5001/jwks", NULL },
                { "http://[::1]:5001/jwks", NULL },
                { "http://localhost", NULL },
                { "http://auth.example/jwks", of_another_host },
                { "http://localhost.evil.example/jwks", of_another_host },
                { "http://127.0.0.1.evil.example/", of_another_host },
                { "http://127.1/", of_another_host },
                { "http://0x7f000001/", of_another_host },
                { "http://128.0.0.1/", of_another_host },
                { "http://[::2]/", of_another_host },
                { "http://[::ffff:127.0.0.1]/", of_another_host },
                { "http://[::1].evil.example/", "has no host" },
                { "http://[::1/", "has no host" },
                { "http://evil.example?127.0.0.1", of_another_host },
                { "http://localhost@evil.example/", "contains a user name" },
                { "https://ana:secret@auth.example/", "contains a user name" },
                { "http://127.0.0.1\\@evil.example/", "contains a character that is not allowed in a URL" },
                { "https://auth.example/a b", "contains a character that is not allowed in a URL" },
                { "https://auth.example/\xc3\xa9", "contains a character that is not allowed in a URL" },
                { "https://auth.example/\r\nHost: x", "contains a character that is not allowed in a URL" },
                { "https://", "has no host" },
                { "https:///jwks", "has no host" },
                { "http://:80/", "has no host" },
                { "http://[/", "has no host" },
                { "file:///etc/passwd", "is a URL that is neither" },
                { "HTTPS://auth.example/", "is a URL that is neither" },
        };

        (void)state;
        for (size_t i = 0; i < CD_LEN(cases); i++) {
                const char *wrong = cd_source_check_url(cd_str_from_c(cases[i].url), false);
                if (cases[i].wrong && (!wrong || !strstr(wrong, cases[i].wrong)))
                        fail_msg("%s: %s", cases[i].url, wrong ? wrong : "accepted");
                if (!cases[i].wrong && wrong)
                        fail_msg("%s: %s", cases[i].url, wrong);
        }
        assert_null(cd_source_check_url(CD_STR("http://auth.example/jwks"), true));
        assert_non_null(cd_source_check_url(CD_STR("http://a@auth.example/jwks"), true));
}

struct file {
        char folder[64], path[96];
        struct cd_source *source;
        struct cd_arena arena;
        cd_str text;
        struct cd_error err;
};

static int file_setup(void **state)
{
        struct file *f = calloc(1, sizeof(*f));
        struct cd_source_options options = { 0 };

        strcpy(f->folder, "/tmp/cardea-source-XXXXXX");
        if (!mkdtemp(f->folder))
                return -1;
        snprintf(f->path, sizeof(f->path), "%s/keys.json", f->folder);
        cd_arena_init(&f->arena, 1 << 20);
        options.jwks = cd_str_from_c(f->path);
        *state = f;
        return cd_source_new(&options, &f->source, NULL) == CD_OK ? 0 : -1;
}

static int file_teardown(void **state)
{
        struct file *f = *state;

        cd_source_free(f->source);
        cd_arena_done(&f->arena);
        (void)unlink(f->path);
        (void)rmdir(f->path);
        (void)rmdir(f->folder);
        free(f);
        return 0;
}

static void put(struct file *f, const char *text, size_t count)
{
        FILE *file = fopen(f->path, "w");

        assert_non_null(file);
        for (size_t i = 0; i < count; i++)
                fputs(text, file);
        fclose(file);
}

static cd_status read_it(struct file *f)
{
        return cd_source_read(f->source, &f->arena, &f->text, &f->err);
}

static void a_file_is_read_again_only_where_it_changed(void **state)
{
        struct file *f = *state;

        assert_true(cd_source_is_file(f->source));
        put(f, "abc", 1);
        assert_int_equal(read_it(f), CD_OK);
        assert_true(cd_str_eq_c(f->text, "abc"));
        assert_int_equal(read_it(f), CD_OK);
        assert_true(cd_str_eq_c(f->text, "abc")); /* nobody said that it was good */
        cd_source_keep(f->source);
        assert_int_equal(read_it(f), CD_OK);
        assert_null(f->text.ptr);
        put(f, "abcd", 1);
        assert_int_equal(read_it(f), CD_OK);
        assert_true(cd_str_eq_c(f->text, "abcd"));
}

static void a_file_that_cannot_be_read_is_unavailable(void **state)
{
        struct file *f = *state;

        assert_int_equal(read_it(f), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the key file cannot be opened: No such file or directory");
        assert_int_equal(mkdir(f->path, 0700), 0);
        assert_int_equal(read_it(f), CD_UNAVAILABLE);
        assert_int_equal(rmdir(f->path), 0);
        assert_int_equal(mkfifo(f->path, 0600), 0); /* would hold us until somebody writes */
        assert_int_equal(read_it(f), CD_UNAVAILABLE);
        assert_string_equal(f->err.reason, "the key file is not a regular file");
}

static void a_file_is_read_up_to_its_bound(void **state)
{
        struct file *f = *state;
        struct cd_jwks keys;

        put(f, "0123456789abcdef", CD_SOURCE_TEXT_MAX / 16 + 1000);
        assert_int_equal(read_it(f), CD_OK);
        assert_int_equal(f->text.len, CD_SOURCE_TEXT_MAX + 1);
        assert_int_equal(cd_jwks_parse(f->text, &keys, &f->err), CD_TOO_LARGE);
}

/* The real source, and the clocks of the fixture. */
static void start_on_file(struct fixture *f, const char *path)
{
        struct cd_verifier_ports ports = cd_verifier_ports_system;

        start(f);
        ports.clock = f->verifier->ports.clock;
        ports.monotonic_us = f->verifier->ports.monotonic_us;
        cardea_verifier_free(f->verifier);
        f->verifier = NULL;
        f->options.jwks = path;
        f->options.refresh_gap_ms = 100;
        assert_code(cd_verifier_new(&f->options, &ports, &f->verifier, &f->err), CARDEA_OK);
}

static void a_verifier_follows_its_file(void **state)
{
        struct file *file = *state;
        struct fixture *f;

        assert_int_equal(setup((void **)&f), 0);
        start_on_file(f, file->path);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_UNAVAILABLE);
        put(file, f->jwks.ptr, 1);
        pass_ms(100);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        put(file, "{\"keys\":[", 1); /* half of it, as seen while somebody writes */
        pass_ms(1000);
        assert_code(verify(f, token_of(f, f->es256)), CARDEA_OK);
        wait_for_background(f);
        put(file, f->jwks_next.ptr, 1);
        pass_ms(1000);
        (void)verify(
                f,
                token_of(f, f->es256)); /* by the old keys or by the new, which lack its own: somebody who is faster */
        wait_for_background(f);
        assert_code(verify_cached(f, token_of(f, f->next)), CARDEA_OK);
        assert_int_equal(unlink(file->path), 0);
        pass_ms(1000);
        assert_code(verify(f, token_of(f, f->next)), CARDEA_OK);
        teardown((void **)&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(keys_come_by_https_or_from_this_host),
                cmocka_unit_test_setup_teardown(a_file_is_read_again_only_where_it_changed, file_setup, file_teardown),
                cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_unavailable, file_setup, file_teardown),
                cmocka_unit_test_setup_teardown(a_file_is_read_up_to_its_bound, file_setup, file_teardown),
                cmocka_unit_test_setup_teardown(a_verifier_follows_its_file, file_setup, file_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
