#include "store/memory/store.h"

const struct cd_row_kind cd_memory_session_kind = {
        .size = sizeof(struct cd_session),
        .strings = { offsetof(struct cd_session, digest), offsetof(struct cd_session, user),
                     offsetof(struct cd_session, data) },
        .string_count = 3,
};

static cd_status put(struct cd_store *store, const struct cd_session *session, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        void *row = NULL;
        size_t at;

        cd_status status = cd_rows_reserve(&m->sessions, 1, reterr);
        if (status == CD_OK)
                status = cd_row_new(&cd_memory_session_kind, session, &row, reterr);
        if (status != CD_OK)
                return status;
        if (cd_rows_find(&m->sessions, session->digest, &at))
                cd_rows_replace(&m->sessions, at, row);
        else
                cd_rows_insert(&m->sessions, at, row);
        return CD_OK;
}

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_session *ret,
                      struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        const struct cd_session *session = cd_rows_find(&m->sessions, digest, NULL);
        const struct cd_user *user = session ? cd_rows_find(&m->users, session->user, NULL) : NULL;

        if (!user || user->disabled || user->generation != session->generation)
                return cd_fail(reterr, CD_NOT_FOUND, "no such session");
        return cd_row_get(&cd_memory_session_kind, session, arena, ret, reterr);
}

static cd_status remove_session(struct cd_store *store, cd_str digest, struct cd_error *reterr)
{
        struct memory_store *m MEMORY_LOCKED = memory_lock(store);
        size_t at;

        (void)reterr;
        if (cd_rows_find(&m->sessions, digest, &at))
                cd_rows_remove(&m->sessions, at);
        return CD_OK;
}

void memory_remove_sessions_of(struct memory_store *m, cd_str user)
{
        size_t kept = 0;

        for (size_t i = 0; i < m->sessions.count; i++) {
                struct cd_session *session = m->sessions.items[i];
                if (cd_str_eq(session->user, user))
                        cd_row_free(&cd_memory_session_kind, session);
                else
                        m->sessions.items[kept++] = session;
        }
        m->sessions.count = kept;
}

const struct cd_session_ops cd_memory_session_ops = { put, find, remove_session };
