-- Tables and columns take the terms of the field. No value changes.
ALTER TABLE paces RENAME TO endpoints;
ALTER TABLE added_members RENAME TO bulk_additions;
ALTER TABLE idempotency RENAME TO idempotency_keys;

ALTER TABLE endpoints RENAME COLUMN rest_until TO cooldown_until;
ALTER TABLE endpoints RENAME COLUMN full_until TO capacity_at;
ALTER TABLE deliveries RENAME COLUMN portion TO batch_no;
ALTER TABLE messages RENAME COLUMN folded TO alert_count;
ALTER TABLE robots RENAME COLUMN untold_since TO notice_pending_since;
ALTER TABLE deliveries RENAME COLUMN chosen_by TO rule_names;
ALTER TABLE alerts RENAME COLUMN silent_until TO throttled_until;
ALTER TABLE alerts RENAME COLUMN quiet_until TO muted_until;
ALTER TABLE alert_entries RENAME COLUMN chosen TO recipient_count;
ALTER TABLE rule_sends RENAME COLUMN rang_at TO notified_at;
ALTER TABLE rule_sends RENAME COLUMN last_at TO recorded_at;
ALTER TABLE rule_sends RENAME COLUMN noted_severity TO recorded_severity;
ALTER TABLE fan_outs RENAME COLUMN words TO texts;
ALTER TABLE accounts RENAME COLUMN made_in TO created_by_tenant;
ALTER TABLE lockouts RENAME COLUMN until TO locked_until;
ALTER TABLE bulk_additions RENAME COLUMN announced TO announced_count;
ALTER TABLE shift_schedules RENAME COLUMN outside TO off_hours_account;
ALTER TABLE shift_schedules RENAME COLUMN every TO shift_length;
ALTER TABLE shift_schedules RENAME COLUMN handover TO handover_minute;
ALTER TABLE idempotency_keys RENAME COLUMN answer TO response_body;
ALTER TABLE portals RENAME COLUMN old_until TO overlap_until;
ALTER TABLE portals RENAME COLUMN minute_at TO rate_window_start;
ALTER TABLE portals RENAME COLUMN minute_count TO rate_window_count;

ALTER INDEX paces_by_due RENAME TO endpoints_by_due;
ALTER INDEX paces_by_rest RENAME TO endpoints_by_cooldown;
ALTER INDEX robots_untold RENAME TO robots_notice_pending;
ALTER INDEX idempotency_by_age RENAME TO idempotency_keys_by_age;
