//! How long the record is kept: what has ended goes after its days, in bounded steps, and what waits or is open stays.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use actix_web::rt::spawn;
use belfry::{
    alerts::{self, AlertContext, AlertFields, Source},
    db::{
        AccountId, AlertId, DatabaseAddress, DeliveryId, TenantId,
        schema::{alert_entries, alerts as events, attempts, audit, deliveries, messages, robots, verifications},
    },
    delivery::{self, DeliveryReason},
    retention,
    sandbox::{Group, RobotKind},
};
use chrono::TimeDelta;
use diesel::{connection::SimpleConnection as _, prelude::*};

use crate::harness::{Backend, TestApp, User, dump, run};

const PATIENCE: Duration = Duration::from_secs(30);

const DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0001";
const LARK: &str = "00000000-0000-4000-8000-0000fake0002";

async fn hears(app: &TestApp, token: &str, times: usize) {
    let enough = |calls: &[belfry::sandbox::RecordedCall]| {
        calls.iter().filter(|call| call.delivered_message().is_some()).count() >= times
    };
    assert!(app.sandbox.wait_for_calls(token, enough, PATIENCE).await, "{token} heard too little");
}

/// Waits until everything for this channel has ended.
async fn all_has_ended(app: &TestApp, channel: &'static str) {
    let deadline = Instant::now() + PATIENCE;
    let open = || {
        let open = deliveries::table.filter(deliveries::channel.eq(channel)).filter(deliveries::finished_at.is_null());
        app.db.read(move |c| Ok(open.count().get_result::<i64>(c)?))
    };
    while open().await.expect("the deliveries are counted") > 0 {
        assert!(Instant::now() < deadline, "something for {channel} has not ended");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Takes an alert for one receiver, or its end, in.
async fn take(app: &TestApp, tenant: TenantId, title: &str, receiver: &str, status: &str) -> AlertId {
    let fields = AlertFields {
        title: title.to_owned(),
        receivers: vec![receiver.to_owned()],
        status: status.to_owned(),
        ..AlertFields::default()
    };
    let alert = fields.check(Source::Portal, BTreeMap::new()).expect("an alert");
    let (sender, product) = ("a portal".to_owned(), "Dataphin".to_owned());
    let context = AlertContext { tenant, sender, fired_by: None, portal: None, product, now: app.clock.now() };
    app.db.write(move |c| Ok(alerts::ingest(c, &context, &alert)?.alert)).await.expect("an event")
}

/// Cleans as the application does now and then, so many days later than before. What is left still adds up.
async fn clean_after(app: &TestApp, days: i64) {
    app.clock.advance(TimeDelta::days(days));
    let now = app.clock.now();
    retention::clean(&app.db, now).await.expect("the record is cleaned");
    let ledger = app.db.read(move |c| delivery::load_ledger(c, now)).await.expect("the ledger");
    assert!(ledger.is_balanced(), "{ledger}");
}

/// How many rows a table has.
macro_rules! count {
    ($app:expr, $rows:expr) => {{
        let rows = $rows;
        $app.db.read(move |c| Ok(rows.count().get_result::<i64>(c)?)).await.expect("the rows are counted")
    }};
}

async fn save(user: &mut User, path: &str, field: &str, webhook: &str) {
    user.post(path, &[(field, webhook)]).await.is(303);
}

on_both! {
    async fn what_has_ended_goes_after_its_days_and_what_waits_or_is_open_stays(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sue = app.log_in("sue").await;
        save(&mut sue, "/t/ours/me", "lark_robot", &app.robot(RobotKind::Lark, LARK)).await;
        sue.post("/t/ours/me/verify", &[("channel", "lark")]).await.is(200);
        let refusing = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default().with_keyword("another word"));
        let mia = format!("/t/ours/members/{}", town.mia);
        save(&mut sue, &format!("{mia}/edit"), "dingtalk_robot", &refusing).await;
        let over = take(app, town.ours, "over", "sue", "firing").await;
        let open = take(app, town.ours, "open", "sue", "firing").await;
        let held = take(app, town.ours, "held", "mia", "firing").await;
        for title in ["over", "held"] {
            take(app, town.ours, title, "sue", "resolved").await;
        }
        // The robot saved, the code, two firings, one end, and the notice that mia's robot is broken.
        hears(app, LARK, 6).await;
        all_has_ended(app, "lark").await;
        assert_eq!(count!(app, verifications::table), 1);

        clean_after(app, 91).await;
        assert_eq!(count!(app, events::table), 3, "events are kept for longer");
        let alone = deliveries::table.filter(deliveries::alert.is_null());
        assert_eq!(count!(app, alone.filter(deliveries::finished_at.is_not_null())), 0);
        assert_eq!(count!(app, alone.filter(deliveries::state.eq("waiting"))), 1, "what waits for mia's robot");
        assert_eq!(count!(app, verifications::table), 0);

        clean_after(app, 90).await;
        let left: Vec<AlertId> =
            app.db.read(|c| Ok(events::table.order(events::id).select(events::id).load(c)?)).await.unwrap();
        assert_eq!(left, [open, held]);
        let of_over = alert_entries::table.filter(alert_entries::alert.eq(over));
        assert_eq!(count!(app, of_over), 0);
        assert!(count!(app, deliveries::table.filter(deliveries::alert.eq(held))) > 0);
        let carrying = messages::table.filter(diesel::dsl::exists(
            deliveries::table.filter(deliveries::message.eq(messages::id.nullable())),
        ));
        assert_eq!(count!(app, messages::table), count!(app, carrying), "messages that carry nothing are left");
        let sent = messages::table.filter(messages::state.eq("success"));
        assert_eq!(count!(app, sent), 1, "the open event's message");
        assert_eq!(count!(app, attempts::table.inner_join(messages::table).filter(messages::state.eq("success"))), 1);

        let mut sue = app.log_in("sue").await;
        for page in ["", "/alerts", "/deliveries", "/deliveries.csv", "/audit", &format!("/alerts/{open}")] {
            sue.get(&format!("/t/ours{page}")).await.is(200);
        }
        sue.get(&format!("/t/ours/alerts/{over}")).await.is(404);

        // Months later, what waited is still delivered.
        app.sandbox.update_group(DINGTALK, |group| group.keywords = vec!["Dataphin".to_owned()]);
        sue.post(&format!("{mia}/test"), &[]).await.is(200);
        all_has_ended(app, "dingtalk").await;
        hears(app, DINGTALK, 3).await;
        let saved_robots = count!(app, robots::table);
        clean_after(app, 366).await;
        let now = app.clock.now();
        assert_eq!(count!(app, audit::table.filter(audit::at.lt(now - TimeDelta::days(365)))), 0);
        assert_eq!(count!(app, robots::table), saved_robots, "what is in use has no age");
        assert_eq!(count!(app, events::table), 1, "what was delivered at last goes too, and the open event stays");
    }

    async fn an_event_is_kept_while_something_of_it_was_sent_again_lately(app: &TestApp) {
        let town = app.settle().await;
        let event = take(app, town.ours, "over", "mia", "firing").await;
        take(app, town.ours, "over", "mia", "resolved").await;
        let failed: DeliveryId =
            app.db.read(|c| Ok(deliveries::table.select(deliveries::id).first(c)?)).await.expect("mia has no robot");
        app.clock.advance(TimeDelta::days(200));
        app.switch_on().await;
        let mut sue = app.log_in("sue").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        save(&mut sue, &format!("/t/ours/members/{}/edit", town.mia), "dingtalk_robot", &webhook).await;
        sue.post(&format!("/t/ours/deliveries/{failed}/resend"), &[]).await.is(303);
        hears(app, DINGTALK, 2).await;
        all_has_ended(app, "dingtalk").await;
        clean_after(app, 1).await;
        assert_eq!(count!(app, events::table.filter(events::id.eq(event))), 1);
        assert_eq!(count!(app, deliveries::table.filter(deliveries::alert.eq(event))), 2);
        clean_after(app, 180).await;
        assert_eq!(count!(app, events::table), 0);
        assert_eq!(count!(app, deliveries::table), 0);
        assert_eq!(count!(app, messages::table), 0);
    }

    async fn a_step_removes_only_so_many_rows(app: &TestApp) {
        let town = app.settle().await;
        let mut last = app.unreached(town.ours, town.mia, DeliveryReason::NoContact).await;
        for _ in 0..24 {
            let older = app.unreached(town.ours, town.mia, DeliveryReason::NoContact).await;
            // Each was sent again as the one before: the way in which rows of the record hold one another.
            let resent = deliveries::resent_as.eq(Some(last));
            app.db
                .write(move |c| Ok(diesel::update(deliveries::table.find(older)).set(resent).execute(c)?))
                .await
                .expect("a chain of resends");
            last = older;
        }
        for number in 0..5 {
            let title = format!("event {number}");
            take(app, town.ours, &title, "mia", "firing").await;
            take(app, town.ours, &title, "mia", "resolved").await;
        }
        let before = app.clock.now() + TimeDelta::seconds(1);
        let alone = app.db.write(move |c| {
            let mut steps = Vec::new();
            for _ in 0..4 {
                steps.push(delivery::delete_old_deliveries(c, before, 10)?);
            }
            Ok(steps)
        });
        assert_eq!(alone.await.expect("steps"), [10, 10, 5, 0]);
        let mut steps = Vec::new();
        loop {
            match app.db.write(move |c| alerts::store::retention::delete_finished_events(c, before, 4)).await.expect("a step") {
                0 => break,
                rows => steps.push(rows),
            }
            let entries = alert_entries::table.select(alert_entries::id);
            let torn = deliveries::table.filter(deliveries::entry.assume_not_null().ne_all(entries));
            assert_eq!(count!(app, torn), 0, "a delivery lost its entry");
        }
        assert!(steps.len() > 2 && steps.iter().all(|rows| *rows <= 8), "{steps:?}");
        for (table, rows) in dump(&app.db).await {
            let of_alerts = ["alerts", "alert_entries", "rule_sends", "deliveries"].contains(&table.as_str());
            assert!(!of_alerts || rows.is_empty(), "{table} has {rows:?}");
        }
    }

    async fn the_days_have_their_ranges_and_nought_keeps_everything(app: &TestApp) {
        let town = app.settle().await;
        let mut root = app.log_in("root").await;
        let page = root.get("/instance/retention").await.is(200);
        let shown = ["alert", "delivery", "audit"]
            .map(|what| page.attribute(&format!("#f-{what}_days"), "value").unwrap_or_default());
        assert_eq!(shown, ["180", "90", "365"]);
        let days = |alerts, deliveries, audit| {
            [("alert_days", alerts), ("delivery_days", deliveries), ("audit_days", audit)]
        };
        for (wrong, faults) in [
            (days("6", "7", "30"), 1),
            (days("3651", "-1", "29"), 3),
            (days("", "x", "1.5"), 3),
        ] {
            let page = root.post("/instance/retention", &wrong).await.is(422);
            assert_eq!(page.texts("[role=alert] li").len(), faults, "{wrong:?}");
            assert_eq!(page.attribute("#f-alert_days", "value").unwrap_or_default(), wrong[0].1);
        }
        root.post("/instance/retention", &days("0", "0", "0")).await.leads_to("/instance/retention");
        root.post("/instance/retention", &days("0", "0", "0")).await.leads_to("/instance/retention");
        assert_eq!(count!(app, audit::table.filter(audit::action.eq("retention-changed"))), 1);
        let log = root.get("/instance/audit").await.is(200);
        assert!(log.body.contains("Changed the data retention settings") && log.body.contains("Audit log (days)"));

        app.unreached(town.ours, town.mia, DeliveryReason::NoContact).await;
        take(app, town.ours, "over", "mia", "firing").await;
        take(app, town.ours, "over", "mia", "resolved").await;
        let before = dump(&app.db).await;
        clean_after(app, 4000).await;
        assert_eq!(dump(&app.db).await, before);
    }
}

/// SQLite has one writer: nothing is sent again while it cleans.
#[test]
fn what_is_sent_again_while_its_event_is_about_to_go_stays() {
    run(Backend::Postgres, async |app: &TestApp| {
        let town = app.settle().await;
        let event = take(app, town.ours, "over", "mia", "firing").await;
        take(app, town.ours, "over", "mia", "resolved").await;
        let failed: DeliveryId =
            app.db.read(|c| Ok(deliveries::table.select(deliveries::id).first(c)?)).await.expect("mia has no robot");
        app.clock.advance(TimeDelta::days(200));
        let now = app.clock.now();
        let mut c =
            DatabaseAddress::parse(&app.on_postgres().url).expect("an address").connect().expect("a connection");
        c.batch_execute("BEGIN").expect("a transaction");
        let resent = delivery::resend(&mut c, town.ours, &[failed], AccountId(1), now).expect("it is sent again");
        assert_eq!(resent.len(), 1);
        let db = app.db.clone();
        let cleaning = spawn(async move { retention::clean(&db, now).await });
        app.on_postgres().somebody_waits().await;
        c.batch_execute("COMMIT").expect("it is kept");
        cleaning.await.expect("an answer").expect("the record is cleaned");
        assert_eq!(count!(app, events::table.filter(events::id.eq(event))), 1);
        assert_eq!(count!(app, deliveries::table.filter(deliveries::alert.eq(event))), 2);
    });
}

on_both! {
    async fn lists_say_what_was_removed_because_of_its_age(app: &TestApp) {
        app.settle().await;
        let lists = ["/t/ours/deliveries", "/t/ours/alerts", "/t/ours/audit", "/instance/audit"];
        let mut root = app.log_in("root").await;
        let form = [("alert_days", "90"), ("delivery_days", "30"), ("audit_days", "60")];
        root.post("/instance/retention", &form).await.is(303);
        let mut sue = app.log_in("sue").await;
        for list in &lists[..3] {
            assert!(sue.get(list).await.is(200).texts("#removed").is_empty(), "{list}: there was nothing yet");
        }
        app.clock.advance(TimeDelta::days(100));
        let (mut root, mut sue) = (app.log_in("root").await, app.log_in("sue").await);
        // The tenants of these tests have Shanghai's clocks.
        let day = |days: i64| (app.clock.now() - TimeDelta::days(days) + TimeDelta::hours(8)).date().to_string();
        let expected = [
            format!("Deliveries of alerts that ended before {} were removed. Test messages and notices before {} were removed.", day(90), day(30)),
            format!("Alert events that ended before {} were removed.", day(90)),
            format!("Entries before {} were removed.", day(60)),
        ];
        for (list, sentence) in lists.iter().zip(&expected) {
            let page = sue.get(list).await.is(200);
            assert_eq!(&page.text("#removed"), sentence, "{list}");
            assert_eq!(page.texts("form.filters + #removed").len(), 1, "{list}: it stands beside the filters");
            assert!(page.texts("#removed a").is_empty(), "the settings are for administrators of the instance");
        }
        assert_eq!(root.get("/instance/audit").await.is(200).attribute("#removed a", "href").as_deref(), Some("/instance/retention"));
        for (list, days) in [("deliveries", 29), ("alerts", 89)] {
            let recent = format!("/t/ours/{list}?from={}", day(days));
            assert!(sue.get(&recent).await.is(200).texts("#removed").is_empty(), "{recent} reaches nothing that was removed");
            let past = format!("/t/ours/{list}?from={}", day(95));
            assert!(!sue.get(&past).await.is(200).texts("#removed").is_empty(), "{past}");
        }
    }
}
