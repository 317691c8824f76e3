-- How many receivers were chosen when this entry was taken in, whether or not they could be reached: what the ledger holds
-- the entry's deliveries against. Null where it was not counted, or where its deliveries were removed since, by age.
ALTER TABLE alert_entries ADD COLUMN chosen BIGINT;
