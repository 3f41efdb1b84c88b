/* A connection whose bytes are encrypted. What tls_conn.c makes of them goes the way of plain input. */
#include "base/secret.h"
#include "http/engine.h"

/* Somebody who does not know that this port speaks TLS is told so, in the words that he knows. */
static void refuse_plain(struct cd_conn *conn)
{
        static const struct cd_http1_refusal plain = { 400, "plain HTTP on a port for TLS" };

        cd_tls_conn_free(conn->tls);
        conn->tls = NULL;
        cd_http1_stamp_update(&conn->loop->stamp, cd_realtime_us() / 1000000);
        cd_conn_refuse(conn, &plain, false);
        cd_conn_flush(conn);
        cd_conn_settle(conn, true);
}

/* The alert is written; the connection ends when the client has seen it. */
static void fail_tls(struct cd_conn *conn)
{
        struct cd_log_event event;

        cd_log_begin(&event, conn->loop->server->log, CD_LOG_INFO, "tls_failed");
        cd_log_str(&event, "peer", cd_str_of(conn->peer, conn->peer_len));
        cd_log_str(&event, "reason", cd_str_from_c(cd_tls_conn_error(conn->tls)));
        cd_log_end(&event);
        conn->ending = conn->lingers = true;
        cd_conn_settle(conn, true);
}

static bool is_letter(char c)
{
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

void cd_conn_take_cipher(struct cd_conn *conn, const char *data, size_t len)
{
        struct cd_loop *loop = conn->loop;
        struct cd_buf *plain = &loop->plain;

        /* A record begins with its type, 20 to 24 (RFC 8446 §5.1). */
        if (!cd_tls_conn_has_begun(conn->tls) && is_letter(*data)) {
                refuse_plain(conn);
                return;
        }
        bool was_open = cd_tls_conn_is_open(conn->tls);
        enum cd_tls_step step = cd_tls_conn_read(conn->tls, cd_str_of(data, len), plain, &loop->cipher);
        if (!cd_conn_send_cipher(conn)) {
                cd_conn_close(conn);
        } else if (step == CD_TLS_FAILED) {
                fail_tls(conn);
        } else {
                if (step == CD_TLS_ENDED) {
                        cd_conn_set_reading(conn, false);
                        conn->at_eof = true;
                }
                if (plain->len)
                        cd_conn_take_input(conn, plain->ptr, plain->len);
                else
                        cd_conn_settle(conn, cd_tls_conn_is_open(conn->tls) != was_open);
        }
        if (plain->ptr)
                cd_wipe(plain->ptr, plain->len);
        plain->len = 0;
        plain->failed = false;
}
