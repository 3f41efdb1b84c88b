#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("digest", cd_account_link, digest),
        CD_SQL_COLUMN("kind", cd_account_link, kind),
        CD_SQL_COLUMN("user_name", cd_account_link, user),
        CD_SQL_COLUMN("generation", cd_account_link, generation),
        CD_SQL_COLUMN("account", cd_account_link, account),
        CD_SQL_COLUMN("created_at", cd_account_link, created_at),
        CD_SQL_COLUMN("expires_at", cd_account_link, expires_at),
};

struct cd_sql_table cd_sql_links = {
        .name = "links",
        .one = "link",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_account_link),
        .expires = "expires_at",
};

static cd_status find(struct cd_store *store, struct cd_arena *arena, cd_str digest, struct cd_account_link *ret,
                      struct cd_error *reterr)
{
        return cd_sql_find(&cd_sql_links, store, arena, digest, ret, reterr);
}

/* ---- add ---- */

struct adding {
        const struct cd_account_link *link;
        const struct cd_audit_event *event;
};

static cd_status remove_invitations(struct cd_sql_session *session, cd_str user, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM links WHERE user_name = $1 AND kind = 'invite'",
                                                           1, 0 };
        const struct cd_sql_value params[] = { cd_sql_text(user) };

        return cd_sql_execute(session, &statement, params, NULL, reterr);
}

/* A stranger may ask for as many as he likes: those that were mailed stay valid, and no more are made. */
static cd_status check_room(struct cd_sql_session *session, const struct cd_account_link *link, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "SELECT COUNT(*) FROM links WHERE user_name = $1 AND kind = $2 AND expires_at > $3", 3, 1
        };
        const struct cd_sql_value params[] = {
                cd_sql_text(link->user),
                cd_sql_text(link->kind),
                cd_sql_integer(link->created_at),
        };
        int64_t count = 0;
        cd_status status = cd_sql_query_integer(session, &statement, params, &count, reterr);

        if (status == CD_OK && count >= CD_RESET_LINKS_MAX)
                return cd_fail(reterr, CD_THROTTLED, "the user has as many links as may be valid at a time");
        return status;
}

static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct adding *adding = arg;
        const struct cd_account_link *link = adding->link;
        cd_status status;

        if (link->generation == 0) {
                status = remove_invitations(session, link->user, reterr);
        } else {
                status = cd_sql_user_hold(session, link->user, link->generation, reterr);
                if (status == CD_OK)
                        status = check_room(session, link, reterr);
        }
        if (status == CD_OK)
                status = cd_sql_row_insert(&cd_sql_links, session, link, NULL, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, adding->event, reterr) : status;
}

static cd_status add(struct cd_store *store, const struct cd_account_link *link, const struct cd_audit_event *event,
                     struct cd_error *reterr)
{
        struct adding adding = { link, event };

        return cd_sql_write(store, add_transaction, &adding, reterr);
}

/* ---- consume ---- */

struct consumed {
        cd_str digest, kind, user;
        cd_time now;
};

/* Of many who consume a link at the same time, one deletes the row. */
static cd_status consume(struct cd_sql_session *session, const struct consumed *link, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "DELETE FROM links WHERE digest = $1 AND kind = $2 AND user_name = $3 AND expires_at > $4", 4, 0
        };
        const struct cd_sql_value params[] = {
                cd_sql_text(link->digest),
                cd_sql_text(link->kind),
                cd_sql_text(link->user),
                cd_sql_integer(link->now),
        };

        return cd_sql_must_change(session, &statement, params, "the link was used already, or has expired", reterr);
}

struct joining {
        const struct cd_registration *params;
        const struct cd_audit_event *event;
};

static cd_status join_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct joining *joining = arg;
        const struct cd_registration *params = joining->params;
        const struct consumed link = { params->link, CD_STR("invite"), params->user->name, params->now };
        cd_status status = cd_sql_user_add(session, params->user, reterr); /* holds versions, so it is the first */

        if (status == CD_OK && params->link.len)
                status = consume(session, &link, reterr);
        if (status == CD_OK && params->factor.sealed.ptr)
                status = cd_sql_totp_add(session, &params->factor, reterr);
        if (status == CD_OK)
                status = cd_sql_recovery_codes_add(session, params->user->name, &params->codes, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, joining->event, reterr) : status;
}

static cd_status join(struct cd_store *store, const struct cd_registration *registration,
                      const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct joining joining = { registration, event };

        return cd_sql_write(store, join_transaction, &joining, reterr);
}

struct resetting {
        const struct cd_account_link *link;
        cd_str password;
        cd_time now;
        const struct cd_audit_event *event;
};

static cd_status reset_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct resetting *resetting = arg;
        const struct cd_account_link *link = resetting->link;
        const struct consumed consumed = { link->digest, CD_STR("reset"), link->user, resetting->now };
        const struct cd_user_change change = { .name = link->user,
                                               .now = resetting->now,
                                               .password = resetting->password };
        /* The update takes this row too, after that of the user: here it has to be the first. */
        cd_status status = cd_sql_hold(session, CD_STR("revocations"), reterr);

        if (status == CD_OK)
                status = cd_sql_user_hold(session, link->user, link->generation, reterr);
        if (status == CD_OK)
                status = consume(session, &consumed, reterr);
        if (status == CD_OK)
                status = cd_sql_user_update(session, &change, NULL, reterr);
        return status == CD_OK ? cd_sql_audit_add(session, resetting->event, reterr) : status;
}

static cd_status reset(struct cd_store *store, const struct cd_account_link *link, cd_str password, cd_time now,
                       const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct resetting resetting = { link, password, now, event };

        return cd_sql_write(store, reset_transaction, &resetting, reterr);
}

const struct cd_account_link_ops cd_sql_link_ops = {
        .add = add,
        .find = find,
        .join = join,
        .reset = reset,
};
