-- When the owner of the account accepted the membership, or the tenant's administrators made the account. Null while the
-- member is invited, and after the tenant that made the account gave it a new one-time code (suspended): such a member
-- has no rights. Two new values of members.status: 'invited' and 'suspended'.
ALTER TABLE members ADD COLUMN accepted_at TIMESTAMP;
UPDATE members SET accepted_at = joined_at;
