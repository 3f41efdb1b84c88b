#include "core/admin_clients.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/secret.h"
#include "core/client.h"
#include "core/oauth/scope.h"
#include "core/oauth/token.h"
#include "core/user_claims.h"

enum {
        /* Another process may change a client between reading and writing; that many times in a row is a fault. */
        EDIT_ATTEMPTS = 16,
        DETAIL_MAX = 900, /* bytes, in the audit */
        DIFFERENCE_MAX = 256 * 1024,
        SECRET_BYTES = 32,
        ID_MAX = 256,
};

/* Visible ASCII, at most `max` bytes: both ends of a protocol write such a text in the same way. */
static bool is_visible(cd_str text, size_t max)
{
        for (size_t i = 0; i < text.len; i++)
                if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f)
                        return false;
        return text.len > 0 && text.len <= max;
}

static cd_status check_id(cd_str id, struct cd_error *reterr)
{
        if (is_visible(id, ID_MAX))
                return CD_OK;
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("id"),
                             "must be 1 to 256 visible ASCII characters without spaces");
}

static cd_status refuse_grant(cd_str name, struct cd_error *reterr)
{
        const char *nearest = NULL;

        for (size_t k = 0; cd_grant_names[k]; k++)
                if (cd_str_distance(name, cd_str_from_c(cd_grant_names[k])) <= 3)
                        nearest = cd_grant_names[k];
        if (nearest)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("grant-type"),
                                "unknown grant \"%.*s\"; did you mean \"%s\"?", CD_STR_ARG(cd_str_slice(name, 0, 100)),
                                nearest);
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("grant-type"),
                        "unknown grant \"%.*s\"; there are client_credentials and password",
                        CD_STR_ARG(cd_str_slice(name, 0, 100)));
}

static cd_status read_grants(struct cd_strs names, unsigned *ret, struct cd_error *reterr)
{
        unsigned grants = 0;

        for (size_t i = 0; i < names.count; i++) {
                size_t k = 0;
                while (cd_grant_names[k] && !cd_str_eq_c(names.items[i], cd_grant_names[k]))
                        k++;
                if (!cd_grant_names[k])
                        return refuse_grant(names.items[i], reterr);
                grants |= 1u << k;
        }
        *ret = grants;
        return CD_OK;
}

static cd_status check_scopes(const struct cd_operator *by, struct cd_strs scopes, struct cd_error *reterr)
{
        for (size_t i = 0; i < scopes.count; i++) {
                if (!cd_scope_token_is_valid(scopes.items[i]) || !cd_strs_has(by->scopes, scopes.items[i]))
                        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("scope"),
                                        "\"%.*s\" does not exist; add it to the setting \"scopes\" first",
                                        CD_STR_ARG(cd_str_slice(scopes.items[i], 0, 100)));
        }
        return CD_OK;
}

static cd_status check_length(struct cd_strs scopes, struct cd_error *reterr)
{
        size_t len = cd_scope_length(scopes);

        if (len <= CD_SCOPE_MAX)
                return CD_OK;
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("scope"),
                        "the scopes are %zu bytes together, and a token has room for %d; give the client fewer", len,
                        CD_SCOPE_MAX);
}

static cd_status check_audience(cd_str audience, const char *field, struct cd_error *reterr)
{
        if (is_visible(audience, CD_CLIENT_AUDIENCE_MAX))
                return CD_OK;
        return cd_fail_field(
                reterr, CD_INVALID_REQUEST, cd_str_from_c(field),
                "must be 1 to 1024 visible ASCII characters without spaces, such as https://api.example.org");
}

static cd_status check_alg(cd_str alg, struct cd_error *reterr)
{
        enum cd_alg known = cd_alg_from_name(alg);

        if (!alg.len || (known != CD_ALG_NONE && cd_str_eq(cd_alg_name(known), alg)))
                return CD_OK;
        return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("alg"), "must be ES256, RS256 or EdDSA, not \"%.*s\"",
                        CD_STR_ARG(cd_str_slice(alg, 0, 100)));
}

static cd_status check_does_something(const struct cd_client_record *record, struct cd_error *reterr)
{
        if (record->grants || record->introspect.count)
                return CD_OK;
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("grant-type"),
                             "the client may do nothing: give it a grant type or an audience to introspect");
}

static cd_status check_audiences(struct cd_strs audiences, struct cd_error *reterr)
{
        cd_status status = CD_OK;

        for (size_t i = 0; i < audiences.count && status == CD_OK; i++)
                status = check_audience(audiences.items[i], "introspect", reterr);
        return status;
}

/* A client has its scopes elsewhere, so the claim "scope", which a user may have, is refused. */
static cd_status assign_claims(struct cd_arena *arena, cd_str before, struct cd_strs assignments, cd_str *ret,
                               struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        *ret = before;
        if (!assignments.count)
                return CD_OK;
        for (size_t i = 0; i < assignments.count; i++)
                if (cd_str_eq_nocase(cd_str_slice(assignments.items[i], 0, cd_str_index(assignments.items[i], '=')),
                                     CD_STR("scope")))
                        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("claim"),
                                             "scope: tokens give this name a meaning of their own; use --scope");
        cd_status status = cd_user_claims_assign(arena, before, assignments, (struct cd_strs){ 0 }, ret, &why);
        if (status == CD_OK)
                return CD_OK;
        return cd_failf(reterr, status, CD_STR("claim"), "%s%s%s", why.field, why.field[0] ? ": " : "", why.reason);
}

/* The list without duplicates. */
static cd_status each_once(struct cd_arena *arena, struct cd_strs from, struct cd_strs *ret, struct cd_error *reterr)
{
        cd_str *items = cd_arena_calloc(arena, from.count + 1, sizeof(*items));
        size_t count = 0;

        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a client");
        for (size_t i = 0; i < from.count; i++)
                if (!cd_strs_has((struct cd_strs){ items, count }, from.items[i]))
                        items[count++] = from.items[i];
        *ret = (struct cd_strs){ items, count };
        return CD_OK;
}

static cd_status make_record(const struct cd_operator *by, struct cd_arena *arena,
                             const struct cd_client_params *params, struct cd_client_record *ret,
                             struct cd_error *reterr)
{
        ret->id = params->id;
        ret->audience = params->audience.len ? params->audience : by->default_audience;
        ret->alg = params->alg;
        cd_status status = check_id(params->id, reterr);
        if (status == CD_OK)
                status = read_grants(params->grants, &ret->grants, reterr);
        if (status == CD_OK)
                status = check_scopes(by, params->scopes, reterr);
        if (status == CD_OK)
                status = check_audience(ret->audience, "audience", reterr);
        if (status == CD_OK)
                status = check_alg(params->alg, reterr);
        if (status == CD_OK)
                status = check_audiences(params->introspect, reterr);
        if (status == CD_OK)
                status = assign_claims(arena, CD_STR(""), params->claims, &ret->claims, reterr);
        if (status == CD_OK)
                status = each_once(arena, params->scopes, &ret->scopes, reterr);
        if (status == CD_OK)
                status = check_length(ret->scopes, reterr);
        if (status == CD_OK)
                status = each_once(arena, params->introspect, &ret->introspect, reterr);
        return status == CD_OK ? check_does_something(ret, reterr) : status;
}

/* Makes a secret and its stored form. */
static cd_status make_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str *ret_secret,
                             unsigned char ret_mac[CD_CLIENT_SECRET_MAC_SIZE], struct cd_error *reterr)
{
        unsigned char bytes[SECRET_BYTES];
        char *text = cd_arena_alloc(arena, CD_CLIENT_SECRET_SIZE + 1);

        if (!text)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a secret");
        if (by->random->fill(by->random, bytes, sizeof(bytes)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "no randomness for a secret");
        size_t len = cd_base64url_encode(text, cd_str_of((const char *)bytes, sizeof(bytes)));
        cd_wipe(bytes, sizeof(bytes));
        text[len] = '\0';
        if (cd_mac_sum(by->client_secrets, cd_str_of(text, len), ret_mac) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a secret");
        *ret_secret = cd_str_of(text, len);
        return CD_OK;
}

/* The tokens of both would have the same "sub" (RFC 9068 §5). */
static cd_status check_no_user(const struct cd_operator *by, struct cd_arena *arena, cd_str id, struct cd_error *reterr)
{
        struct cd_user user;

        cd_status status = by->store->users->find(by->store, arena, id, &user, reterr);
        if (status == CD_OK)
                return cd_failf(reterr, CD_EXISTS, CD_STR("id"),
                                "\"%.*s\" is the name of a user, and the tokens of both would have one \"sub\"",
                                CD_STR_ARG(id));
        return status == CD_NOT_FOUND || status == CD_INVALID_REQUEST ? CD_OK : status;
}

static cd_status fail_exists(cd_str id, struct cd_error *reterr)
{
        return cd_failf(reterr, CD_EXISTS, CD_STR("id"), "client \"%.*s\" exists already", CD_STR_ARG(id));
}

/* Checked before a secret is shown that would be void. */
static cd_status check_free(const struct cd_operator *by, struct cd_arena *arena, cd_str id, struct cd_error *reterr)
{
        struct cd_client_record record;

        if (cd_strs_has(by->configured, id))
                return cd_failf(reterr, CD_EXISTS, CD_STR("id"), "client \"%.*s\" is in the configuration",
                                CD_STR_ARG(id));
        cd_status status = by->store->clients->find(by->store, arena, id, &record, reterr);
        if (status == CD_OK)
                return fail_exists(id, reterr);
        return status == CD_NOT_FOUND ? check_no_user(by, arena, id, reterr) : status;
}

static cd_status show(const struct cd_operator *by, cd_str id, cd_str secret, struct cd_error *reterr)
{
        return by->show_secret ? by->show_secret(by->show_arg, id, secret, reterr) : CD_OK;
}

cd_status cd_admin_client_add(const struct cd_operator *by, struct cd_arena *arena,
                              const struct cd_client_params *params, cd_str *ret_secret, struct cd_error *reterr)
{
        struct cd_client_record record = { 0 };
        struct cd_audit_event event;
        cd_str secret;

        cd_status status = make_record(by, arena, params, &record, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "client.add", params->id, &event, reterr);
        if (status == CD_OK)
                status = check_free(by, arena, params->id, reterr);
        if (status == CD_OK)
                status = make_secret(by, arena, &secret, record.secret, reterr);
        if (status == CD_OK)
                status = show(by, params->id, secret, reterr);
        if (status != CD_OK)
                return status;
        record.created_at = record.changed_at = event.at;
        status = by->store->clients->add(by->store, &record, &event, reterr);
        if (status == CD_EXISTS) { /* another process was faster */
                status = check_no_user(by, arena, params->id, reterr);
                return status == CD_OK ? fail_exists(params->id, reterr) : status;
        }
        if (status == CD_OK)
                *ret_secret = secret;
        return status;
}

static cd_status fail_unknown(const struct cd_operator *by, cd_str id, struct cd_error *reterr)
{
        if (cd_strs_has(by->configured, id))
                return cd_failf(reterr, CD_NOT_FOUND, CD_STR("id"),
                                "client \"%.*s\" is in the configuration: change it there", CD_STR_ARG(id));
        return cd_failf(reterr, CD_NOT_FOUND, CD_STR("id"), "there is no client \"%.*s\"",
                        CD_STR_ARG(cd_str_slice(id, 0, ID_MAX)));
}

/* A change of a client: `make` changes the record as it is in the store, and says so in *ret_detail, for the audit;
 * ptr NULL: the client is as it should be already. */
struct edit {
        const struct cd_operator *by;
        struct cd_arena *arena;
        const char *action;
        const void *ask;
        cd_status (*make)(const struct edit *edit, cd_time now, struct cd_client_record *record, cd_str *ret_detail,
                          struct cd_error *reterr);
};

static cd_status edit_once(const struct edit *edit, cd_str id, bool *ret_changed, struct cd_error *reterr)
{
        struct cd_store *store = edit->by->store;
        struct cd_client_record record;
        struct cd_audit_event event;
        cd_str detail = { NULL, 0 };

        cd_status status = store->clients->find(store, edit->arena, id, &record, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(edit->by, id, reterr);
        if (status == CD_OK)
                status = cd_operator_event(edit->by, edit->arena, edit->action, id, &event, reterr);
        if (status == CD_OK)
                status = edit->make(edit, event.at, &record, &detail, reterr);
        if (status != CD_OK)
                return status;
        *ret_changed = detail.ptr != NULL;
        if (!*ret_changed)
                return CD_OK;
        event.detail = detail;
        record.changed_at = event.at;
        return store->clients->update(store, &record, &event, reterr);
}

static cd_status edit_client(const struct edit *edit, cd_str id, bool *ret_changed, struct cd_error *reterr)
{
        struct cd_client_record record;

        cd_status status = check_id(id, reterr);
        if (status != CD_OK)
                return status;
        for (unsigned i = 0; i < EDIT_ATTEMPTS; i++) {
                status = edit_once(edit, id, ret_changed, reterr);
                if (status != CD_NOT_FOUND ||
                    edit->by->store->clients->find(edit->by->store, edit->arena, id, &record, NULL) != CD_OK)
                        return status == CD_NOT_FOUND ? fail_unknown(edit->by, id, reterr) : status;
        }
        return cd_fail(reterr, CD_UNAVAILABLE, "others keep changing this client");
}

struct new_secret {
        unsigned char mac[CD_CLIENT_SECRET_MAC_SIZE];
        cd_time keep_old; /* seconds */
};

static cd_status make_new_secret(const struct edit *edit, cd_time now, struct cd_client_record *record,
                                 cd_str *ret_detail, struct cd_error *reterr)
{
        const struct new_secret *ask = edit->ask;
        char until[CD_RFC3339_LEN];

        memset(record->old_secret, 0, sizeof(record->old_secret));
        record->old_secret_until = 0;
        *ret_detail = CD_STR("");
        if (ask->keep_old) {
                memcpy(record->old_secret, record->secret, sizeof(record->old_secret));
                record->old_secret_until = now + ask->keep_old;
                cd_time_format_rfc3339(record->old_secret_until, until);
                *ret_detail = cd_arena_printf(edit->arena, "the one before is accepted until %.*s", (int)sizeof(until),
                                              until);
        }
        memcpy(record->secret, ask->mac, sizeof(record->secret));
        return ret_detail->ptr ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
}

cd_status cd_admin_client_set_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str id, cd_time keep_old,
                                     cd_str *ret_secret, struct cd_error *reterr)
{
        struct new_secret ask = { .keep_old = keep_old };
        const struct edit edit = { by, arena, "client.secret", &ask, make_new_secret };
        struct cd_client_record record;
        bool changed;
        cd_str secret;

        cd_status status = check_id(id, reterr);
        if (status == CD_OK && (keep_old < 0 || keep_old > CD_CLIENT_SECRET_KEEP_MAX))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("keep-old"), "must be at most 90 days (90d)");
        if (status == CD_OK)
                status = by->store->clients->find(by->store, arena, id, &record, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(by, id, reterr);
        if (status == CD_OK)
                status = make_secret(by, arena, &secret, ask.mac, reterr);
        if (status == CD_OK)
                status = show(by, id, secret, reterr);
        if (status == CD_OK)
                status = edit_client(&edit, id, &changed, reterr);
        if (status == CD_OK)
                *ret_secret = secret;
        return status;
}

static cd_status make_end(const struct edit *edit, cd_time now, struct cd_client_record *record, cd_str *ret_detail,
                          struct cd_error *reterr)
{
        (void)edit, (void)reterr;
        if (now < record->old_secret_until)
                *ret_detail = CD_STR("the one before is no longer accepted");
        memset(record->old_secret, 0, sizeof(record->old_secret));
        record->old_secret_until = 0;
        return CD_OK;
}

cd_status cd_admin_client_end_old_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                         bool *ret_changed, struct cd_error *reterr)
{
        const struct edit edit = { by, arena, "client.secret", NULL, make_end };

        return edit_client(&edit, id, ret_changed, reterr);
}

static cd_status make_switch(const struct edit *edit, cd_time now, struct cd_client_record *record, cd_str *ret_detail,
                             struct cd_error *reterr)
{
        const bool *disabled = edit->ask;

        (void)now, (void)reterr;
        if (record->disabled != *disabled)
                *ret_detail = CD_STR("");
        record->disabled = *disabled;
        return CD_OK;
}

cd_status cd_admin_client_switch(const struct cd_operator *by, struct cd_arena *arena, cd_str id, bool disabled,
                                 bool *ret_changed, struct cd_error *reterr)
{
        const struct edit edit = { by, arena, disabled ? "client.disable" : "client.enable", &disabled, make_switch };

        return edit_client(&edit, id, ret_changed, reterr);
}

/* *list with the change made; the arena has the result. */
static cd_status change_list(struct cd_arena *arena, const struct cd_list_change *change, struct cd_strs *list,
                             const char *field, struct cd_error *reterr)
{
        struct cd_strs from = change->set.count ? change->set : *list;
        cd_str *items = cd_arena_calloc(arena, from.count + change->add.count + 1, sizeof(*items));
        size_t count = 0;

        if (!items)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a client");
        for (size_t i = 0; i < from.count; i++)
                if (!cd_strs_has(change->remove, from.items[i]))
                        items[count++] = from.items[i];
        for (size_t i = 0; i < change->add.count; i++) {
                if (cd_strs_has(change->remove, change->add.items[i]))
                        return cd_failf(reterr, CD_INVALID_REQUEST, cd_str_from_c(field),
                                        "\"%.*s\" cannot be both added and removed",
                                        CD_STR_ARG(cd_str_slice(change->add.items[i], 0, 100)));
                items[count++] = change->add.items[i];
        }
        return each_once(arena, (struct cd_strs){ items, count }, list, reterr);
}

static cd_status change_grants(const struct cd_list_change *change, unsigned *grants, struct cd_error *reterr)
{
        unsigned set = 0, add = 0, remove = 0;

        cd_status status = read_grants(change->set, &set, reterr);
        if (status == CD_OK)
                status = read_grants(change->add, &add, reterr);
        if (status == CD_OK)
                status = read_grants(change->remove, &remove, reterr);
        if (status == CD_OK && add & remove)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("grant-type"),
                                     "one cannot be both added and removed");
        *grants = ((change->set.count ? set : *grants) | add) & ~remove;
        return status;
}

/* Scopes and audiences that the client has already stay, even if the settings have changed since. */
static cd_status change_record(const struct edit *edit, struct cd_client_record *record, struct cd_error *reterr)
{
        const struct cd_client_change *ask = edit->ask;

        cd_status status = change_grants(&ask->grants, &record->grants, reterr);
        if (status == CD_OK)
                status = check_scopes(edit->by, ask->scopes.set, reterr);
        if (status == CD_OK)
                status = check_scopes(edit->by, ask->scopes.add, reterr);
        if (status == CD_OK)
                status = change_list(edit->arena, &ask->scopes, &record->scopes, "scope", reterr);
        if (status == CD_OK)
                status = check_length(record->scopes, reterr);
        if (status == CD_OK)
                status = change_list(edit->arena, &ask->introspect, &record->introspect, "introspect", reterr);
        if (status == CD_OK)
                status = check_audiences(record->introspect, reterr);
        if (status == CD_OK && ask->audience.ptr)
                status = check_audience(record->audience = ask->audience, "audience", reterr);
        if (status == CD_OK && ask->alg.ptr)
                status = check_alg(record->alg = ask->alg, reterr);
        if (status == CD_OK)
                status = assign_claims(edit->arena, ask->replaces_claims ? CD_STR("") : record->claims, ask->claims,
                                       &record->claims, reterr);
        return status == CD_OK ? check_does_something(record, reterr) : status;
}

struct cd_strs cd_client_grant_names(struct cd_arena *arena, unsigned grants)
{
        cd_str *names = cd_arena_calloc(arena, 8 * sizeof(grants), sizeof(*names));
        size_t count = 0;

        for (size_t i = 0; names && cd_grant_names[i]; i++)
                if (grants & 1u << i)
                        names[count++] = cd_str_from_c(cd_grant_names[i]);
        return (struct cd_strs){ names, count };
}

/* "; " before what is not the first, and the name before the first of a list. */
static void add_item(struct cd_buf *buf, size_t start, const char *name, char sign, cd_str item)
{
        bool is_first = buf->len == start;

        cd_buf_printf(buf, "%s%s %c%.*s", is_first && buf->len ? "; " : "", is_first ? name : "", sign,
                      CD_STR_ARG(item));
}

/* "; scopes +write -read", if anything was added or removed. */
static void add_list_difference(struct cd_buf *buf, const char *name, struct cd_strs before, struct cd_strs after)
{
        size_t start = buf->len;

        for (size_t i = 0; i < after.count; i++)
                if (!cd_strs_has(before, after.items[i]))
                        add_item(buf, start, name, '+', after.items[i]);
        for (size_t i = 0; i < before.count; i++)
                if (!cd_strs_has(after, before.items[i]))
                        add_item(buf, start, name, '-', before.items[i]);
}

static void add_text_difference(struct cd_buf *buf, const char *name, cd_str before, cd_str after)
{
        if (!cd_str_eq(before, after))
                cd_buf_printf(buf, "%s%s %.*s -> %.*s", buf->len ? "; " : "", name,
                              CD_STR_ARG(before.len ? before : CD_STR("default")),
                              CD_STR_ARG(after.len ? after : CD_STR("default")));
}

/* "grants +password; alg default -> RS256"; ptr NULL if nothing differs. */
static cd_status difference(struct cd_arena *arena, const struct cd_client_record *before,
                            const struct cd_client_record *after, cd_str *ret, struct cd_error *reterr)
{
        struct cd_buf buf;
        cd_str text, claims = cd_user_claims_difference(arena, before->claims, after->claims);

        cd_buf_init(&buf, arena, DIFFERENCE_MAX);
        add_list_difference(&buf, "grants", cd_client_grant_names(arena, before->grants),
                            cd_client_grant_names(arena, after->grants));
        add_list_difference(&buf, "scopes", before->scopes, after->scopes);
        add_list_difference(&buf, "introspects", before->introspect, after->introspect);
        add_text_difference(&buf, "audience", before->audience, after->audience);
        add_text_difference(&buf, "alg", before->alg, after->alg);
        if (claims.len)
                cd_buf_printf(&buf, "%sclaims %.*s", buf.len ? "; " : "", CD_STR_ARG(claims));
        if (cd_buf_view(&buf, &text) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for an audit event");
        if (text.len > DETAIL_MAX)
                text = cd_arena_printf(arena, "%.*s…", CD_STR_ARG(cd_str_utf8_prefix(text, DETAIL_MAX)));
        *ret = text.len ? text : (cd_str){ NULL, 0 };
        return CD_OK;
}

static cd_status make_update(const struct edit *edit, cd_time now, struct cd_client_record *record, cd_str *ret_detail,
                             struct cd_error *reterr)
{
        const struct cd_client_record before = *record;

        (void)now;
        cd_status status = change_record(edit, record, reterr);
        return status == CD_OK ? difference(edit->arena, &before, record, ret_detail, reterr) : status;
}

cd_status cd_admin_client_update(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                 const struct cd_client_change *change, bool *ret_changed, struct cd_error *reterr)
{
        const struct edit edit = { by, arena, "client.update", change, make_update };

        return edit_client(&edit, id, ret_changed, reterr);
}

cd_status cd_admin_client_remove(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                 struct cd_error *reterr)
{
        struct cd_audit_event event;

        cd_status status = check_id(id, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "client.remove", id, &event, reterr);
        if (status != CD_OK)
                return status;
        status = by->store->clients->remove(by->store, id, &event, reterr);
        return status == CD_NOT_FOUND ? fail_unknown(by, id, reterr) : status;
}
