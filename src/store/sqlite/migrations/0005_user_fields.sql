-- The schema of src/store/postgres/migrations/0005_user_fields.sql, for SQLite. The groups are a JSON array of names, sorted by their
-- bytes, each once.
ALTER TABLE users ADD COLUMN display_name TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email_verified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN groups TEXT NOT NULL DEFAULT '[]';
