-- The schema of src/store/sqlite/migrations/0010_hand_over.sql, for PostgreSQL. Sessions on their way to a site of another root domain.
-- sealed holds the session's cookie and the page to return to.
CREATE TABLE hand_overs (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    session TEXT COLLATE "C" NOT NULL,
    host TEXT COLLATE "C" NOT NULL,
    nonce TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX hand_overs_by_session ON hand_overs (session);
CREATE INDEX hand_overs_by_expiry ON hand_overs (expires_at);
