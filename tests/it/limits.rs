//! Limits after failed log-ins: of an account at an address, of an account, existing or not, and of an address.

use std::net::IpAddr;

use belfry::{accounts::store::ThrottleSubjects, db::AnyConnection, secrets::KeyRing};
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
    let answer = user.log_in(username, password).await;
    let tokens = answer.attributes("input[name=csrf]", "value");
    let Answer { status, headers, body } = answer;
    let body = tokens.iter().fold(body, |body, token| body.replace(token, "TOKEN"));
    let wait = headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
    (status, wait, body.replace(username, "NAME"))
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

/// Counts a failed log-in of another account from each of these addresses.
async fn failed_from(app: &TestApp, addresses: impl Iterator<Item = String>) {
    let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the key file");
    let addresses: Vec<String> = addresses.collect();
    let now = app.clock.now();
    let count = move |c: &mut AnyConnection| {
        for address in addresses {
            ThrottleSubjects::for_log_in(&keys, &format!("guess-{address}"), &address, &[]).record_failure(c, now)?;
        }
        Ok(())
    };
    app.db.write(count).await.expect("the failures are counted");
}

async fn wide_networks(app: &TestApp) {
    app.tenant("ours", "sue").await;
    let mut visitor = app.visitor();
    let mut from = async |address: &str, username: &str, password: &str| {
        through_proxy(&mut visitor, &format!("192.0.2.1, {address}"), username, password).await
    };
    // One from each of 79 networks of 64 bits, all in one of 56.
    failed_from(app, (0..79).map(|number| format!("2001:db8:0:12{number:02x}::1"))).await;
    assert_eq!(from("2001:db8:0:12ff::1", "guess", WRONG).await, 422, "the eightieth");
    assert_eq!(from("2001:db8:0:12fe::1", "sue", PASSWORD).await, 429, "the same 56 bits");
    assert_eq!(from("2001:db8:0:1300::1", "sue", PASSWORD).await, 303, "other 56 bits");
    // And 119 more in the network of 48 bits that has both.
    failed_from(app, (0..119).map(|number| format!("2001:db8:0:{:x}::1", 0x1400 + number * 8))).await;
    assert_eq!(from("2001:db8:0:3000::1", "guess", WRONG).await, 422, "the two-hundredth");
    assert_eq!(from("2001:db8:0:4000::1", "sue", PASSWORD).await, 429, "the same 48 bits");
    assert_eq!(from("2001:db8:1::1", "sue", PASSWORD).await, 303, "other 48 bits");
    app.clock.advance(TimeDelta::minutes(15) + TimeDelta::seconds(1));
    assert_eq!(from("2001:db8:0:12fe::1", "sue", PASSWORD).await, 303, "a quarter of an hour later");
}

#[test]
fn behind_a_trusted_proxy_wide_ipv6_networks_have_their_own_limits_on_sqlite() {
    run_with(Backend::Sqlite, PROXY, wide_networks);
}

#[test]
fn behind_a_trusted_proxy_wide_ipv6_networks_have_their_own_limits_on_postgres() {
    run_with(Backend::Postgres, PROXY, wide_networks);
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
        let (subjects, now) = (ThrottleSubjects::for_log_in(&keys, "sue", "192.0.2.1", &[]), app.clock.now());
        for _ in 0..5 {
            let failures = (0..8).map(|_| {
                let subjects = subjects.clone();
                app.db.write(move |c| subjects.record_failure(c, now))
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

    async fn the_fifth_failure_locks_the_account_at_this_address_for_fifteen_minutes(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.visitor();
        fail(&mut sue, "sue", 5).await;
        let answer = sue.log_in("sue", PASSWORD).await.is(429);
        let wait: i64 = answer.header("retry-after").expect("how long").parse().expect("seconds");
        assert!((895..=900).contains(&wait), "{wait}");
        // Elsewhere it is slowed down.
        app.clock.advance(TimeDelta::seconds(2));
        app.visitor_from(address(1)).log_in("Sue", PASSWORD).await.leads_to("/");
        sue.log_in("sue", PASSWORD).await.is(429);
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

    async fn a_stranger_does_not_lock_the_owner_out_who_is_told_of_it(app: &TestApp) {
        app.tenant("ours", "sue").await;
        fail(&mut app.visitor_from(address(10)), "sue", 5).await;
        app.visitor_from(address(10)).log_in("sue", PASSWORD).await.is(429);
        app.clock.advance(TimeDelta::seconds(2));
        let mut sue = app.visitor_from(address(11));
        sue.log_in("sue", PASSWORD).await.leads_to("/");
        let told = sue.get("/account").await.is(200).text(".note");
        assert!(told.starts_with("Failed log-ins since your last log-in: 5, the first at "), "{told}");
        assert_eq!(sue.get("/account").await.texts(".note"), Vec::<String>::new(), "once");
        let mut again = app.log_in("sue").await;
        assert_eq!(again.get("/account").await.texts(".note"), Vec::<String>::new(), "once");
        let audit = crate::harness::dump(&app.db).await["audit"].join("\n");
        assert_eq!(audit.matches("log-in-locked").count(), 1, "{audit}");
    }

    async fn many_addresses_slow_an_account_down_and_a_known_browser_passes(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut known = app.visitor_from(address(20));
        known.log_in("sue", PASSWORD).await.leads_to("/");
        known.post("/logout", &[]).await.leads_to("/login");
        for last in 21..33 {
            fail(&mut app.visitor_from(address(last)), "sue", 1).await;
            // As long as the pause may be.
            app.clock.advance(TimeDelta::seconds(60));
        }
        fail(&mut app.visitor_from(address(33)), "sue", 1).await;
        let paused = app.visitor_from(address(34)).log_in("sue", PASSWORD).await.is(429);
        let wait: i64 = paused.header("retry-after").expect("how long").parse().expect("seconds");
        assert!((40..=60).contains(&wait), "{wait}");
        known.log_in("sue", PASSWORD).await.leads_to("/");
        fail(&mut app.visitor_from(address(35)), "sue", 1).await;
        app.visitor_from(address(36)).log_in("sue", PASSWORD).await.leads_to("/");
    }

    async fn a_known_browser_passes_the_lock_of_its_address(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut known = app.log_in("sue").await;
        known.post("/logout", &[]).await.leads_to("/login");
        fail(&mut app.visitor(), "sue", 5).await;
        app.visitor().log_in("sue", PASSWORD).await.is(429);
        known.log_in("sue", PASSWORD).await.leads_to("/");
    }

    async fn a_known_browser_that_guesses_is_known_no_more(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut thief = app.log_in("sue").await;
        thief.post("/logout", &[]).await.leads_to("/login");
        fail(&mut thief, "sue", 5).await;
        thief.log_in("sue", PASSWORD).await.is(429);
        assert_eq!(crate::harness::dump(&app.db).await["known_devices"], Vec::<String>::new());
    }

    async fn a_browser_is_known_by_a_token_of_ours_alone(app: &TestApp) {
        app.tenant("ours", "sue").await;
        app.tenant("theirs", "theo").await;
        let theos = app.log_in("theo").await;
        let cookie = |user: &User| {
            let found = user.cookies.iter().find(|(name, _)| name.starts_with("belfry-device-"));
            found.map(|(name, value)| (name.clone(), value.clone())).expect("the browser is known")
        };
        let (name, _) = cookie(&app.log_in("sue").await);
        let (_, token) = cookie(&theos);
        fail(&mut app.visitor(), "sue", 5).await;
        for token in [token.as_str(), "made-up", ""] {
            let mut other = app.visitor();
            other.cookies.insert(name.clone(), token.to_owned());
            other.log_in("sue", PASSWORD).await.is(429);
        }
    }

    async fn a_new_password_makes_the_browsers_unknown(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let new = "nine slow herons over the lake";
        let fields = [("current_password", PASSWORD), ("new_password", new), ("confirm_password", new)];
        sue.post("/account", &fields).await.leads_to("/account");
        assert_eq!(crate::harness::dump(&app.db).await["known_devices"], Vec::<String>::new());
    }

    async fn a_name_with_a_letter_that_looks_like_another_locks_nobody_out(app: &TestApp) {
        app.tenant("ours", "kim").await;
        fail(&mut app.visitor(), "\u{212a}im", 5).await;
        app.visitor().log_in("\u{212a}im", PASSWORD).await.is(429);
        app.visitor().log_in(" KIM ", PASSWORD).await.leads_to("/");
    }

    async fn many_new_passwords_of_one_member_keep_nobody_from_logging_in(app: &TestApp) {
        app.settle().await;
        let mut mia = app.log_in("mia").await;
        let token = mia.token().await;
        let common = "passwordpassword1";
        let fields = [
            ("csrf", token.as_str()),
            ("current_password", PASSWORD),
            ("new_password", common),
            ("confirm_password", common),
        ];
        let mut visitors = Vec::new();
        for _ in 0..8 {
            let mut visitor = app.visitor();
            visitor.token().await;
            visitors.push(visitor);
        }
        let changes = (0..60).map(|_| {
            let (mut mia, request) = (mia.clone(), mia.request(Method::POST, "/account").form(&fields));
            async move { mia.send(request).await.status }
        });
        let names = ["sue", "sam", "eve", "theo", "tom", "root", "clerk", "sue"];
        let log_ins = visitors.iter_mut().zip(names).map(async |(visitor, name)| visitor.log_in(name, PASSWORD).await.status);
        let (changed, let_in) =
            tokio::join!(futures_util::future::join_all(changes), futures_util::future::join_all(log_ins));
        assert_eq!(let_in, [303; 8]);
        assert!(changed.iter().all(|status| [422, 429].contains(status)), "{changed:?}");
        assert!(changed.contains(&422) && changed.contains(&429), "{changed:?}");
    }

    async fn a_wrong_set_up_code_is_refused_before_anything_is_computed(app: &TestApp) {
        let mut visitor = app.visitor();
        let token = visitor.token().await;
        let fields = [
            ("csrf", token.as_str()),
            ("code", "AAAAA-BBBBB-CCCCC-DDDDD"),
            ("username", "ann"),
            ("password", PASSWORD),
        ];
        let guesses = (0..70).map(|_| {
            let (mut visitor, request) = (visitor.clone(), visitor.request(Method::POST, "/setup").form(&fields));
            async move { visitor.send(request).await.status }
        });
        // As many as would wait for a turn are all answered.
        assert_eq!(futures_util::future::join_all(guesses).await, [422; 70]);
    }
}
