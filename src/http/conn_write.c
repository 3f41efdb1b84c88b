#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "http/engine.h"

enum {
        OUT_KEPT = 1024 * 1024
}; /* of the loop's output buffer, after an answer that was longer */

/* Output that the kernel did not take at once. */
struct waiting_write {
        uv_write_t req;
        size_t len;
        char data[];
};

static void on_written(uv_write_t *req, int status)
{
        struct waiting_write *write = req->data;
        struct cd_conn *conn = req->handle->data;

        conn->queued -= write->len;
        cd_wipe(write->data, write->len);
        free(write);
        if (conn->closed)
                return;
        if (status < 0)
                cd_conn_close(conn);
        else if (conn->partial && cd_conn_may_serve(conn))
                cd_conn_serve(conn, conn->partial->data, conn->partial->len);
        else
                cd_conn_settle(conn, true);
}

static bool queue_output(struct cd_conn *conn, const char *data, size_t len)
{
        struct waiting_write *write = malloc(sizeof(*write) + len);

        if (!write)
                return false;
        memcpy(write->data, data, len);
        write->len = len;
        write->req.data = write;
        uv_buf_t buf = uv_buf_init(write->data, (unsigned)len);
        if (uv_write(&write->req, (uv_stream_t *)&conn->tcp, &buf, 1, on_written) != 0) {
                cd_wipe(write->data, len);
                free(write);
                return false;
        }
        conn->queued += len;
        conn->last_left = conn->queued;
        return true;
}

/* One system call, as long as the client reads. False where the connection is broken. */
static bool send_now(struct cd_conn *conn, const char *data, size_t len)
{
        uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
        int written = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
        if (written == UV_EAGAIN)
                written = 0;
        return written >= 0 && ((size_t)written == len || queue_output(conn, data + written, len - (size_t)written));
}

static void give_memory_back(struct cd_buf *out)
{
        size_t ceiling = out->ceiling;

        if (out->len > 0 || out->cap <= OUT_KEPT)
                return;
        cd_buf_done(out);
        cd_buf_init(out, NULL, ceiling);
}

bool cd_conn_send_cipher(struct cd_conn *conn)
{
        struct cd_buf *cipher = &conn->loop->cipher;
        bool ok = !cipher->failed && (cipher->len == 0 || send_now(conn, cipher->ptr, cipher->len));

        cipher->len = 0;
        cipher->failed = false;
        give_memory_back(cipher);
        return ok;
}

/* As send_now, in the connection's language. */
static bool write_now(struct cd_conn *conn, const char *data, size_t len)
{
        if (conn->closed)
                return true;
        if (!conn->tls)
                return send_now(conn, data, len);
        bool ok = cd_tls_conn_write(conn->tls, cd_str_of(data, len), &conn->loop->cipher);
        return cd_conn_send_cipher(conn) && ok;
}

/* Wipes what is behind the gathered answers. */
static void forget_output(struct cd_loop *loop)
{
        struct cd_buf *out = &loop->out;

        if (out->len > loop->gathered_len)
                cd_wipe(out->ptr + loop->gathered_len, out->len - loop->gathered_len);
        out->len = loop->gathered_len;
        out->failed = false;
        give_memory_back(out);
}

/* Wipes the gathered answers; what is behind them moves to their place. */
static void forget_gathered(struct cd_loop *loop)
{
        struct cd_buf *out = &loop->out;
        size_t kept = cd_loop_out_len(loop);

        if (kept)
                memmove(out->ptr, out->ptr + loop->gathered_len, kept);
        if (loop->gathered_len)
                cd_wipe(out->ptr + kept, loop->gathered_len);
        out->len = kept;
        loop->gathered_len = 0;
        give_memory_back(out);
}

void cd_conn_flush(struct cd_conn *conn)
{
        struct cd_loop *loop = conn->loop;
        size_t len = cd_loop_out_len(loop);
        bool ok = !loop->out.failed && (len == 0 || write_now(conn, loop->out.ptr + loop->gathered_len, len));

        forget_output(loop);
        if (!ok)
                cd_conn_close(conn);
}

void cd_conn_flush_later(struct cd_conn *conn)
{
        struct cd_loop *loop = conn->loop;

        loop->gathered_len = loop->out.len;
        loop->gathered[loop->gathered_count++] = (struct cd_gathered){ conn, loop->out.len };
        conn->gathered = true;
        if (loop->gathered_count == CD_GATHERED_MAX || loop->out.len > OUT_KEPT)
                cd_loop_write_gathered(loop);
}

void cd_loop_write_gathered(struct cd_loop *loop)
{
        size_t start = 0;

        for (size_t i = 0; i < loop->gathered_count; i++) {
                struct cd_conn *conn = loop->gathered[i].conn;
                size_t end = loop->gathered[i].end;
                conn->gathered = false;
                if (write_now(conn, loop->out.ptr + start, end - start))
                        cd_conn_settle(conn, true);
                else
                        cd_conn_close(conn);
                start = end;
        }
        loop->gathered_count = 0;
        forget_gathered(loop);
}
