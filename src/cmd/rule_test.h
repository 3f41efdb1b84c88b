#pragma once
/* A request that a command makes up, and what the rules of a configuration decide on it. */
#include "cmd/context.h"
#include "core/access.h"

/* The words of the command line; NULL: not given. */
struct cd_rule_words {
        const char *config, *host, *path, *method, *address, *user, *factors, *age, *audience, *scope;
        struct cd_words groups;
};

struct cd_rule_test {
        const char *command;
        struct cd_admin admin; /* a store, where the user is looked up in one */
        struct cd_access *access;
        struct cd_access_request request;
        struct cd_access_login login;
        struct cd_access_token token;
        struct cd_address address;
        cd_str path;         /* canonical; ptr NULL: it has no such form */
        cd_str port;         /* of the host, ":8443"; empty: none */
        struct cd_user user; /* as in the store; without one, nothing is set */
};

/* Reads the configuration and the words. Returns CD_EXIT_OK, or another exit code after reporting the error. The caller
 * ends the test with cd_rule_test_close in both cases. */
int cd_rule_test_open(struct cd_rule_test *t, const struct cd_rule_words *words);
void cd_rule_test_close(struct cd_rule_test *t);

/* For the output, in the arena of `admin`. The rule: "access[2] (cardea.yaml:12)", or "none". */
cd_str cd_rule_test_rule(struct cd_rule_test *t, const struct cd_access_decision *decision);
cd_str cd_rule_test_reason(struct cd_rule_test *t, const struct cd_access_decision *decision);
/* Where the browser goes when it has logged in; ptr NULL: nowhere. */
cd_str cd_rule_test_return(struct cd_rule_test *t, const struct cd_access_decision *decision);
