-- The schema of src/store/sqlite/migrations/0007_personal_tokens.sql, for PostgreSQL.

-- Tokens of users for their programs. The limits are JSON arrays of strings. used_at is 0 until the token is used. ended is 0 or the
-- version of the sessions that the revocation made; expires_at is then when nobody needs to be told of it any more.
CREATE TABLE personal_tokens (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    user_name TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    factors BIGINT NOT NULL,
    hosts TEXT COLLATE "C" NOT NULL,
    paths TEXT COLLATE "C" NOT NULL,
    methods TEXT COLLATE "C" NOT NULL,
    networks TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    ended BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX personal_tokens_by_user ON personal_tokens (user_name);
CREATE INDEX personal_tokens_by_expiry ON personal_tokens (expires_at);
CREATE INDEX personal_tokens_by_end ON personal_tokens (ended) WHERE ended > 0;
