-- Holds the number of a migration that another branch adds.
SELECT 1;
