#pragma once
/* A call of upstream/ over real sockets of this machine: the test plays the server, step by step, on blocking-free
 * descriptors, and turns the loop in between. Time stands still unless a test moves it. */
#include "support/check.h"

#include "upstream/upstream.h"

struct server {
        int fd; /* listens */
        uint16_t port;
        char path[64]; /* of a Unix socket; empty: TCP */
};

/* What the owner of a call was told. */
struct client {
        struct cd_upstream_call *call; /* NULL after the last event */
        char events[4096];             /* r d h . e f, one for each event; several '.' in a row are one */
        int status;
        int64_t length;
        char headers[4096]; /* "name: value\n" */
        struct cd_buf body;
        char trailers[512];
        enum cd_upstream_failure failure;
        char reason[512];
        char address[128];
        bool in_call; /* the test is in a call of cd_upstream_…: no event may come */
        void (*on_event)(struct client *client, char event);
        void *arg;
};

extern struct cd_loop loop;
extern uint64_t now; /* milliseconds */
extern const struct cd_upstream_events client_events;
extern const struct cd_http_header host_field;

int setup(void **state);
int teardown(void **state); /* checks that no descriptor is left */

struct server listen_tcp(void);
struct server listen_unix(void);
void stop_listening(struct server *server);
/* "http" for TCP and "unix" for Unix, or "uwsgi"; with the usual options, in which a test may change a number. */
struct cd_upstream_options options_for(const struct server *server, bool is_uwsgi);
struct cd_upstream *upstream_for(const struct server *server);

struct cd_upstream_request get_request(void);
struct cd_upstream_request post_request(int64_t length);
void start(struct client *client, struct cd_upstream *upstream, const struct cd_upstream_request *request);
bool push(struct client *client, const char *bytes);
bool push_bytes(struct client *client, cd_str bytes);
void push_end(struct client *client);
void cancel(struct client *client);
void done(struct client *client); /* frees what was kept; the call must be over */

void turn(void);
/* Turns until it holds; the test fails if it does not within some seconds. */
#define turn_until(condition)                                                                                          \
        do {                                                                                                           \
                for (int turns_ = 0; !(condition); turns_++) {                                                         \
                        if (turns_ == 2000)                                                                            \
                                fail_msg("never: %s", #condition);                                                     \
                        wait_and_turn();                                                                               \
                }                                                                                                      \
        } while (0)
void wait_and_turn(void);
/* Moves the clock, and lets what is due happen. */
void pass(int64_t ms);

/* The next connection; the test closes it. */
int accept_one(const struct server *server);
bool has_connection(const struct server *server);
/* Reads exactly this. */
void expect(int fd, const char *text);
/* Reads until the text has come, and returns all; static memory. */
const char *read_until(int fd, const char *text);
size_t read_some(int fd, char *to, size_t size); /* 0: nothing is there now */
void expect_end(int fd);                         /* the other side has closed or shut down */
bool is_at_end(int fd);
void say(int fd, const char *text);
void say_bytes(int fd, const char *bytes, size_t len);
size_t send_some(int fd, const char *bytes, size_t len); /* what the kernel takes now */
void close_with_reset(int fd);
size_t count_descriptors(void);
