-- Stands for the migration of another branch, which replaces it.
SELECT 1;
