#include "gate/proxy.h"
#include "gate/route.h"
#include "net/temp_file.h"

enum {
        BUFFERED_MAX = 1024 * 1024 * 1024, /* bytes, of a route without max_body */
        PIECE = 64 * 1024,                 /* bytes */
};

static void fail(struct cd_proxied *p, const char *reason)
{
        cd_proxy_fail(p, CD_UPSTREAM_NO_MEMORY, cd_str_from_c(reason));
}

/* ---- from the client to the file ---- */

static void send_buffered(struct cd_proxied *p)
{
        p->is_buffering = p->is_pulling = false;
        p->length = cd_temp_file_size(p->held.file);
        p->buffered(p);
}

static void on_written(struct cd_temp_file *file)
{
        struct cd_proxied *p = cd_temp_file_owner(file);
        size_t owed = p->owed;

        p->owed = 0;
        if (p->input_ended)
                send_buffered(p);
        else
                cd_http_pull(p->x, owed);
}

void cd_proxy_write(struct cd_proxied *p, cd_str bytes)
{
        struct cd_error err = { 0 };

        cd_status status = cd_temp_file_write(p->held.file, bytes, &err);
        if (status == CD_TOO_LARGE)
                cd_proxy_show(p, CD_GATE_PAGE_TOO_LARGE, 413, CD_STR("a body without a length is over 1 GB"));
        else if (status != CD_OK)
                fail(p, err.reason);
        else
                p->owed += bytes.len;
}

/* What was not written yet is followed by on_written. */
void cd_proxy_write_end(struct cd_proxied *p)
{
        if (p->owed == 0)
                send_buffered(p);
}

/* ---- from the file to the application ---- */

void cd_proxy_read(struct cd_proxied *p)
{
        struct cd_error err = { 0 };

        if (p->is_reading_file)
                return;
        if (p->file_at == p->length) {
                cd_upstream_push_end(p->held.call, NULL, 0);
                return;
        }
        p->is_reading_file = true;
        if (cd_temp_file_read(p->held.file, p->file_at, PIECE, &err) != CD_OK)
                fail(p, err.reason);
}

static void on_read(struct cd_temp_file *file, cd_str bytes)
{
        struct cd_proxied *p = cd_temp_file_owner(file);

        p->is_reading_file = false;
        p->file_at += (int64_t)bytes.len;
        if (bytes.len == 0)
                fail(p, "the temporary file with the request's body has become shorter");
        else if (cd_upstream_push(p->held.call, bytes))
                cd_proxy_read(p);
}

static void on_failed(struct cd_temp_file *file)
{
        fail(cd_temp_file_owner(file), cd_temp_file_error(file));
}

static const struct cd_temp_file_events events = {
        .written = on_written,
        .read = on_read,
        .failed = on_failed,
};

void cd_proxy_buffer(struct cd_proxied *p, void (*buffered)(struct cd_proxied *p))
{
        uint64_t max = p->route->max_body ? p->route->max_body : BUFFERED_MAX;

        p->held.file =
                cd_temp_file_new(cd_http_exchange_loop(p->x), max < INT64_MAX ? (int64_t)max : INT64_MAX, &events, p);
        if (!p->held.file) {
                fail(p, "no memory for the request's body");
                return;
        }
        p->buffered = buffered;
        p->is_buffering = p->is_pulling = true;
        cd_http_pull(p->x, CD_PROXY_WINDOW);
}
