DROP TABLE added_members;
DROP TABLE refused_posts;
