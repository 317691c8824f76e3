-- Browsers in which an account has logged in. The cookie has the token, the row its hash.
CREATE TABLE known_devices (
    account BIGINT NOT NULL REFERENCES accounts (id),
    token_hash BLOB NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    PRIMARY KEY (account, token_hash)
);
CREATE INDEX known_devices_by_seen ON known_devices (seen_at);

-- Failed log-ins since the last that succeeded, and when the first of them was.
ALTER TABLE accounts ADD COLUMN failed_log_ins BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN failed_since TIMESTAMP;

-- Until now a lock was for an account, whatever the address.
DELETE FROM lockouts;
