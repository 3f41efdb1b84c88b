#include "upstream/pool.h"

#include <errno.h>
#include <stdlib.h>

enum {
        SLOTS = 64,
        SPARE_CALLS = 64,
        /* A server without connections is forgotten, with its addresses, since a reload may have removed it. */
        UNUSED_MS = 5 * 60 * 1000,
};

struct cd_upstream_loop {
        struct cd_loop_state state; /* first */
        struct cd_loop *loop;
        struct cd_upstream_pool *pools[SLOTS];
        void *spare[SPARE_CALLS];
        size_t spare_count;
};

/* ---- one loop ---- */

static void free_pool(struct cd_upstream_pool *pool)
{
        cd_loop_cancel_deadline(pool->home->loop, &pool->unused);
        cd_addresses_free(pool->addresses);
        cd_upstream_unref(pool->upstream);
        free(pool);
}

static void free_home(struct cd_loop_state *state)
{
        struct cd_upstream_loop *home = (void *)state;

        for (size_t i = 0; i < SLOTS; i++)
                for (struct cd_upstream_pool *pool = home->pools[i], *next; pool; pool = next) {
                        next = pool->next;
                        free_pool(pool);
                }
        while (home->spare_count > 0)
                free(home->spare[--home->spare_count]);
        free(home);
}

static struct cd_upstream_loop *home_of(struct cd_loop *loop)
{
        struct cd_upstream_loop *home = (void *)loop->upstreams;

        if (home)
                return home;
        home = calloc(1, sizeof(*home));
        if (!home)
                return NULL;
        home->state.free = free_home;
        home->loop = loop;
        loop->upstreams = &home->state;
        return home;
}

void *cd_upstream_pool_alloc(struct cd_upstream_pool *pool, size_t size)
{
        struct cd_upstream_loop *home = pool->home;

        return home->spare_count > 0 ? home->spare[--home->spare_count] : malloc(size);
}

void cd_upstream_pool_free(struct cd_upstream_pool *pool, void *call)
{
        struct cd_upstream_loop *home = pool->home;

        if (home->spare_count < SPARE_CALLS)
                home->spare[home->spare_count++] = call;
        else
                free(call);
}

/* ---- pools ---- */

static void on_unused(struct cd_deadline *deadline)
{
        struct cd_upstream_pool *pool = (void *)((char *)deadline - offsetof(struct cd_upstream_pool, unused));
        struct cd_upstream_pool **at = &pool->home->pools[pool->upstream->hash % SLOTS];

        if (pool->connection_count > 0 || pool->call_count > 0)
                return;
        while (*at != pool)
                at = &(*at)->next;
        *at = pool->next;
        free_pool(pool);
}

static void check_use(struct cd_upstream_pool *pool)
{
        if (pool->connection_count == 0 && pool->call_count == 0)
                cd_loop_set_deadline(pool->home->loop, &pool->unused, UNUSED_MS);
}

static void on_changed(void *owner, const struct cd_address *address, bool is_up, const char *reason)
{
        const struct cd_upstream *upstream = ((struct cd_upstream_pool *)owner)->upstream;
        char text[CD_ADDRESS_TEXT_MAX];
        size_t len = address ? cd_address_format(address, text) : 0;

        if (upstream->options.changed)
                upstream->options.changed(upstream->options.changed_owner, upstream->options.url, cd_str_of(text, len),
                                          is_up, reason);
}

/* For metrics. Written only when it changes, since all loops share it. */
static void note_state(const struct cd_upstream_pool *pool, bool is_down)
{
        if (atomic_load_explicit(&pool->upstream->is_down, memory_order_relaxed) != is_down)
                atomic_store_explicit(&pool->upstream->is_down, is_down, memory_order_relaxed);
}

void cd_upstream_pool_succeeded(struct cd_upstream_pool *pool, const struct cd_address *address)
{
        if (pool->addresses)
                cd_addresses_succeeded(pool->addresses, address);
        else if (pool->is_down)
                on_changed(pool, NULL, true, NULL);
        pool->is_down = false;
        note_state(pool, false);
}

void cd_upstream_pool_failed(struct cd_upstream_pool *pool, const struct cd_address *address, const char *reason)
{
        if (pool->addresses)
                cd_addresses_failed(pool->addresses, address, reason);
        else if (!pool->is_down)
                on_changed(pool, NULL, false, reason);
        pool->is_down = true;
        note_state(pool, true);
}

static struct cd_upstream_pool *new_pool(struct cd_upstream_loop *home, struct cd_upstream *upstream)
{
        struct cd_upstream_pool *pool = calloc(1, sizeof(*pool));
        struct cd_addresses_options options = { .host = upstream->host, .changed = on_changed, .owner = pool };

        if (!pool)
                return NULL;
        if (!upstream->is_unix) {
                pool->addresses = cd_addresses_new(home->loop, &options);
                if (!pool->addresses) {
                        free(pool);
                        return NULL;
                }
        }
        pool->home = home;
        pool->upstream = cd_upstream_ref(upstream);
        pool->idle = (struct cd_link){ &pool->idle, &pool->idle };
        pool->unused.expired = on_unused;
        pool->next = home->pools[upstream->hash % SLOTS];
        home->pools[upstream->hash % SLOTS] = pool;
        return pool;
}

struct cd_upstream_pool *cd_upstream_pool_enter(struct cd_loop *loop, struct cd_upstream *upstream)
{
        struct cd_upstream_loop *home = home_of(loop);
        struct cd_upstream_pool *pool = home ? home->pools[upstream->hash % SLOTS] : NULL;

        while (pool && pool->upstream != upstream &&
               (pool->upstream->hash != upstream->hash || !cd_str_eq(pool->upstream->identity, upstream->identity)))
                pool = pool->next;
        if (!pool && home)
                pool = new_pool(home, upstream);
        if (pool)
                pool->call_count++;
        return pool;
}

void cd_upstream_pool_leave(struct cd_upstream_pool *pool)
{
        pool->call_count--;
        check_use(pool);
}

/* ---- idle connections ---- */

static void unlink_idle(struct cd_upstream_connection *connection)
{
        struct cd_link *link = &connection->link;

        if (!link->before)
                return;
        link->before->after = link->after;
        link->after->before = link->before;
        *link = (struct cd_link){ NULL, NULL };
        connection->pool->idle_count--;
}

static void close_idle(struct cd_stream *stream)
{
        cd_upstream_pool_drop(stream->owner, false);
}

/* Bytes or an end that nobody asked for: the server is about to close, or says what belongs to no request. */
static void on_idle_bytes(struct cd_stream *stream, char *data, size_t len)
{
        (void)data, (void)len;
        close_idle(stream);
}

static void on_idle_drained(struct cd_stream *stream)
{
        (void)stream;
}

static void on_idle_ended(struct cd_stream *stream)
{
        cd_upstream_pool_ended(stream->owner);
}

static const struct cd_stream_events idle_events = {
        .opened = on_idle_drained,
        .bytes = on_idle_bytes,
        .drained = on_idle_drained,
        .expired = close_idle,
        .stopping = close_idle,
        .ended = on_idle_ended,
};

static struct cd_upstream_connection *connection_of(struct cd_link *link)
{
        return (void *)((char *)link - offsetof(struct cd_upstream_connection, link));
}

struct cd_upstream_connection *cd_upstream_pool_take(struct cd_upstream_pool *pool)
{
        if (pool->idle_count == 0)
                return NULL;
        struct cd_upstream_connection *connection = connection_of(pool->idle.after);
        unlink_idle(connection);
        cd_stream_expire_never(connection->stream);
        connection->is_reused = true;
        return connection;
}

void cd_upstream_pool_put(struct cd_upstream_connection *connection, const struct cd_upstream_options *options)
{
        struct cd_upstream_pool *pool = connection->pool;
        struct cd_loop *loop = pool->home->loop;
        struct cd_link *link = &connection->link, *head = &pool->idle;

        if (loop->stopping || options->keep == 0 || connection->stream->closed || connection->stream->at_eof ||
            cd_loop_now(loop) - connection->opened_at >= (uint64_t)options->keep_age_ms) {
                cd_upstream_pool_drop(connection, false);
                return;
        }
        while (pool->idle_count >= options->keep)
                cd_upstream_pool_drop(connection_of(head->before), false); /* the oldest */
        connection->owner = NULL;
        connection->stream->events = &idle_events;
        *link = (struct cd_link){ head, head->after };
        head->after->before = link;
        head->after = link;
        pool->idle_count++;
        cd_stream_read(connection->stream, true);
        cd_stream_expire_in(connection->stream, options->keep_idle_ms);
}

/* ---- opening and closing ---- */

static void name_connection(struct cd_upstream_connection *connection, const struct cd_address *address)
{
        cd_str peer = cd_stream_peer(connection->stream), url = connection->upstream->options.url;
        bool is_ipv6 = address && !cd_address_is_ipv4(address);
        struct cd_buf name;

        cd_buf_init_fixed(&name, connection->name, sizeof(connection->name));
        if (address) {
                connection->address = *address;
                cd_buf_printf(&name, "%s%.*s%s:%u", is_ipv6 ? "[" : "", CD_STR_ARG(peer), is_ipv6 ? "]" : "",
                              connection->upstream->port);
        } else {
                cd_buf_add(&name, url);
        }
        connection->name_len = (uint8_t)name.len;
}

struct cd_upstream_connection *cd_upstream_pool_connect(struct cd_upstream_pool *pool, struct cd_upstream *upstream,
                                                        const struct cd_address *address)
{
        struct cd_connect_options options = {
                .address = address, .port = upstream->port, .path = upstream->path, .tls = upstream->tls
        };
        struct cd_upstream_connection *connection = calloc(1, sizeof(*connection));

        if (connection)
                connection->stream = cd_stream_connect(pool->home->loop, &options);
        if (!connection || !connection->stream) {
                int err = connection ? errno : ENOMEM;
                free(connection);
                errno = err;
                return NULL;
        }
        connection->stream->owner = connection;
        connection->pool = pool;
        connection->upstream = cd_upstream_ref(upstream);
        connection->opened_at = cd_loop_now(pool->home->loop);
        pool->connection_count++;
        name_connection(connection, address);
        return connection;
}

void cd_upstream_pool_drop(struct cd_upstream_connection *connection, bool gently)
{
        unlink_idle(connection);
        connection->owner = NULL;
        connection->stream->events = &idle_events;
        if (gently)
                cd_stream_end(connection->stream, false);
        else
                cd_stream_close(connection->stream);
}

void cd_upstream_pool_ended(struct cd_upstream_connection *connection)
{
        struct cd_upstream_pool *pool = connection->pool;

        unlink_idle(connection);
        cd_upstream_unref(connection->upstream);
        free(connection);
        pool->connection_count--;
        check_use(pool);
}
