/* The store in memory where memory is out: LESSONS 31. Every allocation of every call, SQLite's included, is made to
 * fail, one after the other. SQLite can do without some; where the call fails, it says why and has changed nothing
 * (core/ports.h), and the same call succeeds once there is memory again. */
#include "support/memory_store.h"
#include "support/no_memory.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sqlite3_mem_methods sqlite_memory;

static void *sqlite_malloc(int size)
{
        return is_due() ? NULL : sqlite_memory.xMalloc(size);
}

static void *sqlite_realloc(void *block, int size)
{
        return is_due() ? NULL : sqlite_memory.xRealloc(block, size);
}

/* Before SQLite is used for the first time. */
static void make_sqlite_fail(void)
{
        sqlite3_mem_methods failing;

        assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory), SQLITE_OK);
        failing = sqlite_memory;
        failing.xMalloc = sqlite_malloc;
        failing.xRealloc = sqlite_realloc;
        assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK);
}

/* ---- copies of one database ---- */

int __real_sqlite3_open_v2(const char *path, sqlite3 **ret, int flags, const char *vfs);
int __wrap_sqlite3_open_v2(const char *path, sqlite3 **ret, int flags, const char *vfs);

static sqlite3 *opened; /* the last one */
static unsigned char *image;
static sqlite3_int64 image_size; /* 0: there is no image yet */

/* A new database is a copy of the image: to run the migrations again for each of thousands of stores would take most of
 * the test's time. */
int __wrap_sqlite3_open_v2(const char *path, sqlite3 **ret, int flags, const char *vfs)
{
        int code = __real_sqlite3_open_v2(path, ret, flags, vfs);

        opened = *ret;
        if (code != SQLITE_OK || !image_size)
                return code;
        unsigned char *copy = sqlite3_malloc64((sqlite3_uint64)image_size);
        assert_non_null(copy);
        memcpy(copy, image, (size_t)image_size);
        return sqlite3_deserialize(*ret, "main", copy, image_size, image_size,
                                   SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
}

/* ---- what is there before each call ---- */

static const struct cd_audit_event event = {
        .at = 1000,
        .action = CD_STR_INIT("test"),
        .actor = CD_STR_INIT("os:ana"),
        .subject = CD_STR_INIT("user:ana"),
        .address = CD_STR_INIT(""),
        .detail = CD_STR_INIT(""),
};

static struct cd_user user_of(const char *name)
{
        return (struct cd_user){ .name = cd_str_from_c(name),
                                 .password = CD_STR("$argon2id$old"),
                                 .claims = CD_STR("{}"),
                                 .created_at = 1 };
}

static cd_status add_users(struct cd_store *store, const char *one, const char *other)
{
        struct cd_user users[] = { user_of(one), user_of(other) };
        const struct cd_users_page page = { users, CD_LEN(users) };

        return store->users->add(store, &page, &event, NULL);
}

static cd_status add_client(struct cd_store *store, const char *id)
{
        static const cd_str scopes[] = { CD_STR_INIT("read"), CD_STR_INIT("write") };
        const struct cd_client_record client = { .id = cd_str_from_c(id),
                                                 .audience = CD_STR("https://api"),
                                                 .scopes = { (cd_str *)scopes, 2 } };

        return store->clients->add(store, &client, &event, NULL);
}

static cd_status add_key(struct cd_store *store, const char *kid, cd_time others_until)
{
        const struct cd_key_addition addition = {
                .key = { .kid = cd_str_from_c(kid),
                         .alg = CD_STR("ES256"),
                         .sealed = CD_STR("sealed"),
                         .public_jwk = CD_STR("{}") },
                .others_until = others_until,
        };

        return store->keys->add(store, &addition, &event, NULL);
}

static cd_status add_revocation(struct cd_store *store, const char *jti)
{
        const struct cd_revocation revocation = { .jti = cd_str_from_c(jti), .user = CD_STR(""), .expires_at = 9000 };

        return store->revocations->add(store, &revocation, NULL);
}

enum {
        FIRST_GENERATION = 2 /* of the first user who is added */
};

static cd_status start_session(struct cd_store *store, const char *digest, const char *replaces)
{
        const cd_str amr[] = { CD_STR("pwd"), CD_STR("otp") };
        const struct cd_session_start start = { .session = { .digest = cd_str_from_c(digest),
                                                             .sid = CD_STR("s1"),
                                                             .user = CD_STR("ana"),
                                                             .amr = { amr, CD_LEN(amr) },
                                                             .device = CD_STR("a browser"),
                                                             .expires_at = 9000,
                                                             .generation = FIRST_GENERATION },
                                                .replaces = cd_str_from_c(replaces) };

        return store->sessions->start(store, &start, NULL, NULL);
}

static cd_status put_totp(struct cd_store *store, const char *sealed, const char *instead)
{
        const struct cd_totp_change change = { .factor = { .user = CD_STR("ana"), .sealed = cd_str_from_c(sealed) },
                                               .if_generation = FIRST_GENERATION,
                                               .if_sealed = { instead, instead ? strlen(instead) : 0 } };

        return store->totp->put(store, &change, &event, NULL);
}

static cd_status add_link(struct cd_store *store, const char *digest, const char *user)
{
        const struct cd_account_link link = { .digest = cd_str_from_c(digest),
                                              .kind = CD_STR("invite"),
                                              .user = cd_str_from_c(user),
                                              .account = CD_STR("{}"),
                                              .expires_at = 9000 };

        return store->links->add(store, &link, &event, NULL);
}

static cd_status add_mail(struct cd_store *store, const char *id)
{
        const struct cd_queued_mail mail = { .id = cd_str_from_c(id),
                                             .recipient = CD_STR("ana@example.com"),
                                             .sealed = CD_STR("x1.mail"),
                                             .expires_at = 9000 };

        return store->mails->add(store, &mail, NULL);
}

static cd_status add_hand_over(struct cd_store *store, const char *digest)
{
        const struct cd_hand_over hand_over = { .digest = cd_str_from_c(digest),
                                                .session = CD_STR("digest-1"),
                                                .host = CD_STR("h"),
                                                .nonce = CD_STR("n"),
                                                .sealed = CD_STR("x1.a"),
                                                .expires_at = 9000 };

        return store->hand_overs->put(store, &hand_over, NULL);
}

static cd_status sessions_find(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_session session;

        return store->sessions->find(store, arena, CD_STR("digest-1"), &session, NULL);
}

static cd_status add_token(struct cd_store *store, const char *id)
{
        static const cd_str hosts[] = { CD_STR_INIT("wiki.example.com") };
        const struct cd_personal_token token = { .digest = cd_str_from_c(id),
                                                 .id = cd_str_from_c(id),
                                                 .user = CD_STR("ana"),
                                                 .name = CD_STR("backup"),
                                                 .hosts = { hosts, 1 },
                                                 .address = CD_STR(""),
                                                 .expires_at = 9000,
                                                 .generation = FIRST_GENERATION };

        return store->personal_tokens->add(store, &token, &event, NULL);
}

static void fill(struct cd_store *store)
{
        struct cd_arena arena;
        cd_str there;

        cd_arena_init(&arena, 1 << 16);
        assert_status(add_users(store, "ana", "bo"), CD_OK);
        assert_status(add_client(store, "app"), CD_OK);
        assert_status(add_key(store, "first", 0), CD_OK);
        assert_status(add_revocation(store, "jti-1"), CD_OK);
        assert_status(start_session(store, "digest-1", ""), CD_OK);
        assert_status(sessions_find(store, &arena), CD_OK);
        assert_status(put_totp(store, "x1.first", NULL), CD_OK);
        assert_status(add_link(store, "link-1", "cy"), CD_OK);
        assert_status(add_mail(store, "mail-1"), CD_OK);
        assert_status(add_token(store, "token-1"), CD_OK);
        assert_status(add_hand_over(store, "code-1"), CD_OK);
        assert_status(store->put_if_absent(store, &arena, CD_STR("master_key"), CD_STR("abc"), &there, NULL), CD_OK);
        cd_arena_done(&arena);
}

static struct cd_store *new_store(void)
{
        struct cd_store *store = new_memory_store();

        if (!image_size) {
                fill(store);
                image = sqlite3_serialize(opened, "main", &image_size, 0);
                assert_non_null(image);
        }
        return store;
}

/* ---- everything that is there, as text ---- */

struct text {
        char bytes[8192];
        size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        text->len += (size_t)vsnprintf(text->bytes + text->len, sizeof(text->bytes) - text->len, format, args);
        va_end(args);
        assert_true(text->len < sizeof(text->bytes));
}

static void show_users(struct cd_store *store, struct cd_arena *arena, struct text *to)
{
        struct cd_users_page users;

        assert_status(store->users->list(store, arena, CD_STR(""), 100, &users, NULL), CD_OK);
        for (size_t i = 0; i < users.count; i++) {
                const struct cd_user *u = &users.items[i];
                add(to, "user %.*s %.*s %.*s %d %lld\n", CD_STR_ARG(u->name), CD_STR_ARG(u->password),
                    CD_STR_ARG(u->claims), u->disabled, (long long)u->changed_at);
        }
}

static void show_clients(struct cd_store *store, struct cd_arena *arena, struct text *to)
{
        struct cd_client_records clients;

        assert_status(store->clients->list(store, arena, &clients, NULL), CD_OK);
        for (size_t i = 0; i < clients.count; i++)
                add(to, "client %.*s %d %zu\n", CD_STR_ARG(clients.items[i].id), clients.items[i].secret[0],
                    clients.items[i].scopes.count);
}

static void show_keys(struct cd_store *store, struct cd_arena *arena, struct text *to)
{
        struct cd_key_records keys;

        assert_status(store->keys->list(store, arena, &keys, NULL), CD_OK);
        for (size_t i = 0; i < keys.count; i++)
                add(to, "key %.*s %lld\n", CD_STR_ARG(keys.items[i].kid), (long long)keys.items[i].verify_until);
}

static void show_factors(struct cd_store *store, struct cd_arena *arena, struct text *to)
{
        static const char *const users[] = { "ana", "cy" }, *const links[] = { "link-1", "link-2" };
        static const char *const codes_of[] = { "code-1", "code-2" };
        struct cd_hand_over hand_over;
        struct cd_totp_factor factor;
        struct cd_account_link link;
        size_t codes = 0;

        for (size_t i = 0; i < CD_LEN(users); i++) {
                cd_str user = cd_str_from_c(users[i]);
                if (store->totp->find(store, arena, user, &factor, NULL) == CD_OK)
                        add(to, "totp %s %.*s %lld\n", users[i], CD_STR_ARG(factor.sealed),
                            (long long)factor.last_step);
                assert_status(store->recovery->count(store, user, &codes, NULL), CD_OK);
                add(to, "codes %s %zu\n", users[i], codes);
        }
        for (size_t i = 0; i < CD_LEN(links); i++)
                if (store->links->find(store, arena, cd_str_from_c(links[i]), &link, NULL) == CD_OK)
                        add(to, "link %s %.*s\n", links[i], CD_STR_ARG(link.user));
        for (size_t i = 0; i < CD_LEN(codes_of); i++)
                if (store->hand_overs->find(store, arena, cd_str_from_c(codes_of[i]), &hand_over, NULL) == CD_OK)
                        add(to, "hand-over %s %.*s\n", codes_of[i], CD_STR_ARG(hand_over.host));
}

static void show_mails(struct cd_store *store, struct text *to)
{
        size_t mails = 0;

        assert_status(store->mails->count(store, &mails, NULL), CD_OK);
        add(to, "mails %zu\n", mails);
}

static void show_others(struct cd_store *store, struct cd_arena *arena, struct text *to)
{
        struct cd_revocation_list revocations;
        struct cd_audit_events events;
        struct cd_personal_tokens_list tokens;
        struct cd_session session;

        assert_status(store->personal_tokens->list(store, arena, CD_STR("ana"), 0, &tokens, NULL), CD_OK);
        for (size_t i = 0; i < tokens.count; i++)
                add(to, "token %.*s %zu\n", CD_STR_ARG(tokens.items[i].id), tokens.items[i].hosts.count);
        assert_status(store->revocations->list(store, arena, 0, 100, &revocations, NULL), CD_OK);
        for (size_t i = 0; i < revocations.count; i++)
                add(to, "revocation %lld %.*s %.*s\n", (long long)revocations.items[i].seq,
                    CD_STR_ARG(revocations.items[i].jti), CD_STR_ARG(revocations.items[i].user));
        assert_status(store->audit->list(store, arena, -1, 100, &events, NULL), CD_OK);
        for (size_t i = 0; i < events.count; i++)
                add(to, "event %lld %.*s\n", (long long)events.items[i].id, CD_STR_ARG(events.items[i].action));
        for (int i = 1; i < 4; i++) {
                char digest[16];
                snprintf(digest, sizeof(digest), "digest-%d", i);
                if (store->sessions->find(store, arena, cd_str_from_c(digest), &session, NULL) == CD_OK)
                        add(to, "session %s %zu\n", digest, session.amr.count);
        }
        show_factors(store, arena, to);
        show_mails(store, to);
}

static void show(struct cd_store *store, struct text *to)
{
        struct cd_arena arena;

        to->len = 0;
        cd_arena_init(&arena, 1 << 20);
        show_users(store, &arena, to);
        show_clients(store, &arena, to);
        show_keys(store, &arena, to);
        show_others(store, &arena, to);
        cd_arena_done(&arena);
}

/* ---- the calls ---- */

static cd_status users_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_users(store, "aaron", "zoe");
}

static cd_status users_update(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_user_change change = { .name = CD_STR("ana"),
                                               .now = 2000,
                                               .password = CD_STR("$argon2id$new"),
                                               .claims = CD_STR("{\"role\":\"editor\"}"),
                                               .disabled = CD_USER_DISABLE };

        (void)arena;
        return store->users->update(store, &change, &event, NULL);
}

static cd_status users_remove(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_user_change change = { .name = CD_STR("ana"), .now = 2000 };

        (void)arena;
        return store->users->remove(store, &change, &event, NULL);
}

static cd_status users_find(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_user user;

        return store->users->find(store, arena, CD_STR("ana"), &user, NULL);
}

static cd_status users_list(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_users_page page;

        return store->users->list(store, arena, CD_STR(""), 10, &page, NULL);
}

static cd_status clients_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_client(store, "another");
}

static cd_status clients_update(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_client_record client;

        cd_status status = store->clients->find(store, arena, CD_STR("app"), &client, NULL);
        client.secret[0] = 77;
        return status == CD_OK ? store->clients->update(store, &client, &event, NULL) : status;
}

static cd_status clients_remove(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return store->clients->remove(store, CD_STR("app"), &event, NULL);
}

static cd_status clients_list(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_client_records clients;

        return store->clients->list(store, arena, &clients, NULL);
}

static cd_status keys_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_key(store, "another", 5000);
}

static cd_status keys_end(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return store->keys->set_verify_until(store, CD_STR("first"), 4000, &event, NULL);
}

static cd_status keys_list(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_key_records keys;

        return store->keys->list(store, arena, &keys, NULL);
}

static cd_status revocations_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_revocation(store, "jti-2");
}

static cd_status revocations_list(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_revocation_list list;

        return store->revocations->list(store, arena, 0, 10, &list, NULL);
}

static cd_status sessions_start(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return start_session(store, "digest-2", "");
}

static cd_status sessions_replace(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return start_session(store, "digest-3", "digest-1");
}

static cd_status sessions_end(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_session_ending ending = { .user = CD_STR("ana"), .sid = CD_STR("s1") };

        (void)arena;
        return store->sessions->end(store, &ending, &event, NULL);
}

static cd_status sessions_list(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_sessions_list list;

        return store->sessions->list(store, arena, CD_STR("ana"), 5, &list, NULL);
}

static cd_status sessions_note_seen(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_session_seen seen = { .digest = CD_STR("digest-1"), .seen_at = 7, .expires_at = 9000 };

        (void)arena;
        return store->sessions->note_seen(store, &seen, NULL);
}

static cd_status pending_logins_put(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_pending_login pending = { .digest = CD_STR("p1"), .user = CD_STR("ana") };

        (void)arena;
        return store->pending_logins->put(store, &pending, NULL);
}

static cd_status totp_replace(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return put_totp(store, "x1.second", "x1.first");
}

static cd_status totp_accept(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_totp_factor factor = { .user = CD_STR("ana"), .sealed = CD_STR("x1.first") };

        (void)arena;
        return store->totp->accept(store, &factor, 4711, false, NULL);
}

static cd_status totp_find(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_totp_factor factor;

        return store->totp->find(store, arena, CD_STR("ana"), &factor, NULL);
}

static cd_status totp_remove(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return store->totp->remove(store, CD_STR("ana"), 100, &event, NULL);
}

static cd_status recovery_replace(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_recovery_macs macs = { .count = 2 };

        (void)arena;
        memset(macs.text[0], 'a', sizeof(macs.text[0]));
        memset(macs.text[1], 'b', sizeof(macs.text[1]));
        return store->recovery->replace(store, CD_STR("ana"), FIRST_GENERATION, &macs, &event, NULL);
}

static cd_status links_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_link(store, "link-2", "di");
}

static cd_status links_find(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_account_link link;

        return store->links->find(store, arena, CD_STR("link-1"), &link, NULL);
}

static cd_status links_join(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_user user = { .name = CD_STR("cy"), .password = CD_STR("$p"), .claims = CD_STR("{}") };
        const struct cd_registration registration = { .user = &user,
                                                      .factor = { .user = user.name, .sealed = CD_STR("x1.cy") },
                                                      .link = CD_STR("link-1") };

        (void)arena;
        return store->links->join(store, &registration, &event, NULL);
}

static cd_status mails_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_mail(store, "mail-2");
}

static cd_status mails_claim(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_queued_mail mail;

        return store->mails->claim(store, arena, 10, 20, &mail, NULL);
}

static cd_status mails_remove(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_queued_mail mail = { .id = CD_STR("mail-1") };

        (void)arena;
        return store->mails->remove(store, &mail, &event, NULL);
}

static cd_status personal_tokens_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_token(store, "token-2");
}

static cd_status personal_tokens_find(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_personal_token token;

        return store->personal_tokens->find(store, arena, CD_STR("token-1"), &token, NULL);
}

static cd_status personal_tokens_end(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_personal_token token = { .user = CD_STR("ana"), .id = CD_STR("token-1") };

        (void)arena;
        return store->personal_tokens->end(store, &token, 20, &event, NULL);
}

static cd_status hand_overs_put(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return add_hand_over(store, "code-2");
}

static cd_status hand_overs_find(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_hand_over hand_over;

        return store->hand_overs->find(store, arena, CD_STR("code-1"), &hand_over, NULL);
}

static cd_status hand_overs_take(struct cd_store *store, struct cd_arena *arena)
{
        const struct cd_hand_over hand_over = { .digest = CD_STR("code-1"), .host = CD_STR("h"), .nonce = CD_STR("n") };

        (void)arena;
        return store->hand_overs->take(store, &hand_over, 100, NULL);
}

static cd_status audit_add(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return store->audit->add(store, &event, NULL);
}

static cd_status audit_add_later(struct cd_store *store, struct cd_arena *arena)
{
        (void)arena;
        return store->audit->add_later(store, &event, NULL);
}

static cd_status audit_list(struct cd_store *store, struct cd_arena *arena)
{
        struct cd_audit_events events;

        return store->audit->list(store, arena, -1, 10, &events, NULL);
}

static cd_status put_new_value(struct cd_store *store, struct cd_arena *arena)
{
        cd_str there;

        return store->put_if_absent(store, arena, CD_STR("another"), CD_STR("value"), &there, NULL);
}

static cd_status put_again_value(struct cd_store *store, struct cd_arena *arena)
{
        cd_str there;
        cd_status status = store->put_if_absent(store, arena, CD_STR("master_key"), CD_STR("xyz"), &there, NULL);

        if (status == CD_OK)
                assert_str(there, "abc");
        return status;
}

static const struct call {
        const char *name;
        cd_status (*run)(struct cd_store *store, struct cd_arena *arena);
} calls[] = {
#define CALL(name)                                                                                                     \
        {                                                                                                              \
#name, name                                                                                            \
        }
        CALL(users_add),
        CALL(users_update),
        CALL(users_remove),
        CALL(users_find),
        CALL(users_list),
        CALL(clients_add),
        CALL(clients_update),
        CALL(clients_remove),
        CALL(clients_list),
        CALL(keys_add),
        CALL(keys_end),
        CALL(keys_list),
        CALL(revocations_add),
        CALL(revocations_list),
        CALL(sessions_start),
        CALL(sessions_replace),
        CALL(sessions_end),
        CALL(sessions_list),
        CALL(sessions_note_seen),
        CALL(pending_logins_put),
        CALL(totp_replace),
        CALL(totp_accept),
        CALL(totp_find),
        CALL(totp_remove),
        CALL(recovery_replace),
        CALL(links_add),
        CALL(links_find),
        CALL(links_join),
        CALL(hand_overs_put),
        CALL(hand_overs_find),
        CALL(hand_overs_take),
        CALL(mails_add),
        CALL(mails_claim),
        CALL(mails_remove),
        CALL(sessions_find),
        CALL(audit_add),
        CALL(audit_add_later),
        CALL(audit_list),
        CALL(personal_tokens_add),
        CALL(personal_tokens_find),
        CALL(personal_tokens_end),
        CALL(put_new_value),
        CALL(put_again_value),
};

/* Whether the call has an n-th allocation. */
static bool reaches(const struct call *call, int n)
{
        static struct text before, after;
        struct cd_store *store = new_store();
        struct cd_arena arena;

        show(store, &before);
        cd_arena_init(&arena, 1 << 20);
        fail_at = n;
        cd_status status = call->run(store, &arena);
        bool has_reached = fail_at < 0;
        fail_at = -1;
        show(store, &after);
        if (status != CD_OK) {
                if (status != CD_NO_MEMORY || strcmp(before.bytes, after.bytes) != 0)
                        fail_msg("%s, allocation %d: status %d\n%s---\n%s", call->name, n, (int)status, before.bytes,
                                 after.bytes);
                assert_status(call->run(store, &arena), CD_OK);
        }
        cd_arena_done(&arena);
        store->free(store);
        return has_reached;
}

static void lesson_31_a_call_without_memory_says_so_and_has_changed_nothing(void **state)
{
        (void)state;
        for (size_t i = 0; i < CD_LEN(calls); i++) {
                int n = 0;
                while (reaches(&calls[i], n))
                        n++;
                if (n == 0)
                        fail_msg("%s: no allocation was made to fail", calls[i].name);
        }
}

/* A batch whose second user cannot be had: the first is gone again. */
static void lesson_31_of_two_users_both_are_added_or_none(void **state)
{
        struct cd_store *store = new_store();
        int failures = 0;

        (void)state;
        for (int n = 0; n < 1000; n++) {
                static struct text text;
                fail_at = n;
                cd_status status = add_users(store, "aaron", "zoe");
                fail_at = -1;
                show(store, &text);
                assert_int_equal(strstr(text.bytes, "user aaron") != NULL, status == CD_OK);
                assert_int_equal(strstr(text.bytes, "user zoe") != NULL, status == CD_OK);
                if (status == CD_OK)
                        break;
                failures++;
        }
        assert_true(failures >= 3);
        store->free(store);
}

static void lesson_31_a_store_without_memory_is_no_store(void **state)
{
        struct cd_store *store = NULL;
        int n = 0;

        (void)state;
        image_size = 0;
        for (; !store; n++) {
                fail_at = n;
                cd_status status = cd_memory_store_new(&store, NULL);
                fail_at = -1;
                assert_true(status == CD_OK || (status == CD_NO_MEMORY && !store));
        }
        assert_true(n > 2);
        store->free(store);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lesson_31_a_call_without_memory_says_so_and_has_changed_nothing),
                cmocka_unit_test(lesson_31_of_two_users_both_are_added_or_none),
                cmocka_unit_test(lesson_31_a_store_without_memory_is_no_store),
        };

        make_sqlite_fail();
        return cmocka_run_group_tests_name("memory store: no memory", tests, NULL, NULL);
}
