-- Tokens of users for their programs. The limits are JSON arrays of strings. used_at is 0 until the token is used. ended is 0 or the
-- version of the sessions that the revocation made; expires_at is then when nobody needs to be told of it any more.
CREATE TABLE personal_tokens (
    digest TEXT NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    user_name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    name TEXT NOT NULL,
    factors INTEGER NOT NULL,
    hosts TEXT NOT NULL,
    paths TEXT NOT NULL,
    methods TEXT NOT NULL,
    networks TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    address TEXT NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX personal_tokens_by_user ON personal_tokens (user_name);
CREATE INDEX personal_tokens_by_expiry ON personal_tokens (expires_at);
CREATE INDEX personal_tokens_by_end ON personal_tokens (ended) WHERE ended > 0;
