//! `kill -9` at random moments while members are being saved: what was answered is there, and each changed robot has its
//! message, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use belfry::{
    access::Role,
    db::{AnyConnection, MemberId},
    sandbox::RobotKind,
    secrets::random_bytes,
};

use crate::harness::{Backend, PASSWORD, Process, TestApp, Tweaks, User, lines, run_with};

const KILLS: usize = 20;
/// People who save at the same time, each another member.
const SAVERS: usize = 3;
/// No saver saves more often in one life of the process: the sandbox remembers a thousand robots.
const SAVES: usize = 12;

/// What one saver did, over all lives of the process. A save is known by the last four characters of its webhook's token.
#[derive(Default)]
struct Diary {
    /// Answered with 303, in order.
    answered: Vec<String>,
    /// Sent, and killed before the answer came.
    unanswered: BTreeSet<String>,
}

/// A token that no other save has: its last four characters are a number of their own.
fn token(number: usize) -> String {
    format!("{:0>60}{number:04}", "fake")
}

async fn save_until_killed(
    mut user: User,
    csrf: String,
    app: &TestApp,
    member: MemberId,
    first: usize,
    diary: &Mutex<Diary>,
) {
    for number in first..first + SAVES {
        let token = token(number);
        let tag = token[60..].to_owned();
        let webhook = RobotKind::DingTalk.webhook_url(&app.sandbox_origin, &token);
        let email = format!("save-{tag}@corp.example");
        let fields = [("role", "member"), ("email", email.as_str()), ("dingtalk_robot", &webhook)];
        let answer = user.post_with(&csrf, &format!("/t/ours/members/{member}/edit"), &fields).await;
        let mut diary = diary.lock().unwrap();
        match answer {
            Ok(status) => {
                assert_eq!(status, 303, "save {tag}");
                diary.answered.push(tag);
            }
            Err(_) => {
                diary.unanswered.insert(tag);
                return;
            }
        }
    }
}

async fn kill_and_count(app: &TestApp) {
    let ours = app.tenant("ours", "sue").await;
    app.switch_on().await;
    app.sandbox.create_on_first_use("Dataphin");
    let mut savers = Vec::new();
    for number in 0..SAVERS {
        let member = app.member(ours, &format!("member-{number}"), Role::Member).await;
        savers.push((member, Arc::new(Mutex::new(Diary::default()))));
    }
    let settings = app.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut sue = app.visitor();
    for life in 0..KILLS {
        let process = Process::start(app.folder(), &settings);
        sue = sue.at(&process.origin);
        if life == 0 {
            sue.log_in("sue", PASSWORD).await.is(303);
        }
        let csrf = sue.token().await;
        let saving = savers.iter().enumerate().map(|(place, (member, diary))| {
            let first = (life * SAVERS + place) * SAVES;
            save_until_killed(sue.clone(), csrf.clone(), app, *member, first, diary)
        });
        let [low, high] = random_bytes::<2>().expect("random bytes");
        let moment = Duration::from_micros(u64::from(u16::from_le_bytes([low, high])) * 4);
        let killing = async {
            tokio::time::sleep(moment).await;
            process.kill();
        };
        tokio::join!(futures_util::future::join_all(saving), killing);
    }

    let process = Process::start(app.folder(), &settings);
    let answered: usize = savers.iter().map(|(_, diary)| diary.lock().unwrap().answered.len()).sum();
    let cut_off: usize = savers.iter().map(|(_, diary)| diary.lock().unwrap().unanswered.len()).sum();
    eprintln!("{answered} saves answered, {cut_off} cut off by a kill");
    assert!(cut_off > 0, "no kill came while a save was on its way");
    assert!(answered >= KILLS, "only {answered} saves were answered: the kills came too early to show anything");
    all_are_delivered(app).await;
    for (member, diary) in &savers {
        let diary = std::mem::take(&mut *diary.lock().unwrap());
        check(app, *member, &diary).await;
    }
    process.signal("TERM");
    assert!(process.wait().0.success());
}

/// Waits until nothing waits any more.
async fn all_are_delivered(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let states: Vec<String> = query(app, "SELECT state || ' ' || reason AS line FROM deliveries".to_owned()).await;
        let waiting = states.iter().filter(|state| !state.starts_with("success")).count();
        if waiting == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting} of {} wait: {states:?}", states.len());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn check(app: &TestApp, member: MemberId, diary: &Diary) {
    let emails = query(app, format!("SELECT email AS line FROM members WHERE id = {member}")).await;
    let last = diary.answered.last().cloned().unwrap_or_default();
    let possible: Vec<String> = diary
        .unanswered
        .iter()
        .filter(|tag| **tag > last)
        .chain([&last])
        .map(|tag| format!("save-{tag}@corp.example"))
        .collect();
    assert!(possible.contains(&emails[0]), "{} is none of {possible:?}", emails[0]);

    let tags = query(
        app,
        format!(
            "SELECT r.last_four AS line FROM deliveries d JOIN robots r ON r.id = d.robot
             WHERE d.kind = 'member_saved' AND d.member = {member}"
        ),
    )
    .await;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tag in &tags {
        *counts.entry(tag).or_default() += 1;
    }
    for tag in &diary.answered {
        assert_eq!(counts.remove(tag.as_str()), Some(1), "deliveries of the answered save {tag}");
        assert!(
            !app.sandbox.delivered_messages(&token(tag.parse().unwrap())).is_empty(),
            "the group of save {tag} heard nothing"
        );
    }
    for (tag, count) in counts {
        assert!(diary.unanswered.contains(tag) && count == 1, "save {tag} has {count} deliveries");
    }
}

async fn query(app: &TestApp, query: String) -> Vec<String> {
    app.db.read(move |c: &mut AnyConnection| lines(c, query)).await.expect("the database can be read")
}

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };

#[test]
fn twenty_kills_lose_no_answered_save_and_double_none_on_sqlite() {
    run_with(Backend::Sqlite, REAL, kill_and_count);
}

#[test]
fn twenty_kills_lose_no_answered_save_and_double_none_on_postgres() {
    run_with(Backend::Postgres, REAL, kill_and_count);
}
