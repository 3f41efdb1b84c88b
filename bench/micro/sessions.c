/* Starts sessions as the login page does, and prints their cookies: bench/micro/sessions CONFIG USERS COUNT [unstored].
 * The users are user0000000 to USERS - 1, and share the sessions in turn. "unstored": the caller stores them itself,
 * because a million starts take minutes. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/administration.h"
#include "core/session.h"

enum {
        WRITERS = 64,         /* that share a transaction */
        LIFETIME = 24 * 3600, /* seconds */
        NAME_SIZE = 32,
};

static struct bench {
        struct cd_admin admin;
        struct cd_sessions sessions;
        int64_t *generations; /* of the users */
        size_t users, count;
        struct cd_cookie_token *tokens;
        atomic_size_t next;
} bench;

static void must(cd_status status, const struct cd_error *err, const char *what)
{
        if (status == CD_OK)
                return;
        fprintf(stderr, "sessions: %s: %s %s\n", what, err->field, err->reason);
        exit(1);
}

static cd_str name_of(size_t number, char memory[NAME_SIZE])
{
        return cd_str_of(memory, (size_t)snprintf(memory, NAME_SIZE, "user%07zu", number));
}

static void find_users(void)
{
        struct cd_store *store = bench.admin.store;
        struct cd_error err = { 0 };
        struct cd_arena arena;
        struct cd_user user;
        char memory[NAME_SIZE];

        for (size_t i = 0; i < bench.users; i++) {
                cd_arena_init(&arena, 1 << 20);
                must(store->users->find(store, &arena, name_of(i, memory), &user, &err), &err, memory);
                bench.generations[i] = user.generation;
                cd_arena_done(&arena);
        }
}

static void start_one(size_t number)
{
        struct cd_error err = { 0 };
        struct cd_session session;
        struct cd_arena arena;
        char memory[NAME_SIZE];
        size_t user = number % bench.users;
        const struct cd_session_params params = {
                .user = name_of(user, memory),
                .generation = bench.generations[user],
                .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP,
                .device = CD_STR("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
                .address = CD_STR("192.0.2.7"),
                .idle_lifetime = LIFETIME,
                .lifetime = LIFETIME,
        };

        cd_arena_init(&arena, 1 << 20);
        must(cd_session_start(&bench.sessions, &arena, &params, &session, &bench.tokens[number], &err), &err, memory);
        cd_arena_done(&arena);
}

static void *start_some(void *arg)
{
        (void)arg;
        for (size_t i = atomic_fetch_add(&bench.next, 1); i < bench.count; i = atomic_fetch_add(&bench.next, 1))
                start_one(i);
        return NULL;
}

static void start_all(void)
{
        pthread_t threads[WRITERS];

        for (size_t i = 0; i < WRITERS; i++)
                if (pthread_create(&threads[i], NULL, start_some, NULL) != 0)
                        exit(1);
        for (size_t i = 0; i < WRITERS; i++)
                pthread_join(threads[i], NULL);
}

static cd_status start_unstored(struct cd_store *store, const struct cd_session_start *start,
                                const struct cd_audit_event *event, struct cd_error *reterr)
{
        (void)store;
        (void)start;
        (void)event;
        (void)reterr;
        return CD_OK;
}

int main(int argc, char **argv)
{
        struct cd_error err = { 0 };

        if (argc < 4) {
                fputs("usage: sessions CONFIG USERS COUNT [unstored]\n", stderr);
                return 2;
        }
        bench.users = strtoul(argv[2], NULL, 10);
        bench.count = strtoul(argv[3], NULL, 10);
        bench.generations = calloc(bench.users, sizeof(*bench.generations));
        bench.tokens = calloc(bench.count, sizeof(*bench.tokens));
        if (!bench.users || !bench.generations || !bench.tokens)
                return 1;
        must(cd_admin_open(&(struct cd_admin_options){ .config_path = argv[1] }, &bench.admin, &err), &err, argv[1]);
        bench.sessions = (struct cd_sessions){ .store = bench.admin.store,
                                               .clock = &cd_clock_system,
                                               .random = bench.admin.random };
        if (cd_session_ids_key(bench.admin.master, &bench.sessions.ids) != CD_OK)
                return 1;
        find_users();
        struct cd_store none = { .sessions = &(struct cd_session_ops){ .start = start_unstored } };
        if (argc > 4 && strcmp(argv[4], "unstored") == 0)
                bench.sessions.store = &none;
        start_all();
        for (size_t i = 0; i < bench.count; i++)
                printf("%.*s\n", CD_COOKIE_TOKEN_SIZE, bench.tokens[i].text);
        cd_admin_close(&bench.admin);
        free(bench.tokens);
        free(bench.generations);
        return 0;
}
