-- Whose robots they are and which, in one place: the member list reads them for every row that it shows.
CREATE INDEX contacts_by_member ON contacts (member, channel, robot);
