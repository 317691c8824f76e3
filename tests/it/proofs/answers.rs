//! Every answer and every fault that is known of the three vendors' robots and of what stands before them: each is read as what it
//! means, through the real courier and over a real connection.
//!
//! The one form is the full one.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use belfry::{
    clock::Clock,
    db::AnyConnection,
    delivery::{self, DeliveryKind, DeliveryWorker, Notice, Waker},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::RobotKind,
    secrets::KeyRing,
    templates,
};
use chrono::NaiveDateTime;
use diesel::prelude::*;
use rustls::{
    ServerConfig, ServerConnection, Stream,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::json;

use crate::harness::{Backend, TestApp, Tweaks, folder, run_with};

/// What a robot does when it is called.
#[derive(Clone, Debug)]
enum Does {
    /// Answers with this status, header and body.
    Answers(u16, Option<(&'static str, String)>, String),
    /// Sends these bytes and closes.
    Sends(String),
    /// Closes at once, with what was asked still unread, so that the connection is reset.
    Resets,
    /// Reads, and closes its own direction without a word.
    HalfCloses,
    /// Never answers.
    Hangs,
    /// Answers a byte every half second.
    Drips,
    /// Speaks TLS with a certificate that nobody has signed.
    HasABadCertificate,
    /// Answers a TLS greeting with something else.
    SpeaksNoTls,
    /// Is not there: nobody listens.
    IsClosed,
    /// Is not there: its name is unknown.
    HasNoName,
}

use Does::{Answers, Drips, HalfCloses, Hangs, HasABadCertificate, HasNoName, IsClosed, Resets, Sends, SpeaksNoTls};

/// What a robot does, and what that means: the word of the record, and for how many seconds it is left alone.
type Case = (RobotKind, Does, &'static str, Option<i64>);

fn said(body: &serde_json::Value) -> Does {
    Answers(200, None, body.to_string())
}

fn dingtalk() -> Vec<Case> {
    let ten_minutes = Some(600);
    let codes = [
        (0, "ok", "delivered", None),
        (-1, "系统繁忙", "passing", None),
        (22, "Invalid method", "broken-wrong-path", None),
        (88, "ding talk error", "broken-wrong-path", None),
        (404, "请求的URI地址不存在", "broken-wrong-path", None),
        (40035, "缺少参数 access_token", "our-fault", None),
        (40035, "缺少参数 json", "our-fault", None),
        (43002, "需要POST请求", "our-fault", None),
        (43004, "无效的HTTP HEADER Content-Type", "our-fault", None),
        (101_002, "message is too long", "too-long", None),
        (460_101, "message too long, exceed 20000 bytes", "too-long", None),
        (460_101, "description: body 大小不合法;solution:请保持大小在 20000bytes 以内;", "too-long", None),
        (130_101, "send too fast, exceed 20 times per minute", "wait", ten_minutes),
        (410_100, "发送速度太快而限流", "wait", ten_minutes),
        (660_026, "sending too many messages per minute", "wait", ten_minutes),
        (999_999, "send too fast, exceed 20 times per minute", "wait", ten_minutes),
        (90_018, "您的服务器调用钉钉开放平台当前接口的所有请求都被暂时禁用了", "passing", None),
        (90_002, "您的服务器调用钉钉开放平台所有接口的请求都被暂时禁用了", "passing", None),
        (90_020, "monthly quota", "broken-quota-spent", None),
        (300_001, "token is not exist", "broken-unknown-token", None),
        (300_001, "description: robot 不存在；solution:请确认 token 是否正确；", "broken-unknown-token", None),
        (300_001, "message param title or text is null ", "our-fault", None),
        (300_005, "token is not exist", "broken-unknown-token", None),
        (400_101, "access_token不存在", "broken-unknown-token", None),
        (400_102, "机器人已停用", "broken-disabled", None),
        (400_102, "description:机器人已经停用或者未启用;solution:请联系群管理员启用机器人;", "broken-disabled", None),
        (400_106, "机器人不存在", "broken-removed", None),
        (400_013, "群已被解散", "broken-group-gone", None),
        (400_105, "不支持的消息类型", "our-fault", None),
        (310_000, "keywords not in content", "broken-keyword", None),
        (310_000, "keywords not in content, more: [https://ding-doc.dingtalk.com/doc]", "broken-keyword", None),
        (310_000, "description:关键词不匹配;solution:请联系群管理员查看此机器人的关键词;", "broken-keyword", None),
        (310_000, "错误描述:关键词不匹配;解决方案:请联系群管理员;", "broken-keyword", None),
        (310_000, "sign not match", "broken-signature", None),
        (310_000, "description:机器人发送签名不匹配;solution:请确认签名;", "broken-signature", None),
        (310_000, "invalid timestamp", "broken-clock-skew", None),
        (
            310_000,
            "description:机器人发送签名过期;solution:签名生成时间和发送时间请保持在 timestampms 以内;",
            "broken-clock-skew",
            None,
        ),
        (310_000, "ip 203.0.113.7 not in whitelist", "broken-ip-not-allowed", None),
        (310_000, "description:ip 不在白名单中;solution:请联系对应群的管理员;", "broken-ip-not-allowed", None),
        (310_000, "something new", "broken-security", None),
        (430_101, "unsafe external link", "content-refused", None),
        (430_102, "发送消息包含不合适的文本", "content-refused", None),
        (430_103, "image", "content-refused", None),
        (430_104, "content", "content-refused", None),
        (302_033, "seen nowhere", "unknown", None),
    ];
    let codes = codes.map(|(code, words, means, rest)| {
        (RobotKind::DingTalk, said(&json!({ "errcode": code, "errmsg": words })), means, rest)
    });
    let others = [
        (said(&json!({ "errcode": "0", "errmsg": "ok" })), "delivered", None),
        (said(&json!({ "errcode": "660026", "errmsg": "x" })), "wait", ten_minutes),
        (
            said(&json!({ "status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "0" })),
            "passing",
            Some(300),
        ),
        (said(&json!({ "errcode": null })), "unknown", None),
        (said(&json!({ "success": true })), "unknown", None),
    ];
    let others = others.map(|(does, means, rest)| (RobotKind::DingTalk, does, means, rest));
    codes.into_iter().chain(others).collect()
}

fn lark() -> Vec<Case> {
    let codes = [
        (200, 0, "success", "delivered", None),
        (200, 19_001, "param invalid: incoming webhook access token invalid", "broken-unknown-token", None),
        (200, 19_002, "params error, msg_type need", "our-fault", None),
        (
            200,
            19_021,
            "sign match fail or timestamp is not within one hour from current time",
            "broken-signature",
            None,
        ),
        (200, 19_022, "Ip Not Allowed", "broken-ip-not-allowed", None),
        (200, 19_024, "Key Words Not Found", "broken-keyword", None),
        (200, 19_036, "message exceeds the size limit of 30KB", "too-long", None),
        (200, 9499, "Bad Request", "our-fault", None),
        (400, 9499, "Bad Request", "our-fault", None),
        (400, 9499, "too many request", "wait", Some(60)),
        (200, 11_232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]", "wait", Some(60)),
        (200, 11_233, "frequency limited", "wait", Some(60)),
        (200, 11_247, "frequency limited", "wait", Some(60)),
        (200, 1500, "internal", "passing", None),
        (200, 2200, "internal error", "passing", None),
        (200, 11_246, "content rejected", "content-refused", None),
        (200, 11_248, "content rejected", "content-refused", None),
        (200, 11_312, "content rejected", "content-refused", None),
        (200, 123_456, "something new", "unknown", None),
    ];
    let codes = codes.map(|(status, code, words, means, rest)| {
        let body = json!({ "code": code, "msg": words, "data": {} }).to_string();
        (RobotKind::Lark, Answers(status, None, body), means, rest)
    });
    let reset = Some(("x-ogw-ratelimit-reset", "7".to_owned()));
    let limit = json!({ "code": 99_991_400, "msg": "request trigger frequency limit" }).to_string();
    let others = [
        (said(&json!({ "StatusCode": 0, "StatusMessage": "success" })), "delivered", None),
        (
            said(&json!({ "StatusCode": 0, "StatusMessage": "success", "code": 19_024, "msg": "Key Words Not Found" })),
            "broken-keyword",
            None,
        ),
        (Answers(429, reset.clone(), limit.clone()), "wait", Some(7)),
        (Answers(400, reset, limit), "wait", Some(7)),
    ];
    let others = others.map(|(does, means, rest)| (RobotKind::Lark, does, means, rest));
    codes.into_iter().chain(others).collect()
}

fn wecom() -> Vec<Case> {
    let codes = [
        (0, "ok", "delivered", None),
        (0, "ok. Warning: wrong json format. ", "delivered", None),
        (-1, "system error", "passing", None),
        (93_000, "invalid webhook url", "broken-unknown-token", None),
        (93_001, "chat not allowed", "broken-not-in-group", None),
        (93_004, "robot disabled", "broken-disabled", None),
        (93_008, "not in group", "broken-not-in-group", None),
        (93_017, "empty body", "our-fault", None),
        (45_009, "api freq out of limit", "wait", Some(60)),
        (45_033, "concurrency limit", "passing", None),
        (40_008, "invalid message type", "our-fault", None),
        (40_058, "markdown.content exceed max length 4096. invalid Request Parameter", "too-long", None),
        (40_058, "invalid Request Parameter", "our-fault", None),
        (44_004, "empty content", "our-fault", None),
        (45_002, "content size out of limit", "too-long", None),
        (60_020, "not allow to access from your ip", "unknown", None),
    ];
    let hint = ", hint: [1592021214_50_abc], from ip: 203.0.113.7, more info at https://open.work.weixin.qq.com/devtool/query?e=1";
    let codes = codes.map(|(code, words, means, rest)| {
        (RobotKind::WeCom, said(&json!({ "errcode": code, "errmsg": format!("{words}{hint}") })), means, rest)
    });
    codes.into()
}

/// What gateways, proxies and private editions answer, whatever the channel.
fn statuses() -> Vec<Case> {
    let page = "<html><head><title>x</title></head><body>x</body></html>".to_owned();
    let ok = json!({ "errcode": 0, "errmsg": "ok", "code": 0 }).to_string();
    let meanings = [
        (201, "unknown"),
        (204, "unknown"),
        (302, "unknown"),
        (303, "unknown"),
        (307, "unknown"),
        (400, "unknown"),
        (401, "unknown"),
        (403, "unknown"),
        (418, "unknown"),
        (301, "broken-moved"),
        (308, "broken-moved"),
        (404, "broken-wrong-path"),
        (405, "broken-wrong-path"),
        (408, "passing"),
        (410, "broken-removed"),
        (413, "too-long"),
        (425, "passing"),
        (500, "passing"),
        (502, "passing"),
        (503, "passing"),
        (504, "passing"),
        (599, "passing"),
    ];
    let kinds = [RobotKind::DingTalk, RobotKind::Lark, RobotKind::WeCom];
    let mut cases: Vec<Case> = Vec::new();
    for (place, (status, means)) in meanings.into_iter().enumerate() {
        let header = (300..400).contains(&status).then(|| ("location", "/elsewhere".to_owned()));
        cases.push((kinds[place % 3], Answers(status, header, page.clone()), means, None));
    }
    // A success inside a failure is none; one with another good status is one.
    cases.push((RobotKind::DingTalk, Answers(500, None, ok.clone()), "passing", None));
    cases.push((RobotKind::WeCom, Answers(403, None, ok.clone()), "unknown", None));
    cases.push((RobotKind::Lark, Answers(201, None, ok.clone()), "delivered", None));
    for kind in kinds {
        cases.push((kind, Answers(200, None, String::new()), "unknown", None));
        cases.push((kind, Answers(200, None, page.clone()), "unknown", None));
        cases.push((kind, Answers(200, None, ok[..ok.len() / 2].to_owned()), "unknown", None));
        cases.push((kind, Answers(200, None, format!("[{ok}]")), "unknown", None));
        // However long an answer is, its first 20,000 bytes are read: these have the code in them, the next do not.
        cases.push((kind, Answers(200, None, format!("{ok}{}", " ".repeat(4 << 20))), "delivered", None));
        let huge = json!({ "padding": "x".repeat(1 << 20), "errcode": 0, "code": 0 });
        cases.push((kind, said(&huge), "unknown", None));
    }
    cases
}

/// "Too many requests" with every kind of `Retry-After`.
fn retry_after() -> Vec<Case> {
    let date = "Wed, 21 Oct 2037 07:28:00 GMT";
    let asked = |status, value: &str| Answers(status, Some(("retry-after", value.to_owned())), "slow down".to_owned());
    let without = || Answers(429, None, "slow down".to_owned());
    let mut cases = vec![
        (RobotKind::DingTalk, without(), "wait", Some(600)),
        (RobotKind::DingTalk, asked(429, "5"), "wait", Some(5)),
        (RobotKind::WeCom, without(), "wait", Some(60)),
        (RobotKind::WeCom, asked(429, "5"), "wait", Some(5)),
        (RobotKind::Lark, without(), "wait", Some(60)),
    ];
    for (value, rest) in
        [("7", 7), ("0", 1), ("-5", 60), (date, 600), ("1000000000", 600), ("soon", 60), ("", 60), ("7.5", 60)]
    {
        cases.push((RobotKind::Lark, asked(429, value), "wait", Some(rest)));
    }
    for (value, rest) in
        [("30", Some(30)), ("0", Some(1)), ("1000000000", Some(600)), (date, Some(600)), ("-5", None), ("soon", None)]
    {
        cases.push((RobotKind::DingTalk, asked(503, value), "passing", rest));
    }
    cases
}

/// What goes wrong with connections.
fn connections() -> Vec<Case> {
    let faults = [
        (Resets, "no-answer"),
        (HalfCloses, "no-answer"),
        (Hangs, "no-answer"),
        (Drips, "no-answer"),
        (Sends("SSH-2.0-OpenSSH_9.9\r\n".to_owned()), "no-answer"),
        (Sends("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"errcode\":0".to_owned()), "no-answer"),
        (Sends("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"err\r\n".to_owned()), "no-answer"),
        (Sends("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned()), "no-answer"),
        (Sends(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1 << 20))), "no-answer"),
        (HasABadCertificate, "unreachable"),
        (SpeaksNoTls, "unreachable"),
        (IsClosed, "unreachable"),
        (HasNoName, "unreachable"),
    ];
    faults.map(|(does, means)| (RobotKind::DingTalk, does, means, None)).into()
}

/// Pretends all robots at once: a call's token says whose case it is.
struct Robots {
    http: u16,
    https: u16,
    /// Calls of the place that redirects name.
    elsewhere: Arc<AtomicUsize>,
}

impl Robots {
    fn serve(cases: Arc<Vec<Case>>) -> Self {
        let elsewhere = Arc::new(AtomicUsize::new(0));
        let (redirected, plain, secure) = (Arc::clone(&elsewhere), listener(), listener());
        let (http, https) = (port(&plain), port(&secure));
        let config = self_signed();
        thread::spawn(move || {
            for stream in plain.incoming().flatten() {
                let (cases, redirected) = (Arc::clone(&cases), Arc::clone(&redirected));
                thread::spawn(move || play(stream, &cases, &redirected));
            }
        });
        thread::spawn(move || {
            for mut stream in secure.incoming().flatten() {
                let config = Arc::clone(&config);
                thread::spawn(move || {
                    let mut connection = ServerConnection::new(config).expect("a TLS connection");
                    drop(Stream::new(&mut connection, &mut stream).read(&mut [0; 1024]));
                });
            }
        });
        Self { http, https, elsewhere }
    }

    /// Where the robot of a case seems to live.
    fn origin(&self, does: &Does, closed: u16) -> String {
        match does {
            HasABadCertificate => format!("https://127.0.0.1:{}", self.https),
            SpeaksNoTls => format!("https://127.0.0.1:{}", self.http),
            IsClosed => format!("http://127.0.0.1:{closed}"),
            HasNoName => "http://no-such-robot.invalid".to_owned(),
            _ => format!("http://127.0.0.1:{}", self.http),
        }
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port")
}

fn port(listener: &TcpListener) -> u16 {
    listener.local_addr().expect("an address").port()
}

/// A certificate for this very address that no authority has signed.
fn self_signed() -> Arc<ServerConfig> {
    let folder = folder();
    let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"])
        .args(["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "The tests need openssl: apt-get install openssl.");
    let certificate = CertificateDer::from_pem_slice(&fs::read(certificate).unwrap()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&fs::read(key).unwrap()).expect("a key");
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a TLS server"))
}

/// The token of a case's robot.
fn token(case: usize) -> String {
    format!("fake-case-{case:04}")
}

fn play(mut stream: TcpStream, cases: &[Case], redirected: &AtomicUsize) {
    let mut first = [0; 1];
    if stream.peek(&mut first).is_err() || first[0] == 0x16 {
        // A TLS greeting.
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        return;
    }
    let mut start = [0; 160];
    let Ok(length) = stream.peek(&mut start) else { return };
    let line = String::from_utf8_lossy(&start[..length]).into_owned();
    if line.contains("/elsewhere") {
        redirected.fetch_add(1, Ordering::SeqCst);
    }
    let number = line.split("fake-case-").nth(1).and_then(|rest| rest.get(..4)?.parse::<usize>().ok());
    let Some((_, does, ..)) = number.and_then(|number| cases.get(number)) else { return };
    if matches!(does, Resets) {
        return;
    }
    read_whole(&mut stream);
    let written = match does {
        Answers(status, header, body) => {
            let header = header.as_ref().map(|(name, value)| format!("{name}: {value}\r\n")).unwrap_or_default();
            let length = if *status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let head = format!("HTTP/1.1 {status} x\r\n{header}{length}connection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()))
        }
        Sends(bytes) => stream.write_all(bytes.as_bytes()),
        HalfCloses => stream.shutdown(std::net::Shutdown::Write),
        Drips => b"HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n{\"errcode\":0,\"errmsg\":\"ok, ok\"}"
            .iter()
            .try_for_each(|byte| stream.write_all(&[*byte]).map(|()| thread::sleep(Duration::from_millis(500)))),
        _ => Ok(()),
    };
    // Whoever hung up has had enough; the rest of them read to the end, or hang until this side is told to stop.
    drop(written);
    if matches!(does, Hangs | HalfCloses) {
        thread::sleep(Duration::from_secs(30));
    }
    drop(stream.shutdown(std::net::Shutdown::Write));
    drop(stream.set_read_timeout(Some(Duration::from_secs(5))));
    drop(stream.read(&mut [0; 16]));
}

/// Reads a request to its end.
fn read_whole(stream: &mut TcpStream) {
    drop(stream.set_read_timeout(Some(Duration::from_secs(5))));
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let Ok(length @ 1..) = stream.read(&mut chunk) else { return };
        request.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let body = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            if request.len() >= head.len() + 4 + body.unwrap_or(0) {
                return;
            }
        }
    }
}

/// What was recorded of a case: its meaning, the state of its delivery, and for how long its robot is left alone.
type Recorded = (String, String, i64);

async fn recorded(app: &TestApp) -> BTreeMap<String, Recorded> {
    use belfry::db::schema::{attempts, deliveries, endpoints, messages};
    let rows = app.db.read(|c| {
        let rows = attempts::table
            .inner_join(messages::table)
            .inner_join(deliveries::table.on(deliveries::message.eq(messages::id.nullable())))
            .inner_join(endpoints::table.on(endpoints::fingerprint.eq(attempts::fingerprint)))
            .filter(attempts::number.eq(1))
            .filter(attempts::finished_at.is_not_null())
            .select((
                deliveries::title,
                attempts::meaning,
                deliveries::state,
                endpoints::cooldown_until,
                attempts::finished_at.assume_not_null(),
            ));
        Ok(rows.load::<(String, String, String, NaiveDateTime, NaiveDateTime)>(c)?)
    });
    let rows = rows.await.expect("the record can be read");
    let row = |(title, meaning, state, rest, at): (String, String, String, NaiveDateTime, NaiveDateTime)| {
        (title, (meaning, state, (rest - at).num_seconds().max(0)))
    };
    rows.into_iter().map(row).collect()
}

async fn every_answer(app: &TestApp) {
    let cases = [dingtalk(), lark(), wecom(), statuses(), retry_after(), connections()].concat();
    let cases = Arc::new(cases);
    let robots = Robots::serve(Arc::clone(&cases));
    let closed = port(&listener());
    let mut origins: Vec<String> = cases.iter().map(|(_, does, ..)| robots.origin(does, closed)).collect();
    origins.sort();
    origins.dedup();
    let origins = RobotOrigins::parse(&origins.join(",")).expect("origins");
    let ours = app.tenant("ours", "sue").await;
    app.switch_on().await;
    let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the keys");
    for (number, (kind, does, ..)) in cases.iter().enumerate() {
        let channel = Channel::parse(kind.name()).expect("a channel");
        let url = kind.webhook_url(&robots.origin(does, closed), &token(number));
        let address = RobotAddress::parse(channel, &url, &origins).expect("an address");
        let (keys, now) = (keys.clone(), app.clock.now());
        let put = move |c: &mut AnyConnection| {
            let (robot, _) = delivery::upsert_robot(c, &keys, ours, &address, None, now)?;
            let notice = Notice {
                tenant: ours,
                kind: DeliveryKind::MemberSaved,
                title: token(number),
                body: "A text.".to_owned(),
                robot,
                member: None,
                recipient: "somebody".to_owned(),
                requested_by: None,
                alert: None,
            };
            delivery::enqueue(c, notice, now)
        };
        app.db.write(put).await.expect("a message");
    }
    let (waker, speller) = (Waker::default(), templates::digest_renderer("Dataphin".to_owned(), None));
    let worker = DeliveryWorker::start(app.db.clone(), keys, origins, Clock::default(), waker, speller);
    let worker = worker.expect("the courier starts");
    let deadline = Instant::now() + Duration::from_secs(60);
    // The first record of each: some are tried again while the slow ones are waited for.
    let mut first = BTreeMap::new();
    while first.len() < cases.len() {
        for (title, record) in recorded(app).await {
            first.entry(title).or_insert(record);
        }
        assert!(Instant::now() < deadline, "{} of {} cases are recorded", first.len(), cases.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    worker.stop().await;
    let mut wrong = Vec::new();
    for (number, (kind, does, means, rest)) in cases.iter().enumerate() {
        let (meaning, state, rests) = &first[&token(number)];
        let expected = match *means {
            "delivered" => "success",
            "too-long" | "content-refused" | "our-fault" => "failed",
            _ => "waiting",
        };
        if (meaning.as_str(), *rests) != (*means, rest.unwrap_or(0)) || state != expected {
            let does: String = format!("{does:?}").chars().take(200).collect();
            wrong.push(format!(
                "{kind:?} {does}: {meaning}, {state}, {rests} s instead of {means}, {expected}, {rest:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(robots.elsewhere.load(Ordering::SeqCst), 0, "a redirect was followed");
    eprintln!("{} answers and faults, each read as what it means", cases.len());
}

#[test]
fn every_answer_and_every_fault_is_read_as_what_it_means() {
    run_with(Backend::Sqlite, Tweaks { flags: &[], only_database: true }, every_answer);
}
