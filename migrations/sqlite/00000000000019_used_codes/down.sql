ALTER TABLE accounts DROP COLUMN code_used_at;
