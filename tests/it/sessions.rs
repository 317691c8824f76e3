//! How long a session lasts.

use std::time::Duration;

use belfry::db::schema::{log_in_settings, sessions};
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use crate::harness::TestApp;

/// Waits until the session's last use is written: pages do not wait for it.
async fn used(app: &TestApp, since: NaiveDateTime) {
    for _ in 0..500 {
        let seen: NaiveDateTime =
            app.db.read(|c| Ok(sessions::table.select(sessions::seen_at).first(c)?)).await.unwrap();
        if seen >= since {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the session's last use was not written");
}

on_both! {
    async fn a_session_ends_when_it_is_not_used_for_two_hours(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        app.clock.advance(TimeDelta::minutes(119));
        let now = app.clock.now();
        sue.get("/account").await.is(200);
        used(app, now).await;
        app.clock.advance(TimeDelta::minutes(119));
        let now = app.clock.now();
        sue.get("/account").await.is(200);
        used(app, now).await;
        app.clock.advance(TimeDelta::minutes(121));
        sue.get("/account").await.asks_to_log_in_for("/account");
    }

    async fn a_session_ends_twelve_hours_after_the_log_in_however_busy_it_is(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        for _ in 0..11 {
            app.clock.advance(TimeDelta::minutes(65));
            let now = app.clock.now();
            sue.get("/account").await.is(200);
            used(app, now).await;
        }
        app.clock.advance(TimeDelta::minutes(6));
        sue.get("/account").await.asks_to_log_in_for("/account");
    }

    async fn the_idle_time_is_the_one_that_is_set(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let set = |c: &mut belfry::db::AnyConnection| {
            Ok(diesel::update(log_in_settings::table).set(log_in_settings::idle_minutes.eq(15)).execute(c)?)
        };
        app.db.write(set).await.unwrap();
        app.clock.advance(TimeDelta::minutes(14));
        sue.clone().get("/account").await.is(200);
        app.clock.advance(TimeDelta::minutes(31));
        sue.get("/account").await.asks_to_log_in_for("/account");
    }

    async fn a_session_that_ended_by_age_is_not_listed_any_more(app: &TestApp) {
        app.tenant("ours", "sue").await;
        app.log_in("sue").await;
        app.clock.advance(TimeDelta::minutes(121));
        let mut sue = app.log_in("sue").await;
        assert_eq!(sue.get("/account").await.texts("tbody tr").len(), 1);
    }

    async fn a_clock_that_was_set_back_keeps_no_session_alive(app: &TestApp) {
        app.tenant("ours", "sue").await;
        app.clock.advance(TimeDelta::hours(20));
        let mut sue = app.log_in("sue").await;
        app.clock.advance(-TimeDelta::hours(20));
        let now = app.clock.now();
        sue.get("/account").await.is(200);
        // The use is written with the clock as it stands, so that the idle time runs from here.
        for _ in 0..500 {
            let seen: NaiveDateTime =
                app.db.read(|c| Ok(sessions::table.select(sessions::seen_at).first(c)?)).await.unwrap();
            if seen < now + TimeDelta::minutes(5) {
                app.clock.advance(TimeDelta::minutes(121));
                sue.get("/account").await.asks_to_log_in_for("/account");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the session's last use stayed in the future");
    }
}
