-- The version of everything that decides whom an alert reaches, and by which words. It rises with every change, in the same
-- transaction, whoever makes it, so that what was decided by an older state is not stored. Its twin has the same name.
CREATE TABLE config_versions (
    -- The tenant, or 0 for the instance.
    scope BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);

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
