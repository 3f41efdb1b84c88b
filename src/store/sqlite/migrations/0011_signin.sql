-- The schema of src/store/postgres/migrations/0011_signin.sql, for SQLite. Logins at other providers: whose account is whose, states that
-- were used, and tokens that providers gave. lease_ends_at is 0 unless a process refreshes the tokens.
CREATE TABLE provider_accounts (
    provider TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_name TEXT NOT NULL,
    login TEXT NOT NULL,
    linked_at INTEGER NOT NULL,
    last_login_at INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX provider_accounts_by_user ON provider_accounts (user_name);
CREATE TABLE used_states (
    digest TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_states_by_expiry ON used_states (expires_at);
CREATE TABLE provider_tokens (
    user_name TEXT NOT NULL,
    provider TEXT NOT NULL,
    sealed TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    lease_ends_at INTEGER NOT NULL,
    PRIMARY KEY (user_name, provider)
) STRICT, WITHOUT ROWID;
INSERT INTO versions (name, version) VALUES ('provider_tokens', 1);

-- What the relay holds until its receiver answers. state: 0 waits, 1 is being sent, 2 is answered, 3 is given up.
CREATE TABLE deliveries (
    id TEXT NOT NULL PRIMARY KEY,
    relay TEXT NOT NULL,
    sealed TEXT NOT NULL,
    state INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    hold_until INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_by_next ON deliveries (next_at, hold_until) WHERE state < 2;
CREATE INDEX deliveries_by_expiry ON deliveries (expires_at);
INSERT INTO versions (name, version) VALUES ('deliveries', 1);
