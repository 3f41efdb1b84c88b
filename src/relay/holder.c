#include "relay/holder.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/blocking.h"
#include "base/clock.h"
#include "core/ports.h"
#include "relay/handler.h"
#include "relay/message.h"

enum {
        STACK_SIZE = 512 * 1024,
        ARENA = 1024 * 1024, /* bytes of one delivery: what is sent, and the answer */
        AT_ONCE = 256,       /* deliveries that are being sent */
        LOOK_EVERY_MS = 1000,
        GRACE_MS = 10 * 1000,
        MARGIN_S = 5, /* a claim lasts so much longer than the timeout; what was claimed later is not sent */
        LONGEST_PAUSE_S = 15,
};

struct cd_relay_holder {
        struct cd_relay_holder_options options;
        struct cd_loop loop;
        struct cd_deadline look;
        struct cd_link held; /* of struct held */
        size_t count;
        bool has_thread;
        pthread_t thread;
        atomic_bool stopping;
};

/* A delivery that this process has claimed. */
struct held {
        struct cd_link link; /* first, so that a pointer to one is a pointer to the other */
        struct cd_relay_holder *holder;
        struct cd_shared_version *version;
        const struct cd_relay_route *route; /* NULL: it is not in the configuration any more */
        struct cd_arena arena;
        struct cd_delivery row;
        cd_str request;
        struct cd_relay_call *call; /* NULL: over, but the store could not be told yet */
        int64_t claimed_us;         /* before it was claimed */
};

static void free_held(struct held *held)
{
        held->link.before->after = held->link.after;
        held->link.after->before = held->link.before;
        held->holder->count--;
        cd_shared_release(held->version);
        cd_arena_done(&held->arena);
        free(held);
}

/* ---- what came of it ---- */

/* If the store is unavailable, this is tried again before anything is claimed: a delivery that was answered must not be
 * sent again. */
static bool save(struct held *held)
{
        struct cd_store *store = held->holder->options.holds->store;
        cd_status status = store->deliveries->update(store, &held->row, NULL);

        if (status != CD_OK && status != CD_NOT_FOUND)
                return false;
        free_held(held);
        return true;
}

static void wait_more(struct held *held)
{
        cd_time now = held->row.created_at, pause;

        (void)cd_clock_read(held->holder->options.holds->clock, &now, NULL);
        pause = (now - held->row.created_at) / 8 + 1;
        held->row.state = CD_DELIVERY_WAITING;
        held->row.next_at = now + (pause < LONGEST_PAUSE_S ? pause : LONGEST_PAUSE_S);
        if (held->row.next_at >= held->row.hold_until)
                held->row.next_at = held->row.hold_until - 1;
}

static void end_as(struct held *held, const struct cd_relay_page *page)
{
        /* Without the memory to seal it, the row keeps what it had, and the page says that something went wrong. */
        if (cd_relay_hold_end(held->holder->options.holds, &held->arena, &held->row, page, NULL) != CD_OK)
                held->row.state = CD_DELIVERY_FAILED;
}

/* Nobody claims it in its last second: this attempt was the last one. */
static bool is_over(const struct held *held)
{
        cd_time now;

        return cd_clock_read(held->holder->options.holds->clock, &now, NULL) == CD_OK &&
               now >= held->row.hold_until - 1;
}

static void report(const struct held *held, const struct cd_relay_call_end *end, const struct cd_relay_result *result)
{
        const struct cd_relay_observer *observer = held->holder->options.observer;
        const struct cd_relay_event event = {
                .relay = held->row.relay,
                .receiver = held->route ? held->route->deliver : CD_STR(""),
                .end = end,
                .result = result,
                .is_held = true,
                .encoding = held->route ? held->route->encoding : CD_RELAY_JSON,
                .request = held->request,
        };

        observer->ended(observer, &event);
}

static void call_has_ended(void *owner, const struct cd_relay_call_end *end)
{
        struct held *held = owner;
        struct cd_relay_call_end counted = *end;
        struct cd_relay_result result;

        held->call = NULL;
        counted.attempts = held->row.attempts;
        cd_relay_result_read(held->route, &held->arena, end, &result);
        if (result.page.kind == CD_RELAY_PAGE_UNREACHABLE && !is_over(held)) {
                wait_more(held);
        } else {
                if (result.page.kind == CD_RELAY_PAGE_UNREACHABLE)
                        result.page = (struct cd_relay_page){ .kind = CD_RELAY_PAGE_EXPIRED };
                end_as(held, &result.page);
                report(held, &counted, &result);
        }
        (void)save(held);
}

/* ---- what is due ---- */

static int64_t seconds_of(const struct cd_relay *relay)
{
        int64_t longest = 0;

        for (size_t i = 0; relay && i < relay->count; i++)
                if (relay->routes[i].timeout_ms > longest)
                        longest = relay->routes[i].timeout_ms;
        return (longest + 999) / 1000 + MARGIN_S;
}

static const struct cd_relay_route *route_of(const struct cd_relay *relay, const struct cd_delivery *row)
{
        for (size_t i = 0; relay && i < relay->count; i++)
                if (cd_relay_hold_is_of(row, &relay->routes[i]))
                        return &relay->routes[i];
        return NULL;
}

static void expire(struct held *held, const char *why)
{
        const struct cd_relay_page page = { .kind = CD_RELAY_PAGE_EXPIRED };
        const struct cd_relay_result result = { .page = page, .reason = cd_str_from_c(why) };
        const struct cd_relay_call_end end = { .attempts = held->row.attempts };

        end_as(held, &page);
        report(held, &end, &result);
        (void)save(held);
}

/* To another process, which may have another configuration, or to a later time. */
static void leave(struct held *held)
{
        wait_more(held);
        (void)save(held);
}

static void start_call(struct held *held)
{
        bool is_late = cd_monotonic_us() - held->claimed_us > (MARGIN_S - 1) * 1000000ll;
        /* The relay may have had the other encoding when the delivery came. */
        bool is_ready =
                cd_relay_rewrite(held->route->encoding, &held->arena, held->request, &held->request, NULL) == CD_OK;
        const struct cd_relay_call_options options = {
                .route = held->route,
                .request = held->request,
                .is_once = true,
                .done = call_has_ended,
                .owner = held,
        };

        held->call = is_late || !is_ready ? NULL : cd_relay_call_start(&held->holder->loop, &options);
        if (!held->call)
                leave(held);
}

/* The clock was set forward, so a claim of this process seems to have ended: what works on it goes on with the new one.
 * */
static bool goes_on(const struct held *claimed)
{
        const struct cd_link *all = &claimed->holder->held;

        for (struct cd_link *link = all->after; link != all; link = link->after) {
                struct held *held = (struct held *)link;
                if (held == claimed || !cd_str_eq(held->row.id, claimed->row.id))
                        continue;
                held->row.attempts = claimed->row.attempts;
                return true;
        }
        return false;
}

/* False: nothing is due, or the store is unavailable, which the store watcher reports. */
static bool claim_one(struct cd_relay_holder *holder)
{
        struct held *held = calloc(1, sizeof(*held));

        if (!held)
                return false;
        held->holder = holder;
        held->link = (struct cd_link){ &holder->held, holder->held.after };
        held->link.after->before = &held->link;
        holder->held.after = &held->link;
        holder->count++;
        cd_arena_init(&held->arena, ARENA);
        held->claimed_us = cd_monotonic_us();
        const struct cd_relay *relay = cd_shared_hold(holder->options.relays, &held->version);
        cd_status status = cd_relay_hold_claim(holder->options.holds, &held->arena, seconds_of(relay), &held->row,
                                               &held->request, NULL);
        if (status != CD_OK && status != CD_MALFORMED && status != CD_INVALID_REQUEST) {
                free_held(held);
                return false;
        }
        if (goes_on(held)) {
                free_held(held);
                return true;
        }
        held->route = route_of(relay, &held->row);
        if (status != CD_OK)
                expire(held, "it cannot be unsealed: the master key is another one");
        else if (held->route)
                start_call(held);
        else if (is_over(held))
                expire(held, "its relay is not in the configuration");
        else
                leave(held);
        return true;
}

static bool save_all(struct cd_relay_holder *holder)
{
        for (struct cd_link *link = holder->held.after, *after; link != &holder->held; link = after) {
                after = link->after;
                if (!((struct held *)link)->call && !save((struct held *)link))
                        return false;
        }
        return true;
}

static void look(struct cd_relay_holder *holder)
{
        if (save_all(holder) && cd_shared_get(holder->options.relays)) /* it is NULL while the server starts */
                while (holder->count < AT_ONCE && !atomic_load(&holder->stopping) && claim_one(holder))
                        ;
        cd_loop_set_deadline(&holder->loop, &holder->look, LOOK_EVERY_MS);
}

static void on_look(struct cd_deadline *deadline)
{
        look((struct cd_relay_holder *)(void *)((char *)deadline - offsetof(struct cd_relay_holder, look)));
}

/* ---- the thread ---- */

/* What was not sent goes back to the store; the answers to what was sent are waited for. */
static void stop(struct cd_relay_holder *holder)
{
        if (holder->loop.stopping)
                return;
        cd_loop_cancel_deadline(&holder->loop, &holder->look);
        for (struct cd_link *link = holder->held.after, *after; link != &holder->held; link = after) {
                struct held *held = (struct held *)link;
                after = link->after;
                if (held->call && cd_relay_call_has_sent(held->call))
                        continue;
                if (held->call) {
                        cd_relay_call_cancel(held->call);
                        held->call = NULL;
                        held->row.state = CD_DELIVERY_WAITING;
                        held->row.next_at = held->row.created_at;
                }
                (void)save(held);
        }
        cd_loop_stop(&holder->loop, GRACE_MS);
}

static void woken(struct cd_loop *loop)
{
        struct cd_relay_holder *holder = loop->owner;

        cd_thread_set_role(CD_THREAD_WORKER); /* nobody else uses this loop, so it may wait for the store */
        if (atomic_load(&holder->stopping))
                stop(holder);
        else
                look(holder);
}

static void *run(void *arg)
{
        struct cd_relay_holder *holder = arg;

        cd_loop_wake(&holder->loop);
        cd_loop_run(&holder->loop);
        return NULL;
}

cd_status cd_relay_holder_new(const struct cd_relay_holder_options *options, struct cd_relay_holder **ret,
                              struct cd_error *reterr)
{
        struct cd_relay_holder *holder = calloc(1, sizeof(*holder));

        if (!holder)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory to hold deliveries");
        holder->options = *options;
        holder->held = (struct cd_link){ &holder->held, &holder->held };
        holder->look.expired = on_look;
        cd_status status = cd_loop_init(&holder->loop, woken, holder, reterr);
        if (status != CD_OK) {
                free(holder);
                return status;
        }
        *ret = holder;
        return CD_OK;
}

cd_status cd_relay_holder_start(struct cd_relay_holder *holder, struct cd_error *reterr)
{
        pthread_attr_t attr;

        if (holder->has_thread)
                return CD_OK;
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, STACK_SIZE);
        holder->has_thread = pthread_create(&holder->thread, &attr, run, holder) == 0;
        pthread_attr_destroy(&attr);
        return holder->has_thread
                       ? CD_OK
                       : cd_fail(reterr, CD_UNAVAILABLE, "the thread that sends held deliveries does not start");
}

void cd_relay_holder_wake(struct cd_relay_holder *holder)
{
        cd_loop_wake(&holder->loop);
}

void cd_relay_holder_free(struct cd_relay_holder *holder)
{
        if (!holder)
                return;
        atomic_store(&holder->stopping, true);
        if (holder->has_thread) {
                cd_loop_wake(&holder->loop);
                pthread_join(holder->thread, NULL);
        }
        cd_loop_done(&holder->loop); /* ends the calls that outlived the grace */
        for (struct cd_link *link = holder->held.after, *after; link != &holder->held; link = after) {
                after = link->after;
                free_held((struct held *)link);
        }
        free(holder);
}
