#pragma once
/* Inside of the gate: one check, from the request to its answer. */
#include "core/personal_token.h"
#include "gate/credentials.h"
#include "gate/gate.h"
#include "gate/original.h"

/* In the request's arena: it may begin on the loop and end on a worker. */
struct cd_gate_check {
        enum cd_original_source source;
        struct cd_original original;
        struct cd_gate_credentials credentials;
        struct cd_address address;
        struct cd_access_request request;
        struct cd_access_decision decision;
        struct cd_live_session session; /* once a user is known to be logged in, or to own the personal token */
        struct cd_access_login login;
        /* Of an access token that was verified, which is the request's `token`. */
        struct cd_claims claims;
        struct cd_access_token token;
        /* The path in a Destination header, as it was sent, which is judged too; ptr NULL: none. Only in the gate. */
        cd_str destination;
        bool is_by_token;    /* a personal token says who the user is: a program, which no page helps */
        bool is_decided;     /* by host and path, before anybody was asked for */
        bool asks_for_token; /* what the store is asked for: a personal token, not a session */
};

/* How far a check has come. */
enum cd_gate_verdict {
        CD_GATE_DECIDED,   /* c->decision is final */
        CD_GATE_ANSWERED,  /* *res has the answer: the request is not let in */
        CD_GATE_ASK_STORE, /* cd_gate_judge_with_store goes on, on a worker */
};

typedef enum cd_gate_verdict cd_gate_step(const struct cd_gate *gate, const struct cd_http_request *req,
                                          struct cd_gate_check *c, struct cd_http_response *res);

static inline void cd_gate_decide(const struct cd_gate *gate, struct cd_gate_check *c)
{
        c->decision = cd_access_decide(gate->access, &c->request);
}

/* ---- check.c ---- */

/* Who asks for what. CD_INVALID_REQUEST with a reason for the log, CD_NO_MEMORY, CD_UNAVAILABLE. */
cd_status cd_gate_read_check(const struct cd_gate *gate, const struct cd_http_request *req,
                             enum cd_original_source source, struct cd_gate_check *ret, struct cd_error *reterr);
/* Answers, and returns true, if a page of another site asks for a web socket. */
bool cd_gate_refuse_foreign_upgrade(const struct cd_http_request *req, const struct cd_gate_check *c,
                                    struct cd_http_response *res);
/* On the loop. */
cd_gate_step cd_gate_judge;
/* On a worker, after CD_GATE_ASK_STORE; the gate may be a newer one. Never CD_GATE_ASK_STORE. */
cd_gate_step cd_gate_judge_with_store;

/* ---- destination.c ---- */

/* CD_INVALID_REQUEST: it is no URL, or there are several; CD_NOT_FOUND: it is on another server; CD_NO_MEMORY. */
cd_status cd_gate_read_destination(const struct cd_http_request *req, struct cd_gate_check *c, struct cd_error *reterr);
/* Of a request that is let in: its destination must have the same route, and be let in too. CD_INVALID_REQUEST,
 * CD_NO_MEMORY. */
cd_status cd_gate_judge_destination(const struct cd_gate *gate, const struct cd_http_request *req,
                                    const struct cd_gate_check *c, struct cd_error *reterr);

/* ---- session.c ---- */

/* Judges the request again, with the user of a session or of a personal token. CD_NO_MEMORY. */
cd_status cd_gate_log_in(const struct cd_gate *gate, const struct cd_http_request *req,
                         const struct cd_live_session *session, struct cd_gate_check *c);
/* By the sessions of all cookies, up to the first that counts. On the loop; CD_NOT_FOUND: the store must be asked. */
cd_status cd_gate_look_in_cache(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c);
/* The same on a worker. The store's errors. */
cd_status cd_gate_look_up(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c,
                          struct cd_error *reterr);
/* The client's address as text; empty: not known. */
static inline cd_str cd_gate_client(const struct cd_http_request *req, const struct cd_gate_check *c)
{
        return c->request.address ? req->client_address : CD_STR("");
}

/* ---- program.c ---- */

/* A request with a personal token is judged by that token alone: a session, and what is public, do not make up for a
 * wrong one. On the loop. */
cd_gate_step cd_gate_check_token;
/* The same on a worker. */
cd_gate_step cd_gate_look_up_token;
/* Judges again with an access token of the issuer, if one was sent and is valid. CD_UNAVAILABLE, CD_NO_MEMORY. */
cd_status cd_gate_take_bearer(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c,
                              struct cd_error *reterr);

/* Of a request that is let in: an access token that is valid is as good as a login, whatever let the request in, and is
 * withheld from the application (LESSONS 6). */
void cd_gate_withhold_bearer(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c);

/* ---- answer.c ---- */

/* Answers as the decision says. */
void cd_gate_answer(const struct cd_gate *gate, const struct cd_http_request *req, struct cd_gate_check *c,
                    struct cd_http_response *res);
/* Makes c->session the user, or the client of an access token, that is let in; a user name of length 0: nobody has
 * logged in. False: an application cannot be told, and *res has the answer. */
bool cd_gate_identify(const struct cd_http_request *req, struct cd_gate_check *c, struct cd_http_response *res);
/* 403. `reason` is for the operator: what a stranger sees says nothing of the rules. */
void cd_gate_refuse(const struct cd_http_request *req, struct cd_http_response *res, cd_str error, cd_str reason);
/* A personal token that does not count: 401. */
void cd_gate_refuse_token(const struct cd_gate *gate, const struct cd_http_request *req, const struct cd_gate_check *c,
                          cd_str reason, struct cd_http_response *res);
/* 429, or what nginx understands. */
void cd_gate_make_wait(const struct cd_http_request *req, const struct cd_gate_check *c, const struct cd_error *err,
                       struct cd_http_response *res);
void cd_gate_fail(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *err);
/* The error of cd_gate_read_check. */
void cd_gate_refuse_unread(const struct cd_http_request *req, struct cd_http_response *res, const struct cd_error *err);
void cd_gate_fail_memory(const struct cd_http_request *req, struct cd_http_response *res);
void cd_gate_not_found(const struct cd_http_request *req, struct cd_http_response *res);
