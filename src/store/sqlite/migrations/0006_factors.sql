-- What logins by browser need: sessions, half-finished logins, second factors, links. Times are seconds since 1970.

-- No version of the program wrote sessions before this one. ended is 0 or the version of the sessions that its end made; expires_at is
-- then when nobody needs to be told of the end any more.
DROP TABLE sessions;
CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    sid TEXT NOT NULL,
    user_name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    amr TEXT NOT NULL,
    factors INTEGER NOT NULL,
    auth_time INTEGER NOT NULL,
    device TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    idle_lifetime INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_name);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_end ON sessions (ended) WHERE ended > 0;
INSERT INTO versions (name, version) VALUES ('sessions', 1);

CREATE TABLE pending_logins (
    digest TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    factors INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_logins_by_user ON pending_logins (user_name);
CREATE INDEX pending_logins_by_expiry ON pending_logins (expires_at);

CREATE TABLE totp (
    user_name TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_step INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    mac TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX recovery_codes_by_user ON recovery_codes (user_name);

-- kind is 'invite' or 'reset'.
CREATE TABLE links (
    digest TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    user_name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    account TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX links_by_user ON links (user_name);
CREATE INDEX links_by_expiry ON links (expires_at);
