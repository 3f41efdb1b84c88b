#pragma once
/* A request that a command makes up, and what the rules of a configuration decide on it. */
#include "cmd/context.h"
#include "core/access.h"

/* The words of the command line; NULL: not given. */
struct cd_rule_words {
        const char *url, *host, *path, *method, *address, *user, *factors, *age, *audience, *scope;
        struct cd_words groups;
        bool json;
};

/* Their options: of the request and of the user. */
#define CD_RULE_REQUEST_OPTIONS                                                                                        \
        CD_VALUE(struct cd_rule_words, method, "--method", 0, "METHOD", "the method (default: GET)"),                  \
                CD_VALUE(struct cd_rule_words, address, "--address", 0, "ADDRESS",                                     \
                         "the client's address; without it, none is known, and rules with networks deny")
#define CD_RULE_USER_OPTIONS                                                                                           \
        CD_VALUE(struct cd_rule_words, user, "--user", 0, "NAME",                                                      \
                 "the user who is logged in, who must be in the store if there is one; without it, nobody is, and "    \
                 "the store is not opened",                                                                            \
                 .names = CD_NAMES_USER),                                                                              \
                CD_WORDS(struct cd_rule_words, groups, "--group", 0, "GROUP",                                          \
                         "a group beside those of the user in the store; may be repeated"),                            \
                CD_VALUE(struct cd_rule_words, factors, "--factors", 0, "N",                                           \
                         "the factors of the login (default: as many as portal.factors has)"),                         \
                CD_VALUE(struct cd_rule_words, age, "--age", 0, "TIME",                                                \
                         "how long ago the login was, as in 8h (default: 0s)")

struct cd_rule_test {
        const char *command;
        struct cd_admin *admin; /* of the context; gets a store, where the user is looked up in one */
        struct cd_access *access;
        struct cd_access_request request;
        struct cd_access_login login;
        struct cd_access_token token;
        struct cd_address address;
        cd_str path;         /* canonical; ptr NULL: it has no such form */
        cd_str port;         /* of the host, ":8443"; empty: none */
        struct cd_user user; /* as in the store; without one, nothing is set */
};

/* Reads the words. `context` has the configuration. Returns CD_EXIT_OK, or another exit code after reporting the error.
 * The caller ends the test with cd_rule_test_close in both cases. */
int cd_rule_test_open(struct cd_rule_test *t, struct cd_context *context, const struct cd_rule_words *words);
void cd_rule_test_close(struct cd_rule_test *t);

/* For the output, in the arena of `admin`. The rule: "access[2] (cardea.yaml:12)", or "none". */
cd_str cd_rule_test_rule(struct cd_rule_test *t, const struct cd_access_decision *decision);
cd_str cd_rule_test_reason(struct cd_rule_test *t, const struct cd_access_decision *decision);
/* Where the browser goes when it has logged in; ptr NULL: nowhere. */
cd_str cd_rule_test_return(struct cd_rule_test *t, const struct cd_access_decision *decision);
