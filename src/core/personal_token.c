#include "core/personal_token.h"

#include "base/buf.h"
#include "base/secret.h"
#include "core/digest.h"
#include "core/session_id.h"
#include "core/user_details.h"

enum {
        READS = 3, /* of a token whose user is being changed */
        /* Characters of what the cache holds of a token: the id, and each entry with a mark and a line end. */
        PACKED_MAX =
                CD_PERSONAL_TOKEN_ID_SIZE + 1 + 4 * (CD_PERSONAL_TOKEN_LIMIT_MAX + 2 * CD_PERSONAL_TOKEN_ITEMS_MAX),
        DAY = 24 * 3600, /* seconds */
};

static const cd_str token_kind = CD_STR_INIT("personal-token");

static cd_status fail_unknown(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_INVALID_TOKEN, "the token is unknown, or was revoked, or has expired");
}

static cd_status fail_memory(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NO_MEMORY, "no memory for a token");
}

static cd_status read_text(const struct cd_sessions *sessions, cd_str text, struct cd_session_digest *ret,
                           struct cd_error *reterr)
{
        cd_str prefix = CD_STR(CD_PERSONAL_TOKEN_PREFIX);

        if (!cd_personal_token_is_ours(text))
                return cd_fail(reterr, CD_INVALID_TOKEN, "the token is none of ours");
        return cd_session_id_digest(sessions, token_kind, cd_str_slice(text, prefix.len, text.len), ret, reterr);
}

/* ---- in the cache: one line for the id, and one for each entry, with a mark for its kind ---- */

static void pack_limit(struct cd_buf *buf, char mark, struct cd_strs limit)
{
        for (size_t i = 0; i < limit.count; i++) {
                cd_buf_add_char(buf, mark);
                cd_buf_add(buf, limit.items[i]);
                cd_buf_add_char(buf, '\n');
        }
}

static cd_status pack(struct cd_arena *arena, const struct cd_personal_token *token, cd_str *ret,
                      struct cd_error *reterr)
{
        struct cd_buf buf;

        cd_buf_init(&buf, arena, PACKED_MAX);
        cd_buf_add(&buf, token->id);
        cd_buf_add_char(&buf, '\n');
        pack_limit(&buf, 'h', token->hosts);
        pack_limit(&buf, 'p', token->paths);
        pack_limit(&buf, 'm', token->methods);
        pack_limit(&buf, 'n', token->networks);
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : fail_memory(reterr);
}

/* The items of each kind, in one array for all. A network that cannot be read would be a limit that is lost, so it
 * makes the token unusable. */
static bool unpack_limits(cd_str packed, cd_str *texts, struct cd_network *networks, struct cd_live_token *ret)
{
        struct cd_strs *const kinds[] = { &ret->hosts, &ret->paths, &ret->methods };
        const cd_str marks = CD_STR("hpm");
        cd_str line;

        ret->networks = networks;
        while (packed.len && cd_str_take_until(&packed, '\n', &line) && line.len) {
                cd_str text = cd_str_slice(line, 1, line.len);
                size_t kind = cd_str_index(marks, line.ptr[0]);
                if (kind == CD_LEN(kinds)) {
                        if (cd_network_parse(text, &networks[ret->network_count++], NULL) != CD_OK)
                                return false;
                        continue;
                }
                if (!kinds[kind]->items)
                        kinds[kind]->items = texts;
                *texts++ = text;
                kinds[kind]->count++;
        }
        return true;
}

static size_t count_lines(cd_str text)
{
        size_t count = 0;

        for (size_t i = 0; i < text.len; i++)
                count += text.ptr[i] == '\n';
        return count;
}

static cd_status unpack(struct cd_arena *arena, const struct cd_live_session *owner, struct cd_live_token *ret,
                        struct cd_error *reterr)
{
        size_t count = count_lines(owner->token);
        cd_str *texts = cd_arena_calloc(arena, count + 1, sizeof(*texts)), rest = owner->token;
        struct cd_network *networks = cd_arena_calloc(arena, count + 1, sizeof(*networks));

        if (!texts || !networks)
                return fail_memory(reterr);
        *ret = (struct cd_live_token){ .owner = *owner };
        if (!cd_str_take_until(&rest, '\n', &ret->id) || !ret->id.len || !unpack_limits(rest, texts, networks, ret))
                return cd_fail(reterr, CD_UNAVAILABLE, "the store is damaged: the limits of a token cannot be read");
        return CD_OK;
}

/* ---- looking up ---- */

cd_status cd_personal_token_look_in_cache(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                                          cd_time now, struct cd_live_token *ret, struct cd_error *reterr)
{
        struct cd_session_digest digest;
        struct cd_live_session owner;
        cd_status status = read_text(lookup->sessions, token, &digest, reterr);

        if (status == CD_OK)
                status = cd_live_session_look_in_cache(lookup, arena, &digest, now, &owner, reterr);
        return status == CD_OK ? unpack(arena, &owner, ret, reterr) : status;
}

/* Token and user of one generation. Between the two reads the user's groups may change, and the token continues. */
static cd_status read_both(const struct cd_live_reading *reading, struct cd_personal_token *ret,
                           struct cd_user *ret_user, struct cd_error *reterr)
{
        struct cd_store *store = reading->lookup->sessions->store;
        cd_str digest;
        cd_status status = cd_digest_encode(reading->arena, reading->digest.bytes, &digest, reterr);

        for (int i = 0; status == CD_OK && i < READS; i++) {
                status = store->personal_tokens->find(store, reading->arena, digest, ret, reterr);
                if (status == CD_OK)
                        status = store->users->find(store, reading->arena, ret->user, ret_user, reterr);
                if (status == CD_OK && !ret_user->disabled && ret_user->generation == ret->generation)
                        return reading->now < ret->expires_at ? CD_OK
                                                              : cd_fail(reterr, CD_NOT_FOUND, "the token has expired");
        }
        return status == CD_OK ? cd_fail(reterr, CD_NOT_FOUND, "the user has changed") : status;
}

static void note_used(const struct cd_live_reading *reading, const struct cd_personal_token *token)
{
        struct cd_store *store = reading->lookup->sessions->store;
        cd_str address = reading->address.len ? reading->address : token->address;

        if (reading->now - token->used_at >= CD_PERSONAL_TOKEN_USED_EVERY || !cd_str_eq(address, token->address))
                (void)store->personal_tokens->note_used(store, token->digest, address, reading->now, NULL);
}

static cd_status read_token(const struct cd_live_reading *reading, struct cd_live_session *ret, struct cd_error *reterr)
{
        struct cd_personal_token token;
        struct cd_user user;

        cd_status status = read_both(reading, &token, &user, reterr);
        if (status != CD_OK)
                return status;
        const struct cd_session session = { .factors = token.factors };
        *ret = (struct cd_live_session){
                .factors = cd_session_factor_count(&session),
                .auth_time = token.created_at,
                .expires_at = token.expires_at,
        };
        status = pack(reading->arena, &token, &ret->token, reterr);
        if (status == CD_OK)
                status = cd_live_session_set_user(ret, reading->arena, &user, reterr);
        if (status == CD_OK)
                note_used(reading, &token);
        return status;
}

cd_status cd_personal_token_look_up(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                                    cd_str address, struct cd_live_token *ret, struct cd_error *reterr)
{
        struct cd_live_reading reading = { .lookup = lookup, .arena = arena, .address = address, .read = read_token };
        struct cd_live_session owner;
        cd_status status = read_text(lookup->sessions, token, &reading.digest, reterr);

        if (status == CD_OK)
                status = cd_live_session_look_up(&reading, &owner, reterr);
        if (status == CD_NOT_FOUND)
                return fail_unknown(reterr);
        return status == CD_OK ? unpack(arena, &owner, ret, reterr) : status;
}

/* ---- what a token covers ---- */

static bool covers_host(struct cd_strs hosts, cd_str host)
{
        for (size_t i = 0; i < hosts.count; i++) {
                cd_str item = hosts.items[i];
                bool wildcard = cd_str_has_prefix(item, CD_STR("*."));
                cd_str below = cd_str_slice(item, 1, item.len);
                if (wildcard ? host.len > below.len && cd_str_has_suffix(host, below) : cd_str_eq(host, item))
                        return true;
        }
        return !hosts.count;
}

static bool covers_path(struct cd_strs paths, cd_str path)
{
        for (size_t i = 0; i < paths.count; i++)
                if (cd_access_path_matches(paths.items[i], path))
                        return true;
        return !paths.count;
}

bool cd_live_token_covers(const struct cd_live_token *token, const struct cd_access_request *request)
{
        return covers_host(token->hosts, request->host) && covers_path(token->paths, request->path) &&
               (!token->methods.count || cd_strs_has(token->methods, request->method)) &&
               (!token->network_count ||
                (request->address && cd_networks_have(token->networks, token->network_count, request->address)));
}

/* ---- a user's tokens ---- */

static cd_status check_name(cd_str name, struct cd_error *reterr)
{
        struct cd_error why = { 0 };

        if (name.len > CD_PERSONAL_TOKEN_NAME_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("name"), "has more than %d bytes",
                                CD_PERSONAL_TOKEN_NAME_MAX);
        if (cd_display_name_check(name, &why) != CD_OK)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("name"), why.reason);
        return CD_OK;
}

static cd_status new_name(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str *ret,
                          struct cd_error *reterr)
{
        uint64_t bits;

        if (sessions->random->fill(sessions->random, &bits, sizeof(bits)) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        *ret = cd_arena_printf(arena, "%016llx", (unsigned long long)bits);
        return ret->ptr ? CD_OK : fail_memory(reterr);
}

static cd_status read_params(const struct cd_sessions *sessions, struct cd_arena *arena,
                             const struct cd_personal_token_params *params, struct cd_personal_token *ret,
                             struct cd_error *reterr)
{
        *ret = (struct cd_personal_token){
                .user = params->session->user,
                .generation = params->session->generation,
                .name = params->name,
                .factors = params->session->factors,
                .address = CD_STR(""),
        };
        cd_status status = check_name(params->name, reterr);
        if (status == CD_OK && (params->days < 1 || params->days > CD_PERSONAL_TOKEN_DAYS_MAX))
                status = cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("days"), "is not between 1 and %d",
                                  CD_PERSONAL_TOKEN_DAYS_MAX);
        if (status == CD_OK)
                status = cd_personal_token_read_limits(arena, params, ret, reterr);
        if (status == CD_OK)
                status = cd_clock_read(sessions->clock, &ret->created_at, reterr);
        ret->expires_at = ret->created_at + params->days * DAY;
        return status == CD_OK ? new_name(sessions, arena, &ret->id, reterr) : status;
}

/* By its user. */
static cd_status fill_event(struct cd_arena *arena, const struct cd_personal_token *token, cd_time now,
                            struct cd_audit_event *ret, struct cd_error *reterr)
{
        cd_str user = cd_arena_printf(arena, "user:%.*s", CD_STR_ARG(token->user));

        if (!user.ptr)
                return fail_memory(reterr);
        ret->at = now;
        ret->actor = ret->subject = user;
        ret->detail = token->id;
        return CD_OK;
}

cd_status cd_personal_token_create(const struct cd_sessions *sessions, struct cd_arena *arena,
                                   const struct cd_personal_token_params *params, struct cd_personal_token *ret,
                                   struct cd_personal_token_text *ret_text, struct cd_error *reterr)
{
        struct cd_audit_event event = { .action = CD_STR("token.create"), .address = params->address };
        struct cd_personal_token token;
        struct cd_cookie_token id;

        cd_status status = read_params(sessions, arena, params, &token, reterr);
        if (status == CD_OK)
                status = fill_event(arena, &token, token.created_at, &event, reterr);
        if (status == CD_OK)
                status = cd_session_id_new(sessions, arena, token_kind, &token.digest, &id, reterr);
        if (status == CD_OK)
                status = sessions->store->personal_tokens->add(sessions->store, &token, &event, reterr);
        if (status == CD_OK) {
                memcpy(ret_text->text, CD_PERSONAL_TOKEN_PREFIX, CD_PERSONAL_TOKEN_SIZE - sizeof(id.text));
                memcpy(ret_text->text + CD_PERSONAL_TOKEN_SIZE - sizeof(id.text), id.text, sizeof(id.text));
                *ret = token;
        }
        cd_wipe(&id, sizeof(id));
        return status;
}

cd_status cd_personal_token_list(const struct cd_sessions *sessions, struct cd_arena *arena, cd_str user,
                                 struct cd_personal_tokens_list *ret, struct cd_error *reterr)
{
        cd_time now;
        cd_status status = cd_clock_read(sessions->clock, &now, reterr);

        if (status != CD_OK)
                return status;
        return sessions->store->personal_tokens->list(sessions->store, arena, user, now, ret, reterr);
}

cd_status cd_personal_token_revoke(const struct cd_sessions *sessions, struct cd_arena *arena,
                                   const struct cd_personal_token *token, cd_str address, struct cd_error *reterr)
{
        struct cd_audit_event event = { .action = CD_STR("token.revoke"), .address = address };
        cd_time now;
        cd_status status = cd_clock_read(sessions->clock, &now, reterr);

        if (status == CD_OK)
                status = fill_event(arena, token, now, &event, reterr);
        if (status == CD_OK)
                status = sessions->store->personal_tokens->end(sessions->store, token, now, &event, reterr);
        if (sessions->cache)
                cd_session_cache_end(sessions->cache, token->digest);
        return status;
}
