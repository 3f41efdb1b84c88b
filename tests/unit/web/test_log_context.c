/* What a handler leaves for the line in the log is read after it, when its snapshot may be gone. */
#include <stdlib.h>

#include "core/any_user.h"
#include "core/lockout.h"
#include "crypto/random.h"
#include "support/check.h"
#include "web/web.h"

struct snapshot {
        struct cd_web web; /* first, as the handlers want it */
        struct cd_issuer issuer;
        struct cd_clients *clients;
};

struct fixture {
        struct cd_shared *snapshots;
        struct cd_lockout *lockout;
        struct cd_arena arena;
        struct cd_http_log_context log;
        struct cd_http_response res;
};

static void free_snapshot(void *arg)
{
        struct snapshot *snapshot = arg;

        cd_clients_free(snapshot->clients);
        free(snapshot);
}

static void publish_new_snapshot(struct fixture *f)
{
        const struct cd_client_spec spec = { .id = CD_STR("app-a"), .secret = CD_STR("secret-a") };
        struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

        assert_non_null(snapshot);
        assert_status(cd_clients_new(&spec, 1, CD_STR(""), &cd_random_system, &snapshot->clients, NULL), CD_OK);
        snapshot->issuer.client_auth = (struct cd_client_auth){ .clients = snapshot->clients,
                                                                .lockout = f->lockout,
                                                                .clock = &cd_clock_system };
        snapshot->issuer.accounts = &cd_any_user;
        snapshot->web.issuer = &snapshot->issuer;
        assert_status(cd_shared_set(f->snapshots, snapshot), CD_OK);
}

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .snapshots = cd_shared_new(free_snapshot) };
        cd_arena_init(&f.arena, 1 << 16);
        f.res.arena = &f.arena;
        assert_status(cd_lockout_new(&(struct cd_lockout_rules){ .account_attempts = 10 }, &cd_random_system,
                                     &f.lockout, NULL),
                      CD_OK);
        publish_new_snapshot(&f);
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_shared_free(f->snapshots);
        cd_lockout_free(f->lockout);
        cd_arena_done(&f->arena);
        return 0;
}

/* Asks with a wrong secret, which is enough to be known by name. */
static void ask(struct fixture *f, cd_http_handler *handler, const char *body)
{
        static const struct cd_http_header form = { CD_STR_INIT("Content-Type"),
                                                    CD_STR_INIT("application/x-www-form-urlencoded") };
        const struct cd_http_request req = {
                .arena = &f->arena,
                .headers = &form,
                .header_count = 1,
                .body = cd_str_from_c(body),
                .log = &f->log,
        };
        struct cd_web_app app = { .snapshots = f->snapshots };

        handler(&app, &req, &f->res);
        assert_int_equal(f->res.status, 401);
}

static void assert_name_outlives_the_snapshot(struct fixture *f)
{
        publish_new_snapshot(f);
        assert_non_null(cd_shared_get(f->snapshots)); /* as the pool's thread does for its next request */
        assert_str(f->log.client_id, "app-a");
}

static void a_revocation_is_logged_when_its_snapshot_is_gone(void **state)
{
        struct fixture *f = *state;

        ask(f, cd_web_oauth_revoke, "client_id=app-a&client_secret=wrong&token=t");
        assert_name_outlives_the_snapshot(f);
}

static void a_token_request_is_logged_when_its_snapshot_is_gone(void **state)
{
        struct fixture *f = *state;

        ask(f, cd_web_oauth_token, "client_id=app-a&client_secret=wrong&grant_type=password&username=u&password=p");
        assert_name_outlives_the_snapshot(f);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_revocation_is_logged_when_its_snapshot_is_gone),
                TEST(a_token_request_is_logged_when_its_snapshot_is_gone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
