#pragma once
/* Forward-auth: the request of a user that a proxy asks about.
 *
 * Proxies pass a client's own headers on to the check unless they are told otherwise. So each kind of proxy has an
 * endpoint of its own, which reads one source and ignores all others, and reads it only from a trusted proxy (LESSONS
 * 3). A header of that source that is missing or comes twice is a refusal. */
#include "http/http.h"

enum cd_original_source {
        CD_ORIGINAL_NGINX,   /* X-Original-URL and X-Original-Method: nginx, HAProxy, Apache, uWSGI */
        CD_ORIGINAL_FORWARD, /* X-Forwarded-Method, -Proto, -Host and -Uri: Caddy, Traefik */
        CD_ORIGINAL_ENVOY,   /* the request itself, its path after that of the endpoint: Envoy and Istio (HTTP) */
};

struct cd_original {
        cd_str method;         /* as sent, a token */
        cd_str scheme;         /* "http" or "https" */
        cd_str authority;      /* as sent, with its port */
        cd_str host;           /* canonical */
        cd_str path;           /* canonical */
        bool was_path_changed; /* by that. The proxy forwards the other spelling (LESSONS 2) */
        cd_str query;          /* raw, without "?"; ptr NULL: none */
        bool is_upgrade;       /* asks for a web socket or another protocol */
        bool wants_page; /* a browser would show the answer to its user; else a program or a script asked for it */
};

/* `endpoint` is the path of the endpoint that was asked. Views live in the request. CD_INVALID_REQUEST with the reason
 * for the operator's log, also where the peer is no trusted proxy; CD_NO_MEMORY. */
cd_status cd_original_read(const struct cd_http_request *req, enum cd_original_source source, cd_str endpoint,
                           struct cd_original *ret, struct cd_error *reterr);

/* The absolute URL, in the request's arena: what the user comes back to after a login. CD_NO_MEMORY. */
cd_status cd_original_url(const struct cd_http_request *req, const struct cd_original *original, cd_str *ret);
