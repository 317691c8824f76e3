//! Digests: when more waits for a robot than it takes, its group reads all of it in few messages, and nothing is lost,
//! doubled or told in the wrong order.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use belfry::{
    alerts::{AlertContext, AlertFields, Source, ingest},
    db::{
        AlertId, AnyConnection, DeliveryId, MemberId, MessageId, TenantId,
        schema::{deliveries, members, messages},
    },
    robots::Channel,
    sandbox::{BANNED_TEXT, CallVerdict, DeliveredMessage, InjectedFault, RobotKind},
    templates::{MessageReason, TemplateSource as Template, store},
};
use chrono::TimeDelta;
use diesel::prelude::*;

use crate::harness::{TestApp, Town, User};

const PATIENCE: Duration = Duration::from_secs(30);
const GROUP: &str = "00000000000000000000000000000000000000000000000000000000fake0071";
const OTHER: &str = "00000000000000000000000000000000000000000000000000000000fake0072";

/// `mia` and `sam` share the robot of a group, which was told of both a good while ago.
async fn furnish(app: &TestApp, kind: RobotKind) -> (Town, User) {
    let town = app.settle().await;
    app.switch_on().await;
    let mut sue = app.log_in("sue").await;
    let webhook = app.robot(kind, GROUP);
    let sam = members::table.filter(members::username_key.eq("sam")).select(members::id);
    let sam: MemberId = app.db.read(move |c| Ok(sam.first(c)?)).await.expect("a member");
    for (member, phone) in [(town.mia, "13800138000"), (sam, "13900139000")] {
        let field = match kind {
            RobotKind::DingTalk => "dingtalk_robot",
            RobotKind::Lark => "lark_robot",
            RobotKind::WeCom => "wecom_robot",
        };
        let fields = [(field, webhook.as_str()), ("phone", phone)];
        sue.post(&format!("/t/ours/members/{member}/edit"), &fields).await.leads_to("/t/ours/members");
    }
    drained(app).await;
    app.clock.advance(TimeDelta::minutes(3));
    (town, sue)
}

/// An alert as it comes in.
struct Alert {
    title: String,
    key: &'static str,
    severity: &'static str,
    status: &'static str,
    receivers: &'static str,
}

fn alert(title: impl Into<String>) -> Alert {
    Alert { title: title.into(), key: "", severity: "warning", status: "firing", receivers: "mia" }
}

/// Takes alerts in, all in one transaction: the delivery worker finds them together.
async fn fire(app: &TestApp, tenant: TenantId, alerts: Vec<Alert>) -> Vec<AlertId> {
    let (sender, product) = ("a portal".to_owned(), "Dataphin".to_owned());
    let context = AlertContext { tenant, sender, fired_by: None, portal: None, product, now: app.clock.now() };
    let take_all = move |c: &mut AnyConnection| {
        let mut taken = Vec::new();
        for Alert { title, key, severity, status, receivers } in &alerts {
            let fields = AlertFields {
                title: title.clone(),
                key: (*key).to_owned(),
                severity: (*severity).to_owned(),
                status: (*status).to_owned(),
                receivers: receivers.split(' ').map(str::to_owned).collect(),
                ..AlertFields::default()
            };
            let alert = fields.check(Source::Portal, BTreeMap::new()).expect("an alert");
            taken.push(ingest(c, &context, &alert)?.alert);
        }
        Ok(taken)
    };
    app.db.write(take_all).await.expect("alerts")
}

/// Waits until nothing is on its way, while a second passes in a blink.
async fn drained(app: &TestApp) {
    let deadline = Instant::now() + PATIENCE;
    let open = deliveries::table.filter(deliveries::finished_at.is_null()).count();
    while app.db.read(move |c| Ok(open.get_result::<i64>(c)?)).await.expect("a count") > 0 {
        assert!(Instant::now() < deadline, "something is still on its way");
        tokio::time::sleep(Duration::from_millis(40)).await;
        app.clock.advance(TimeDelta::milliseconds(500));
    }
}

/// What the group has heard since then.
fn heard_after(app: &TestApp, before: usize) -> Vec<DeliveredMessage> {
    app.sandbox.delivered_messages(GROUP).split_off(before)
}

fn throttled(app: &TestApp) -> usize {
    let calls = app.sandbox.calls(GROUP);
    calls
        .iter()
        .filter(|call| matches!(&call.verdict, CallVerdict::Refused { code: 660_026 | 45_009 | 11_232, .. }))
        .count()
}

/// The lines of a list without the blanks that DingTalk needs at their ends.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim_end).filter(|line| line.starts_with("- ")).collect()
}

/// The number that a digest counts beside its lines.
fn counted(text: &str) -> usize {
    let number = text.split("and ").find_map(|rest| rest.split_once(" more").map(|(number, _)| number));
    number.map_or(0, |number| number.parse().expect("a number"))
}

/// The message that carried each delivery of an event.
async fn carried_by(app: &TestApp, alert: AlertId) -> Vec<(DeliveryId, MessageId, String)> {
    let rows = deliveries::table.filter(deliveries::alert.eq(alert)).order(deliveries::id).select((
        deliveries::id,
        deliveries::message.assume_not_null(),
        deliveries::state,
    ));
    app.db.read(move |c| Ok(rows.load(c)?)).await.expect("deliveries")
}

on_both! {
    async fn what_is_more_than_a_robot_takes_is_read_in_one_message_critical_ones_first(app: &TestApp) {
        let (town, mut sue) = furnish(app, RobotKind::DingTalk).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        let mut storm: Vec<Alert> = (0..30).map(|n| alert(format!("Storm {n:02} 风暴"))).collect();
        for n in 0..21 {
            storm.push(Alert { severity: "critical", receivers: "mia sam", ..alert(format!("Worst {n:02}")) });
        }
        let events = fire(app, town.ours, storm).await;
        drained(app).await;
        let heard = heard_after(app, before);
        assert_eq!((heard.len(), throttled(app)), (1, 0), "{heard:?}");
        let message = &heard[0].message;
        assert_eq!(message.title.as_deref(), Some("[Dataphin] 51 alerts in one message"));
        let list = lines(&message.text);
        assert_eq!(list.len(), 51);
        // The event's own page: without a public address it is where the application listens.
        let first = format!("- **Critical** Worst 00 [Open]({}/t/ours/alerts/{})", app.origin, events[30]);
        assert_eq!(list[0], first);
        assert!(list[20].starts_with("- **Critical** Worst 20 ") && list[21].starts_with("- **Warning** Storm 00 风暴 "));
        // Both who share the robot are mentioned, once each, and count as one.
        let mut mentions = message.mentions.clone();
        mentions.sort();
        assert_eq!(mentions, ["13800138000", "13900139000"]);
        // Each row points to that one message, and its page says so.
        let rows = carried_by(app, events[50]).await;
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().all(|row| row.1 == rows[0].1 && row.2 == "success"), "{rows:?}");
        assert_eq!(carried_by(app, events[0]).await[0].1, rows[0].1);
        let page = sue.get(&format!("/t/ours/deliveries/{}", rows[0].0)).await.is(200);
        let way = format!("/t/ours/deliveries?message={}", rows[0].1);
        assert!(page.text("main").contains("51 alerts in one message") && page.body.contains(&way));
        let page = sue.get(&way).await.is(200);
        assert_eq!(page.texts("tbody tr").len(), 50, "a page of the 72 rows");
        assert!(page.text(".note").contains(&rows[0].1.to_string()));
        let page = sue.get(&format!("/t/ours/alerts/{}", events[0])).await.is(200);
        assert!(page.text("main").contains("51 alerts in one message"));
    }

    async fn what_does_not_fit_is_counted_exactly_and_linked(app: &TestApp) {
        let (town, _) = furnish(app, RobotKind::WeCom).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        let title = |n: usize| format!("Storm {n:03} {}", "警".repeat(40));
        fire(app, town.ours, (0..150).map(|n| alert(title(n))).collect()).await;
        drained(app).await;
        let heard = heard_after(app, before);
        assert_eq!((heard.len(), throttled(app)), (1, 0));
        let text = &heard[0].message.text;
        let listed = (0..150).filter(|n| text.contains(&title(*n))).count();
        assert!((3..150).contains(&listed), "{text}");
        assert_eq!(listed + counted(text), 150);
        assert!(text.contains(&format!("{}/t/ours/deliveries?message=", app.origin)), "{text}");
    }

    async fn a_storm_that_lasts_is_heard_every_few_seconds_and_adds_up(app: &TestApp) {
        let (town, mut sue) = furnish(app, RobotKind::DingTalk).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        for second in 0..60 {
            fire(app, town.ours, (1..5).map(|n| alert(format!("Storm {:04}", second * 5 + n))).collect()).await;
            // The page wakes the delivery worker, as every door does.
            let title = format!("Storm {:04}", second * 5);
            let fields = [("title", title.as_str()), ("severity", "warning"), ("receivers", "mia")];
            sue.post("/t/ours/alerts/new", &fields).await.is(303);
            tokio::time::sleep(Duration::from_millis(40)).await;
            app.clock.advance(TimeDelta::seconds(1));
        }
        let end = app.clock.now();
        drained(app).await;
        let heard = heard_after(app, before);
        assert_eq!(throttled(app), 0);
        let texts: Vec<String> = heard.iter().map(|heard| format!("{:?} {}", heard.message.title, heard.message.text)).collect();
        for n in 0..300 {
            let title = format!("Storm {n:04}");
            assert_eq!(texts.iter().filter(|text| text.contains(&title)).count(), 1, "{title}");
        }
        // What is left after the last alert may wait until the delivery worker looks by itself.
        let during: Vec<_> = heard.iter().map(|heard| heard.at).filter(|at| *at < end).collect();
        let longest = during.windows(2).map(|pair| pair[1] - pair[0]).max().expect("several messages");
        assert!(longest < TimeDelta::seconds(13), "{longest}");
    }

    async fn critical_ones_go_out_one_by_one_while_the_others_wait_for_their_digest(app: &TestApp) {
        let (town, _) = furnish(app, RobotKind::DingTalk).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        let mut storm: Vec<Alert> = (0..40).map(|n| alert(format!("Storm {n:02}"))).collect();
        storm.extend((0..2).map(|n| Alert { severity: "critical", ..alert(format!("Worst {n}")) }));
        fire(app, town.ours, storm).await;
        drained(app).await;
        let titles: Vec<String> =
            heard_after(app, before).into_iter().map(|heard| heard.message.title.unwrap_or_default()).collect();
        let expected =
            ["[Dataphin] Critical: Worst 0", "[Dataphin] Critical: Worst 1", "[Dataphin] 40 alerts in one message"];
        assert_eq!(titles, expected);
    }

    async fn one_event_is_one_line_that_says_how_it_stands(app: &TestApp) {
        let (town, _) = furnish(app, RobotKind::Lark).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        let disk = |status| Alert { key: "disk", status, ..alert("Disk [db-7] #1") };
        let mut storm: Vec<Alert> = (0..100).map(|n| alert(format!("Storm {n:03}"))).collect();
        storm.insert(0, disk("firing"));
        storm.push(disk("firing"));
        storm.push(disk("resolved"));
        fire(app, town.ours, storm).await;
        drained(app).await;
        let heard = heard_after(app, before);
        assert_eq!(heard.len(), 1, "{heard:?}");
        let text = &heard[0].message.text;
        assert_eq!(heard[0].message.title.as_deref(), Some("[Dataphin] 103 alerts in one message"));
        assert_eq!(text.matches("Disk [db-7] #1").count(), 1, "{text}");
        assert!(text.contains("Resolved Disk [db-7] #1 ×3"), "{text}");
        assert!(text.contains("101 firing · 1 repeated · 1 resolved"), "{text}");
    }

    async fn an_edited_template_words_the_digest_and_cannot_drop_its_list(app: &TestApp) {
        let (town, mut sue) = furnish(app, RobotKind::DingTalk).await;
        let path = "/t/ours/templates/dingtalk/digest";
        for body in ["Look at the screen.", "{{ content | truncate(20) }}", "{{ content | upper }}"] {
            let page = sue.post(path, &[("title", "{{ product }}"), ("body", body)]).await.is(422);
            assert!(page.text("#e-body").contains("{{ content }}"), "{body}");
        }
        let own = [("title", "{{ product }} storm of {{ count }}"), ("body", "For {{ recipients }}:\n{{ content }}\nGo!")];
        sue.post(path, &own).await.leads_to("/t/ours/templates");
        let before = app.sandbox.delivered_messages(GROUP).len();
        fire(app, town.ours, (0..30).map(|n| alert(format!("Storm {n:02}"))).collect()).await;
        drained(app).await;
        // One that came into the database by another way leaves the list out: Belfry's own words stand in.
        let now = app.clock.now();
        let bad = Template { title: "{{ product }}".to_owned(), body: "Nothing.".to_owned() };
        app.db
            .write(move |c| store::save(c, town.ours, Channel::DingTalk, MessageReason::Digest, &bad, ("sue", now)))
            .await
            .expect("a template");
        fire(app, town.ours, (0..30).map(|n| alert(format!("Later {n:02}"))).collect()).await;
        drained(app).await;
        let heard = heard_after(app, before);
        assert_eq!(heard.len(), 2);
        assert_eq!(heard[0].message.title.as_deref(), Some("Dataphin storm of 30"));
        let text = &heard[0].message.text;
        assert!(text.contains("For mia:") && text.contains("Go!") && lines(text).len() == 30, "{text}");
        assert_eq!(heard[1].message.title.as_deref(), Some("[Dataphin] 30 alerts in one message"));
        assert_eq!(lines(&heard[1].message.text).len(), 30);
    }

    async fn that_an_alert_is_over_is_not_told_before_the_alert(app: &TestApp) {
        let (town, _) = furnish(app, RobotKind::DingTalk).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        app.sandbox.inject_fault(GROUP, InjectedFault::Busy, Some(1));
        let disk = |status| Alert { key: "disk", status, ..alert("Disk full") };
        let events = fire(app, town.ours, vec![disk("firing")]).await;
        let waits = |calls: &[belfry::sandbox::RecordedCall]| calls.iter().any(|call| call.fault == Some(InjectedFault::Busy));
        assert!(app.sandbox.wait_for_calls(GROUP, waits, PATIENCE).await);
        // The first call is recorded before the rest comes in.
        let deadline = Instant::now() + PATIENCE;
        while carried_by(app, events[0]).await[0].2 != "waiting" {
            assert!(Instant::now() < deadline, "the call is not recorded");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        fire(app, town.ours, vec![disk("resolved"), alert("Another")]).await;
        drained(app).await;
        let titles: Vec<String> =
            heard_after(app, before).into_iter().map(|heard| heard.message.title.unwrap_or_default()).collect();
        let place = |title: &str| titles.iter().position(|heard| heard == title).unwrap_or_else(|| panic!("{titles:?}"));
        let (fired, resolved) = (place("[Dataphin] Warning: Disk full"), place("[Dataphin] Resolved: Disk full"));
        assert!(fired < resolved && place("[Dataphin] Warning: Another") < resolved, "{titles:?}");
        assert_eq!(titles.len(), 3);
    }

    async fn a_digest_that_is_refused_for_one_text_falls_apart_and_the_others_arrive(app: &TestApp) {
        let (town, _) = furnish(app, RobotKind::DingTalk).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        let title = |n| if n == 7 { format!("Storm {BANNED_TEXT}") } else { format!("Storm {n:02}") };
        let storm = (0..30).map(|n| Alert { receivers: "mia sam", ..alert(title(n)) }).collect();
        let events = fire(app, town.ours, storm).await;
        drained(app).await;
        assert_eq!(throttled(app), 0);
        let texts: Vec<String> = heard_after(app, before)
            .into_iter()
            .map(|heard| format!("{} {}", heard.message.title.unwrap_or_default(), heard.message.text))
            .collect();
        for (n, event) in events.iter().enumerate() {
            let states: Vec<String> = carried_by(app, *event).await.into_iter().map(|row| row.2).collect();
            assert_eq!(states, [if n == 7 { "failed" } else { "success" }; 2], "{n}");
            // The title of a single message stands above its text once more.
            let told = texts.iter().filter(|text| text.contains(&title(n))).count();
            assert_eq!(told, usize::from(n != 7), "{n}: {texts:?}");
        }
        let left = messages::table.filter(messages::finished_at.is_null()).count();
        assert_eq!(app.db.read(move |c| Ok(left.get_result::<i64>(c)?)).await.expect("a count"), 0);
    }

    async fn that_an_alert_is_over_is_told_last_also_when_its_digest_was_refused(app: &TestApp) {
        let (town, _) = furnish(app, RobotKind::DingTalk).await;
        let before = app.sandbox.delivered_messages(GROUP).len();
        let disk = |status| Alert { key: "disk", status, ..alert("Disk full") };
        let mut alerts = vec![disk("firing"), alert(format!("Storm {BANNED_TEXT}"))];
        // More than go out one by one, so that one digest takes everything; once it fell apart they go before what fired.
        alerts.extend((0..30).map(|n| Alert { severity: "critical", ..alert(format!("Storm {n:02}")) }));
        alerts.push(disk("resolved"));
        fire(app, town.ours, alerts).await;
        drained(app).await;
        assert_eq!(throttled(app), 0);
        let mut told = Vec::new();
        for DeliveredMessage { message, .. } in heard_after(app, before) {
            let title = message.title.unwrap_or_default();
            let said = lines(&message.text).into_iter().chain([title.as_str()]).filter(|line| line.contains("Disk full"));
            told.extend(said.map(|line| line.contains("Resolved")));
        }
        assert_eq!(told, [false, true], "{:?}", heard_after(app, before));
    }

    async fn what_a_held_digest_tells_of_goes_with_its_member_and_is_told_once(app: &TestApp) {
        let (town, mut sue) = furnish(app, RobotKind::DingTalk).await;
        app.sandbox.update_group(GROUP, |group| group.keywords = vec!["Kettle".to_owned()]);
        let storm = |whose: &'static str| (0..20).map(move |n| Alert { receivers: whose, ..alert(format!("{whose} {n:02}")) });
        let events = fire(app, town.ours, storm("mia").chain(storm("sam")).collect()).await;
        let deadline = Instant::now() + PATIENCE;
        let held = deliveries::table.filter(deliveries::reason.eq("broken-keyword")).count();
        while app.db.read(move |c| Ok(held.get_result::<i64>(c)?)).await.expect("a count") < 40 {
            assert!(Instant::now() < deadline, "the digest is not held");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let digest = carried_by(app, events[0]).await[0].1;
        let other = app.robot(RobotKind::DingTalk, OTHER);
        sue.post(&format!("/t/ours/members/{}/edit", town.mia), &[("dingtalk_robot", &other)]).await.leads_to("/t/ours/members");
        app.sandbox.update_group(GROUP, |group| group.keywords = vec!["Dataphin".to_owned()]);
        let webhook = app.sandbox.webhook_url(&app.sandbox_origin, GROUP).expect("a robot");
        let sam = members::table.filter(members::username_key.eq("sam")).select(members::id);
        let sam: MemberId = app.db.read(move |c| Ok(sam.first(c)?)).await.expect("a member");
        sue.post(&format!("/t/ours/members/{sam}/edit"), &[("dingtalk_robot", &webhook)]).await.leads_to("/t/ours/members");
        drained(app).await;
        for (group, whose, others) in [(GROUP, "sam", "mia"), (OTHER, "mia", "sam")] {
            let texts: Vec<String> = app.sandbox.delivered_messages(group).into_iter().map(|heard| heard.message.text).collect();
            for n in 0..20 {
                let told = |whose: &str| texts.iter().filter(|text| text.contains(&format!("{whose} {n:02}"))).count();
                assert_eq!((told(whose), told(others)), (1, 0), "{group} {n}: {texts:?}");
            }
        }
        assert!(carried_by(app, events[0]).await.iter().all(|row| row.1 != digest && row.2 == "success"));
    }
}
