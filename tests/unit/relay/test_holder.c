/* The thread that sends held deliveries, while the clock of the machine is set. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/digest.h"
#include "core/ports.h"
#include "relay/handler.h"
#include "relay/holder.h"
#include "support/memory_store.h"

#define REQUEST "{\"state\":\"s\",\"code\":\"c\"}\n"

enum {
        PATIENCE_MS = 10 * 1000, /* only a test that fails takes so long */
        POLL_MS = 5,
};

static _Atomic cd_time now = 1800000000;

static cd_time tell(const struct cd_clock *clock)
{
        (void)clock;
        return atomic_load(&now);
}

static const struct cd_clock clock_that_is_set = { .now = tell, .uptime = tell };

struct fixture {
        struct cd_arena arena;
        struct cd_store *store;
        struct cd_master_key *master;
        struct cd_shared *relays;
        struct cd_relay_route route;
        struct cd_relay relay; /* the version of `relays` */
        struct cd_relay_holds holds;
        struct cd_relay_observer observer;
        struct cd_relay_holder *holder;
        int listener;
};

static void keep(void *version)
{
        (void)version;
}

static void ignore(const struct cd_relay_observer *observer, const struct cd_relay_event *event)
{
        (void)observer;
        (void)event;
}

/* On a free port. */
static void listen_for_deliveries(struct fixture *f)
{
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(at);

        f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(f->listener, (struct sockaddr *)&at, size), 0);
        assert_int_equal(listen(f->listener, 8), 0);
        assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &size), 0);
        f->route.port = ntohs(at.sin_port);
}

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .store = new_memory_store() };
        cd_arena_init(&f.arena, 64 << 20);
        assert_status(cd_master_key_parse(CD_STR("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), &cd_random_system,
                                          &f.master, NULL),
                      CD_OK);
        f.route = (struct cd_relay_route){
                .path = CD_STR("/register"),
                .address = { { [10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1 } },
                .encoding = CD_RELAY_JSON,
                .timeout_ms = 60000,
                .hold_ms = 7200000,
        };
        listen_for_deliveries(&f);
        f.relay = (struct cd_relay){ &f.route, 1 };
        f.relays = cd_shared_new(keep);
        assert_status(cd_shared_set(f.relays, &f.relay), CD_OK);
        f.holds = (struct cd_relay_holds){ f.store, f.master, &clock_that_is_set };
        f.observer.ended = ignore;
        const struct cd_relay_holder_options options = { f.relays, &f.holds, &f.observer };
        assert_status(cd_relay_holder_new(&options, &f.holder, NULL), CD_OK);
        assert_status(cd_relay_holder_start(f.holder, NULL), CD_OK);
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_relay_holder_free(f->holder);
        close(f->listener);
        cd_shared_free(f->relays);
        cd_master_key_free(f->master);
        f->store->free(f->store);
        cd_arena_done(&f->arena);
        return 0;
}

static int accept_within(struct fixture *f, int patience_ms)
{
        struct pollfd ready = { .fd = f->listener, .events = POLLIN };

        return poll(&ready, 1, patience_ms) == 1 ? accept4(f->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
}

/* The connection, once all that is sent has been read. */
static int receive(struct fixture *f)
{
        char bytes[256];
        size_t len = 0;
        ssize_t got;
        int connection = accept_within(f, PATIENCE_MS);

        assert_true(connection >= 0);
        while ((got = read(connection, bytes + len, sizeof(bytes) - len)) > 0)
                len += (size_t)got;
        assert_str(cd_str_of(bytes, len), REQUEST);
        return connection;
}

static void answer(int connection)
{
        cd_str text = CD_STR("{\"success\":true}\n");

        assert_int_equal(write(connection, text.ptr, text.len), text.len);
        close(connection);
}

static const unsigned char id[CD_RELAY_ID_SIZE] = { 1 };

/* Of the delivery, until it was claimed that often. */
static void wait_for_attempts(struct fixture *f, int64_t attempts)
{
        struct cd_delivery delivery = { 0 };
        cd_str key;

        assert_status(cd_digest_text(&f->arena, cd_str_of((const char *)id, sizeof(id)), &key, NULL), CD_OK);
        for (int waited = 0; delivery.attempts < attempts && waited < PATIENCE_MS; waited += POLL_MS) {
                poll(NULL, 0, POLL_MS);
                assert_status(f->store->deliveries->find(f->store, &f->arena, key, &delivery, NULL), CD_OK);
        }
        assert_int_equal(delivery.attempts, attempts);
}

static enum cd_relay_page_kind wait_for_page(struct fixture *f)
{
        struct cd_relay_page page = { .kind = CD_RELAY_PAGE_WAITING };

        for (int waited = 0; page.kind == CD_RELAY_PAGE_WAITING && waited < PATIENCE_MS; waited += POLL_MS) {
                poll(NULL, 0, POLL_MS);
                assert_status(cd_relay_hold_find(&f->holds, &f->arena, id, &page, NULL), CD_OK);
        }
        return page.kind;
}

static void hold(struct fixture *f)
{
        assert_status(cd_relay_hold_add(&f->holds, &f->arena, &f->route, id, CD_STR(REQUEST), NULL), CD_OK);
        cd_relay_holder_wake(f->holder);
}

/* The claim ends by the clock while the receiver works: the process that works on it knows better. */
static void a_delivery_is_sent_once_although_the_clock_is_set_forward(void **state)
{
        struct fixture *f = *state;

        hold(f);
        int connection = receive(f);
        for (int64_t attempts = 2; attempts < 4; attempts++) {
                atomic_fetch_add(&now, 600);
                cd_relay_holder_wake(f->holder);
                wait_for_attempts(f, attempts);
        }
        answer(connection);
        assert_int_equal(wait_for_page(f), CD_RELAY_PAGE_SUCCEEDED);
        assert_int_equal(accept_within(f, 0), -1);
}

static void a_delivery_is_sent_once_although_the_clock_is_set_back(void **state)
{
        struct fixture *f = *state;

        hold(f);
        int connection = receive(f);
        atomic_fetch_sub(&now, 3600);
        cd_relay_holder_wake(f->holder);
        answer(connection);
        assert_int_equal(wait_for_page(f), CD_RELAY_PAGE_SUCCEEDED);
        assert_int_equal(accept_within(f, 0), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_delivery_is_sent_once_although_the_clock_is_set_forward),
                TEST(a_delivery_is_sent_once_although_the_clock_is_set_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
