/* Prepares logins in the store of an installation, as the portal would, at any time.
 *
 *   login-tool CONFIG totp NAME…                         a TOTP factor and ten recovery codes; prints "SECRET CODE…"
 *   login-tool CONFIG session NAME AGO IDLE LIFETIME     a session that began AGO seconds ago; prints its cookie
 *   login-tool CONFIG pending NAME AGO                   a half-finished login; prints its cookie
 *   login-tool CONFIG tokens NAME AGO PROVIDER ACCESS REFRESH LIFETIME
 *                                                        links an account, and keeps tokens, as a login there AGO
 *                                                        seconds ago did */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/administration.h"
#include "core/enrolment.h"
#include "core/session.h"
#include "crypto/otpauth.h"
#include "signin/provider.h"
#include "signin/tokens.h"

enum {
        SECRET_SIZE = 20, /* bytes */
};

struct tool {
        struct cd_admin admin;
        struct cd_arena arena;
        struct cd_clock clock; /* `ago` seconds slow */
        int64_t ago;
        struct cd_tag_key ids;
        struct cd_mac *recovery_codes;
        struct cd_error err;
};

static cd_time tell(const struct cd_clock *clock)
{
        const struct tool *tool = (const struct tool *)((const char *)clock - offsetof(struct tool, clock));

        return cd_clock_system.now(&cd_clock_system) - tool->ago;
}

static int fail(const struct tool *tool, const char *what)
{
        fprintf(stderr, "login-tool: %s: %s %s\n", what, tool->err.field, tool->err.reason);
        return EXIT_FAILURE;
}

static cd_status find_user(struct tool *tool, const char *name, struct cd_user *ret)
{
        struct cd_store *store = tool->admin.store;

        return store->users->find(store, &tool->arena, cd_str_from_c(name), ret, &tool->err);
}

static void print_factor(cd_str secret, const struct cd_recovery_code codes[CD_RECOVERY_CODES])
{
        char text[64];
        struct cd_buf buf;
        cd_str base32 = { 0 };

        cd_buf_init_fixed(&buf, text, sizeof(text));
        cd_base32_encode(&buf, secret);
        if (cd_buf_view(&buf, &base32) == CD_OK)
                printf("%.*s", CD_STR_ARG(base32));
        for (size_t i = 0; i < CD_RECOVERY_CODES; i++)
                printf(" %.*s", CD_RECOVERY_CODE_SIZE, codes[i].text);
        puts("");
}

static int add_totp(struct tool *tool, const char *name)
{
        struct cd_store *store = tool->admin.store;
        struct cd_user user = { 0 };
        char secret[SECRET_SIZE];
        struct cd_totp_change change = { .factor = { .last_step = -1 } };
        struct cd_recovery_code codes[CD_RECOVERY_CODES];
        const struct cd_factors factors = { .store = store,
                                            .recovery_codes = tool->recovery_codes,
                                            .clock = &cd_clock_system,
                                            .random = tool->admin.random };
        const struct cd_code_attempt attempt = { .by = CD_STR("test") };

        if (find_user(tool, name, &user) != CD_OK)
                return fail(tool, name);
        change.factor.user = user.name;
        change.if_generation = user.generation;
        if (tool->admin.random->fill(tool->admin.random, secret, sizeof(secret)) != CD_OK ||
            cd_totp_seal(tool->admin.master, &tool->arena, user.name, cd_str_of(secret, sizeof(secret)),
                         &change.factor.sealed, &tool->err) != CD_OK ||
            store->totp->put(store, &change, NULL, &tool->err) != CD_OK ||
            cd_recovery_renew(&factors, &tool->arena, &user, &attempt, codes, &tool->err) != CD_OK)
                return fail(tool, name);
        print_factor(cd_str_of(secret, sizeof(secret)), codes);
        return EXIT_SUCCESS;
}

static int start_login(struct tool *tool, char **words, bool is_session)
{
        const struct cd_sessions sessions = {
                .store = tool->admin.store, .ids = tool->ids, .clock = &tool->clock, .random = tool->admin.random
        };
        struct cd_user user = { 0 };
        struct cd_session session;
        struct cd_pending_login pending;
        struct cd_cookie_token token;

        if (find_user(tool, words[0], &user) != CD_OK)
                return fail(tool, words[0]);
        tool->ago = atoll(words[1]);
        struct cd_session_params params = { .user = user.name,
                                            .generation = user.generation,
                                            .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                                            .device = CD_STR("login-tool"),
                                            .address = CD_STR("127.0.0.1") };
        if (is_session) {
                params.idle_lifetime = atoll(words[2]);
                params.lifetime = atoll(words[3]);
        }
        cd_status status = is_session ? cd_session_start(&sessions, &tool->arena, &params, &session, &token, &tool->err)
                                      : cd_pending_login_start(&sessions, &tool->arena, &user, CD_FACTOR_PASSWORD,
                                                               &pending, &token, &tool->err);
        if (status != CD_OK)
                return fail(tool, words[0]);
        printf("%.*s\n", CD_COOKIE_TOKEN_SIZE, token.text);
        return EXIT_SUCCESS;
}

static int keep_tokens(struct tool *tool, char **words)
{
        struct cd_store *store = tool->admin.store;
        const struct cd_signin_provider_settings provider = {
                .name = cd_str_from_c(words[2]),
                .type = CD_SIGNIN_OSU,
                .client_id = CD_STR("1"),
                .client_secret = CD_STR("s"),
                .authorization_endpoint = CD_STR("https://localhost/"),
                .token_endpoint = CD_STR("https://localhost/"),
                .userinfo_endpoint = CD_STR("https://localhost/"),
                .keep_tokens = true,
        };
        const struct cd_signin_settings settings = { &provider, 1, CD_STR("https://localhost") };
        const struct cd_signin_services services = {
                .store = store, .master = tool->admin.master, .clock = &tool->clock, .random = tool->admin.random
        };
        const struct cd_provider_account account = { .provider = provider.name,
                                                     .subject = cd_str_from_c(words[0]),
                                                     .user = cd_str_from_c(words[0]),
                                                     .login = CD_STR("octocat") };
        const struct cd_signin_tokens tokens = { .access_token = cd_str_from_c(words[3]),
                                                 .refresh_token = cd_str_from_c(words[4]),
                                                 .expires_in = atoll(words[5]) };
        struct cd_signin *signin = NULL;

        tool->ago = atoll(words[1]);
        cd_status status = cd_signin_new(&settings, &services, &signin, &tool->err);
        if (status == CD_OK)
                status = store->provider_accounts->add(store, &account, NULL, &tool->err);
        if (status == CD_OK || status == CD_EXISTS)
                status = cd_signin_token_keep(cd_signin_at(signin, 0), account.user, &tokens, &tool->err);
        cd_signin_free(signin);
        return status == CD_OK ? EXIT_SUCCESS : fail(tool, words[0]);
}

static int act(struct tool *tool, int argc, char **argv)
{
        int code = EXIT_SUCCESS;

        if (argc >= 4 && !strcmp(argv[2], "totp")) {
                for (int i = 3; i < argc && code == EXIT_SUCCESS; i++)
                        code = add_totp(tool, argv[i]);
                return code;
        }
        if (argc == 7 && !strcmp(argv[2], "session"))
                return start_login(tool, argv + 3, true);
        if (argc == 5 && !strcmp(argv[2], "pending"))
                return start_login(tool, argv + 3, false);
        if (argc == 9 && !strcmp(argv[2], "tokens"))
                return keep_tokens(tool, argv + 3);
        fputs("usage: see the head of tests/support/login_tool.c\n", stderr);
        return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
        static struct tool tool = { .clock = { .now = tell } };
        int code = EXIT_FAILURE;

        cd_arena_init(&tool.arena, 16 << 20);
        if (argc > 1 &&
            cd_admin_open(&(struct cd_admin_options){ .config_path = argv[1] }, &tool.admin, &tool.err) == CD_OK) {
                tool.recovery_codes = cd_recovery_macs_new(tool.admin.master);
                code = cd_session_ids_key(tool.admin.master, &tool.ids) == CD_OK ? act(&tool, argc, argv)
                                                                                 : EXIT_FAILURE;
        } else {
                fail(&tool, "cannot open");
        }
        cd_mac_free(tool.recovery_codes);
        cd_admin_close(&tool.admin);
        cd_arena_done(&tool.arena);
        return code;
}
