-- Since when a robot is broken without its tenant's administrators having been told; null when there is nothing to tell.
ALTER TABLE robots ADD COLUMN untold_since TIMESTAMP;
CREATE INDEX robots_untold ON robots (untold_since) WHERE untold_since IS NOT NULL;
