ALTER TABLE rule_sends DROP COLUMN rang_at;
