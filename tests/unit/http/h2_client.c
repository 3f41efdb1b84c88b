#include "h2_client.h"

#include <stdlib.h>
#include <string.h>

enum {
        BODY_MAX = 64 * 1024 * 1024,
        FIELDS_MAX = 256,
};

static void must(bool holds)
{
        if (!holds)
                abort();
}

/* ---- what comes ---- */

static struct h2_reply *find(struct h2_client *h, int32_t id)
{
        for (size_t i = h->count; i > 0; i--)
                if (h->replies[i - 1]->id == id)
                        return h->replies[i - 1];
        return NULL;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
        struct h2_reply *reply = find(user, frame->hd.stream_id);

        (void)session, (void)flags;
        must(reply != NULL);
        size_t len = strlen(reply->fields);
        if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
                must(value_len == 3 && reply->status == 0);
                int status = atoi((const char *)value);
                if (status < 200)
                        reply->infos++;
                else
                        reply->status = status;
                return 0;
        }
        must(len + name_len + value_len + 5 < sizeof(reply->fields));
        if (frame->headers.cat == NGHTTP2_HCAT_HEADERS && reply->status && !strstr(reply->fields, "\n\n"))
                reply->fields[len++] = '\n';
        memcpy(reply->fields + len, name, name_len);
        memcpy(reply->fields + len + name_len, ": ", 2);
        memcpy(reply->fields + len + name_len + 2, value, value_len);
        memcpy(reply->fields + len + name_len + 2 + value_len, "\n", 2);
        return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *user)
{
        struct h2_client *h = user;
        struct h2_reply *reply = find(h, id);

        (void)flags;
        must(reply && reply->status != 0 && !reply->ended);
        cd_buf_add(&reply->body, cd_str_of((const char *)data, len));
        if (!h->keeps_windows)
                nghttp2_session_consume(session, id, len);
        return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
        struct h2_client *h = user;
        struct h2_reply *reply = find(h, frame->hd.stream_id);

        (void)session;
        if (frame->hd.type == NGHTTP2_GOAWAY) {
                h->goaways++;
                h->goaway_code = frame->goaway.error_code;
                h->goaway_last = frame->goaway.last_stream_id;
        }
        if (reply)
                reply->data += frame->hd.type == NGHTTP2_DATA;
        if (reply && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA))
                reply->ended |= (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        return 0;
}

/* What libnghttp2 finds wrong with a frame of the server is a failed test. */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *user)
{
        (void)session, (void)frame, (void)error, (void)user;
        abort();
}

static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                             const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
        (void)session, (void)frame, (void)name, (void)name_len, (void)value, (void)value_len, (void)flags, (void)user;
        abort();
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
        struct h2_reply *reply = find(user, id);

        (void)session;
        if (reply) {
                must(!reply->closed);
                reply->closed = true;
                reply->code = code;
        }
        return 0;
}

/* ---- what is sent ---- */

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *to, size_t max, uint32_t *flags,
                           nghttp2_data_source *source, void *user)
{
        struct h2_reply *reply = source->ptr;
        size_t len = reply->upload.len < max ? reply->upload.len : max;

        (void)session, (void)id, (void)user;
        if (len == 0 && !reply->upload_ends) {
                reply->upload_waits = true;
                return NGHTTP2_ERR_DEFERRED;
        }
        if (len)
                memcpy(to, reply->upload.ptr, len);
        reply->upload = cd_str_slice(reply->upload, len, reply->upload.len);
        if (reply->upload_ends && reply->upload.len == 0)
                *flags |= NGHTTP2_DATA_FLAG_EOF;
        return (ssize_t)len;
}

struct h2_reply *h2_ask(struct h2_client *h, const char *fields, cd_str body, bool ends)
{
        struct h2_reply *reply = calloc(1, sizeof(*reply));
        nghttp2_data_provider provider = { .source = { .ptr = reply }, .read_callback = read_upload };
        nghttp2_nv items[FIELDS_MAX];
        cd_str rest = cd_str_from_c(fields), line;
        size_t count = 0;

        must(reply && h->count < H2_REPLIES);
        while (cd_str_take_until(&rest, '\n', &line) && line.len) {
                size_t colon = 1 + cd_str_index(cd_str_slice(line, 1, line.len), ':');
                must(count < FIELDS_MAX && colon + 2 <= line.len);
                items[count++] = (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)line.ptr,
                                               .namelen = colon,
                                               .value = (uint8_t *)(uintptr_t)line.ptr + colon + 2,
                                               .valuelen = line.len - colon - 2 };
        }
        cd_buf_init(&reply->body, NULL, BODY_MAX);
        reply->upload = body;
        reply->upload_ends = ends;
        h->replies[h->count++] = reply;
        reply->id = nghttp2_submit_request(h->session, NULL, items, count, body.ptr ? &provider : NULL, NULL);
        must(reply->id > 0);
        return reply;
}

struct h2_reply *h2_get(struct h2_client *h, const char *path)
{
        char fields[1024];

        snprintf(fields, sizeof(fields), ":method: GET\n:scheme: http\n:authority: a\n:path: %s\n", path);
        return h2_ask(h, fields, (cd_str){ NULL, 0 }, true);
}

struct h2_reply *h2_post(struct h2_client *h, const char *path, cd_str body, bool ends)
{
        char fields[1024];

        snprintf(fields, sizeof(fields), ":method: POST\n:scheme: http\n:authority: a\n:path: %s\n", path);
        return h2_ask(h, fields, body, ends);
}

void h2_upload(struct h2_client *h, struct h2_reply *reply, cd_str body, bool ends)
{
        must(reply->upload.len == 0 && !reply->upload_ends);
        reply->upload = body;
        reply->upload_ends = ends;
        if (reply->upload_waits)
                nghttp2_session_resume_data(h->session, reply->id);
        reply->upload_waits = false;
}

static void send_some(struct h2_client *h, cd_str bytes)
{
        cd_buf_add(&h->unsent, bytes);
        must(!h->unsent.failed);
        size_t at = 0;
        while (at < h->unsent.len) {
                cd_str all = cd_str_of(h->unsent.ptr, h->unsent.len);
                cd_str part = cd_str_slice(all, at, h->split ? h->split : all.len);
                if (h->c.wire.wants_input && part.len > CD_INPUT_SIZE)
                        part.len = CD_INPUT_SIZE;
                if (!client_send(&h->c, part))
                        break;
                at += part.len;
        }
        h->unsent.len -= at;
        if (at && h->unsent.len)
                memmove(h->unsent.ptr, h->unsent.ptr + at, h->unsent.len);
}

void h2_raw(struct h2_client *h, uint8_t type, uint8_t flags, int32_t id, cd_str payload)
{
        unsigned char head[9] = { (unsigned char)(payload.len >> 16),
                                  (unsigned char)(payload.len >> 8),
                                  (unsigned char)payload.len,
                                  type,
                                  flags,
                                  (unsigned char)(id >> 24),
                                  (unsigned char)(id >> 16),
                                  (unsigned char)(id >> 8),
                                  (unsigned char)id };
        char frame[9 + 16384];

        must(payload.len <= 16384);
        memcpy(frame, head, 9);
        if (payload.len)
                memcpy(frame + 9, payload.ptr, payload.len);
        send_some(h, cd_str_of(frame, 9 + payload.len));
}

void h2_send(struct h2_client *h)
{
        const uint8_t *data;
        ssize_t len;

        /* Many frames in one read. */
        while ((len = nghttp2_session_mem_send(h->session, &data)) > 0)
                cd_buf_add(&h->unsent, cd_str_of((const char *)data, (size_t)len));
        must(len == 0);
        send_some(h, CD_STR(""));
}

void h2_go(struct h2_client *h)
{
        size_t before;

        do {
                before = h->c.at;
                h2_send(h);
                fixture_turn(h->c.f);
                cd_str came = client_read_all(&h->c);
                h->c.at = h->c.received.len;
                if (came.len) {
                        ssize_t used = nghttp2_session_mem_recv(h->session, (const uint8_t *)came.ptr, came.len);
                        must(used == (ssize_t)came.len);
                }
        } while (h->c.at != before || nghttp2_session_want_write(h->session));
}

/* ---- responses ---- */

cd_str h2_field(const struct h2_reply *reply, const char *name)
{
        cd_str rest = cd_str_from_c(reply->fields), line;

        while (cd_str_take_until(&rest, '\n', &line)) {
                size_t colon = cd_str_index(line, ':');
                if (colon < line.len && cd_str_eq(cd_str_slice(line, 0, colon), cd_str_from_c(name)))
                        return cd_str_slice(line, colon + 2, line.len);
        }
        return (cd_str){ NULL, 0 };
}

cd_str h2_body(const struct h2_reply *reply)
{
        return cd_str_of(reply->body.ptr, reply->body.len);
}

/* ---- life ---- */

static nghttp2_session *make_session(struct h2_client *h)
{
        nghttp2_session_callbacks *callbacks;
        nghttp2_option *options;
        nghttp2_session *session;

        must(nghttp2_session_callbacks_new(&callbacks) == 0);
        must(nghttp2_option_new(&options) == 0);
        nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
        nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid);
        nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
        nghttp2_option_set_no_auto_window_update(options, 1);
        nghttp2_option_set_peer_max_concurrent_streams(options, 100);
        must(nghttp2_session_client_new2(&session, callbacks, h, options) == 0);
        nghttp2_session_callbacks_del(callbacks);
        nghttp2_option_del(options);
        return session;
}

void h2_begin(struct h2_client *h, struct fixture *f, size_t window, const nghttp2_settings_entry *settings,
              size_t count)
{
        *h = (struct h2_client){ .c = { .peer = { .address = CD_STR("192.0.2.7") }, .is_http2 = true } };
        cd_buf_init(&h->unsent, NULL, BODY_MAX);
        client_connect_as(&h->c, f, window);
        cd_stream_read(h->c.wire.stream, true); /* as accept.c does */
        h->session = make_session(h);
        must(nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings, count) == 0);
}

void h2_connect(struct h2_client *h, struct fixture *f, size_t window)
{
        h2_begin(h, f, window, NULL, 0);
        h2_go(h);
}

void h2_done(struct h2_client *h)
{
        client_done(&h->c);
        nghttp2_session_del(h->session);
        cd_buf_done(&h->unsent);
        for (size_t i = 0; i < h->count; i++) {
                cd_buf_done(&h->replies[i]->body);
                free(h->replies[i]);
        }
}
