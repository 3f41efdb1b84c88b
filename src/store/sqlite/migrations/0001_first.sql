-- The schema of src/store/postgres/migrations/0001_first.sql, for SQLite: the same tables, columns and indexes. Texts compare by bytes
-- (BINARY), times are seconds since 1970, booleans are 0 and 1, lists of strings are JSON arrays.

-- One row a kind. A writer takes the row before it writes what the row counts, in the same transaction.
CREATE TABLE versions (
    name TEXT NOT NULL PRIMARY KEY,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO versions (name, version) VALUES ('clients', 1), ('keys', 1), ('revocations', 1);

CREATE TABLE settled (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY,
    password TEXT NOT NULL,
    grants TEXT NOT NULL,
    disabled INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    password_at INTEGER NOT NULL,
    last_login_at INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    failed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE clients (
    id TEXT NOT NULL PRIMARY KEY,
    secret BLOB NOT NULL,
    grants INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    audience TEXT NOT NULL,
    introspect TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
    kid TEXT NOT NULL PRIMARY KEY,
    alg TEXT NOT NULL,
    sealed BLOB NOT NULL,
    public_jwk TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    sign_from INTEGER NOT NULL,
    verify_until INTEGER NOT NULL
) STRICT;

-- seq is the version that the row's transaction gave 'revocations'. jti is null in the rows that stand for all tokens of a user.
CREATE TABLE revocations (
    seq INTEGER NOT NULL PRIMARY KEY,
    jti TEXT UNIQUE,
    user_name TEXT NOT NULL,
    issued_before INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX revocations_by_expiry ON revocations (expires_at);

CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL,
    data TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_name);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    happened_at INTEGER NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    subject TEXT NOT NULL,
    address TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_time ON audit (happened_at);
