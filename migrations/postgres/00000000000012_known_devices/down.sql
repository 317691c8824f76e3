DELETE FROM lockouts;
ALTER TABLE accounts DROP COLUMN failed_since;
ALTER TABLE accounts DROP COLUMN failed_log_ins;
DROP TABLE known_devices;
