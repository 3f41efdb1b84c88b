-- When a password or enabling the user last cleared the failures. Until now, that was guessed from changed_at.
ALTER TABLE users ADD COLUMN cleared_at INTEGER NOT NULL DEFAULT 0;
UPDATE users SET cleared_at = password_at;

-- Wrong attempts by browsers that have a device cookie. A browser without any has no row. Times are seconds since 1970.
CREATE TABLE device_failures (
    device TEXT NOT NULL PRIMARY KEY,
    user_name TEXT NOT NULL,
    failures INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_failures_by_user ON device_failures (user_name);
CREATE INDEX device_failures_by_expiry ON device_failures (expires_at);
