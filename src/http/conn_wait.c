/* What a connection waits for between two events, how long, and how it ends. */
#include <stdlib.h>

#include "base/secret.h"
#include "http/engine.h"

enum {
        LINGER_MS = 2000
};

/* ---- lists of waiting connections ---- */

static void unlink_conn(struct cd_conn *conn)
{
        conn->link.before->after = conn->link.after;
        conn->link.after->before = conn->link.before;
        conn->link.before = conn->link.after = &conn->link;
}

static int64_t wait_ms(const struct cd_loop *loop, enum cd_wait wait)
{
        const struct cd_http_limits *limits = &loop->server->limits;

        switch (wait) {
        case CD_WAIT_IDLE:
                return limits->idle_timeout_ms;
        case CD_WAIT_HANDSHAKE:
        case CD_WAIT_HEADER:
                return limits->header_timeout_ms;
        case CD_WAIT_BODY:
                return limits->body_timeout_ms;
        case CD_WAIT_WRITE:
                return limits->write_timeout_ms;
        case CD_WAIT_LINGER:
                return LINGER_MS;
        case CD_WAIT_HANDLER:
        case CD_WAITS:
                break;
        }
        return 0;
}

/* Milliseconds on libuv's clock. That stands at the beginning of the loop's turn, and is rounded down; where a client would be told
 * that it was too slow, that is too early. */
static uint64_t now_for(const struct cd_loop *loop, enum cd_wait wait)
{
        bool is_told = wait == CD_WAIT_HEADER || wait == CD_WAIT_BODY;

        return is_told ? uv_hrtime() / 1000000 + 1 : uv_now(&loop->uv);
}

void cd_conn_wait_for(struct cd_conn *conn, enum cd_wait wait)
{
        struct cd_link *list = &conn->loop->waits[wait];

        unlink_conn(conn);
        conn->wait = (uint8_t)wait;
        conn->deadline = now_for(conn->loop, wait) + (uint64_t)wait_ms(conn->loop, wait);
        conn->link = (struct cd_link){ .before = list->before, .after = list };
        list->before->after = &conn->link;
        list->before = &conn->link;
}

/* ---- the end ---- */

void cd_conn_free_partial(struct cd_conn *conn)
{
        if (!conn->partial)
                return;
        cd_wipe(conn->partial->data, conn->partial->len);
        free(conn->partial);
        conn->partial = NULL;
}

void cd_conn_release(struct cd_conn *conn)
{
        struct cd_loop *loop = conn->loop;

        if (!conn->handle_gone || conn->job)
                return;
        loop->conns--;
        atomic_fetch_sub(conn->turned_away ? &loop->server->turned_away : &loop->server->conns, 1);
        cd_conn_free_partial(conn);
        cd_tls_conn_free(conn->tls);
        free(conn);
        if (loop->stopping && loop->conns == 0)
                uv_stop(&loop->uv);
}

static void on_closed(uv_handle_t *handle)
{
        struct cd_conn *conn = handle->data;

        conn->handle_gone = true;
        cd_conn_release(conn);
}

/* Says that nothing more comes, so that the other side knows that nobody has cut the end off (RFC 8446 §6.1). */
static void end_tls(struct cd_conn *conn)
{
        if (!conn->tls || conn->queued > 0)
                return;
        cd_tls_conn_end(conn->tls, &conn->loop->cipher);
        (void)cd_conn_send_cipher(conn);
}

void cd_conn_close(struct cd_conn *conn)
{
        if (conn->closed)
                return;
        end_tls(conn);
        conn->closed = true;
        unlink_conn(conn);
        uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void reset_conn(struct cd_conn *conn)
{
        conn->closed = true;
        unlink_conn(conn);
        if (uv_tcp_close_reset(&conn->tcp, on_closed) != 0)
                uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

/* A close with unread input makes the kernel send a reset, which can overtake our answer; so the client is told that nothing
 * more comes, and what it still sends is thrown away for a while (RFC 9112 §9.6). */
static void linger(struct cd_conn *conn)
{
        uv_os_fd_t fd;

        end_tls(conn);
        if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0)
                shutdown(fd, SHUT_WR);
        cd_conn_free_partial(conn);
        cd_conn_wait_for(conn, CD_WAIT_LINGER);
}

/* ---- between two events ---- */

static enum cd_wait what_it_waits_for(const struct cd_conn *conn)
{
        if (conn->queued > 0)
                return CD_WAIT_WRITE;
        if (conn->job)
                return CD_WAIT_HANDLER;
        if (conn->partial)
                return conn->partial->reader.head_size ? CD_WAIT_BODY : CD_WAIT_HEADER;
        if (conn->tls && !cd_tls_conn_is_open(conn->tls))
                return CD_WAIT_HANDSHAKE;
        return CD_WAIT_IDLE;
}

/* Decides what the connection waits for now. `is_new`: whatever it is, it begins now. */
void cd_conn_settle(struct cd_conn *conn, bool is_new)
{
        if (conn->closed || conn->wait == CD_WAIT_LINGER) {
                if (conn->at_eof)
                        cd_conn_close(conn);
                return;
        }
        bool has_to_do = conn->job || conn->queued > 0;
        if (!has_to_do && (conn->at_eof || (conn->ending && !conn->lingers) ||
                           (conn->loop->stopping && !conn->partial && !conn->ending))) {
                cd_conn_close(conn);
        } else if (!has_to_do && conn->ending) {
                linger(conn);
                cd_conn_set_reading(conn, true);
        } else {
                enum cd_wait wait = what_it_waits_for(conn);
                if (is_new || wait != conn->wait)
                        cd_conn_wait_for(conn, wait);
                cd_conn_set_reading(conn, conn->queued == 0 && !(conn->job && conn->partial));
        }
}

void cd_conn_expired(struct cd_conn *conn)
{
        static const struct cd_http1_refusal too_slow = { 408, "the request did not come in time" };
        size_t left;

        switch ((enum cd_wait)conn->wait) {
        case CD_WAIT_HEADER:
        case CD_WAIT_BODY:
                cd_http1_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
                cd_conn_refuse(conn, &too_slow, false);
                cd_conn_flush(conn);
                cd_conn_settle(conn, true);
                return;
        case CD_WAIT_WRITE:
                left = uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp);
                if (left < conn->last_left) {
                        conn->last_left = left;
                        cd_conn_wait_for(conn, CD_WAIT_WRITE);
                } else {
                        reset_conn(conn);
                }
                return;
        case CD_WAIT_HANDSHAKE:
        case CD_WAIT_IDLE:
        case CD_WAIT_LINGER:
        case CD_WAIT_HANDLER:
        case CD_WAITS:
                cd_conn_close(conn);
        }
}

/* A request that the kernel has and we have not read yet is still answered. */
static bool has_input(struct cd_conn *conn)
{
        uv_os_fd_t fd;
        char byte;

        return uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void cd_conn_stop(struct cd_conn *conn)
{
        if (conn->wait == CD_WAIT_HANDSHAKE || (conn->wait == CD_WAIT_IDLE && !has_input(conn)))
                cd_conn_close(conn);
}
