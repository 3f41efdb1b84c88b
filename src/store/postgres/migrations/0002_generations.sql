-- The schema of src/store/sqlite/migrations/0002_generations.sql, for PostgreSQL.

-- An earlier token has no generation, which counts as 0: it stays valid unless its user's tokens are revoked. Users start above every
-- revocation that there is, so that their next tokens are valid in any case.
ALTER TABLE users ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
UPDATE users SET generation = (SELECT version FROM versions WHERE name = 'revocations');
ALTER TABLE clients ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;

-- The row of a user ends the tokens whose generation is below its seq.
ALTER TABLE revocations DROP COLUMN issued_before;
ALTER TABLE revocations ADD COLUMN client_id TEXT COLLATE "C" NOT NULL DEFAULT '';
