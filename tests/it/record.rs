//! The Alert Delivery Record: what is found in it, sending again what failed, and the download.

use std::time::Duration;

use belfry::{
    db::{
        AlertId, DeliveryId, MemberId, RobotId, TenantId,
        schema::{alerts, contacts, deliveries, messages},
    },
    delivery::DeliveryReason,
    sandbox::RobotKind,
};
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use crate::harness::{Answer, TestApp, Town, User, dump};

const PATIENCE: Duration = Duration::from_secs(20);

const DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0101";
const LARK: &str = "00000000-0000-4000-8000-0000fake0102";
const WECOM: &str = "00000000-0000-4000-8000-0000fake0103";
const OTHER_WECOM: &str = "00000000-0000-4000-8000-0000fake0104";

/// A row of the record; the rest is as in most rows.
#[derive(Clone)]
struct Row {
    tenant: TenantId,
    member: Option<MemberId>,
    title: &'static str,
    recipient: &'static str,
    channel: &'static str,
    robot: Option<RobotId>,
    state: &'static str,
    reason: &'static str,
    kind: &'static str,
    at: NaiveDateTime,
    alert: Option<AlertId>,
}

impl Row {
    fn of(town: &Town, title: &'static str) -> Self {
        Self {
            tenant: town.ours,
            member: Some(town.mia),
            title,
            recipient: "Mia",
            channel: "dingtalk",
            robot: None,
            state: "failed",
            reason: "given-up",
            kind: "member_saved",
            at: at("2026-03-04 05:06:07"),
            alert: None,
        }
    }
}

fn at(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
}

async fn add(app: &TestApp, rows: Vec<Row>) -> Vec<DeliveryId> {
    app.makes_up_deliveries();
    let keep = move |c: &mut belfry::db::AnyConnection| {
        let mut ids = Vec::new();
        for row in rows {
            let ended = ["failed", "success"].contains(&row.state);
            let values = (
                deliveries::tenant.eq(row.tenant),
                deliveries::kind.eq(row.kind),
                deliveries::title.eq(row.title),
                deliveries::body.eq("A text."),
                deliveries::channel.eq(row.channel),
                deliveries::robot.eq(row.robot),
                deliveries::member.eq(row.member),
                deliveries::recipient.eq(row.recipient),
                deliveries::state.eq(row.state),
                deliveries::reason.eq(row.reason),
                deliveries::created_at.eq(row.at),
                deliveries::finished_at.eq(ended.then_some(row.at)),
                deliveries::alert.eq(row.alert),
                deliveries::rule_names.eq("Night rule"),
            );
            ids.push(diesel::insert_into(deliveries::table).values(values).returning(deliveries::id).get_result(c)?);
        }
        Ok(ids)
    };
    app.db.write(keep).await.expect("rows of the record")
}

pub async fn alert(app: &TestApp, tenant: TenantId, title: &'static str, reached: i64) -> AlertId {
    let now = app.clock.now();
    let keep = move |c: &mut belfry::db::AnyConnection| {
        let text = (
            alerts::source.eq("form"),
            alerts::sender.eq("sam"),
            alerts::key.eq(title),
            alerts::title.eq(title),
            alerts::content.eq(""),
            alerts::severity.eq("warning"),
            alerts::link.eq(""),
            alerts::labels.eq("{}"),
            alerts::receivers.eq("[]"),
            alerts::search_text.eq(""),
        );
        let numbers = (
            alerts::tenant.eq(tenant),
            alerts::count.eq(1),
            alerts::reached.eq(reached),
            alerts::first_at.eq(now),
            alerts::last_at.eq(now),
        );
        Ok(diesel::insert_into(alerts::table).values((text, numbers)).returning(alerts::id).get_result(c)?)
    };
    app.db.write(keep).await.expect("an alert")
}

/// What the record lists, by object.
fn objects(page: &Answer) -> Vec<String> {
    page.texts("tbody td.name")
}

/// Gives mia this robot, and waits until its group has heard so.
async fn give_robot(app: &TestApp, sam: &mut User, town: &Town, token: &str) -> RobotId {
    let webhook = app.robot(RobotKind::DingTalk, token);
    let edit = format!("/t/ours/members/{}/edit", town.mia);
    sam.post(&edit, &[("dingtalk_robot", &webhook)]).await.is(303);
    hears(app, token, "mia").await;
    let mia = town.mia;
    let find = move |c: &mut belfry::db::AnyConnection| {
        Ok(contacts::table.filter(contacts::member.eq(mia)).select(contacts::robot).first(c)?)
    };
    app.db.read(find).await.expect("the contact")
}

async fn hears(app: &TestApp, token: &str, words: &str) {
    let heard = app.sandbox.wait_for_calls(
        token,
        |calls| {
            calls.iter().any(|call| call.delivered_message().is_some_and(|heard| format!("{heard:?}").contains(words)))
        },
        PATIENCE,
    );
    assert!(heard.await, "the group of {token} does not hear {words}");
}

fn path(id: DeliveryId) -> String {
    format!("/t/ours/deliveries/{id}")
}

async fn resend(sam: &mut User, id: DeliveryId) -> Answer {
    sam.post(&format!("{}/resend", path(id)), &[]).await.is(303)
}

/// How many rows the record has in all tenants.
async fn total(app: &TestApp) -> usize {
    dump(&app.db).await["deliveries"].len()
}

fn facts(page: &Answer) -> String {
    page.text("dl.facts")
}

on_both! {
    async fn every_filter_finds_its_rows_and_nothing_else(app: &TestApp) {
        let town = app.settle().await;
        let event = alert(app, town.ours, "Disk 磁盘 full", 1).await;
        let base = Row::of(&town, "plain");
        add(app, vec![
            Row { alert: Some(event), title: "Dataphin: something", ..base.clone() },
            Row { title: "lark row", channel: "lark", state: "success", reason: "", ..base.clone() },
            Row { title: "unreached", channel: "", reason: "no-contact", recipient: "Bob 鲍勃", member: None, ..base.clone() },
            Row { title: "waiting", state: "waiting", reason: "channel-off", at: at("2026-03-04 16:30:00"), ..base.clone() },
            Row { title: "foreign", tenant: town.theirs, ..base },
        ]).await;
        let mut sam = app.log_in("sam").await;
        for (query, expected) in [
            ("", &["waiting", "unreached", "lark row", "Disk 磁盘 full"][..]),
            ("q=%E7%A3%81%E7%9B%98", &["Disk 磁盘 full"]),
            ("q=DISK", &["Disk 磁盘 full"]),
            ("q=bob", &["unreached"]),
            ("q=something", &[]),
            ("recipient=%E9%B2%8D", &["unreached"]),
            ("recipient=disk", &[]),
            ("status=success", &["lark row"]),
            ("status=waiting", &["waiting"]),
            ("reason=no-contact", &["unreached"]),
            ("reason=channel-off", &["waiting"]),
            ("channel=lark", &["lark row"]),
            // 16:30 UTC is past midnight in Shanghai.
            ("from=2026-03-05", &["waiting"]),
            ("to=2026-03-04", &["unreached", "lark row", "Disk 磁盘 full"]),
            ("from=2026-03-05&to=2026-03-05", &["waiting"]),
            ("from=2026-03-06", &[]),
            ("status=failed&q=disk&channel=dingtalk&from=2026-03-04&to=2026-03-04", &["Disk 磁盘 full"]),
        ] {
            let page = sam.get(&format!("/t/ours/deliveries?{query}")).await.is(200);
            assert_eq!(objects(&page), expected, "{query}");
        }
        let page = sam.get("/t/ours/deliveries?q=disk").await.is(200);
        assert_eq!(page.attribute("td.name a", "href"), Some(format!("/t/ours/alerts/{event}")));
        assert_eq!(page.attribute("#f-q", "value").as_deref(), Some("disk"));
        let page = sam.get("/t/ours/deliveries?reason=no-contact").await.is(200);
        assert!(page.text("td.long").contains("has no robot"), "the reason says what to do");
        assert_eq!(page.attribute("#f-reason option[selected]", "value").as_deref(), Some("no-contact"));
        let own = app.log_in("mia").await.get("/t/ours/deliveries").await.is(200);
        assert_eq!(objects(&own), ["waiting", "lark row", "Disk 磁盘 full"], "a member sees only his own");
        assert!(own.texts("form[action$=resend]").is_empty(), "and sends nothing again");
    }

    async fn the_page_of_a_delivery_leads_to_where_its_cause_is_removed(app: &TestApp) {
        let town = app.settle().await;
        let row = |reason| Row { reason, ..Row::of(&town, "Dataphin: failed") };
        let reasons = ["no-contact", "channel-off", "broken-keyword", "nobody-on-duty"];
        let ids = add(app, reasons.map(row).to_vec()).await;
        let edit = format!("/t/ours/members/{}/edit", town.mia);
        let (mut sam, mut mia) = (app.log_in("sam").await, app.log_in("mia").await);
        for (id, expected) in ids.iter().zip([edit.as_str(), "/t/ours/settings/message-channel", &edit, "/t/ours/schedules"]) {
            let page = sam.get(&format!("/t/ours/deliveries/{id}")).await.is(200);
            assert_eq!(page.attribute("a.cure", "href").as_deref(), Some(expected));
            sam.get(expected).await.is(200);
        }
        let page = mia.get(&format!("/t/ours/deliveries/{}", ids[0])).await.is(200);
        assert_eq!(page.attribute("a.cure", "href").as_deref(), Some("/t/ours/me"));
        assert!(page.text("dl.facts").contains("You have no robot for this channel."), "her own page speaks to her");
        assert!(mia.get(&format!("/t/ours/deliveries/{}", ids[1])).await.is(200).texts("a.cure").is_empty());
    }

    async fn the_fields_of_a_robot_are_not_called_what_their_group_is(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        for language in ["en", "zh-CN"] {
            sam.post("/language", &[("language", language), ("return_to", "/")]).await.is(303);
            for path in [format!("/t/ours/members/{}/edit", town.mia), "/t/ours/me".to_owned()] {
                let page = sam.get(&path).await.is(200);
                let (legends, labels) = (page.texts("fieldset legend"), page.texts("fieldset label"));
                assert_eq!(legends.len(), 3, "{path}");
                assert!(legends.iter().all(|legend| !labels.contains(legend)), "{path}: {legends:?} {labels:?}");
            }
        }
    }

    async fn pages_go_by_time_and_show_every_row_once(app: &TestApp) {
        let town = app.settle().await;
        let start = at("2026-03-04 00:00:00");
        // Ids and times run in different orders, and some times are equal.
        let rows = (0..120).map(|number| {
            let minutes = i64::from((number * 7) % 120) / 2;
            Row { at: start + TimeDelta::minutes(minutes), ..Row::of(&town, "row") }
        });
        add(app, rows.collect()).await;
        let mut sam = app.log_in("sam").await;
        let (mut seen, mut times) = (Vec::new(), Vec::new());
        let mut next = Some("/t/ours/deliveries".to_owned());
        while let Some(url) = next {
            let page = sam.get(&url).await.is(200);
            times.extend(page.texts("tbody time"));
            let links = page.body.split("href=\"/t/ours/deliveries/").skip(1);
            seen.extend(links.filter_map(|link| link.split('"').next()?.parse::<i64>().ok()));
            next = page.attribute("a[rel=next]", "href");
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!((seen.len(), times.len()), (120, 120));
        assert!(times.is_sorted_by(|one, next| one >= next), "newest first");
    }

    async fn what_failed_is_sent_again_once_to_the_robot_that_the_member_has_now(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let old = give_robot(app, &mut sam, &town, LARK).await;
        give_robot(app, &mut sam, &town, DINGTALK).await;
        let event = alert(app, town.ours, "Dataphin disk", 1).await;
        let row = Row { robot: Some(old), alert: Some(event), ..Row::of(&town, "Dataphin: the disk is full") };
        let id = add(app, vec![row]).await[0];
        let before = total(app).await;
        let page = sam.get("/t/ours/deliveries?status=failed").await.is(200);
        assert_eq!(page.attribute("td form", "action"), Some(format!("{}/resend", path(id))));
        let answer = resend(&mut sam, id).await;
        let anew = answer.header("location").expect("a page").to_owned();
        hears(app, DINGTALK, "the disk is full").await;
        assert!(!format!("{:?}", app.sandbox.delivered_messages(LARK)).contains("disk"), "the old robot is not rung");
        let page = sam.get(&anew).await.is(200);
        let known = facts(&page);
        assert!(known.contains("Dataphin disk") && known.contains("Night rule") && known.contains("sam"), "{known}");
        let page = sam.get(&path(id)).await.is(200);
        assert!(facts(&page).contains("Resent"), "{}", facts(&page));
        assert_eq!(page.attribute("dl a[href*=deliveries]", "href"), Some(anew));
        assert!(page.texts("form[action$=resend]").is_empty(), "it is not offered twice");
        assert_eq!(total(app).await, before + 1);
        // A second click, and somebody else's.
        resend(&mut sam, id).await.leads_to(&path(id));
        assert_eq!(total(app).await, before + 1);
        let audit = sam.get("/t/ours/audit?action=deliveries-resent").await.is(200);
        assert_eq!(objects(&audit), ["Dataphin disk"]);
    }

    async fn a_group_that_a_member_has_no_more_is_not_rung_by_sending_again(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let old = give_robot(app, &mut sam, &town, LARK).await;
        give_robot(app, &mut sam, &town, DINGTALK).await;
        // Over a channel on which he has none today.
        let row = |title| Row { robot: Some(old), channel: "lark", ..Row::of(&town, title) };
        let ids = add(app, vec![row("Dataphin: the disk is full"), row("Dataphin: the disk is slow")]).await;
        resend(&mut sam, ids[0]).await;
        hears(app, DINGTALK, "the disk is full").await;
        assert!(!format!("{:?}", app.sandbox.delivered_messages(LARK)).contains("disk"), "the old robot is not rung");

        sam.post(&format!("/t/ours/members/{}/edit", town.mia), &[("remove", "dingtalk")]).await.is(303);
        let answer = resend(&mut sam, ids[1]).await;
        let page = sam.get(answer.header("location").expect("a page")).await.is(200);
        assert!(facts(&page).contains("Failed") && facts(&page).contains("has no robot"), "{}", facts(&page));
        // Nor does sending all again claim that anything was sent.
        let asked = sam.get("/t/ours/deliveries/resend").await.is(200);
        let newest = asked.attribute("input[name=newest]", "value").expect("a number");
        sam.post("/t/ours/deliveries/resend", &[("newest", &newest)]).await.leads_to("/t/ours/deliveries");
        assert!(sam.get("/t/ours/deliveries").await.text(".note.good").contains("None of them can be sent"));
    }

    async fn a_critical_alert_that_is_sent_again_is_urgent_and_mentions_the_member_by_his_present_number(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        give_robot(app, &mut sam, &town, DINGTALK).await;
        sam.post(&format!("/t/ours/members/{}/edit", town.mia), &[("phone", "13812345678")]).await.is(303);
        let event = alert(app, town.ours, "Dataphin disk", 1).await;
        let critical = diesel::update(alerts::table.find(event)).set(alerts::severity.eq("critical"));
        app.db.write(move |c| Ok(critical.execute(c)?)).await.expect("a critical alert");
        let row = |title, kind| Row { alert: Some(event), kind, ..Row::of(&town, title) };
        let rows = vec![row("Dataphin: it burns", "firing"), row("Dataphin: it is out", "resolved")];
        for (id, words) in add(app, rows).await.into_iter().zip(["it burns", "it is out"]) {
            resend(&mut sam, id).await;
            hears(app, DINGTALK, words).await;
        }
        let anew = deliveries::table
            .inner_join(messages::table)
            .filter(deliveries::alert.eq(event))
            .order(deliveries::id)
            .select((deliveries::mention, messages::priority));
        let anew: Vec<(String, i64)> = app.db.read(move |c| Ok(anew.load(c)?)).await.expect("the new rows");
        let numbers: Vec<i64> = anew.iter().map(|(_, priority)| *priority).collect();
        assert_eq!(numbers, [1, 2]);
        assert!(anew.iter().all(|(mention, _)| mention.ends_with("13812345678")), "{anew:?}");
    }

    async fn all_that_failed_and_fits_is_sent_again_and_never_twice(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let robot = give_robot(app, &mut sam, &town, DINGTALK).await;
        let base = Row { robot: Some(robot), ..Row::of(&town, "Dataphin: one") };
        add(app, vec![
            base.clone(),
            Row { title: "Dataphin: two", ..base.clone() },
            Row { title: "Dataphin: three", ..base.clone() },
            Row { title: "Dataphin: went through", state: "success", reason: "", ..base.clone() },
            Row { title: "Dataphin: a test", kind: "test", ..base.clone() },
            Row { title: "Dataphin: another day", at: at("2026-03-09 05:06:07"), ..base.clone() },
            Row { title: "Dataphin: foreign", tenant: town.theirs, robot: None, ..base.clone() },
        ]).await;
        let before = total(app).await;
        let url = "/t/ours/deliveries/resend?to=2026-03-05&q=Dataphin";
        let page = sam.get(url).await.is(200);
        assert_eq!(page.text("main form button"), "Resend 3");
        let newest = page.attribute("input[name=newest]", "value").expect("a number");
        assert_eq!(page.attribute("main input[name=to]", "value").as_deref(), Some("2026-03-05"));
        // What fails after the question was asked is not part of the answer.
        add(app, vec![Row { title: "Dataphin: later", ..base }]).await;
        let form = [("to", "2026-03-05"), ("q", "Dataphin"), ("newest", newest.as_str())];
        sam.post("/t/ours/deliveries/resend", &form).await.leads_to("/t/ours/deliveries");
        assert_eq!(total(app).await, before + 4);
        for words in ["one", "two", "three"] {
            hears(app, DINGTALK, words).await;
        }
        sam.post("/t/ours/deliveries/resend", &form).await.leads_to("/t/ours/deliveries");
        assert_eq!(total(app).await, before + 4, "never twice");
        assert_eq!(sam.get(url).await.is(200).text("main form button"), "Resend one", "the later one");
        let heard = format!("{:?}", app.sandbox.delivered_messages(DINGTALK));
        for words in ["went through", "a test", "another day", "foreign", "later"] {
            assert!(!heard.contains(words), "{words}");
        }
        let audit = sam.get("/t/ours/audit?action=deliveries-resent").await.is(200);
        let changes = audit.text("td.long");
        assert!(changes.contains("Deliveries: None → 3") && changes.contains("2026-03-05"), "{changes}");
        let page = sam.get("/t/ours/deliveries/resend?status=success").await.is(200);
        assert!(page.texts("main form button").is_empty(), "what went through is not sent again");
    }

    async fn two_who_press_the_button_at_once_send_one_message(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let mut sue = app.log_in("sue").await;
        let id = add(app, vec![Row::of(&town, "Dataphin: once")]).await[0];
        futures_util::future::join(resend(&mut sam, id), resend(&mut sue, id)).await;
        assert_eq!(total(app).await, 2);
    }

    async fn who_still_cannot_be_reached_fails_again_with_the_true_reason(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let id = app.unreached(town.ours, town.mia, DeliveryReason::QuietHours).await;
        let page = sam.get(&path(id)).await.is(200);
        assert!(facts(&page).contains("do not disturb was on"), "{}", facts(&page));
        let answer = resend(&mut sam, id).await;
        let anew = answer.header("location").expect("a page").to_owned();
        let page = sam.get(&anew).await.is(200);
        assert!(facts(&page).contains("Failed") && facts(&page).contains("has no robot"), "{}", facts(&page));

        give_robot(app, &mut sam, &town, DINGTALK).await;
        let again = sam.post(&format!("{anew}/resend"), &[]).await.is(303).header("location").unwrap().to_owned();
        hears(app, DINGTALK, "nobody heard it").await;
        assert_ne!(again, anew);

        let rows = add(app, vec![Row::of(&town, "one"), Row::of(&town, "two")]).await;
        app.disable(town.mia).await;
        let reason = async |sam: &mut User, id: DeliveryId| {
            let answer = resend(sam, id).await;
            facts(&sam.get(answer.header("location").unwrap()).await.is(200))
        };
        let disabled = reason(&mut sam, rows[0]).await;
        assert!(disabled.contains("is disabled"), "{disabled}");
        sam.post(&format!("/t/ours/members/{}/remove", town.mia), &[]).await.is(303);
        let left = reason(&mut sam, rows[1]).await;
        assert!(left.contains("no longer a member of the tenant"), "{left}");
    }

    async fn what_reached_nobody_keeps_its_links_and_fixed_lines_when_it_is_sent_again_over_wecom(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let link = format!("https://g.example/d?x={}", "%E5%91%8A".repeat(120));
        let content = "警报".repeat(500);
        for (letter, phone, token) in [("甲", "", WECOM), ("乙", "13812345678", OTHER_WECOM)] {
            let title = letter.repeat(60);
            let fields = [("title", title.as_str()), ("content", &content), ("receivers", "mia"), ("link", &link)];
            sam.post("/t/ours/alerts/new", &fields).await.is(303);
            let page = sam.get("/t/ours/deliveries?reason=no-contact").await.is(200);
            let failed = page.attribute("td form", "action").expect("a delivery that reached nobody");
            let webhook = app.robot(RobotKind::WeCom, token);
            let edit = format!("/t/ours/members/{}/edit", town.mia);
            sam.post(&edit, &[("wecom_robot", &webhook), ("phone", phone)]).await.is(303);
            hears(app, token, "arrive in this group").await;
            sam.post(&failed, &[]).await.is(303);
            hears(app, token, &title).await;
            let heard = app.sandbox.delivered_messages(token).pop().expect("a message").message;
            assert_eq!(heard.mentions.is_empty(), phone.is_empty(), "{heard:?}");
            for whole in [title.as_str(), &link, "警报", "…\n", "Severity: Warning", "Since: ", "Tenant: ours"] {
                assert!(heard.text.contains(whole), "{whole} is not in {}", heard.text);
            }
            sam.post(&edit, &[("remove", "wecom")]).await.is(303);
        }
    }

    async fn a_test_and_what_has_not_failed_are_not_sent_again(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let base = Row::of(&town, "row");
        let rows = vec![
            Row { kind: "test", ..base.clone() },
            Row { state: "success", reason: "", ..base.clone() },
            Row { state: "waiting", reason: "", ..base },
        ];
        for id in add(app, rows).await {
            assert!(sam.get(&path(id)).await.is(200).texts("form[action$=resend]").is_empty());
            resend(&mut sam, id).await.leads_to(&path(id));
        }
        assert_eq!(total(app).await, 3);
    }

    async fn a_foreign_delivery_is_not_sent_again(app: &TestApp) {
        let town = app.settle().await;
        let id = add(app, vec![Row { tenant: town.theirs, member: None, ..Row::of(&town, "foreign") }]).await[0];
        let mut sam = app.log_in("sam").await;
        sam.post(&format!("{}/resend", path(id)), &[]).await.is(404);
        assert_eq!(total(app).await, 1);
    }

    async fn the_download_holds_every_row_in_the_viewers_language_and_zone_and_no_formula(app: &TestApp) {
        let town = app.settle().await;
        let event = alert(app, town.ours, "=HYPERLINK(\"http://evil.example\")", 1).await;
        let base = Row::of(&town, "plain, \"quoted\"");
        add(app, vec![
            base.clone(),
            Row { alert: Some(event), at: at("2026-03-04 18:00:00"), recipient: "@mia", ..base.clone() },
            Row { title: "鲍勃", member: None, channel: "", reason: "no-contact", at: at("2026-03-03 00:00:00"), ..base.clone() },
            Row { tenant: town.theirs, member: None, title: "foreign", ..base },
        ]).await;
        let mut sam = app.log_in("sam").await;
        sam.language = "zh-CN";
        let answer = sam.get("/t/ours/deliveries.csv").await.is(200);
        assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
        let name = answer.header("content-disposition").unwrap_or_default();
        assert!(name.starts_with("attachment; filename=\"deliveries-ours-") && name.ends_with(".csv\""), "{name}");
        let rows = cells(&answer);
        assert_eq!(rows[0][1..5], ["时间", "结束时间", "对象", "告警事件"]);
        let expected = ["2026-03-05 02:00:00+08:00", "'=HYPERLINK(\"http://evil.example\")", "钉钉机器人", "'@mia", "失败"];
        assert_eq!([1, 3, 5, 6, 7].map(|column| rows[1][column].as_str()), expected);
        assert_eq!(rows[1][4], event.to_string());
        assert_eq!((rows[2][3].as_str(), rows[2][9].as_str()), ("plain, \"quoted\"", "Night rule"));
        assert_eq!((rows[3][3].as_str(), rows[3][5].as_str()), ("鲍勃", ""));
        assert!(rows[3][8].contains("机器人") && rows.len() == 4, "{rows:?}");

        let found = cells(&sam.get("/t/ours/deliveries.csv?reason=no-contact").await.is(200));
        assert_eq!((found.len(), found[1][3].as_str()), (2, "鲍勃"));
        let own = cells(&app.log_in("mia").await.get("/t/ours/deliveries.csv").await.is(200));
        assert_eq!(own.len(), 3, "a member gets only his own");
    }

    async fn a_download_of_several_batches_misses_and_repeats_nothing(app: &TestApp) {
        let town = app.settle().await;
        let start = at("2026-03-04 00:00:00");
        let rows = (0..2_500).map(|number| Row { at: start + TimeDelta::seconds(number / 3), ..Row::of(&town, "row") });
        add(app, rows.collect()).await;
        let rows = cells(&app.log_in("sam").await.get("/t/ours/deliveries.csv").await.is(200));
        let mut ids: Vec<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((rows.len(), ids.len()), (2_501, 2_500));
        assert!(rows[1..].is_sorted_by(|one, next| one[1] >= next[1]));
    }
}

/// The cells of a downloaded file, which begins with the mark that Excel needs.
fn cells(answer: &Answer) -> Vec<Vec<String>> {
    let text = answer.body.strip_prefix('\u{feff}').expect("the byte order mark");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}
