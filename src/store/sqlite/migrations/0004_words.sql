-- Names that say what they are.
ALTER TABLE settled RENAME TO fixed_values;
ALTER TABLE users RENAME COLUMN grants TO claims;
