DROP INDEX contacts_by_member;
