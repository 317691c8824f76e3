-- The version of everything that decides whom an alert reaches, and by which words. It rises with every change, in the same
-- transaction, whoever makes it, so that what was decided by an older state is not stored. Its twin has the same name.
CREATE TABLE config_versions (
    -- The tenant, or 0 for the instance.
    scope BIGINT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL
);

-- Raises the version once for each scope and transaction, at its end: nothing is locked that the transaction waits with.
CREATE FUNCTION raise_config_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed JSONB := to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END);
    raised TEXT := coalesce(nullif(current_setting('belfry.raised', TRUE), ''), ',');
    owner BIGINT;
BEGIN
    CASE TG_ARGV[0]
        WHEN 'instance' THEN owner := 0;
        WHEN 'own' THEN owner := (changed ->> TG_ARGV[1])::BIGINT;
        ELSE EXECUTE format('SELECT tenant FROM %I WHERE id = $1', TG_ARGV[0])
            INTO owner USING (changed ->> TG_ARGV[1])::BIGINT;
    END CASE;
    IF owner IS NULL OR position(',' || owner || ',' IN raised) > 0 THEN
        RETURN NULL;
    END IF;
    PERFORM set_config('belfry.raised', raised || owner || ',', TRUE);
    INSERT INTO config_versions (scope, version) VALUES (owner, 1)
        ON CONFLICT (scope) DO UPDATE SET version = config_versions.version + 1;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER tenants_raise_version AFTER UPDATE OF name, time_zone, channel_mode, message_language ON tenants
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('own', 'id');

CREATE CONSTRAINT TRIGGER members_raise_version AFTER INSERT OR DELETE OR UPDATE OF account, username, display_name, role, phone, status ON members
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('own', 'tenant');

CREATE CONSTRAINT TRIGGER contacts_raise_version AFTER INSERT OR DELETE OR UPDATE OF channel, robot ON contacts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('members', 'member');

CREATE CONSTRAINT TRIGGER channel_switches_raise_version AFTER INSERT OR UPDATE OR DELETE ON channel_switches
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('own', 'scope');

CREATE CONSTRAINT TRIGGER alert_rules_raise_version AFTER INSERT OR UPDATE OR DELETE ON alert_rules
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('own', 'tenant');

CREATE CONSTRAINT TRIGGER rule_receivers_raise_version AFTER INSERT OR UPDATE OR DELETE ON rule_receivers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('alert_rules', 'rule');

CREATE CONSTRAINT TRIGGER user_groups_raise_version AFTER INSERT OR UPDATE OR DELETE ON user_groups
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('own', 'tenant');

CREATE CONSTRAINT TRIGGER user_group_accounts_raise_version AFTER INSERT OR UPDATE OR DELETE ON user_group_accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('user_groups', 'user_group');

CREATE CONSTRAINT TRIGGER shift_schedules_raise_version AFTER INSERT OR UPDATE OR DELETE ON shift_schedules
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('own', 'tenant');

CREATE CONSTRAINT TRIGGER shift_accounts_raise_version AFTER INSERT OR UPDATE OR DELETE ON shift_accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('shift_schedules', 'schedule');

CREATE CONSTRAINT TRIGGER message_templates_raise_version AFTER INSERT OR UPDATE OR DELETE ON message_templates
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('own', 'tenant');

CREATE CONSTRAINT TRIGGER accounts_raise_version AFTER UPDATE OF username ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raise_config_version('instance');
