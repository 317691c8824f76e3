-- An older version knows no entry of this kind; its deliveries keep their alert.
UPDATE alert_entries SET kind = 'loud' WHERE kind = 'quiet-ended';
DROP INDEX alerts_suppressed_critical;
DROP INDEX alerts_suppressed;
ALTER TABLE alerts DROP COLUMN suppressed_critical_at;
ALTER TABLE alerts DROP COLUMN suppressed_entry;
ALTER TABLE rule_sends DROP COLUMN noted_severity;
ALTER TABLE rule_sends DROP COLUMN notified_severity;
