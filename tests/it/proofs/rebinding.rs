//! DNS rebinding: the name of a robot's host leads to a public address while its webhook is saved, and to this machine when it is
//! called. The real resolver asks a name server of the test; no connection reaches the listener here.
//!
//! The test runs once more in a network of its own, where the name server and the public address are this machine's too. That
//! takes a user who may make one; where he may not, that proof says so and shows nothing. The one form is the full one.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use belfry::sandbox::RobotKind;
use chrono::TimeDelta;

use super::{crew::query, forged::Listener};
use crate::harness::{Backend, TestApp, in_own_network, run};

/// What resolvers ask there, and an address that is nobody else's there.
const SET_UP: &str = "mount -t tmpfs belfry-proof /mnt && \
                      printf 'nameserver 127.0.0.1\\noptions timeout:1 attempts:1\\n' >/mnt/resolv.conf && \
                      mount --bind /mnt/resolv.conf /etc/resolv.conf && ip address add 1.1.1.1/32 dev lo";

const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1));
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HERE_TOO: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

const TOKEN: &str = "00000000000000000000000000000000000000000000000000000000fake0098";

#[test]
fn a_name_that_leads_here_once_its_webhook_is_saved_is_not_called() {
    let name = "proofs::rebinding::a_name_that_leads_here_once_its_webhook_is_saved_is_not_called";
    in_own_network(name, SET_UP, || run(Backend::Sqlite, rebind));
}

/// Answers every question for a name with these addresses, for no time.
#[derive(Clone)]
struct NameServer {
    addresses: Arc<Mutex<Vec<IpAddr>>>,
    asked: Arc<Mutex<u32>>,
}

impl NameServer {
    fn start(addresses: &[IpAddr]) -> Self {
        let server = Self { addresses: Arc::new(Mutex::new(addresses.to_vec())), asked: Arc::default() };
        let socket = UdpSocket::bind("127.0.0.1:53").expect("the port of name servers");
        let own = server.clone();
        thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = own.answer(&question[..length]);
                socket.send_to(&answer, from).expect("it can answer");
            }
        });
        server
    }

    fn lead_to(&self, addresses: &[IpAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    /// How often somebody asked for addresses of version 4, which everybody who resolves a name does once.
    fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    /// RFC 1035, section 4: the header, the question as it came, and the answers, whose name points to the question's.
    fn answer(&self, question: &[u8]) -> Vec<u8> {
        let name = question[12..].iter().position(|byte| *byte == 0).expect("the end of a name");
        let end = 12 + name + 5;
        let kind = u16::from_be_bytes([question[end - 4], question[end - 3]]);
        let addresses = self.addresses.lock().unwrap();
        let data: Vec<Vec<u8>> = addresses
            .iter()
            .filter_map(|address| match (kind, address) {
                (1, IpAddr::V4(v4)) => Some(v4.octets().to_vec()),
                (28, IpAddr::V6(v6)) => Some(v6.octets().to_vec()),
                _ => None,
            })
            .collect();
        *self.asked.lock().unwrap() += u32::from(kind == 1);
        let count = u8::try_from(data.len()).expect("a few");
        let mut answer = question[..2].to_vec();
        answer.extend([0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0]);
        answer.extend(&question[12..end]);
        for data in data {
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 0, 0, u8::try_from(data.len()).expect("a length")]);
            answer.extend(data);
        }
        answer
    }
}

async fn rebind(app: &TestApp) {
    let listen = |address: IpAddr| TcpListener::bind((address, 443)).expect("the port of https");
    let (public, here) = (Listener::of([listen(PUBLIC)]), Listener::of([listen(HERE), listen(HERE_TOO)]));
    let names = NameServer::start(&[PUBLIC]);
    let town = app.settle().await;
    app.switch_on().await;
    let mut sue = app.log_in("sue").await;
    let edit = format!("/t/ours/members/{}/edit", town.mia);
    let webhook = RobotKind::DingTalk.webhook_url("https://oapi.dingtalk.com", TOKEN);

    // It is saved and called while its name is what it seems to be. Nobody there has a certificate, so that it is tried again.
    sue.post(&edit, &[("role", "member"), ("dingtalk_robot", &webhook)]).await.leads_to("/t/ours/members");
    assert_eq!(ended(app, 1).await, ["unreachable"]);
    assert_eq!((public.connections(), here.connections()), (1, 0));

    // From now on it leads here, alone or beside a good address, whichever comes first.
    let traps: [&[IpAddr]; 4] = [&[HERE], &[PUBLIC, HERE], &[HERE, PUBLIC], &[PUBLIC, HERE_TOO]];
    for (number, trap) in traps.into_iter().enumerate() {
        names.lead_to(trap);
        let before = names.asked();
        match number {
            0 => app.clock.advance(TimeDelta::minutes(10)),
            _ => drop(sue.post(&format!("/t/ours/members/{}/test", town.mia), &[]).await),
        }
        assert_eq!(ended(app, number + 2).await[number + 1], "forbidden-address", "{trap:?}");
        assert_eq!(names.asked() - before, 1, "what was looked at is what is called: {trap:?}");
        assert_eq!((public.connections(), here.connections()), (1, 0), "{trap:?}");
    }
    eprintln!("rebinding: called while its name was public, and not by any of {} answers that led here", traps.len());
}

/// What so many attempts meant, once they have ended.
async fn ended(app: &TestApp, attempts: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let meanings = "SELECT meaning AS line FROM attempts WHERE finished_at IS NOT NULL ORDER BY id";
        let meanings = query(app, meanings).await;
        if meanings.len() >= attempts {
            return meanings;
        }
        assert!(Instant::now() < deadline, "{meanings:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
