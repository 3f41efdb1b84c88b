#pragma once
/* Forward-auth: the user's request about which a proxy asks.
 *
 * Proxies pass a client's own headers on to the check unless configured otherwise. Each kind of proxy therefore has an
 * endpoint of its own, which reads one source, ignores all others, and accepts it only from a trusted proxy (LESSONS
 * 3). A header of that source that is missing or occurs twice makes the request fail. */
#include "http/http.h"

enum cd_original_source {
        CD_ORIGINAL_NGINX,   /* X-Original-URL and X-Original-Method: nginx */
        CD_ORIGINAL_FORWARD, /* X-Forwarded-Method, -Proto, -Host and -Uri: Caddy, Traefik, HAProxy, Apache, uWSGI */
        CD_ORIGINAL_ENVOY,   /* the request itself, whose path follows that of the endpoint: Envoy and Istio (HTTP) */
        CD_ORIGINAL_GATE,    /* the request itself, which Cardea forwards */
        /* a request made from a message of the proxy's (gate/ext_authz.c): Envoy and Istio (gRPC) */
        CD_ORIGINAL_MESSAGE,
};

struct cd_original {
        cd_str method;    /* as sent, a token */
        cd_str scheme;    /* "http" or "https" */
        cd_str authority; /* as sent, with its port */
        cd_str host;      /* canonical */
        cd_str path;      /* canonical; ptr NULL: the one that was sent has no canonical form */
        /* The path that was sent was not canonical. The proxy forwards that spelling (LESSONS 2). Whether that matters
         * is for the rules to say: to applications of some hosts "%2F" is no "/". */
        bool was_path_changed;
        cd_str query;    /* raw, without "?"; ptr NULL: none */
        bool is_upgrade; /* asks for a web socket or another protocol, or has a header of one that does */
        /* A browser would show the answer to its user; otherwise a program or a script sent the request. */
        bool wants_page;
        /* Nothing says that it comes from a browser, which would open a dialog for the challenge Basic. */
        bool is_of_program;
};

/* `endpoint` is the path of the endpoint that was called. Views live in the request. CD_INVALID_REQUEST with a reason
 * for the operator's log, also if the peer is not a trusted proxy; CD_NO_MEMORY. */
cd_status cd_original_read(const struct cd_http_request *req, enum cd_original_source source, cd_str endpoint,
                           struct cd_original *ret, struct cd_error *reterr);

/* Whether the request asks for a web socket, the only protocol that the gate opens a tunnel for: requests of another
 * one, such as "h2c", would reach the application without being judged (LESSONS 8). */
bool cd_original_is_web_socket(const struct cd_http_request *req);

/* Whether a browser would show the answer to its user, as far as the headers tell: the method is not looked at. */
bool cd_original_is_from_page_view(const struct cd_http_request *req);

/* The absolute URL to which the user returns after a login, in the request's arena. CD_NOT_FOUND: the path has no
 * canonical form; CD_NO_MEMORY. */
cd_status cd_original_url(const struct cd_http_request *req, const struct cd_original *original, cd_str *ret);
