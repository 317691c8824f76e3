ALTER TABLE alert_entries DROP COLUMN chosen;
