ALTER TABLE paces DROP COLUMN full_until;
