ALTER TABLE deliveries DROP COLUMN portion;
ALTER TABLE messages DROP COLUMN folded;
