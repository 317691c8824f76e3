//! Lock-out after failed log-ins: of an account, existing or not, and of an address.

use std::net::IpAddr;

use belfry::{accounts::store::Subjects, secrets::KeyRing};
use chrono::TimeDelta;
use reqwest::Method;

use crate::harness::{Answer, Backend, PASSWORD, TestApp, Tweaks, User, run_with};

const WRONG: &str = "a wrong password, surely";

/// An address that no other part of the test comes from.
fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 1, last])
}

async fn fail(user: &mut User, username: &str, times: usize) {
    for _ in 0..times {
        user.log_in(username, WRONG).await.is(422);
    }
}

/// What a person sees of an answer: without the token, which differs by browser, and the name, which was typed.
async fn seen(user: &mut User, username: &str, password: &str) -> (u16, Option<String>, String) {
    let token = user.token().await;
    let Answer { status, headers, body } = user.log_in(username, password).await;
    let wait = headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (status, wait, body.replace(&token, "TOKEN").replace(username, "NAME"))
}

const PROXY: Tweaks = Tweaks { flags: &["--trusted-proxies", "127.0.0.1"], only_database: false };

/// A log-in that comes through a proxy from this address.
async fn through_proxy(user: &mut User, from: &str, username: &str, password: &str) -> u16 {
    let token = user.token().await;
    let fields = [("csrf", token.as_str()), ("username", username), ("password", password)];
    let request = user.request(Method::POST, "/login").form(&fields).header("x-forwarded-for", from);
    user.send(request).await.status
}

#[test]
fn behind_a_trusted_proxy_each_visitor_counts_by_his_own_address_and_network() {
    run_with(Backend::Sqlite, PROXY, async |app: &TestApp| {
        app.tenant("ours", "sue").await;
        let mut guesser = app.visitor();
        for number in 0..20 {
            // The left address is what the guesser claims; the one that the proxy added is in his own network.
            let from = format!("192.0.2.{number}, 2001:db8::{number:x}");
            assert_eq!(through_proxy(&mut guesser, &from, &format!("guess-{number}"), WRONG).await, 422);
        }
        assert_eq!(through_proxy(&mut guesser, "2001:db8::ffff", "sue", PASSWORD).await, 429);
        assert_eq!(through_proxy(&mut app.visitor(), "2001:db8:0:1::1", "sue", PASSWORD).await, 303);
        let sessions = crate::harness::dump(&app.db).await["sessions"].join("\n");
        assert!(sessions.contains("2001:db8:0:1::1"), "{sessions}");
    });
}

#[test]
fn without_a_trusted_proxy_nobody_is_believed_about_his_address() {
    run_with(Backend::Sqlite, Tweaks::default(), async |app: &TestApp| {
        app.tenant("ours", "sue").await;
        let mut guesser = app.visitor();
        for number in 0..20 {
            let from = format!("192.0.2.{number}");
            assert_eq!(through_proxy(&mut guesser, &from, &format!("guess-{number}"), WRONG).await, 422);
        }
        assert_eq!(through_proxy(&mut guesser, "198.51.100.1", "sue", PASSWORD).await, 429);
    });
}

on_both! {
    async fn failures_at_once_are_all_counted(app: &TestApp) {
        let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the key file");
        let (subjects, now) = (Subjects::of(&keys, "sue", "192.0.2.1"), app.clock.now());
        for _ in 0..5 {
            let failures = (0..8).map(|_| {
                let subjects = subjects.clone();
                app.db.write(move |c| subjects.failed(c, now))
            });
            for outcome in futures_util::future::join_all(failures).await {
                outcome.expect("it is counted");
            }
        }
        assert_eq!(crate::harness::dump(&app.db).await["lockouts"].len(), 1);
    }

    async fn four_failures_are_forgiven_by_the_right_password(app: &TestApp) {
        app.tenant("ours", "sue").await;
        for failures in [3, 4, 4] {
            let mut sue = app.visitor();
            fail(&mut sue, "sue", failures).await;
            sue.log_in("sue", PASSWORD).await.leads_to("/");
        }
    }

    async fn the_fifth_failure_locks_the_account_for_fifteen_minutes(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.visitor();
        fail(&mut sue, "sue", 5).await;
        let answer = sue.log_in("sue", PASSWORD).await.is(429);
        let wait: i64 = answer.header("retry-after").expect("how long").parse().expect("seconds");
        assert!((895..=900).contains(&wait), "{wait}");
        app.visitor_from(address(1)).log_in("Sue", PASSWORD).await.is(429);
        app.clock.advance(TimeDelta::minutes(14) + TimeDelta::seconds(30));
        sue.log_in("sue", PASSWORD).await.is(429);
        app.clock.advance(TimeDelta::seconds(31));
        sue.log_in("sue", PASSWORD).await.leads_to("/");
    }

    async fn a_lock_stops_log_ins_and_no_session_that_is_there(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut inside = app.log_in("sue").await;
        fail(&mut app.visitor_from(address(2)), "sue", 5).await;
        inside.get("/account").await.is(200);
    }

    async fn failures_count_for_an_hour(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.visitor();
        fail(&mut sue, "sue", 4).await;
        app.clock.advance(TimeDelta::minutes(61));
        fail(&mut sue, "sue", 4).await;
        sue.log_in("sue", PASSWORD).await.leads_to("/");
    }

    async fn an_unknown_account_answers_exactly_as_a_known_one(app: &TestApp) {
        app.tenant("ours", "sue").await;
        app.newcomer("nora").await;
        app.clock.advance(TimeDelta::hours(25));
        let mut seen_by_name = Vec::new();
        for (place, username) in [(3, "sue"), (4, "nobody-of-this-name"), (5, "nora"), (6, "no such name!")] {
            let mut user = app.visitor_from(address(place));
            let mut answers = Vec::new();
            for _ in 0..5 {
                answers.push(seen(&mut user, username, WRONG).await);
            }
            let locked = seen(&mut user, username, PASSWORD).await;
            assert_eq!(locked.0, 429, "{username}");
            answers.push((locked.0, None, locked.2));
            seen_by_name.push(answers);
        }
        for answers in &seen_by_name[1..] {
            assert_eq!(answers, &seen_by_name[0]);
        }
    }

    async fn an_account_cannot_be_guessed_at_faster_by_guessing_at_once(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut prepared = app.visitor();
        prepared.token().await;
        let guesses = (0..12).map(|_| {
            let mut guesser = prepared.clone();
            async move { guesser.log_in("sue", WRONG).await.status }
        });
        let statuses = futures_util::future::join_all(guesses).await;
        assert_eq!(statuses.iter().filter(|status| **status == 422).count(), 5, "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 7, "{statuses:?}");
    }

    async fn an_address_has_twenty_failures_in_fifteen_minutes_whomever_it_tries(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut guesser = app.visitor_from(address(7));
        for name in 0..20 {
            fail(&mut guesser, &format!("guess-{name}"), 1).await;
        }
        let answer = guesser.log_in("sue", PASSWORD).await.is(429);
        assert!(answer.header("retry-after").is_some_and(|wait| wait.parse::<i64>().is_ok_and(|wait| wait <= 900)));
        app.visitor_from(address(8)).log_in("sue", PASSWORD).await.leads_to("/");
        app.clock.advance(TimeDelta::minutes(15) + TimeDelta::seconds(1));
        guesser.log_in("sue", PASSWORD).await.leads_to("/");
    }

    async fn log_ins_that_succeed_count_towards_no_limit(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut office = app.visitor_from(address(9));
        for _ in 0..22 {
            office.log_in("sue", PASSWORD).await.leads_to("/");
            office.post("/logout", &[]).await.leads_to("/login");
        }
    }

    async fn guessing_the_current_password_from_inside_counts_too(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let new = "nine slow herons over the lake";
        let fields = [("current_password", WRONG), ("new_password", new), ("confirm_password", new)];
        for _ in 0..5 {
            sue.post("/account", &fields).await.is(422);
        }
        sue.post("/account", &fields).await.is(429);
        app.visitor().log_in("sue", PASSWORD).await.is(429);
    }
}
