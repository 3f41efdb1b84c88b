#include "http/deny.h"

#include "http/exchange.h"

enum {
        TELL_EVERY = 60 /* seconds */
};

static cd_status read_entry(const struct cd_http_deny *entry, struct cd_http_denied *to, struct cd_error *reterr)
{
        cd_time until = 0;
        struct cd_error err;

        if (entry->until.len && !cd_time_parse_rfc3339(entry->until, &until))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("deny"), "until is not a time");
        for (size_t i = 0; i < entry->networks.count; i++) {
                to[i].until = until;
                if (cd_network_parse(entry->networks.items[i], &to[i].network, &err) != CD_OK)
                        return cd_fail_field(reterr, err.status, CD_STR("deny"), err.reason);
        }
        return CD_OK;
}

cd_status cd_http_deny_read(struct cd_arena *arena, const struct cd_http_deny *list, size_t count,
                            struct cd_http_denied **ret, size_t *ret_count, struct cd_error *reterr)
{
        size_t all = 0, at = 0;
        cd_status status = CD_OK;

        for (size_t i = 0; i < count; i++)
                all += list[i].networks.count;
        struct cd_http_denied *denied = cd_arena_calloc(arena, all + 1, sizeof(*denied));
        if (!denied)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the denied networks");
        for (size_t i = 0; i < count && status == CD_OK; i++) {
                status = read_entry(&list[i], &denied[at], reterr);
                at += list[i].networks.count;
        }
        *ret = denied;
        *ret_count = all;
        return status;
}

struct cd_http_denied *cd_http_deny_find(struct cd_http_denied *denied, size_t count, const struct cd_address *address,
                                         cd_time now)
{
        for (size_t i = 0; i < count; i++)
                if (cd_network_has(&denied[i].network, address) && (denied[i].until == 0 || now < denied[i].until))
                        return &denied[i];
        return NULL;
}

bool cd_http_deny_count(struct cd_http_denied *denied, cd_time now, size_t *ret_requests)
{
        cd_time told_at = atomic_load(&denied->told_at);

        atomic_fetch_add(&denied->untold, 1);
        /* If the clock was set back, the log is told a little early. */
        if ((told_at != 0 && now >= told_at && now - told_at < TELL_EVERY) ||
            !atomic_compare_exchange_strong(&denied->told_at, &told_at, now))
                return false;
        *ret_requests = atomic_exchange(&denied->untold, 0);
        return true;
}

static void tell(struct cd_log *log, const struct cd_network *network, size_t requests)
{
        char text[CD_NETWORK_TEXT_MAX];
        struct cd_log_event event;

        cd_log_begin(&event, log, CD_LOG_WARN, "client_denied");
        cd_log_str(&event, "network", cd_str_of(text, cd_network_format(network, text)));
        cd_log_int(&event, "requests", (int64_t)requests);
        cd_log_end(&event);
}

bool cd_http_deny(struct cd_exchange *x)
{
        const struct cd_http_settings *settings = x->loop->settings;
        struct cd_address address;
        size_t requests;

        if (settings->denied_count == 0 || !cd_address_parse(x->req.client_address, &address))
                return false;
        cd_time now = cd_clock_system.now(&cd_clock_system);
        struct cd_http_denied *denied = cd_http_deny_find(settings->denied, settings->denied_count, &address, now);
        if (denied && cd_http_deny_count(denied, now, &requests))
                tell(x->loop->server->log, &denied->network, requests);
        x->is_denied = denied != NULL;
        return x->is_denied;
}
