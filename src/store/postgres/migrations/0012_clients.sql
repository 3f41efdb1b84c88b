-- The schema of src/store/sqlite/migrations/0012_clients.sql, for PostgreSQL. Clients that can be changed: a second secret, which is
-- accepted until old_secret_until (0: none); claims of the tokens; and the version of the clients that the last change created.
ALTER TABLE clients ADD COLUMN old_secret BYTEA NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE clients ADD COLUMN old_secret_until BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN claims TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN disabled BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN version BIGINT NOT NULL DEFAULT 0;
