//! Processes on one Postgres: what one writes, another delivers at once, and also after the connection on which it is told was
//! lost.

use std::time::{Duration, Instant};

use belfry::{
    access::Role,
    db::{AnyConnection, MemberId},
    sandbox::RobotKind,
};
use diesel::{QueryableByName, RunQueryDsl as _, sql_query, sql_types::Integer};

use crate::harness::{Backend, TestApp, Tweaks, User, run_with};

const SERVES: Tweaks = Tweaks { flags: &["--serve-only"], only_database: false };
const DELIVERS: &[&str] = &["--deliver-only"];

const PATIENCE: Duration = Duration::from_secs(20);

/// A fraction of what a worker sleeps by itself: nearly all of several receipts within it are no luck.
const AT_ONCE: Duration = Duration::from_millis(1500);

/// Saves one more robot for a member, and answers how long its group waited for the message.
async fn rings_after(app: &TestApp, sue: &mut User, member: MemberId, number: u64) -> Duration {
    let token = format!("{number:064x}");
    let webhook = app.robot(RobotKind::DingTalk, &token);
    let saved = sue.post(&format!("/t/ours/members/{member}/edit"), &[("dingtalk_robot", &webhook)]).await;
    saved.leads_to("/t/ours/members");
    let since = Instant::now();
    let heard = app
        .sandbox
        .wait_for_calls(&token, |calls| calls.iter().any(|call| call.delivered_message().is_some()), PATIENCE)
        .await;
    assert!(heard, "group {number} heard nothing");
    since.elapsed()
}

/// Saves six more, from this number on: all but one, for which the machine may have been busy, are heard at once.
async fn six_ring_at_once(app: &TestApp, sue: &mut User, member: MemberId, first: u64) {
    let mut late = Vec::new();
    for number in first..first + 6 {
        let waited = rings_after(app, sue, member, number).await;
        late.extend((waited >= AT_ONCE).then_some((number, waited)));
    }
    assert!(late.len() <= 1, "groups that waited: {late:?}");
}

#[derive(QueryableByName)]
struct Listening {
    #[diesel(sql_type = Integer)]
    pid: i32,
}

/// The server's processes that listen for this test's database.
async fn listening(app: &TestApp) -> Vec<i32> {
    let query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'";
    let rows = app.db.read(move |c: &mut AnyConnection| Ok(sql_query(query).load::<Listening>(c)?));
    rows.await.expect("the server tells its connections").into_iter().map(|row| row.pid).collect()
}

/// Waits until somebody listens who did not before.
async fn listens_again(app: &TestApp, before: &[i32]) {
    let deadline = Instant::now() + PATIENCE;
    while listening(app).await.iter().all(|pid| before.contains(pid)) {
        assert!(Instant::now() < deadline, "nobody listens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn a_town_with_two_processes(app: &TestApp) -> (User, MemberId) {
    let ours = app.tenant("ours", "sue").await;
    app.switch_on().await;
    let mia = app.member(ours, "mia", Role::Member).await;
    app.another_with(DELIVERS).await;
    (app.log_in("sue").await, mia)
}

#[test]
fn what_one_process_writes_another_delivers_at_once() {
    run_with(Backend::Postgres, SERVES, async |app: &TestApp| {
        let (mut sue, mia) = a_town_with_two_processes(app).await;
        listens_again(app, &[]).await;
        six_ring_at_once(app, &mut sue, mia, 1).await;
    });
}

#[test]
fn a_process_that_lost_the_connection_it_listens_on_delivers_all_the_same_and_listens_again() {
    run_with(Backend::Postgres, SERVES, async |app: &TestApp| {
        let (mut sue, mia) = a_town_with_two_processes(app).await;
        listens_again(app, &[]).await;
        let lost = listening(app).await;
        let pids = lost.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
        let end = format!("SELECT pg_terminate_backend(pid) FROM unnest(ARRAY[{pids}]) AS pid");
        app.db.write(move |c| Ok(sql_query(end).execute(c)?)).await.expect("the connections are ended");
        rings_after(app, &mut sue, mia, 1).await;
        listens_again(app, &lost).await;
        six_ring_at_once(app, &mut sue, mia, 2).await;
    });
}

#[test]
fn on_sqlite_a_process_finds_by_itself_what_another_writes() {
    run_with(Backend::Sqlite, SERVES, async |app: &TestApp| {
        let (mut sue, mia) = a_town_with_two_processes(app).await;
        rings_after(app, &mut sue, mia, 1).await;
    });
}
