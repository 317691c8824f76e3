//! Monitoring systems and everybody else who fires alerts: what each sends reaches exactly the groups that are to hear it.
//!
//! Alertmanager is the real one, so that its body is what it really sends.

use std::time::{Duration, Instant};

use actix_web::rt::spawn;
use belfry::{
    access::Role,
    db::{AnyConnection, DatabaseAddress, MemberId, schema::alerts},
    sandbox::RobotKind,
};
use chrono::Utc;
use diesel::{connection::SimpleConnection as _, prelude::*};
use futures_util::future::join_all;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::harness::{Alertmanager, Answer, Backend, TestApp, User, run};

const PATIENCE: Duration = Duration::from_secs(30);

/// Alertmanager, which posts every group to us at once and names at most three alerts of it.
fn alertmanager(app: &TestApp, token: &str) -> Alertmanager {
    let target = format!("{}/intake/alertmanager", app.origin);
    let configuration = format!(
        "route:\n  receiver: belfry\n  group_by: [alertname]\n  group_wait: 300ms\n  group_interval: 1s\n  \
         repeat_interval: 1h\nreceivers:\n  - name: belfry\n    webhook_configs:\n      - url: '{target}'\n        \
         max_alerts: 3\n        send_resolved: true\n        http_config:\n          authorization:\n            \
         credentials: '{token}'\n"
    );
    Alertmanager::start(app.folder(), &configuration)
}

/// Tells Alertmanager of alerts of this name, one for each instance: they fire, or have just ended.
async fn tell(alertmanager: &Alertmanager, name: &str, instances: &[&str], fires: bool) {
    let alert = |instance: &&str| {
        let mut alert = json!({
            "labels": { "alertname": name, "instance": instance, "severity": "critical" },
            "annotations": { "summary": format!("{name} on {instance}"), "description": "A disk is 磁盘 full." },
            "generatorURL": "https://prometheus.example/graph",
        });
        if !fires {
            alert["endsAt"] = json!(Utc::now().to_rfc3339());
        }
        alert
    };
    let alerts: Vec<Value> = instances.iter().map(alert).collect();
    let sent = Client::new().post(format!("http://{}/api/v2/alerts", alertmanager.address)).json(&alerts).send().await;
    assert!(sent.expect("an answer").status().is_success());
}

/// What Grafana posts about one alert, by its documentation.
fn grafana(status: &str) -> Value {
    json!({
        "receiver": "belfry", "status": status, "orgId": 1,
        "alerts": [{
            "status": status,
            "labels": { "alertname": "High memory usage", "team": "blue" },
            "annotations": { "summary": "Memory of blue is high", "description": "It has been for ten minutes." },
            "startsAt": "2026-11-22T09:51:03.157076+02:00", "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "https://grafana.example/alerting/1afz29v7z/edit", "fingerprint": "c6eadffa33fcdf37",
            "silenceURL": "https://grafana.example/alerting/silence/new", "dashboardURL": "", "panelURL": "",
            "values": { "B": 44.2, "C": 1 },
        }],
        "groupLabels": {}, "commonLabels": { "team": "blue" }, "commonAnnotations": {},
        "externalURL": "https://grafana.example/", "version": "1", "groupKey": "{}:{}", "truncatedAlerts": 0,
        "title": "[FIRING:1]", "state": "alerting", "message": "**Firing**",
    })
}

/// One more alert of Grafana's, which is told from the others by its fingerprint.
fn alert(fingerprint: &str) -> Value {
    let mut alert = grafana("firing")["alerts"][0].take();
    alert["fingerprint"] = json!(fingerprint);
    alert
}

/// Adds a portal that may fire alerts: its token.
async fn portal(user: &mut User, name: &str) -> String {
    portal_of("ours", user, name).await
}

async fn portal_of(tenant: &str, user: &mut User, name: &str) -> String {
    let fields = [("name", name), ("scopes", "fire_alerts")];
    let page = user.post(&format!("/t/{tenant}/settings/portals/new"), &fields).await.is(201);
    page.attribute("#f-token", "value").expect("a token")
}

async fn post(app: &TestApp, path: &str, token: &str, body: &Value) -> Answer {
    let mut visitor = app.visitor();
    let request = visitor.request(Method::POST, path).bearer_auth(token).json(body);
    visitor.send(request).await
}

fn token(number: u32) -> String {
    format!("{number:060x}fake")
}

/// Gives a member a DingTalk robot while the channel is still off, so that its group has heard nothing yet.
async fn reach(app: &TestApp, sam: &mut User, member: MemberId, token: &str) {
    let webhook = app.robot(RobotKind::DingTalk, token);
    sam.post(&format!("/t/ours/members/{member}/edit"), &[("dingtalk_robot", &webhook)]).await.is(303);
}

/// Waits until a group has heard so much: everything that it has heard.
async fn hears(app: &TestApp, token: &str, messages: usize) -> Vec<String> {
    let enough = |calls: &[belfry::sandbox::RecordedCall]| {
        calls.iter().filter(|call| call.delivered_message().is_some()).count() >= messages
    };
    assert!(app.sandbox.wait_for_calls(token, enough, PATIENCE).await, "{:?}", app.sandbox.delivered_messages(token));
    app.sandbox.delivered_messages(token).iter().map(|heard| format!("{heard:?}")).collect()
}

async fn rule(user: &mut User, name: &str, member: &str, fields: &[(&str, &str)]) {
    let own = [("name", name), ("on", "yes"), ("channels", "dingtalk"), ("members", member)];
    user.post("/t/ours/alert-rules/new", &[&own, fields].concat()).await.is(303);
}

on_both! {
    async fn two_portals_alertmanager_grafana_and_the_form_reach_exactly_their_groups_and_end(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let mut people = vec![("mia", town.mia)];
        for name in ["anna", "bert", "cleo", "dora"] {
            people.push((name, app.member(town.ours, name, Role::Member).await));
        }
        for (number, (_, member)) in (1..).zip(&people) {
            reach(app, &mut sam, *member, &token(number)).await;
        }
        app.switch_on().await;
        rule(&mut sam, "prometheus", "mia", &[("source", "alertmanager"), ("severity", "critical")]).await;
        rule(&mut sam, "grafana", "anna", &[("source", "grafana"), ("matchers", "team=\"blue\"")]).await;
        rule(&mut sam, "one", "bert", &[("source", "portal"), ("matchers", "portal=\"one\"")]).await;
        rule(&mut sam, "two", "cleo", &[("source", "portal"), ("matchers", "portal=\"two\"")]).await;
        let (one, two, monitoring) =
            (portal(&mut sam, "one").await, portal(&mut sam, "two").await, portal(&mut sam, "monitoring").await);
        let alertmanager = alertmanager(app, &monitoring);

        for (step, status) in [(1, "firing"), (2, "resolved")] {
            tell(&alertmanager, "DiskFull", &["db-1"], status == "firing").await;
            post(app, "/intake/grafana", &monitoring, &grafana(status)).await.is(201);
            post(app, "/intake/alerts", &one, &json!({ "title": "One is down", "status": status })).await.is(201);
            post(app, "/intake/alerts", &two, &json!({ "title": "Two is down", "status": status })).await.is(201);
            let form = [("form_id", status), ("title", "From the form"), ("severity", "info"), ("status", status), ("receivers", "dora")];
            sam.post("/t/ours/alerts/new", &form).await.is(303);
            for (number, title) in
                (1..).zip(["DiskFull on db-1", "Memory of blue is high", "One is down", "Two is down", "From the form"])
            {
                let heard = hears(app, &token(number), step).await;
                assert_eq!(heard.len(), step, "{heard:?}");
                assert!(heard.iter().all(|text| text.contains(title) && text.contains("Dataphin")), "{heard:?}");
                assert_eq!(heard[step - 1].contains("esolved"), status == "resolved", "{heard:?}");
            }
        }
        let open = |c: &mut AnyConnection| {
            Ok(alerts::table.filter(alerts::finished_at.is_null()).count().get_result::<i64>(c)?)
        };
        assert_eq!(app.db.read(open).await.expect("the events"), 0);
    }

    async fn what_alertmanager_leaves_out_of_a_large_group_is_said_and_ends_with_it(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        reach(app, &mut sam, town.mia, &token(1)).await;
        app.switch_on().await;
        rule(&mut sam, "prometheus", "mia", &[]).await;
        let monitoring = portal(&mut sam, "monitoring").await;
        let alertmanager = alertmanager(app, &monitoring);
        let instances = ["a", "b", "c", "d", "e"];
        tell(&alertmanager, "HostDown", &instances, true).await;
        let heard = hears(app, &token(1), 4).await.join("\n");
        assert!(heard.contains("2 more alerts of this group were left out by their sender"), "{heard}");
        tell(&alertmanager, "HostDown", &instances, false).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let finished = |c: &mut AnyConnection| {
                Ok(alerts::table.filter(alerts::finished_at.is_not_null()).count().get_result::<i64>(c)?)
            };
            // Three of the five were in the body each time; which three is Alertmanager's choice.
            if app.db.read(finished).await.expect("the events") >= 3 {
                break;
            }
            assert!(Instant::now() < deadline, "no alert ends");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn groups_that_name_the_same_alerts_in_another_order_never_wait_for_each_other_for_ever(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let monitoring = portal(&mut sam, "monitoring").await;
        // First they all begin, and later they are all repeated.
        for round in 0..6 {
            let group = |backwards: bool| {
                let mut alerts: Vec<Value> = (0..40).map(|number| alert(&format!("{}x{number}", round / 2))).collect();
                if backwards {
                    alerts.reverse();
                }
                let mut body = grafana("firing");
                body["alerts"] = json!(alerts);
                body
            };
            let posts = (0..6).map(|number| {
                let body = group(number % 2 == 0);
                let monitoring = &monitoring;
                async move { post(app, "/intake/grafana", monitoring, &body).await.is(201) }
            });
            join_all(posts).await;
        }
        let stored = |c: &mut AnyConnection| Ok(alerts::table.select((alerts::key, alerts::count)).load(c)?);
        let stored: Vec<(String, i64)> = app.db.read(stored).await.expect("the events");
        assert_eq!(stored.len(), 120);
        assert!(stored.iter().all(|(_, firings)| *firings == 12), "{stored:?}");
    }

    async fn what_no_monitoring_system_sends_is_refused_by_name(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let monitoring = portal(&mut sam, "monitoring").await;
        let deep = json!("[".repeat(100_000));
        let refused =
            async |body: Value| post(app, "/intake/alertmanager", &monitoring, &body).await;
        assert_eq!(refused(deep).await.status, 400);
        assert_eq!(refused(json!([])).await.status, 400);
        assert_eq!(refused(json!({ "version": "4", "alerts": [] })).await.status, 422);
        let wrong = refused(grafana("firing")).await;
        assert_eq!(wrong.status, 422);
        assert!(wrong.body.contains("\"version\""), "{}", wrong.body);
        let mut visitor = app.visitor();
        let body = format!("{{\"version\":\"4\",\"alerts\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        let request = visitor.request(Method::POST, "/intake/alertmanager").bearer_auth(&monitoring).body(body);
        visitor.send(request).await.is(400);
        let large = vec![b' '; 5 * 1024 * 1024];
        let request = visitor.request(Method::POST, "/intake/grafana").bearer_auth(&monitoring).body(large);
        visitor.send(request).await.is(413);
        post(app, "/intake/grafana", "belfry_nobody", &grafana("firing")).await.is(401);
        let stored = |c: &mut AnyConnection| Ok(alerts::table.count().get_result::<i64>(c)?);
        assert_eq!(app.db.read(stored).await.expect("the events"), 0);
    }
}

/// SQLite has one writer, which never waits for a row.
#[test]
fn groups_of_one_tenant_that_wait_for_each_other_are_in_nobodys_way() {
    run(Backend::Postgres, async |app: &TestApp| {
        let town = app.settle().await;
        app.switch_on().await;
        let (mut sam, mut theo) = (app.log_in("sam").await, app.log_in("theo").await);
        let (ours, theirs) = (portal(&mut sam, "ours").await, portal_of("theirs", &mut theo, "theirs").await);
        let webhook = app.robot(RobotKind::DingTalk, &token(1));
        theo.post(&format!("/t/theirs/members/{}/edit", town.tom), &[("dingtalk_robot", &webhook)]).await.is(303);
        hears(app, &token(1), 1).await;

        let group = grafana("firing");
        post(app, "/intake/grafana", &ours, &group).await.is(201);
        let address = DatabaseAddress::parse(&app.on_postgres().url).expect("an address");
        let mut other = address.connect().expect("a connection");
        other.batch_execute("BEGIN; SELECT FROM alerts FOR UPDATE").expect("the event is locked");
        let flood = (0..30).map(|_| {
            let (mut visitor, ours, group) = (app.visitor(), ours.clone(), group.clone());
            spawn(async move {
                let request = visitor.request(Method::POST, "/intake/grafana").bearer_auth(ours).json(&group);
                visitor.send(request).await.status
            })
        });
        let flood: Vec<_> = flood.collect();
        app.on_postgres().somebody_waits().await;

        app.visitor().get("/login").await.is(200);
        sam.get("/t/ours/members").await.is(200);
        let alert = json!({ "title": "Their disk is full", "receivers": ["tom"] });
        post(app, "/intake/alerts", &theirs, &alert).await.is(201);
        assert!(hears(app, &token(1), 2).await[1].contains("Their disk is full"));
        assert_eq!(app.on_postgres().waiting(), 1, "the others wait without a connection");
        other.batch_execute("COMMIT").expect("the event is free");
        let answers = join_all(flood).await;
        let stored = answers.iter().filter(|status| matches!(status, Ok(201))).count();
        assert!(stored > 0 && answers.iter().all(|status| matches!(status, Ok(201 | 503))), "{answers:?}");
    });
}
