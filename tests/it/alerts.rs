//! Alerts by hand: the form reaches exactly the groups that are meant, an event is followed and handled, and nothing is lost in
//! silence.

use std::time::{Duration, Instant};

use belfry::{
    db::{
        AnyConnection, MemberId,
        schema::{alert_entries, alert_rules, alerts, deliveries, endpoints, members, rule_receivers},
    },
    delivery::reason_key,
    error::Result,
    language::Language,
    sandbox::{DeliveredMessage, RobotKind},
};
use chrono::TimeDelta;
use diesel::prelude::*;

use crate::harness::{Answer, TestApp, Town, User, dump};

const PATIENCE: Duration = Duration::from_secs(20);
const NEW: &str = "/t/ours/alerts/new";
const LIST: &str = "/t/ours/alerts";

const GROUP: &str = "00000000000000000000000000000000000000000000000000000000fake0011";
const OTHER: &str = "00000000000000000000000000000000000000000000000000000000fake0012";

/// Gives a member a robot and a phone number, and waits until its group has been told.
async fn give(app: &TestApp, admin: &mut User, member: MemberId, token: &str, phone: &str) {
    let known = app.sandbox.webhook_url(&app.sandbox_origin, token);
    let webhook = known.unwrap_or_else(|| app.robot(RobotKind::DingTalk, token));
    let before = app.sandbox.delivered_messages(token).len();
    let fields = [("dingtalk_robot", webhook.as_str()), ("phone", phone)];
    admin.post(&format!("/t/ours/members/{member}/edit"), &fields).await.leads_to("/t/ours/members");
    heard(app, token, before + 1).await;
}

async fn member(app: &TestApp, username: &'static str) -> MemberId {
    let find = move |c: &mut AnyConnection| {
        Ok(members::table.filter(members::username_key.eq(username)).select(members::id).first(c)?)
    };
    app.db.read(find).await.expect("a member")
}

/// Everything that a group has heard, once that is so many messages.
async fn heard(app: &TestApp, token: &str, times: usize) -> Vec<DeliveredMessage> {
    let count = |calls: &[belfry::sandbox::RecordedCall]| {
        calls.iter().filter(|call| call.delivered_message().is_some()).count()
    };
    assert!(app.sandbox.wait_for_calls(token, |calls| count(calls) >= times, PATIENCE).await, "{token}");
    let heard = app.sandbox.delivered_messages(token);
    assert_eq!(heard.len(), times, "{heard:?}");
    heard
}

/// Waits until no delivery is on its way.
async fn settled(app: &TestApp) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let open = |c: &mut AnyConnection| {
            let open = deliveries::table.filter(deliveries::finished_at.is_null());
            // The delivery worker looks at an endpoint once more after its last message, and notes that there is nothing to do.
            let looked_at = endpoints::table.filter(endpoints::due_at.is_not_null());
            Ok(open.count().get_result::<i64>(c)? + looked_at.count().get_result::<i64>(c)?)
        };
        if app.db.read(open).await.expect("the deliveries can be counted") == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "a delivery is still on its way");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Fires an alert: the path of its event.
async fn fire(user: &mut User, fields: &[(&str, &str)]) -> String {
    let answer = user.post(NEW, fields).await.is(303);
    answer.header("location").expect("the event").to_owned()
}

/// Two administrators and a member; `mia` and `sam` share a group, `sue` has one of her own.
async fn furnish(app: &TestApp) -> (Town, User) {
    let town = app.settle().await;
    app.switch_on().await;
    let mut sue = app.log_in("sue").await;
    give(app, &mut sue, town.mia, GROUP, "13800138000").await;
    give(app, &mut sue, member(app, "sam").await, GROUP, "13900139000").await;
    give(app, &mut sue, member(app, "sue").await, OTHER, "13700137000").await;
    settled(app).await;
    (town, sue)
}

/// An alert rule of `ours` for everything that is a warning or worse, for these accounts and roles.
async fn rule(app: &TestApp, name: &'static str, accounts: &'static [&'static str], roles: &'static [&'static str]) {
    let now = app.clock.now();
    let write = move |c: &mut AnyConnection| -> Result<()> {
        let tenant: belfry::db::TenantId =
            members::table.filter(members::username_key.eq("mia")).select(members::tenant).first(c)?;
        let rule: belfry::db::RuleId = diesel::insert_into(alert_rules::table)
            .values((
                alert_rules::tenant.eq(tenant),
                alert_rules::name.eq(name),
                alert_rules::name_key.eq(name),
                alert_rules::is_on.eq(true),
                alert_rules::severity.eq("warning"),
                alert_rules::source.eq(""),
                alert_rules::matchers.eq("[]"),
                alert_rules::channels.eq("dingtalk,lark,wecom"),
                alert_rules::frequency.eq(10),
                alert_rules::created_at.eq(now),
            ))
            .returning(alert_rules::id)
            .get_result(c)?;
        let receivers = accounts.iter().map(|name| ("account", *name)).chain(roles.iter().map(|role| ("role", *role)));
        for (kind, who) in receivers {
            let target = match kind {
                "account" => belfry::db::schema::accounts::table
                    .filter(belfry::db::schema::accounts::username_key.eq(who))
                    .select(belfry::db::schema::accounts::id)
                    .first::<i64>(c)?,
                _ => 0,
            };
            diesel::insert_into(rule_receivers::table)
                .values((
                    rule_receivers::rule.eq(rule),
                    rule_receivers::kind.eq(kind),
                    rule_receivers::target.eq(target),
                    rule_receivers::role.eq(if kind == "role" { who } else { "" }),
                ))
                .execute(c)?;
        }
        Ok(())
    };
    app.db.write(write).await.expect("a rule");
}

/// The titles in a list of events.
fn titles(list: &Answer) -> Vec<String> {
    list.texts("td.name a")
}

/// What the event's page says of its status.
fn status(page: &Answer) -> String {
    page.text("dl.facts .badge")
}

on_both! {
    async fn members_who_share_a_robot_get_one_message_that_mentions_each_and_nobody_else_hears(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        let fields =
            [("title", "磁盘将满"), ("content", "/data 98%"), ("severity", "critical"), ("receivers", "mia， SAM\r\nmia")];
        let event = fire(&mut sue, &fields).await;
        let said = heard(app, GROUP, 3).await.pop().expect("a message").message;
        assert!(said.text.contains("磁盘将满") && said.text.contains("/data 98%"), "{said:?}");
        let mut mentions = said.mentions.clone();
        mentions.sort();
        assert_eq!(mentions, ["13800138000", "13900139000"], "each is in the text and in the list, so that it rings");
        settled(app).await;
        let page = sue.get(&event).await.is(200);
        assert_eq!(page.texts("table.told td:first-child"), ["mia", "sam"]);
        assert_eq!(page.texts("table.told .badge"), ["Success", "Success"]);
        assert_eq!(page.texts("table.calls tbody tr").len(), 1, "one message, one call");
        assert_eq!(page.text("table.calls code"), "0");
        assert_eq!(page.text("h2#time-line"), "Timeline");
        assert_eq!(app.sandbox.delivered_messages(OTHER).len(), 1, "the other group heard only that its robot was saved");
        let list = sue.get(LIST).await.is(200);
        assert_eq!(titles(&list), ["磁盘将满"]);
        let log = sue.get("/t/ours/audit?action=alert-fired").await.is(200);
        assert!(log.text("tbody tr").contains("磁盘将满"));
    }

    async fn a_key_that_fires_again_counts_up_and_resolving_it_tells_those_who_heard(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        let firing = [("title", "Load high"), ("key", "load"), ("receivers", "mia")];
        let event = fire(&mut sue, &firing).await;
        heard(app, GROUP, 3).await;
        assert_eq!(fire(&mut sue, &[("title", "Load still high"), ("key", "load"), ("receivers", "sue")]).await, event);
        heard(app, OTHER, 2).await;
        let page = sue.get(&event).await.is(200);
        assert_eq!(page.texts("article.entry h3"), ["Fired again (firing 2)", "Fired"]);
        assert_eq!(page.text("article.entry b"), "Load still high");
        assert_eq!(status(&page), "Alerting");

        let resolved = [("title", "Load fine"), ("key", "load"), ("status", "resolved")];
        assert_eq!(fire(&mut sue, &resolved).await, event);
        heard(app, OTHER, 3).await;
        let said = heard(app, GROUP, 4).await.pop().expect("a message").message;
        assert!(said.text.contains("Load fine") && said.text.contains("Dataphin"), "{said:?}");
        let page = sue.get(&event).await.is(200);
        assert_eq!(status(&page), "Finished");
        assert_eq!(page.texts("article.entry h3"), ["Resolved", "Fired again (firing 2)", "Fired"]);
        assert_ne!(fire(&mut sue, &firing).await, event, "the next firing is another event");
    }

    async fn a_second_click_on_the_same_form_fires_nothing_and_a_changed_form_does(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        let form = sue.get(NEW).await.is(200);
        let id = form.attribute("input[name=form_id]", "value").expect("an id");
        assert_ne!(sue.get(NEW).await.attribute("input[name=form_id]", "value"), Some(id.clone()));
        let fields = [("title", "Twice?"), ("form_id", id.as_str()), ("receivers", "mia")];
        let event = fire(&mut sue, &fields).await;
        assert!(sue.get(&event).await.text(".note.good").contains("Alert fired"));
        assert_eq!(fire(&mut sue, &fields).await, event);
        assert!(sue.get(&event).await.text(".note.good").contains("already"));
        // Both clicks at the same moment.
        let token = sue.token().await;
        let both = [("title", "At once"), ("form_id", id.as_str()), ("receivers", "mia")];
        let (mut one, mut two) = (sue.clone(), sue.clone());
        let answers = tokio::join!(one.post_with(&token, NEW, &both), two.post_with(&token, NEW, &both));
        assert_eq!((answers.0.unwrap(), answers.1.unwrap()), (303, 303));
        heard(app, GROUP, 4).await;
        settled(app).await;
        let rows = dump(&app.db).await;
        assert_eq!((rows["alerts"].len(), rows["alert_entries"].len(), rows["deliveries"].len()), (2, 2, 3 + 2));
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), 4);
        let changed = [("title", "Twice?"), ("content", "yes"), ("form_id", id.as_str()), ("receivers", "mia")];
        fire(&mut sue, &changed).await;
        heard(app, GROUP, 5).await;
    }

    async fn a_preview_says_who_would_hear_it_and_who_would_not_and_stores_nothing(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        rule(app, "Everybody", &["mia", "nora", "dan", "tom"], &[]).await;
        rule(app, "Leaders", &[], &["super_administrator"]).await;
        let before = dump(&app.db).await;
        let fields = [("title", "Would it?"), ("content", "kept"), ("preview", "1")];
        let page = sue.post(NEW, &fields).await.is(200);
        assert_eq!(page.texts("table.hears tbody td:first-child"), ["mia", "sue"]);
        let robots = page.texts("table.hears td:nth-child(3)");
        assert!(robots.iter().all(|robot| robot.contains('…') && robot.ends_with("Unverified")), "{robots:?}");
        assert_eq!(page.texts("table.hears td:last-child"), ["Everybody", "Leaders"]);
        assert_eq!(page.texts("table.misses td:first-child"), ["dan", "nora", "tom"]);
        let reasons = page.texts("table.misses td:nth-child(2)");
        let words = ["member-disabled", "no-contact", "left-tenant"];
        assert_eq!(reasons, words.map(|word| Language::English.text(reason_key(word)).into_owned()));
        assert_eq!(page.text("#f-content"), "kept");
        assert_eq!(page.attribute("#f-title", "value").as_deref(), Some("Would it?"));
        let info = sue.post(NEW, &[("title", "Small"), ("severity", "info"), ("preview", "1")]).await.is(200);
        assert!(info.body.contains("No alert rule matches.") && info.body.contains("Nobody would be notified."));
        assert_eq!(dump(&app.db).await, before);

        // What it says is what happens, and once an event is open it counts.
        let event = fire(&mut sue, &[("title", "Would it?")]).await;
        heard(app, GROUP, 3).await;
        heard(app, OTHER, 2).await;
        let page = sue.get(&event).await.is(200);
        assert_eq!(page.texts("table.told td:first-child"), ["mia", "sue", "dan", "nora", "tom"]);
        assert!(page.text("article.entry ul").contains("Everybody: sends notifications"), "{}", page.text("article.entry ul"));
        assert_eq!(status(&page), "Silencing");
        let page = sue.post(NEW, &fields).await.is(200);
        assert!(page.texts("section ul li").iter().all(|line| line.contains("notification interval")), "{}", page.body);
        assert!(page.texts("table.hears").is_empty());
        app.clock.advance(TimeDelta::minutes(11));
        assert_eq!(sue.post(NEW, &fields).await.is(200).texts("table.hears tbody tr").len(), 2);
    }

    async fn whoever_cannot_be_reached_is_in_the_record_with_the_reason(app: &TestApp) {
        let (town, mut sue) = furnish(app).await;
        rule(app, "All", &["mia", "nora", "dan", "tom"], &[]).await;
        sue.post("/t/ours/settings/message-channel", &[("mode", "custom"), ("on", "lark")]).await.is(303);
        let event = fire(&mut sue, &[("title", "Unheard")]).await;
        let reasons = |c: &mut AnyConnection| {
            let failed = deliveries::table.filter(deliveries::alert.is_not_null()).order(deliveries::recipient);
            Ok(failed.select((deliveries::recipient, deliveries::state, deliveries::reason)).load(c)?)
        };
        let rows: Vec<(String, String, String)> = app.db.read(reasons).await.unwrap();
        let rows: Vec<(&str, &str, &str)> = rows.iter().map(|(who, state, why)| (&**who, &**state, &**why)).collect();
        assert_eq!(
            rows,
            [
                ("dan", "failed", "member-disabled"),
                ("mia", "failed", "channel-off"),
                ("nora", "failed", "no-contact"),
                ("tom", "failed", "left-tenant"),
            ]
        );
        let page = sue.get(&event).await.is(200);
        assert_eq!(page.texts("table.told .badge"), ["Failed"; 4]);
        assert!(page.text("table.told").contains("The channel was off."));
        let list = sue.get(LIST).await.is(200);
        assert!(list.text("tbody tr").contains("Nobody"));
        let mut mia = app.log_in("mia").await;
        assert_eq!(titles(&mia.get("/t/ours/alerts?recipient=me").await.is(200)), ["Unheard"]);
        assert!(titles(&sue.get("/t/ours/alerts?recipient=me").await.is(200)).is_empty());
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), 2);
        assert_ne!(town.mia, town.tom);
    }

    async fn a_mistake_is_named_beside_its_field_and_everything_is_kept(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        let before = dump(&app.db).await;
        let fields = [("title", "T"), ("content", "C"), ("receivers", "mia, nobody.known\ntom"), ("link", "https://a.example/")];
        for preview in ["", "1"] {
            let page = sue.post(NEW, &[&fields[..], &[("preview", preview)]].concat()).await.is(422);
            let fault = page.text("#e-receivers");
            assert!(fault.contains("nobody.known, tom") && !fault.contains("mia"), "{fault}");
            assert!(page.text("#f-receivers").contains("mia, nobody.known"));
            assert_eq!(page.attribute("#f-link", "value").as_deref(), Some("https://a.example/"));
        }
        let long = "长".repeat(129);
        let wrong = [
            ("title", long.as_str()),
            ("severity", "fatal"),
            ("link", "javascript:alert(1)"),
            ("receivers", "two words"),
            ("key", "line\u{1}"),
            ("status", "gone"),
        ];
        let page = sue.post(NEW, &wrong).await.is(422);
        for field in ["title", "severity", "link", "receivers", "key", "status"] {
            assert!(!page.text(&format!("#e-{field}")).is_empty(), "{field}");
            assert_eq!(page.attribute(&format!("#f-{field}"), "aria-invalid").as_deref(), Some("true"), "{field}");
        }
        assert_eq!(page.attribute("#f-title", "value"), Some(long));
        assert_eq!(dump(&app.db).await, before);
    }

    async fn a_member_fires_only_with_the_tenants_permission_and_handles_nothing(app: &TestApp) {
        let (town, mut sue) = furnish(app).await;
        let event = fire(&mut sue, &[("title", "Ours"), ("receivers", "sam")]).await;
        heard(app, GROUP, 3).await;
        settled(app).await;
        let mut mia = app.log_in("mia").await;
        mia.get(NEW).await.is(403);
        mia.post(NEW, &[("title", "Mine")]).await.is(403);
        mia.post(&event, &[("what", "finish")]).await.is(403);
        assert!(!mia.get(LIST).await.is(200).texts("nav a").contains(&"Fire Alert".to_owned()));
        let page = mia.get(&event).await.is(200);
        assert_eq!(page.texts("table.told td:first-child"), ["sam"], "names and status are for everybody");
        assert!(page.texts("table.calls").is_empty(), "what the robot said is for the recipient and administrators");
        assert!(page.texts("table.told a").is_empty() && !page.body.contains("0011"));
        let may = move |c: &mut AnyConnection| {
            Ok(diesel::update(members::table.find(town.mia)).set(members::may_fire.eq(true)).execute(c)?)
        };
        app.db.write(may).await.expect("the permission");
        let preview = mia.post(NEW, &[("title", "Mine"), ("receivers", "mia"), ("preview", "1")]).await.is(200);
        assert_eq!(preview.texts("table.hears td:nth-child(3)"), ["Visible to administrators only"]);
        let mine = fire(&mut mia, &[("title", "Mine"), ("receivers", "mia")]).await;
        heard(app, GROUP, 4).await;
        settled(app).await;
        assert_eq!(mia.get(&mine).await.is(200).texts("table.calls tbody tr").len(), 1);
        let nav = mia.get(NEW).await.is(200);
        assert_eq!(nav.texts("nav [aria-current]"), ["Fire Alert"]);
        // Whoever fires may end what came in by the form, and not what another system says.
        fire(&mut mia, &[("title", "Mine"), ("status", "resolved")]).await;
        app.alert(town.ours, "A machine's").await;
        let refused = mia.post(NEW, &[("title", "A machine's"), ("status", "resolved")]).await.is(422);
        assert!(refused.body.contains("another system"));
        fire(&mut sue, &[("title", "A machine's"), ("status", "resolved")]).await;
        let mut theo = app.log_in("theo").await;
        theo.get(&event.replace("/ours/", "/theirs/")).await.is(404);
        theo.post(&event.replace("/ours/", "/theirs/"), &[("what", "finish")]).await.is(404);
        let id = event.rsplit('/').next().unwrap().to_owned();
        theo.post("/t/theirs/alerts", &[("what", "finish"), ("id", &id)]).await.is(404);
        theo.get(&event).await.is(404);
        assert_eq!(status(&sue.get(&event).await), "Alerting");
    }

    async fn do_not_disturb_counts_without_ringing_until_it_ends_or_is_taken_back(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        let firing = [("title", "Noise"), ("receivers", "mia")];
        let event = fire(&mut sue, &firing).await;
        heard(app, GROUP, 3).await;
        settled(app).await;
        let page = sue.post(&event, &[("what", "quiet"), ("lasts", "0"), ("unit", "hours")]).await.is(422);
        assert!(page.text("#e-lasts").contains("168"));
        sue.post(&event, &[("what", "quiet"), ("lasts", "2"), ("unit", "hours")]).await.leads_to(&event);
        assert_eq!(status(&sue.get(&event).await), "Do not disturb");
        assert_eq!(fire(&mut sue, &firing).await, event);
        let preview = sue.post(NEW, &[&firing[..], &[("preview", "1")]].concat()).await.is(200);
        assert!(preview.text(".note.wait").contains("do not disturb is on"));
        let page = sue.get(&event).await.is(200);
        assert_eq!(page.texts("article.entry h3"), ["Fired again (firing 2)", "Do not disturb", "Fired"]);
        assert!(page.text("article.entry").contains("no rule was evaluated"));
        assert_eq!(dump(&app.db).await["deliveries"].len(), 4, "nobody was told of the second firing");

        sue.post(&event, &[("what", "loud")]).await.leads_to(&event);
        let page = sue.get(&event).await.is(200);
        assert!(page.text(".note.good").contains("is off") && page.texts("button[value=loud]").is_empty());
        sue.post(&event, &[("what", "loud")]).await.leads_to(&event);
        assert!(sue.get(&event).await.text(".note").contains("Nothing was changed"));
        fire(&mut sue, &firing).await;
        heard(app, GROUP, 4).await;
        sue.post(&event, &[("what", "quiet"), ("unit", "day")]).await.leads_to(&event);
        app.clock.advance(TimeDelta::hours(25));
        let mut sue = app.log_in("sue").await;
        fire(&mut sue, &firing).await;
        heard(app, GROUP, 5).await;

        // Finished by hand: no group is told. A finished event has no do not disturb.
        sue.post(&event, &[("what", "finish")]).await.leads_to(&event);
        sue.post(&event, &[("what", "finish")]).await.leads_to(&event);
        sue.post(&event, &[("what", "quiet"), ("lasts", "30"), ("unit", "minutes")]).await.leads_to(&event);
        let page = sue.get(&event).await.is(200);
        assert!(page.text(".note").contains("Nothing was changed"));
        assert_eq!(status(&page), "Finished");
        assert!(page.texts("#handle").is_empty());
        assert_eq!(page.texts("article.entry h3")[0], "Finished manually");
        settled(app).await;
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), 5);
        let log = sue.get("/t/ours/audit?action=alert-finished").await.is(200);
        assert_eq!(log.texts("tbody tr").len(), 1, "the second click did nothing");
    }

    async fn finish_and_resolved_lift_do_not_disturb_and_a_new_event_of_the_key_notifies(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        let firing = [("title", "Disk full"), ("receivers", "mia"), ("severity", "critical")];
        let quiet = [("what", "quiet"), ("lasts", "5"), ("unit", "hours")];
        let mut times = 2;
        let mut events = Vec::new();
        for ends_by_hand in [true, false, true] {
            let event = fire(&mut sue, &firing).await;
            times += 1;
            assert!(heard(app, GROUP, times).await.pop().unwrap().message.text.contains("Disk full"));
            assert!(!events.contains(&event), "a new event");
            sue.post(&event, &quiet).await.leads_to(&event);
            fire(&mut sue, &firing).await;
            if ends_by_hand {
                sue.post(&event, &[("what", "finish")]).await.leads_to(&event);
            } else {
                fire(&mut sue, &[("title", "Disk full"), ("status", "resolved")]).await;
            }
            let page = sue.get(&event).await.is(200);
            assert_eq!(status(&page), "Finished");
            assert!(!page.text("dl.facts").contains("Do not disturb until"), "{}", page.text("dl.facts"));
            events.push(event);
        }
        settled(app).await;
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), times, "what was suppressed is not sent after the end");
    }

    async fn when_do_not_disturb_ends_on_an_open_event_one_notification_says_what_it_suppressed(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        rule(app, "Every ten minutes", &["mia"], &[]).await;
        let of = |content: &'static str, severity: &'static str| {
            [("title", "Load"), ("content", content), ("severity", severity)]
        };
        let event = fire(&mut sue, &of("first", "warning")).await;
        heard(app, GROUP, 3).await;
        sue.post(&event, &[("what", "quiet"), ("lasts", "2"), ("unit", "minutes")]).await.leads_to(&event);
        for (content, severity) in [("second", "warning"), ("third", "critical"), ("fourth", "warning")] {
            assert_eq!(fire(&mut sue, &of(content, severity)).await, event);
        }
        let home = sue.get("/t/ours").await.is(200);
        assert_eq!(home.texts("#suppressed a"), ["Load"], "a suppressed critical alert is shown");
        settled(app).await;
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), 3);

        // Two processes look; one notification goes out, although the rule still cools down.
        app.another().await;
        app.clock.advance(TimeDelta::minutes(3));
        let said = heard(app, GROUP, 4).await.pop().expect("a message").message;
        assert!(said.text.contains("third") && said.text.contains("Critical"), "the gravest: {said:?}");
        settled(app).await;
        let page = sue.get(&event).await.is(200);
        let heads = page.texts("article.entry h3");
        assert_eq!(heads[0], "Do not disturb ended: suppressed alert sent", "{heads:?}");
        assert_eq!(heads[1], "Fired again (firing 4)", "{heads:?}");
        assert_eq!(status(&page), "Silencing");
        fire(&mut sue, &of("fifth", "critical")).await;
        settled(app).await;
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), 4, "and the rule cools down after it");

        // Without a firing meanwhile there is nothing to say.
        let other = fire(&mut sue, &[("title", "Other"), ("receivers", "sam")]).await;
        heard(app, GROUP, 5).await;
        for event in [&event, &other] {
            sue.post(event, &[("what", "quiet"), ("lasts", "1"), ("unit", "minutes")]).await.leads_to(event);
        }
        fire(&mut sue, &[("title", "Other"), ("receivers", "sam")]).await;
        app.clock.advance(TimeDelta::minutes(2));
        let said = heard(app, GROUP, 6).await.pop().expect("a message").message;
        assert!(said.text.contains("Other"), "{said:?}");
        settled(app).await;
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), 6);
    }

    async fn the_first_firing_after_do_not_disturb_notifies_once_for_itself_and_what_was_suppressed(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        rule(app, "Every ten minutes", &["mia"], &[]).await;
        let firing = [("title", "Load")];
        let event = fire(&mut sue, &firing).await;
        heard(app, GROUP, 3).await;
        sue.post(&event, &[("what", "quiet"), ("lasts", "2"), ("unit", "hours")]).await.leads_to(&event);
        fire(&mut sue, &firing).await;
        sue.post(&event, &[("what", "loud")]).await.leads_to(&event);
        let preview = sue.post(NEW, &[firing[0], ("preview", "1")]).await.is(200);
        assert_eq!(preview.texts("table.hears tbody td:first-child"), ["mia"]);
        fire(&mut sue, &firing).await;
        heard(app, GROUP, 4).await;
        fire(&mut sue, &firing).await;
        settled(app).await;
        assert_eq!(app.sandbox.delivered_messages(GROUP).len(), 4);
    }

    async fn many_events_are_handled_at_once_and_found_by_every_filter(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        rule(app, "Rings", &["mia"], &[]).await;
        fire(&mut sue, &[("title", "磁盘将满"), ("severity", "critical"), ("receivers", "nora")]).await;
        fire(&mut sue, &[("title", "Load 100%"), ("severity", "info"), ("receivers", "nora")]).await;
        fire(&mut sue, &[("title", "By rule")]).await;
        let done = fire(&mut sue, &[("title", "Done"), ("receivers", "nora")]).await;
        sue.post(&done, &[("what", "finish")]).await.is(303);
        assert_eq!(titles(&sue.get(LIST).await), ["Done", "By rule", "Load 100%", "磁盘将满"]);
        for (query, found) in [
            ("q=%E7%A3%81%E7%9B%98", vec!["磁盘将满"]),
            ("q=LOAD", vec!["Load 100%"]),
            ("q=%25", vec!["Load 100%"]),
            ("q=%E4%B8%8D%E5%9C%A8", vec![]),
            ("severity=critical", vec!["磁盘将满"]),
            ("status=finished", vec!["Done"]),
            ("status=silencing", vec!["By rule"]),
            ("status=alerting", vec!["Load 100%", "磁盘将满"]),
            ("status=do_not_disturb", vec![]),
            ("source=portal", vec![]),
            ("source=form&status=finished", vec!["Done"]),
            ("from=2000-01-01&until=2999-12-31&severity=info", vec!["Load 100%"]),
            ("until=2000-01-01", vec![]),
            ("from=2999-01-01", vec![]),
        ] {
            assert_eq!(titles(&sue.get(&format!("{LIST}?{query}")).await.is(200)), found, "{query}");
        }

        let page = sue.post(LIST, &[("what", "quiet"), ("lasts", "10"), ("unit", "minutes")]).await.is(422);
        assert!(page.text("[role=alert]").contains("at least one"));
        let ids: Vec<String> = app
            .db
            .read(|c| Ok(alerts::table.order(alerts::id).select(alerts::id).load::<i64>(c)?))
            .await
            .unwrap()
            .into_iter()
            .map(|id| id.to_string())
            .collect();
        let quiet = [("what", "quiet"), ("lasts", "10"), ("unit", "minutes"), ("id", &ids[0]), ("id", &ids[1])];
        sue.post("/t/ours/alerts?severity=info", &quiet).await.leads_to("/t/ours/alerts?severity=info");
        assert_eq!(titles(&sue.get("/t/ours/alerts?status=do_not_disturb").await), ["Load 100%", "磁盘将满"]);
        let all = [("what", "finish"), ("all", "1"), ("shown", &ids[0]), ("shown", &ids[2])];
        sue.post(LIST, &all).await.leads_to(LIST);
        assert_eq!(titles(&sue.get("/t/ours/alerts?status=finished").await), ["Done", "By rule", "磁盘将满"]);
        let mixed = [("what", "finish"), ("id", ids[1].as_str()), ("id", "999999999")];
        sue.post(LIST, &mixed).await.is(404);
        assert_eq!(titles(&sue.get("/t/ours/alerts?status=do_not_disturb").await), ["Load 100%"], "all or nothing");
        let log = sue.get("/t/ours/audit?action=alert-quieted").await.is(200);
        assert_eq!(log.texts("tbody tr").len(), 2);
        app.clock.advance(TimeDelta::minutes(11));
        assert!(titles(&sue.get("/t/ours/alerts?status=do_not_disturb").await).is_empty());
        assert_eq!(titles(&sue.get("/t/ours/alerts?status=alerting").await), ["Load 100%"]);
    }

    async fn older_pages_of_the_list_follow_without_a_gap_while_events_fire_again(app: &TestApp) {
        let town = app.settle().await;
        let now = app.clock.now();
        let fill = move |c: &mut AnyConnection| {
            for number in 0..120i64 {
                // Ten at a time came in at the same moment.
                let at = now + TimeDelta::seconds(number / 10);
                diesel::insert_into(alerts::table).values(event(town.ours.0, number, at)).execute(c)?;
            }
            Ok(())
        };
        app.db.write(fill).await.expect("events");
        let mut mia = app.log_in("mia").await;
        let first = mia.get(LIST).await.is(200);
        let older = first.attribute("a[rel=next]", "href").expect("older ones");
        let again = move |c: &mut AnyConnection| {
            let oldest = alerts::table.filter(alerts::key.eq("key 3"));
            Ok(diesel::update(oldest).set(alerts::last_at.eq(now + TimeDelta::hours(1))).execute(c)?)
        };
        app.db.write(again).await.expect("a firing");
        let second = mia.get(&older).await.is(200);
        let third = mia.get(&second.attribute("a[rel=next]", "href").expect("older ones")).await.is(200);
        assert_eq!(third.attribute("a[rel=next]", "href"), None);
        let shown: Vec<String> = [&first, &second, &third].into_iter().flat_map(titles).collect();
        let expected: Vec<String> = (0..120).rev().filter(|n| *n != 3).map(|n| format!("event {n}")).collect();
        assert_eq!(shown, expected);
        let back = mia.get(&third.attribute("a[rel=prev]", "href").expect("newer ones")).await.is(200);
        assert_eq!(titles(&back), titles(&second));
        assert_eq!(titles(&mia.get(LIST).await)[0], "event 3");
    }

    async fn a_long_time_line_is_shown_in_pages_and_every_firing_keeps_its_number(app: &TestApp) {
        let town = app.settle().await;
        let now = app.clock.now();
        let fill = move |c: &mut AnyConnection| {
            let mut row = event(town.ours.0, 1, now);
            row.count = 150;
            let id: i64 = diesel::insert_into(alerts::table).values(row).returning(alerts::id).get_result(c)?;
            for number in 1..=150 {
                diesel::insert_into(alert_entries::table)
                    .values((
                        alert_entries::alert.eq(id),
                        alert_entries::kind.eq(if number == 1 { "firing" } else { "repeated" }),
                        alert_entries::actor.eq("sue"),
                        alert_entries::title.eq(""),
                        alert_entries::content.eq(""),
                        alert_entries::severity.eq("warning"),
                        alert_entries::rules.eq("[]"),
                        alert_entries::at.eq(now),
                    ))
                    .execute(c)?;
            }
            Ok(id)
        };
        let id: i64 = app.db.write(fill).await.expect("an event");
        let mut mia = app.log_in("mia").await;
        let page = mia.get(&format!("{LIST}/{id}")).await.is(200);
        let heads = page.texts("article.entry h3");
        assert_eq!((heads.len(), heads[0].as_str(), heads[99].as_str()), (100, "Fired again (firing 150)", "Fired again (firing 51)"));
        let older = page.attribute("section a[rel=next]", "href").expect("older entries");
        let page = mia.get(older.split('#').next().unwrap()).await.is(200);
        let heads = page.texts("article.entry h3");
        assert_eq!((heads.len(), heads[0].as_str(), heads[49].as_str()), (50, "Fired again (firing 50)", "Fired"));
    }

    async fn the_pages_speak_chinese(app: &TestApp) {
        let (_, mut sue) = furnish(app).await;
        sue.language = "zh-CN";
        let form = sue.get(NEW).await.is(200);
        let labels = form.texts("main label");
        assert_eq!(labels, ["标题", "内容", "级别", "接收人", "链接", "去重标识", "动作"]);
        assert_eq!(form.text("h1"), "触发告警");
        let event = fire(&mut sue, &[("title", "磁盘将满"), ("receivers", "nora")]).await;
        let page = sue.get(&event).await.is(200);
        assert_eq!(page.text("h2#time-line"), "时间线");
        assert_eq!(sue.get(LIST).await.is(200).text("h1"), "告警事件");
    }
}

/// An event as the table has it.
#[derive(diesel::Insertable)]
#[diesel(table_name = alerts)]
struct NewEvent {
    tenant: i64,
    source: &'static str,
    sender: &'static str,
    key: String,
    title: String,
    content: &'static str,
    severity: &'static str,
    link: &'static str,
    labels: &'static str,
    receivers: &'static str,
    search_text: String,
    count: i64,
    reached: i64,
    first_at: chrono::NaiveDateTime,
    last_at: chrono::NaiveDateTime,
}

fn event(tenant: i64, number: i64, at: chrono::NaiveDateTime) -> NewEvent {
    NewEvent {
        tenant,
        source: "portal",
        sender: "a portal",
        key: format!("key {number}"),
        title: format!("event {number}"),
        content: "",
        severity: "warning",
        link: "",
        labels: "{}",
        receivers: "[]",
        search_text: format!("event {number}\nkey {number}\na portal"),
        count: 1,
        reached: 0,
        first_at: at,
        last_at: at,
    }
}
