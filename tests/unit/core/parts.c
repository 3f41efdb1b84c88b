#include "unit/core/parts.h"

static cd_time test_now(const struct cd_clock *clock)
{
        return ((const struct test_clock *)clock)->now;
}

static int64_t test_uptime(const struct cd_clock *clock)
{
        return ((const struct test_clock *)clock)->uptime;
}

static cd_status test_fill(const struct cd_random *random, void *to, size_t size)
{
        struct test_random *r = (struct test_random *)random;

        if (r->fails)
                return CD_UNAVAILABLE;
        for (size_t i = 0; i < size; i++)
                ((unsigned char *)to)[i] = r->next++;
        return CD_OK;
}

static const cd_str scopes[] = { CD_STR_INIT("read"), CD_STR_INIT("write"), CD_STR_INIT("admin") };
static const cd_str api[] = { CD_STR_INIT("https://api.example") };

static const struct cd_client_spec specs[] = {
        { .id = CD_STR_INIT("app-a"),
          .secret = CD_STR_INIT("secret-a"),
          .grants = CD_GRANT_CLIENT_CREDENTIALS | CD_GRANT_PASSWORD,
          .scopes = { scopes, 2 },
          .audience = CD_STR_INIT("https://api.example") },
        { .id = CD_STR_INIT("app-b"),
          .secret = CD_STR_INIT("secret-b"),
          .grants = CD_GRANT_CLIENT_CREDENTIALS,
          .scopes = { scopes, 1 },
          .audience = CD_STR_INIT("https://other.example") },
        { .id = CD_STR_INIT("api"), .secret = CD_STR_INIT("secret-api"), .introspect = { api, 1 } },
};

struct test_clock test_clock(void)
{
        return (struct test_clock){ { test_now, test_uptime }, NOON, 0 };
}

struct test_random test_random(void)
{
        return (struct test_random){ .port = { test_fill } };
}

struct cd_clients *test_clients(const struct cd_random *random)
{
        struct cd_clients *clients;

        assert_status(cd_clients_new(specs, CD_LEN(specs), CD_STR(""), random, &clients, NULL), CD_OK);
        return clients;
}

struct cd_strs test_scopes(void)
{
        return (struct cd_strs){ scopes, CD_LEN(scopes) };
}

struct cd_lockout *test_lockout(const struct cd_random *random)
{
        const struct cd_lockout_rules rules = { .account_attempts = TEST_ATTEMPTS,
                                                .address_attempts = 100,
                                                .delay = TEST_DELAY,
                                                .max_delay = TEST_MAX_DELAY };
        struct cd_lockout *lockout;

        assert_status(cd_lockout_new(&rules, random, &lockout, NULL), CD_OK);
        return lockout;
}
