//! Alert rules: they choose exactly those whom they name, no oftener and at no other time than they say, and the preview
//! tells so beforehand.

use std::{collections::BTreeMap, time::Duration};

use belfry::{
    access::{Actor, Role},
    alerts::{self, AlertContext, IncomingAlert, Severity, Signal, Source},
    db::{
        EntryId, MemberId, TenantId,
        schema::{alert_entries, deliveries},
    },
    groups::{self, Details},
    sandbox::{RecordedCall, RobotKind},
};
use chrono::{TimeDelta, TimeZone as _};
use diesel::prelude::*;

use crate::harness::{TestApp, Town, User, dump};

const PATIENCE: Duration = Duration::from_secs(20);
const RULES: &str = "/t/ours/alert-rules";
const NEW: &str = "/t/ours/alert-rules/new";

/// An alert of this key.
fn alert(key: &str) -> IncomingAlert {
    IncomingAlert {
        source: Source::Portal,
        signal: Signal::Firing,
        key: key.to_owned(),
        title: format!("Dataphin: {key}"),
        content: String::new(),
        severity: Severity::Warning,
        link: String::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        starts_at: None,
        ends_at: None,
        receivers: Vec::new(),
    }
}

/// Takes an alert in, as any door does: who was told or missed by this firing, each as `name by rules: reason`.
async fn fire(app: &TestApp, tenant: TenantId, alert: IncomingAlert) -> Vec<String> {
    let context = AlertContext {
        tenant,
        sender: "a test".to_owned(),
        fired_by: None,
        portal: None,
        product: "Dataphin".to_owned(),
        now: app.clock.now(),
    };
    app.db
        .write(move |c| {
            let taken = alerts::ingest(c, &context, &alert)?;
            let entry: EntryId = alert_entries::table
                .filter(alert_entries::alert.eq(taken.alert))
                .order(alert_entries::id.desc())
                .select(alert_entries::id)
                .first(c)?;
            let rows: Vec<(String, String, String, String)> = deliveries::table
                .filter(deliveries::entry.eq(Some(entry)))
                .order((deliveries::recipient, deliveries::channel))
                .select((deliveries::recipient, deliveries::rule_names, deliveries::state, deliveries::reason))
                .load(c)?;
            let word = |(who, by, state, reason): (String, String, String, String)| match state.as_str() {
                "failed" => format!("{who} by {by}: {reason}"),
                _ => format!("{who} by {by}"),
            };
            Ok(rows.into_iter().map(word).collect())
        })
        .await
        .expect("the alert is taken")
}

/// What the rules said to the latest firing.
async fn said(app: &TestApp) -> String {
    app.db
        .read(|c| Ok(alert_entries::table.order(alert_entries::id.desc()).select(alert_entries::rules).first(c)?))
        .await
        .expect("an entry")
}

/// Gives a member a DingTalk robot.
async fn reach(app: &TestApp, sam: &mut User, member: MemberId, token: &str) {
    let webhook = app.robot(RobotKind::DingTalk, token);
    sam.post(&format!("/t/ours/members/{member}/edit"), &[("dingtalk_robot", &webhook)]).await.is(303);
}

fn token(number: u32) -> String {
    format!("{number:060x}fake")
}

/// Adds a rule over DingTalk through the page.
async fn add(user: &mut User, name: &str, fields: &[(&str, &str)]) {
    let all: Vec<(&str, &str)> =
        [("name", name), ("on", "yes"), ("channels", "dingtalk")].into_iter().chain(fields.iter().copied()).collect();
    user.post(NEW, &all).await.leads_to(RULES);
}

/// A user group with these members.
async fn group(app: &TestApp, tenant: TenantId, name: &str, people: &[&str]) -> String {
    let who = Actor { account: None, name: "a test".to_owned(), address: String::new() };
    let details = Details { name: name.to_owned(), description: String::new(), admins: Vec::new() };
    let (people, now): (Vec<String>, _) = (people.iter().map(|name| (*name).to_owned()).collect(), app.clock.now());
    let inserted = app.db.write(move |c| groups::store::insert(c, tenant, &details, &people, &who, now)).await;
    inserted.expect("a group").expect("of members").to_string()
}

/// The town with its channels on, and `mia` reached by a robot.
async fn settled(app: &TestApp) -> (Town, User) {
    let town = app.settle().await;
    app.switch_on().await;
    let mut sam = app.log_in("sam").await;
    reach(app, &mut sam, town.mia, &token(1)).await;
    (town, sam)
}

async fn rule_id(user: &mut User, name: &str) -> String {
    let page = user.get(&format!("{RULES}?q={name}")).await.is(200);
    page.attribute("input[name=id]", "value").expect("a rule on the list")
}

on_both! {
    async fn each_alert_reaches_exactly_those_whom_the_rules_choose_for_it(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        let zoe = app.member(town.ours, "zoe", Role::Member).await;
        reach(app, &mut sam, zoe, &token(2)).await;
        let databases = group(app, town.ours, "databases", &["zoe"]).await;
        add(&mut sam, "grave", &[("severity", "critical"), ("members", "mia")]).await;
        add(&mut sam, "grafana", &[("source", "grafana"), ("roles", "super_administrator")]).await;
        add(&mut sam, "databases", &[("matchers", "team=\"db\"\nhost=~\"db-.*\""), ("groups", &databases)]).await;

        let night = app.schedule(town.ours, "night", "mia").await.to_string();
        add(&mut sam, "on duty", &[("source", "alertmanager"), ("schedules", &night)]).await;

        assert!(fire(app, town.ours, alert("nobody")).await.is_empty());
        let prometheus = IncomingAlert { source: Source::Alertmanager, ..alert("prometheus") };
        assert_eq!(fire(app, town.ours, prometheus).await, ["mia by on duty"]);
        let grave = IncomingAlert { severity: Severity::Critical, ..alert("grave") };
        assert_eq!(fire(app, town.ours, grave).await, ["mia by grave"]);
        let grafana = IncomingAlert { source: Source::Grafana, ..alert("grafana") };
        assert_eq!(fire(app, town.ours, grafana.clone()).await, ["sue by grafana: no-contact"]);
        let labels = |team: &str, host: &str| {
            BTreeMap::from([("team".to_owned(), team.to_owned()), ("host".to_owned(), host.to_owned())])
        };
        let host = IncomingAlert { labels: labels("db", "db-7"), ..alert("host") };
        assert_eq!(fire(app, town.ours, host.clone()).await, ["zoe by databases"]);
        let other = IncomingAlert { labels: labels("db", "my-db-7"), ..alert("other host") };
        assert!(fire(app, town.ours, other).await.is_empty());
        assert!(fire(app, town.theirs, host).await.is_empty(), "another tenant's rules");

        let all = IncomingAlert { severity: Severity::Critical, labels: labels("db", "db-"), key: "all".into(), ..grafana };
        let heard = fire(app, town.ours, all).await;
        assert_eq!(heard, ["mia by grave", "sue by grafana: no-contact", "zoe by databases"]);
        // The notice of the new robot, and two alerts.
        let (group, is_heard) = (token(2), |calls: &[RecordedCall]| calls.iter().filter(|c| c.delivered_message().is_some()).count() >= 3);
        assert!(app.sandbox.wait_for_calls(&group, is_heard, PATIENCE).await, "{:?}", app.sandbox.delivered_messages(&group));
    }

    async fn a_rule_cools_down_between_two_sends_and_sends_no_more_than_it_may(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        add(&mut sam, "short", &[("members", "mia"), ("frequency", "5"), ("max_sends", "2")]).await;
        assert_eq!(fire(app, town.ours, alert("disk")).await, ["mia by short"]);
        app.clock.advance(TimeDelta::minutes(4));
        assert!(fire(app, town.ours, alert("disk")).await.is_empty());
        assert!(said(app).await.contains("cools-down"));
        assert_eq!(fire(app, town.ours, alert("another disk")).await, ["mia by short"], "each event for itself");
        app.clock.advance(TimeDelta::minutes(1));
        assert_eq!(fire(app, town.ours, alert("disk")).await, ["mia by short"]);
        app.clock.advance(TimeDelta::minutes(50));
        assert!(fire(app, town.ours, alert("disk")).await.is_empty());
        assert!(said(app).await.contains("enough"));
    }

    async fn a_rising_severity_notifies_at_once_whatever_the_frequency_and_the_limit(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        add(&mut sam, "often", &[("members", "mia"), ("frequency", "30")]).await;
        add(&mut sam, "once", &[("members", "mia"), ("frequency", "59"), ("max_sends", "1")]).await;
        let steps = [
            (0, Severity::Info, "often, once"),
            (1, Severity::Info, ""),
            (1, Severity::Warning, "often, once"),
            (1, Severity::Info, ""),
            (1, Severity::Warning, ""),
            (1, Severity::Critical, "often, once"),
            (1, Severity::Critical, ""),
            (1, Severity::Warning, ""),
            (1, Severity::Critical, ""),
            (30, Severity::Warning, "often"),
            (1, Severity::Critical, "often"),
            (60, Severity::Critical, "often"),
        ];
        for (minutes, severity, by) in steps {
            app.clock.advance(TimeDelta::minutes(minutes));
            let firing = IncomingAlert { severity, ..alert("disk") };
            let expected: Vec<String> = Some(by).filter(|by| !by.is_empty()).map(|by| format!("mia by {by}")).into_iter().collect();
            assert_eq!(fire(app, town.ours, firing).await, expected, "{severity:?} after {minutes} minutes");
        }
    }

    async fn a_rising_severity_that_reaches_nobody_is_named_again_at_once(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        add(&mut sam, "missed", &[("members", "sue"), ("frequency", "30")]).await;
        let of = |severity| IncomingAlert { severity, ..alert("disk") };
        assert_eq!(fire(app, town.ours, of(Severity::Warning)).await, ["sue by missed: no-contact"]);
        assert!(fire(app, town.ours, of(Severity::Warning)).await.is_empty());
        assert_eq!(fire(app, town.ours, of(Severity::Critical)).await, ["sue by missed: no-contact"]);
        assert!(fire(app, town.ours, of(Severity::Critical)).await.is_empty());
    }

    async fn a_rule_that_reached_nobody_rings_as_soon_as_somebody_can_be_reached(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        let mut sue = app.log_in("sue").await;
        add(&mut sam, "first", &[("members", "mia"), ("frequency", "30"), ("max_sends", "2")]).await;
        add(&mut sam, "second", &[("members", "mia, sue"), ("frequency", "10")]).await;
        sue.post("/t/ours/settings/message-channel", &[("mode", "custom")]).await.is(303);
        let missed = ["mia by first, second: channel-off", "sue by second: no-contact"];
        assert_eq!(fire(app, town.ours, alert("disk")).await, missed);
        app.clock.advance(TimeDelta::minutes(1));
        assert!(fire(app, town.ours, alert("disk")).await.is_empty(), "noted once");
        assert!(said(app).await.contains("cools-down"));
        app.clock.advance(TimeDelta::minutes(9));
        let again = ["mia by second: channel-off", "sue by second: no-contact"];
        assert_eq!(fire(app, town.ours, alert("disk")).await, again, "as often as the rule would ring");
        let event = sue.get("/t/ours/alerts").await.is(200);
        assert!(event.texts("tbody tr").iter().all(|row| !row.contains("Silencing")), "{:?}", event.texts("tbody tr"));

        sue.post("/t/ours/settings/message-channel", &[("mode", "system")]).await.is(303);
        let reached = ["mia by first, second", "sue by second: no-contact"];
        assert_eq!(fire(app, town.ours, alert("disk")).await, reached, "the very next firing");
        assert!(fire(app, town.ours, alert("disk")).await.is_empty());
    }

    async fn in_quiet_hours_nobody_is_rung_and_the_record_says_so(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        let local = chrono_tz::Asia::Shanghai.from_utc_datetime(&app.clock.now()).naive_local();
        let clock = |hours: i64| (local + TimeDelta::hours(hours)).format("%H:%M").to_string();
        let window = [("members", "mia"), ("window", "hours"), ("from", &clock(2)), ("to", &clock(6))];
        add(&mut sam, "later", &window).await;
        assert_eq!(fire(app, town.ours, alert("disk")).await, ["mia by later: quiet-hours"]);
        assert!(fire(app, town.ours, alert("disk")).await.is_empty(), "noted once");
        app.clock.advance(TimeDelta::hours(3));
        assert_eq!(fire(app, town.ours, alert("disk")).await, ["mia by later"]);
    }

    async fn two_rules_that_choose_one_person_ring_him_once_and_the_record_names_both(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        add(&mut sam, "by name", &[("members", "mia")]).await;
        add(&mut sam, "by role", &[("roles", "member")]).await;
        assert_eq!(fire(app, town.ours, alert("disk")).await, ["mia by by name, by role"]);
    }

    async fn a_group_that_is_off_and_somebody_who_left_are_missed_with_the_reason(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        let watch = group(app, town.ours, "watch", &[]).await;
        add(&mut sam, "watch", &[("groups", &watch), ("members", "mia")]).await;
        sam.post(&format!("/t/ours/members/{}/remove", town.mia), &[]).await.is(303);
        let missed = fire(app, town.ours, alert("disk")).await;
        assert_eq!(missed, ["mia by watch: left-tenant", "watch by watch: group-off"]);
        // Whoever left may stay in the rule; others who are no members may not be added.
        let path = format!("{RULES}/{}/edit", rule_id(&mut sam, "watch").await);
        let fields = [("name", "watch"), ("channels", "lark"), ("members", "mia")];
        sam.post(&path, &fields).await.leads_to(RULES);
        let page = sam.post(&path, &[("name", "watch"), ("channels", "lark"), ("members", "mia, tom")]).await.is(422);
        assert!(page.text("#e-members").ends_with(": tom"), "{}", page.text("#e-members"));
    }

    async fn rules_are_switched_and_deleted_many_at_once_after_a_question(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        for name in ["one", "two", "three"] {
            add(&mut sam, name, &[("members", "mia")]).await;
        }
        let (one, two) = (rule_id(&mut sam, "one").await, rule_id(&mut sam, "two").await);
        let both = [("id", one.as_str()), ("id", two.as_str())];
        sam.post(&format!("{RULES}/disable"), &both).await.leads_to(RULES);
        assert_eq!(fire(app, town.ours, alert("disk")).await, ["mia by three"]);
        let off = sam.get(&format!("{RULES}?state=off")).await.is(200);
        assert_eq!(off.texts("tbody td:nth-child(2)"), ["one", "two"]);
        sam.post(&format!("{RULES}/enable"), &both).await.leads_to(RULES);
        sam.post(&format!("{RULES}/enable"), &both).await.leads_to(RULES);
        assert_eq!(fire(app, town.ours, alert("cpu")).await, ["mia by one, three, two"]);

        let question = sam.post(&format!("{RULES}/delete"), &both).await.is(200);
        assert_eq!(question.texts("main li"), ["one", "two"]);
        assert_eq!(dump(&app.db).await["alert_rules"].len(), 3);
        sam.post(&format!("{RULES}/delete"), &[both[0], both[1], ("sure", "yes")]).await.leads_to(RULES);
        assert_eq!(fire(app, town.ours, alert("fan")).await, ["mia by three"]);
        sam.post(&format!("{RULES}/delete"), &[both[0], ("sure", "yes")]).await.is(404);
        sam.post(&format!("{RULES}/delete"), &[]).await.is(422);

        let log = sam.get("/t/ours/audit").await.is(200).text("tbody");
        let expected =
            [("Added an alert rule", 3), ("Disabled an", 2), ("Enabled an", 2), ("Deleted an alert rule", 2)];
        for (what, times) in expected {
            assert_eq!(log.matches(what).count(), times, "{what}: {log}");
        }
    }

    async fn what_changed_in_a_rule_stands_in_the_audit_log(app: &TestApp) {
        let (_, mut sam) = settled(app).await;
        add(&mut sam, "disk", &[("members", "mia"), ("matchers", "team=db")]).await;
        let path = format!("{RULES}/{}/edit", rule_id(&mut sam, "disk").await);
        let fields =
            [("name", "disk"), ("on", "yes"), ("channels", "dingtalk"), ("members", "MIA"), ("matchers", "team=web")];
        sam.post(&path, &fields).await.leads_to(RULES);
        sam.post(&path, &fields).await.leads_to(RULES);
        let rows = sam.get("/t/ours/audit").await.is(200).texts("tbody tr");
        let edits: Vec<&String> = rows.iter().filter(|row| row.contains("Edited an alert rule")).collect();
        assert_eq!(edits.len(), 1, "saving the same again changes nothing: {rows:?}");
        assert!(edits[0].contains(r#"team="db""#) && edits[0].contains(r#"team="web""#), "{edits:?}");
        assert!(!edits[0].contains("mia"), "only what changed: {edits:?}");
    }

    async fn mistakes_are_told_beside_their_fields_and_what_was_typed_stays(app: &TestApp) {
        let (_, mut sam) = settled(app).await;
        add(&mut sam, "Disk", &[("members", "mia")]).await;
        let long = "名".repeat(37);
        let typed =
            [("name", long.as_str()), ("members", "mia, ghost"), ("matchers", "team!=db"), ("frequency", "60")];
        let page = sam.post(NEW, &typed).await.is(422);
        assert!(page.text("#e-name").contains("36") && page.text("#e-frequency").contains("59"));
        assert!(page.text("#e-matchers").contains("Line 1") && !page.text("#e-channels").is_empty());
        assert_eq!(page.attribute("#f-name", "value").as_deref(), Some(long.as_str()));
        assert_eq!(page.text("#f-members"), "mia, ghost");
        let page = sam.post(NEW, &[("severity", "grave"), ("source", "x"), ("window", "x")]).await.is(422);
        let told = page.texts("[role=alert] li");
        for text in ["Minimum severity", "Source", "Time of day"] {
            assert!(told.iter().any(|fault| fault.starts_with(text)), "{text} in {told:?}");
        }
        let named =
            |name: &'static str, members: &'static str| [("name", name), ("channels", "lark"), ("members", members)];
        let page = sam.post(NEW, &named("other", "mia, ghost")).await.is(422);
        assert!(page.text("#e-members").ends_with(": ghost"), "{}", page.text("#e-members"));
        let page = sam.post(NEW, &named("dISK", "mia")).await.is(422);
        assert!(page.text("#e-name").contains("rule with this name"));
        assert_eq!(dump(&app.db).await["alert_rules"].len(), 1);
    }

    async fn expressions_that_are_too_large_together_are_refused_by_name(app: &TestApp) {
        let (_, mut sam) = settled(app).await;
        // Letters of all scripts: each is among the largest expressions that are taken alone.
        let large: Vec<String> = (0..20).map(|number| format!("label{number}=~\\w{{4}}{number}")).collect();
        let large = large.join("\n");
        let fields = [("name", "large"), ("channels", "dingtalk"), ("members", "mia"), ("matchers", large.as_str())];
        let page = sam.post(NEW, &fields).await.is(422);
        let error = page.text("#e-matchers");
        assert!(error.contains("2048 KiB") && error.contains("\\w{4}"), "{error}");
        assert!(page.text("#f-matchers").split_whitespace().eq(large.lines()), "what was typed stays");
        assert_eq!(dump(&app.db).await["alert_rules"].len(), 0);
        // Those of all rules count, and a rule that becomes smaller may be saved.
        let some: Vec<&str> = large.lines().take(2).collect();
        add(&mut sam, "some", &[("members", "mia"), ("matchers", &some.join("\n"))]).await;
        let many: Vec<&str> = large.lines().take(3).collect();
        let many = many.join("\n");
        let mut saved = 0;
        for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            let fields = [("name", name), ("channels", "dingtalk"), ("members", "mia"), ("matchers", many.as_str())];
            saved += usize::from(sam.post(NEW, &fields).await.status == 303);
        }
        assert!((1..8).contains(&saved), "{saved}");
        add(&mut sam, "small", &[("members", "mia"), ("matchers", "team=db")]).await;
    }

    async fn a_tenant_has_at_most_a_hundred_rules_and_every_tenant_its_own(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        for number in 0..100 {
            app.rule(town.ours, &format!("rule {number}")).await;
        }
        let fields = [("name", "one more"), ("channels", "lark"), ("members", "mia")];
        let page = sam.post(NEW, &fields).await.is(422);
        assert!(page.text("main [role=alert]").contains("100"));
        let foreign = app.rule(town.theirs, "one more").await.to_string();
        sam.post(&format!("{RULES}/{foreign}/edit"), &fields).await.is(404);
        for deed in ["enable", "disable", "delete"] {
            sam.post(&format!("{RULES}/{deed}"), &[("id", &foreign), ("sure", "yes")]).await.is(404);
        }
        let mut mia = app.log_in("mia").await;
        let page = mia.get(RULES).await.is(200);
        assert!(page.texts("main form[method=post]").is_empty() || page.texts("main button.bad").is_empty());
        assert!(page.texts("input[type=checkbox]").is_empty() && page.texts("td a").is_empty());
        mia.post(NEW, &fields).await.is(403);
    }

    async fn a_preview_tells_who_would_hear_it_and_stores_nothing(app: &TestApp) {
        let (town, mut sam) = settled(app).await;
        let watch = group(app, town.ours, "watch", &[]).await;
        add(&mut sam, "stored", &[("members", "mia, sam"), ("matchers", "team=db")]).await;
        let tables = ["alerts", "alert_entries", "alert_rules", "rule_sends", "deliveries"];
        let before = dump(&app.db).await;

        let query = "?preview=yes&example_title=Disk&example_severity=critical&example_labels=team%3Ddb";
        let page = sam.get(&format!("{RULES}/preview{query}")).await.is(200);
        let outcome = page.text("#outcome");
        let cells = page.texts("#outcome td");
        assert_eq!([&cells[0], &cells[1], &cells[3]], ["mia", "Dingtalk Robot", "stored"]);
        assert!(cells[2].ends_with("Unverified"), "{cells:?}");
        assert!(outcome.contains("sam") && outcome.contains("no robot"), "{outcome}");
        let page = sam.get(&format!("{RULES}/preview?preview=yes&example_labels=team%3Dweb")).await.is(200);
        assert!(page.text("#outcome").contains("No enabled rule"), "{}", page.text("#outcome"));
        let page = sam.get(&format!("{RULES}/preview?preview=yes&example_labels=team")).await.is(422);
        let fault = page.text("main [role=alert]");
        assert!(fault.contains("Fix the following first") && !fault.contains("saved"), "{fault}");

        // A rule that is typed stands in the place of the stored one, and beside the others.
        let path = format!("{RULES}/{}/edit", rule_id(&mut sam, "stored").await);
        let typed = [
            ("name", "typed"),
            ("on", "yes"),
            ("channels", "dingtalk"),
            ("groups", watch.as_str()),
            ("preview", "yes"),
            ("example_labels", "team=web"),
        ];
        let page = sam.post(&path, &typed).await.is(200);
        let outcome = page.text("#outcome");
        assert!(outcome.contains("This rule as entered: sends notifications.") && outcome.contains("watch"), "{outcome}");
        assert!(!outcome.contains("stored") && !outcome.contains("mia"), "{outcome}");
        assert_eq!(page.attribute("#f-name", "value").as_deref(), Some("typed"));
        assert_eq!(page.text("#f-example_labels"), "team=web");
        let wrong = [("name", ""), ("preview", "yes"), ("example_labels", "team")];
        let page = sam.post(NEW, &wrong).await.is(422);
        assert!(!page.text("main [role=alert]").contains("saved") && !page.text("#e-example_labels").is_empty());
        assert!(sam.post(NEW, &wrong[..1]).await.is(422).text("main [role=alert]").contains("Nothing was saved"));
        let page = sam.post(NEW, &[&typed[..], &[("matchers", "team=db")]].concat()).await.is(200);
        assert!(page.text("#outcome").contains("does not match this alert"), "{}", page.text("#outcome"));

        let after = dump(&app.db).await;
        assert_eq!(before["alert_rules"], after["alert_rules"]);
        for table in tables {
            // Not the rows themselves: the notice of the new robot may be delivered meanwhile.
            assert_eq!(before[table].len(), after[table].len(), "{table}");
        }
    }

    async fn without_any_rule_the_list_says_who_hears_alerts_then(app: &TestApp) {
        let (_, mut sam) = settled(app).await;
        let page = sam.get(RULES).await.is(200);
        assert!(page.text(".empty").contains("only receivers named by the sender are notified"));
        sam.language = "zh-CN";
        assert_eq!(sam.get(RULES).await.is(200).text("h1"), "告警规则");
    }
}
