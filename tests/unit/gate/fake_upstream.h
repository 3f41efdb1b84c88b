#pragma once
/* Applications of a test: the functions of upstream/upstream.h, driven by the test instead of a connection. Events are
 * the test's, so that none comes from within a call of the owner. */
#include "upstream/upstream.h"

struct cd_upstream {
        bool is_uwsgi;
};

struct cd_upstream_call {
        const struct cd_upstream_request *request;
        const struct cd_upstream_events *events;
        void *owner;
        struct cd_buf pushed;
        size_t room;  /* of `pushed`: when it has more, a push is told to wait */
        bool is_full; /* it was told so */
        bool push_ended, reads, is_tunnel;
};

/* All calls so far. */
struct fake_upstream {
        struct cd_upstream_call *call; /* the newest; NULL: none, or it is over */
        size_t started, cancelled;
        size_t room; /* of the next call; 0: 1 MB */
        bool has_no_memory;
};

extern struct fake_upstream fake;

/* Frees what is left. */
void fake_reset(void);
void fake_ready(void);
/* Takes what was pushed, and says that there is room again. */
void fake_drain(struct cd_buf *to);
/* `headers` NULL-terminated pairs; NULL: none. */
void fake_head(int status, int64_t length, const struct cd_http_header *headers, size_t count);
void fake_switch(const char *protocol);
void fake_data(const char *text);
void fake_end(const struct cd_http_header *trailers, size_t count);
void fake_fail(enum cd_upstream_failure failure, const char *reason);
/* The value of a field of the newest call's request; ptr NULL: none. */
cd_str fake_field(const char *name);
