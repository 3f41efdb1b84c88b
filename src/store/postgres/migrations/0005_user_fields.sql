-- The schema of src/store/sqlite/migrations/0005_user_fields.sql, for PostgreSQL. The groups are a JSON array of names, sorted by their
-- bytes, each once.
ALTER TABLE users ADD COLUMN display_name TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email_verified BIGINT NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN groups TEXT COLLATE "C" NOT NULL DEFAULT '[]';
