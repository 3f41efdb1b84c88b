#pragma once
/* Templates of proxies' configurations: packaging/proxy, compiled into the program by tools/embed-proxy-config.
 *
 * "@HOST@" stands for a value. A line that begins with "%tls|" or "%!tls|" is there if the condition holds or does not;
 * "%tls%portal|" needs both. One that begins with "%each|" is repeated for each spelling of an identity header. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/field.h"
#include "base/status.h"

/* X(KEY, member of struct cd_proxy_values) */
#define CD_PROXY_KEYS(X)                                                                                               \
        X(SITE, site)                     /* "https://wiki.example.com:8443", the site as browsers see it */           \
        X(SCHEME, scheme)                 /* "https" */                                                                \
        X(HOST, host)                     /* "wiki.example.com:8443" */                                                \
        X(NAME, name)                     /* "wiki.example.com" */                                                     \
        X(PORT, port)                     /* "8443" */                                                                 \
        X(WORD, word)                     /* "wiki-example-com" */                                                     \
        X(UPSTREAM, upstream)             /* "http://127.0.0.1:3000" */                                                \
        X(UPSTREAM_ADDRESS, app_address)  /* "127.0.0.1:3000" */                                                       \
        X(UPSTREAM_NAME, app_name)        /* "127.0.0.1" */                                                            \
        X(UPSTREAM_PORT, app_port)        /* "3000" */                                                                 \
        X(CARDEA, cardea)                 /* "http://127.0.0.1:5001", where the check is asked */                      \
        X(CARDEA_SCHEME, cardea_scheme)   /* "http" */                                                                 \
        X(CARDEA_ADDRESS, cardea_address) /* "127.0.0.1:5001" */                                                       \
        X(CARDEA_NAME, cardea_name)       /* "127.0.0.1" */                                                            \
        X(CARDEA_PORT, cardea_port)       /* "5001" */                                                                 \
        X(USER, user)                     /* "Remote-User", a header of the answer; and so on */                       \
        X(GROUPS, groups)                                                                                              \
        X(EMAIL, email)                                                                                                \
        X(FULL_NAME, full_name)                                                                                        \
        X(USER_VARIABLE, user_variable) /* "remote_user" */                                                            \
        X(GROUPS_VARIABLE, groups_variable)                                                                            \
        X(EMAIL_VARIABLE, email_variable)                                                                              \
        X(FULL_NAME_VARIABLE, full_name_variable)                                                                      \
        X(PATTERN, pattern)   /* of these headers in all spellings: "remote[-_.]user|remote[-_.]groups|…" */         \
        X(SPELLING, spelling) /* one of them, in a line that begins with "%each" */                                    \
        X(INCLUDE, include)   /* the path of the include file */

/* X(condition, member of struct cd_proxy_values) */
#define CD_PROXY_CONDITIONS(X)                                                                                         \
        X(https, is_https)         /* browsers reach the site by https */                                              \
        X(local, is_local)         /* the host is localhost: only this machine reaches the site */                     \
        X(tls, is_check_tls)       /* the proxy reaches Cardea by https */                                             \
        X(app, has_app)            /* there is an application to protect */                                            \
        X(portal, has_portal)      /* the portal, or what a site of another root domain has of it, is on this host */  \
        X(apptls, is_upstream_tls) /* the proxy reaches the application by https */

struct cd_proxy_values {
#define MEMBER(key, member) cd_str member;
        CD_PROXY_KEYS(MEMBER)
#undef MEMBER
#define MEMBER(condition, member) bool member;
        CD_PROXY_CONDITIONS(MEMBER)
#undef MEMBER
        /* The identity headers as "Remote-User", "Remote_User", "Remote.User". Servers of the CGI kind read them as one
         * (LESSONS 4). */
        struct cd_strs spellings;
};

struct cd_proxy_template {
        const char *proxy, *name; /* "nginx", and "site" or "include" */
        cd_str text;
};

extern const struct cd_proxy_template cd_proxy_templates[]; /* ends with an empty one */

/* Appends the filled template. */
void cd_proxy_render(cd_str text, const struct cd_proxy_values *values, struct cd_buf *to);
