-- All that the member list shows of a contact in one place: it reads them for every row.
DROP INDEX contacts_by_member;
CREATE INDEX contacts_by_member ON contacts (member, channel, robot, verified_at);
