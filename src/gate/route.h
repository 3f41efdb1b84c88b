#pragma once
/* One entry of gate.routes: which requests go to which server, and how they are rewritten. Immutable. The access rule
 * that lets a request in decides the route: each route has exactly one rule (core/access.h), and both are selected by
 * one call of cd_access_decide. */
#include "gate/gate.h"

struct cd_upstream;

enum cd_gate_paths {
        CD_GATE_CANONICAL, /* the canonical path is judged and forwarded (LESSONS 2) */
        CD_GATE_OPAQUE,    /* the bytes that were sent are forwarded; refused if rules could read them differently */
};

/* What goes to the application although it is as good as a login (LESSONS 6). */
enum cd_gate_pass {
        CD_GATE_PASS_SESSION = 1 << 0, /* the cookie of the session */
        CD_GATE_PASS_TOKENS = 1 << 1,  /* personal tokens and access tokens that let the request in */
};

struct cd_gate_route {
        cd_str name;       /* host and path as configured, for pages and logs: "tools.example.com/old/" */
        cd_str host, path; /* as in the access rule; path empty: every path */
        struct cd_upstream *upstream;
        struct cd_identity_headers identity; /* HTTP: names of headers; none is empty */
        cd_str pass_token;                   /* a provider, whose token of the user the application gets; empty: none */
        cd_str token_header; /* the header with it, or over uwsgi the variable; empty if pass_token is */
        bool identity_jwt;   /* also Cardea-Identity, a signed token for this route */
        bool strip_path;     /* `path`, which ends in "/", is taken off what is forwarded */
        enum cd_gate_paths paths;
        unsigned pass;   /* enum cd_gate_pass */
        cd_str set_host; /* Host that the application sees; empty: the one that the client sent */
        /* Location, Content-Location, and domain and path of cookies are made to fit what the client sees. */
        bool rewrite;
        uint64_t max_body;       /* bytes; 0: no limit */
        size_t max_request_head; /* bytes; 0: the server's */
        size_t concurrency;      /* requests at a time; 0: no limit */
        size_t web_sockets;      /* open at a time, for each user; 0: no limit */
        int64_t rate;            /* requests a minute, for each client address; 0: no limit */
        int64_t hsts;            /* seconds of Strict-Transport-Security; 0: the header is not added */
        bool security_headers;   /* X-Content-Type-Options, Referrer-Policy, X-Frame-Options, unless set */
        cd_str maintenance;      /* the text of a page, with 503, instead of the application; empty: none */
};
