-- How many alerts a digest tells of; 0 for a message that tells of one.
ALTER TABLE messages ADD COLUMN folded BIGINT NOT NULL DEFAULT 0;
-- With which others a waiting delivery may share a digest: with those of the same number. 0 unless a digest with it was
-- refused and fell in two.
ALTER TABLE deliveries ADD COLUMN portion BIGINT NOT NULL DEFAULT 0;
