-- Whose key it is: portal:ID or account:ID. Empty for events from before, which belong to whoever sends their key next.
ALTER TABLE alerts ADD COLUMN key_owner TEXT NOT NULL DEFAULT '';
-- JSON object of names and texts that the sender added.
ALTER TABLE alerts ADD COLUMN annotations TEXT NOT NULL DEFAULT '{}';
-- When it began and ended by its sender; null where the sender did not say. first_at, last_at and finished_at are moments of receipt.
ALTER TABLE alerts ADD COLUMN started_at TIMESTAMP;
ALTER TABLE alerts ADD COLUMN ended_at TIMESTAMP;
-- At most one open event of a sender's key.
DROP INDEX alerts_open;
CREATE UNIQUE INDEX alerts_open ON alerts (tenant, key_owner, key) WHERE finished_at IS NULL;
