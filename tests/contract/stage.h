#pragma once
/* What every test of the store's contract stands on: a fresh store of the kind under test, opened and closed around
 * each test. */
#include "core/ports.h"
#include "support/check.h"

/* A kind of store. A new one adds a file with such a row, and no test. */
struct store_row {
        const char *name;
        bool is_durable; /* reopened, and opened twice, it is the same store */
        bool (*make_database)(
                char *url,
                size_t size); /* a new, empty database; false: there is none here, and the suite is skipped */
        struct cd_store *(*open)(const char *url);
        void (*remove_database)(const char *url);
};

struct stage {
        const struct store_row *row;
        char url[512];
        struct cd_store *store;
        struct cd_arena arena;
        struct cd_error error; /* of the last call that was given it */
};

/* Runs the whole suite; what main returns. 77 where there is no database for the store. */
int run_store_contract(const struct store_row *row);

int stage_setup(void **state);
int stage_teardown(void **state);
#define CONTRACT(test) cmocka_unit_test_setup_teardown(test, stage_setup, stage_teardown)

/* Closes and opens again. Nothing of the kind is asked of a store that is not durable: false. */
bool stage_reopen(struct stage *stage);
/* Another process's view of the same place. The caller frees it. */
struct cd_store *stage_open_another(const struct stage *stage);

/* "test.action" by "os:tester" at time 1000. */
extern const struct cd_audit_event an_event;

struct cd_user some_user(const char *name);
void add_user(struct stage *stage, const char *name);
struct cd_user get_user(struct stage *stage, const char *name);
bool has_user(struct stage *stage, const char *name);
struct cd_session some_session(const char *digest, const char *user);
/* Of the user as it is now, who is added where there is none of that name. */
struct cd_session session_of(struct stage *stage, const char *digest, const char *user);
cd_status start_session(struct stage *stage, const struct cd_session *session);
bool has_session(struct stage *stage, const char *digest);
void add_revocation(struct stage *stage, const char *jti, cd_time expires_at);
struct cd_revocation_list get_revocations(struct stage *stage);
struct cd_store_versions get_versions(struct stage *stage);
size_t count_events(struct stage *stage);
int64_t milliseconds_since(int64_t start_us);

/* Each runs `body` with its number, `count` of them at once, and waits for all. `body` returns NULL or what went
 * wrong. */
void at_once(struct stage *stage, size_t count, const char *(*body)(struct stage *stage, size_t number));

int run_users_contract(void);
int run_user_details_contract(void);
int run_generations_contract(void);
int run_clients_contract(void);
int run_keys_contract(void);
int run_revocation_list_contract(void);
int run_sessions_contract(void);
int run_factors_contract(void);
int run_links_contract(void);
int run_personal_tokens_contract(void);
int run_mails_contract(void);
int run_devices_contract(void);
int run_hand_overs_contract(void);
int run_signin_contract(void);
int run_deliveries_contract(void);
int run_audit_contract(void);
int run_whole_contract(void);
int run_durable_contract(void);
int run_backup_contract(void);
