#include <errno.h>
#include <string.h>

#include "store/sqlite/connection.h"

static const struct verdict {
        int code; /* primary result code of SQLite */
        cd_status status;
        const char *reason; /* in words that anyone may read */
} verdicts[] = {
        { SQLITE_FULL, CD_UNAVAILABLE, "the disk of the database is full" },
        { SQLITE_IOERR, CD_UNAVAILABLE, "the database could not be read or written" },
        { SQLITE_CORRUPT, CD_UNAVAILABLE, "the database is damaged" },
        { SQLITE_NOTADB, CD_UNAVAILABLE, "the file is not an SQLite database, or it is damaged" },
        { SQLITE_READONLY, CD_UNAVAILABLE, "the database is read-only" },
        { SQLITE_PERM, CD_UNAVAILABLE, "no permission to use the database" },
        { SQLITE_CANTOPEN, CD_UNAVAILABLE, "the database cannot be opened" },
        { SQLITE_BUSY, CD_UNAVAILABLE, "the database is locked by another process" },
        { SQLITE_LOCKED, CD_UNAVAILABLE, "the database is locked by another process" },
        { SQLITE_PROTOCOL, CD_UNAVAILABLE, "the database is locked by another process" },
        { SQLITE_NOMEM, CD_NO_MEMORY, "no memory for the database" },
        { SQLITE_TOOBIG, CD_TOO_LARGE, "too large for the database" },
};

/* An exceeded quota or process limit is a full disk as well; SQLite reports these as other errors. */
static bool is_full(int code, int system_errno)
{
        return (code & 0xff) == SQLITE_FULL ||
               ((code & 0xff) == SQLITE_IOERR &&
                (system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG));
}

/* A file system that became read-only while the server runs, for example after a disk error. */
static bool is_read_only(int code, int system_errno)
{
        return ((code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN) && system_errno == EROFS;
}

/* The file that an error is about, or NULL if it is not about a file or the file has no name. */
static const char *file_at_fault(struct cd_sqlite_connection *connection, int primary)
{
        const char *name = connection->db ? sqlite3_db_filename(connection->db, "main") : NULL;

        return name && *name && (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) ? name : NULL;
}

cd_status cd_sqlite_fail(struct cd_sqlite_connection *connection, int code, struct cd_error *reterr)
{
        int last = errno, primary = code & 0xff,
            system_errno = connection->db ? sqlite3_system_errno(connection->db) : 0;
        const char *detail = connection->db ? sqlite3_errmsg(connection->db) : sqlite3_errstr(code);

        system_errno = system_errno ? system_errno : last; /* SQLite does not keep the errno of a failed COMMIT */
        if (is_full(code, system_errno))
                primary = SQLITE_FULL;
        else if (is_read_only(code, system_errno))
                primary = SQLITE_READONLY;
        for (size_t i = 0; i < CD_LEN(verdicts); i++) {
                const struct verdict *verdict = &verdicts[i];
                if (verdict->code != primary)
                        continue;
                const char *cause = primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN ? strerror(system_errno) : "";
                const char *file = file_at_fault(connection, primary);
                (void)cd_failf(reterr, verdict->status, CD_STR(""), "%.200s%s%s (%.120s, %d%s%s)", file ? file : "",
                               file ? ": " : "", verdict->reason, detail, code, *cause ? ", " : "", cause);
                if (reterr)
                        reterr->summary = verdict->reason;
                return verdict->status;
        }
        return cd_failf(reterr, CD_INTERNAL, CD_STR(""), "SQLite: %.200s (%d)", detail, code);
}
