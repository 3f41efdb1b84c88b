#pragma once
/* What the application receives, and what the client receives from it. Pure: no connection, no clock, no log. Used by
 * the gate, and by `cardea gate test`. */
#include "core/session_cache.h"
#include "gate/route.h"
#include "upstream/upstream.h"

/* Who sent a request that is let in. */
struct cd_gate_identity {
        const struct cd_live_session *who;     /* NULL: nobody has logged in (a public path) */
        const char *auth_type;                 /* "session", "token", "bearer"; NULL: nobody */
        cd_str jwt;                            /* the value of Cardea-Identity; ptr NULL: none */
        cd_str provider_token;                 /* of route->pass_token; ptr NULL: none */
        bool drop_authorization, drop_api_key; /* these headers have a credential of Cardea's */
};

/* The request as it is sent to the application, in req->arena: fields are headers, or uwsgi variables. What a client
 * sent never mixes with identity (LESSONS 4). CD_INVALID_REQUEST (the path or a header cannot be forwarded; the error's
 * reason says which), CD_NO_MEMORY. `length` as in struct cd_upstream_request. */
cd_status cd_gate_forward(const struct cd_gate_route *route, const struct cd_http_request *req,
                          const struct cd_gate_identity *identity, int64_t length, struct cd_upstream_request *ret,
                          struct cd_error *reterr);

/* Adds the application's headers to the response of `req`, rewritten as the route asks, and sets its status. Everything
 * is copied to the arena of `req`. False: a header cannot be passed on, or memory is out. */
bool cd_gate_backward(const struct cd_gate_route *route, const struct cd_http_request *req,
                      const struct cd_upstream_head *head, struct cd_http_response *res);

/* Adds the application's trailers, but those that mean something only among the headers, or to the whole site. Copied
 * to the arena of `req`. False: memory is out. */
bool cd_gate_trailers(const struct cd_gate_route *route, const struct cd_http_request *req,
                      const struct cd_http_header *trailers, size_t count, struct cd_http_response *res);
