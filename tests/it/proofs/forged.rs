//! Forged webhooks: about 150 addresses that lead to this machine or into private networks, in every spelling that fools some
//! parser. None is saved, none is tested, and none is called that stands in the database all the same: no connection reaches the
//! listener.
//!
//! The spellings are those of public lists (GitLab's `url_blocker`, Svix, Smokescreen, Vaultwarden, OWASP), made here from
//! their parts. The one form is the full one.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use belfry::{
    db::{
        AnyConnection, RobotId, TenantId,
        schema::{endpoints, robots},
    },
    delivery::{self, DeliveryKind, Notice},
    sandbox::RobotKind,
    secrets::{AssociatedData, KeyRing},
};
use diesel::prelude::*;

use super::crew::query;
use crate::harness::TestApp;

/// Hosts that are this machine, or lead to it.
const LOOPBACK: [&str; 41] = [
    "127.0.0.1",
    "127.0.0.2",
    "127.255.255.254",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.1",
    "0177.0.0.01",
    "017700000001",
    "0x7f.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "0x7F000001",
    "00000177.0.0.1",
    "0x0000007f.1",
    "2130706433",
    "02130706433",
    "4294967296",
    "0",
    "0.0.0.0",
    "0x0",
    "[::]",
    "[::1]",
    "[0000::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::ffff:0:0]",
    "[::127.0.0.1]",
    "[::1%25lo]",
    "[::1%lo]",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "ip6-localhost",
    "localhost.localdomain",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "127。0。0。1",
    "ⓛocalhost",
];

/// Hosts of private and special networks, metadata services of clouds among them.
const PRIVATE: [&str; 35] = [
    "10.0.0.1",
    "10.255.255.254",
    "012.0.0.1",
    "0xa000001",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "3232235521",
    "0xc0a80001",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "100.64.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "metadata.google.internal",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::1]",
    "[2001:0:5ef5:79fd::80ff:fffe]",
    "[fd00:ec2::254]",
    "[fc00::1]",
    "[fe80::1]",
    "[feef::1]",
    "[ff02::2]",
    "[100::1]",
    "[5f00::1]",
];

/// What stands before the path, where the known host or the scheme is a disguise. PORT is the listener's.
const DISGUISES: [&str; 47] = [
    "https://oapi.dingtalk.com@127.0.0.1:PORT",
    "https://oapi.dingtalk.com:443@127.0.0.1:PORT",
    "https://oapi.dingtalk.com%40127.0.0.1:PORT",
    "https://oapi.dingtalk.com\\@127.0.0.1:PORT",
    "https://127.0.0.1:PORT\\@oapi.dingtalk.com",
    "https://127.0.0.1:PORT#@oapi.dingtalk.com",
    "https://127.0.0.1:PORT?@oapi.dingtalk.com",
    "https://user:secret@oapi.dingtalk.com",
    "https://@oapi.dingtalk.com",
    "https://:@127.0.0.1:PORT",
    "https://oapi.dingtalk.com.127.0.0.1.nip.example",
    "https://oapi.dingtalk.com.evil.example",
    "https://evil.example/oapi.dingtalk.com",
    "https://oapi-dingtalk.com",
    "https://xoapi.dingtalk.com",
    "https://dingtalk.com",
    "https://oapi.dingtalk.com.",
    "https://oapi.dingtalk.com:22",
    "https://oapi.dingtalk.com:25",
    "https://oapi.dingtalk.com:80",
    "https://oapi.dingtalk.com:6379",
    "https://oapi.dingtalk.com:PORT",
    "https://oapi.dingtalk.com:0",
    "https://oapi.dingtalk.com:65536",
    "https://oapi.dingtalk.com:99999",
    "https://oapi.dingtalk.com:-1",
    "https://oapi.dingtalk.com:443:PORT",
    "https://oapi.dingtalk.com%00.evil.example",
    "https://oapi.dingtalk.com%2eevil.example",
    "https://oapi%2edingtalk%2ecom",
    "https://oapi.dingtаlk.com",
    "https://оapi.dingtalk.com",
    "https://oapi．dingtalk．com",
    "https://oapi.dingtalk.com\u{200b}",
    "https:/127.0.0.1:PORT",
    "https:127.0.0.1:PORT",
    "https:///127.0.0.1:PORT",
    "https:\\\\127.0.0.1:PORT",
    "//127.0.0.1:PORT",
    "127.0.0.1:PORT",
    "http://oapi.dingtalk.com",
    "ftp://127.0.0.1:PORT",
    "file://127.0.0.1",
    "gopher://127.0.0.1:PORT",
    "dict://127.0.0.1:PORT",
    "ldap://127.0.0.1:PORT",
    "jar:https://127.0.0.1:PORT",
];

/// Whole addresses; PORT is the listener's, TOKEN a token.
const WHOLE: [&str; 27] = [
    "javascript:alert(1)",
    "data:text/plain,hello",
    "about:blank",
    "file:///etc/passwd",
    "https://",
    "https://oapi.dingtalk.com",
    "https://oapi.dingtalk.com/",
    "https://oapi.dingtalk.com/robot/send",
    "https://oapi.dingtalk.com/robot/send?access_token=",
    "https://oapi.dingtalk.com/robot/send?access_token=TOKEN&url=http://127.0.0.1:PORT",
    "https://oapi.dingtalk.com/robot/send?access_token=TOKEN&access_token=TOKEN",
    "https://oapi.dingtalk.com/robot/send?access_token=TOKEN#@127.0.0.1:PORT",
    "https://oapi.dingtalk.com/robot/send?access_token=TOKEN%0d%0aHost:%20127.0.0.1:PORT",
    "https://oapi.dingtalk.com/robot/../robot/send?access_token=TOKEN",
    "https://oapi.dingtalk.com/robot/./send?access_token=TOKEN",
    "https://oapi.dingtalk.com//robot/send?access_token=TOKEN",
    "https://oapi.dingtalk.com/robot/send/?access_token=TOKEN",
    "https://oapi.dingtalk.com/%72obot/send?access_token=TOKEN",
    "https://oapi.dingtalk.com/robot/send;@127.0.0.1:PORT?access_token=TOKEN",
    "https://oapi.dingtalk.com/redirect?url=http://127.0.0.1:PORT",
    "https://127.0.0.1\t:PORT/robot/send?access_token=TOKEN",
    "https://127.0.\n0.1:PORT/robot/send?access_token=TOKEN",
    "https://127.0.0.1\r\n:PORT/robot/send?access_token=TOKEN",
    "\u{1}https://127.0.0.1:PORT/robot/send?access_token=TOKEN",
    "https ://127.0.0.1:PORT/robot/send?access_token=TOKEN",
    "https://open.feishu.cn@127.0.0.1:PORT/open-apis/bot/v2/hook/TOKEN",
    "https://qyapi.weixin.qq.com\\@127.0.0.1:PORT/cgi-bin/webhook/send?key=TOKEN",
];

const TOKEN: &str = "00000000000000000000000000000000000000000000000000000000fake0099";

/// Counts who connects to some ports: where nobody may ever call, above all.
pub(super) struct Listener(Arc<AtomicUsize>);

impl Listener {
    /// Listens on this port of this machine, and on the same in the other family, where there is one. Zero is any free one.
    fn on_this_machine(port: u16) -> (Self, u16) {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        (Self::of([listener].into_iter().chain(TcpListener::bind(("::1", port)))), port)
    }

    /// Counts who connects to any of these.
    pub(super) fn of(listeners: impl IntoIterator<Item = TcpListener>) -> Self {
        let connections = Arc::new(AtomicUsize::new(0));
        for listener in listeners {
            let connections = Arc::clone(&connections);
            thread::spawn(move || {
                for _ in listener.incoming() {
                    connections.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self(connections)
    }

    /// How many have connected.
    pub(super) fn connections(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Every forged address with the kind of robot whose it pretends to be.
fn forged(port: u16) -> Vec<(RobotKind, String)> {
    let kinds = [RobotKind::DingTalk, RobotKind::Lark, RobotKind::WeCom];
    let hosts = LOOPBACK.iter().chain(&PRIVATE).map(|host| format!("https://{host}:PORT"));
    let plain = LOOPBACK.iter().take(8).map(|host| format!("http://{host}:PORT"));
    let origins = hosts.chain(plain).chain(DISGUISES.map(str::to_owned)).enumerate();
    let urls = origins.map(|(place, origin)| {
        // The known host of the disguises is DingTalk's.
        let kind = if origin.contains("dingt") { kinds[0] } else { kinds[place % 3] };
        (kind, kind.webhook_url(&origin, TOKEN))
    });
    let whole = WHOLE.iter().map(|url| {
        let kind = if url.contains("feishu") {
            kinds[1]
        } else if url.contains("weixin") {
            kinds[2]
        } else {
            kinds[0]
        };
        (kind, url.replace("TOKEN", TOKEN))
    });
    urls.chain(whole).map(|(kind, url)| (kind, url.replace("PORT", &port.to_string()))).collect()
}

/// Puts an address into the database as if it had been accepted, with a message for it.
fn smuggle(
    c: &mut AnyConnection,
    keys: &KeyRing,
    tenant: TenantId,
    (number, kind, url): (usize, RobotKind, &str),
    now: chrono::NaiveDateTime,
) -> belfry::error::Result<()> {
    let fingerprint = number.to_be_bytes().repeat(4);
    let sealed = keys.seal(AssociatedData { tenant, column: "robots.sealed_url", row: &fingerprint }, url)?;
    let robot = (
        robots::tenant.eq(tenant),
        robots::channel.eq(kind.name()),
        robots::fingerprint.eq(&fingerprint),
        robots::sealed_url.eq(sealed),
        robots::host.eq(""),
        robots::last_four.eq(""),
        robots::state.eq("ok"),
        robots::reason.eq(""),
        robots::created_at.eq(now),
    );
    let robot: RobotId = diesel::insert_into(robots::table).values(robot).returning(robots::id).get_result(c)?;
    let bell = (
        endpoints::fingerprint.eq(&fingerprint),
        endpoints::channel.eq(kind.name()),
        endpoints::cooldown_until.eq(now),
        endpoints::due_at.eq(Some(now)),
    );
    diesel::insert_into(endpoints::table).values(bell).execute(c)?;
    let notice = Notice {
        tenant,
        kind: DeliveryKind::MemberSaved,
        title: "Dataphin: smuggled".to_owned(),
        body: "A text.".to_owned(),
        robot,
        member: None,
        recipient: "somebody".to_owned(),
        requested_by: None,
        alert: None,
    };
    delivery::enqueue(c, notice, now).map(drop)
}

on_both! {
    async fn no_forged_webhook_is_saved_tested_or_called(app: &TestApp) {
        let (town, (listener, port)) = (app.settle().await, Listener::on_this_machine(0));
        app.switch_on().await;
        let forged = forged(port);
        let distinct: BTreeSet<&String> = forged.iter().map(|(_, url)| url).collect();
        assert!(distinct.len() >= 150, "{} addresses", distinct.len());

        let mut sue = app.log_in("sue").await;
        let (edit, test) = (format!("/t/ours/members/{}/edit", town.mia), format!("/t/ours/members/{}/test", town.mia));
        let csrf = sue.token().await;
        for (kind, url) in &forged {
            let field = format!("{}_robot", kind.name());
            for path in [&edit, &test] {
                let status = sue.post_with(&csrf, path, &[(&field, url)]).await.expect("an answer");
                assert_eq!(status, 422, "{path}: {url:?}");
            }
        }
        assert_eq!(query(app, "SELECT '' AS line FROM robots").await.len(), 0, "nothing was saved");

        let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the keys");
        let (smuggled, now) = (forged.clone(), app.clock.now());
        let write = move |c: &mut AnyConnection| {
            smuggled.iter().enumerate().try_for_each(|(number, (kind, url))| {
                smuggle(c, &keys, town.ours, (number, *kind, url), now)
            })
        };
        app.db.write(write).await.expect("they are smuggled in");
        let deadline = Instant::now() + Duration::from_secs(30);
        let meanings = "SELECT DISTINCT meaning AS line FROM attempts";
        let ended = "SELECT '' AS line FROM attempts WHERE finished_at IS NOT NULL";
        while query(app, ended).await.len() < forged.len() {
            assert!(Instant::now() < deadline, "not every message was tried");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(query(app, meanings).await, ["broken-address-refused"]);
        assert_eq!((listener.connections(), app.sandbox.calls(TOKEN).len()), (0, 0), "somebody was called");
        eprintln!("{} forged webhooks: none saved, none tested, none called", forged.len());
    }
}

#[test]
fn the_listener_notices_whoever_connects() {
    let (listener, port) = Listener::on_this_machine(0);
    drop(std::net::TcpStream::connect(("127.0.0.1", port)).expect("a connection"));
    let deadline = Instant::now() + Duration::from_secs(10);
    while listener.connections() == 0 {
        assert!(Instant::now() < deadline, "it noticed nothing");
        thread::sleep(Duration::from_millis(5));
    }
}
