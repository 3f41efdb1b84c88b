-- E-mails that wait to be sent. attempts counts the claims, each of which ends at next_at if it was not ended before.

CREATE TABLE mails (
    id TEXT NOT NULL PRIMARY KEY,
    recipient TEXT NOT NULL,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mails_by_recipient ON mails (recipient);
CREATE INDEX mails_by_next ON mails (next_at);
CREATE INDEX mails_by_expiry ON mails (expires_at);
INSERT INTO versions (name, version) VALUES ('mails', 1);
