-- The schema of src/store/postgres/migrations/0010_hand_over.sql, for SQLite. Sessions on their way to a site of another root domain.
-- sealed holds the session's cookie and the page to return to.
CREATE TABLE hand_overs (
    digest TEXT NOT NULL PRIMARY KEY,
    session TEXT NOT NULL,
    host TEXT NOT NULL,
    nonce TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX hand_overs_by_session ON hand_overs (session);
CREATE INDEX hand_overs_by_expiry ON hand_overs (expires_at);
