#include "app/logins.h"

#include <stdlib.h>

enum {
        /* Threads for logins that are not being hashed: they wait for the store, or sign. */
        BESIDE_HASHES = 4,
};

/* The number of passwords hashed at the same time. */
static size_t hashes_at_once(const struct cd_config *config)
{
        int64_t parallel = config->password_hashing.parallel;

        return parallel ? (size_t)parallel : cd_http_usable_cores();
}

static void log_slowed(void *arg, cd_str network)
{
        struct cd_log_event event;

        cd_log_begin(&event, arg, CD_LOG_WARN, "credential_stuffing");
        cd_log_str(&event, "network", network);
        cd_log_end(&event);
}

cd_status cd_app_logins_init(struct cd_app_logins *logins, const struct cd_config *config, struct cd_log *log,
                             struct cd_error *reterr)
{
        const struct cd_lockout_rules rules = cd_config_lockout_rules(config);
        const struct cd_network_limit_options networks = {
                .rules = cd_config_network_rules(config),
                .clock = &cd_clock_system,
                .random = &cd_random_system,
                .slowed = log_slowed,
                .arg = log,
        };
        const struct cd_hash_threads_options hashing = {
                .threads = hashes_at_once(config),
                .random = &cd_random_system,
        };

        cd_status status = cd_hash_threads_new(&hashing, &logins->hashing, reterr);
        if (status == CD_OK)
                status = cd_lockout_new(&rules, &cd_random_system, &logins->lockout, reterr);
        if (status == CD_OK)
                status = cd_network_limit_new(&networks, &logins->networks, reterr);
        return status;
}

void cd_app_logins_done(struct cd_app_logins *logins)
{
        for (struct cd_app_login *login = logins->newest, *next; login; login = next) {
                next = login->next;
                free(login);
        }
        cd_network_limit_free(logins->networks);
        cd_lockout_free(logins->lockout);
        cd_hash_threads_free(logins->hashing);
}

cd_status cd_app_logins_find(struct cd_app_logins *logins, const struct cd_app_login_ports *ports,
                             const struct cd_config *config, const struct cd_app_login **ret, struct cd_error *reterr)
{
        const struct cd_password_cost cost = { config->password_hashing.memory, config->password_hashing.iterations };
        struct cd_app_login *login = logins->newest;

        while (login &&
               (login->hasher.port.cost.memory != cost.memory || login->hasher.port.cost.iterations != cost.iterations))
                login = login->next;
        if (!login) {
                login = malloc(sizeof(*login));
                if (!login)
                        return cd_fail(reterr, CD_NO_MEMORY, "no memory for the hashing of passwords");
                login->next = logins->newest;
                login->hasher = cd_hash_threads_port(logins->hashing, &cost);
                login->login = cd_login(ports->store, ports->store_state, logins->lockout, &login->hasher.port,
                                        &cd_clock_system);
                login->login.networks = logins->networks;
                login->login.notices = ports->notices;
                login->login.devices = ports->devices;
                logins->newest = login;
        }
        *ret = login;
        return CD_OK;
}

void cd_app_logins_set_rules(struct cd_app_logins *logins, const struct cd_config *config)
{
        const struct cd_lockout_rules rules = cd_config_lockout_rules(config);
        const struct cd_network_rules networks = cd_config_network_rules(config);

        cd_lockout_set_rules(logins->lockout, &rules);
        cd_network_limit_set_rules(logins->networks, &networks);
}

/* A login uses a thread of the CPU pool from its first question to the store until its answer. Beyond the logins that
 * are being hashed and those that may wait for that, a further one is answered 503: the threads beside the hashes count
 * as slots of the queue. */
void cd_app_logins_tune(const void *arg, struct cd_http_server_options *options)
{
        const struct cd_config *config = arg;
        int64_t queue = config->password_hashing.queue;
        int64_t beside = queue > BESIDE_HASHES ? BESIDE_HASHES : queue - 1;

        options->cpu_threads = (int64_t)hashes_at_once(config) + beside;
        options->cpu_queue = queue - beside;
}
