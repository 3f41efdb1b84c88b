-- The schema of src/store/sqlite/migrations/0008_mails.sql, for PostgreSQL.

CREATE TABLE mails (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    recipient TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_at BIGINT NOT NULL
);
CREATE INDEX mails_by_recipient ON mails (recipient);
CREATE INDEX mails_by_next ON mails (next_at);
CREATE INDEX mails_by_expiry ON mails (expires_at);
INSERT INTO versions (name, version) VALUES ('mails', 1);
