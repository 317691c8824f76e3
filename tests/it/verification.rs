//! Verified contacts: a code goes into the robot's group, and only who reads it there makes the contact a verified one.

use std::time::Duration;

use belfry::{
    access::Role,
    db::MemberId,
    sandbox::{Group, InjectedFault, RobotKind},
};
use chrono::TimeDelta;

use crate::harness::{Answer, Backend, PASSWORD, Process, TestApp, Tweaks, User, dump, run_with};

const PATIENCE: Duration = Duration::from_secs(20);

const DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0001";
const OTHER: &str = "00000000000000000000000000000000000000000000000000000000fake0005";
const LARK: &str = "00000000-0000-4000-8000-0000fake0002";
const SECRET: &str = "SECfake0000000000000000000000000000000000000000000000000000000004";

const ME: &str = "/t/ours/me";
const VERIFY: &str = "/t/ours/me/verify";
const CONFIRM: &str = "/t/ours/me/confirm";
const ON_DINGTALK: (&str, &str) = ("channel", "dingtalk");
const BADGE: &str = ".stored .badge:not(.off)";

/// The codes that a group has heard, oldest first.
fn codes(app: &TestApp, token: &str) -> Vec<String> {
    let heard = app.sandbox.delivered_messages(token).into_iter();
    let code = |text: &str| Some(text.split("Verification code: ").nth(1)?.chars().take(6).collect());
    heard.filter_map(|heard| code(&heard.message.text)).collect()
}

/// The newest code in a group, once it has heard so many.
async fn code(app: &TestApp, token: &str, count: usize) -> String {
    let heard = |calls: &[belfry::sandbox::RecordedCall]| {
        calls.iter().filter(|call| call.delivered_message().is_some()).count() >= count
    };
    assert!(app.sandbox.wait_for_calls(token, heard, PATIENCE).await, "{token} heard too little");
    codes(app, token).last().cloned().expect("a code in the group")
}

/// A code that is not this one.
fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().expect("digits") + 1) % 1_000_000)
}

/// Gives somebody a robot by his own page.
async fn reach(app: &TestApp, user: &mut User, token: &str) -> String {
    let webhook = app.robot(RobotKind::DingTalk, token);
    user.post(ME, &[("dingtalk_robot", &webhook)]).await.leads_to(ME);
    webhook
}

/// Presses Verify and reads the code in the group.
async fn ask(app: &TestApp, user: &mut User, token: &str) -> String {
    let before = codes(app, token).len();
    let page = user.post(VERIFY, &[ON_DINGTALK]).await.is(200);
    assert_eq!(page.attribute(".note", "class").as_deref(), Some("note good"), "{}", page.body);
    let codes = codes(app, token);
    assert_eq!(codes.len(), before + 1, "the answer is shown once the group has the code");
    codes.last().cloned().expect("a code")
}

async fn confirm(user: &mut User, code: &str) -> Answer {
    user.post(CONFIRM, &[ON_DINGTALK, ("code", code)]).await
}

async fn badge(user: &mut User) -> String {
    user.get(ME).await.is(200).text(BADGE)
}

fn edit(id: MemberId) -> String {
    format!("/t/ours/members/{id}/edit")
}

/// Whether a text holds a code as a number of its own, not inside a longer one nor behind the point of a time.
fn holds(text: &str, code: &str) -> bool {
    text.match_indices(code).any(|(place, _)| {
        let before = text[..place].chars().next_back();
        let after = text[place + code.len()..].chars().next();
        let continues = |c: char| c.is_ascii_alphanumeric();
        !before.is_some_and(|c| continues(c) || c == '.') && !after.is_some_and(continues)
    })
}

on_both! {
    async fn a_robot_that_rests_is_named_with_the_time_that_is_left(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        reach(app, &mut mia, DINGTALK).await;
        ask(app, &mut mia, DINGTALK).await;
        for (seconds, unit) in [(40, "seconds"), (240, "minutes")] {
            app.sandbox.inject_fault(DINGTALK, InjectedFault::TooManyRequests(Duration::from_secs(seconds)), Some(1));
            for path in [VERIFY, "/t/ours/me/test"] {
                let page = mia.post(path, &[ON_DINGTALK]).await.is(200);
                let note = page.text(".note.bad");
                let left = note.split("Try again in ").nth(1).unwrap_or_else(|| panic!("{path}: {note}"));
                let (number, rest) = left.split_once(' ').expect("a number and a unit");
                let number: u64 = number.parse().expect("a number");
                let most = if unit == "minutes" { seconds / 60 } else { seconds } + 1;
                assert!(rest.starts_with(unit) && number <= most && number + 10 > most, "{path}: {note}");
            }
            app.clock.advance(TimeDelta::minutes(20));
        }
    }

    async fn who_types_in_the_code_from_his_group_is_verified(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        reach(app, &mut mia, DINGTALK).await;
        assert_eq!(badge(&mut mia).await, "Unverified");
        let code = ask(app, &mut mia, DINGTALK).await;
        let page = mia.get(ME).await.is(200);
        assert_eq!(page.attribute("#f-dingtalk_code", "form").as_deref(), Some("confirm-dingtalk"), "it waits for the code");
        confirm(&mut mia, &format!(" {} {} ", &code[..3], &code[3..])).await.leads_to(ME);
        assert_eq!(badge(&mut mia).await, "Verified");
        let mut sam = app.log_in("sam").await;
        let list = sam.get("/t/ours/members?q=mia").await.is(200);
        assert_eq!(list.texts("tbody .robot.verified"), ["Dingtalk Robot …0001 · Verified"]);
        sam.language = "zh-CN";
        let list = sam.get("/t/ours/members?q=mia").await.is(200);
        assert!(list.text("tbody .robot.verified").ends_with("· 已验证"));
        // The button pressed twice does no harm, and nothing is proved twice.
        confirm(&mut mia, &code).await.leads_to(ME);
        let audit = dump(&app.db).await["audit"].clone();
        let verified: Vec<&String> = audit.iter().filter(|row| row.contains("contact-verified")).collect();
        assert_eq!(verified.len(), 1, "{audit:?}");
        assert!(audit.iter().all(|row| !holds(row, &code)), "{audit:?}");
    }

    async fn an_administrator_sends_the_code_and_types_in_what_the_member_tells_him(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        sam.post(&edit(town.mia), &[("dingtalk_robot", &webhook)]).await.leads_to("/t/ours/members");
        let at = |page: &str| format!("/t/ours/members/{}/{page}?q=mia", town.mia);
        let page = sam.post(&at("verify"), &[ON_DINGTALK]).await.is(200);
        assert_eq!(page.attribute("dialog .note", "class").as_deref(), Some("note good"));
        assert_eq!(page.attribute("#confirm-dingtalk", "action").as_deref(), Some(at("confirm").as_str()));
        let code = code(app, DINGTALK, 2).await;
        let page = sam.post(&at("confirm"), &[ON_DINGTALK, ("code", &another(&code))]).await.is(422);
        assert_eq!(page.attribute("#f-dingtalk_code", "aria-invalid").as_deref(), Some("true"));
        sam.post(&at("confirm"), &[ON_DINGTALK, ("code", &code)]).await.leads_to(&at("edit"));
        assert_eq!(sam.get(&edit(town.mia)).await.text("dialog .stored .badge"), "Verified");
        let mut mia = app.log_in("mia").await;
        assert_eq!(badge(&mut mia).await, "Verified");
    }

    async fn after_five_wrong_codes_the_right_one_is_wrong_too(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        reach(app, &mut mia, DINGTALK).await;
        let code = ask(app, &mut mia, DINGTALK).await;
        for unreadable in ["", "12345", "no code"] {
            confirm(&mut mia, unreadable).await.is(422);
        }
        for tried in 1..=5 {
            let page = confirm(&mut mia, &another(&code)).await.is(422);
            assert_eq!(page.texts("input.code").len(), usize::from(tried < 5), "after {tried}");
            assert!(!page.text("#e-dingtalk_code").is_empty());
        }
        confirm(&mut mia, &code).await.is(422);
        assert_eq!(badge(&mut mia).await, "Unverified");
        let next = ask(app, &mut mia, DINGTALK).await;
        confirm(&mut mia, &next).await.leads_to(ME);
    }

    async fn a_code_counts_for_ten_minutes_and_until_there_is_another(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        reach(app, &mut mia, DINGTALK).await;
        let first = ask(app, &mut mia, DINGTALK).await;
        app.clock.advance(TimeDelta::minutes(10));
        let page = confirm(&mut mia, &first).await.is(422);
        assert!(page.text("#e-dingtalk_code").contains("ten minutes") && page.texts("input.code").is_empty());
        let second = ask(app, &mut mia, DINGTALK).await;
        let third = ask(app, &mut mia, DINGTALK).await;
        if second != third {
            confirm(&mut mia, &second).await.is(422);
        }
        app.clock.advance(TimeDelta::minutes(9));
        confirm(&mut mia, &third).await.leads_to(ME);
    }

    async fn everybody_in_a_shared_group_verifies_for_himself(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let (mut mia, mut sam) = (app.log_in("mia").await, app.log_in("sam").await);
        reach(app, &mut mia, DINGTALK).await;
        reach(app, &mut sam, DINGTALK).await;
        let of_mia = ask(app, &mut mia, DINGTALK).await;
        confirm(&mut sam, &of_mia).await.is(422);
        let of_sam = ask(app, &mut sam, DINGTALK).await;
        if of_sam != of_mia {
            confirm(&mut sam, &of_mia).await.is(422);
            confirm(&mut mia, &of_sam).await.is(422);
        }
        confirm(&mut mia, &of_mia).await.leads_to(ME);
        assert_eq!((badge(&mut mia).await.as_str(), badge(&mut sam).await.as_str()), ("Verified", "Unverified"));
        let mut theo = app.log_in("theo").await;
        for page in ["verify", "confirm"] {
            let path = format!("/t/theirs/members/{}/{page}", town.mia);
            theo.post(&path, &[ON_DINGTALK, ("code", &of_sam)]).await.is(404);
        }
    }

    async fn another_robot_has_to_be_verified_anew_and_another_secret_not(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        let webhook = reach(app, &mut mia, DINGTALK).await;
        let other = app.robot(RobotKind::DingTalk, OTHER);
        // The robot is changed while its code is out, and changed back.
        let old = ask(app, &mut mia, DINGTALK).await;
        mia.post(ME, &[("dingtalk_robot", &other)]).await.leads_to(ME);
        confirm(&mut mia, &old).await.is(422);
        mia.post(ME, &[("dingtalk_robot", &webhook)]).await.leads_to(ME);
        confirm(&mut mia, &old).await.is(422);
        let code = ask(app, &mut mia, DINGTALK).await;
        confirm(&mut mia, &code).await.leads_to(ME);
        app.sandbox.update_group(DINGTALK, |group| *group = Group::default().with_keyword("Dataphin").with_secret(SECRET));
        mia.post(ME, &[("dingtalk_secret", SECRET), ("phone", "+1 212 555 0123")]).await.leads_to(ME);
        mia.post(ME, &[("dingtalk_robot", &webhook)]).await.leads_to(ME);
        assert_eq!(badge(&mut mia).await, "Verified");
        mia.post(ME, &[("dingtalk_robot", &other)]).await.leads_to(ME);
        assert_eq!(badge(&mut mia).await, "Unverified");
        mia.post(ME, &[("remove", "dingtalk")]).await.leads_to(ME);
        mia.post(VERIFY, &[ON_DINGTALK]).await.is(422);
        mia.post(ME, &[("dingtalk_robot", &webhook)]).await.leads_to(ME);
        assert_eq!(badge(&mut mia).await, "Unverified");
        // Whoever is removed leaves no code behind.
        ask(app, &mut mia, DINGTALK).await;
        assert_eq!(dump(&app.db).await["verifications"].len(), 1);
        let mut sam = app.log_in("sam").await;
        sam.post(&format!("/t/ours/members/{}/remove", town.mia), &[]).await.leads_to("/t/ours/members");
        assert!(dump(&app.db).await["verifications"].is_empty());
    }

    async fn the_page_shows_what_the_robot_answered_and_a_broken_contact_as_broken(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        reach(app, &mut mia, DINGTALK).await;
        let code = ask(app, &mut mia, DINGTALK).await;
        confirm(&mut mia, &code).await.leads_to(ME);
        app.sandbox.update_group(DINGTALK, |group| *group = Group::default().with_keyword("another word"));
        for _ in 0..2 {
            let page = mia.post(VERIFY, &[ON_DINGTALK]).await.is(200);
            assert_eq!(page.attribute(".note", "class").as_deref(), Some("note bad"));
            assert!(page.text(".note").contains("Keyword not accepted"), "{}", page.text(".note"));
            assert!(page.texts("input.code").is_empty(), "nobody has that code");
        }
        assert_eq!(badge(&mut mia).await, "Broken");
        let list = app.log_in("sam").await.get("/t/ours/members?q=mia").await.is(200);
        assert_eq!(list.texts("tbody .robot.broken"), ["Dingtalk Robot …0001 · Broken"]);
        // It goes out to a broken robot all the same, and mends it; what was proved still holds.
        app.sandbox.update_group(DINGTALK, |group| *group = Group::default().with_keyword("Dataphin"));
        ask(app, &mut mia, DINGTALK).await;
        assert_eq!(badge(&mut mia).await, "Verified");
    }

    async fn codes_and_test_messages_to_one_robot_are_bounded_together(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        reach(app, &mut mia, DINGTALK).await;
        for _ in 0..5 {
            ask(app, &mut mia, DINGTALK).await;
            mia.post("/t/ours/me/test", &[]).await.is(200);
        }
        let page = mia.post(VERIFY, &[ON_DINGTALK]).await.is(422);
        assert!(page.text("#e-dingtalk_code").contains("within a minute"));
        mia.post("/t/ours/me/test", &[]).await.is(422);
        app.clock.advance(TimeDelta::seconds(61));
        ask(app, &mut mia, DINGTALK).await;
    }
}

/// A code is in the group and nowhere else: not in a row, while it is on its way or after, not on a page, not in the log at
/// its most talkative.
async fn leave_a_code(app: &TestApp) {
    let ours = app.tenant("ours", "sue").await;
    app.member(ours, "mia", Role::Member).await;
    app.switch_on().await;
    let settings = app.settings();
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("BELFRY_LOG", "trace"));
    let process = Process::start(app.folder(), &settings);
    let mut mia = app.visitor().at(&process.origin);
    mia.log_in("mia", PASSWORD).await.is(303);
    let (dingtalk, lark) = (app.robot(RobotKind::DingTalk, DINGTALK), app.robot(RobotKind::Lark, LARK));
    mia.post(ME, &[("dingtalk_robot", &dingtalk), ("lark_robot", &lark)]).await.leads_to(ME);
    for token in [DINGTALK, LARK] {
        let heard = app.sandbox.wait_for_calls(token, |calls| !calls.is_empty(), PATIENCE);
        assert!(heard.await, "{token}");
    }
    let mut pages = vec![mia.post(VERIFY, &[ON_DINGTALK]).await.is(200)];
    let delivered = code(app, DINGTALK, 2).await;
    // The group has it, but its robot does not answer yet: the delivery is on its way for longer than the page waits.
    app.sandbox.inject_fault(LARK, InjectedFault::Delay(Duration::from_secs(8)), Some(1));
    pages.push(mia.post(VERIFY, &[("channel", "lark")]).await.is(200));
    assert_eq!(pages[1].attribute(".note", "class").as_deref(), Some("note wait"));
    let on_its_way = code(app, LARK, 2).await;
    let rows = dump(&app.db).await;
    assert!(rows["deliveries"].iter().any(|row| row.contains("sending")), "{:?}", rows["deliveries"]);
    let mut sue = app.visitor().at(&process.origin);
    sue.log_in("sue", PASSWORD).await.is(303);
    let paths = ["/t/ours", "/t/ours/members", "/t/ours/audit", "/t/ours/deliveries"].map(str::to_owned);
    for path in paths.into_iter().chain((1..=4).map(|delivery| format!("/t/ours/deliveries/{delivery}"))) {
        pages.push(sue.get(&path).await.is(200));
    }
    assert!(pages.iter().any(|page| page.body.contains("Verification code: ••••••")), "the record shows it masked");
    let of_dingtalk = [ON_DINGTALK, ("code", delivered.as_str())];
    pages.push(mia.post(CONFIRM, &of_dingtalk).await.is(303));
    for code in [&delivered, &on_its_way] {
        for page in &pages {
            assert!(!holds(&format!("{:?} {}", page.headers, page.body), code), "{code} in {}", page.body);
        }
        for (table, rows) in [&rows, &dump(&app.db).await].into_iter().flatten() {
            assert!(!rows.iter().any(|row| holds(row, code)), "{code} in {table}: {rows:?}");
        }
    }
    process.signal("TERM");
    let (log, status) = process.wait_with_log();
    assert!(status.success());
    assert!(log.contains("a robot was called"), "the log is silent: {log}");
    for line in log.lines() {
        assert!(!holds(line, &delivered) && !holds(line, &on_its_way), "{line}");
    }
}

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };

#[test]
fn no_code_is_found_outside_its_group_on_sqlite() {
    run_with(Backend::Sqlite, REAL, leave_a_code);
}

#[test]
fn no_code_is_found_outside_its_group_on_postgres() {
    run_with(Backend::Postgres, REAL, leave_a_code);
}

#[test]
fn a_code_is_seen_as_a_number_of_its_own() {
    assert!(holds("code: 012345, sent", "012345") && holds("012345", "012345"));
    assert!(!holds("2026-01-01 00:00:00.012345", "012345") && !holds("id 9012345", "012345"));
}
