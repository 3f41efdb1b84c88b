#pragma once
/* What the files of `cardea trace` share. */
#include "app/outgoing_log.h"
#include "app/signin.h"
#include "cmd/context.h"
#include "signin/trace.h"

/* For "%.*s" of a provider's text. */
#define SHOWN(text) CD_STR_ARG(cd_str_slice(text, 0, 200))

/* What the answers of the provider have told besides the account. */
struct cd_trace_seen {
        bool has_clock;
        int64_t clock;          /* seconds that the provider's clock is ahead of this machine's */
        bool has_scope;         /* the token answer names the scopes */
        cd_str scope;           /* as it came, with spaces or commas */
        cd_str error, redirect; /* the error of the token answer or the callback; where the browser ended, if pasted */
};

struct cd_trace {
        struct cd_context *context;
        struct cd_outgoing_log outgoing;
        struct cd_storage storage;
        struct cd_app_signin app;
        const struct cd_signin_provider *provider;
        struct cd_signin_trace login;
        struct cd_trace_seen seen;
        bool paste; /* nothing listens; the user is asked for the URL */
};

/* trace_show.c. All print to standard output, and flush it, because what follows may take long. */
void cd_trace_show_settings(struct cd_trace *trace);
/* For cd_outgoing_log.show, with a struct cd_trace: prints a request, and notes what is seen in it. */
void cd_trace_show_request(void *arg, const struct cd_fetch_record *record, const struct cd_outgoing_parts *parts);
void cd_trace_show_callback(const struct cd_trace *trace, const char *from, const struct cd_signin_callback *callback);
void cd_trace_show_account(const struct cd_signin_traced *traced);
void cd_trace_show_decision(const struct cd_trace *trace, enum cd_signin_failure failure,
                            const struct cd_signin_traced *traced);

/* trace_compare.c: prints what differs from the configuration. */
void cd_trace_compare(struct cd_trace *trace);

/* trace_wait.c: prints where it waits, and waits. CD_TIMEOUT: the state has expired. CD_UNAVAILABLE: a signal or the
 * end of the input has ended it, or the store failed. CD_INVALID_REQUEST: there is no way in which it could come. */
cd_status cd_trace_wait(struct cd_trace *trace, struct cd_signin_callback *ret, const char **ret_from,
                        struct cd_error *reterr);

/* trace_listen.c: listens at the addresses of the configuration, for the callback of this trace alone. */
struct cd_trace_listener;
cd_status cd_trace_listen(const struct cd_trace *trace, struct cd_trace_listener **ret, struct cd_error *reterr);
int cd_trace_listener_fd(const struct cd_trace_listener *listener);       /* readable: the callback is there */
cd_str cd_trace_listener_query(const struct cd_trace_listener *listener); /* then its query, until it is freed */
void cd_trace_listener_free(struct cd_trace_listener *listener);          /* NULL is fine */
