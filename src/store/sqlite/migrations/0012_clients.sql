-- The schema of src/store/postgres/migrations/0012_clients.sql, for SQLite. Clients that can be changed: a second secret, which is accepted
-- until old_secret_until (0: none); claims of the tokens; and the version of the clients that the last change created.
ALTER TABLE clients ADD COLUMN old_secret BLOB NOT NULL DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
ALTER TABLE clients ADD COLUMN old_secret_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN claims TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN disabled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN version INTEGER NOT NULL DEFAULT 0;
