-- One row: for how many days what has ended is kept, 0 for ever. Its twin for the other database has the same name.
CREATE TABLE retention (
    id BIGINT NOT NULL PRIMARY KEY,
    delivery_days BIGINT NOT NULL,
    alert_days BIGINT NOT NULL,
    audit_days BIGINT NOT NULL
);
INSERT INTO retention (id, delivery_days, alert_days, audit_days) VALUES (1, 90, 180, 365);

-- What has ended, oldest first, so that a step of the cleaning reads nothing but what it removes.
CREATE INDEX alerts_finished ON alerts (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX deliveries_alone ON deliveries (finished_at, id) WHERE alert IS NULL AND finished_at IS NOT NULL;
CREATE INDEX messages_failed ON messages (finished_at, id) WHERE state = 'failed';
-- The database asks for each delivery that is removed whether another was sent again as it.
CREATE INDEX deliveries_by_resent ON deliveries (resent_as) WHERE resent_as IS NOT NULL;
