-- The severity of the last firing that the rule notified of, and of the last one that the record names it with; empty when
-- there was none. A firing of higher severity notifies at once.
ALTER TABLE rule_sends ADD COLUMN notified_severity TEXT NOT NULL DEFAULT '';
ALTER TABLE rule_sends ADD COLUMN noted_severity TEXT NOT NULL DEFAULT '';
UPDATE rule_sends SET notified_severity = COALESCE((SELECT e.severity FROM alert_entries e
    WHERE e.alert = rule_sends.alert AND e.at = rule_sends.rang_at AND e.severity <> '' ORDER BY e.id DESC LIMIT 1), '');
UPDATE rule_sends SET noted_severity = COALESCE((SELECT e.severity FROM alert_entries e
    WHERE e.alert = rule_sends.alert AND e.at = rule_sends.last_at AND e.severity <> '' ORDER BY e.id DESC LIMIT 1), '');

-- The latest of the gravest firings that do not disturb suppressed and nobody has been notified of since: when do not disturb
-- ends on an open event, one notification says it.
ALTER TABLE alerts ADD COLUMN suppressed_entry BIGINT;
-- When do not disturb last suppressed a critical firing; null for never. The tenant's home page shows it.
ALTER TABLE alerts ADD COLUMN suppressed_critical_at TIMESTAMP;
CREATE INDEX alerts_suppressed ON alerts (quiet_until, id) WHERE suppressed_entry IS NOT NULL;
CREATE INDEX alerts_suppressed_critical ON alerts (tenant, suppressed_critical_at, id) WHERE suppressed_critical_at IS NOT NULL;
-- Do not disturb ends with its event.
UPDATE alerts SET quiet_until = NULL WHERE finished_at IS NOT NULL AND quiet_until IS NOT NULL;
