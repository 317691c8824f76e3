-- Entries of time lines whose receivers are too many for the transaction that took the alert in: the others become deliveries
-- afterwards, part by part. Its twin for the other database has the same name.

-- The receivers of one or several entries, as they were chosen.
CREATE TABLE fan_out_plans (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    created_at TIMESTAMP NOT NULL
);
CREATE INDEX fan_out_plans_by_age ON fan_out_plans (created_at);

CREATE TABLE fan_out_parts (
    plan BIGINT NOT NULL REFERENCES fan_out_plans (id),
    -- From 0 on.
    part BIGINT NOT NULL,
    -- JSON: who is reached by which robot, and who is not and why.
    receivers TEXT NOT NULL,
    -- How many they are: as many deliveries come of it.
    size BIGINT NOT NULL,
    PRIMARY KEY (plan, part)
);

CREATE TABLE fan_outs (
    entry BIGINT NOT NULL PRIMARY KEY REFERENCES alert_entries (id),
    alert BIGINT NOT NULL REFERENCES alerts (id),
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    plan BIGINT NOT NULL REFERENCES fan_out_plans (id),
    -- The part that comes next.
    part BIGINT NOT NULL,
    -- firing, repeated or resolved, as in deliveries.
    kind TEXT NOT NULL,
    is_urgent BOOLEAN NOT NULL,
    requested_by BIGINT,
    -- JSON: title and body for each channel.
    words TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
-- Entries of an event follow each other.
CREATE INDEX fan_outs_by_alert ON fan_outs (alert, entry);
CREATE INDEX fan_outs_by_tenant ON fan_outs (tenant, entry);
CREATE INDEX fan_outs_by_plan ON fan_outs (plan);
