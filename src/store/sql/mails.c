#include "store/sql/table.h"
#include "store/sql/tables.h"

static const struct cd_sql_column columns[] = {
        CD_SQL_COLUMN("id", cd_queued_mail, id),
        CD_SQL_COLUMN("recipient", cd_queued_mail, recipient),
        CD_SQL_COLUMN("sealed", cd_queued_mail, sealed),
        CD_SQL_COLUMN("created_at", cd_queued_mail, created_at),
        CD_SQL_COLUMN("expires_at", cd_queued_mail, expires_at),
        CD_SQL_COLUMN("attempts", cd_queued_mail, attempts),
        CD_SQL_COLUMN("next_at", cd_queued_mail, next_at),
};

struct cd_sql_table cd_sql_mails = {
        .name = "mails",
        .one = "e-mail",
        .columns = columns,
        .count = CD_LEN(columns),
        .row_size = sizeof(struct cd_queued_mail),
        .list_by = "WHERE next_at <= $1 AND expires_at > $2 ORDER BY next_at, id LIMIT 1",
        .expires = "expires_at",
};

/* ---- add ---- */

static cd_status count_all(struct cd_sql_session *session, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT COUNT(*) FROM mails", 0, 1 };

        return cd_sql_query_integer(session, &statement, NULL, ret, reterr);
}

static cd_status count_for(struct cd_sql_session *session, cd_str recipient, int64_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT COUNT(*) FROM mails WHERE recipient = $1", 1, 1 };
        const struct cd_sql_value params[] = { cd_sql_text(recipient) };

        return cd_sql_query_integer(session, &statement, params, ret, reterr);
}

/* The row of the versions is locked, so what is counted cannot grow before the commit. */
static cd_status add_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        const struct cd_queued_mail *mail = arg;
        int64_t version, all = 0, to_one = 0, changed = 0;

        cd_status status = cd_sql_bump(session, CD_STR("mails"), &version, reterr);
        if (status == CD_OK)
                status = count_all(session, &all, reterr);
        if (status == CD_OK)
                status = count_for(session, mail->recipient, &to_one, reterr);
        if (status != CD_OK)
                return status;
        if (to_one >= CD_MAILS_TO_ONE_MAX)
                return cd_fail_field(reterr, CD_THROTTLED, CD_STR("to"),
                                     "as many e-mails to this address wait to be sent as may");
        if (all >= CD_MAILS_MAX)
                return cd_fail(reterr, CD_THROTTLED, "as many e-mails wait to be sent as may");
        status = cd_sql_row_insert(&cd_sql_mails, session, mail, &changed, reterr);
        return status == CD_OK && changed == 0 ? cd_fail(reterr, CD_EXISTS, "there is an e-mail with that id") : status;
}

static cd_status add(struct cd_store *store, const struct cd_queued_mail *mail, struct cd_error *reterr)
{
        struct cd_queued_mail copy = *mail;

        copy.attempts = 0;
        return cd_sql_write(store, add_transaction, &copy, reterr);
}

/* ---- claim ---- */

static const char lost_claim[] = "the claim has ended";

struct claiming {
        const struct cd_queued_mail *mail; /* as read */
        cd_time claim_ends;
};

static cd_status claim_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "UPDATE mails SET attempts = attempts + 1, next_at = $1 "
                                                           "WHERE id = $2 AND attempts = $3 AND next_at = $4",
                                                           4, 0 };
        const struct claiming *claiming = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(claiming->claim_ends),
                cd_sql_text(claiming->mail->id),
                cd_sql_integer(claiming->mail->attempts),
                cd_sql_integer(claiming->mail->next_at),
        };

        return cd_sql_must_change(session, &statement, params, "another process has claimed the e-mail", reterr);
}

/* Reads, then writes if nobody was faster: as long as nothing is due, nothing is written. */
static cd_status claim(struct cd_store *store, struct cd_arena *arena, cd_time now, cd_time claim_ends,
                       struct cd_queued_mail *ret, struct cd_error *reterr)
{
        const struct cd_sql_value params[] = { cd_sql_integer(now), cd_sql_integer(now) };
        cd_status status;

        do {
                struct cd_sql_list rows = { .arena = arena };
                status = cd_sql_select(&cd_sql_mails, store, &cd_sql_mails.list, params, &rows, reterr);
                if (status != CD_OK)
                        return status;
                if (rows.count == 0)
                        return cd_fail(reterr, CD_NOT_FOUND, "no e-mail is due");
                *ret = *(struct cd_queued_mail *)rows.items;
                struct claiming claiming = { ret, claim_ends };
                status = cd_sql_write(store, claim_transaction, &claiming, reterr);
        } while (status == CD_NOT_FOUND);
        ret->attempts++;
        ret->next_at = claim_ends;
        return status;
}

struct ending {
        const struct cd_queued_mail *mail;
        cd_time next_at;
        const struct cd_audit_event *event;
};

static cd_status postpone_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = {
                "UPDATE mails SET next_at = $1 WHERE id = $2 AND attempts = $3", 3, 0
        };
        const struct ending *ending = arg;
        const struct cd_sql_value params[] = {
                cd_sql_integer(ending->next_at),
                cd_sql_text(ending->mail->id),
                cd_sql_integer(ending->mail->attempts),
        };

        return cd_sql_must_change(session, &statement, params, lost_claim, reterr);
}

static cd_status postpone(struct cd_store *store, const struct cd_queued_mail *mail, cd_time next_at,
                          struct cd_error *reterr)
{
        struct ending ending = { .mail = mail, .next_at = next_at };

        return cd_sql_write(store, postpone_transaction, &ending, reterr);
}

static cd_status remove_transaction(struct cd_sql_session *session, void *arg, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "DELETE FROM mails WHERE id = $1 AND attempts = $2", 2, 0 };
        const struct ending *ending = arg;
        const struct cd_sql_value params[] = {
                cd_sql_text(ending->mail->id),
                cd_sql_integer(ending->mail->attempts),
        };
        cd_status status = cd_sql_must_change(session, &statement, params, lost_claim, reterr);

        return status == CD_OK ? cd_sql_audit_add(session, ending->event, reterr) : status;
}

static cd_status remove_mail(struct cd_store *store, const struct cd_queued_mail *mail,
                             const struct cd_audit_event *event, struct cd_error *reterr)
{
        struct ending ending = { .mail = mail, .event = event };

        return cd_sql_write(store, remove_transaction, &ending, reterr);
}

static cd_status count(struct cd_store *store, size_t *ret, struct cd_error *reterr)
{
        static const struct cd_sql_statement statement = { "SELECT COUNT(*) FROM mails", 0, 1 };
        int64_t found = 0;
        const struct cd_sql_call call = { .statement = &statement, .row = cd_sql_take_integer, .arg = &found };
        cd_status status = cd_sql_look_up(store, &call, reterr);

        if (status == CD_OK)
                *ret = (size_t)found;
        return status;
}

const struct cd_mail_ops cd_sql_mail_ops = {
        .add = add,
        .claim = claim,
        .postpone = postpone,
        .remove = remove_mail,
        .count = count,
};
