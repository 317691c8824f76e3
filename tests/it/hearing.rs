//! What a group hears: saving a member rings the new robot, a test message shows the robot's true answer, and no robot
//! makes a form wait.

use std::time::{Duration, Instant};

use belfry::{
    access::Role,
    db::{
        DeliveryId, MemberId, TenantId,
        schema::{attempts, contacts, deliveries, endpoints, messages, robots},
    },
    delivery::{self, DeliveryKind, Notice},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::{ApiGeneration, Group, InjectedFault, RobotKind, RobotStatus},
    secrets::KeyRing,
};
use chrono::TimeDelta;
use diesel::prelude::*;

use crate::harness::{Backend, TestApp, Tweaks, User, dump, run_with};

/// What somebody changes about a group's robot.
type Change = fn(&mut Group);

const PATIENCE: Duration = Duration::from_secs(20);

/// How long a call to a robot that hangs lasts.
const WHOLE_CALL: Duration = Duration::from_secs(10);

const DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0001";
const OTHER_DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0005";
const LARK: &str = "00000000-0000-4000-8000-0000fake0002";
const WECOM: &str = "00000000-0000-4000-8000-0000fake0003";
const SECRET: &str = "SECfake0000000000000000000000000000000000000000000000000000000004";

fn edit(id: MemberId) -> String {
    format!("/t/ours/members/{id}/edit")
}

async fn hears(app: &TestApp, token: &str, times: usize) -> Vec<String> {
    let heard = app.sandbox.wait_for_calls(
        token,
        |calls| calls.iter().filter(|call| call.delivered_message().is_some()).count() >= times,
        PATIENCE,
    );
    assert!(heard.await, "{token} heard {:?}", app.sandbox.delivered_messages(token).len());
    app.sandbox.delivered_messages(token).iter().map(|heard| format!("{heard:?}")).collect()
}

async fn save(user: &mut User, id: MemberId, fields: &[(&str, &str)]) {
    user.post(&edit(id), fields).await.leads_to("/t/ours/members");
}

/// Waits until so many calls are recorded with their ends.
async fn recorded(app: &TestApp, calls: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let count = |c: &mut belfry::db::AnyConnection| {
            Ok(attempts::table.filter(attempts::finished_at.is_not_null()).count().get_result::<i64>(c)?)
        };
        if app.db.read(count).await.expect("the attempts can be counted") >= calls {
            return;
        }
        assert!(Instant::now() < deadline, "{calls} calls are not recorded");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Puts a message for a member into the queue of the robot that he has now.
async fn queue(app: &TestApp, tenant: TenantId, member: MemberId, title: &'static str) -> DeliveryId {
    let now = app.clock.now();
    app.db
        .write(move |c| {
            let robot = contacts::table.filter(contacts::member.eq(member)).select(contacts::robot).first(c)?;
            let notice = Notice {
                tenant,
                kind: DeliveryKind::Firing,
                title: title.to_owned(),
                body: "A text.".to_owned(),
                robot,
                member: Some(member),
                recipient: "somebody".to_owned(),
                requested_by: None,
                alert: None,
            };
            delivery::enqueue(c, notice, now)
        })
        .await
        .expect("a delivery")
}

/// The state and reason of every delivery for a member, oldest first.
async fn record_of(app: &TestApp, member: MemberId) -> Vec<(String, String)> {
    let rows = deliveries::table
        .filter(deliveries::member.eq(member))
        .order(deliveries::id)
        .select((deliveries::state, deliveries::reason));
    app.db.read(move |c| Ok(rows.load(c)?)).await.expect("the record")
}

/// Waits until everything for a member stands like this.
async fn stands(app: &TestApp, member: MemberId, state: &str, reason: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !record_of(app, member).await.iter().all(|row| row.0 == state && row.1 == reason) {
        assert!(Instant::now() < deadline, "{:?}", record_of(app, member).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn held(app: &TestApp, member: MemberId) {
    stands(app, member, "waiting", "broken-keyword").await;
}

/// How many messages are still to be sent.
async fn open_messages(app: &TestApp) -> i64 {
    let open = messages::table.filter(messages::finished_at.is_null()).count();
    app.db.read(move |c| Ok(open.get_result(c)?)).await.expect("the messages")
}

on_both! {
    async fn what_waits_for_a_broken_robot_goes_to_the_one_that_takes_its_place(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let broken = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default().with_keyword("Kettle"));
        let zoe = app.member(town.ours, "zoe", Role::Member).await;
        for member in [town.mia, zoe] {
            save(&mut sam, member, &[("dingtalk_robot", &broken)]).await;
            held(app, member).await;
        }
        queue(app, town.ours, town.mia, "Dataphin: the disk is full").await;
        held(app, town.mia).await;
        let fine = app.robot(RobotKind::DingTalk, OTHER_DINGTALK);
        save(&mut sam, town.mia, &[("dingtalk_robot", &fine)]).await;
        // What was tried before, what was not, and that this group is the one from now on.
        let heard = hears(app, OTHER_DINGTALK, 3).await;
        assert!(heard.iter().any(|heard| heard.contains("the disk is full")), "{heard:?}");
        stands(app, town.mia, "success", "").await;
        assert_eq!(record_of(app, zoe).await, [("waiting".to_owned(), "broken-keyword".to_owned())]);
        assert!(app.sandbox.delivered_messages(DINGTALK).is_empty());
    }

    async fn what_waits_for_a_robot_that_is_taken_away_fails_visibly(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let broken = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default().with_keyword("Kettle"));
        save(&mut sam, town.mia, &[("dingtalk_robot", &broken)]).await;
        held(app, town.mia).await;
        queue(app, town.ours, town.mia, "Dataphin: the disk is full").await;
        held(app, town.mia).await;
        assert_eq!(open_messages(app).await, 1);
        save(&mut sam, town.mia, &[("remove", "dingtalk")]).await;
        let failed = ("failed".to_owned(), "no-contact".to_owned());
        assert_eq!(record_of(app, town.mia).await, [failed.clone(), failed]);
        assert_eq!(open_messages(app).await, 0);
    }

    async fn what_waits_at_a_robot_that_breaks_when_it_reaches_its_members_no_more_follows_them(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let zoe = app.member(town.ours, "zoe", Role::Member).await;
        let old = app.robot(RobotKind::DingTalk, DINGTALK);
        for member in [town.mia, zoe] {
            save(&mut sam, member, &[("dingtalk_robot", &old)]).await;
        }
        hears(app, DINGTALK, 2).await;
        recorded(app, 2).await;
        // It rests, so that what is put into its queue is there when it breaks.
        let rests = app.clock.now() + TimeDelta::minutes(10);
        let rest = diesel::update(endpoints::table).set((endpoints::cooldown_until.eq(rests), endpoints::due_at.eq(Some(rests))));
        app.db.write(move |c| Ok(rest.execute(c)?)).await.expect("a rest");
        for member in [town.mia, zoe] {
            queue(app, town.ours, member, "Dataphin: the disk is full").await;
        }
        save(&mut sam, town.mia, &[("dingtalk_robot", &app.robot(RobotKind::DingTalk, OTHER_DINGTALK))]).await;
        sam.post(&format!("/t/ours/members/{zoe}/remove"), &[]).await.leads_to("/t/ours/members");
        hears(app, OTHER_DINGTALK, 1).await;
        app.sandbox.update_group(DINGTALK, |group| group.keywords = vec!["Kettle".to_owned()]);
        app.clock.advance(TimeDelta::minutes(11));
        let heard = hears(app, OTHER_DINGTALK, 2).await;
        assert!(heard[1].contains("the disk is full"), "{heard:?}");
        stands(app, town.mia, "success", "").await;
        let deadline = Instant::now() + PATIENCE;
        while record_of(app, zoe).await[1] != ("failed".to_owned(), "no-contact".to_owned()) {
            assert!(Instant::now() < deadline, "{:?}", record_of(app, zoe).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(open_messages(app).await, 0);
    }

    async fn tenants_that_share_robots_do_not_wait_for_each_other_in_a_circle(app: &TestApp) {
        let town = app.settle().await;
        let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the keys");
        let origins = RobotOrigins::parse(&app.sandbox_origin).expect("an origin");
        let webhooks = [DINGTALK, OTHER_DINGTALK].map(|token| {
            RobotAddress::parse(Channel::DingTalk, &app.robot(RobotKind::DingTalk, token), &origins).expect("an address")
        });
        let now = app.clock.now();
        // In one tenant the robots' ids run the other way than in the other one.
        let upsert = move |c: &mut belfry::db::AnyConnection| {
            for (tenant, order) in [(town.ours, [0, 1]), (town.theirs, [1, 0])] {
                for place in order {
                    delivery::upsert_robot(c, &keys, tenant, &webhooks[place], None, now)?;
                }
            }
            Ok(())
        };
        app.db.write(upsert).await.expect("robots");
        let ring = async |tenant: TenantId| {
            app.db.write(move |c| {
                let ids = robots::table.filter(robots::tenant.eq(tenant)).order(robots::id).select(robots::id).load(c)?;
                let notice = |robot| Notice {
                    tenant,
                    kind: DeliveryKind::Firing,
                    title: "Dataphin: an alert".to_owned(),
                    body: String::new(),
                    robot,
                    member: None,
                    recipient: String::new(),
                    requested_by: None,
                    alert: None,
                };
                Ok(delivery::enqueue_all(c, ids.into_iter().map(notice).collect(), now)?.len())
            }).await
        };
        let rung = futures_util::future::join_all((0..60).map(|n| ring(if n % 2 == 0 { town.ours } else { town.theirs })));
        assert!(rung.await.into_iter().all(|rung| matches!(rung, Ok(2))));
    }

    async fn saving_a_new_robot_of_each_channel_rings_its_group_once(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let dingtalk = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default().with_secret(SECRET));
        let lark = app.robot_in(RobotKind::Lark, LARK, Group::default().with_secret("a-lark-secret"));
        let wecom = app.robot_in(RobotKind::WeCom, WECOM, Group::default());
        let fields = [
            ("dingtalk_robot", dingtalk.as_str()),
            ("dingtalk_secret", SECRET),
            ("lark_robot", &lark),
            ("lark_secret", "a-lark-secret"),
            ("wecom_robot", &wecom),
        ];
        save(&mut sam, town.mia, &fields).await;
        for token in [DINGTALK, LARK, WECOM] {
            let heard = hears(app, token, 1).await;
            assert!(heard[0].contains("Dataphin") && heard[0].contains("mia"), "{heard:?}");
        }
        // Saving again without a change, or with another phone number, rings nobody.
        save(&mut sam, town.mia, &[("phone", "+1 212 555 0123")]).await;
        save(&mut sam, town.mia, &fields).await;
        let deliveries = dump(&app.db).await["deliveries"].len();
        assert_eq!(deliveries, 3);
    }

    async fn a_channel_that_is_off_sends_nothing_and_the_dialog_says_so_with_a_link(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook)]).await;
        assert!(dump(&app.db).await["deliveries"].is_empty());
        let page = sam.get(&edit(town.mia)).await.is(200);
        assert_eq!(page.attribute(".warn a", "href").as_deref(), Some("/t/ours/settings/message-channel"));
        assert!(app.sandbox.calls(DINGTALK).is_empty());
    }

    async fn a_tenants_own_switches_decide_when_it_chose_custom(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        let lark = app.robot(RobotKind::Lark, LARK);
        sam.post("/t/ours/settings/message-channel", &[("mode", "custom"), ("on", "lark")]).await.is(303);
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook), ("lark_robot", &lark)]).await;
        hears(app, LARK, 1).await;
        assert_eq!(dump(&app.db).await["deliveries"].len(), 1);
    }

    async fn a_test_message_shows_the_robots_true_answer(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default());
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook)]).await;
        hears(app, DINGTALK, 1).await;
        let path = format!("/t/ours/members/{}/test", town.mia);
        let mut answer = async |what: &str| {
            let page = sam.post(&path, &[]).await.is(200);
            let notes = page.texts("dialog .note");
            assert_eq!(notes.len(), 1, "{what}: {notes:?}");
            (page.attribute("dialog .note", "class").unwrap_or_default(), notes[0].clone())
        };
        let (class, _) = answer("open").await;
        assert_eq!(class, "note good");
        let cases: [(&str, Change, &str); 4] = [
            ("keyword", |group| group.keywords = vec!["other".to_owned()], "Keyword not accepted"),
            ("signature", |group| group.secret = Some(SECRET.to_owned()), "Invalid signature"),
            ("disabled", |group| group.status = RobotStatus::Disabled, "disabled"),
            ("reset", |group| group.status = RobotStatus::TokenReset, "Unknown token"),
        ];
        for (what, change, words) in cases {
            app.sandbox.update_group(DINGTALK, |group| {
                *group = Group::default().with_keyword("Dataphin");
                change(group);
            });
            let (class, note) = answer(what).await;
            assert_eq!(class, "note bad", "{what}: {note}");
            assert!(note.contains(words), "{what}: {note}");
        }
    }

    async fn http_200_alone_is_no_success(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        for fault in [InjectedFault::HtmlPage, InjectedFault::TruncatedBody, InjectedFault::EmptyBody, InjectedFault::FirewallBan] {
            app.sandbox.inject_fault(DINGTALK, fault.clone(), None);
            let page =
                sam.post(&format!("/t/ours/members/{}/test", town.mia), &[("dingtalk_robot", &webhook)]).await.is(200);
            assert!(!page.attribute("dialog .note", "class").unwrap_or_default().contains("good"), "{fault:?}");
            app.sandbox.clear_faults(DINGTALK);
            app.clock.advance(TimeDelta::minutes(11));
        }
    }

    async fn a_secret_that_is_typed_after_a_test_is_kept_with_the_tested_robot(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default().with_secret(SECRET));
        let test = format!("/t/ours/members/{}/test", town.mia);
        let page = sam.post(&test, &[("dingtalk_robot", &webhook)]).await.is(200);
        assert_eq!(page.attribute("dialog .note", "class").as_deref(), Some("note bad"));
        let tested = page.attribute("input[name=tested]", "value").expect("the tested robot");
        let page = sam.post(&test, &[("tested", &tested), ("dingtalk_secret", SECRET)]).await.is(200);
        assert_eq!(page.attribute("dialog .note", "class").as_deref(), Some("note good"));
        let tested = page.attribute("input[name=tested]", "value").expect("the tested robot");
        save(&mut sam, town.mia, &[("tested", &tested)]).await;
        hears(app, DINGTALK, 2).await;
        let mut theo = app.log_in("theo").await;
        theo.post(&format!("/t/theirs/members/{}/edit", town.tom), &[("tested", &tested)]).await.is(404);
    }

    async fn a_webhook_and_its_secret_outlive_a_mistake_in_another_field(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default().with_secret(SECRET));
        let edit = format!("/t/ours/members/{}/edit", town.mia);
        let wrong = [("dingtalk_robot", webhook.as_str()), ("dingtalk_secret", SECRET), ("phone", "12")];
        let page = sam.post(&edit, &wrong).await.is(422);
        assert!(!page.body.contains(DINGTALK) && !page.body.contains(SECRET));
        let typed = page.attributes("input[name=typed]", "value");
        let typed: Vec<(&str, &str)> = typed.iter().map(|typed| ("typed", typed.as_str())).collect();
        assert_eq!(typed.len(), 2);
        // It is kept over a second mistake too.
        let again = sam.post(&edit, &[&typed[..], &[("email", "nobody")]].concat()).await.is(422);
        let typed = again.attributes("input[name=typed]", "value");
        let typed: Vec<(&str, &str)> = typed.iter().map(|typed| ("typed", typed.as_str())).collect();
        save(&mut sam, town.mia, &typed).await;
        hears(app, DINGTALK, 1).await;
        let mut theo = app.log_in("theo").await;
        theo.post(&format!("/t/theirs/members/{}/edit", town.tom), &typed).await.is(400);
    }

    async fn a_secret_without_a_robot_is_refused_beside_its_field(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let edit = format!("/t/ours/members/{}/edit", town.mia);
        for fields in [&[("lark_secret", SECRET)][..], &[("lark_secret", SECRET), ("phone", "+1 212 555 0123")]] {
            let page = sam.post(&edit, fields).await.is(422);
            assert!(page.text("#e-lark_secret").contains("no robot"), "{}", page.body);
        }
        assert_eq!(sam.get(&edit).await.is(200).attribute("#f-phone", "value").as_deref(), Some(""));
        // One that is removed does not keep its secret.
        save(&mut sam, town.mia, &[("lark_robot", &app.robot(RobotKind::Lark, LARK))]).await;
        sam.post(&edit, &[("lark_secret", SECRET), ("remove", "lark")]).await.is(422);
    }

    async fn a_plain_member_does_not_change_the_secret_of_a_robot_that_rings_for_others(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot_in(RobotKind::DingTalk, DINGTALK, Group::default().with_secret(SECRET));
        sam.post("/t/ours/me", &[("dingtalk_robot", &webhook), ("dingtalk_secret", SECRET)]).await.leads_to("/t/ours/me");
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook)]).await;
        let mut mia = app.log_in("mia").await;
        for change in [
            vec![("dingtalk_secret", "SECanother")],
            vec![("remove", "secret_dingtalk")],
            vec![("dingtalk_robot", webhook.as_str()), ("dingtalk_secret", "SECanother")],
        ] {
            let page = mia.post("/t/ours/me", &change).await.is(422);
            assert!(page.text("#e-dingtalk_secret").contains("administrator"), "{change:?}");
        }
        save(&mut sam, town.mia, &[("dingtalk_secret", SECRET), ("phone", "+1 212 555 0123")]).await;
    }

    async fn test_messages_to_one_robot_are_bounded(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        let test = format!("/t/ours/members/{}/test", town.mia);
        for _ in 0..10 {
            sam.post(&test, &[("dingtalk_robot", &webhook)]).await.is(200);
        }
        let page = sam.post(&test, &[("dingtalk_robot", &webhook)]).await.is(422);
        assert!(!page.text("#e-dingtalk_robot").is_empty());
        app.clock.advance(TimeDelta::seconds(61));
        sam.post(&test, &[("dingtalk_robot", &webhook)]).await.is(200);
        hears(app, DINGTALK, 11).await;
    }

    async fn every_generation_of_success_is_understood(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let robots = [
            (RobotKind::DingTalk, DINGTALK, "dingtalk_robot"),
            (RobotKind::Lark, LARK, "lark_robot"),
            (RobotKind::WeCom, WECOM, "wecom_robot"),
        ];
        for (kind, token, field) in robots {
            for wording in [ApiGeneration::Old, ApiGeneration::Middle, ApiGeneration::New, ApiGeneration::NewChinese] {
                let webhook = app.robot_in(kind, token, Group::default().with_generation(wording));
                let page = sam.post(&format!("/t/ours/members/{}/test", town.mia), &[(field, &webhook)]).await.is(200);
                assert_eq!(
                    page.attribute("dialog .note", "class").as_deref(),
                    Some("note good"),
                    "{kind:?} {wording:?}"
                );
            }
        }
    }

    async fn a_dead_robot_makes_no_form_wait(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        app.sandbox.inject_fault(DINGTALK, InjectedFault::NeverAnswers, None);
        let begun = Instant::now();
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook)]).await;
        save(&mut sam, town.mia, &[("phone", "+1 212 555 0123")]).await;
        assert!(begun.elapsed() < WHOLE_CALL, "{:?}", begun.elapsed());
        assert_eq!(dump(&app.db).await["deliveries"].len(), 1);
    }

    async fn a_robot_that_was_down_hears_it_when_it_is_back(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        app.sandbox.inject_fault(DINGTALK, InjectedFault::Status(502), Some(2));
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook)]).await;
        for calls in 1..=2 {
            recorded(app, calls).await;
            app.clock.advance(TimeDelta::seconds(40));
        }
        hears(app, DINGTALK, 1).await;
        app.clock.advance(TimeDelta::minutes(30));
        assert_eq!(app.sandbox.delivered_messages(DINGTALK).len(), 1);
    }

    async fn what_is_queued_goes_out_after_a_start_of_another_process(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        app.sandbox.inject_fault(DINGTALK, InjectedFault::Status(502), Some(1));
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook)]).await;
        recorded(app, 1).await;
        app.another().await;
        app.clock.advance(TimeDelta::seconds(40));
        hears(app, DINGTALK, 1).await;
    }

    async fn two_members_may_share_a_robot_and_the_dialog_says_who(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        save(&mut sam, town.mia, &[("dingtalk_robot", &webhook)]).await;
        sam.post("/t/ours/me", &[("dingtalk_robot", &webhook)]).await.leads_to("/t/ours/me");
        let page = sam.get(&edit(town.mia)).await.is(200);
        assert!(page.text(".robot-field").contains("sam"), "{}", page.text(".robot-field"));
        assert_eq!(dump(&app.db).await["robots"].len(), 1);
    }
}

const SLOW: Tweaks = Tweaks { flags: &["--retry-schedule", "1h,24h,4h"], only_database: false };

async fn try_again_in_an_hour(app: &TestApp) {
    let town = app.settle().await;
    app.switch_on().await;
    let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
    app.sandbox.inject_fault(DINGTALK, InjectedFault::Busy, Some(1));
    let before = app.clock.now();
    save(&mut app.log_in("sam").await, town.mia, &[("dingtalk_robot", &webhook)]).await;
    recorded(app, 1).await;
    let due = app.db.read(|c| Ok(messages::table.select(messages::due_at).first::<chrono::NaiveDateTime>(c)?));
    let pause = due.await.expect("the message waits") - before;
    assert!(pause >= TimeDelta::hours(1) && pause < TimeDelta::minutes(73), "{pause}");
    app.clock.advance(TimeDelta::minutes(73));
    hears(app, DINGTALK, 1).await;
}

#[test]
fn a_message_is_tried_again_by_the_schedule_that_the_operator_set_on_sqlite() {
    run_with(Backend::Sqlite, SLOW, try_again_in_an_hour);
}

#[test]
fn a_message_is_tried_again_by_the_schedule_that_the_operator_set_on_postgres() {
    run_with(Backend::Postgres, SLOW, try_again_in_an_hour);
}
