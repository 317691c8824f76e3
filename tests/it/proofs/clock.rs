//! Somebody sets the clock, the machine's or that of the database which all machines go by, by an hour or a day, forwards or backwards, while messages wait, rest, are sent and are to be
//! tried again: no robot gets a burst, no message is sent twice for a lease that seems to be over, none is tried again early,
//! and none waits for the clock to come round. And several machines whose own clocks differ by an hour take nothing from each
//! other, and keep the pace together.
//!
//! The robots have clocks of their own that nobody sets, and refuse whoever is too fast by those. The fast
//! form leaves two of the four changes out.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use belfry::sandbox::{CallVerdict, InjectedFault, RecordedCall, RobotKind};
use chrono::TimeDelta;

use super::{
    crew::{Crew, is_balanced, open, query},
    full, oracle,
    sender::Sender,
};
use crate::harness::{Backend, TestApp, Tweaks, run_with};

const WAITS: usize = 0;
const RESTS: usize = 1;
const IS_CALLED: usize = 2;
const TRIES_AGAIN: usize = 3;
const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until a robot has had so many calls.
async fn calls(app: &TestApp, token: &str, many: usize) -> Vec<RecordedCall> {
    let enough = app.sandbox.wait_for_calls(token, |calls| calls.len() >= many, PATIENCE).await;
    let calls = app.sandbox.calls(token);
    assert!(enough, "{} calls instead of {many}", calls.len());
    calls
}

/// Gives the delivery worker the time to do what it should not do: it looks at least once a second.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

async fn set_by(app: &TestApp, by: TimeDelta) {
    let crew = Crew::hire(app, [RobotKind::DingTalk, RobotKind::WeCom, RobotKind::Lark, RobotKind::Lark]).await;
    let robots: Vec<&str> = crew.robots.iter().map(|(_, token)| token.as_str()).collect();
    let sender = Sender::new(&crew);
    sender.post_to(vec![app.origin.clone()]);
    // A number's receiver is its remainder by four.
    let number = |robot: usize, place: u64| u64::try_from(robot).unwrap() + place * 4;

    // One robot answered "too fast" and rests for a minute; one lets its call wait; one has a fault that passes.
    app.sandbox.inject_fault(robots[RESTS], InjectedFault::TooManyRequests(Duration::from_secs(60)), Some(1));
    sender.store(number(RESTS, 0)).await;
    calls(app, robots[RESTS], 1).await;
    app.sandbox.inject_fault(robots[TRIES_AGAIN], InjectedFault::Status(502), Some(2));
    sender.store(number(TRIES_AGAIN, 0)).await;
    calls(app, robots[TRIES_AGAIN], 1).await;
    app.clock.advance(TimeDelta::seconds(6));
    // Now it waits half a minute.
    calls(app, robots[TRIES_AGAIN], 2).await;
    // A whole minute's messages have gone out, and more wait.
    sender.is_critical.store(true, Ordering::Relaxed);
    for (place, many) in (0..20).zip(1..) {
        sender.store(number(WAITS, place)).await;
        calls(app, robots[WAITS], many).await;
    }
    sender.store_all((20..24).map(|place| number(WAITS, place)), 4).await;
    let sent = 20;
    app.sandbox.inject_fault(robots[IS_CALLED], InjectedFault::Delay(Duration::from_secs(5)), Some(1));
    sender.store(number(IS_CALLED, 0)).await;
    calls(app, robots[IS_CALLED], 1).await;

    let before = app.clock.now();
    app.set_clock(by);
    a_while().await;
    assert!((app.clock.now() - before - by).abs() < TimeDelta::minutes(1), "the clock was not set");
    assert_eq!(app.sandbox.calls(robots[WAITS]).len(), sent, "a burst");
    assert_eq!(app.sandbox.calls(robots[RESTS]).len(), 1, "a robot was not left alone");
    assert_eq!(app.sandbox.calls(robots[TRIES_AGAIN]).len(), 2, "an early retry");
    // And back again, before anything has come of it.
    app.set_clock(-by);
    a_while().await;
    app.set_clock(by);
    a_while().await;
    assert_eq!(app.sandbox.calls(robots[WAITS]).len(), sent, "a burst");
    assert_eq!(app.sandbox.calls(robots[RESTS]).len(), 1, "a robot was not left alone");
    assert_eq!(app.sandbox.calls(robots[TRIES_AGAIN]).len(), 2, "an early retry");
    let lost = query(app, "SELECT '' AS line FROM attempts WHERE meaning = 'lost'").await;
    assert_eq!((lost.len(), app.sandbox.calls(robots[IS_CALLED]).len()), (0, 1), "a lease was lost");

    // What comes in now waits behind what came before, and no longer.
    sender.is_critical.store(false, Ordering::Relaxed);
    sender.store(number(WAITS, 24)).await;
    // The time goes by that everything has to wait for at most, and nothing is stuck: a rest begins anew at worst.
    let deadline = Instant::now() + Duration::from_secs(40);
    let mut gone_by = TimeDelta::zero();
    while open(app).await > 0 {
        assert!(Instant::now() < deadline, "{} deliveries are stuck", open(app).await);
        app.clock.advance(TimeDelta::seconds(5));
        gone_by += TimeDelta::seconds(5);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(gone_by <= TimeDelta::minutes(15), "something waited {gone_by}");
    let (acknowledged, unanswered) = sender.sums();
    let verdict = oracle::Verdict::of(&acknowledged, &unanswered, &crew.read(app)).holds();
    assert!(verdict.doubled.is_empty(), "{verdict}");
    let refused =
        |token: &&str| app.sandbox.calls(token).iter().any(|call| matches!(call.verdict, CallVerdict::Refused { .. }));
    assert_eq!(robots.iter().find(|token| refused(token)), None, "a robot was rung too often");
    is_balanced(&app.db, app.clock.now()).await;
    eprintln!("clock set by {by} and back and again: everything delivered within {gone_by}; {verdict}");
}

/// A machine whose clock is right, one an hour ahead and one an hour behind share a Postgres.
async fn clocks_differ(app: &TestApp) {
    let hour = TimeDelta::hours(1);
    let origins = [app.origin.clone(), app.another_machine(hour).await, app.another_machine(-hour).await];
    let crew = Crew::hire(app, [RobotKind::DingTalk, RobotKind::WeCom, RobotKind::Lark, RobotKind::Lark]).await;
    let robots: Vec<&str> = crew.robots.iter().map(|(_, token)| token.as_str()).collect();
    let sender = Sender::new(&crew);
    sender.is_critical.store(true, Ordering::Relaxed);
    let number = |robot: usize, place: u64| u64::try_from(robot).unwrap() + place * 4;
    // One after the other claims a message, and the robot lets them wait while the two others look for work.
    for (place, origin) in (0..).zip(&origins) {
        sender.post_to(vec![origin.clone()]);
        app.sandbox.inject_fault(robots[IS_CALLED], InjectedFault::Delay(Duration::from_secs(3)), Some(1));
        sender.store(number(IS_CALLED, place)).await;
        calls(app, robots[IS_CALLED], usize::try_from(place).unwrap() + 1).await;
        // Wakes all of them, and whoever takes it, nothing that any of them stores waits for its hour to come.
        sender.store(number(WAITS, place)).await;
        calls(app, robots[WAITS], usize::try_from(place).unwrap() + 1).await;
    }
    // More than a minute's messages, from all three.
    sender.post_to(origins.to_vec());
    sender.store_all((3..27).map(|place| number(WAITS, place)), 6).await;
    // The robots' own minutes go by as well.
    let deadline = Instant::now() + Duration::from_secs(40);
    while open(app).await > 0 {
        assert!(Instant::now() < deadline, "{} deliveries are stuck", open(app).await);
        app.clock.advance(TimeDelta::seconds(1));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let lost = query(app, "SELECT '' AS line FROM attempts WHERE meaning = 'lost'").await;
    assert_eq!(lost.len(), 0, "a message was taken from who was sending it");
    let (acknowledged, unanswered) = sender.sums();
    let verdict = oracle::Verdict::of(&acknowledged, &unanswered, &crew.read(app)).holds();
    assert!(verdict.doubled.is_empty(), "{verdict}");
    crew.was_never_refused(app);
    is_balanced(&app.db, app.clock.now()).await;
}

#[test]
fn machines_whose_clocks_differ_take_no_message_from_each_other_and_keep_the_pace_together() {
    run_with(Backend::Postgres, Tweaks::default(), clocks_differ);
}

on_both! {
    async fn an_hour_forwards_and_back(app: &TestApp) {
        set_by(app, TimeDelta::hours(1)).await;
    }

    async fn a_day_backwards_and_forth(app: &TestApp) {
        set_by(app, TimeDelta::days(-1)).await;
    }

    async fn an_hour_backwards_and_forth(app: &TestApp) {
        if full() {
            set_by(app, TimeDelta::hours(-1)).await;
        }
    }

    async fn a_day_forwards_and_back(app: &TestApp) {
        if full() {
            set_by(app, TimeDelta::days(1)).await;
        }
    }
}
