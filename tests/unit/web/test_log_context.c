/* What a handler leaves for the line in the log is read behind it, when its picture may be gone. */
#include <stdlib.h>

#include "crypto/random.h"
#include "support/check.h"
#include "web/web.h"

struct picture {
        struct cd_web web; /* first, as the handlers want it */
        struct cd_core core;
        struct cd_clients *clients;
};

struct fixture {
        struct cd_shared *pictures;
        struct cd_arena arena;
        struct cd_http_log_context log;
        struct cd_http_response res;
};

static void free_picture(void *arg)
{
        struct picture *picture = arg;

        cd_clients_free(picture->clients);
        free(picture);
}

static void show_new_picture(struct fixture *f)
{
        const struct cd_client_spec spec = { .id = CD_STR("app-a"), .secret = CD_STR("secret-a") };
        struct picture *picture = calloc(1, sizeof(*picture));

        assert_non_null(picture);
        assert_status(cd_clients_new(&spec, 1, CD_STR(""), &cd_random_system, &picture->clients, NULL), CD_OK);
        picture->core.clients = picture->clients;
        picture->web.core = &picture->core;
        assert_status(cd_shared_set(f->pictures, picture), CD_OK);
}

static int set_up(void **state)
{
        static struct fixture f;

        f = (struct fixture){ .pictures = cd_shared_new(free_picture) };
        cd_arena_init(&f.arena, 1 << 16);
        f.res.arena = &f.arena;
        show_new_picture(&f);
        *state = &f;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        cd_shared_free(f->pictures);
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
        struct cd_web_app app = { .pictures = f->pictures };

        handler(&app, &req, &f->res);
        assert_int_equal(f->res.status, 401);
}

static void assert_name_outlives_the_picture(struct fixture *f)
{
        show_new_picture(f);
        assert_non_null(cd_shared_get(f->pictures)); /* as the pool's thread does for its next request */
        assert_str(f->log.client_id, "app-a");
}

static void a_revocation_is_logged_when_its_picture_is_gone(void **state)
{
        struct fixture *f = *state;

        ask(f, cd_web_oauth_revoke, "client_id=app-a&client_secret=wrong&token=t");
        assert_name_outlives_the_picture(f);
}

static void a_token_request_is_logged_when_its_picture_is_gone(void **state)
{
        struct fixture *f = *state;

        ask(f, cd_web_oauth_token, "client_id=app-a&client_secret=wrong&grant_type=password&username=u&password=p");
        assert_name_outlives_the_picture(f);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(a_revocation_is_logged_when_its_picture_is_gone),
                TEST(a_token_request_is_logged_when_its_picture_is_gone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
