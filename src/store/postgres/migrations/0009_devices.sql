-- The schema of src/store/sqlite/migrations/0009_devices.sql, for PostgreSQL.
ALTER TABLE users ADD COLUMN cleared_at BIGINT NOT NULL DEFAULT 0;
UPDATE users SET cleared_at = password_at;

CREATE TABLE device_failures (
    device TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_name TEXT COLLATE "C" NOT NULL,
    failures BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX device_failures_by_user ON device_failures (user_name);
CREATE INDEX device_failures_by_expiry ON device_failures (expires_at);
