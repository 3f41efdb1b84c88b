-- The schema of src/store/sqlite/migrations/0006_factors.sql, for PostgreSQL.

-- No version of the program wrote sessions before this one. ended is 0 or the version of the sessions that its end made; expires_at is
-- then when nobody needs to be told of the end any more.
DROP TABLE sessions;
CREATE TABLE sessions (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sid TEXT COLLATE "C" NOT NULL,
    user_name TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    amr TEXT COLLATE "C" NOT NULL,
    factors BIGINT NOT NULL,
    auth_time BIGINT NOT NULL,
    device TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    idle_lifetime BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX sessions_by_user ON sessions (user_name);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended) WHERE ended > 0;
INSERT INTO versions (name, version) VALUES ('sessions', 1);

CREATE TABLE pending_logins (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_name TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    factors BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pending_logins_by_user ON pending_logins (user_name);
CREATE INDEX pending_logins_by_expiry ON pending_logins (expires_at);

CREATE TABLE totp (
    user_name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    last_step BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    failed_at BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
    mac TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_name TEXT COLLATE "C" NOT NULL
);
CREATE INDEX recovery_codes_by_user ON recovery_codes (user_name);

-- kind is 'invite' or 'reset'.
CREATE TABLE links (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    user_name TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX links_by_user ON links (user_name);
CREATE INDEX links_by_expiry ON links (expires_at);
