-- Of several open events of a key only the newest stays open.
UPDATE alerts SET finished_at = last_at WHERE finished_at IS NULL AND id NOT IN (
    SELECT MAX(id) FROM alerts WHERE finished_at IS NULL GROUP BY tenant, key
);
DROP INDEX alerts_open;
CREATE UNIQUE INDEX alerts_open ON alerts (tenant, key) WHERE finished_at IS NULL;
ALTER TABLE alerts DROP COLUMN ended_at;
ALTER TABLE alerts DROP COLUMN started_at;
ALTER TABLE alerts DROP COLUMN annotations;
ALTER TABLE alerts DROP COLUMN key_owner;
