-- The version before knows neither invited nor suspended members, and would give them rights as active ones.
UPDATE members SET status = 'disabled' WHERE status IN ('invited', 'suspended');
ALTER TABLE members DROP COLUMN accepted_at;
