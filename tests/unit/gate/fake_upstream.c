#include "unit/gate/fake_upstream.h"

#include <stdlib.h>

#include "support/check.h"

enum {
        ROOM = 1024 * 1024,
        PUSHED_MAX = 64 * 1024 * 1024,
};

struct fake_upstream fake;

static void free_call(struct cd_upstream_call *call)
{
        if (fake.call == call)
                fake.call = NULL;
        cd_buf_done(&call->pushed);
        free(call);
}

void fake_reset(void)
{
        if (fake.call)
                free_call(fake.call);
        fake = (struct fake_upstream){ 0 };
}

/* ---- what the gate calls ---- */

struct cd_upstream_call *cd_upstream_start(struct cd_upstream *upstream, struct cd_loop *loop,
                                           const struct cd_upstream_request *request,
                                           const struct cd_upstream_events *events, void *owner)
{
        struct cd_upstream_call *call = calloc(1, sizeof(*call));

        assert_non_null(upstream);
        assert_non_null(loop);
        assert_non_null(call);
        if (fake.has_no_memory) {
                free(call);
                return NULL;
        }
        *call = (struct cd_upstream_call){ .request = request, .events = events, .owner = owner, .reads = true };
        call->room = fake.room ? fake.room : ROOM;
        cd_buf_init(&call->pushed, NULL, PUSHED_MAX);
        fake.call = call;
        fake.started++;
        return call;
}

cd_status cd_upstream_new(const struct cd_upstream_options *options, struct cd_upstream **ret, struct cd_error *reterr)
{
        (void)options, (void)ret;
        return cd_fail(reterr, CD_NO_MEMORY, "no test needs it");
}

struct cd_upstream *cd_upstream_ref(struct cd_upstream *upstream)
{
        return upstream;
}

void cd_upstream_unref(struct cd_upstream *upstream)
{
        (void)upstream;
}

void *cd_upstream_owner(const struct cd_upstream_call *call)
{
        return call->owner;
}

bool cd_upstream_push(struct cd_upstream_call *call, cd_str bytes)
{
        assert_false(call->push_ended);
        cd_buf_add(&call->pushed, bytes);
        call->is_full = call->pushed.len >= call->room;
        return !call->is_full;
}

void cd_upstream_push_end(struct cd_upstream_call *call, const struct cd_http_header *trailers, size_t trailer_count)
{
        (void)trailers, (void)trailer_count;
        assert_false(call->push_ended);
        call->push_ended = true;
}

void cd_upstream_read(struct cd_upstream_call *call, bool wanted)
{
        call->reads = wanted;
}

void cd_upstream_cancel(struct cd_upstream_call *call)
{
        fake.cancelled++;
        free_call(call);
}

cd_str cd_upstream_address(const struct cd_upstream_call *call)
{
        (void)call;
        return CD_STR("127.0.0.1:3000");
}

bool cd_upstream_is_uwsgi(const struct cd_upstream *upstream)
{
        return upstream->is_uwsgi;
}

bool cd_upstream_is_tls(const struct cd_upstream *upstream)
{
        (void)upstream;
        return false;
}

cd_str cd_upstream_authority(const struct cd_upstream *upstream)
{
        (void)upstream;
        return CD_STR("app.internal:3000");
}

/* ---- what the application does ---- */

void fake_ready(void)
{
        assert_non_null(fake.call);
        fake.call->events->ready(fake.call);
}

void fake_drain(struct cd_buf *to)
{
        struct cd_upstream_call *call = fake.call;
        bool was_full = call->is_full;

        cd_buf_add(to, cd_str_of(call->pushed.ptr, call->pushed.len));
        call->pushed.len = 0;
        call->is_full = false;
        if (was_full)
                call->events->drained(call);
}

void fake_head(int status, int64_t length, const struct cd_http_header *headers, size_t count)
{
        const struct cd_upstream_head head = {
                .status = status, .length = length, .headers = headers, .header_count = count
        };

        assert_non_null(fake.call);
        fake.call->events->head(fake.call, &head);
}

void fake_switch(const char *protocol)
{
        const struct cd_upstream_head head = { .status = 101,
                                               .length = CD_UPSTREAM_LENGTH_UNKNOWN,
                                               .upgrade = cd_str_from_c(protocol) };

        assert_non_null(fake.call);
        fake.call->is_tunnel = true;
        fake.call->events->head(fake.call, &head);
}

void fake_data(const char *text)
{
        assert_non_null(fake.call);
        assert_true(fake.call->reads);
        fake.call->events->data(fake.call, cd_str_from_c(text));
}

void fake_end(const struct cd_http_header *trailers, size_t count)
{
        struct cd_upstream_call *call = fake.call;

        assert_non_null(call);
        bool was_tunnel = call->is_tunnel;
        size_t cancelled = fake.cancelled;
        call->events->end(call, trailers, count);
        if (!was_tunnel && fake.cancelled == cancelled)
                free_call(call);
}

void fake_fail(enum cd_upstream_failure failure, const char *reason)
{
        struct cd_upstream_call *call = fake.call;

        assert_non_null(call);
        call->events->failed(call, failure, cd_str_from_c(reason));
        free_call(call);
}

cd_str fake_field(const char *name)
{
        assert_non_null(fake.call);
        for (size_t i = 0; i < fake.call->request->field_count; i++)
                if (cd_str_eq_nocase(fake.call->request->fields[i].name, cd_str_from_c(name)))
                        return fake.call->request->fields[i].value;
        return (cd_str){ NULL, 0 };
}
