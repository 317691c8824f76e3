PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO __diesel_schema_migrations VALUES('00000000000001','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000002','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000003','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000004','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000005','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000006','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000007','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000008','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000009','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000010','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000011','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000012','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000013','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000014','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000015','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000019','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000020','2026-11-30 22:24:32');
INSERT INTO __diesel_schema_migrations VALUES('00000000000021','2026-11-30 22:24:32');
CREATE TABLE accounts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    -- Set while the hash is of a one-time code: until when the code may be used.
    code_expires_at TIMESTAMP,
    -- The tenant whose administrator made it: its administrators alone may renew the code. Null for the instance's.
    made_in BIGINT,
    language TEXT,
    created_at TIMESTAMP NOT NULL
, failed_log_ins BIGINT NOT NULL DEFAULT 0, failed_since TIMESTAMP, code_used_at TIMESTAMP);
INSERT INTO accounts VALUES(1,'root','root','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,NULL,NULL,'2026-11-30 22:24:32.423872',0,NULL,NULL);
INSERT INTO accounts VALUES(2,'clerk','clerk','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,1,NULL,'2026-11-30 22:24:32.428554',0,NULL,NULL);
INSERT INTO accounts VALUES(3,'sue','sue','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,NULL,NULL,'2026-11-30 22:24:32.430695',0,NULL,NULL);
INSERT INTO accounts VALUES(4,'sam','sam','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,2,NULL,'2026-11-30 22:24:32.432800',0,NULL,NULL);
INSERT INTO accounts VALUES(5,'mia','mia','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,2,NULL,'2026-11-30 22:24:32.436716',0,NULL,NULL);
INSERT INTO accounts VALUES(6,'dan','dan','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,2,NULL,'2026-11-30 22:24:32.439024',0,NULL,NULL);
INSERT INTO accounts VALUES(7,'eve','eve','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,2,NULL,'2026-11-30 22:24:32.440740',0,NULL,NULL);
INSERT INTO accounts VALUES(8,'theo','theo','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,NULL,NULL,'2026-11-30 22:24:32.444124',0,NULL,NULL);
INSERT INTO accounts VALUES(9,'tom','tom','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY',NULL,3,NULL,'2026-11-30 22:24:32.445743',0,NULL,NULL);
INSERT INTO accounts VALUES(10,'nora','nora','$argon2id$v=19$m=19456,t=2,p=1$UNdilaHzJ7WA470IUnZDLg$PuF+EnisyqzK2iL0JlomXtFRT74Mb/pWzmBdgsyxazY','2026-12-01 22:24:32.449411',NULL,NULL,'2026-11-30 22:24:32.449411',0,NULL,NULL);
INSERT INTO accounts VALUES(11,'c1','c1','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(12,'c2','c2','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(13,'c3','c3','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(14,'c4','c4','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(15,'c5','c5','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(16,'c6','c6','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(17,'c7','c7','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(18,'c8','c8','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(19,'c9','c9','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(20,'c10','c10','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(21,'c11','c11','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(22,'c12','c12','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(23,'c13','c13','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(24,'c14','c14','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(25,'c15','c15','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(26,'c16','c16','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(27,'c17','c17','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(28,'c18','c18','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(29,'c19','c19','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(30,'c20','c20','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(31,'c21','c21','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(32,'c22','c22','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(33,'c23','c23','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(34,'c24','c24','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(35,'c25','c25','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(36,'c26','c26','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(37,'c27','c27','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(38,'c28','c28','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(39,'c29','c29','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(40,'c30','c30','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(41,'c31','c31','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(42,'c32','c32','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(43,'c33','c33','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(44,'c34','c34','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(45,'c35','c35','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(46,'c36','c36','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(47,'c37','c37','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(48,'c38','c38','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(49,'c39','c39','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(50,'c40','c40','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(51,'c41','c41','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(52,'c42','c42','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(53,'c43','c43','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(54,'c44','c44','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(55,'c45','c45','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(56,'c46','c46','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(57,'c47','c47','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(58,'c48','c48','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(59,'c49','c49','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(60,'c50','c50','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(61,'c51','c51','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(62,'c52','c52','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(63,'c53','c53','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(64,'c54','c54','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(65,'c55','c55','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(66,'c56','c56','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(67,'c57','c57','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(68,'c58','c58','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(69,'c59','c59','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(70,'c60','c60','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(71,'c61','c61','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(72,'c62','c62','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(73,'c63','c63','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(74,'c64','c64','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(75,'c65','c65','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(76,'c66','c66','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(77,'c67','c67','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(78,'c68','c68','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(79,'c69','c69','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(80,'c70','c70','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(81,'c71','c71','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(82,'c72','c72','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(83,'c73','c73','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(84,'c74','c74','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(85,'c75','c75','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(86,'c76','c76','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(87,'c77','c77','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(88,'c78','c78','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(89,'c79','c79','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(90,'c80','c80','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(91,'c81','c81','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(92,'c82','c82','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(93,'c83','c83','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(94,'c84','c84','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(95,'c85','c85','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(96,'c86','c86','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(97,'c87','c87','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(98,'c88','c88','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(99,'c89','c89','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(100,'c90','c90','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(101,'c91','c91','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(102,'c92','c92','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(103,'c93','c93','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(104,'c94','c94','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(105,'c95','c95','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(106,'c96','c96','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(107,'c97','c97','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(108,'c98','c98','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(109,'c99','c99','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(110,'c100','c100','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(111,'c101','c101','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(112,'c102','c102','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(113,'c103','c103','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(114,'c104','c104','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(115,'c105','c105','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(116,'c106','c106','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(117,'c107','c107','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(118,'c108','c108','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(119,'c109','c109','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
INSERT INTO accounts VALUES(120,'c110','c110','',NULL,3,NULL,'2026-11-30 00:00:00',0,NULL,NULL);
CREATE TABLE tenants (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    slug TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata_warehouse BOOLEAN NOT NULL,
    channel_mode TEXT NOT NULL,
    super_admin BIGINT NOT NULL REFERENCES accounts (id),
    time_zone TEXT NOT NULL,
    -- Kept beside every insert and delete of a member, so that the total of a large tenant costs nothing.
    member_count BIGINT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    deleted_at TIMESTAMP
, message_language TEXT NOT NULL DEFAULT 'en');
INSERT INTO tenants VALUES(1,'metadata-warehouse','metadata-warehouse','',1,'system',1,'Asia/Shanghai',2,'2026-11-30 22:24:32.425768',NULL,'en');
INSERT INTO tenants VALUES(2,'ours','ours','',0,'custom',3,'Asia/Shanghai',6,'2026-11-30 22:24:32.431137',NULL,'en');
INSERT INTO tenants VALUES(3,'theirs','theirs','',0,'system',8,'Asia/Shanghai',2,'2026-11-30 22:24:32.444765',NULL,'en');
CREATE TABLE members (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- A copy of the account's, which never changes: lists are sorted and searched by it.
    username TEXT NOT NULL,
    username_key TEXT NOT NULL,
    display_name TEXT NOT NULL,
    display_name_key TEXT NOT NULL,
    -- username_key and display_name_key with a line feed between them: what a search looks into.
    search_text TEXT NOT NULL,
    role TEXT NOT NULL,
    phone TEXT NOT NULL,
    email TEXT NOT NULL,
    status TEXT NOT NULL,
    -- How many rows this member has in contacts.
    robot_count BIGINT NOT NULL,
    joined_at TIMESTAMP NOT NULL, may_fire BOOLEAN NOT NULL DEFAULT FALSE, accepted_at TIMESTAMP,
    UNIQUE (tenant, account)
);
INSERT INTO members VALUES(1,1,1,'root','root','root','root',replace('root\nroot','\n',char(10)),'super_administrator','','','active',0,'2026-11-30 22:24:32.425768',0,'2026-11-30 22:24:32.425768');
INSERT INTO members VALUES(2,1,2,'clerk','clerk','clerk','clerk',replace('clerk\nclerk','\n',char(10)),'member','','','active',0,'2026-11-30 22:24:32.429967',0,'2026-11-30 22:24:32.429967');
INSERT INTO members VALUES(3,2,3,'sue','sue','sue','sue',replace('sue\nsue','\n',char(10)),'super_administrator','','','active',2,'2026-11-30 22:24:32.431137',0,'2026-11-30 22:24:32.431137');
INSERT INTO members VALUES(4,2,4,'sam','sam','sam','sam',replace('sam\nsam','\n',char(10)),'system_administrator','','','active',0,'2026-11-30 22:24:32.435159',0,'2026-11-30 22:24:32.435159');
INSERT INTO members VALUES(5,2,5,'mia','mia','mia','mia',replace('mia\nmia','\n',char(10)),'member','+12125550123','mia@corp.example','active',1,'2026-11-30 22:24:32.438276',0,'2026-11-30 22:24:32.438276');
INSERT INTO members VALUES(6,2,6,'dan','dan','dan','dan',replace('dan\ndan','\n',char(10)),'member','','','disabled',0,'2026-11-30 22:24:32.439717',0,'2026-11-30 22:24:32.439717');
INSERT INTO members VALUES(7,2,7,'eve','eve','eve','eve',replace('eve\neve','\n',char(10)),'system_administrator','','','active',0,'2026-11-30 22:24:32.442437',0,'2026-11-30 22:24:32.442437');
INSERT INTO members VALUES(8,3,8,'theo','theo','theo','theo',replace('theo\ntheo','\n',char(10)),'super_administrator','','','active',0,'2026-11-30 22:24:32.444765',0,'2026-11-30 22:24:32.444765');
INSERT INTO members VALUES(9,3,9,'tom','tom','tom','tom',replace('tom\ntom','\n',char(10)),'member','','','active',0,'2026-11-30 22:24:32.448043',0,'2026-11-30 22:24:32.448043');
INSERT INTO members VALUES(10,2,10,'nora','nora','nora','nora',replace('nora\nnora','\n',char(10)),'system_administrator','','','active',0,'2026-11-30 22:24:32.449988',0,'2026-11-30 22:24:32.449988');
INSERT INTO members VALUES(11,3,11,'c1','c1','c1','c1','c1','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(12,3,12,'c2','c2','c2','c2','c2','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(13,3,13,'c3','c3','c3','c3','c3','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(14,3,14,'c4','c4','c4','c4','c4','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(15,3,15,'c5','c5','c5','c5','c5','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(16,3,16,'c6','c6','c6','c6','c6','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(17,3,17,'c7','c7','c7','c7','c7','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(18,3,18,'c8','c8','c8','c8','c8','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(19,3,19,'c9','c9','c9','c9','c9','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(20,3,20,'c10','c10','c10','c10','c10','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(21,3,21,'c11','c11','c11','c11','c11','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(22,3,22,'c12','c12','c12','c12','c12','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(23,3,23,'c13','c13','c13','c13','c13','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(24,3,24,'c14','c14','c14','c14','c14','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(25,3,25,'c15','c15','c15','c15','c15','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(26,3,26,'c16','c16','c16','c16','c16','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(27,3,27,'c17','c17','c17','c17','c17','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(28,3,28,'c18','c18','c18','c18','c18','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(29,3,29,'c19','c19','c19','c19','c19','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(30,3,30,'c20','c20','c20','c20','c20','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(31,3,31,'c21','c21','c21','c21','c21','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(32,3,32,'c22','c22','c22','c22','c22','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(33,3,33,'c23','c23','c23','c23','c23','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(34,3,34,'c24','c24','c24','c24','c24','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(35,3,35,'c25','c25','c25','c25','c25','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(36,3,36,'c26','c26','c26','c26','c26','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(37,3,37,'c27','c27','c27','c27','c27','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(38,3,38,'c28','c28','c28','c28','c28','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(39,3,39,'c29','c29','c29','c29','c29','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(40,3,40,'c30','c30','c30','c30','c30','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(41,3,41,'c31','c31','c31','c31','c31','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(42,3,42,'c32','c32','c32','c32','c32','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(43,3,43,'c33','c33','c33','c33','c33','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(44,3,44,'c34','c34','c34','c34','c34','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(45,3,45,'c35','c35','c35','c35','c35','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(46,3,46,'c36','c36','c36','c36','c36','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(47,3,47,'c37','c37','c37','c37','c37','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(48,3,48,'c38','c38','c38','c38','c38','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(49,3,49,'c39','c39','c39','c39','c39','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(50,3,50,'c40','c40','c40','c40','c40','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(51,3,51,'c41','c41','c41','c41','c41','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(52,3,52,'c42','c42','c42','c42','c42','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(53,3,53,'c43','c43','c43','c43','c43','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(54,3,54,'c44','c44','c44','c44','c44','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(55,3,55,'c45','c45','c45','c45','c45','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(56,3,56,'c46','c46','c46','c46','c46','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(57,3,57,'c47','c47','c47','c47','c47','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(58,3,58,'c48','c48','c48','c48','c48','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(59,3,59,'c49','c49','c49','c49','c49','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(60,3,60,'c50','c50','c50','c50','c50','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(61,3,61,'c51','c51','c51','c51','c51','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(62,3,62,'c52','c52','c52','c52','c52','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(63,3,63,'c53','c53','c53','c53','c53','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(64,3,64,'c54','c54','c54','c54','c54','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(65,3,65,'c55','c55','c55','c55','c55','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(66,3,66,'c56','c56','c56','c56','c56','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(67,3,67,'c57','c57','c57','c57','c57','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(68,3,68,'c58','c58','c58','c58','c58','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(69,3,69,'c59','c59','c59','c59','c59','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(70,3,70,'c60','c60','c60','c60','c60','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(71,3,71,'c61','c61','c61','c61','c61','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(72,3,72,'c62','c62','c62','c62','c62','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(73,3,73,'c63','c63','c63','c63','c63','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(74,3,74,'c64','c64','c64','c64','c64','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(75,3,75,'c65','c65','c65','c65','c65','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(76,3,76,'c66','c66','c66','c66','c66','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(77,3,77,'c67','c67','c67','c67','c67','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(78,3,78,'c68','c68','c68','c68','c68','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(79,3,79,'c69','c69','c69','c69','c69','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(80,3,80,'c70','c70','c70','c70','c70','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(81,3,81,'c71','c71','c71','c71','c71','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(82,3,82,'c72','c72','c72','c72','c72','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(83,3,83,'c73','c73','c73','c73','c73','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(84,3,84,'c74','c74','c74','c74','c74','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(85,3,85,'c75','c75','c75','c75','c75','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(86,3,86,'c76','c76','c76','c76','c76','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(87,3,87,'c77','c77','c77','c77','c77','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(88,3,88,'c78','c78','c78','c78','c78','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(89,3,89,'c79','c79','c79','c79','c79','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(90,3,90,'c80','c80','c80','c80','c80','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(91,3,91,'c81','c81','c81','c81','c81','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(92,3,92,'c82','c82','c82','c82','c82','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(93,3,93,'c83','c83','c83','c83','c83','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(94,3,94,'c84','c84','c84','c84','c84','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(95,3,95,'c85','c85','c85','c85','c85','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(96,3,96,'c86','c86','c86','c86','c86','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(97,3,97,'c87','c87','c87','c87','c87','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(98,3,98,'c88','c88','c88','c88','c88','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(99,3,99,'c89','c89','c89','c89','c89','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(100,3,100,'c90','c90','c90','c90','c90','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(101,3,101,'c91','c91','c91','c91','c91','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(102,3,102,'c92','c92','c92','c92','c92','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(103,3,103,'c93','c93','c93','c93','c93','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(104,3,104,'c94','c94','c94','c94','c94','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(105,3,105,'c95','c95','c95','c95','c95','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(106,3,106,'c96','c96','c96','c96','c96','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(107,3,107,'c97','c97','c97','c97','c97','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(108,3,108,'c98','c98','c98','c98','c98','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(109,3,109,'c99','c99','c99','c99','c99','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(110,3,110,'c100','c100','c100','c100','c100','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(111,3,111,'c101','c101','c101','c101','c101','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(112,3,112,'c102','c102','c102','c102','c102','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(113,3,113,'c103','c103','c103','c103','c103','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(114,3,114,'c104','c104','c104','c104','c104','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(115,3,115,'c105','c105','c105','c105','c105','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(116,3,116,'c106','c106','c106','c106','c106','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(117,3,117,'c107','c107','c107','c107','c107','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(118,3,118,'c108','c108','c108','c108','c108','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(119,3,119,'c109','c109','c109','c109','c109','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
INSERT INTO members VALUES(120,3,120,'c110','c110','c110','c110','c110','member','','','active',0,'2026-11-30 00:00:00',0,'2026-11-30 00:00:00');
CREATE TABLE robots (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    channel TEXT NOT NULL,
    -- Keyed hash of the URL: equal URLs are found without unsealing any.
    fingerprint BLOB NOT NULL,
    sealed_url BLOB NOT NULL,
    sealed_secret BLOB,
    -- What people may see of the URL.
    host TEXT NOT NULL,
    last_four TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL, untold_since TIMESTAMP,
    UNIQUE (tenant, fingerprint)
);
INSERT INTO robots VALUES(1,2,'dingtalk',X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf',X'01000000012dceb566c17bcaa884fb76d06e079a8176d1afc9bb01204781f213954622ce8926311e6e7818ad668bdf43de3f0e5698281e60f26a36c1a9914292d27d6cbcbf7eed9b4950591514748fb1dddc9e7e47fd6e24346b282d1cd9ef6cc16537e977c0f7ee9246a1a8007167b73037955802faf2d59167adb59e85347d3b536ce0200d18745ca2ce09fa397848bc3a150bd7555ad65aa19e3e04bc',NULL,'127.83.12.7:18080','0001','ok','','2026-11-30 22:24:32.715147',NULL);
INSERT INTO robots VALUES(2,2,'dingtalk',X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047',X'010000000175e87ab568c5f854cea510a5a80930d6f9035129cfdcdaf442105afec56f72a00bc48dff6ec199eec5e03e09326073a925996a3900ca3053bc7576e425dab40289ea39c73c962d1cbda9dd57864908be417860a6d32348e9816b046687f3dd57c41f89aaf896ad338fdfccf39e8a01c38e20fa68f65821a2c0692faf8d71ce0098c4dc65753f3b5240c77d4048224fcf3b2fda047d13a5b6a9',NULL,'127.83.12.7:18080','0002','ok','','2026-11-30 22:24:32.728738',NULL);
INSERT INTO robots VALUES(3,2,'lark',X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34',X'0100000001b3fd486393e812db4095d326492bedaa1afde20e9c29c3e71be30760554353dbf9064bd7b17666d7679b5e817579ba287d565191d565e45adf55003d6ae6b9dd3265adc96d38243d3d49355bc62f029ed6c1a76ea6622fb5bb981f5331c59293278a44d04f3e3ea580ba8a092a9fa6c92b916a9c86933b48cf2c97',NULL,'127.83.12.7:18080','0003','broken','broken-keyword','2026-11-30 22:24:32.728738','2026-11-30 22:24:35.814276');
INSERT INTO robots VALUES(4,3,'dingtalk',X'd850b76b44c2ef40e2628e8986a250f818ad0d9b6cc53b83f0075036fd634390',X'01000000017ddd827f41a454dd9f8e5349c3c537de0b9ce5a680089e5b7e85a75eca2ac296f145f3b0acee22c2ff2c00becfd7295a228bb726824dca92b86446e92a31412d009db719090ee8e1028e3c294ece2dacb0fdbcc97f1e0a104948489f748fe382c112ff0735f61039650be777a749b39e0ee656fe15a59561e5f2de8b900fea06aec582f7434a5b379e5d3a86cb312bfdda5088cb5c50fe73ca',NULL,'127.83.12.7:18080','0004','ok','','2026-11-30 22:24:35.837192',NULL);
CREATE TABLE contacts (
    member BIGINT NOT NULL REFERENCES members (id),
    channel TEXT NOT NULL,
    robot BIGINT NOT NULL REFERENCES robots (id), verified_at TIMESTAMP,
    PRIMARY KEY (member, channel)
);
INSERT INTO contacts VALUES(5,'dingtalk',1,NULL);
INSERT INTO contacts VALUES(3,'dingtalk',2,NULL);
INSERT INTO contacts VALUES(3,'lark',3,NULL);
INSERT INTO contacts VALUES(11,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(12,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(13,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(14,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(15,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(16,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(17,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(18,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(19,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(20,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(21,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(22,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(23,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(24,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(25,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(26,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(27,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(28,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(29,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(30,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(31,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(32,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(33,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(34,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(35,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(36,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(37,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(38,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(39,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(40,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(41,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(42,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(43,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(44,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(45,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(46,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(47,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(48,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(49,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(50,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(51,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(52,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(53,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(54,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(55,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(56,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(57,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(58,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(59,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(60,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(61,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(62,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(63,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(64,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(65,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(66,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(67,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(68,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(69,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(70,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(71,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(72,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(73,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(74,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(75,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(76,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(77,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(78,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(79,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(80,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(81,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(82,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(83,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(84,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(85,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(86,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(87,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(88,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(89,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(90,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(91,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(92,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(93,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(94,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(95,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(96,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(97,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(98,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(99,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(100,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(101,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(102,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(103,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(104,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(105,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(106,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(107,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(108,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(109,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(110,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(111,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(112,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(113,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(114,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(115,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(116,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(117,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(118,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(119,'dingtalk',4,NULL);
INSERT INTO contacts VALUES(120,'dingtalk',4,NULL);
CREATE TABLE channel_switches (
    scope BIGINT NOT NULL,
    channel TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    PRIMARY KEY (scope, channel)
);
INSERT INTO channel_switches VALUES(0,'dingtalk',1);
INSERT INTO channel_switches VALUES(0,'lark',1);
INSERT INTO channel_switches VALUES(0,'wecom',1);
INSERT INTO channel_switches VALUES(2,'dingtalk',1);
INSERT INTO channel_switches VALUES(2,'lark',1);
INSERT INTO channel_switches VALUES(2,'wecom',0);
CREATE TABLE paces (
    fingerprint BLOB NOT NULL PRIMARY KEY,
    channel TEXT NOT NULL,
    rest_until TIMESTAMP NOT NULL,
    -- When this bell is to be looked at next; null while nothing waits for it.
    due_at TIMESTAMP
, full_until TIMESTAMP);
INSERT INTO paces VALUES(X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf','dingtalk','2026-11-30 22:24:32.715147','2026-11-30 22:24:35.849068',NULL);
INSERT INTO paces VALUES(X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34','lark','2026-11-30 22:24:32.728738','2026-11-30 22:24:35.849068',NULL);
INSERT INTO paces VALUES(X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047','dingtalk','2026-11-30 22:24:32.728738','2026-11-30 22:24:35.849068',NULL);
INSERT INTO paces VALUES(X'd850b76b44c2ef40e2628e8986a250f818ad0d9b6cc53b83f0075036fd634390','dingtalk','2026-11-30 22:24:35.837192','2026-11-30 22:24:35.837192',NULL);
CREATE TABLE messages (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    robot BIGINT NOT NULL REFERENCES robots (id),
    fingerprint BLOB NOT NULL,
    channel TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    msg_uuid TEXT NOT NULL,
    -- The smaller the sooner, as in deliveries.
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    due_at TIMESTAMP NOT NULL,
    lease_until TIMESTAMP,
    -- Grows with every claim: a completion that carries an older one comes too late and is refused.
    fence BIGINT NOT NULL,
    -- How many attempts have used up a step of the retry schedule.
    tries BIGINT NOT NULL,
    -- Since when the oldest delivery that it carries has been waiting.
    created_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
, folded BIGINT NOT NULL DEFAULT 0);
INSERT INTO messages VALUES(1,1,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf','dingtalk','Dataphin: alerts for mia arrive in this group',replace('Tenant: ours\nSaved by: sam','\n',char(10)),'2188193b2cd8dc2cb3fd9fa57d9825fe',2,'success','2026-11-30 22:24:32.715147',NULL,1,1,'2026-11-30 22:24:32.715147','2026-11-30 22:24:32.727021',0);
INSERT INTO messages VALUES(2,3,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34','lark','Dataphin: alerts for sue arrive in this group',replace('Tenant: ours\nSaved by: sue','\n',char(10)),'08646eb26e6dc240ce7cea0710c8a41f',2,'success','2026-11-30 22:24:32.728738',NULL,1,1,'2026-11-30 22:24:32.728738','2026-11-30 22:24:32.738674',0);
INSERT INTO messages VALUES(3,2,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047','dingtalk','Dataphin: alerts for sue arrive in this group',replace('Tenant: ours\nSaved by: sue','\n',char(10)),'8aaee3e084948013c6245dd41182b94c',2,'success','2026-11-30 22:24:32.728738',NULL,1,1,'2026-11-30 22:24:32.728738','2026-11-30 22:24:32.745404',0);
INSERT INTO messages VALUES(4,1,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf','dingtalk','Dataphin Dataphin: disk full','**磁盘 \*\*full\*\*** for mia, sue','a96cc689ee965a971f0b82c21332aa6c',1,'success','2026-11-30 22:24:32.771022',NULL,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.766825',0);
INSERT INTO messages VALUES(5,3,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34','lark','[Dataphin] Critical: Dataphin: disk full',replace('磁盘 \*\*full\*\*\n\nSeverity: Critical\nSource: a test\nLabels: team=db\nSince: 2026-12-01 06:24:32 UTC+8\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'1c975ddd8d0a97d79a446b39fb5d2ec9',1,'success','2026-11-30 22:24:32.771022',NULL,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.767570',0);
INSERT INTO messages VALUES(6,2,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047','dingtalk','Dataphin Dataphin: disk full','**磁盘 \*\*full\*\*** for mia, sue','cd9465f174f9befcf939686f550c4a1c',1,'success','2026-11-30 22:24:32.771022',NULL,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.767624',0);
INSERT INTO messages VALUES(7,1,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf','dingtalk','Dataphin Dataphin: memory low','**磁盘 \*\*full\*\*** for mia, sue','eff1b36c05689dbf3db4b9c9d79bbb8c',2,'success','2026-11-30 22:24:32.771022',NULL,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.778031',0);
INSERT INTO messages VALUES(8,3,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34','lark','[Dataphin] Warning: Dataphin: memory low',replace('磁盘 \*\*full\*\*\n\nSeverity: Warning\nSource: a test\nLabels: team=db\nSince: 2026-12-01 06:24:32 UTC+8\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'1481e75556bb7cca0122a2cdceaa0ebd',2,'success','2026-11-30 22:24:32.771022',NULL,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.779824',0);
INSERT INTO messages VALUES(9,2,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047','dingtalk','Dataphin Dataphin: memory low','**磁盘 \*\*full\*\*** for mia, sue','df2fc2f9a251980a411162da8df7e103',2,'success','2026-11-30 22:24:32.771022',NULL,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.783397',0);
INSERT INTO messages VALUES(10,1,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf','dingtalk','[Dataphin] Resolved: Dataphin: memory low',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:33 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'8c11203b22ad010e5a972aedf4e46c0b',2,'success','2026-11-30 22:24:33.814595',NULL,1,1,'2026-11-30 22:24:33.814595','2026-11-30 22:24:34.796574',0);
INSERT INTO messages VALUES(11,3,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34','lark','[Dataphin] Resolved: Dataphin: memory low',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:33 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'e9de34bd3952c3e1fd0b2d5fb291a359',2,'success','2026-11-30 22:24:33.814595',NULL,1,1,'2026-11-30 22:24:33.814595','2026-11-30 22:24:34.797613',0);
INSERT INTO messages VALUES(12,2,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047','dingtalk','[Dataphin] Resolved: Dataphin: memory low',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:33 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'fe8e3107f0162c38e196a12455251dfb',2,'success','2026-11-30 22:24:33.814595',NULL,1,1,'2026-11-30 22:24:33.814595','2026-11-30 22:24:34.797664',0);
INSERT INTO messages VALUES(13,1,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf','dingtalk','Dataphin Dataphin: link down','**磁盘 \*\*full\*\*** for mia, sue','1631816ca252ec71b190e1591f545879',1,'success','2026-11-30 22:24:34.802044',NULL,1,1,'2026-11-30 22:24:34.802044','2026-11-30 22:24:35.812568',0);
INSERT INTO messages VALUES(14,3,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34','lark','[Dataphin] Critical: Dataphin: link down',replace('磁盘 \*\*full\*\*\n\nSeverity: Critical\nSource: a test\nLabels: team=db\nSince: 2026-12-01 06:24:34 UTC+8\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'3ace73d64135c9250f8f1c5ea5afe3f8',1,'waiting','2026-11-30 22:24:34.802044',NULL,1,0,'2026-11-30 22:24:34.802044',NULL,0);
INSERT INTO messages VALUES(15,2,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047','dingtalk','Dataphin Dataphin: link down','**磁盘 \*\*full\*\*** for mia, sue','12e9b5247812b81a175ad934d7704de8',1,'waiting','2026-11-30 22:24:39.954651965',NULL,1,1,'2026-11-30 22:24:34.802044',NULL,0);
CREATE TABLE deliveries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    channel TEXT NOT NULL,
    robot BIGINT REFERENCES robots (id),
    -- Who reads it: the member's id while there is one, and the name as it was.
    member BIGINT,
    recipient TEXT NOT NULL,
    requested_by BIGINT,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- Its place in the robot's queue: the smaller the sooner, 0 for a test that somebody waits for. Null once a message
    -- carries it, or it ended without one.
    priority BIGINT,
    message BIGINT REFERENCES messages (id),
    created_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP
, alert BIGINT REFERENCES alerts (id), entry BIGINT REFERENCES alert_entries (id), mention TEXT NOT NULL DEFAULT '', chosen_by TEXT NOT NULL DEFAULT '', sealed_body BLOB, resent_as BIGINT REFERENCES deliveries (id), portion BIGINT NOT NULL DEFAULT 0);
INSERT INTO deliveries VALUES(1,2,'member_saved','Dataphin: alerts for mia arrive in this group',replace('Tenant: ours\nSaved by: sam','\n',char(10)),'dingtalk',1,5,'mia',4,'success','',NULL,1,'2026-11-30 22:24:32.715147','2026-11-30 22:24:32.727021',NULL,NULL,'','',NULL,NULL,0);
INSERT INTO deliveries VALUES(2,2,'member_saved','Dataphin: alerts for sue arrive in this group',replace('Tenant: ours\nSaved by: sue','\n',char(10)),'dingtalk',2,3,'sue',3,'success','',NULL,3,'2026-11-30 22:24:32.728738','2026-11-30 22:24:32.745404',NULL,NULL,'','',NULL,NULL,0);
INSERT INTO deliveries VALUES(3,2,'member_saved','Dataphin: alerts for sue arrive in this group',replace('Tenant: ours\nSaved by: sue','\n',char(10)),'lark',3,3,'sue',3,'success','',NULL,2,'2026-11-30 22:24:32.728738','2026-11-30 22:24:32.738674',NULL,NULL,'','',NULL,NULL,0);
INSERT INTO deliveries VALUES(4,2,'firing','Dataphin Dataphin: disk full','**磁盘 \*\*full\*\*** for mia, sue','dingtalk',1,5,'mia',NULL,'success','',NULL,4,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.766825',1,1,'+12125550123','all to members',NULL,NULL,0);
INSERT INTO deliveries VALUES(5,2,'firing','Dataphin Dataphin: disk full','**磁盘 \*\*full\*\*** for mia, sue','dingtalk',2,3,'sue',NULL,'success','',NULL,6,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.767624',1,1,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(6,2,'firing','[Dataphin] Critical: Dataphin: disk full',replace('磁盘 \*\*full\*\*\n\nSeverity: Critical\nSource: a test\nLabels: team=db\nSince: 2026-12-01 06:24:32 UTC+8\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'lark',3,3,'sue',NULL,'success','',NULL,5,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.767570',1,1,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(7,2,'firing','Dataphin Dataphin: memory low','**磁盘 \*\*full\*\*** for mia, sue','dingtalk',1,5,'mia',NULL,'success','',NULL,7,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.778031',2,2,'+12125550123','all to members',NULL,NULL,0);
INSERT INTO deliveries VALUES(8,2,'firing','Dataphin Dataphin: memory low','**磁盘 \*\*full\*\*** for mia, sue','dingtalk',2,3,'sue',NULL,'success','',NULL,9,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.783397',2,2,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(9,2,'firing','[Dataphin] Warning: Dataphin: memory low',replace('磁盘 \*\*full\*\*\n\nSeverity: Warning\nSource: a test\nLabels: team=db\nSince: 2026-12-01 06:24:32 UTC+8\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'lark',3,3,'sue',NULL,'success','',NULL,8,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.779824',2,2,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(10,2,'resolved','[Dataphin] Resolved: Dataphin: memory low',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:33 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'dingtalk',1,5,'mia',NULL,'success','',NULL,10,'2026-11-30 22:24:33.814595','2026-11-30 22:24:34.796574',2,3,'+12125550123','all to members',NULL,NULL,0);
INSERT INTO deliveries VALUES(11,2,'resolved','[Dataphin] Resolved: Dataphin: memory low',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:33 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'dingtalk',2,3,'sue',NULL,'success','',NULL,12,'2026-11-30 22:24:33.814595','2026-11-30 22:24:34.797664',2,3,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(12,2,'resolved','[Dataphin] Resolved: Dataphin: memory low',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:33 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'lark',3,3,'sue',NULL,'success','',NULL,11,'2026-11-30 22:24:33.814595','2026-11-30 22:24:34.797613',2,3,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(13,2,'firing','Dataphin Dataphin: link down','**磁盘 \*\*full\*\*** for mia, sue','dingtalk',1,5,'mia',NULL,'success','',NULL,13,'2026-11-30 22:24:34.802044','2026-11-30 22:24:35.812568',3,4,'+12125550123','all to members',NULL,NULL,0);
INSERT INTO deliveries VALUES(14,2,'firing','Dataphin Dataphin: link down','**磁盘 \*\*full\*\*** for mia, sue','dingtalk',2,3,'sue',NULL,'waiting','passing',NULL,15,'2026-11-30 22:24:34.802044',NULL,3,4,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(15,2,'firing','[Dataphin] Critical: Dataphin: link down',replace('磁盘 \*\*full\*\*\n\nSeverity: Critical\nSource: a test\nLabels: team=db\nSince: 2026-12-01 06:24:34 UTC+8\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'lark',3,3,'sue',NULL,'waiting','broken-keyword',NULL,14,'2026-11-30 22:24:34.802044',NULL,3,4,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(16,2,'resolved','[Dataphin] Resolved: Dataphin: disk full',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:35 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'dingtalk',1,5,'mia',NULL,'waiting','',2,NULL,'2026-11-30 22:24:35.849068',NULL,1,6,'+12125550123','all to members',NULL,NULL,0);
INSERT INTO deliveries VALUES(17,2,'resolved','[Dataphin] Resolved: Dataphin: disk full',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:35 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'dingtalk',2,3,'sue',NULL,'waiting','',2,NULL,'2026-11-30 22:24:35.849068',NULL,1,6,'','all to chief',NULL,NULL,0);
INSERT INTO deliveries VALUES(18,2,'resolved','[Dataphin] Resolved: Dataphin: disk full',replace('Resolved after less than a minute.\nFrom: 2026-12-01 06:24:32 UTC+8\nTo: 2026-12-01 06:24:35 UTC+8\nSource: a test\nLabels: team=db\nTenant: ours\n\n[Open](https://grafana.example/d/1)','\n',char(10)),'lark',3,3,'sue',NULL,'waiting','broken-keyword',2,NULL,'2026-11-30 22:24:35.849068',NULL,1,6,'','all to chief',NULL,NULL,0);
CREATE TABLE attempts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    message BIGINT NOT NULL REFERENCES messages (id),
    fingerprint BLOB NOT NULL,
    number BIGINT NOT NULL,
    started_at TIMESTAMP NOT NULL,
    finished_at TIMESTAMP,
    http_status BIGINT,
    code TEXT NOT NULL,
    meaning TEXT NOT NULL,
    answer TEXT NOT NULL,
    UNIQUE (message, number)
);
INSERT INTO attempts VALUES(1,1,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf',1,'2026-11-30 22:24:32.719049','2026-11-30 22:24:32.727021',200,'0','delivered','ok');
INSERT INTO attempts VALUES(2,2,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34',1,'2026-11-30 22:24:32.732865','2026-11-30 22:24:32.738674',200,'0','delivered','success');
INSERT INTO attempts VALUES(3,3,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047',1,'2026-11-30 22:24:32.732865','2026-11-30 22:24:32.745404',200,'0','delivered','ok');
INSERT INTO attempts VALUES(4,4,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf',1,'2026-11-30 22:24:33.759796','2026-11-30 22:24:33.766825',200,'0','delivered','ok');
INSERT INTO attempts VALUES(5,5,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34',1,'2026-11-30 22:24:33.759796','2026-11-30 22:24:33.767570',200,'0','delivered','success');
INSERT INTO attempts VALUES(6,6,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047',1,'2026-11-30 22:24:33.759796','2026-11-30 22:24:33.767624',200,'0','delivered','ok');
INSERT INTO attempts VALUES(7,7,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf',1,'2026-11-30 22:24:33.769235','2026-11-30 22:24:33.778031',200,'0','delivered','ok');
INSERT INTO attempts VALUES(8,8,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34',1,'2026-11-30 22:24:33.769235','2026-11-30 22:24:33.779824',200,'0','delivered','success');
INSERT INTO attempts VALUES(9,9,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047',1,'2026-11-30 22:24:33.769235','2026-11-30 22:24:33.783397',200,'0','delivered','ok');
INSERT INTO attempts VALUES(10,10,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf',1,'2026-11-30 22:24:34.787786','2026-11-30 22:24:34.796574',200,'0','delivered','ok');
INSERT INTO attempts VALUES(11,11,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34',1,'2026-11-30 22:24:34.787786','2026-11-30 22:24:34.797613',200,'0','delivered','success');
INSERT INTO attempts VALUES(12,12,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047',1,'2026-11-30 22:24:34.787786','2026-11-30 22:24:34.797664',200,'0','delivered','ok');
INSERT INTO attempts VALUES(13,13,X'bd10b53df382482d2d6cfd6c3f875179cc348eb80dc74cc475dfefdb82161bbf',1,'2026-11-30 22:24:35.804721','2026-11-30 22:24:35.812568',200,'0','delivered','ok');
INSERT INTO attempts VALUES(14,14,X'6f5d36138833ef8619e339e1c3e97967569a93765f59cb65f2930917110e1c34',1,'2026-11-30 22:24:35.804721','2026-11-30 22:24:35.814276',200,'19024','broken-keyword','Key Words Not Found');
INSERT INTO attempts VALUES(15,15,X'c2b1c14af2aaff9ebb68c519ed2e1c1a9f50a19c37de3769aa1acc08f004d047',1,'2026-11-30 22:24:35.804721','2026-11-30 22:24:35.814330',200,'-1','passing','系统繁忙');
CREATE TABLE sessions (
    id TEXT NOT NULL PRIMARY KEY,
    secret_hash BLOB NOT NULL,
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- What the browser called itself and where it came from, so that people know their sessions apart.
    agent TEXT NOT NULL,
    address TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    seen_at TIMESTAMP NOT NULL
);
INSERT INTO sessions VALUES('17bde28e49d6b8c0823d66aa4cd40e22',X'fc103401334e1abc09047b9fd31c9aceb4ebd2e427913cfe54587459da3013c9',4,'','127.0.0.1','2026-11-30 22:24:32.577391','2026-11-30 22:24:32.577391');
INSERT INTO sessions VALUES('ab73289446273e1980f5d48fca2388ba',X'b25afab04e1cbe60bc97246e528ee0b478dafd662c455d5cb707eb2a40e88054',3,'','127.0.0.1','2026-11-30 22:24:32.627055','2026-11-30 22:24:32.627055');
CREATE TABLE log_in_failures (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    subject BLOB NOT NULL,
    failed_at TIMESTAMP NOT NULL
);
CREATE TABLE lockouts (
    subject BLOB NOT NULL PRIMARY KEY,
    until TIMESTAMP NOT NULL
);
CREATE TABLE log_in_settings (
    id BIGINT NOT NULL PRIMARY KEY,
    idle_minutes BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    lock_minutes BIGINT NOT NULL
);
INSERT INTO log_in_settings VALUES(1,120,5,15);
CREATE TABLE set_up_codes (
    code_hash BLOB NOT NULL PRIMARY KEY
);
CREATE TABLE audit (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- Null for what belongs to the instance.
    tenant BIGINT,
    account BIGINT,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    -- JSON list of {field, before, after}; never a secret.
    changes TEXT NOT NULL,
    address TEXT NOT NULL,
    at TIMESTAMP NOT NULL
);
INSERT INTO audit VALUES(1,1,NULL,'test','tenant-added','metadata-warehouse','[{"field":"tenants-super-admin","before":"","after":"root"}]','','2026-11-30 22:24:32.425768');
INSERT INTO audit VALUES(2,2,NULL,'test','tenant-added','ours','[{"field":"tenants-super-admin","before":"","after":"sue"}]','','2026-11-30 22:24:32.431137');
INSERT INTO audit VALUES(3,3,NULL,'test','tenant-added','theirs','[{"field":"tenants-super-admin","before":"","after":"theo"}]','','2026-11-30 22:24:32.444765');
INSERT INTO audit VALUES(4,NULL,4,'sam','log-in','sam','[]','127.0.0.1','2026-11-30 22:24:32.544251');
INSERT INTO audit VALUES(5,NULL,3,'sue','log-in','sue','[]','127.0.0.1','2026-11-30 22:24:32.598051');
INSERT INTO audit VALUES(6,2,4,'sam','template-changed','dingtalk · firing','[{"field":"templates-title","before":"[{{ product }}] {{ severity }}: {{ title }}","after":"{{ product }} {{ title }}"},{"field":"templates-body","before":"","after":""}]','127.0.0.1','2026-11-30 22:24:32.636550');
INSERT INTO audit VALUES(7,2,4,'sam','channels-changed','ours','[{"field":"channel-dingtalk","before":"off","after":"on"},{"field":"channel-lark","before":"off","after":"on"},{"field":"channels-settings","before":"system","after":"custom"}]','127.0.0.1','2026-11-30 22:24:32.645371');
INSERT INTO audit VALUES(8,2,4,'sam','member-edited','mia','[{"field":"members-phone","before":"","after":"+12•••••0123"},{"field":"members-email","before":"","after":"m•••@corp.example"},{"field":"channel-dingtalk","before":"","after":"127.83.12.7:18080 …0001"}]','127.0.0.1','2026-11-30 22:24:32.715147');
INSERT INTO audit VALUES(9,2,3,'sue','member-edited','sue','[{"field":"channel-dingtalk","before":"","after":"127.83.12.7:18080 …0002"},{"field":"channel-lark","before":"","after":"127.83.12.7:18080 …0003"}]','127.0.0.1','2026-11-30 22:24:32.728738');
INSERT INTO audit VALUES(10,2,NULL,'test','group-added','night shift','[{"field":"groups-name","before":"","after":"night shift"}]','','2026-11-30 22:24:32.741505');
INSERT INTO audit VALUES(11,2,NULL,'test','schedule-added','on call','[{"field":"schedules-unit","before":"","after":"week"},{"field":"schedules-every","before":"","after":"1"},{"field":"schedules-starts-on","before":"","after":"2026-11-28"},{"field":"schedules-handover","before":"","after":"00:00"},{"field":"schedules-shifts","before":"","after":"mia"}]','','2026-11-30 22:24:32.755579');
CREATE TABLE verifications (
    member BIGINT NOT NULL REFERENCES members (id),
    channel TEXT NOT NULL,
    robot BIGINT NOT NULL REFERENCES robots (id),
    -- The delivery that carries the code.
    delivery BIGINT NOT NULL REFERENCES deliveries (id),
    code_hash BLOB NOT NULL,
    -- How often a wrong code may still be typed.
    tries_left BIGINT NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    PRIMARY KEY (member, channel)
);
CREATE TABLE alerts (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    -- form, portal, alertmanager or grafana.
    source TEXT NOT NULL,
    -- Who sent it first: the portal's name or the username, as it was.
    sender TEXT NOT NULL,
    -- What makes two firings the same event.
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    severity TEXT NOT NULL,
    link TEXT NOT NULL,
    -- JSON object of label names and values.
    labels TEXT NOT NULL,
    -- JSON list of the usernames that the sender named; empty when the alert rules choose.
    receivers TEXT NOT NULL,
    -- title, key and sender in lower case (ASCII): what a search looks into.
    search_text TEXT NOT NULL,
    -- How many firings came in.
    count BIGINT NOT NULL,
    -- How many of its receivers could be reached, over all firings. 0 is shown to administrators.
    reached BIGINT NOT NULL,
    first_at TIMESTAMP NOT NULL,
    last_at TIMESTAMP NOT NULL,
    -- Until when its rules do not ring again (cool-down); status Silencing.
    silent_until TIMESTAMP,
    -- Until when nobody is to be disturbed; status Do not disturb.
    quiet_until TIMESTAMP,
    -- When it was resolved or finished by hand; status Finished.
    finished_at TIMESTAMP
, key_owner TEXT NOT NULL DEFAULT '', annotations TEXT NOT NULL DEFAULT '{}', started_at TIMESTAMP, ended_at TIMESTAMP, suppressed_entry BIGINT, suppressed_critical_at TIMESTAMP);
INSERT INTO alerts VALUES(1,2,'portal','a test','disk full','Dataphin: disk full','磁盘 **full**','critical','https://grafana.example/d/1','{"team":"db"}','[]',replace('dataphin: disk full\ndisk full\na test','\n',char(10)),1,3,'2026-11-30 22:24:32.771022','2026-11-30 22:24:35.849068','2026-11-30 22:29:32.771022',NULL,'2026-11-30 22:24:35.849068','','{"summary":"s"}',NULL,NULL,NULL,NULL);
INSERT INTO alerts VALUES(2,2,'portal','a test','memory low','Dataphin: memory low','磁盘 **full**','warning','https://grafana.example/d/1','{"team":"db"}','[]',replace('dataphin: memory low\nmemory low\na test','\n',char(10)),1,3,'2026-11-30 22:24:32.771022','2026-11-30 22:24:33.814595','2026-11-30 22:29:32.771022',NULL,'2026-11-30 22:24:33.814595','','{"summary":"s"}',NULL,NULL,NULL,NULL);
INSERT INTO alerts VALUES(3,2,'portal','a test','link down','Dataphin: link down','磁盘 **full**','critical','https://grafana.example/d/1','{"team":"db"}','[]',replace('dataphin: link down\nlink down\na test','\n',char(10)),1,3,'2026-11-30 22:24:34.802044','2026-11-30 22:24:34.802044','2026-11-30 22:29:34.802044',NULL,NULL,'','{"summary":"s"}',NULL,NULL,NULL,NULL);
INSERT INTO alerts VALUES(4,3,'portal','a test','core switch','Dataphin: core switch','磁盘 **full**','critical','https://grafana.example/d/1','{"team":"db"}','[]',replace('dataphin: core switch\ncore switch\na test','\n',char(10)),1,110,'2026-11-30 22:24:35.842397','2026-11-30 22:24:35.842397','2026-11-30 22:29:35.842397',NULL,NULL,'','{"summary":"s"}',NULL,NULL,NULL,NULL);
CREATE TABLE alert_entries (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    alert BIGINT NOT NULL REFERENCES alerts (id),
    -- firing, repeated, resolved, quiet, loud or finished.
    kind TEXT NOT NULL,
    -- The portal's name or the username.
    actor TEXT NOT NULL,
    -- What it said, where that differs from the event's first words. The content of quiet is until when (RFC 3339, UTC).
    title TEXT NOT NULL,
    content TEXT NOT NULL,
    severity TEXT NOT NULL,
    -- JSON list of {rule, outcome}: each rule that was asked, and why it rang or did not.
    rules TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    -- The hash of the page's form that fired it: a second click on the same form finds it. Null for every other entry.
    form_hash BLOB
, chosen BIGINT);
INSERT INTO alert_entries VALUES(1,1,'firing','a test','','','critical','[{"outcome":"rings","rule":"all to chief"},{"outcome":"rings","rule":"all to members"}]','2026-11-30 22:24:32.771022',NULL,3);
INSERT INTO alert_entries VALUES(2,2,'firing','a test','','','warning','[{"outcome":"rings","rule":"all to chief"},{"outcome":"rings","rule":"all to members"}]','2026-11-30 22:24:32.771022',NULL,3);
INSERT INTO alert_entries VALUES(3,2,'resolved','a test','Dataphin: memory low','磁盘 **full**','warning','[]','2026-11-30 22:24:33.814595',NULL,3);
INSERT INTO alert_entries VALUES(4,3,'firing','a test','','','critical','[{"outcome":"rings","rule":"all to chief"},{"outcome":"rings","rule":"all to members"}]','2026-11-30 22:24:34.802044',NULL,3);
INSERT INTO alert_entries VALUES(5,4,'firing','a test','','','critical','[{"outcome":"rings","rule":"everybody"}]','2026-11-30 22:24:35.842397',NULL,111);
INSERT INTO alert_entries VALUES(6,1,'resolved','a test','Dataphin: disk full','磁盘 **full**','critical','[]','2026-11-30 22:24:35.849068',NULL,3);
CREATE TABLE alert_rules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    -- The least severity: info, warning or critical.
    severity TEXT NOT NULL,
    -- form, portal, alertmanager or grafana; empty for any.
    source TEXT NOT NULL,
    -- JSON list of {label, operator, value}; operator is = or =~.
    matchers TEXT NOT NULL,
    -- The channels, comma-separated.
    channels TEXT NOT NULL,
    -- Minutes between two sends for one event, 1 to 59.
    frequency BIGINT NOT NULL,
    -- The most sends for one event; null for no limit.
    max_sends BIGINT,
    -- The window of the day in minutes from midnight in the tenant's time zone; both null for the whole day. One that
    -- ends before it begins goes over midnight.
    window_from BIGINT,
    window_to BIGINT,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, name_key)
);
INSERT INTO alert_rules VALUES(1,2,'all to chief','all to chief',1,'info','','[]','dingtalk,lark,wecom',5,NULL,NULL,NULL,'2026-11-30 22:24:32.766183');
INSERT INTO alert_rules VALUES(2,2,'all to members','all to members',1,'info','','[]','dingtalk,lark,wecom',5,NULL,NULL,NULL,'2026-11-30 22:24:32.768652');
INSERT INTO alert_rules VALUES(3,3,'everybody','everybody',1,'info','','[]','dingtalk,lark,wecom',5,NULL,NULL,NULL,'2026-11-30 22:24:35.841205');
CREATE TABLE rule_receivers (
    rule BIGINT NOT NULL REFERENCES alert_rules (id),
    -- account, role, group or schedule.
    kind TEXT NOT NULL,
    -- The id of the account (whether or not it still takes part), group or schedule; 0 for a role.
    target BIGINT NOT NULL,
    -- The role; empty for the others.
    role TEXT NOT NULL,
    PRIMARY KEY (rule, kind, target, role)
);
INSERT INTO rule_receivers VALUES(1,'role',0,'super_administrator');
INSERT INTO rule_receivers VALUES(2,'role',0,'member');
INSERT INTO rule_receivers VALUES(3,'role',0,'member');
CREATE TABLE rule_sends (
    alert BIGINT NOT NULL REFERENCES alerts (id),
    rule BIGINT NOT NULL,
    sends BIGINT NOT NULL,
    last_at TIMESTAMP NOT NULL, rang_at TIMESTAMP, notified_severity TEXT NOT NULL DEFAULT '', noted_severity TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (alert, rule)
);
INSERT INTO rule_sends VALUES(1,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:32.771022','critical','critical');
INSERT INTO rule_sends VALUES(1,2,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:32.771022','critical','critical');
INSERT INTO rule_sends VALUES(2,1,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:32.771022','warning','warning');
INSERT INTO rule_sends VALUES(2,2,1,'2026-11-30 22:24:32.771022','2026-11-30 22:24:32.771022','warning','warning');
INSERT INTO rule_sends VALUES(3,1,1,'2026-11-30 22:24:34.802044','2026-11-30 22:24:34.802044','critical','critical');
INSERT INTO rule_sends VALUES(3,2,1,'2026-11-30 22:24:34.802044','2026-11-30 22:24:34.802044','critical','critical');
INSERT INTO rule_sends VALUES(4,3,1,'2026-11-30 22:24:35.842397','2026-11-30 22:24:35.842397','critical','critical');
CREATE TABLE user_groups (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    description TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    created_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, name_key)
);
INSERT INTO user_groups VALUES(1,2,'night shift','night shift','',1,'2026-11-30 22:24:32.741505');
CREATE TABLE user_group_accounts (
    user_group BIGINT NOT NULL REFERENCES user_groups (id),
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- Whether he hears what the group hears; an administrator of the group need not.
    is_member BOOLEAN NOT NULL,
    is_admin BOOLEAN NOT NULL,
    PRIMARY KEY (user_group, account)
);
CREATE TABLE shift_schedules (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    -- day, week or month, and how many of them a shift lasts.
    unit TEXT NOT NULL,
    every BIGINT NOT NULL,
    -- The first day, as YYYY-MM-DD in the tenant's time zone.
    starts_on TEXT NOT NULL,
    -- When one shift takes over from the one before, in minutes from midnight.
    handover BIGINT NOT NULL,
    -- The hours of duty in minutes from midnight; both null for the whole day.
    hours_from BIGINT,
    hours_to BIGINT,
    -- Who is rung outside the hours of duty; null for nobody.
    outside BIGINT REFERENCES accounts (id),
    created_at TIMESTAMP NOT NULL,
    UNIQUE (tenant, name_key)
);
INSERT INTO shift_schedules VALUES(1,2,'on call','on call','week',1,'2026-11-28',0,NULL,NULL,NULL,'2026-11-30 22:24:32.755579');
CREATE TABLE shift_accounts (
    schedule BIGINT NOT NULL REFERENCES shift_schedules (id),
    shift BIGINT NOT NULL,
    account BIGINT NOT NULL REFERENCES accounts (id),
    -- The order within the shift.
    position BIGINT NOT NULL,
    PRIMARY KEY (schedule, shift, account)
);
INSERT INTO shift_accounts VALUES(1,0,5,0);
CREATE TABLE message_templates (
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    channel TEXT NOT NULL,
    -- firing, repeated, resolved, digest, member_saved or test.
    reason TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    PRIMARY KEY (tenant, channel, reason)
);
INSERT INTO message_templates VALUES(2,'dingtalk','firing','{{ product }} {{ title }}','**{{ content }}** for {{ recipients }}','sam','2026-11-30 22:24:32.636550');
CREATE TABLE portals (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    name TEXT NOT NULL,
    name_key TEXT NOT NULL,
    saves_members BOOLEAN NOT NULL,
    fires_alerts BOOLEAN NOT NULL,
    -- Origins, one a line.
    return_origins TEXT NOT NULL,
    -- The most posts a minute; null for no limit. The minute that is being counted, and its count.
    per_minute BIGINT,
    minute_at TIMESTAMP,
    minute_count BIGINT NOT NULL,
    token_hash BLOB NOT NULL UNIQUE,
    token_last_four TEXT NOT NULL,
    sealed_signing_key BLOB NOT NULL,
    -- What was rotated away, and until when it is still accepted.
    old_token_hash BLOB UNIQUE,
    old_sealed_signing_key BLOB,
    old_until TIMESTAMP,
    last_used_at TIMESTAMP,
    created_at TIMESTAMP NOT NULL,
    revoked_at TIMESTAMP,
    UNIQUE (tenant, name_key)
);
INSERT INTO portals VALUES(1,2,'Grafana','grafana',1,1,'',NULL,NULL,0,X'a0134a93e4ea40659cede9b1b7ad5a43b263f93dc4543d41ccd1892c0b3cb2f6','ggSY',X'0100000001871d00d6eb0575ad17e0d00e8958ab638f0e8214b378039c7394512622628481ace78cb74d8f8bce9bbb379c9ea76812cdfc19f7acd59bace3e585bde69c8b35a0707784232d42129c004c0af79b798ff158fe6b8a046e3e3e90cd84a1f6',NULL,NULL,NULL,NULL,'2026-11-30 22:24:32.732701',NULL);
CREATE TABLE portal_nonces (
    portal BIGINT NOT NULL REFERENCES portals (id),
    nonce TEXT NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    PRIMARY KEY (portal, nonce)
);
CREATE TABLE idempotency (
    portal BIGINT NOT NULL REFERENCES portals (id),
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    status BIGINT NOT NULL,
    answer TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    PRIMARY KEY (portal, key)
);
CREATE TABLE retention (
    id BIGINT NOT NULL PRIMARY KEY,
    delivery_days BIGINT NOT NULL,
    alert_days BIGINT NOT NULL,
    audit_days BIGINT NOT NULL
);
INSERT INTO retention VALUES(1,90,180,365);
CREATE TABLE known_devices (
    account BIGINT NOT NULL REFERENCES accounts (id),
    token_hash BLOB NOT NULL,
    seen_at TIMESTAMP NOT NULL,
    PRIMARY KEY (account, token_hash)
);
INSERT INTO known_devices VALUES(4,X'47be4cc417ab2e8c6b18b8d9101b5f0f137ae72958c0c43f5d6c4eafbc00d772','2026-11-30 22:24:32.544251');
INSERT INTO known_devices VALUES(3,X'fc5c42847c09b84a4b19dda0e21e4f036cf8124ba8a63dad32cb0495c3c7e05b','2026-11-30 22:24:32.598051');
CREATE TABLE config_versions (
    -- The tenant, or 0 for the instance.
    scope BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO config_versions VALUES(1,2);
INSERT INTO config_versions VALUES(2,24);
INSERT INTO config_versions VALUES(3,224);
INSERT INTO config_versions VALUES(0,3);
CREATE TABLE fan_out_plans (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    created_at TIMESTAMP NOT NULL
);
INSERT INTO fan_out_plans VALUES(1,'2026-11-30 22:24:35.842397');
CREATE TABLE fan_out_parts (
    plan BIGINT NOT NULL REFERENCES fan_out_plans (id),
    -- From 0 on.
    part BIGINT NOT NULL,
    -- JSON: who is reached by which robot, and who is not and why.
    receivers TEXT NOT NULL,
    -- How many they are: as many deliveries come of it.
    size BIGINT NOT NULL,
    PRIMARY KEY (plan, part)
);
INSERT INTO fan_out_parts VALUES(1,0,'{"calls":[{"member":11,"name":"c1","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":20,"name":"c10","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":110,"name":"c100","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":111,"name":"c101","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":112,"name":"c102","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":113,"name":"c103","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":114,"name":"c104","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":115,"name":"c105","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":116,"name":"c106","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":117,"name":"c107","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":118,"name":"c108","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":119,"name":"c109","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":21,"name":"c11","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":120,"name":"c110","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":22,"name":"c12","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":23,"name":"c13","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":24,"name":"c14","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":25,"name":"c15","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":26,"name":"c16","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":27,"name":"c17","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":28,"name":"c18","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":29,"name":"c19","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":12,"name":"c2","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":30,"name":"c20","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":31,"name":"c21","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":32,"name":"c22","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":33,"name":"c23","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":34,"name":"c24","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":35,"name":"c25","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":36,"name":"c26","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":37,"name":"c27","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":38,"name":"c28","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":39,"name":"c29","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":13,"name":"c3","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":40,"name":"c30","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":41,"name":"c31","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":42,"name":"c32","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":43,"name":"c33","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":44,"name":"c34","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":45,"name":"c35","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":46,"name":"c36","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":47,"name":"c37","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":48,"name":"c38","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":49,"name":"c39","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":14,"name":"c4","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":50,"name":"c40","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":51,"name":"c41","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":52,"name":"c42","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":53,"name":"c43","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":54,"name":"c44","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":55,"name":"c45","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":56,"name":"c46","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":57,"name":"c47","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":58,"name":"c48","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":59,"name":"c49","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":15,"name":"c5","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":60,"name":"c50","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":61,"name":"c51","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":62,"name":"c52","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":63,"name":"c53","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":64,"name":"c54","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":65,"name":"c55","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":66,"name":"c56","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":67,"name":"c57","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":68,"name":"c58","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":69,"name":"c59","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":16,"name":"c6","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":70,"name":"c60","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":71,"name":"c61","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":72,"name":"c62","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":73,"name":"c63","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":74,"name":"c64","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":75,"name":"c65","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":76,"name":"c66","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":77,"name":"c67","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":78,"name":"c68","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":79,"name":"c69","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":17,"name":"c7","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":80,"name":"c70","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":81,"name":"c71","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":82,"name":"c72","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":83,"name":"c73","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":84,"name":"c74","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":85,"name":"c75","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":86,"name":"c76","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":87,"name":"c77","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":88,"name":"c78","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":89,"name":"c79","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":18,"name":"c8","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":90,"name":"c80","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":91,"name":"c81","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":92,"name":"c82","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":93,"name":"c83","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":94,"name":"c84","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":95,"name":"c85","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":96,"name":"c86","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":97,"name":"c87","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":98,"name":"c88","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":99,"name":"c89","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":19,"name":"c9","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":100,"name":"c90","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":101,"name":"c91","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":102,"name":"c92","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":103,"name":"c93","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":104,"name":"c94","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":105,"name":"c95","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":106,"name":"c96","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":107,"name":"c97","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":108,"name":"c98","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]},{"member":109,"name":"c99","phone":"","robot":4,"channel":"dingtalk","chosen_by":["everybody"]}],"misses":[]}',110);
INSERT INTO fan_out_parts VALUES(1,1,'{"calls":[],"misses":[{"member":9,"name":"tom","reason":"no-contact","chosen_by":["everybody"]}]}',1);
CREATE TABLE fan_outs (
    entry BIGINT NOT NULL PRIMARY KEY REFERENCES alert_entries (id),
    alert BIGINT NOT NULL REFERENCES alerts (id),
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    plan BIGINT NOT NULL REFERENCES fan_out_plans (id),
    -- The part that comes next.
    part BIGINT NOT NULL,
    -- firing, repeated or resolved, as in deliveries.
    kind TEXT NOT NULL,
    is_urgent BOOLEAN NOT NULL,
    requested_by BIGINT,
    -- JSON: title and body for each channel.
    words TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL
);
INSERT INTO fan_outs VALUES(5,4,3,1,0,'firing',1,NULL,'[["dingtalk","[Dataphin] Critical: Dataphin: core switch","磁盘 \\*\\*full\\*\\*\n\nSeverity: Critical\nSource: a test\nLabels: team=db\nSince: 2026-12-01 06:24:35 UTC+8\nTenant: theirs\n\n[Open](https://grafana.example/d/1)"]]','2026-11-30 22:24:35.842397');
CREATE TABLE refused_posts (
    portal BIGINT NOT NULL REFERENCES portals (id),
    -- The last part of the problem's type.
    problem TEXT NOT NULL,
    address TEXT NOT NULL,
    count BIGINT NOT NULL,
    first_at TIMESTAMP NOT NULL,
    last_at TIMESTAMP NOT NULL,
    PRIMARY KEY (portal, problem, address)
);
CREATE TABLE added_members (
    -- No reference: the row outlives its robot for some minutes at most.
    robot BIGINT NOT NULL PRIMARY KEY,
    tenant BIGINT NOT NULL REFERENCES tenants (id),
    -- The name of the portal that added the last.
    added_by TEXT NOT NULL,
    -- How many, and of how many the group was told.
    count BIGINT NOT NULL,
    announced BIGINT NOT NULL,
    began_at TIMESTAMP NOT NULL,
    last_at TIMESTAMP NOT NULL
);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('accounts',120);
INSERT INTO sqlite_sequence VALUES('tenants',3);
INSERT INTO sqlite_sequence VALUES('members',120);
INSERT INTO sqlite_sequence VALUES('audit',11);
INSERT INTO sqlite_sequence VALUES('robots',4);
INSERT INTO sqlite_sequence VALUES('deliveries',18);
INSERT INTO sqlite_sequence VALUES('messages',15);
INSERT INTO sqlite_sequence VALUES('attempts',15);
INSERT INTO sqlite_sequence VALUES('portals',1);
INSERT INTO sqlite_sequence VALUES('user_groups',1);
INSERT INTO sqlite_sequence VALUES('shift_schedules',1);
INSERT INTO sqlite_sequence VALUES('alert_rules',3);
INSERT INTO sqlite_sequence VALUES('alerts',4);
INSERT INTO sqlite_sequence VALUES('alert_entries',6);
INSERT INTO sqlite_sequence VALUES('fan_out_plans',1);
CREATE INDEX members_by_username ON members (tenant, username_key, id, search_text, role, status, robot_count);
CREATE INDEX members_by_display_name ON members (tenant, display_name_key, id, search_text, role, status, robot_count);
CREATE INDEX members_by_joined ON members (tenant, joined_at, id, search_text, role, status, robot_count);
CREATE INDEX members_by_account ON members (account);
CREATE INDEX robots_by_fingerprint ON robots (fingerprint);
CREATE INDEX contacts_by_robot ON contacts (robot);
CREATE INDEX paces_by_due ON paces (due_at);
CREATE INDEX messages_open ON messages (fingerprint, state, priority, due_at) WHERE finished_at IS NULL;
CREATE INDEX deliveries_by_message ON deliveries (message);
CREATE INDEX deliveries_queued ON deliveries (robot, priority, id) WHERE priority IS NOT NULL;
CREATE INDEX deliveries_open ON deliveries (robot) WHERE finished_at IS NULL;
CREATE INDEX attempts_by_pace ON attempts (fingerprint, started_at);
CREATE INDEX sessions_by_account ON sessions (account);
CREATE INDEX log_in_failures_by_subject ON log_in_failures (subject, failed_at);
CREATE INDEX audit_by_tenant ON audit (tenant, id);
CREATE INDEX verifications_by_robot ON verifications (robot);
CREATE INDEX verifications_by_delivery ON verifications (delivery);
CREATE INDEX alerts_by_key ON alerts (tenant, key, id);
CREATE INDEX alerts_by_tenant ON alerts (tenant, last_at, id, severity, source, finished_at, search_text);
CREATE UNIQUE INDEX alert_entries_by_form ON alert_entries (form_hash) WHERE form_hash IS NOT NULL;
CREATE INDEX alert_entries_by_alert ON alert_entries (alert, id);
CREATE INDEX deliveries_by_alert ON deliveries (alert, id) WHERE alert IS NOT NULL;
CREATE INDEX deliveries_by_entry ON deliveries (entry, robot) WHERE entry IS NOT NULL;
CREATE INDEX deliveries_by_tenant ON deliveries (tenant, created_at, id, channel);
CREATE INDEX deliveries_by_member ON deliveries (member, created_at, id);
CREATE INDEX deliveries_by_state ON deliveries (tenant, state, created_at, id);
CREATE INDEX deliveries_by_reason ON deliveries (tenant, reason, created_at, id, state, kind) WHERE reason <> '';
CREATE INDEX robots_broken ON robots (tenant, state, id) WHERE state = 'broken';
CREATE INDEX alerts_unreached ON alerts (tenant, reached, last_at, id) WHERE reached = 0;
CREATE INDEX paces_by_rest ON paces (rest_until);
CREATE INDEX rule_receivers_by_target ON rule_receivers (kind, target);
CREATE INDEX user_group_accounts_by_account ON user_group_accounts (account);
CREATE INDEX portal_nonces_by_expiry ON portal_nonces (expires_at);
CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX robots_untold ON robots (untold_since) WHERE untold_since IS NOT NULL;
CREATE INDEX alerts_finished ON alerts (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX deliveries_alone ON deliveries (finished_at, id) WHERE alert IS NULL AND finished_at IS NOT NULL;
CREATE INDEX messages_failed ON messages (finished_at, id) WHERE state = 'failed';
CREATE INDEX deliveries_by_resent ON deliveries (resent_as) WHERE resent_as IS NOT NULL;
CREATE INDEX contacts_by_member ON contacts (member, channel, robot, verified_at);
CREATE INDEX known_devices_by_seen ON known_devices (seen_at);
CREATE UNIQUE INDEX alerts_open ON alerts (tenant, key_owner, key) WHERE finished_at IS NULL;
CREATE INDEX alerts_suppressed ON alerts (quiet_until, id) WHERE suppressed_entry IS NOT NULL;
CREATE INDEX alerts_suppressed_critical ON alerts (tenant, suppressed_critical_at, id) WHERE suppressed_critical_at IS NOT NULL;
CREATE TRIGGER tenants_update_raises_version AFTER UPDATE OF name, time_zone, channel_mode, message_language ON tenants BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.id, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER members_insert_raises_version AFTER INSERT ON members BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER members_update_raises_version AFTER UPDATE OF account, username, display_name, role, phone, status ON members BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER members_delete_raises_version AFTER DELETE ON members BEGIN
    INSERT INTO config_versions (scope, version) VALUES (OLD.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER contacts_insert_raises_version AFTER INSERT ON contacts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM members WHERE id = NEW.member
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER contacts_update_raises_version AFTER UPDATE OF channel, robot ON contacts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM members WHERE id = NEW.member
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER contacts_delete_raises_version AFTER DELETE ON contacts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM members WHERE id = OLD.member
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER channel_switches_insert_raises_version AFTER INSERT ON channel_switches BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.scope, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER channel_switches_update_raises_version AFTER UPDATE ON channel_switches BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.scope, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER channel_switches_delete_raises_version AFTER DELETE ON channel_switches BEGIN
    INSERT INTO config_versions (scope, version) VALUES (OLD.scope, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER alert_rules_insert_raises_version AFTER INSERT ON alert_rules BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER alert_rules_update_raises_version AFTER UPDATE ON alert_rules BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER alert_rules_delete_raises_version AFTER DELETE ON alert_rules BEGIN
    INSERT INTO config_versions (scope, version) VALUES (OLD.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER rule_receivers_insert_raises_version AFTER INSERT ON rule_receivers BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM alert_rules WHERE id = NEW.rule
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER rule_receivers_update_raises_version AFTER UPDATE ON rule_receivers BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM alert_rules WHERE id = NEW.rule
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER rule_receivers_delete_raises_version AFTER DELETE ON rule_receivers BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM alert_rules WHERE id = OLD.rule
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER user_groups_insert_raises_version AFTER INSERT ON user_groups BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER user_groups_update_raises_version AFTER UPDATE ON user_groups BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER user_groups_delete_raises_version AFTER DELETE ON user_groups BEGIN
    INSERT INTO config_versions (scope, version) VALUES (OLD.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER user_group_accounts_insert_raises_version AFTER INSERT ON user_group_accounts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM user_groups WHERE id = NEW.user_group
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER user_group_accounts_update_raises_version AFTER UPDATE ON user_group_accounts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM user_groups WHERE id = NEW.user_group
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER user_group_accounts_delete_raises_version AFTER DELETE ON user_group_accounts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM user_groups WHERE id = OLD.user_group
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER shift_schedules_insert_raises_version AFTER INSERT ON shift_schedules BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER shift_schedules_update_raises_version AFTER UPDATE ON shift_schedules BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER shift_schedules_delete_raises_version AFTER DELETE ON shift_schedules BEGIN
    INSERT INTO config_versions (scope, version) VALUES (OLD.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER shift_accounts_insert_raises_version AFTER INSERT ON shift_accounts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM shift_schedules WHERE id = NEW.schedule
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER shift_accounts_update_raises_version AFTER UPDATE ON shift_accounts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM shift_schedules WHERE id = NEW.schedule
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER shift_accounts_delete_raises_version AFTER DELETE ON shift_accounts BEGIN
    INSERT INTO config_versions (scope, version) SELECT tenant, 1 FROM shift_schedules WHERE id = OLD.schedule
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER message_templates_insert_raises_version AFTER INSERT ON message_templates BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER message_templates_update_raises_version AFTER UPDATE ON message_templates BEGIN
    INSERT INTO config_versions (scope, version) VALUES (NEW.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER message_templates_delete_raises_version AFTER DELETE ON message_templates BEGIN
    INSERT INTO config_versions (scope, version) VALUES (OLD.tenant, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE TRIGGER accounts_update_raises_version AFTER UPDATE OF username ON accounts BEGIN
    INSERT INTO config_versions (scope, version) VALUES (0, 1)
        ON CONFLICT (scope) DO UPDATE SET version = version + 1;
END;
CREATE INDEX fan_out_plans_by_age ON fan_out_plans (created_at);
CREATE INDEX fan_outs_by_alert ON fan_outs (alert, entry);
CREATE INDEX fan_outs_by_tenant ON fan_outs (tenant, entry);
CREATE INDEX fan_outs_by_plan ON fan_outs (plan);
CREATE INDEX refused_posts_by_age ON refused_posts (portal, last_at);
COMMIT;
