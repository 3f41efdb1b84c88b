#include "core/session_lookup.h"

#include "base/buf.h"
#include "core/user_details.h"

enum {
        GROUPS_TEXT_MAX = CD_GROUPS_MAX * (CD_GROUP_NAME_MAX + 1), /* bytes */
};

cd_status cd_live_session_look_in_cache(const struct cd_session_lookup *lookup, struct cd_arena *arena,
                                        const struct cd_session_digest *digest, cd_time now,
                                        struct cd_live_session *ret, struct cd_error *reterr)
{
        switch (cd_session_cache_find(lookup->sessions->cache, digest, now, arena, ret)) {
        case CD_SESSION_CACHED:
                return CD_OK;
        case CD_SESSION_CACHED_OLD: /* the store is not waited for while it is known not to answer */
                if (cd_store_state_need(lookup->store_state, NULL) != CD_OK)
                        return CD_OK;
                break;
        case CD_SESSION_NOT_CACHED:
                break;
        }
        return cd_fail(reterr, CD_NOT_FOUND, "the session or token is not in the cache");
}

cd_status cd_session_look_in_cache(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                                   cd_time now, struct cd_live_session *ret, struct cd_error *reterr)
{
        struct cd_session_digest digest;
        cd_status status = cd_session_digest(lookup->sessions, token, &digest, reterr);

        return status == CD_OK ? cd_live_session_look_in_cache(lookup, arena, &digest, now, ret, reterr) : status;
}

/* No name of a group has a comma in it; one that had would be two groups. */
static cd_status join_groups(struct cd_arena *arena, struct cd_strs groups, cd_str *ret)
{
        struct cd_buf buf;

        *ret = CD_STR("");
        cd_buf_init(&buf, arena, GROUPS_TEXT_MAX);
        for (size_t i = 0; i < groups.count; i++) {
                if (cd_group_name_check(groups.items[i], NULL) != CD_OK)
                        continue;
                if (buf.len)
                        cd_buf_add_char(&buf, ',');
                cd_buf_add(&buf, groups.items[i]);
        }
        return buf.len || buf.failed ? cd_buf_view(&buf, ret) : CD_OK;
}

cd_status cd_live_session_set_user(struct cd_live_session *session, struct cd_arena *arena, const struct cd_user *user,
                                   struct cd_error *reterr)
{
        session->user = user->name;
        session->display_name = user->display_name;
        session->email = user->email;
        session->generation = user->generation;
        if (join_groups(arena, user->groups, &session->groups) != CD_OK)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the groups");
        return CD_OK;
}

/* One at a time for the same session. */
static cd_status read_from_store(struct cd_live_reading *reading, struct cd_live_session *ret, struct cd_error *reterr)
{
        struct cd_session_cache *cache = reading->lookup->sessions->cache;
        struct cd_error err = { 0 };

        uint64_t ticket = cd_session_cache_ticket(cache, &reading->digest);
        cd_status status = cd_store_state_need(reading->lookup->store_state, &err);
        if (status == CD_OK)
                status = reading->read(reading, ret, &err);
        if ((status == CD_UNAVAILABLE || status == CD_TIMEOUT) &&
            cd_session_cache_find(cache, &reading->digest, reading->now, reading->arena, ret) != CD_SESSION_NOT_CACHED)
                return CD_OK;
        if (status == CD_OK)
                cd_session_cache_put(cache, &reading->digest, ticket, reading->now, ret);
        else if (status == CD_NOT_FOUND)
                cd_session_cache_drop(cache, &reading->digest);
        if (status != CD_OK && reterr)
                *reterr = err;
        return status;
}

cd_status cd_live_session_look_up(struct cd_live_reading *reading, struct cd_live_session *ret, struct cd_error *reterr)
{
        struct cd_session_cache *cache = reading->lookup->sessions->cache;

        cd_status status = cd_clock_read(reading->lookup->sessions->clock, &reading->now, reterr);
        if (status != CD_OK)
                return status;
        cd_session_cache_begin_read(cache, &reading->digest);
        if (cd_session_cache_find_fresh(cache, &reading->digest, reading->now, reading->arena, ret) ==
            CD_SESSION_NOT_CACHED)
                status = read_from_store(reading, ret, reterr);
        cd_session_cache_end_read(cache, &reading->digest);
        return status;
}

static cd_status read_session(const struct cd_live_reading *reading, struct cd_live_session *ret,
                              struct cd_error *reterr)
{
        const struct cd_sessions *sessions = reading->lookup->sessions;
        struct cd_session session;
        struct cd_user user;

        cd_status status = cd_session_find(sessions, reading->arena, reading->token, &session, reterr);
        if (status == CD_OK)
                status = sessions->store->users->find(sessions->store, reading->arena, session.user, &user, reterr);
        if (status != CD_OK)
                return status;
        if (user.disabled || user.generation != session.generation) /* since the session was found */
                return cd_fail(reterr, CD_NOT_FOUND, "the user has changed");
        *ret = (struct cd_live_session){
                .sid = session.sid,
                .factors = cd_session_factor_count(&session),
                .auth_time = session.auth_time,
                .expires_at = session.expires_at,
        };
        status = cd_live_session_set_user(ret, reading->arena, &user, reterr);
        /* It is read again in a minute, and continues if this could not be noted. */
        if (status == CD_OK)
                (void)cd_session_note_seen(sessions, &session, reading->address, NULL);
        return status;
}

cd_status cd_session_look_up(const struct cd_session_lookup *lookup, struct cd_arena *arena, cd_str token,
                             cd_str address, struct cd_live_session *ret, struct cd_error *reterr)
{
        struct cd_live_reading reading = {
                .lookup = lookup, .arena = arena, .token = token, .address = address, .read = read_session
        };
        cd_status status = cd_session_digest(lookup->sessions, token, &reading.digest, reterr);

        return status == CD_OK ? cd_live_session_look_up(&reading, ret, reterr) : status;
}

cd_status cd_live_session_login(const struct cd_live_session *session, struct cd_arena *arena,
                                struct cd_access_login *ret)
{
        cd_str rest = session->groups, group;
        size_t room = 0, count = 0;

        while (rest.len && room < CD_GROUPS_MAX && cd_str_take_until(&rest, ',', &group))
                room++;
        cd_str *groups = cd_arena_alloc(arena, room * sizeof(*groups));
        if (!groups)
                return CD_NO_MEMORY;
        rest = session->groups;
        while (count < room && cd_str_take_until(&rest, ',', &groups[count]))
                count++;
        *ret = (struct cd_access_login){
                .user = session->user,
                .groups = { groups, count },
                .factors = session->factors,
                .auth_time = session->auth_time,
        };
        return CD_OK;
}
