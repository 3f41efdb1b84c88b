-- The schema of src/store/sqlite/migrations/0011_signin.sql, for PostgreSQL. Logins at other providers: whose account is whose, states that
-- were used, and tokens that providers gave. lease_ends_at is 0 unless a process refreshes the tokens.
CREATE TABLE provider_accounts (
    provider TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    user_name TEXT COLLATE "C" NOT NULL,
    login TEXT COLLATE "C" NOT NULL,
    linked_at BIGINT NOT NULL,
    last_login_at BIGINT NOT NULL,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX provider_accounts_by_user ON provider_accounts (user_name);
CREATE TABLE used_states (
    digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
CREATE INDEX used_states_by_expiry ON used_states (expires_at);
CREATE TABLE provider_tokens (
    user_name TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    lease_ends_at BIGINT NOT NULL,
    PRIMARY KEY (user_name, provider)
);
INSERT INTO versions (name, version) VALUES ('provider_tokens', 1);

-- What the relay holds until its receiver answers. state: 0 waits, 1 is being sent, 2 is answered, 3 is given up.
CREATE TABLE deliveries (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    relay TEXT COLLATE "C" NOT NULL,
    sealed TEXT COLLATE "C" NOT NULL,
    state BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL,
    hold_until BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX deliveries_by_next ON deliveries (next_at, hold_until) WHERE state < 2;
CREATE INDEX deliveries_by_expiry ON deliveries (expires_at);
INSERT INTO versions (name, version) VALUES ('deliveries', 1);
