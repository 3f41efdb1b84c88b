#include "app/relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/metrics.h"
#include "relay/pickle.h"

enum {
        VERSION_CEILING = 1024 * 1024, /* bytes of copied settings */
        JSON_CEILING = 512 * 1024,     /* bytes: an answer with an escape for each of its bytes */
        ARENA = 2 * 1024 * 1024,
};

struct version {
        struct cd_relay relay; /* first, so that a pointer to one is a pointer to the other */
        struct cd_arena arena;
};

static void free_version(void *arg)
{
        struct version *version = arg;

        cd_arena_done(&version->arena);
        free(version);
}

/* ---- the log ---- */

static void add_us(struct cd_log_event *event, const char *name, int64_t us)
{
        if (us)
                cd_log_int(event, name, us);
}

/* A pickle as JSON, whose secrets are then redacted as those of any other; empty: it cannot be read. */
static cd_str pickle_as_json(struct cd_arena *arena, cd_str pickle)
{
        struct cd_pickle_dict dict;
        struct cd_buf buf;
        cd_str ret;

        if (cd_pickle_read(arena, pickle, &dict, NULL) != CD_OK)
                return CD_STR("");
        cd_buf_init(&buf, arena, JSON_CEILING);
        for (size_t i = 0; i < dict.count; i++) {
                const struct cd_pickle_value *value = &dict.items[i].value;
                cd_buf_add_char(&buf, i ? ',' : '{');
                cd_buf_add_json(&buf, dict.items[i].key);
                cd_buf_add_char(&buf, ':');
                if (value->type == CD_PICKLE_STR)
                        cd_buf_add_json(&buf, value->text);
                else if (value->type == CD_PICKLE_BOOL)
                        cd_buf_add(&buf, value->truth ? CD_STR("true") : CD_STR("false"));
                else
                        cd_buf_add(&buf, CD_STR("null"));
        }
        cd_buf_add(&buf, dict.count ? CD_STR("}") : CD_STR("{}"));
        return cd_buf_view(&buf, &ret) == CD_OK ? ret : CD_STR("");
}

/* Plain text, which a receiver may answer, is left out: nobody knows what of it is secret. */
static cd_str as_json(struct cd_arena *arena, cd_str bytes)
{
        if (cd_pickle_begins(bytes))
                return pickle_as_json(arena, bytes);
        return cd_str_has_prefix(bytes, CD_STR("{")) ? bytes : CD_STR("");
}

static void log_outgoing(const struct cd_app_relay *relay, const struct cd_relay_event *what)
{
        __attribute__((cleanup(cd_arena_done))) struct cd_arena arena = { 0 };
        const struct cd_relay_call_end *end = what->end;
        struct cd_error error = { 0 };

        if (atomic_load(&relay->outgoing->detail) == CD_OUTGOING_OFF)
                return;
        cd_arena_init(&arena, ARENA);
        if (!what->result->is_delivered)
                (void)cd_failf(&error, CD_UNAVAILABLE, CD_STR(""), "%.*s", CD_STR_ARG(what->result->reason));
        const struct cd_outgoing_delivery delivery = {
                .name = cd_arena_printf(&arena, "relay %.*s", CD_STR_ARG(what->relay)),
                .protocol = what->encoding == CD_RELAY_PICKLE ? CD_STR("pickle") : CD_STR("json"),
                .target = what->receiver,
                .sent = as_json(&arena, what->request),
                .received = as_json(&arena, end->answer),
                .error = what->result->is_delivered ? NULL : &error,
                .sent_bytes = (int64_t)what->request.len,
                .received_bytes = (int64_t)end->answer.len,
                .connect_us = end->connect_us,
                .total_us = end->total_us,
        };
        cd_outgoing_log_delivery(relay->outgoing, &delivery);
}

static cd_str fix_of(const struct cd_relay_event *what)
{
        if (what->end->result == CD_RELAY_CALL_UNREACHABLE)
                return CD_STR(
                        "start the receiver, or correct deliver of this relay; hold keeps deliveries until it runs");
        return what->encoding == CD_RELAY_PICKLE
                       ? CD_STR("see what the receiver itself says, and whether it reads a pickle: this relay's "
                                "encoding")
                       : CD_STR("see what the receiver itself says, and whether it reads JSON: this relay's encoding");
}

/* Neither code nor state, nor what the receiver says: that may be about the user. */
static void log_end(const struct cd_relay_observer *observer, const struct cd_relay_event *what)
{
        const struct cd_app_relay *relay = (const struct cd_app_relay *)observer;
        bool is_delivered = what->result->is_delivered;
        struct cd_log_event event;

        cd_app_count_delivery(what->relay.len ? what->relay : CD_STR("other"), is_delivered, what->is_held);
        cd_log_begin(&event, relay->log, is_delivered ? CD_LOG_INFO : CD_LOG_WARN,
                     is_delivered ? "relay_delivered" : "relay_failed");
        cd_log_about(&event, &(struct cd_log_about){ .request_id = what->request_id });
        cd_log_str(&event, "relay", what->relay);
        cd_log_str(&event, "receiver", what->receiver);
        if (what->is_held)
                cd_log_bool(&event, "held", true);
        cd_log_int(&event, "attempts", what->end->attempts);
        if (is_delivered && what->result->page.kind != CD_RELAY_PAGE_TEXT)
                cd_log_bool(&event, "success", what->result->page.kind == CD_RELAY_PAGE_SUCCEEDED);
        if (!is_delivered) {
                cd_log_bool(&event, "sent", what->end->result != CD_RELAY_CALL_UNREACHABLE);
                cd_log_str(&event, "reason", what->result->reason);
                cd_log_str(&event, "fix", fix_of(what));
        }
        add_us(&event, "connect_us", what->end->connect_us);
        add_us(&event, "answer_us", what->end->answer_us);
        add_us(&event, "duration_us", what->end->total_us);
        cd_log_end(&event);
        if (what->end->result != CD_RELAY_CALL_UNREACHABLE)
                log_outgoing(relay, what);
}

/* ---- held deliveries ---- */

static void wake_holder(void *arg)
{
        struct cd_app_relay *relay = arg;
        struct cd_relay_holder *holder = atomic_load(&relay->holder);

        if (holder)
                cd_relay_holder_wake(holder);
}

static cd_status start_holder(struct cd_app_relay *relay, struct cd_error *reterr)
{
        const struct cd_relay_holder_options options = {
                .relays = relay->app.relays,
                .holds = &relay->app.holds,
                .observer = &relay->observer,
        };
        struct cd_relay_holder *holder = atomic_load(&relay->holder);

        if (!holder) {
                cd_status status = cd_relay_holder_new(&options, &holder, reterr);
                if (status != CD_OK)
                        return status;
                atomic_store(&relay->holder, holder);
        }
        return cd_relay_holder_start(holder, reterr);
}

/* ---- configurations ---- */

static cd_status fill(struct version *version, const struct cd_config *config, bool *ret_holds, struct cd_error *reterr)
{
        const struct cd_config_relay *from = config->relay.items;
        struct cd_relay_route *routes;
        struct cd_error why = { 0 };
        char setting[sizeof(why.field) + 32];

        routes = cd_arena_calloc(&version->arena, config->relay.count + 1, sizeof(*routes));
        if (!routes)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for relay");
        for (size_t i = 0; i < config->relay.count; i++) {
                cd_status status = cd_config_relay_read(&from[i], &version->arena, &routes[i], &why);
                if (status != CD_OK) {
                        snprintf(setting, sizeof(setting), "relay[%zu].%s", i, why.field);
                        return cd_fail_field(reterr, status, cd_str_from_c(setting), why.reason);
                }
                *ret_holds |= routes[i].hold_ms > 0;
        }
        version->relay = (struct cd_relay){ routes, config->relay.count };
        return CD_OK;
}

cd_status cd_app_relay_prepare(struct cd_app_relay *relay, const struct cd_config *config,
                               struct cd_shared_version **ret, struct cd_error *reterr)
{
        struct version *version = calloc(1, sizeof(*version));
        bool holds = false;

        *ret = NULL;
        if (!version)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for relay");
        cd_arena_init(&version->arena, VERSION_CEILING);
        cd_status status = fill(version, config, &holds, reterr);
        if (status == CD_OK && holds)
                status = start_holder(relay, reterr);
        if (status == CD_OK) {
                *ret = cd_shared_prepare(relay->app.relays, version);
                status = *ret ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for relay");
        }
        if (status != CD_OK)
                free_version(version);
        return status;
}

cd_status cd_app_relay_init(struct cd_app_relay *relay, const struct cd_app_relay_options *options,
                            const struct cd_config *config, struct cd_error *reterr)
{
        struct cd_shared_version *first;
        const struct cd_storage *storage = options->storage;

        relay->observer.ended = log_end;
        relay->log = options->log;
        relay->outgoing = options->outgoing;
        cd_portal_relay_pages_init(&relay->pages, options->portal);
        relay->app = (struct cd_relay_app){
                .relays = cd_shared_new(free_version),
                .ids = cd_relay_ids(storage->master),
                .recent = cd_relay_recent_new(),
                .links = { cd_relay_links_mac(storage->master), storage->store, &cd_random_system, &cd_clock_system },
                .holds = { storage->store, storage->master, &cd_clock_system },
                .pages = &relay->pages.port,
                .observer = &relay->observer,
                .held = wake_holder,
                .held_arg = relay,
        };
        if (!relay->app.relays || !relay->app.ids || !relay->app.recent || !relay->app.links.mac)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for relay");
        cd_status status = cd_app_relay_prepare(relay, config, &first, reterr);
        if (status == CD_OK)
                cd_shared_publish(relay->app.relays, first);
        return status;
}

void cd_app_relay_sites(struct cd_app_relay *relay, struct cd_http_sites *ret)
{
        cd_relay_sites_init(ret, &relay->app);
        ret->next = &relay->next_sites;
}

void cd_app_relay_done(struct cd_app_relay *relay)
{
        cd_relay_holder_free(atomic_load(&relay->holder));
        cd_shared_free(relay->app.relays);
        cd_relay_recent_free(relay->app.recent);
        cd_mac_free(relay->app.links.mac);
        cd_mac_free(relay->app.ids);
}
