/* Starts a session of a user as a login page would, and prints the value of its cookie; or makes a personal token with
 * it, and prints that. For tests.
 *
 * Usage: session-tool STORE USER FACTORS [IDLE [LIFETIME [HOSTS [PATHS]]]] < MASTER_KEY
 * FACTORS are bits of enum cd_factor; IDLE and LIFETIME are seconds; HOSTS and PATHS, which may be empty, limit the
 * token. */
#include <stdio.h>
#include <stdlib.h>

#include "core/personal_token.h"
#include "store/store.h"

static int fail(const struct cd_error *err)
{
        fprintf(stderr, "session-tool: %s\n", err->reason);
        return 1;
}

static int make_token(const struct cd_sessions *sessions, struct cd_arena *arena, const struct cd_session *session,
                      char **argv, int argc)
{
        const struct cd_personal_token_params params = {
                .session = session,
                .name = CD_STR("session-tool"),
                .days = 1,
                .hosts = cd_str_from_c(argv[6]),
                .paths = cd_str_from_c(argc > 7 ? argv[7] : ""),
        };
        struct cd_personal_token_text text;
        struct cd_personal_token made;
        struct cd_error err = { 0 };

        if (cd_personal_token_create(sessions, arena, &params, &made, &text, &err) != CD_OK)
                return fail(&err);
        printf("%.*s\n", (int)sizeof(text.text), text.text);
        return 0;
}

static int start(const struct cd_sessions *sessions, struct cd_arena *arena, char **argv, int argc)
{
        struct cd_cookie_token token;
        struct cd_session session;
        struct cd_error err = { 0 };
        struct cd_user user;

        cd_status status = sessions->store->users->find(sessions->store, arena, cd_str_from_c(argv[2]), &user, &err);
        if (status == CD_OK) {
                const struct cd_session_params params = {
                        .user = user.name,
                        .generation = user.generation,
                        .factors = (unsigned)atoi(argv[3]),
                        .device = CD_STR("session-tool"),
                        .address = CD_STR("192.0.2.1"),
                        .idle_lifetime = argc > 4 ? atoll(argv[4]) : 3600,
                        .lifetime = argc > 5 ? atoll(argv[5]) : 36000,
                };
                status = cd_session_start(sessions, arena, &params, &session, &token, &err);
        }
        if (status != CD_OK)
                return fail(&err);
        if (argc > 6)
                return make_token(sessions, arena, &session, argv, argc);
        printf("%.*s\n", CD_STR_ARG(cd_cookie_text(&token)));
        return 0;
}

int main(int argc, char **argv)
{
        const struct cd_store_options options = { .url = cd_str_from_c(argc > 1 ? argv[1] : "") };
        struct cd_store_opened opened;
        struct cd_sessions sessions = { .clock = &cd_clock_system, .random = &cd_random_system };
        struct cd_master_key *master = NULL;
        struct cd_arena arena;
        struct cd_error err = { 0 };
        char key[CD_MASTER_KEY_TEXT + 2];
        size_t size = fread(key, 1, sizeof(key), stdin);

        if (argc < 4) {
                fprintf(stderr,
                        "usage: session-tool STORE USER FACTORS [IDLE [LIFETIME [HOSTS [PATHS]]]] < MASTER_KEY\n");
                return 2;
        }
        cd_arena_init(&arena, 1 << 20);
        if (cd_master_key_parse(cd_str_of(key, size), &cd_random_system, &master, &err) != CD_OK ||
            cd_session_ids_key(master, &sessions.ids) != CD_OK || cd_store_open(&options, &opened, &err) != CD_OK)
                return fail(&err);
        sessions.store = opened.store;
        int code = start(&sessions, &arena, argv, argc);
        cd_master_key_free(master);
        opened.store->free(opened.store);
        cd_arena_done(&arena);
        return code;
}
