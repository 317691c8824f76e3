//! Alerts are decided before their transaction and stored only if nothing changed since, and receivers who are too many for it
//! get their deliveries afterwards: all of them, each once, and in order.

use std::{collections::BTreeSet, time::Duration};

use belfry::{
    access::Role,
    alerts::{
        self, AlertContext, IncomingAlert, IngestTransaction, Receiver, Severity, Signal, Snapshots, Source,
        store::{fan_outs, snapshots},
    },
    db::{AnyConnection, DeliveryId, EntryId, TenantId, schema::deliveries},
    delivery::{self, Ledger, Waker},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::RobotKind,
    secrets::KeyRing,
};
use diesel::{connection::SimpleConnection as _, prelude::*};

use crate::harness::{Backend, TestApp, Tweaks, run_with};

/// More than one transaction takes.
const MANY: usize = 1_300;
const PATIENCE: Duration = Duration::from_secs(30);

fn alert(key: &str, signal: Signal) -> IncomingAlert {
    IncomingAlert {
        source: Source::Portal,
        signal,
        key: key.to_owned(),
        title: format!("Dataphin: {key}"),
        content: String::new(),
        severity: Severity::Warning,
        link: String::new(),
        labels: [("team".to_owned(), "db".to_owned())].into(),
        annotations: std::collections::BTreeMap::new(),
        starts_at: None,
        ends_at: None,
        receivers: Vec::new(),
    }
}

fn context(app: &TestApp, tenant: TenantId) -> AlertContext {
    let (sender, product) = ("a test".to_owned(), "Dataphin".to_owned());
    AlertContext { tenant, sender, fired_by: None, portal: None, product, now: app.clock.now() }
}

/// Prepares alerts and takes them in: how many deliveries there will be, or nothing when what decides them has changed in between.
async fn take(
    app: &TestApp,
    tenant: TenantId,
    alerts: Vec<IncomingAlert>,
    in_between: impl AsyncFnOnce(&TestApp),
) -> Option<i64> {
    let context = context(app, tenant);
    let (alerts, prepared) = Snapshots::default().prepare(&app.db, &context, alerts).await.expect("it is prepared");
    in_between(app).await;
    let store = move |c: &mut _| {
        let mut take = IngestTransaction::default();
        let taken = take.ingest_prepared(c, &context, &alerts.iter().collect::<Vec<_>>(), &prepared)?;
        take.finish(c, context.now)?;
        Ok(taken)
    };
    let taken = app.db.write(store).await.expect("it is stored");
    taken.map(|taken| taken.iter().map(|taken| taken.deliveries).sum())
}

async fn nothing(_: &TestApp) {}

async fn run_sql(app: &TestApp, sql: String) {
    app.db.write(move |c| Ok(c.batch_execute(&sql)?)).await.expect("a statement");
}

/// A tenant of so many members, of whom the first so many are reached by one robot, with a rule for all of them.
async fn crowd(app: &TestApp, members: usize, reached: usize) -> TenantId {
    app.switch_on().await;
    let tenant = app.tenant("crowd", "chief").await;
    let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the keys");
    let origins = RobotOrigins::parse(&app.sandbox_origin).expect("an origin");
    let webhook = app.robot(RobotKind::DingTalk, &format!("{:064x}", 1));
    let address = RobotAddress::parse(Channel::DingTalk, &webhook, &origins).expect("an address");
    let now = app.clock.now();
    let robot = app.db.write(move |c| delivery::upsert_robot(c, &keys, tenant, &address, None, now)).await.unwrap().0;
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {members})");
    run_sql(
        app,
        format!(
            "{numbers} INSERT INTO accounts (username, username_key, password_hash, created_at)
             SELECT 'c' || i, 'c' || i, '', '2026-11-30 00:00:00' FROM n"
        ),
    )
    .await;
    run_sql(
        app,
        format!(
            "INSERT INTO members (tenant, account, username, username_key, display_name, display_name_key, search_text,
                                  role, phone, email, status, robot_count, joined_at, may_fire)
             SELECT {tenant}, id, username, username, username, username, username, 'member', '', '', 'active', 0,
                    '2026-11-30 00:00:00', FALSE FROM accounts WHERE username LIKE 'c%' AND username <> 'chief'"
        ),
    )
    .await;
    run_sql(
        app,
        format!(
            "INSERT INTO contacts (member, channel, robot) SELECT id, 'dingtalk', {robot} FROM members
             WHERE tenant = {tenant} AND role = 'member' ORDER BY id LIMIT {reached}"
        ),
    )
    .await;
    app.rule_ringing(tenant, "everybody", Receiver::Role(Role::Member)).await;
    tenant
}

async fn ledger(app: &TestApp) -> Ledger {
    let now = app.clock.now();
    app.db.read(move |c| delivery::load_ledger(c, now)).await.expect("the ledger")
}

/// Every delivery of the tenant: its id, its entry, its kind, whom it is for.
async fn rows(app: &TestApp, tenant: TenantId) -> Vec<(DeliveryId, Option<EntryId>, String, String)> {
    let of_tenant = deliveries::table.filter(deliveries::tenant.eq(tenant)).order(deliveries::id);
    let columns = (deliveries::id, deliveries::entry, deliveries::kind, deliveries::recipient);
    app.db.read(move |c| Ok(of_tenant.select(columns).load(c)?)).await.expect("the deliveries")
}

/// Without an application, so that nothing goes on by itself.
fn alone(backend: Backend, test: impl AsyncFnOnce(&TestApp)) {
    run_with(backend, Tweaks { only_database: true, ..Tweaks::default() }, test);
}

async fn what_is_put_off_goes_on_after_a_kill(app: &TestApp) {
    let tenant = crowd(app, MANY, 700).await;
    assert_eq!(take(app, tenant, vec![alert("a", Signal::Firing)], nothing).await, Some(700));
    assert_eq!(rows(app, tenant).await.len(), 0, "they are too many for one transaction");
    let waiting = ledger(app).await;
    assert!(waiting.is_balanced() && waiting.total().waiting == i64::try_from(MANY).unwrap(), "{waiting}");
    // A part is written, and the process ends.
    let now = app.clock.now();
    let first = app.db.write(move |c| fan_outs::expand_next_part(c, tenant, now)).await.expect("a part");
    assert!((1..=2_000).contains(&first) && first < MANY, "{first}");
    assert!(ledger(app).await.is_balanced());
    // Meanwhile it is over: nobody hears that before he hears that it began.
    assert_eq!(take(app, tenant, vec![alert("a", Signal::Resolved)], nothing).await, Some(700));
    assert!(ledger(app).await.is_balanced());
    alerts::expand_pending(&app.db, &app.clock, &Waker::new(&app.db)).await.expect("the rest");
    let ledger = ledger(app).await;
    assert!(ledger.is_balanced(), "{ledger}");
    let rows = rows(app, tenant).await;
    let of = |kind: &str| rows.iter().filter(|row| row.2 == kind).map(|row| row.3.clone()).collect::<Vec<_>>();
    let (firing, resolved) = (of("firing"), of("resolved"));
    assert_eq!((firing.len(), firing.iter().collect::<BTreeSet<_>>().len()), (MANY, MANY), "each once");
    assert_eq!((resolved.len(), resolved.iter().collect::<BTreeSet<_>>().len()), (700, 700));
    let last_firing = rows.iter().rposition(|row| row.2 == "firing");
    assert!(rows.iter().position(|row| row.2 == "resolved") > last_firing, "the end comes last");
    let left = app.db.read(fan_outs::pending_tenants).await.expect("nothing is left");
    assert!(left.is_empty());
}

async fn a_group_of_alerts_for_many_is_stored_at_once_and_written_in_parts(app: &TestApp) {
    let tenant = crowd(app, 24, 20).await;
    let group: Vec<IncomingAlert> = (0..20).map(|number| alert(&format!("k{number}"), Signal::Firing)).collect();
    assert_eq!(take(app, tenant, group, nothing).await, Some(400));
    // Those of four alerts fit the transaction.
    assert_eq!(rows(app, tenant).await.len(), 4 * 24);
    assert!(ledger(app).await.is_balanced());
    alerts::expand_pending(&app.db, &app.clock, &Waker::new(&app.db)).await.expect("the rest");
    let rows = rows(app, tenant).await;
    assert_eq!(rows.len(), 20 * 24);
    let once: BTreeSet<_> = rows.iter().map(|row| (row.1, &row.3)).collect();
    assert_eq!(once.len(), rows.len(), "nobody hears of an alert twice");
}

async fn a_rule_changed_between_decision_and_commit_is_honoured(app: &TestApp) {
    let tenant = crowd(app, 3, 2).await;
    let switch_off = async |app: &TestApp| run_sql(app, "UPDATE alert_rules SET is_on = FALSE".to_owned()).await;
    assert_eq!(take(app, tenant, vec![alert("a", Signal::Firing)], switch_off).await, None, "nothing is stored");
    assert_eq!(rows(app, tenant).await.len(), 0);
    assert_eq!(take(app, tenant, vec![alert("a", Signal::Firing)], nothing).await, Some(0));
    let switch_on = async |app: &TestApp| run_sql(app, "UPDATE alert_rules SET is_on = TRUE".to_owned()).await;
    assert_eq!(take(app, tenant, vec![alert("b", Signal::Firing)], switch_on).await, None);
    assert_eq!(take(app, tenant, vec![alert("b", Signal::Firing)], nothing).await, Some(2));
}

async fn an_event_that_changed_between_decision_and_commit_is_looked_at_again(app: &TestApp) {
    let tenant = crowd(app, 3, 2).await;
    let (first, second) = (alert("a", Signal::Firing), alert("a", Signal::Firing));
    let fire = async |app: &TestApp| assert_eq!(take(app, tenant, vec![first], nothing).await, Some(2));
    assert_eq!(take(app, tenant, vec![second], fire).await, Some(0), "the rule cools down");
}

async fn everything_that_alerts_are_decided_by_raises_the_version(app: &TestApp) {
    let tenant = crowd(app, 3, 2).await;
    let (group, schedule) = (app.group(tenant, "a group").await, app.schedule(tenant, "a schedule", "c1").await);
    let version = async || app.db.read(move |c| snapshots::load_version(c, tenant)).await.expect("a version");
    let account = "(SELECT id FROM accounts WHERE username = 'c2')";
    let template = "INSERT INTO message_templates VALUES";
    for change in [
        "UPDATE tenants SET name = 'other' WHERE slug = 'crowd'".to_owned(),
        "UPDATE tenants SET time_zone = 'UTC' WHERE slug = 'crowd'".to_owned(),
        "UPDATE tenants SET message_language = 'zh-CN' WHERE slug = 'crowd'".to_owned(),
        "UPDATE tenants SET channel_mode = 'custom' WHERE slug = 'crowd'".to_owned(),
        format!("INSERT INTO channel_switches VALUES ({tenant}, 'lark', TRUE)"),
        format!("UPDATE channel_switches SET is_on = FALSE WHERE scope = {tenant}"),
        "UPDATE channel_switches SET is_on = FALSE WHERE scope = 0".to_owned(),
        format!("DELETE FROM channel_switches WHERE scope = {tenant}"),
        "UPDATE alert_rules SET frequency = 9".to_owned(),
        format!("INSERT INTO rule_receivers SELECT id, 'group', {group}, '' FROM alert_rules"),
        "DELETE FROM rule_receivers WHERE kind = 'group'".to_owned(),
        "UPDATE user_groups SET is_on = FALSE".to_owned(),
        format!("INSERT INTO user_group_accounts VALUES ({group}, {account}, TRUE, FALSE)"),
        "UPDATE user_group_accounts SET is_member = FALSE".to_owned(),
        "DELETE FROM user_group_accounts".to_owned(),
        "UPDATE shift_schedules SET handover_minute = 60".to_owned(),
        format!("INSERT INTO shift_accounts VALUES ({schedule}, 1, {account}, 0)"),
        "DELETE FROM shift_accounts WHERE shift = 1".to_owned(),
        "UPDATE members SET status = 'disabled' WHERE username = 'c1'".to_owned(),
        "UPDATE members SET display_name = 'C 1' WHERE username = 'c1'".to_owned(),
        "UPDATE members SET role = 'system_administrator' WHERE username = 'c1'".to_owned(),
        "UPDATE members SET phone = '+8613812345678' WHERE username = 'c1'".to_owned(),
        "DELETE FROM contacts WHERE member = (SELECT min(member) FROM contacts)".to_owned(),
        "DELETE FROM members WHERE username = 'c3'".to_owned(),
        format!("{template} ({tenant}, 'lark', 'firing', 't', 'b', 'x', '2026-11-30 00:00:00')"),
        "UPDATE message_templates SET body = 'c'".to_owned(),
        "DELETE FROM message_templates".to_owned(),
        "DELETE FROM rule_receivers".to_owned(),
        "DELETE FROM alert_rules".to_owned(),
    ] {
        let before = version().await;
        run_sql(app, change.clone()).await;
        assert!(version().await > before, "{change}");
    }
    let before = version().await;
    run_sql(app, "UPDATE members SET search_text = 'x'; UPDATE tenants SET member_count = 9".to_owned()).await;
    assert_eq!(version().await, before, "what decides nothing leaves the version");
}

macro_rules! alone_on_both {
    ($($name:ident)+) => {
        $(mod $name {
            use crate::harness::Backend;

            #[test]
            fn sqlite() {
                super::alone(Backend::Sqlite, super::$name);
            }

            #[test]
            fn postgres() {
                super::alone(Backend::Postgres, super::$name);
            }
        })+
    };
}

alone_on_both! {
    what_is_put_off_goes_on_after_a_kill
    a_group_of_alerts_for_many_is_stored_at_once_and_written_in_parts
    a_rule_changed_between_decision_and_commit_is_honoured
    an_event_that_changed_between_decision_and_commit_is_looked_at_again
    everything_that_alerts_are_decided_by_raises_the_version
}

/// A token of a new portal of the crowd that may fire alerts.
async fn portal_token(app: &TestApp) -> String {
    let mut chief = app.log_in("chief").await;
    let portal = [("name", "monitor"), ("scopes", "fire_alerts")];
    let page = chief.post("/t/crowd/settings/portals/new", &portal).await;
    page.attribute("#f-token", "value").expect("a token")
}

/// Posts one alert with an idempotency key: the status and the answer.
async fn post_keyed(app: &TestApp, token: &str) -> (u16, serde_json::Value) {
    let answer = reqwest::Client::new()
        .post(format!("{}/intake/alerts", app.origin))
        .bearer_auth(token)
        .header("Idempotency-Key", "disk-1")
        .json(&serde_json::json!({ "title": "Disk full", "key": "disk" }))
        .send()
        .await
        .expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Stands for a rule that changes in every transaction that takes an idempotency key, after the alerts were decided. On Postgres
/// the version would be raised by a deferred trigger, after the alerts were stored.
async fn change_rule_on_key(app: &TestApp) {
    let trigger = |c: &mut AnyConnection| match c {
        AnyConnection::Sqlite(c) => c.batch_execute(
            "CREATE TRIGGER change_rule AFTER INSERT ON idempotency_keys
             BEGIN UPDATE config_versions SET version = version + 1; END",
        ),
        AnyConnection::Postgres(c) => c.batch_execute(
            "CREATE FUNCTION change_rule() RETURNS trigger AS $$
             BEGIN UPDATE config_versions SET version = version + 1; RETURN NEW; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER change_rule AFTER INSERT ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION change_rule()",
        ),
    };
    app.db.write(move |c| Ok(trigger(c)?)).await.expect("a trigger");
}

async fn change_no_rule_on_key(app: &TestApp) {
    let drop = |c: &mut AnyConnection| match c {
        AnyConnection::Sqlite(c) => c.batch_execute("DROP TRIGGER change_rule"),
        AnyConnection::Postgres(c) => c.batch_execute("DROP TRIGGER change_rule ON idempotency_keys"),
    };
    app.db.write(move |c| Ok(drop(c)?)).await.expect("no trigger");
}

on_both! {
    async fn a_post_whose_rules_change_meanwhile_does_not_use_up_its_key(app: &TestApp) {
        let tenant = crowd(app, 3, 2).await;
        let token = portal_token(app).await;
        change_rule_on_key(app).await;
        let (status, answer) = post_keyed(app, &token).await;
        assert_eq!((status, rows(app, tenant).await.len()), (503, 0), "{answer}");
        change_no_rule_on_key(app).await;
        let (status, answer) = post_keyed(app, &token).await;
        assert_eq!((status, &answer["deliveries"]), (201, &2.into()), "{answer}");
        assert_eq!(post_keyed(app, &token).await.1, answer, "the same post is answered as the first was");
        assert_eq!(rows(app, tenant).await.len(), 3);
    }

    async fn alerts_of_a_post_for_many_reach_everybody(app: &TestApp) {
        let tenant = crowd(app, MANY, 700).await;
        let token = portal_token(app).await;
        let (status, answer) = post_keyed(app, &token).await;
        assert_eq!(status, 201);
        assert_eq!(answer["deliveries"], 700, "{answer}");
        let until = std::time::Instant::now() + PATIENCE;
        while rows(app, tenant).await.len() < MANY {
            assert!(std::time::Instant::now() < until, "{}", rows(app, tenant).await.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
