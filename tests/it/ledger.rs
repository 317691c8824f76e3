//! The ledger: what was delivered, waits and was given up adds up to who was chosen, and whatever does not is named.
//!
//! That it balances is asked at the end of every other test; here it is shown that it would say so if it did not.

use std::time::Duration;

use belfry::{
    access::Role,
    alerts::{AlertContext, AlertFields, Source, ingest},
    db::{AlertId, DeliveryId, TenantId, schema::deliveries},
    delivery::{self, DeliveryTotals, Discrepancy, Ledger},
    sandbox::{Group, RobotKind},
};
use diesel::{connection::SimpleConnection as _, prelude::*};

use crate::harness::{Process, TestApp, User};

const FINE: &str = "00000000000000000000000000000000000000000000000000000000fake0201";
const BROKEN: &str = "00000000000000000000000000000000000000000000000000000000fake0202";

async fn ledger(app: &TestApp) -> Ledger {
    let now = app.clock.now();
    app.db.read(move |c| delivery::load_ledger(c, now)).await.expect("the ledger")
}

async fn execute(app: &TestApp, statement: String) {
    app.db.write(move |c| Ok(c.batch_execute(&statement)?)).await.expect("a statement");
}

/// Fires an alert for these people.
async fn fire(app: &TestApp, tenant: TenantId, receivers: &[&str]) -> AlertId {
    let receivers = receivers.iter().map(|name| (*name).to_owned()).collect();
    let fields = AlertFields { title: "The disk is full".to_owned(), receivers, ..AlertFields::default() };
    let alert = fields.check(Source::Portal, std::collections::BTreeMap::new()).expect("an alert");
    let (sender, product) = ("a portal".to_owned(), "Dataphin".to_owned());
    let context = AlertContext { tenant, sender, fired_by: None, portal: None, product, now: app.clock.now() };
    app.db.write(move |c| Ok(ingest(c, &context, &alert)?.alert)).await.expect("an event")
}

/// The deliveries of an alert: id, state and reason, in order.
async fn rows(app: &TestApp, alert: AlertId) -> Vec<(DeliveryId, String, String)> {
    let rows = deliveries::table.filter(deliveries::alert.eq(Some(alert))).order(deliveries::id).select((
        deliveries::id,
        deliveries::state,
        deliveries::reason,
    ));
    app.db.read(move |c| Ok(rows.load(c)?)).await.expect("the rows")
}

/// What became of a firing for three receivers.
pub struct Scene {
    ours: TenantId,
    alert: AlertId,
    /// To a robot that works.
    delivered: DeliveryId,
    /// To one that is broken.
    held: DeliveryId,
    /// To somebody who has none.
    missed: DeliveryId,
}

/// An alert that one of its receivers hears, one waits for, and one is not reached by.
pub async fn scene(app: &TestApp) -> Scene {
    let ours = app.settle().await.ours;
    app.switch_on().await;
    let mut sam = app.log_in("sam").await;
    let robots = [
        app.robot(RobotKind::DingTalk, FINE),
        app.robot_in(RobotKind::DingTalk, BROKEN, Group::default().with_keyword("Kettle")),
    ];
    for (name, robot) in ["hal", "hugo"].into_iter().zip(&robots) {
        let member = app.member(ours, name, Role::Member).await;
        save(&mut sam, &member.to_string(), robot).await;
    }
    app.member(ours, "holly", Role::Member).await;
    let alert = fire(app, ours, &["hal", "hugo", "holly"]).await;
    app.sandbox.wait_for_calls(FINE, |calls| calls.len() >= 2, Duration::from_secs(20)).await;
    for _ in 0..400 {
        let states: Vec<String> =
            rows(app, alert).await.into_iter().map(|(_, state, reason)| format!("{state} {reason}")).collect();
        if states.iter().any(|row| row == "success ") && states.iter().any(|row| row == "waiting broken-keyword") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let rows = rows(app, alert).await;
    let of = |state: &str| rows.iter().find(|row| row.1 == state).unwrap_or_else(|| panic!("{state} in {rows:?}")).0;
    Scene { ours, alert, delivered: of("success"), held: of("waiting"), missed: of("failed") }
}

async fn save(user: &mut User, member: &str, robot: &str) {
    let fields = [("role", "member"), ("dingtalk_robot", robot)];
    user.post(&format!("/t/ours/members/{member}/edit"), &fields).await.leads_to("/t/ours/members");
}

on_both! {
    async fn an_alerts_receivers_are_delivered_waiting_or_given_up_also_when_one_is_sent_again(app: &TestApp) {
        let Scene { ours, missed, .. } = scene(app).await;
        let before = ledger(app).await;
        assert!(before.is_balanced(), "{before}");
        // The two robots that were saved were told so: one heard it, the other will.
        assert_eq!(before.tenants[&ours].1, DeliveryTotals { recipients: 5, delivered: 2, waiting: 2, failed: 1 });
        let mut sam = app.log_in("sam").await;
        sam.post(&format!("/t/ours/deliveries/{missed}/resend"), &[]).await.is(303);
        let after = ledger(app).await;
        assert!(after.is_balanced(), "{after}");
        assert_eq!(after.total(), DeliveryTotals { recipients: 6, delivered: 2, waiting: 2, failed: 2 });
    }

    async fn a_delivery_that_vanished_is_found_by_the_count_of_its_alert(app: &TestApp) {
        app.makes_up_deliveries();
        let Scene { ours, alert, missed, .. } = scene(app).await;
        execute(app, format!("DELETE FROM deliveries WHERE id = {missed}")).await;
        let ledger = ledger(app).await;
        assert!(!ledger.is_balanced());
        assert_eq!(ledger.tenants[&ours].1, DeliveryTotals { recipients: 5, delivered: 2, waiting: 2, failed: 0 });
        let [wrong] = &ledger.discrepancies[..] else { panic!("{ledger}") };
        let named: Vec<_> = wrong.examples.iter().map(|found| (found.tenant, found.alert)).collect();
        assert_eq!((wrong.kind, wrong.count, named), (Discrepancy::RecipientCount, 1, vec![(ours, Some(alert))]));
        let told = ledger.to_string();
        assert!(told.contains("chosen 5 ≠ delivered 2 + waiting 2 + given up 0"), "{told}");
        assert!(told.contains(&format!("tenant {ours}, alert {alert}")) && !told.contains("disk"), "{told}");
    }

    async fn every_row_that_cannot_be_is_named(app: &TestApp) {
        app.makes_up_deliveries();
        let Scene { ours, delivered, held, missed, .. } = scene(app).await;
        // Each breaks one rule by a change of one row, which is taken back afterwards.
        let delivery = |set: &str, id: DeliveryId| format!("UPDATE deliveries SET {set} WHERE id = {id}");
        let message = |set: &str| {
            format!("UPDATE messages SET {set} WHERE id = (SELECT message FROM deliveries WHERE id = {delivered})")
        };
        let attempt = |set: &str| {
            format!("UPDATE attempts SET {set} WHERE message = (SELECT message FROM deliveries WHERE id = {delivered})")
        };
        let bell = |set: &str| {
            format!(
                "UPDATE robots SET {set} WHERE id = (SELECT robot FROM deliveries WHERE id = {held}); \
                 UPDATE endpoints SET due_at = NULL WHERE fingerprint = (SELECT fingerprint FROM robots r \
                 JOIN deliveries d ON d.robot = r.id WHERE d.id = {held})"
            )
        };
        let open = "state = 'sending', finished_at = NULL, lease_until = '2026-01-01 00:00:00'";
        let closed = "state = 'success', finished_at = '2026-01-01 00:00:00', lease_until = NULL";
        let cases = [
            (Discrepancy::UnknownState, delivery("state = 'lost'", missed), delivery("state = 'failed'", missed)),
            (Discrepancy::NotAccepted, attempt("meaning = 'wait'"), attempt("meaning = 'delivered'")),
            (Discrepancy::NotAccepted, message("state = 'failed'"), message("state = 'success'")),
            (Discrepancy::NotQueued, delivery("priority = NULL", held), delivery("priority = 2", held)),
            (Discrepancy::NotScheduled, bell("state = 'ok'"), bell("state = 'broken'")),
            (Discrepancy::NoCallInProgress, delivery("state = 'sending'", held), delivery("state = 'waiting'", held)),
            (Discrepancy::NoReason, delivery("reason = ''", missed), delivery("reason = 'no-contact'", missed)),
            (
                Discrepancy::EndTimeMismatch,
                delivery("finished_at = '2026-01-01 00:00:00'", held),
                delivery("finished_at = NULL", held),
            ),
            (Discrepancy::QueuedAfterEnd, delivery("priority = 2", missed), delivery("priority = NULL", missed)),
            (Discrepancy::LeaseNotReclaimed, message(open), message(closed)),
            (Discrepancy::EmptyMessage, message(open), message(closed)),
        ];
        for what in Discrepancy::ALL.into_iter().filter(|what| *what != Discrepancy::RecipientCount) {
            assert!(cases.iter().any(|case| case.0 == what), "{what:?} is not tried");
        }
        for (what, break_it, mend_it) in cases {
            execute(app, break_it).await;
            let broken = ledger(app).await;
            let found = broken.discrepancies.iter().find(|wrong| wrong.kind == what);
            let named = found.unwrap_or_else(|| panic!("{what:?} is not in: {broken}")).examples.clone();
            assert!(named.iter().all(|found| found.tenant == ours), "{named:?}");
            assert!(named.iter().any(|found| found.delivery.is_some() || found.message.is_some()), "{named:?}");
            execute(app, mend_it).await;
            let mended = ledger(app).await;
            assert!(mended.is_balanced(), "after {what:?} was mended: {mended}");
        }
    }

    async fn the_command_recounts_beside_a_running_server_and_ends_with_1_when_something_is_wrong(app: &TestApp) {
        app.makes_up_deliveries();
        let Scene { ours, alert, missed, .. } = scene(app).await;
        let settings = app.settings();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let check = || Process::ends(app.folder(), &settings, &["check", "--ledger"], "");
        let (code, told) = check();
        assert_eq!(code, Some(0), "{told}");
        let sums = "chosen 5 = delivered 2 + waiting 2 + given up 1";
        for line in [format!("all tenants: {sums}"), format!("tenant {ours} (ours): {sums}")] {
            assert!(told.contains(&line), "{line} in {told}");
        }
        execute(app, format!("DELETE FROM deliveries WHERE id = {missed}")).await;
        let (code, told) = check();
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains(&format!("tenant {ours}, alert {alert}.")), "{told}");
    }
}
