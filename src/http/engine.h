#pragma once
/* What the files of the engine share: server, loop, connection, exchange, pool. Only src/net includes it. */
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "net/address.h"
#include "http/h1/request.h"
#include "http/h1/write.h"
#include "http/request_id.h"
#include "http/server.h"
#include "net/tls_conn.h"

struct cd_loop;
struct cd_conn;
struct cd_http_server;

/* ---- exchange.c: one request and its answer ---- */

struct cd_exchange {
        struct cd_http_request req;
        struct cd_http_log_context log;
        struct cd_http_response res;
        const struct cd_http_route *route; /* NULL: the server answers itself */
        int64_t started_us;                /* 0: nobody asks for it */
        bool keep_alive, is_http10;
        bool redirects; /* it came to a listener that only redirects */
        char made_id[CD_REQUEST_ID_MADE_LEN];
};

/* Fills *ret from a parsed head. False where path or host have no canonical form (400) or memory is out (503). */
bool cd_exchange_begin(struct cd_exchange *ret, struct cd_loop *loop, const struct cd_conn *conn,
                       const struct cd_http1_head *head, cd_str body, struct cd_http1_refusal *reterr);
/* Sets x->route, or the answer 404, 405 or 501. */
void cd_exchange_route(struct cd_exchange *x, const struct cd_http_server *server, bool coded);
/* Copies the request and all that it views into `arena`, which becomes the request's; response and log context are empty. False
 * where memory is out. */
bool cd_exchange_copy(struct cd_exchange *ret, const struct cd_exchange *x, struct cd_arena *arena);
/* Appends the answer to the loop's output and logs the request. */
void cd_exchange_finish(struct cd_exchange *x, struct cd_loop *loop);
/* Answers a request that cannot be read, and logs it. The connection ends. */
void cd_exchange_refuse(struct cd_loop *loop, const struct cd_conn *conn, const struct cd_http1_refusal *refusal,
                        bool head_only);

/* ---- pool.c: threads for what blocks ---- */

/* A request away from its loop, with an arena of its own. */
struct cd_job {
        struct cd_job *next;
        struct cd_arena arena;
        struct cd_loop *loop;
        struct cd_conn *conn;
        void *app;
        cd_http_handler *handler;
        struct cd_exchange x;
};

struct cd_pool;

/* Threads are started one by one as they are needed. While jobs compute for long, `long_threads` of them run (0: all). `nice`: by how much less than
 * the program's each counts with the scheduler, 0 to 19. NULL where memory is out. */
struct cd_pool *cd_pool_new(size_t threads, size_t long_threads, size_t queue, int nice);
/* False where the queue is full or there is no thread; the job stays the caller's. */
bool cd_pool_submit(struct cd_pool *pool, struct cd_job *job);
/* Waits until all threads have ended, for jobs that run at most until `deadline_us` (cd_monotonic_us). Frees the pool and returns
 * 0; or returns how many still run, and leaves pool and threads to the end of the process. NULL is fine. */
size_t cd_pool_free(struct cd_pool *pool, int64_t deadline_us);

/* ---- loop.c ---- */

/* A connection is in exactly one list; each kind of wait has one length, so that the oldest is always in front. */
enum cd_wait {
        CD_WAIT_HANDSHAKE, /* for the end of the TLS handshake; as long as for a head */
        CD_WAIT_IDLE,      /* for the first byte of a request */
        CD_WAIT_HEADER,    /* for the rest of a head */
        CD_WAIT_BODY,      /* for the rest of a body */
        CD_WAIT_HANDLER,   /* for a pool thread; without end */
        CD_WAIT_WRITE,     /* for a reader */
        CD_WAIT_LINGER,    /* for the client to see our last answer */
        CD_WAITS,
};

struct cd_link {
        struct cd_link *before, *after;
};

/* Answers of several connections are written together: a client process that waits for many of them wakes up once. */
enum {
        CD_GATHERED_MAX = 8
};

struct cd_loop {
        uv_loop_t uv;
        struct cd_http_server *server;
        uv_async_t wake;  /* jobs are done, or the server stops */
        uv_timer_t sweep; /* runs while there are connections */
        uv_tcp_t *listeners;
        size_t listener_count; /* that are open */
        struct cd_link waits[CD_WAITS];
        size_t conns;
        struct cd_arena arena; /* of the inline request that runs */
        struct cd_buf out;     /* gathered answers, then those of the connection that is being served */
        size_t gathered_len;   /* bytes of the former */
        struct cd_gathered {
                struct cd_conn *conn;
                size_t end; /* of its answers in `out`; they start where those of the one before end */
        } gathered[CD_GATHERED_MAX];
        size_t gathered_count;
        uv_check_t after_poll; /* writes what was gathered */
        char *input;           /* where every read lands */
        struct cd_buf plain;   /* what TLS decrypted of it */
        struct cd_buf cipher;  /* what TLS wants to send; empty between two writes */
        struct cd_http_header *headers;
        struct cd_http1_stamp stamp;
        struct cd_ids ids;
        bool starved; /* memory was out for a connection that waits in a listener */
        bool stopping;
        uint64_t force_at; /* uv_now */
        pthread_mutex_t done_lock;
        struct cd_job *done, **done_end;
        bool gone; /* nobody takes done jobs any more */
        pthread_t thread;
};

enum {
        CD_INPUT_SIZE = 65536
};

cd_status cd_loop_init(struct cd_loop *loop, struct cd_http_server *server, struct cd_error *reterr);
/* Takes the listening socket over. */
cd_status cd_loop_listen(struct cd_loop *loop, int fd, struct cd_error *reterr);
void cd_loop_run(struct cd_loop *loop);
/* Closes what is open and frees; the loop does not run any more. */
void cd_loop_done(struct cd_loop *loop);
/* From any thread: the job goes back to its loop. */
void cd_loop_finish_job(struct cd_job *job);
void cd_job_free(struct cd_job *job);

/* ---- conn.c, conn_tls.c, conn_wait.c, conn_write.c ---- */

/* A request that is not complete yet. Idle connections have none. */
struct cd_partial {
        struct cd_http1_reader reader;
        size_t len, cap;
        char data[];
};

struct cd_conn {
        uv_tcp_t tcp;
        struct cd_link link;
        struct cd_loop *loop;
        uint64_t deadline;       /* uv_now */
        struct cd_tls_conn *tls; /* NULL: plain */
        struct cd_partial *partial;
        struct cd_job *job; /* running; NULL: none */
        size_t queued;      /* bytes of output that wait */
        size_t last_left;   /* of them, when the write deadline was set */
        unsigned discarded; /* bytes since the last answer */
        uint8_t wait;       /* enum cd_wait */
        bool reading;
        bool ending;  /* no request is taken after this one */
        bool lingers; /* at the end: input may be on its way that nobody reads */
        bool at_eof;
        bool gathered; /* its answers are in loop->gathered */
        bool closed;   /* the handle is closing */
        bool handle_gone;
        bool turned_away; /* one too many; counted apart */
        bool trusted;     /* the peer is in trusted_proxies */
        bool redirects;   /* its listener only redirects */
        uint8_t peer_len;
        char peer[CD_ADDRESS_TEXT_MAX];
};

void cd_conn_accept(struct cd_loop *loop, uv_stream_t *listener);
void cd_conn_job_done(struct cd_conn *conn, struct cd_job *job);
/* Serves the requests that are complete, in order, as long as none of them must wait; writes their answers; settles. `data` lies
 * in the loop's input or in conn->partial. */
void cd_conn_serve(struct cd_conn *conn, char *data, size_t len);
bool cd_conn_may_serve(const struct cd_conn *conn);
/* Input as HTTP has it, and as TLS has it; in the loop's memory. */
void cd_conn_take_input(struct cd_conn *conn, char *data, size_t len);
void cd_conn_take_cipher(struct cd_conn *conn, const char *data, size_t len);
/* Appends an error to the output, without its body where the request is known to be HEAD; the connection ends behind it. */
void cd_conn_refuse(struct cd_conn *conn, const struct cd_http1_refusal *refusal, bool head_only);
void cd_conn_set_reading(struct cd_conn *conn, bool wanted);

/* Decides what the connection waits for now. `is_new`: whatever it is, it begins now. */
void cd_conn_settle(struct cd_conn *conn, bool is_new);
void cd_conn_wait_for(struct cd_conn *conn, enum cd_wait wait);
/* The deadline of its list has passed. */
void cd_conn_expired(struct cd_conn *conn);
/* The server stops: closes what is idle, ends the rest after its current request. */
void cd_conn_stop(struct cd_conn *conn);
void cd_conn_close(struct cd_conn *conn);
void cd_conn_free_partial(struct cd_conn *conn);
/* Frees it, once neither libuv nor a pool thread knows it any more. */
void cd_conn_release(struct cd_conn *conn);

/* Writes the gathered answers: one system call, as long as the client reads. What the kernel does not take is queued. */
void cd_conn_flush(struct cd_conn *conn);
/* Bytes of answers that cd_conn_flush would write. */
static inline size_t cd_loop_out_len(const struct cd_loop *loop)
{
        return loop->out.len - loop->gathered_len;
}
/* Writes what TLS itself wants to say, from loop->cipher. False where the connection is broken. */
bool cd_conn_send_cipher(struct cd_conn *conn);
/* The same as cd_conn_flush at the end of this turn of the loop, or before; the connection must have nothing else to do. It is settled then. */
void cd_conn_flush_later(struct cd_conn *conn);
void cd_loop_write_gathered(struct cd_loop *loop);

static inline struct cd_conn *cd_conn_of(struct cd_link *link)
{
        return (struct cd_conn *)(void *)((char *)link - offsetof(struct cd_conn, link));
}

/* ---- server.c ---- */

enum cd_listener_kind {
        CD_LISTENER_PLAIN,
        CD_LISTENER_TLS,
        CD_LISTENER_REDIRECT,
};

struct cd_listener {
        enum cd_listener_kind kind;
        struct sockaddr_storage address;
        char text[CD_ADDRESS_TEXT_MAX + 8]; /* with the real port, NUL-terminated */
};

struct cd_http_server {
        struct cd_http_limits limits;
        struct cd_log *log;
        const struct cd_http_route *routes;
        size_t route_count;
        void *app;
        int64_t shutdown_grace_ms;
        struct cd_network *trusted;
        size_t trusted_count;
        struct cd_tls *tls;            /* NULL: no listener speaks it */
        struct cd_listener *listeners; /* as in each loop */
        size_t listener_count;
        struct cd_loop *loops;
        size_t loop_count, loops_ready;
        struct cd_pool *pools[CD_HTTP_COSTLY]; /* see cd_server_pool */
        atomic_size_t conns, turned_away;
        atomic_bool stopping, logged_stopping;
};

/* The pool for anything but INLINE. */
static inline struct cd_pool *cd_server_pool(const struct cd_http_server *server, enum cd_http_where where)
{
        return server->pools[where - CD_HTTP_WORKER];
}

bool cd_server_trusts(const struct cd_http_server *server, const struct cd_address *address);
