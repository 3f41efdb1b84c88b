#pragma once
/* The section `gate` of the configuration: applications to which this server passes requests on. */
#include "app/config_access.h"
#include "gate/route.h"
#include "upstream/upstream.h"

enum {
        CD_CONFIG_UWSGI_BLOCK_MAX = 65535, /* bytes: the size is 16 bits in the uwsgi protocol */
        CD_CONFIG_MAINTENANCE_MAX = 1024,  /* bytes of a text */
};

struct cd_config_route_timeouts {
        int64_t connect, first_byte, idle; /* milliseconds */
        int64_t total;                     /* milliseconds; 0: none */
};

struct cd_config_route_tls {
        cd_str ca, certificate, key; /* PEM files, relative to the folder of the configuration; empty: not given */
        cd_str server_name;          /* empty: the host of the upstream */
};

struct cd_config_route_identity {
        int preset;                       /* 0: the names of portal.identity; otherwise 1 + an index of presets */
        struct cd_config_identity header; /* the names that are given; its preset is not used */
        bool jwt;
};

struct cd_config_route {
        struct cd_config_access rule; /* who may; see cd_config_route_rule */
        cd_str upstream;
        struct cd_config_route_identity identity;
        bool strip_path;
        int paths; /* enum cd_gate_paths */
        cd_str set_host;
        bool rewrite;
        struct cd_strs pass; /* "session", "tokens" */
        cd_str pass_token;   /* name of a provider; empty: none */
        cd_str token_header; /* empty: see cd_config_route_token_header */
        struct cd_config_route_timeouts timeouts;
        struct cd_config_route_tls tls;
        int64_t buffer_size;                    /* bytes of a uwsgi block */
        int64_t max_body;                       /* bytes; 0: no limit */
        int64_t max_request_head;               /* bytes; 0: the server's */
        int64_t max_response_head;              /* bytes; 0: see cd_config_route_options */
        int64_t concurrency, web_sockets, rate; /* as in struct cd_gate_route */
        int64_t hsts;                           /* milliseconds, whole seconds; 0: none */
        bool security_headers;
        cd_str maintenance; /* empty: none */
};

struct cd_config_gate {
        struct cd_objects routes; /* struct cd_config_route */
};

extern const struct cd_table cd_config_gate_table;

struct cd_config;

/* The rule of a route. One that says nothing of who may lets in every user who has logged in with all of
 * portal.factors. */
struct cd_config_access cd_config_route_rule(const struct cd_config *config, const struct cd_config_route *route);
/* Whether that is so. */
bool cd_config_route_is_for_every_user(const struct cd_config_route *route);
/* The names of the headers with the identity; they live as long as the configuration. */
struct cd_identity_headers cd_config_route_identity(const struct cd_config *config,
                                                    const struct cd_config_route *route);

/* The header, or over uwsgi the variable, with the user's token of a provider; empty: none. */
cd_str cd_config_route_token_header(const struct cd_config_route *route);
/* Whether a route wants the tokens of the provider of that name, so that they have to be kept. */
bool cd_config_gate_passes_token(const struct cd_config_gate *gate, cd_str provider);

/* The server behind a route; reads the files of `tls`. `file_name` is the configuration, to whose folder they are
 * relative. The error's field is within the route: "tls.ca", "upstream". The arena is for the files' texts. `common`
 * has `authorities`, `changed` and `changed_owner`, the same for all routes. */
cd_status cd_config_route_upstream(const struct cd_config_route *route, cd_str file_name, struct cd_arena *arena,
                                   const struct cd_upstream_options *common, struct cd_upstream **ret,
                                   struct cd_error *reterr);
/* The same, up to what cd_upstream_new is called with; *ret is `common` before. */
cd_status cd_config_route_options(const struct cd_config_route *route, cd_str file_name, struct cd_arena *arena,
                                  struct cd_upstream_options *ret, struct cd_error *reterr);
/* All of *ret except its upstream; its texts are copied to the arena. CD_NO_MEMORY. */
cd_status cd_config_route_fill(const struct cd_config *config, const struct cd_config_route *route,
                               struct cd_arena *arena, struct cd_gate_route *ret, struct cd_error *reterr);

/* What the table cannot say. Every finding names its setting and the fix. */
void cd_config_check_gate(const struct cd_config *config, struct cd_report *report);
/* The files of the routes' tls, after cd_config_check_gate. */
void cd_config_check_gate_files(const struct cd_config *config, struct cd_report *report);
