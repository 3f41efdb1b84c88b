#pragma once
/* What checks users' passwords: the threads that hash, the counts of failures, and a login for each cost of a hash. */
#include "app/config.h"
#include "app/hash_threads.h"
#include "core/lockout.h"
#include "core/login.h"
#include "http/server.h"

/* Checks passwords with one cost of a hash. It is kept until the end, because a handler may be using it; there is one
 * for each cost that was ever configured. */
struct cd_app_login {
        struct cd_app_login *next;
        struct cd_hash_threads_port hasher;
        struct cd_login login;
};

struct cd_app_logins {
        struct cd_hash_threads *hashing;
        struct cd_lockout *lockout;
        struct cd_network_limit *networks;
        struct cd_app_login *newest;
};

/* CD_NO_MEMORY; then cd_app_logins_done frees what was made. `log` is kept. */
cd_status cd_app_logins_init(struct cd_app_logins *logins, const struct cd_config *config, struct cd_log *log,
                             struct cd_error *reterr);
/* Ends the threads. NULLs are fine. */
void cd_app_logins_done(struct cd_app_logins *logins);

/* What a login uses besides; borrowed. */
struct cd_app_login_ports {
        struct cd_store *store;
        struct cd_store_state *store_state;
        const struct cd_notices *notices;
        const struct cd_known_devices *devices;
};

/* The one with the configured cost, made where there is none. CD_NO_MEMORY. */
cd_status cd_app_logins_find(struct cd_app_logins *logins, const struct cd_app_login_ports *ports,
                             const struct cd_config *config, const struct cd_app_login **ret, struct cd_error *reterr);
/* What a reload changes. */
void cd_app_logins_set_rules(struct cd_app_logins *logins, const struct cd_config *config);
/* The server's CPU pool, which logins use; `config` is a struct cd_config. */
void cd_app_logins_tune(const void *config, struct cd_http_server_options *options);
