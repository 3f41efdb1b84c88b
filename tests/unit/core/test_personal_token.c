#include "core/personal_token.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "unit/core/factor_fixture.h"

struct fixture {
        struct factor_fixture *f;
        struct cd_revoked *revoked;
        struct cd_store_state state;
        struct cd_session_lookup lookup;
        struct cd_session session;
        struct cd_personal_token token;
        struct cd_personal_token_text text;
        struct cd_live_token found;
};

static int64_t uptime(const struct cd_clock *clock)
{
        (void)clock;
        return 1000;
}

static struct cd_personal_token_params params_of(struct fixture *t)
{
        return (struct cd_personal_token_params){
                .session = &t->session,
                .name = CD_STR("backup of the wiki"),
                .days = 30,
                .hosts = CD_STR("wiki.example.com *.lab.example.com"),
                .paths = CD_STR("/api/ /status"),
                .methods = CD_STR("GET HEAD"),
                .networks = CD_STR("10.0.0.0/8 2001:db8::/32"),
                .address = CD_STR("192.0.2.1"),
        };
}

static cd_status create(struct fixture *t, const struct cd_personal_token_params *params)
{
        return cd_personal_token_create(&t->f->sessions, &t->f->arena, params, &t->token, &t->text, &t->f->err);
}

static int set_up(void **state)
{
        static struct fixture t;
        const struct cd_strs groups = { (const cd_str[]){ CD_STR("staff") }, 1 };
        const struct cd_user_change change = {
                .name = CD_STR("ana"), .now = FACTOR_NOON, .display_name = CD_STR("Ana"), .groups = &groups
        };
        void *fixture;

        assert_int_equal(factor_set_up(&fixture), 0);
        t = (struct fixture){ .f = fixture, .revoked = cd_revoked_new(100) };
        t.f->clock.uptime = uptime;
        const struct cd_session_cache_options options = { 1000, 1 << 20, &t.f->clock, t.revoked };
        t.f->sessions.cache = cd_session_cache_new(&options);
        assert_non_null(t.f->sessions.cache);
        cd_session_cache_fed(t.f->sessions.cache, 1000);
        t.lookup = (struct cd_session_lookup){ &t.f->sessions, &t.state };
        assert_status(t.f->store->users->update(t.f->store, &change, NULL, &t.f->err), CD_OK);
        t.session = (struct cd_session){ .user = CD_STR("ana"),
                                         .generation = factor_find(t.f, "ana").generation,
                                         .factors = CD_FACTOR_PASSWORD | CD_FACTOR_TOTP };
        const struct cd_personal_token_params params = params_of(&t);
        assert_status(create(&t, &params), CD_OK);
        *state = &t;
        return 0;
}

static int tear_down(void **state)
{
        struct fixture *t = *state;
        void *fixture = t->f;

        cd_session_cache_free(t->f->sessions.cache);
        cd_revoked_free(t->revoked);
        return factor_tear_down(&fixture);
}

static cd_str text_of(const struct fixture *t)
{
        return cd_str_of(t->text.text, sizeof(t->text.text));
}

static cd_status in_cache(struct fixture *t)
{
        t->found = (struct cd_live_token){ 0 };
        return cd_personal_token_look_in_cache(&t->lookup, &t->f->arena, text_of(t), t->f->now, &t->found, &t->f->err);
}

static cd_status look_up(struct fixture *t)
{
        t->found = (struct cd_live_token){ 0 };
        return cd_personal_token_look_up(&t->lookup, &t->f->arena, text_of(t), CD_STR("10.0.0.7"), &t->found,
                                         &t->f->err);
}

static struct cd_personal_token stored(struct fixture *t)
{
        struct cd_personal_tokens_list list;

        assert_status(cd_personal_token_list(&t->f->sessions, &t->f->arena, CD_STR("ana"), &list, &t->f->err), CD_OK);
        assert_int_equal(list.count, 1);
        return list.items[0];
}

/* As the store watcher does. */
static void learn_revocations(struct fixture *t)
{
        struct cd_revocation_list list;

        assert_status(t->f->store->revocations->list(t->f->store, &t->f->arena, 0, 100, &list, &t->f->err), CD_OK);
        for (size_t i = 0; i < list.count; i++)
                assert_status(cd_revoked_add(t->revoked, &list.items[i]), CD_OK);
}

static void a_token_begins_with_its_prefix_and_has_256_random_bits(void **state)
{
        struct fixture *t = *state;
        struct cd_personal_token_text first = t->text;
        const struct cd_personal_token_params params = params_of(t);
        char bytes[64];
        size_t size;

        assert_true(cd_personal_token_is_ours(text_of(t)));
        assert_memory_equal(t->text.text, "cdp_", 4);
        assert_status(cd_base64url_decode(cd_str_slice(text_of(t), 4, 64), bytes, &size), CD_OK);
        assert_int_equal(size, 48);
        assert_status(create(t, &params), CD_OK);
        assert_memory_not_equal(first.text + 4, t->text.text + 4, 42);
        assert_int_equal(t->token.id.len, CD_PERSONAL_TOKEN_ID_SIZE);
        assert_false(cd_personal_token_is_ours(CD_STR("cdp")));
        assert_false(cd_personal_token_is_ours(CD_STR("CDP_x")));
}

/* LESSONS 28: a reader of the store cannot make a token. */
static void the_store_has_nothing_of_the_token_but_a_hash(void **state)
{
        struct fixture *t = *state;
        struct cd_personal_token token = stored(t);
        char bytes[64], text[64];
        size_t size;

        assert_status(cd_base64url_decode(cd_str_slice(text_of(t), 4, 64), bytes, &size), CD_OK);
        cd_base64url_encode(text, cd_str_of(bytes, 32));
        assert_int_equal(token.digest.len, 43);
        assert_memory_not_equal(token.digest.ptr, text, 43);
        assert_memory_not_equal(token.id.ptr, t->text.text + 4, 8);
}

static void a_token_has_the_factors_of_its_session_and_the_time_it_was_made(void **state)
{
        struct fixture *t = *state;

        assert_status(in_cache(t), CD_NOT_FOUND);
        t->f->now += 10;
        assert_status(look_up(t), CD_OK);
        assert_status(in_cache(t), CD_OK);
        assert_str(t->found.owner.user, "ana");
        assert_str(t->found.owner.groups, "staff");
        assert_str(t->found.owner.display_name, "Ana");
        assert_int_equal(t->found.owner.factors, 2);
        assert_int_equal(t->found.owner.auth_time, FACTOR_NOON);
        assert_int_equal(t->found.owner.expires_at, FACTOR_NOON + 30 * 24 * 3600);
        assert_true(cd_str_eq(t->found.id, t->token.id));
        assert_int_equal(t->found.hosts.count, 2);
        assert_str(t->found.hosts.items[1], "*.lab.example.com");
        assert_int_equal(t->found.paths.count, 2);
        assert_str(t->found.paths.items[0], "/api/");
        assert_int_equal(t->found.methods.count, 2);
        assert_str(t->found.methods.items[1], "HEAD");
        assert_int_equal(t->found.network_count, 2);
}

static cd_status never_asked(struct cd_store *store, struct cd_arena *arena, cd_str digest,
                             struct cd_personal_token *ret, struct cd_error *reterr)
{
        (void)store, (void)arena, (void)digest, (void)ret, (void)reterr;
        fail_msg("the store was asked");
        return CD_INTERNAL;
}

static void garbage_costs_no_lookup(void **state)
{
        struct fixture *t = *state;
        const struct cd_personal_token_ops *real = t->f->store->personal_tokens;
        struct cd_personal_token_ops ops = *real;
        struct cd_personal_token_text right = t->text;

        ops.find = never_asked;
        t->f->store->personal_tokens = &ops;
        for (size_t i = 0; i < sizeof(right.text); i++) {
                t->text = right;
                t->text.text[i] = t->text.text[i] == 'A' ? 'B' : 'A';
                assert_status(in_cache(t), CD_INVALID_TOKEN);
                assert_status(look_up(t), CD_INVALID_TOKEN);
        }
        for (size_t size = 0; size < sizeof(right.text); size++)
                assert_status(cd_personal_token_look_up(&t->lookup, &t->f->arena, cd_str_of(right.text, size),
                                                        CD_STR(""), &t->found, &t->f->err),
                              CD_INVALID_TOKEN);
        t->f->store->personal_tokens = real;
}

/* LESSONS 11: what is one kind of credential is no other. */
static void a_token_is_no_cookie_and_a_cookie_no_token(void **state)
{
        struct fixture *t = *state;
        const struct cd_session_params params = { .user = CD_STR("ana"),
                                                  .generation = t->session.generation,
                                                  .factors = CD_FACTOR_PASSWORD,
                                                  .idle_lifetime = 600,
                                                  .lifetime = 600 };
        struct cd_live_session live;
        struct cd_cookie_token cookie;
        struct cd_session session;

        assert_status(look_up(t), CD_OK);
        assert_status(cd_session_look_in_cache(&t->lookup, &t->f->arena, cd_str_slice(text_of(t), 4, 64), t->f->now,
                                               &live, &t->f->err),
                      CD_INVALID_TOKEN);
        assert_status(cd_session_start(&t->f->sessions, &t->f->arena, &params, &session, &cookie, &t->f->err), CD_OK);
        memcpy(t->text.text + 4, cookie.text, sizeof(cookie.text));
        assert_status(look_up(t), CD_INVALID_TOKEN);
}

static void lesson_12_a_revoked_token_ends_at_once_here(void **state)
{
        struct fixture *t = *state;

        assert_status(look_up(t), CD_OK);
        assert_status(
                cd_personal_token_revoke(&t->f->sessions, &t->f->arena, &t->token, CD_STR("192.0.2.1"), &t->f->err),
                CD_OK);
        struct cd_audit_event event = factor_last_event(t->f);
        assert_str(event.action, "token.revoke");
        assert_str(event.actor, "user:ana");
        assert_true(cd_str_eq(event.detail, t->token.id));
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_INVALID_TOKEN);
        assert_status(
                cd_personal_token_revoke(&t->f->sessions, &t->f->arena, &t->token, CD_STR("192.0.2.1"), &t->f->err),
                CD_NOT_FOUND);
}

static void change(struct fixture *t, struct cd_user_change change)
{
        change.name = CD_STR("ana");
        change.now = FACTOR_NOON;
        assert_status(t->f->store->users->update(t->f->store, &change, NULL, &t->f->err), CD_OK);
        learn_revocations(t);
}

static void lesson_12_what_ends_all_sessions_ends_the_tokens(void **state)
{
        struct fixture *t = *state;

        assert_status(look_up(t), CD_OK);
        change(t, (struct cd_user_change){ .ends_sessions = true });
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_INVALID_TOKEN);
}

static void lesson_12_a_disabled_user_has_no_tokens(void **state)
{
        struct fixture *t = *state;

        assert_status(look_up(t), CD_OK);
        change(t, (struct cd_user_change){ .disabled = CD_USER_DISABLE });
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_INVALID_TOKEN);
        change(t, (struct cd_user_change){ .disabled = CD_USER_ENABLE });
        assert_status(look_up(t), CD_INVALID_TOKEN);
}

static void lesson_12_other_groups_hold_for_a_token_at_once(void **state)
{
        struct fixture *t = *state;
        const struct cd_strs groups = { (const cd_str[]){ CD_STR("guests") }, 1 };

        assert_status(look_up(t), CD_OK);
        change(t, (struct cd_user_change){ .groups = &groups });
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_OK);
        assert_str(t->found.owner.groups, "guests");
        assert_status(in_cache(t), CD_OK);
}

/* Between the reading of the token and that of its user, another node changes the user. */
static struct fixture *racing;
static const struct cd_user_ops *real_users;
static struct cd_user_change racing_change;
static int races;

static cd_status find_after_change(struct cd_store *store, struct cd_arena *arena, cd_str name, struct cd_user *ret,
                                   struct cd_error *reterr)
{
        if (races-- > 0)
                assert_status(real_users->update(store, &racing_change, NULL, reterr), CD_OK);
        return real_users->find(store, arena, name, ret, reterr);
}

static cd_status look_up_while(struct fixture *t, struct cd_user_change change)
{
        struct cd_user_ops ops;

        racing = t;
        races = 1;
        racing_change = change;
        racing_change.name = CD_STR("ana");
        racing_change.now = FACTOR_NOON;
        real_users = t->f->store->users;
        ops = *real_users;
        ops.find = find_after_change;
        t->f->store->users = &ops;
        cd_status status = look_up(t);
        t->f->store->users = real_users;
        return status;
}

static void lesson_12_a_token_that_ends_while_it_is_read_does_not_stay_in_the_cache(void **state)
{
        struct fixture *t = *state;

        assert_status(look_up_while(t, (struct cd_user_change){ .ends_sessions = true }), CD_INVALID_TOKEN);
        learn_revocations(t);
        assert_status(in_cache(t), CD_NOT_FOUND);
}

static void a_token_whose_users_groups_change_while_it_is_read_continues(void **state)
{
        struct fixture *t = *state;
        const struct cd_strs groups = { (const cd_str[]){ CD_STR("guests") }, 1 };

        assert_status(look_up_while(t, (struct cd_user_change){ .groups = &groups }), CD_OK);
        assert_str(t->found.owner.groups, "guests");
        learn_revocations(t);
        assert_status(in_cache(t), CD_OK);
}

static void a_token_expires(void **state)
{
        struct fixture *t = *state;

        t->f->now = FACTOR_NOON + 30 * 24 * 3600 - 1;
        assert_status(look_up(t), CD_OK);
        assert_status(in_cache(t), CD_OK);
        t->f->now += 1;
        assert_status(in_cache(t), CD_NOT_FOUND);
        assert_status(look_up(t), CD_INVALID_TOKEN);
}

static void the_last_use_is_noted_every_five_minutes_and_with_another_address(void **state)
{
        struct fixture *t = *state;

        assert_int_equal(stored(t).used_at, 0);
        assert_status(look_up(t), CD_OK);
        assert_int_equal(stored(t).used_at, FACTOR_NOON);
        assert_str(stored(t).address, "10.0.0.7");
        t->f->now += 299;
        assert_status(look_up(t), CD_OK);
        assert_int_equal(stored(t).used_at, FACTOR_NOON);
        t->f->now += 1;
        cd_session_cache_clear(t->f->sessions.cache); /* otherwise it is not read again for a minute */
        assert_status(look_up(t), CD_OK);
        assert_int_equal(stored(t).used_at, FACTOR_NOON + 300);
        t->f->now += 1;
        cd_session_cache_clear(t->f->sessions.cache);
        assert_status(cd_personal_token_look_up(&t->lookup, &t->f->arena, text_of(t), CD_STR("10.0.0.8"), &t->found,
                                                &t->f->err),
                      CD_OK);
        assert_str(stored(t).address, "10.0.0.8");
        t->f->now += 300;
        assert_status(
                cd_personal_token_look_up(&t->lookup, &t->f->arena, text_of(t), CD_STR(""), &t->found, &t->f->err),
                CD_OK);
        assert_str(stored(t).address, "10.0.0.8");
        assert_int_equal(stored(t).used_at, FACTOR_NOON + 601);
}

static cd_status silent(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_personal_token *ret,
                        struct cd_error *reterr)
{
        (void)store, (void)arena, (void)digest, (void)ret;
        return cd_fail(reterr, CD_TIMEOUT, "the store does not answer");
}

static void a_cached_token_continues_without_the_store(void **state)
{
        struct fixture *t = *state;
        const struct cd_personal_token_ops *real = t->f->store->personal_tokens;
        struct cd_personal_token_ops ops = *real;

        ops.find = silent;
        t->f->store->personal_tokens = &ops;
        assert_status(look_up(t), CD_TIMEOUT);
        t->f->store->personal_tokens = real;
        assert_status(look_up(t), CD_OK);
        t->f->store->personal_tokens = &ops;
        assert_status(look_up(t), CD_OK);
        assert_int_equal(t->found.network_count, 2);
        t->f->store->personal_tokens = real;
}

static void memory_that_runs_out_while_a_token_is_looked_up_is_reported(void **state)
{
        struct fixture *t = *state;
        bool was_found = false;

        for (size_t ceiling = 0; ceiling < 16384 && !was_found; ceiling += 64) {
                struct cd_arena arena;
                cd_arena_init(&arena, ceiling);
                cd_status status =
                        cd_personal_token_look_up(&t->lookup, &arena, text_of(t), CD_STR(""), &t->found, &t->f->err);
                assert_true(status == CD_OK || status == CD_NO_MEMORY);
                was_found = status == CD_OK;
                cd_arena_done(&arena);
        }
        assert_true(was_found);
}

/* ---- covers ---- */

struct sample {
        const char *host, *path, *method, *address;
        bool covered;
};

static bool covers(const struct cd_live_token *token, const struct sample *s)
{
        struct cd_address address;
        struct cd_access_request request = { .host = cd_str_from_c(s->host), .method = cd_str_from_c(s->method) };

        if (s->path)
                request.path = cd_str_from_c(s->path);
        if (s->address && cd_address_parse(cd_str_from_c(s->address), &address))
                request.address = &address;
        return cd_live_token_covers(token, &request);
}

static void a_token_covers_what_every_limit_of_it_covers(void **state)
{
        static const struct sample samples[] = {
                { "wiki.example.com", "/api/x", "GET", "10.1.2.3", true },
                { "wiki.example.com", "/api/", "HEAD", "2001:db8::1", true },
                { "wiki.example.com", "/status", "GET", "10.1.2.3", true },
                { "a.lab.example.com", "/status", "GET", "10.1.2.3", true },
                { "a.b.lab.example.com", "/status", "GET", "10.1.2.3", true },
                { "lab.example.com", "/status", "GET", "10.1.2.3", false },
                { "evillab.example.com", "/status", "GET", "10.1.2.3", false },
                { ".lab.example.com", "/status", "GET", "10.1.2.3", false },
                { "x.wiki.example.com", "/status", "GET", "10.1.2.3", false },
                { "", "/status", "GET", "10.1.2.3", false },
                { "wiki.example.com", "/api", "GET", "10.1.2.3", false },
                { "wiki.example.com", "/status/", "GET", "10.1.2.3", false },
                { "wiki.example.com", "/statusx", "GET", "10.1.2.3", false },
                { "wiki.example.com", "", "GET", "10.1.2.3", false },
                { "wiki.example.com", NULL, "GET", "10.1.2.3", false },
                { "wiki.example.com", "/status", "get", "10.1.2.3", false },
                { "wiki.example.com", "/status", "POST", "10.1.2.3", false },
                { "wiki.example.com", "/status", "", "10.1.2.3", false },
                { "wiki.example.com", "/status", "GET", "11.1.2.3", false },
                { "wiki.example.com", "/status", "GET", "2001:db9::1", false },
                { "wiki.example.com", "/status", "GET", NULL, false },
        };
        static const struct sample unknown = { "", NULL, "", NULL, true };
        struct fixture *t = *state;
        const struct cd_live_token any = { 0 };

        assert_status(look_up(t), CD_OK);
        for (size_t i = 0; i < CD_LEN(samples); i++) {
                if (covers(&t->found, &samples[i]) != samples[i].covered)
                        fail_msg("sample %zu: %s %s", i, samples[i].host, samples[i].path ? samples[i].path : "-");
                assert_true(covers(&any, &samples[i]));
        }
        assert_true(covers(&any, &unknown));
}

/* ---- making ---- */

static void refused(struct fixture *t, const struct cd_personal_token_params *params, const char *field)
{
        assert_status(create(t, params), CD_INVALID_REQUEST);
        assert_string_equal(t->f->err.field, field);
}

static void limits_are_made_canonical(void **state)
{
        struct fixture *t = *state;
        struct cd_personal_token_params params = params_of(t);

        params.hosts = CD_STR(" Wiki.Example.com,\r\n*.Lab.example.com\t[2001:db8::1] 192.0.2.1 ,");
        params.paths = CD_STR("");
        params.methods = CD_STR("get,Post M-SEARCH");
        params.networks = CD_STR("192.0.2.7");
        assert_status(create(t, &params), CD_OK);
        assert_int_equal(t->token.hosts.count, 4);
        assert_str(t->token.hosts.items[0], "wiki.example.com");
        assert_str(t->token.hosts.items[1], "*.lab.example.com");
        assert_str(t->token.hosts.items[2], "[2001:db8::1]");
        assert_int_equal(t->token.paths.count, 0);
        assert_int_equal(t->token.methods.count, 3);
        assert_str(t->token.methods.items[0], "GET");
        assert_str(t->token.methods.items[1], "POST");
        assert_str(t->token.networks.items[0], "192.0.2.7");
        assert_status(look_up(t), CD_OK);
        assert_int_equal(t->found.hosts.count, 4);
        assert_int_equal(t->found.paths.count, 0);
        assert_int_equal(t->found.network_count, 1);
}

static void what_is_no_limit_is_refused_with_its_field(void **state)
{
        static const struct {
                const char *field, *text;
        } samples[] = {
                { "hosts", "https://wiki.example.com" },
                { "hosts", " " },
                { "paths", "," },
                { "methods", ", ,\r\n" },
                { "networks", "\t" },
                { "hosts", "wiki.example.com:8443" },
                { "hosts", "wiki.example.com/x" },
                { "hosts", "*" },
                { "hosts", "*." },
                { "hosts", "a.*.com" },
                { "hosts", "**.example.com" },
                { "hosts", "*.192.0.2.1" },
                { "hosts", "*.[2001:db8::1]" },
                { "hosts", "wiki.example.com." },
                { "hosts", "w\xc3\xafki.example.com" },
                { "paths", "api" },
                { "paths", "/a/../b" },
                { "paths", "/a//b" },
                { "paths", "/a%2fb" },
                { "paths", "/api/*" },
                { "paths", "/a?b=c" },
                { "paths", "/\xc3\xaf" },
                { "methods", "GET/POST" },
                { "methods", "G\xc3\x89T" },
                { "methods", "GET2" },
                { "networks", "10.0.0.1/8" },
                { "networks", "10.0.0.0/33" },
                { "networks", "localhost" },
        };
        struct fixture *t = *state;

        for (size_t i = 0; i < CD_LEN(samples); i++) {
                struct cd_personal_token_params params = params_of(t);
                cd_str text = cd_str_from_c(samples[i].text);
                *(samples[i].field[0] == 'h'   ? &params.hosts
                  : samples[i].field[0] == 'p' ? &params.paths
                  : samples[i].field[0] == 'm' ? &params.methods
                                               : &params.networks) = text;
                if (create(t, &params) != CD_INVALID_REQUEST)
                        fail_msg("\"%s\" was taken for one of the %s", samples[i].text, samples[i].field);
                assert_string_equal(t->f->err.field, samples[i].field);
        }
}

static void a_limit_has_16_entries_and_not_17_and_512_bytes_and_not_513(void **state)
{
        struct fixture *t = *state;
        struct cd_personal_token_params params = params_of(t);
        char text[CD_PERSONAL_TOKEN_LIMIT_MAX + 1];

        params.methods = CD_STR("A B C D E F G H I J K L M N O P");
        assert_status(create(t, &params), CD_OK);
        params.methods = CD_STR("A B C D E F G H I J K L M N O P Q");
        refused(t, &params, "methods");
        params = params_of(t);
        memset(text, 'a', sizeof(text));
        text[0] = '/';
        params.paths = cd_str_of(text, CD_PERSONAL_TOKEN_LIMIT_MAX);
        params.hosts = params.methods = params.networks = CD_STR("");
        assert_status(create(t, &params), CD_OK);
        assert_status(look_up(t), CD_OK);
        assert_int_equal(t->found.paths.items[0].len, CD_PERSONAL_TOKEN_LIMIT_MAX);
        params.paths = cd_str_of(text, CD_PERSONAL_TOKEN_LIMIT_MAX + 1);
        refused(t, &params, "paths");
}

/* The longest that the cache must hold. */
static void every_limit_can_be_as_long_as_it_may(void **state)
{
        struct fixture *t = *state;
        struct cd_personal_token_params params = params_of(t);
        struct cd_buf hosts, paths, methods, networks;

        cd_buf_init(&hosts, &t->f->arena, 4096);
        cd_buf_init(&paths, &t->f->arena, 4096);
        cd_buf_init(&methods, &t->f->arena, 4096);
        cd_buf_init(&networks, &t->f->arena, 4096);
        for (int i = 0; i < CD_PERSONAL_TOKEN_ITEMS_MAX; i++) { /* 512 bytes of each, but for a space */
                const char *space = i ? " " : "";
                cd_buf_printf(&hosts, "%s%c%030d", space, 'a' + i, i);
                cd_buf_printf(&paths, "%s/%030d", space, i);
                cd_buf_printf(&methods, "%s%cABCDEFGHIJKLMNOPQRSTUVWXYZABCD", space, 'A' + i);
                cd_buf_printf(&networks, "%s2001:db8:1111:222:3:4:5:%x/128", space, i + 16);
        }
        assert_status(cd_buf_view(&hosts, &params.hosts), CD_OK);
        assert_status(cd_buf_view(&paths, &params.paths), CD_OK);
        assert_status(cd_buf_view(&methods, &params.methods), CD_OK);
        assert_status(cd_buf_view(&networks, &params.networks), CD_OK);
        assert_status(create(t, &params), CD_OK);
        assert_status(look_up(t), CD_OK);
        assert_status(in_cache(t), CD_OK);
        assert_int_equal(t->found.hosts.count, CD_PERSONAL_TOKEN_ITEMS_MAX);
        assert_int_equal(t->found.network_count, CD_PERSONAL_TOKEN_ITEMS_MAX);
}

static void a_token_lasts_1_to_365_days(void **state)
{
        struct fixture *t = *state;
        struct cd_personal_token_params params = params_of(t);

        params.days = 0;
        refused(t, &params, "days");
        params.days = -1;
        refused(t, &params, "days");
        params.days = 366;
        refused(t, &params, "days");
        params.days = INT64_MAX;
        refused(t, &params, "days");
        params.days = 365;
        assert_status(create(t, &params), CD_OK);
        assert_int_equal(t->token.expires_at, FACTOR_NOON + 365 * 24 * 3600);
        params.days = 1;
        assert_status(create(t, &params), CD_OK);
}

static void a_name_has_1_to_64_bytes_of_text(void **state)
{
        struct fixture *t = *state;
        struct cd_personal_token_params params = params_of(t);
        char name[CD_PERSONAL_TOKEN_NAME_MAX + 1];

        memset(name, 'n', sizeof(name));
        params.name = cd_str_of(name, CD_PERSONAL_TOKEN_NAME_MAX);
        assert_status(create(t, &params), CD_OK);
        params.name = cd_str_of(name, CD_PERSONAL_TOKEN_NAME_MAX + 1);
        refused(t, &params, "name");
        params.name = CD_STR("");
        refused(t, &params, "name");
        params.name = CD_STR("two\nlines");
        refused(t, &params, "name");
        params.name = CD_STR("\xff");
        refused(t, &params, "name");
}

static void a_user_has_30_tokens_and_not_31(void **state)
{
        struct fixture *t = *state;
        const struct cd_personal_token_params params = params_of(t);

        for (int i = 1; i < CD_PERSONAL_TOKENS_MAX; i++)
                assert_status(create(t, &params), CD_OK);
        struct cd_personal_token last = t->token;
        assert_status(create(t, &params), CD_TOO_LARGE);
        assert_status(cd_personal_token_revoke(&t->f->sessions, &t->f->arena, &last, CD_STR(""), &t->f->err), CD_OK);
        assert_status(create(t, &params), CD_OK);
}

/* LESSONS 31 */
static void without_randomness_or_a_clock_no_token_is_made(void **state)
{
        struct fixture *t = *state;
        const struct cd_personal_token_params params = params_of(t);

        t->f->random_fails = true;
        assert_status(create(t, &params), CD_UNAVAILABLE);
        t->f->random_fails = false;
        t->f->now = -1;
        assert_status(create(t, &params), CD_UNAVAILABLE);
        assert_status(look_up(t), CD_UNAVAILABLE);
        t->f->now = FACTOR_NOON;
        (void)stored(t); /* the one of the fixture, and no other */
}

static void a_session_that_has_ended_makes_no_token(void **state)
{
        struct fixture *t = *state;
        const struct cd_personal_token_params params = params_of(t);

        change(t, (struct cd_user_change){ .ends_sessions = true });
        assert_status(create(t, &params), CD_NOT_FOUND);
}

static void the_audit_names_the_user_and_the_id_but_not_what_was_typed(void **state)
{
        struct fixture *t = *state;
        struct cd_audit_event event = factor_last_event(t->f);

        assert_str(event.action, "token.create");
        assert_str(event.actor, "user:ana");
        assert_str(event.subject, "user:ana");
        assert_str(event.address, "192.0.2.1");
        assert_true(cd_str_eq(event.detail, t->token.id));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_token_begins_with_its_prefix_and_has_256_random_bits),
                TEST(the_store_has_nothing_of_the_token_but_a_hash),
                TEST(a_token_has_the_factors_of_its_session_and_the_time_it_was_made),
                TEST(garbage_costs_no_lookup),
                TEST(a_token_is_no_cookie_and_a_cookie_no_token),
                TEST(lesson_12_a_revoked_token_ends_at_once_here),
                TEST(lesson_12_what_ends_all_sessions_ends_the_tokens),
                TEST(lesson_12_a_disabled_user_has_no_tokens),
                TEST(lesson_12_other_groups_hold_for_a_token_at_once),
                TEST(lesson_12_a_token_that_ends_while_it_is_read_does_not_stay_in_the_cache),
                TEST(a_token_whose_users_groups_change_while_it_is_read_continues),
                TEST(a_token_expires),
                TEST(the_last_use_is_noted_every_five_minutes_and_with_another_address),
                TEST(a_cached_token_continues_without_the_store),
                TEST(memory_that_runs_out_while_a_token_is_looked_up_is_reported),
                TEST(a_token_covers_what_every_limit_of_it_covers),
                TEST(limits_are_made_canonical),
                TEST(what_is_no_limit_is_refused_with_its_field),
                TEST(a_limit_has_16_entries_and_not_17_and_512_bytes_and_not_513),
                TEST(every_limit_can_be_as_long_as_it_may),
                TEST(a_token_lasts_1_to_365_days),
                TEST(a_name_has_1_to_64_bytes_of_text),
                TEST(a_user_has_30_tokens_and_not_31),
                TEST(without_randomness_or_a_clock_no_token_is_made),
                TEST(a_session_that_has_ended_makes_no_token),
                TEST(the_audit_names_the_user_and_the_id_but_not_what_was_typed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
