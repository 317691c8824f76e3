//! The host of Postgres vanishes without closing a connection, as one does that loses its power: whoever asks is told so within
//! half a minute and not in a quarter of an hour, forms are kept, and the service comes back with the host.
//!
//! Postgres is reached at an address that this test takes away, in a network of its own. That takes a user who may make one;
//! where he may not, that proof says so and shows nothing. The one form is the full one.

use std::{
    io,
    net::TcpListener,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use reqwest::Method;

use crate::harness::{Backend, PASSWORD, Process, TestApp, Tweaks, in_own_network, run_with};

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };
const HOST: &str = "10.9.9.9";

#[test]
fn a_database_host_that_vanishes_without_a_word_is_given_up_within_half_a_minute() {
    let name = "proofs::vanished::a_database_host_that_vanishes_without_a_word_is_given_up_within_half_a_minute";
    in_own_network(name, &format!("ip address add {HOST}/32 dev lo"), || run_with(Backend::Postgres, REAL, vanish));
}

/// Passes everything on between this host and a Unix socket. What it listens on is the port.
fn forward(socket: PathBuf) -> u16 {
    let listener = TcpListener::bind((HOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let server = UnixStream::connect(&socket).expect("Postgres answers");
            let (mut from_client, mut to_client) = (client.try_clone().expect("a socket"), client);
            let (mut from_server, mut to_server) = (server.try_clone().expect("a socket"), server);
            // Each ends with its connection, one way or the other.
            thread::spawn(move || io::copy(&mut from_client, &mut to_server).is_ok());
            thread::spawn(move || io::copy(&mut from_server, &mut to_client).is_ok());
        }
    });
    port
}

fn address(what: &str) {
    let done = Command::new("ip").args(["address", what, &format!("{HOST}/32"), "dev", "lo"]).status();
    assert!(done.is_ok_and(|status| status.success()), "ip address {what}");
}

async fn vanish(app: &TestApp) {
    app.settle().await;
    let mut settings = app.settings();
    let (folder, database) = settings[0].1.split_once("@").and_then(|(_, rest)| rest.split_once('/')).expect("a URL");
    let port = forward(Path::new(&folder.replace("%2F", "/")).join(".s.PGSQL.5432"));
    settings[0].1 = format!("postgres://postgres@{HOST}:{port}/{database}");
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(app.folder(), &settings);
    let mut sue = process.visitor();
    sue.log_in("sue", PASSWORD).await.is(303);
    let token = sue.token().await;
    let form = [("csrf", token.as_str()), ("phone", ""), ("email", "sue@corp.example")];
    let form = sue.request(Method::POST, "/t/ours/me").form(&form);
    sue.get("/t/ours").await.is(200);

    address("delete");
    let vanished = Instant::now();
    let (mut reader, mut writer) = (sue.clone(), sue.clone());
    let (page, kept) = tokio::join!(reader.get("/t/ours"), writer.send(form));
    let (page, kept, told) = (page.is(503), kept.is(503), vanished.elapsed());
    assert!(!page.text("h1").is_empty() && told < Duration::from_secs(30), "told after {told:?}");
    process.visitor().get("/healthz").await.is(200);

    address("add");
    let back = Instant::now();
    while sue.get("/t/ours").await.status != 200 {
        assert!(back.elapsed() < Duration::from_secs(30), "it does not come back");
    }
    let back = back.elapsed();
    sue.try_again(&kept).await.leads_to("/t/ours/me");
    eprintln!("vanished host: told after {told:.1?}, and served again {back:.1?} after it was back");
}
