-- The first tables. Its twin for the other database has the same name; a test compares the two.
-- Times are UTC in whole microseconds and always set by the program. Names ending in _key are lower-case copies for comparing.

CREATE TABLE accounts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    -- Set while the hash is of a one-time code: until when the code may be used.
    code_expires_at TIMESTAMP,
    -- The tenant whose administrator made it: its administrators alone may renew the code. Null for the instance's.
    made_in BIGINT,
    language TEXT,
    created_at TIMESTAMP NOT NULL
);

CREATE TABLE tenants (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata_warehouse BOOLEAN NOT NULL,
    channel_mode TEXT NOT NULL,
    super_admin BIGINT NOT NULL REFERENCES accounts (id),
    time_zone TEXT NOT NULL,
    -- Kept beside every insert and delete of a member, so that the total of a large tenant costs nothing.
    member_count BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP
);

CREATE TABLE members (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- A copy of the account's, which never changes: lists are sorted and searched by it.
    username TEXT NOT NULL,
    username_key TEXT NOT NULL,
    display_name TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    -- username_key and display_name_key with a line feed between them: what a search looks into.
    search_text TEXT NOT NULL,
    role TEXT NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL,
    status TEXT NOT NULL,
    -- How many rows this member has in contacts.
    robot_count BIGINT NOT NULL,
    joined_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, account)
);
-- One index for each order of the list. Each also holds what lists filter and search by, so that a search anywhere in a
-- name reads an index from end to end and never the table.
CREATE INDEX members_by_username ON members (tenant, username_key, id, search_text, role, status, robot_count);
CREATE INDEX members_by_display_name ON members (tenant, display_name_key, id, search_text, role, status, robot_count);
CREATE INDEX members_by_joined ON members (tenant, joined_at, id, search_text, role, status, robot_count);
CREATE INDEX members_by_account ON members (account);

CREATE TABLE robots (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    channel TEXT NOT NULL,
    -- Keyed hash of the URL: equal URLs are found without unsealing any.
    fingerprint BLOB NOT NULL,
    sealed_url BLOB NOT NULL,
    sealed_secret BLOB,
    -- What people may see of the URL.
    host TEXT NOT NULL,
    last_four TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, fingerprint)
);
CREATE INDEX robots_by_fingerprint ON robots (fingerprint);

CREATE TABLE contacts (
    member BIGINT NOT NULL REFERENCES members (id),
    channel TEXT NOT NULL,
    robot BIGINT NOT NULL REFERENCES robots (id),
    PRIMARY KEY (member, channel)
);
CREATE INDEX contacts_by_robot ON contacts (robot);

-- scope is a tenant's id, or 0 for the instance.
CREATE TABLE channel_switches (
    scope BIGINT NOT NULL,
    channel TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    PRIMARY KEY (scope, channel)
);

-- The bell itself: one pace for a URL, whoever rings it. Whoever takes a message from its queue locks this row first.
CREATE TABLE paces (
    fingerprint BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    rest_until TIMESTAMP NOT NULL,
    -- When this bell is to be looked at next; null while nothing waits for it.
    due_at TIMESTAMP
);
CREATE INDEX paces_by_due ON paces (due_at);

-- What goes over the wire: one message carries one or several deliveries.
CREATE TABLE messages (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    robot BIGINT NOT NULL REFERENCES robots (id),
    fingerprint BLOB NOT NULL,
    channel TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    msg_uuid TEXT NOT NULL,
    -- The smaller the sooner, as in deliveries.
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    due_at TIMESTAMP NOT NULL,
    lease_until TIMESTAMP,
    -- Grows with every claim: a completion that carries an older one comes too late and is refused.
    fence BIGINT NOT NULL,
    -- How many attempts have used up a step of the retry schedule.
    tries BIGINT NOT NULL,
    -- Since when the oldest delivery that it carries has been waiting.
    created_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);
-- Only what is not finished, so that finding work costs the same however much was delivered.
CREATE INDEX messages_open ON messages (fingerprint, state, priority, due_at) WHERE finished_at IS NULL;

-- The outbox, and the record that people look at.
CREATE TABLE deliveries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    channel TEXT NOT NULL,
    robot BIGINT REFERENCES robots (id),
    -- Who reads it: the member's id while there is one, and the name as it was.
    member BIGINT,
    recipient TEXT NOT NULL,
    requested_by BIGINT,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- Its place in the robot's queue: the smaller the sooner, 0 for a test that somebody waits for. Null once a message
    -- carries it, or it ended without one.
    priority BIGINT,
    message BIGINT REFERENCES messages (id),
    created_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
);
CREATE INDEX deliveries_by_tenant ON deliveries (tenant, id);
-- What a member sees of the record: the rows that are for him.
CREATE INDEX deliveries_by_member ON deliveries (member, id);
CREATE INDEX deliveries_by_message ON deliveries (message);
-- Only what is not finished, so that finding work costs the same however much was delivered.
CREATE INDEX deliveries_queued ON deliveries (robot, priority, id) WHERE priority IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (robot) WHERE finished_at IS NULL;

-- One row for each call of a robot, written before the call and completed after it.
CREATE TABLE attempts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    message BIGINT NOT NULL REFERENCES messages (id),
    fingerprint BLOB NOT NULL,
    number BIGINT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    http_status BIGINT,
    code TEXT NOT NULL,
    meaning TEXT NOT NULL,
    answer TEXT NOT NULL,
    UNIQUE (message, number)
);
CREATE INDEX attempts_by_pace ON attempts (fingerprint, started_at);

-- The cookie is id.secret; only the hash of the secret is kept.
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- What the browser called itself and where it came from, so that people know their sessions apart.
    agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    seen_at TIMESTAMP NOT NULL
);
CREATE INDEX sessions_by_account ON sessions (account);

-- Failed log-ins. The subject is the keyed hash of an account's name, existing or not, or of an address.
CREATE TABLE log_in_failures (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject BLOB NOT NULL,
    failed_at TIMESTAMP NOT NULL
);
CREATE INDEX log_in_failures_by_subject ON log_in_failures (subject, failed_at);

CREATE TABLE lockouts (
    subject BLOB NOT NULL PRIMARY KEY,
    until TIMESTAMP NOT NULL
);

-- One row: the numbers of the page Logon Security Settings, in minutes and failures.
CREATE TABLE log_in_settings (
    id BIGINT NOT NULL PRIMARY KEY,
    idle_minutes BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    lock_minutes BIGINT NOT NULL
);
INSERT INTO log_in_settings (id, idle_minutes, failures, lock_minutes) VALUES (1, 120, 5, 15);

-- The codes that starting processes printed while the deployment has no account.
CREATE TABLE set_up_codes (
    code_hash BLOB NOT NULL PRIMARY KEY
);

CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Null for what belongs to the instance.
    tenant BIGINT,
    account BIGINT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    -- JSON list of {field, before, after}; never a secret.
    changes TEXT NOT NULL,
    address TEXT NOT NULL,
    at TIMESTAMP NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, id);
