-- Alerts: what comes in, who hears it, what becomes of it. Its twin for the other database has the same name.

-- Whether an ordinary member may use Fire Alert; administrators always may.
ALTER TABLE members ADD COLUMN may_fire BOOLEAN NOT NULL DEFAULT FALSE;

-- The language of messages that no person causes.
ALTER TABLE tenants ADD COLUMN message_language TEXT NOT NULL DEFAULT 'en';

-- When the member proved that he reads this robot's group; null until then, and again when the robot is another.
ALTER TABLE contacts ADD COLUMN verified_at TIMESTAMP;

-- The six digits that were sent into a group, until somebody types them in.
CREATE TABLE verifications (
    member BIGINT NOT NULL REFERENCES members (id),
    channel TEXT NOT NULL,
    robot BIGINT NOT NULL REFERENCES robots (id),
    -- The delivery that carries the code.
    delivery BIGINT NOT NULL REFERENCES deliveries (id),
    code_hash BLOB NOT NULL,
    -- How often a wrong code may still be typed.
    tries_left BIGINT NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    PRIMARY KEY (member, channel)
);
CREATE INDEX verifications_by_robot ON verifications (robot);
CREATE INDEX verifications_by_delivery ON verifications (delivery);

-- An alert event: from its first firing until it is resolved or finished by hand.
CREATE TABLE alerts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    -- form, portal, alertmanager or grafana.
    source TEXT NOT NULL,
    -- Who sent it first: the portal's name or the username, as it was.
    sender TEXT NOT NULL,
    -- What makes two firings the same event.
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    severity TEXT NOT NULL,
    link TEXT NOT NULL,
    -- JSON object of label names and values.
    labels TEXT NOT NULL,
    -- JSON list of the usernames that the sender named; empty when the alert rules choose.
    receivers TEXT NOT NULL,
    -- title, key and sender in lower case (ASCII): what a search looks into.
    search_text TEXT NOT NULL,
    -- How many firings came in.
    count BIGINT NOT NULL,
    -- How many of its receivers could be reached, over all firings. 0 is shown to administrators.
    reached BIGINT NOT NULL,
    first_at TIMESTAMP NOT NULL,
    last_at TIMESTAMP NOT NULL,
    -- Until when its rules do not ring again (cool-down); status Silencing.
    silent_until TIMESTAMP,
    -- Until when nobody is to be disturbed; status Do not disturb.
    quiet_until TIMESTAMP,
    -- When it was resolved or finished by hand; status Finished.
    finished_at TIMESTAMP
);
-- At most one open event of a key.
CREATE UNIQUE INDEX alerts_open ON alerts (tenant, key) WHERE finished_at IS NULL;
CREATE INDEX alerts_by_key ON alerts (tenant, key, id);
-- The list of events; what it is filtered by stands in it, so that a filter that few events fit does not read all the others.
CREATE INDEX alerts_by_tenant ON alerts (tenant, last_at, id, severity, source, finished_at, search_text);

-- The time line of an event: what came in, and what people did to it.
CREATE TABLE alert_entries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    alert BIGINT NOT NULL REFERENCES alerts (id),
    -- firing, repeated, resolved, quiet, loud or finished.
    kind TEXT NOT NULL,
    -- The portal's name or the username.
    actor TEXT NOT NULL,
    -- What it said, where that differs from the event's first words. The content of quiet is until when (RFC 3339, UTC).
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    severity TEXT NOT NULL,
    -- JSON list of {rule, outcome}: each rule that was asked, and why it rang or did not.
    rules TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    -- The hash of the page's form that fired it: a second click on the same form finds it. Null for every other entry.
    form_hash BLOB
);
CREATE UNIQUE INDEX alert_entries_by_form ON alert_entries (form_hash) WHERE form_hash IS NOT NULL;
CREATE INDEX alert_entries_by_alert ON alert_entries (alert, id);

-- A delivery of an alert: its event, the entry that caused it, whom the message mentions, which rules chose him.
ALTER TABLE deliveries ADD COLUMN alert BIGINT REFERENCES alerts (id);
ALTER TABLE deliveries ADD COLUMN entry BIGINT REFERENCES alert_entries (id);
-- The phone number by which the group's message mentions him; empty for nobody.
ALTER TABLE deliveries ADD COLUMN mention TEXT NOT NULL DEFAULT '';
-- The names of the alert rules that chose him, as they were; empty when the sender named him.
ALTER TABLE deliveries ADD COLUMN chosen_by TEXT NOT NULL DEFAULT '';
-- The text of what its group alone may read, sealed until it has ended; the body holds the same with the secret masked.
ALTER TABLE deliveries ADD COLUMN sealed_body BLOB;
CREATE INDEX deliveries_by_alert ON deliveries (alert, id) WHERE alert IS NOT NULL;
CREATE INDEX deliveries_by_entry ON deliveries (entry, robot) WHERE entry IS NOT NULL;

-- The delivery by which a failed one was sent again; null until then.
ALTER TABLE deliveries ADD COLUMN resent_as BIGINT REFERENCES deliveries (id);
-- The record is read newest first, by the time, so that a day long ago is found as fast as the last one. A channel that
-- is hardly used is looked for in the index alone.
DROP INDEX deliveries_by_tenant;
CREATE INDEX deliveries_by_tenant ON deliveries (tenant, created_at, id, channel);
DROP INDEX deliveries_by_member;
CREATE INDEX deliveries_by_member ON deliveries (member, created_at, id);
-- By state: what failed or waits among a million that did not, and the numbers of each hour.
CREATE INDEX deliveries_by_state ON deliveries (tenant, state, created_at, id);
-- Only what did not simply go through.
CREATE INDEX deliveries_by_reason ON deliveries (tenant, reason, created_at, id, state, kind) WHERE reason <> '';
-- What the tenant's home page names: robots that somebody has to mend, and alerts that reached nobody.
CREATE INDEX robots_broken ON robots (tenant, state, id) WHERE state = 'broken';
CREATE INDEX alerts_unreached ON alerts (tenant, reached, last_at, id) WHERE reached = 0;
CREATE INDEX paces_by_rest ON paces (rest_until);

CREATE TABLE alert_rules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    -- The least severity: info, warning or critical.
    severity TEXT NOT NULL,
    -- form, portal, alertmanager or grafana; empty for any.
    source TEXT NOT NULL,
    -- JSON list of {label, operator, value}; operator is = or =~.
    matchers TEXT NOT NULL,
    -- The channels, comma-separated.
    channels TEXT NOT NULL,
    -- Minutes between two sends for one event, 1 to 59.
    frequency BIGINT NOT NULL,
    -- The most sends for one event; null for no limit.
    max_sends BIGINT,
    -- The window of the day in minutes from midnight in the tenant's time zone; both null for the whole day. One that
    -- ends before it begins goes over midnight.
    window_from BIGINT,
    window_to BIGINT,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, name_key)
);

-- Whom a rule rings.
CREATE TABLE rule_receivers (
    rule BIGINT NOT NULL REFERENCES alert_rules (id),
    -- account, role, group or schedule.
    kind TEXT NOT NULL,
    -- The id of the account (whether or not it still takes part), group or schedule; 0 for a role.
    target BIGINT NOT NULL,
    -- The role; empty for the others.
    role TEXT NOT NULL,
    PRIMARY KEY (rule, kind, target, role)
);
CREATE INDEX rule_receivers_by_target ON rule_receivers (kind, target);

-- How often a rule rang for an event, and when it last did.
CREATE TABLE rule_sends (
    alert BIGINT NOT NULL REFERENCES alerts (id),
    rule BIGINT NOT NULL,
    sends BIGINT NOT NULL,
    last_at TIMESTAMP NOT NULL,
    PRIMARY KEY (alert, rule)
);

CREATE TABLE user_groups (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, name_key)
);

-- Accounts, not members: who leaves the tenant stays in the group, and the record says that he left.
CREATE TABLE user_group_accounts (
    user_group BIGINT NOT NULL REFERENCES user_groups (id),
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- Whether he hears what the group hears; an administrator of the group need not.
    is_member BOOLEAN NOT NULL,
    is_admin BOOLEAN NOT NULL,
    PRIMARY KEY (user_group, account)
);
CREATE INDEX user_group_accounts_by_account ON user_group_accounts (account);

CREATE TABLE shift_schedules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    -- day, week or month, and how many of them a shift lasts.
    unit TEXT NOT NULL,
    every BIGINT NOT NULL,
    -- The first day, as YYYY-MM-DD in the tenant's time zone.
    starts_on TEXT NOT NULL,
    -- When one shift takes over from the one before, in minutes from midnight.
    handover BIGINT NOT NULL,
    -- The hours of duty in minutes from midnight; both null for the whole day.
    hours_from BIGINT,
    hours_to BIGINT,
    -- Who is rung outside the hours of duty; null for nobody.
    outside BIGINT REFERENCES accounts (id),
    created_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, name_key)
);

-- The people of each shift; shifts are numbered from 0 in the order of their turns.
CREATE TABLE shift_accounts (
    schedule BIGINT NOT NULL REFERENCES shift_schedules (id),
    shift BIGINT NOT NULL,
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- The order within the shift.
    position BIGINT NOT NULL,
    PRIMARY KEY (schedule, shift, account)
);

-- A tenant's own words; without a row Belfry's own stand.
CREATE TABLE message_templates (
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    channel TEXT NOT NULL,
    -- firing, repeated, resolved, digest, member_saved or test.
    reason TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant, channel, reason)
);

CREATE TABLE portals (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    saves_members BOOLEAN NOT NULL,
    fires_alerts BOOLEAN NOT NULL,
    -- Origins, one a line.
    return_origins TEXT NOT NULL,
    -- The most posts a minute; null for no limit. The minute that is being counted, and its count.
    per_minute BIGINT,
    minute_at TIMESTAMP,
    minute_count BIGINT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    token_last_four TEXT NOT NULL,
    sealed_signing_key BLOB NOT NULL,
    -- What was rotated away, and until when it is still accepted.
    old_token_hash BLOB UNIQUE,
    old_sealed_signing_key BLOB,
    old_until TIMESTAMP,
    last_used_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP,
    UNIQUE (tenant, name_key)
);

-- Signed forms that were accepted: each serves once.
CREATE TABLE portal_nonces (
    portal BIGINT NOT NULL REFERENCES portals (id),
    nonce TEXT NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    PRIMARY KEY (portal, nonce)
);
CREATE INDEX portal_nonces_by_expiry ON portal_nonces (expires_at);

-- What a post with an Idempotency-Key was answered, for 24 hours.
CREATE TABLE idempotency (
    portal BIGINT NOT NULL REFERENCES portals (id),
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (portal, key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
