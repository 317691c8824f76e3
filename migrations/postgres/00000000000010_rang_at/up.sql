-- When the rule last rang somebody. last_at may also be when it was only noted that it would have, or that it reached nobody.
ALTER TABLE rule_sends ADD COLUMN rang_at TIMESTAMP;
UPDATE rule_sends SET rang_at = last_at WHERE sends > 0;
