#pragma once
/* An HTTP server without sockets: one loop, a clock that stands still, connections over loopback. For unit tests and
 * fuzzers; what it takes for granted it checks with abort(). */
#include "http/h1/conn.h"
#include "net/loopback.h"

struct fixture {
        struct cd_http_server server;
        struct cd_http_settings settings;
        struct cd_http_listener listener;
        struct cd_http_routes routes;
        struct cd_http_loop loop;
        uint64_t now; /* milliseconds */
        int log_fd;
        char log_text[65536];
};

/* Starts with the default limits, no pools, no log. `routes` are borrowed. */
void fixture_start(struct fixture *f, const struct cd_http_route *routes, size_t count, void *app);
/* Closes every connection. Each has ended by then, once. */
void fixture_stop(struct fixture *f);
/* A pool for `where`, freed by fixture_stop. */
void fixture_add_pool(struct fixture *f, enum cd_http_where where, size_t threads, size_t queue);
/* What one turn of the loop does. */
void fixture_turn(struct fixture *f);
/* Time passes, and the loop takes a turn. */
void fixture_pass(struct fixture *f, uint64_t ms);
/* Turns until nothing runs on a pool. False: it still did after 10 seconds. */
bool fixture_wait_for_jobs(struct fixture *f);
/* Collects log lines; `fixture_log` gives those so far, NUL-terminated. */
void fixture_start_log(struct fixture *f, enum cd_log_level level);
const char *fixture_log(struct fixture *f);
/* How often `needle` is in `text`. */
size_t fixture_count(const char *text, const char *needle);

/* The other end of one connection. */
struct client {
        struct fixture *f;
        struct cd_loopback wire;
        struct cd_http_peer peer;
        struct cd_buf received; /* all of it */
        size_t at;              /* what client_answer has not taken yet */
        bool is_http2;          /* what the server speaks to it */
};

/* `window`: bytes that the connection holds before the client reads. */
void client_connect(struct client *c, struct fixture *f, size_t window);
/* As above, with c->peer filled by the caller. */
void client_connect_as(struct client *c, struct fixture *f, size_t window);
void client_done(struct client *c);
/* Sends bytes, and lets the loop take a turn. False where the server does not read (now). */
bool client_send(struct client *c, cd_str bytes);
void client_end(struct client *c);
void client_reset(struct client *c);
/* Reads what is there, at most `max` bytes. Returns the count. */
size_t client_read(struct client *c, size_t max);
/* Reads until nothing comes any more. Returns what was not taken yet. */
cd_str client_read_all(struct client *c);

/* One response; views into the client's memory, the body decoded in place. */
struct answer {
        int status;  /* 0: none is complete */
        cd_str head; /* with its last empty line */
        cd_str body;
        cd_str trailers; /* lines after the last chunk */
        bool to_end;     /* neither a length nor chunks: the connection's end ends it */
};

/* Reads, and takes the next response; `to_head` where it answers HEAD. */
struct answer client_answer(struct client *c, bool to_head);
/* The value of a header line; ptr NULL: none. */
cd_str answer_header(const struct answer *answer, const char *name);
/* Takes one response off the front of bytes that may be changed. Status 0: not complete; -1: no response of
 * HTTP/1.1. */
struct answer take_answer(char *bytes, size_t len, bool to_head, size_t *retused);

/* A streaming handler that writes down its events; `app` of its route. The test makes the calls, or what it hangs in
 * here. */
struct recorder {
        char events[256];      /* g d e r c: begin, data, end, drained, cancelled */
        struct cd_exchange *x; /* NULL: none, or it was cancelled */
        struct cd_buf body;
        size_t pull; /* bytes, in `begin` */
        void (*on_begin)(struct recorder *r);
        void (*on_early_data)(struct recorder *r); /* before the bytes are in `body` */
        void (*on_data)(struct recorder *r);
        void (*on_end)(struct recorder *r);
        void (*on_drained)(struct recorder *r);
};

extern const struct cd_http_streaming recorder_streaming;
void recorder_init(struct recorder *r);
void recorder_done(struct recorder *r);
