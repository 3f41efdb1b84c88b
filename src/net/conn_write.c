#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "net/engine.h"

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

/* Writes the gathered answers: one system call, as long as the client reads. */
void cd_conn_flush(struct cd_conn *conn)
{
        struct cd_buf *out = &conn->loop->out;
        bool ok = !out->failed;

        if (ok && out->len > 0 && !conn->closed) {
                uv_buf_t buf = uv_buf_init(out->ptr, (unsigned)out->len);
                int written = uv_try_write((uv_stream_t *)&conn->tcp, &buf, 1);
                if (written == UV_EAGAIN)
                        written = 0;
                ok = written >= 0 && ((size_t)written == out->len ||
                                      queue_output(conn, out->ptr + written, out->len - (size_t)written));
        }
        cd_wipe(out->ptr, out->len);
        out->len = 0;
        out->failed = false;
        if (out->cap > OUT_KEPT) {
                size_t ceiling = out->ceiling;
                cd_buf_done(out);
                cd_buf_init(out, NULL, ceiling);
        }
        if (!ok)
                cd_conn_close(conn);
}
