-- When the account's one-time code logged somebody in. It logs in once; then it can only be replaced.
ALTER TABLE accounts ADD COLUMN code_used_at TIMESTAMP;
