#pragma once
/* Providers on a store in memory, with a fake HTTP, a clock and a random source that a test sets and makes fail. */
#include <pthread.h>
#include <stdatomic.h>

#include "core/direct_hasher.h"
#include "signin/provider.h"
#include "signin/signin.h"
#include "support/check.h"

enum {
        SIGNIN_NOON = 1795348800, /* 2026-11-22T12:00:00Z */
        ANSWERS_MAX = 32,
        LOG_MAX = 128 * 1024,
};

/* What the fake answers to a URL that begins so; of several, the last that a test has set. */
struct fake_answer {
        const char *url;
        int status; /* 0: the call fails with `fails` */
        const char *body;
        cd_status fails;
};

struct signin_fixture {
        struct cd_arena arena;
        struct cd_clock clock;
        struct cd_random random;
        atomic_llong now; /* -1: the clock fails */
        atomic_bool random_fails;
        atomic_ullong next; /* what the random source gives next */
        struct cd_master_key *master;
        struct cd_store *store;
        struct cd_direct_hasher hasher;
        struct cd_signin_services services;
        struct cd_signin_provider_settings settings[5]; /* github, osu, discord, own, corp */
        struct cd_signin *signin;
        struct fake_answer answers[ANSWERS_MAX];
        size_t answer_count;
        atomic_uint calls;
        /* What was sent: "GET URL\n" or "POST URL\nBODY\n", with "basic USER:PASSWORD\n" and "bearer TOKEN\n". */
        char sent[LOG_MAX];
        size_t sent_size;
        pthread_mutex_t lock;                     /* of what was sent */
        void (*during)(struct signin_fixture *f); /* called by each request; NULL: nothing */
        struct cd_error err;
};

int signin_set_up(void **state);
int signin_tear_down(void **state);
#define SIGNIN_TEST(test) cmocka_unit_test_setup_teardown(test, signin_set_up, signin_tear_down)

/* After a change of the settings. */
void signin_remake(struct signin_fixture *f);
void signin_answer(struct signin_fixture *f, const char *url, int status, const char *body);
void signin_fail_call(struct signin_fixture *f, const char *url, cd_status status);
/* Whether the text was sent. */
bool signin_sent(const struct signin_fixture *f, const char *text);

const struct cd_signin_provider *signin_provider(const struct signin_fixture *f, const char *name);
/* Begins a login; fails the test if that does. */
struct cd_signin_started signin_start(struct signin_fixture *f, const char *name);
/* What a browser brings back from a provider that agreed. */
struct cd_signin_callback signin_back(const struct cd_signin_started *started);
enum cd_signin_failure signin_end(struct signin_fixture *f, const char *name, const struct cd_signin_callback *callback,
                                  struct cd_signin_result *ret);
/* A whole login; GitHub answers for octocat, 583231, unless the test says otherwise. */
enum cd_signin_failure signin_login(struct signin_fixture *f, const char *name, struct cd_signin_result *ret);

void signin_add_user(struct signin_fixture *f, const char *name);
/* Links an account to a user, in that user's session. */
enum cd_signin_failure signin_link(struct signin_fixture *f, const char *name, const char *user,
                                   struct cd_signin_result *ret);
/* "ACTION SUBJECT ACTOR ADDRESS DETAIL" of the newest audit event. */
cd_str signin_last_event(struct signin_fixture *f);
