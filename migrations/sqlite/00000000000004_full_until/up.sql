-- Until when a bell has no place for an ordinary message: what comes in meanwhile need not be decided before.
ALTER TABLE paces ADD COLUMN full_until TIMESTAMP;
