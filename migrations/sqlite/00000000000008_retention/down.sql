DROP INDEX deliveries_by_resent;
DROP INDEX messages_failed;
DROP INDEX deliveries_alone;
DROP INDEX alerts_finished;
DROP TABLE retention;
