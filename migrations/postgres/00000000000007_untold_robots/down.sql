DROP INDEX robots_untold;
ALTER TABLE robots DROP COLUMN untold_since;
