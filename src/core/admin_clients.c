#include "core/admin_clients.h"

#include "base/base64.h"
#include "base/secret.h"
#include "core/client.h"
#include "core/oauth/scope.h"
#include "core/oauth/token.h"

enum {
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
        for (size_t i = 0; i < params->introspect.count && status == CD_OK; i++)
                status = check_audience(params->introspect.items[i], "introspect", reterr);
        if (status == CD_OK && !ret->grants && !params->introspect.count)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("grant-type"),
                                     "the client may do nothing: give it a grant type or an audience to introspect");
        if (status == CD_OK)
                status = each_once(arena, params->scopes, &ret->scopes, reterr);
        if (status == CD_OK)
                status = check_length(ret->scopes, reterr);
        if (status == CD_OK)
                status = each_once(arena, params->introspect, &ret->introspect, reterr);
        return status;
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

cd_status cd_admin_client_set_secret(const struct cd_operator *by, struct cd_arena *arena, cd_str id,
                                     cd_str *ret_secret, struct cd_error *reterr)
{
        unsigned char mac[CD_CLIENT_SECRET_MAC_SIZE];
        struct cd_audit_event event;
        struct cd_client_record record;
        cd_str secret;

        cd_status status = check_id(id, reterr);
        if (status == CD_OK)
                status = cd_operator_event(by, arena, "client.secret", id, &event, reterr);
        if (status == CD_OK)
                status = by->store->clients->find(by->store, arena, id, &record, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(by, id, reterr);
        if (status == CD_OK)
                status = make_secret(by, arena, &secret, mac, reterr);
        if (status == CD_OK)
                status = show(by, id, secret, reterr);
        if (status != CD_OK)
                return status;
        status = by->store->clients->set_secret(by->store, id, mac, &event, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(by, id, reterr);
        if (status == CD_OK)
                *ret_secret = secret;
        return status;
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
