//! The demo, as somebody who tries the product meets it: the real binary, a log-in, and the ready line of a portal.

use std::fs;

use actix_web::rt::System;
use reqwest::Method;

use crate::harness::{Process, folder};

/// The token and the fields of a `curl` line.
fn parts(curl: &str) -> (&str, Vec<(&str, &str)>) {
    let token = curl.split("Bearer ").nth(1).and_then(|rest| rest.split('\'').next()).expect("a token");
    let fields = curl.split("--data-urlencode '").skip(1);
    (token, fields.map(|field| field.split('\'').next().unwrap().split_once('=').expect("a field")).collect())
}

async fn try_out(process: &Process) {
    let curl = process.told("  curl ");
    assert!(curl.contains(&format!("'{}/intake/alerts'", process.origin)), "{curl}");
    let (token, fields) = parts(&curl);
    let mut shell = process.visitor();
    let request = shell.request(Method::POST, "/intake/alerts").bearer_auth(token).form(&fields);
    let answer = shell.send(request).await.is(201);
    assert!(answer.body.contains("\"deliveries\":4"), "{}", answer.body);

    let mut chief = process.visitor();
    chief
        .log_in("chen.jing", &process.told("Log in as chen.jing (super administrator of both tenants), password "))
        .await
        .is(303);
    let events = chief.get("/t/northwind/alerts").await.is(200);
    let shown = events.texts("tbody td");
    for status in ["Alerting", "Silencing", "Do not disturb", "Finished"] {
        assert!(shown.iter().any(|text| text == status), "{status} in {shown:?}");
    }
    let unreached = chief.get("/t/northwind/deliveries?reason=no-contact").await.is(200);
    assert!(!unreached.texts("tbody tr").is_empty(), "{}", unreached.body);
}

#[test]
fn the_demo_lets_you_in_has_events_of_every_status_and_its_line_rings_four_people_and_nothing_of_it_stays() {
    let folder = folder();
    let process = Process::start_demo(folder.path());
    System::new().block_on(try_out(&process));
    process.signal("TERM");
    assert_eq!(process.wait().0.code(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the demo's folder is still there");
}
