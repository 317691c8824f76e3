DROP INDEX contacts_by_member;
CREATE INDEX contacts_by_member ON contacts (member, channel, robot);
