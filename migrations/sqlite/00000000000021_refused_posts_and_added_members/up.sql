-- Posts of a portal that were refused: how often, for which problem, from which address. Never what was posted.
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
CREATE INDEX refused_posts_by_age ON refused_posts (portal, last_at);

-- Members that portals gave to a group robot within a short time: the group hears of the first, and then of all in one message.
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
