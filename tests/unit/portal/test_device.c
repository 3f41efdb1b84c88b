#include "portal/device.h"
#include "support/check.h"

static void assert_name(const char *user_agent, const char *name)
{
        struct cd_arena arena;

        cd_arena_init(&arena, 1 << 16);
        assert_str(cd_device_name(&arena, cd_str_from_c(user_agent)), name);
        cd_arena_done(&arena);
}

/* As these browsers sent it in 2024 to 2026. */
static void browsers_have_their_usual_names(void **state)
{
        (void)state;
        assert_name("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox (Linux)");
        assert_name("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "Chrome/126.0.0.0 Safari/537.36",
                    "Chrome (Windows)");
        assert_name("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                    "Edge (Windows)");
        assert_name("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "Chrome/125.0.0.0 Safari/537.36 OPR/111.0.0.0",
                    "Opera (Linux)");
        assert_name("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                    "Version/17.5 Safari/605.1.15",
                    "Safari (macOS)");
        assert_name("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                    "Version/17.5 Mobile/15E148 Safari/604.1",
                    "Safari (iPhone)");
        assert_name("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                    "FxiOS/127.0 Mobile/15E148 Safari/605.1.15",
                    "Firefox (iPhone)");
        assert_name("Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                    "CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
                    "Chrome (iPad)");
        assert_name("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "Chrome/126.0.0.0 Mobile Safari/537.36",
                    "Chrome (Android)");
        assert_name("Mozilla/5.0 (Linux; Android 13; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                    "Samsung Internet (Android)");
        assert_name("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) "
                    "Chrome/126.0.0.0 Safari/537.36",
                    "Chrome (ChromeOS)");
        assert_name("Mozilla/5.0 (Haiku) Firefox/1", "Firefox");
}

static void other_programs_are_named_by_their_own_text(void **state)
{
        (void)state;
        assert_name("curl/7.88.1", "curl/7.88.1");
        assert_name("", "");
        assert_name("Linux", "Linux");
}

static void a_long_text_is_cut_between_characters(void **state)
{
        char text[CD_DEVICE_NAME_MAX + 8];

        (void)state;
        memset(text, 'x', sizeof(text));
        text[CD_DEVICE_NAME_MAX] = '\0';
        assert_name(text, text);
        memcpy(text + CD_DEVICE_NAME_MAX - 1, "\xc3\xa9", 3);
        char shorter[CD_DEVICE_NAME_MAX] = { 0 };
        memset(shorter, 'x', CD_DEVICE_NAME_MAX - 1);
        assert_name(text, shorter);
        assert_name("abc\xff def", "abc");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(browsers_have_their_usual_names),
                cmocka_unit_test(other_programs_are_named_by_their_own_text),
                cmocka_unit_test(a_long_text_is_cut_between_characters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
