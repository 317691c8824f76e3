//! Every answer of the robots, and the pages, through a real server.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::{Client, Response, header::CONTENT_TYPE, redirect::Policy};
use serde_json::{Value, json};

use super::*;

const SECRET: &str = "this is secret";

/// One security setting, switched on.
type Setting = fn(&mut Group);

/// A served sandbox with a client that follows no redirects.
struct Bench {
    sandbox: Sandbox,
    clock: Clock,
    base: String,
    client: Client,
}

impl Bench {
    fn new() -> Self {
        // A second installation is refused, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let clock = Clock::default();
        let sandbox = Sandbox::new(clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        actix_web::rt::spawn(sandbox.clone().serve(listener).unwrap());
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { sandbox, clock, base, client }
    }

    /// A bench with one robot, its token `fake-token`.
    fn with(kind: RobotKind, group: Group) -> Self {
        let bench = Self::new();
        bench.sandbox.add(kind, "fake-token", group);
        bench
    }

    fn url(&self) -> String {
        self.sandbox.url(&self.base, "fake-token").unwrap()
    }

    /// The clock set to this Unix time in milliseconds, give or take the time the test itself takes.
    fn set_clock(&self, milliseconds: i64) {
        let now = self.clock.now().and_utc().timestamp_millis();
        self.clock.advance(TimeDelta::milliseconds(milliseconds - now));
    }

    async fn post(&self, url: &str, body: &Value) -> Response {
        self.client.post(url).json(body).send().await.unwrap()
    }

    /// HTTP status, code and text of the answer to a body posted to the robot.
    async fn ring(&self, body: &Value) -> (u16, i64, String) {
        self.ring_at(&self.url(), body).await
    }

    async fn ring_at(&self, url: &str, body: &Value) -> (u16, i64, String) {
        outcome(self.post(url, body).await).await
    }
}

async fn outcome(response: Response) -> (u16, i64, String) {
    let status = response.status().as_u16();
    let answer: Value = response.json().await.unwrap();
    let code = answer.get("errcode").or(answer.get("code")).unwrap().as_i64().unwrap();
    let text = answer.get("errmsg").or(answer.get("msg")).unwrap().as_str().unwrap();
    (status, code, text.to_owned())
}

fn markdown(text: &str) -> Value {
    json!({ "msgtype": "markdown", "markdown": { "title": "Title", "text": text } })
}

fn lark_text(text: &str) -> Value {
    json!({ "msg_type": "text", "content": { "text": text } })
}

fn wecom(kind: &str, content: &str) -> Value {
    json!({ "msgtype": kind, kind: { "content": content } })
}

fn is(code: i64, text: &str) -> (u16, i64, String) {
    (200, code, text.to_owned())
}

#[actix_web::test]
async fn a_dingtalk_message_is_heard_and_its_call_kept_byte_for_byte() {
    let bench = Bench::with(RobotKind::DingTalk, Group::named("Duty"));
    let body = r#"{"msgtype":"text", "text":{"content":"磁盘 @13800000000 full"},
        "at":{"atMobiles":["13800000000","13900000000"],"isAtAll":true}}"#;
    let request =
        bench.client.post(bench.url() + "&note=a%2Bb+c").header(CONTENT_TYPE, "application/json;charset=utf-8");
    let response = request.header("x-trace", "7").body(body).send().await.unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(outcome(response).await, is(0, "ok"));

    let calls = bench.sandbox.calls("fake-token");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body, body.as_bytes());
    assert_eq!(calls[0].query, "access_token=fake-token&note=a%2Bb+c");
    assert_eq!(calls[0].header("x-trace"), Some("7"));
    assert_eq!(calls[0].verdict, Verdict::Heard);
    let message = &bench.sandbox.heard("fake-token")[0].message;
    assert_eq!(message.text, "磁盘 @13800000000 full");
    assert_eq!(message.mentions, ["13800000000"], "only who is also named in the text is mentioned");
    assert!(message.mentions_all);
}

#[actix_web::test]
async fn the_five_dingtalk_types_are_read() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    for body in [
        json!({ "msgtype": "text", "text": { "content": "one" } }),
        markdown("one"),
        json!({ "msgtype": "link", "link": { "title": "t", "text": "one", "messageUrl": "https://example.com" } }),
        json!({ "msgtype": "actionCard", "actionCard": { "title": "t", "text": "one", "singleTitle": "s" } }),
        json!({ "msgtype": "feedCard", "feedCard": { "links": [{ "title": "one" }] } }),
    ] {
        assert_eq!(bench.ring(&body).await, is(0, "ok"), "{body}");
    }
    assert!(bench.sandbox.heard("fake-token").iter().all(|heard| heard.message.text == "one"));
}

#[actix_web::test]
async fn dingtalk_checks_method_path_and_token_first() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let get = bench.client.get(bench.url()).send().await.unwrap();
    assert_eq!(outcome(get).await, is(43002, "需要POST请求"));
    let wrong = format!("{}/robot/sent?access_token=fake-token", bench.base);
    assert_eq!(bench.ring_at(&wrong, &markdown("x")).await, is(404, "请求的URI地址不存在"));
    for query in ["", "?access_token="] {
        let url = format!("{}/robot/send{query}", bench.base);
        assert_eq!(bench.ring_at(&url, &markdown("x")).await, is(40035, "缺少参数 access_token"));
    }
    let unknown = format!("{}/robot/send?access_token=nobody", bench.base);
    assert_eq!(bench.ring_at(&unknown, &markdown("x")).await, is(300_005, "token is not exist"));
    assert_eq!(bench.sandbox.calls("nobody").len(), 1);
    assert!(bench.sandbox.heard("nobody").is_empty());
}

#[actix_web::test]
async fn a_token_of_another_kind_of_robot_is_unknown() {
    let bench = Bench::with(RobotKind::WeCom, Group::default());
    let url = RobotKind::DingTalk.url(&bench.base, "fake-token");
    assert_eq!(bench.ring_at(&url, &markdown("x")).await, is(300_005, "token is not exist"));
}

#[actix_web::test]
async fn dingtalk_robots_that_may_not_speak_say_why_in_every_wording() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let disabled = "description:机器人已经停用或者未启用;solution:请联系群管理员启用机器人;";
    for (standing, wording, code, text) in [
        (Standing::Disabled, Wording::Old, 400_102, "机器人已停用"),
        (Standing::Disabled, Wording::New, 400_102, disabled),
        (Standing::Removed, Wording::New, 400_106, "机器人不存在"),
        (Standing::GroupGone, Wording::New, 400_013, "群已被解散"),
        (Standing::TokenReset, Wording::Old, 300_001, "token is not exist"),
        (Standing::TokenReset, Wording::Middle, 300_001, "description: robot 不存在；solution:请确认 token 是否正确；"),
        (Standing::TokenReset, Wording::New, 300_005, "token is not exist"),
    ] {
        assert!(bench.sandbox.change("fake-token", |group| {
            group.standing = standing;
            group.wording = wording;
        }));
        assert_eq!(bench.ring(&markdown("x")).await, is(code, text));
    }
    assert!(bench.sandbox.heard("fake-token").is_empty());
}

#[actix_web::test]
async fn dingtalk_wants_a_json_body_with_the_json_content_type() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let plain = bench.client.post(bench.url()).body(markdown("x").to_string()).send().await.unwrap();
    assert_eq!(outcome(plain).await, is(43004, "无效的HTTP HEADER Content-Type"));
    for body in ["", "{\"msgtype\":", "\"text\""] {
        let request = bench.client.post(bench.url()).header(CONTENT_TYPE, "application/json").body(body);
        assert_eq!(outcome(request.send().await.unwrap()).await, is(40035, "缺少参数 json"), "{body}");
    }
}

#[actix_web::test]
async fn dingtalk_takes_twenty_thousand_bytes_and_not_one_more() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let room = 20_000 - markdown("").to_string().len();
    assert_eq!(bench.ring(&markdown(&"x".repeat(room))).await, is(0, "ok"));
    let longer = markdown(&"x".repeat(room + 1));
    for (wording, code, text) in [
        (Wording::Old, 101_002, "message is too long"),
        (Wording::Middle, 460_101, "message too long, exceed 20000 bytes"),
        (Wording::New, 460_101, "description: body 大小不合法;solution:请保持大小在 20000bytes 以内;"),
    ] {
        bench.sandbox.change("fake-token", |group| group.wording = wording);
        assert_eq!(bench.ring(&longer).await, is(code, text));
    }
    let huge = bench.post(&bench.url(), &markdown(&"x".repeat(2_000_000))).await;
    assert_eq!(huge.status(), 413);
}

#[actix_web::test]
async fn dingtalk_security_settings_all_answer_310000_in_the_words_of_the_generation() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let more = ", more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]";
    let settings: [(Setting, &str, &str); 3] = [
        (|group| group.keywords = vec!["Dataphin".to_owned()], "keywords not in content", "关键词不匹配"),
        (|group| group.secret = Some(SECRET.to_owned()), "sign not match", "机器人发送签名不匹配"),
        (|group| group.allowed_ips = vec!["10.0.0.0/8".to_owned()], "ip 127.0.0.1 not in whitelist", "ip 不在白名单中"),
    ];
    for (set, english, chinese) in settings {
        bench.sandbox.add(RobotKind::DingTalk, "fake-token", Group::default());
        bench.sandbox.change("fake-token", set);
        for wording in [Wording::Old, Wording::Middle, Wording::New, Wording::NewChinese] {
            bench.sandbox.change("fake-token", |group| group.wording = wording);
            let (status, code, text) = bench.ring(&markdown("x")).await;
            assert_eq!((status, code), (200, 310_000));
            match wording {
                Wording::Old => assert_eq!(text, english),
                Wording::Middle => assert_eq!(text, format!("{english}{more}")),
                Wording::New => assert!(text.starts_with(&format!("description:{chinese};solution:")), "{text}"),
                Wording::NewChinese => assert!(text.starts_with(&format!("错误描述:{chinese};解决方案:")), "{text}"),
            }
        }
    }
}

#[actix_web::test]
async fn a_dingtalk_keyword_may_stand_in_title_or_text_but_must_match_byte_for_byte() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default().keyword("Dataphin").keyword("告警"));
    assert_eq!(bench.ring(&markdown("from Dataphin")).await.1, 0);
    assert_eq!(bench.ring(&markdown("磁盘告警")).await.1, 0);
    let titled = json!({ "msgtype": "markdown", "markdown": { "title": "Dataphin", "text": "x" } });
    assert_eq!(bench.ring(&titled).await.1, 0);
    assert_eq!(bench.ring(&markdown("from dataphin")).await.1, 310_000);
}

#[actix_web::test]
async fn dingtalk_signatures_computed_elsewhere_are_accepted_at_their_time() {
    let zeros = format!("SEC{}", "0".repeat(64));
    for (timestamp, secret, sign) in [
        (1_700_000_000_000, SECRET, "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D"),
        (1_577_262_236_757, SECRET, "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D"),
        (1_700_000_000_001, SECRET, "aOZ0Y%2FR7BCg4xs87AcG5MYf26YmwfVRTLD0z3X%2Bp%2FmM%3D"),
        (1_700_000_000_000, &zeros, "%2B8WOOUUcTkFRyfCevQaISh9EUbkxaatnd6MLtL7dAY8%3D"),
    ] {
        let bench = Bench::with(RobotKind::DingTalk, Group::default().secret(secret));
        bench.set_clock(timestamp);
        let url = format!("{}&timestamp={timestamp}&sign={sign}", bench.url());
        assert_eq!(bench.ring_at(&url, &markdown("x")).await, is(0, "ok"), "{timestamp}");
    }
}

#[actix_web::test]
async fn wrong_dingtalk_signatures_are_refused() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default().secret(SECRET).wording(Wording::Old));
    for (mistake, timestamp, sign) in [
        ("no sign", 1_577_262_236_757_i64, ""),
        ("a plus that is not encoded", 1_577_262_236_757, "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="),
        ("encoded twice", 1_577_262_236_757, "hmPWwU%252B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%252BGs6EZQM%253D"),
        ("seconds were signed", 1_700_000_000_000, "0gy50rUziRgEQQ5BlfpijB6FVcJUiEcvkYhmxakRD7c%3D"),
        ("Lark's roles", 1_700_000_000_000, "J85Yk9GFYQfBxRSGeVjqb6vzpr2HAroZsCi0DUtIhuM%3D"),
        ("another timestamp", 1_700_000_000_002, "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D"),
    ] {
        bench.set_clock(timestamp);
        let url = format!("{}&timestamp={timestamp}&sign={sign}", bench.url());
        assert_eq!(bench.ring_at(&url, &markdown("x")).await, is(310_000, "sign not match"), "{mistake}");
    }
    assert_eq!(bench.ring(&markdown("x")).await, is(310_000, "sign not match"), "neither parameter");
}

#[actix_web::test]
async fn a_dingtalk_signature_lives_one_hour_in_both_directions() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default().secret(SECRET));
    let sign = "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D";
    let url = format!("{}&timestamp=1700000000000&sign={sign}", bench.url());
    let minute = 60_000;
    for (shift, accepted) in [(59, true), (-59, true), (61, false), (-61, false)] {
        bench.set_clock(1_700_000_000_000 + shift * minute);
        let (_, code, text) = bench.ring_at(&url, &markdown("x")).await;
        assert_eq!(code == 0, accepted, "{shift} minutes");
        assert_eq!(text.contains("机器人发送签名过期"), !accepted, "{shift} minutes");
    }
    bench.sandbox.change("fake-token", |group| group.wording = Wording::Old);
    assert_eq!(bench.ring_at(&url, &markdown("x")).await, is(310_000, "invalid timestamp"));
}

#[actix_web::test]
async fn dingtalk_refuses_unknown_types_empty_fields_and_banned_text() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let image = json!({ "msgtype": "image", "image": {} });
    assert_eq!(bench.ring(&image).await, is(400_105, "不支持的消息类型"));
    assert_eq!(bench.ring(&json!({})).await, is(400_105, "不支持的消息类型"));
    let empty = "message param title or text is null ";
    assert_eq!(bench.ring(&markdown("")).await, is(300_001, empty));
    let untitled = json!({ "msgtype": "markdown", "markdown": { "text": "x" } });
    assert_eq!(bench.ring(&untitled).await, is(300_001, empty));
    assert_eq!(bench.ring(&json!({ "msgtype": "text" })).await, is(300_001, empty));
    assert_eq!(bench.ring(&markdown(BANNED_TEXT)).await.1, 430_102);
}

#[actix_web::test]
async fn the_errcode_can_be_a_string() {
    let bench = Bench::with(RobotKind::DingTalk, Group { code_as_string: true, ..Group::default() });
    let answer: Value = bench.post(&bench.url(), &markdown("x")).await.json().await.unwrap();
    assert_eq!(answer, json!({ "errcode": "0", "errmsg": "ok" }));
}

#[actix_web::test]
async fn a_msg_uuid_is_heard_once_and_answered_ok_each_time() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default().keyword("Dataphin"));
    let with_uuid = |text: &str| {
        let mut body = markdown(text);
        body["msgUuid"] = json!("u-1");
        body
    };
    assert_eq!(bench.ring(&with_uuid("refused")).await.1, 310_000);
    assert_eq!(bench.ring(&with_uuid("Dataphin")).await, is(0, "ok"));
    assert_eq!(bench.ring(&with_uuid("Dataphin")).await, is(0, "ok"));
    assert_eq!(bench.sandbox.heard("fake-token").len(), 1);
    assert_eq!(bench.sandbox.calls("fake-token")[2].verdict, Verdict::Repeated);
}

#[actix_web::test]
async fn the_twenty_first_dingtalk_call_in_a_minute_shuts_the_robot_for_ten_minutes() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    for _ in 0..20 {
        assert_eq!(bench.ring(&markdown("x")).await, is(0, "ok"));
    }
    for (wording, code, text) in [
        (Wording::Old, 130_101, "send too fast, exceed 20 times per minute"),
        (Wording::Middle, 410_100, "发送速度太快而限流"),
        (Wording::New, 660_026, "sending too many messages per minute"),
    ] {
        bench.sandbox.change("fake-token", |group| group.wording = wording);
        assert_eq!(bench.ring(&markdown("x")).await, is(code, text));
    }
    bench.clock.advance(TimeDelta::seconds(580));
    assert_eq!(bench.ring(&markdown("x")).await.1, 660_026);
    bench.clock.advance(TimeDelta::seconds(20));
    assert_eq!(bench.ring(&markdown("x")).await.1, 0);
}

#[actix_web::test]
async fn an_unknown_dingtalk_token_is_throttled_before_it_is_unknown() {
    let bench = Bench::new();
    let url = RobotKind::DingTalk.url(&bench.base, "nobody");
    for _ in 0..20 {
        assert_eq!(bench.ring_at(&url, &markdown("x")).await.1, 300_005);
    }
    assert_eq!(bench.ring_at(&url, &markdown("x")).await.1, 660_026);
}

#[actix_web::test]
async fn an_unlimited_robot_is_never_called_too_often() {
    let bench = Bench::with(RobotKind::DingTalk, Group { unlimited: true, ..Group::default() });
    for _ in 0..25 {
        assert_eq!(bench.ring(&markdown("x")).await.1, 0);
    }
}

#[actix_web::test]
async fn lark_answers_success_and_reads_its_types_and_mentions() {
    let bench = Bench::with(RobotKind::Lark, Group::default());
    let post = json!({ "msg_type": "post", "content": { "post": { "zh_cn": { "title": "T", "content":
        [[{ "tag": "text", "text": "full " }, { "tag": "at", "user_id": "ou_1" }], [{ "tag": "a", "text": "see" }]] } } } });
    let card = json!({ "msg_type": "interactive", "card": { "header": { "title": { "content": "T" } }, "elements":
        [{ "tag": "div", "text": { "tag": "lark_md", "content": "full <at id=all></at>" } }] } });
    let answer: Value =
        bench.post(&bench.url(), &lark_text("<at user_id=\"ou_2\">B</at> full")).await.json().await.unwrap();
    let success = json!({ "StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success" });
    assert_eq!(answer, success);
    assert_eq!(bench.ring(&post).await, is(0, "success"));
    assert_eq!(bench.ring(&card).await, is(0, "success"));
    let heard: Vec<Message> = bench.sandbox.heard("fake-token").into_iter().map(|heard| heard.message).collect();
    assert_eq!(heard[0].mentions, ["ou_2"]);
    assert_eq!((heard[1].title.as_deref(), heard[1].mentions.as_slice()), (Some("T"), ["ou_1".to_owned()].as_slice()));
    assert!(heard[1].text.starts_with("full ") && heard[1].text.ends_with("\nsee"));
    assert!(heard[2].mentions_all && heard[2].mentions.is_empty() && heard[2].title.as_deref() == Some("T"));
    bench.sandbox.change("fake-token", |group| group.wording = Wording::Old);
    let answer: Value = bench.post(&bench.url(), &lark_text("x")).await.json().await.unwrap();
    assert_eq!(answer, json!({ "StatusCode": 0, "StatusMessage": "success" }));
}

#[actix_web::test]
async fn lark_refuses_what_is_malformed_with_400_and_the_rest_with_200() {
    let bench = Bench::with(RobotKind::Lark, Group::default());
    let malformed = bench.client.post(bench.url()).body("{").send().await.unwrap();
    assert_eq!(outcome(malformed).await, (400, 9499, "Bad Request".to_owned()));
    let get = bench.client.get(bench.url()).send().await.unwrap();
    assert_eq!(outcome(get).await.1, 9499);
    let format = "incorrect input format or can't find msg_type";
    for body in [json!({}), json!({ "msg_type": "poem" }), lark_text(" "), json!({ "msg_type": "text" })] {
        assert_eq!(bench.ring(&body).await, is(19002, format), "{body}");
        bench.clock.advance(TimeDelta::seconds(1));
    }
    assert_eq!(bench.ring(&lark_text(BANNED_TEXT)).await.1, 11246);
    let long = lark_text(&"x".repeat(20_480));
    assert_eq!(bench.ring(&long).await, is(19036, "message exceeds the size limit of 30KB"));
    for token in ["nobody", ""] {
        let url = RobotKind::Lark.url(&bench.base, token);
        let invalid = "param invalid: incoming webhook access token invalid";
        assert_eq!(bench.ring_at(&url, &lark_text("x")).await, is(19001, invalid));
    }
}

#[actix_web::test]
async fn lark_security_settings_answer_each_in_their_own_code() {
    let bench = Bench::with(RobotKind::Lark, Group::default().keyword("Dataphin"));
    assert_eq!(bench.ring(&lark_text("x")).await, is(19024, "Key Words Not Found"));
    assert_eq!(bench.ring(&lark_text("Dataphin")).await.1, 0);
    bench.sandbox.change("fake-token", |group| group.allowed_ips = vec!["10.0.0.*".to_owned()]);
    assert_eq!(bench.ring(&lark_text("Dataphin")).await, is(19022, "Ip Not Allowed"));
    bench.sandbox.change("fake-token", |group| group.standing = Standing::Removed);
    assert_eq!(bench.ring(&lark_text("Dataphin")).await.1, 19001);
}

#[actix_web::test]
async fn lark_signatures_computed_elsewhere_are_accepted_within_their_hour() {
    let refusal = is(19021, "sign match fail or timestamp is not within one hour from current time");
    for (timestamp, secret, sign) in [
        (1_599_360_473_i64, "demo", "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="),
        (100, "demo", "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg="),
        (1_710_000_000, "secret", "jWsBkWnzlRKtaP+iZgwraSojMWik4cJR7aysApQZuoA="),
    ] {
        let bench = Bench::with(RobotKind::Lark, Group::default().secret(secret));
        let mut body = lark_text("x");
        body["timestamp"] = json!(timestamp.to_string());
        body["sign"] = json!(sign);
        bench.set_clock((timestamp + 3590) * 1000);
        assert_eq!(bench.ring(&body).await, is(0, "success"), "{timestamp}");
        bench.set_clock((timestamp + 3610) * 1000);
        assert_eq!(bench.ring(&body).await, refusal, "{timestamp}");
        bench.set_clock(timestamp * 1000);
        body["sign"] = json!("J85Yk9GFYQfBxRSGeVjqb6vzpr2HAroZsCi0DUtIhuM=");
        assert_eq!(bench.ring(&body).await, refusal, "{timestamp}");
        assert_eq!(bench.ring(&lark_text("x")).await, refusal, "unsigned");
    }
}

#[actix_web::test]
async fn lark_tells_of_too_many_calls_in_two_ways() {
    let bench = Bench::with(RobotKind::Lark, Group::default());
    // Setting the clock before every call keeps a slow machine from leaving the second.
    let noon = 1_700_000_000_000;
    for _ in 0..5 {
        bench.set_clock(noon);
        assert_eq!(bench.ring(&lark_text("x")).await.1, 0);
    }
    let limited = "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]";
    bench.set_clock(noon);
    assert_eq!(bench.ring(&lark_text("x")).await, is(11232, limited));
    bench.sandbox.change("fake-token", |group| group.wording = Wording::Middle);
    bench.set_clock(noon);
    assert_eq!(bench.ring(&lark_text("x")).await, (400, 9499, "too many request".to_owned()));
    bench.clock.advance(TimeDelta::seconds(1));
    assert_eq!(bench.ring(&lark_text("x")).await.1, 0);
}

#[actix_web::test]
async fn wecom_answers_every_case_with_its_code_and_a_tail_that_holds_the_address() {
    let bench = Bench::with(RobotKind::WeCom, Group::default());
    assert_eq!(bench.ring(&wecom("text", &"x".repeat(2048))).await, is(0, "ok"));
    assert_eq!(bench.ring(&wecom("markdown", &"界".repeat(1365))).await, is(0, "ok"));
    let too_long = "markdown.content exceed max length 4096. invalid Request Parameter";
    for (body, code, text) in [
        (wecom("text", &"x".repeat(2049)), 40058, "text.content exceed max length 2048. invalid Request Parameter"),
        (wecom("markdown", &"界".repeat(1366)), 40058, too_long),
        (wecom("poem", "x"), 40008, "invalid message type"),
        (wecom("text", ""), 44004, "empty content"),
    ] {
        let (status, answered, reason) = bench.ring(&body).await;
        assert_eq!((status, answered), (200, code));
        assert!(reason.starts_with(&format!("{text}, hint: [")), "{reason}");
        assert!(reason.ends_with(&format!(
            "from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
        )));
    }
    for (body, code) in [("", 93017), ("{", 40058)] {
        let response = bench.client.post(bench.url()).body(body).send().await.unwrap();
        assert_eq!(outcome(response).await.1, code);
    }
    for key in ["", "nobody"] {
        assert_eq!(bench.ring_at(&RobotKind::WeCom.url(&bench.base, key), &wecom("text", "x")).await.1, 93000);
    }
    assert_eq!(outcome(bench.client.get(bench.url()).send().await.unwrap()).await.1, 43002);
    for (standing, code) in [(Standing::Disabled, 93004), (Standing::Removed, 93000), (Standing::GroupGone, 93008)] {
        bench.sandbox.change("fake-token", |group| group.standing = standing);
        assert_eq!(bench.ring(&wecom("text", "x")).await.1, code);
    }
}

#[actix_web::test]
async fn wecom_mentions_are_read_where_their_type_has_them_and_a_warning_may_follow_ok() {
    let bench = Bench::with(RobotKind::WeCom, Group::default().wording(Wording::Middle));
    let mut text = wecom("text", "full <@li>");
    text["text"]["mentioned_list"] = json!(["wang", "@all"]);
    text["text"]["mentioned_mobile_list"] = json!(["13800000000"]);
    assert_eq!(bench.ring(&text).await, is(0, "ok. Warning: wrong json format. "));
    assert_eq!(bench.ring(&wecom("markdown", "full <@li>")).await.1, 0);
    assert_eq!(bench.ring(&wecom("markdown_v2", "full <@li>")).await.1, 0);
    let heard: Vec<Message> = bench.sandbox.heard("fake-token").into_iter().map(|heard| heard.message).collect();
    assert_eq!(heard[0].mentions, ["wang", "13800000000", "li"]);
    assert!(heard[0].mentions_all);
    assert_eq!(heard[1].mentions, ["li"]);
    assert!(heard[2].mentions.is_empty());
}

#[actix_web::test]
async fn wecom_refuses_the_twenty_first_call_until_the_minute_has_passed() {
    let bench = Bench::with(RobotKind::WeCom, Group::default());
    for _ in 0..20 {
        assert_eq!(bench.ring(&wecom("text", "x")).await.1, 0);
    }
    assert_eq!(bench.ring(&wecom("text", "x")).await.1, 45009);
    bench.clock.advance(TimeDelta::seconds(60));
    assert_eq!(bench.ring(&wecom("text", "x")).await.1, 0);
}

#[actix_web::test]
async fn robots_are_made_on_first_use_when_that_is_switched_on() {
    let bench = Bench::new();
    bench.sandbox.accept_any("Dataphin");
    let dingtalk = RobotKind::DingTalk.url(&bench.base, "new-ding");
    bench.client.get(&dingtalk).send().await.unwrap();
    assert_eq!(bench.sandbox.url(&bench.base, "new-ding"), None, "looking at an address makes no robot");
    assert_eq!(bench.ring_at(&dingtalk, &markdown("x")).await.1, 310_000);
    assert_eq!(bench.ring_at(&dingtalk, &markdown("Dataphin")).await.1, 0);
    assert_eq!(bench.ring_at(&RobotKind::Lark.url(&bench.base, "new-lark"), &lark_text("x")).await.1, 0);
    assert_eq!(bench.ring_at(&RobotKind::WeCom.url(&bench.base, "new-wecom"), &wecom("text", "x")).await.1, 0);
    assert_eq!(bench.sandbox.url("http://a/", "new-lark").as_deref(), Some("http://a/open-apis/bot/v2/hook/new-lark"));
}

#[actix_web::test]
async fn the_page_offers_a_webhook_of_each_vendor_and_the_line_to_start_belfry_with() {
    let bench = Bench::new();
    let page = async || bench.client.get(&bench.base).send().await.unwrap().text().await.unwrap();
    assert!(!page().await.contains("readonly"), "nothing to copy where robots are not made on first use");
    bench.sandbox.accept_any("Dataphin");
    let page = page().await;
    let values: Vec<&str> = page.split("value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(values.len(), 4, "{values:?}");
    assert_eq!(values[0], format!("BELFRY_ROBOT_ORIGINS={} belfry", bench.base));
    for (url, body) in values[1..].iter().zip([markdown("Dataphin"), lark_text("x"), wecom("text", "x")]) {
        assert_eq!(bench.ring_at(url, &body).await.1, 0, "{url}");
    }
}

#[actix_web::test]
async fn faults_before_the_robot_answer_in_its_place_and_the_group_hears_nothing() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let elsewhere = "http://203.0.113.1/elsewhere".to_owned();
    for (fault, status, part) in [
        (Fault::Status(500), 500, "<html>"),
        (Fault::Status(502), 502, "<html>"),
        (Fault::Html, 200, "<html>"),
        (Fault::Punished, 200, "\"status\":1111"),
        (Fault::Busy, 200, "系统繁忙"),
        (Fault::TooMany(Duration::from_secs(7)), 429, "<html>"),
        (Fault::Redirect(elsewhere.clone()), 301, "<html>"),
    ] {
        assert!(bench.sandbox.fail("fake-token", fault.clone(), Some(1)));
        let response = bench.post(&bench.url(), &markdown("x")).await;
        assert_eq!(response.status(), status, "{fault:?}");
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("location"), (status == 301).then(|| elsewhere.clone()));
        assert_eq!(header("retry-after"), (status == 429).then(|| "7".to_owned()));
        let body = response.text().await.unwrap();
        assert!(body.contains(part), "{fault:?}: {body}");
    }
    assert!(bench.sandbox.heard("fake-token").is_empty());
    assert_eq!(bench.ring(&markdown("x")).await, is(0, "ok"), "each fault was for one call");
}

#[actix_web::test]
async fn a_closed_connection_gives_no_answer_and_tells_not_whether_the_group_heard() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    for (fault, heard) in [(Fault::Reset, 0), (Fault::ResetAfterHearing, 1)] {
        bench.sandbox.fail("fake-token", fault, Some(1));
        let error = bench.client.post(bench.url()).json(&markdown("x")).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        assert_eq!(bench.sandbox.heard("fake-token").len(), heard);
    }
}

#[actix_web::test]
async fn late_and_hanging_robots_outlast_the_sender_and_only_the_late_one_has_heard() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    for (number, fault, heard) in [(1, Fault::Hang, 0), (2, Fault::Delay(Duration::from_secs(3600)), 1)] {
        bench.sandbox.fail("fake-token", fault, Some(1));
        let mut request = Box::pin(bench.client.post(bench.url()).json(&markdown("x")).send());
        let arrived = |calls: &[Call]| calls.len() == number;
        let waiting = bench.sandbox.wait_until("fake-token", arrived, Duration::from_secs(60));
        tokio::select! {
            arrived = waiting => assert!(arrived),
            answer = &mut request => panic!("answered: {answer:?}"),
        }
        assert!(tokio::time::timeout(Duration::from_millis(100), request).await.is_err(), "answered");
        assert_eq!(bench.sandbox.heard("fake-token").len(), heard);
    }
}

#[actix_web::test]
async fn spoilt_answers_come_from_robots_that_have_heard() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    bench.sandbox.fail("fake-token", Fault::Truncated, Some(1));
    bench.sandbox.fail("fake-token", Fault::Empty, Some(1));
    bench.sandbox.fail("fake-token", Fault::SlowBytes(Duration::from_millis(2)), Some(1));
    let genuine = r#"{"errcode":0,"errmsg":"ok"}"#;
    let truncated = bench.post(&bench.url(), &markdown("x")).await.text().await.unwrap();
    assert!(genuine.starts_with(&truncated) && truncated.len() == genuine.len() / 2);
    assert_eq!(bench.post(&bench.url(), &markdown("x")).await.text().await.unwrap(), "");
    let begin = Instant::now();
    assert_eq!(bench.post(&bench.url(), &markdown("x")).await.text().await.unwrap(), genuine);
    assert!(begin.elapsed() >= Duration::from_millis(2) * genuine.len() as u32);
    assert_eq!(bench.sandbox.heard("fake-token").len(), 3);
}

#[actix_web::test]
async fn a_fault_lasts_for_its_calls_or_until_cleared_and_planned_ones_follow_each_other() {
    let bench = Bench::with(RobotKind::WeCom, Group::default());
    bench.sandbox.fail("fake-token", Fault::Busy, Some(2));
    bench.sandbox.fail("fake-token", Fault::Status(500), None);
    for _ in 0..2 {
        assert_eq!(bench.ring(&wecom("text", "x")).await.1, -1);
    }
    for _ in 0..3 {
        assert_eq!(bench.post(&bench.url(), &wecom("text", "x")).await.status(), 500);
    }
    bench.sandbox.clear_faults("fake-token");
    assert_eq!(bench.ring(&wecom("text", "x")).await.1, 0);
    assert!(!bench.sandbox.fail("nobody", Fault::Busy, None) && !bench.sandbox.clear_faults("nobody"));
    assert!(!bench.sandbox.change("nobody", |_| ()));
}

#[actix_web::test]
async fn waiting_ends_with_the_call_that_fits_or_with_the_time() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let two = |calls: &[Call]| calls.len() == 2;
    let short = Duration::from_millis(1);
    let long = Duration::from_secs(60);
    assert!(!bench.sandbox.wait_until("fake-token", two, short).await);
    let ring_twice = async {
        bench.ring(&markdown("x")).await;
        bench.ring(&markdown("x")).await;
    };
    let (waited, ()) = tokio::join!(bench.sandbox.wait_until("fake-token", two, long), ring_twice);
    assert!(waited);
    assert!(bench.sandbox.wait_until("fake-token", two, short).await, "what has been is seen at once");
}

#[actix_web::test]
async fn a_test_that_panics_while_it_looks_does_not_break_the_sandbox() {
    let bench = Bench::with(RobotKind::DingTalk, Group::default());
    let sandbox = bench.sandbox.clone();
    let panicked = std::thread::spawn(move || sandbox.change("fake-token", |_| panic!("on purpose"))).join();
    assert!(panicked.is_err());
    assert_eq!(bench.ring(&markdown("x")).await.1, 0);
}

async fn page(bench: &Bench, path: &str, language: &str) -> (u16, String) {
    let request = bench.client.get(format!("{}{path}", bench.base)).header("accept-language", language);
    let response = request.send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    (response.status().as_u16(), response.text().await.unwrap())
}

#[actix_web::test]
async fn the_pages_show_groups_messages_and_refusals_and_no_token() {
    let bench = Bench::new();
    bench.sandbox.add(RobotKind::DingTalk, "canary-0123456789wxyz", Group::named("Duty <b>").keyword("Dataphin"));
    bench.sandbox.add(RobotKind::Lark, "canary-lark-456789", Group::default());
    let url = bench.sandbox.url(&bench.base, "canary-0123456789wxyz").unwrap();
    bench.ring_at(&url, &markdown("Dataphin **full** <script>")).await;
    bench.ring_at(&url, &markdown("no keyword")).await;
    let (status, index) = page(&bench, "/", "en").await;
    assert_eq!(status, 200);
    assert!(index.contains("Duty &#60;b&#62;") && index.contains("…wxyz") && index.contains("Group 2"), "{index}");
    assert!(index.contains("1 message<") && index.contains("2 calls"), "{index}");
    let (status, chat) = page(&bench, "/groups/1", "en;q=0.1, zh-Hans-CN").await;
    assert_eq!(status, 200);
    assert!(chat.contains("lang=\"zh-CN\"") && chat.contains("http-equiv=\"refresh\" content=\"3\""));
    assert!(chat.contains("<strong>full</strong> &lt;script&gt;"), "{chat}");
    assert!(chat.contains("已拒绝 · 310000 · description:关键词不匹配"), "{chat}");
    let (_, paused) = page(&bench, "/groups/1?paused=1", "fr").await;
    assert!(paused.contains("lang=\"en\"") && !paused.contains("http-equiv=\"refresh\""));
    assert!(![index, chat, paused].iter().any(|page| page.contains("canary")));
    for path in ["/groups/0", "/groups/3", "/groups/3/robot"] {
        assert_eq!(page(&bench, path, "en").await.0, 404);
    }
    assert_eq!(page(&bench, "/sandbox.css", "en").await.0, 200);
}

#[actix_web::test]
async fn the_form_switches_robot_and_fault_for_its_own_site_only() {
    let bench = Bench::with(RobotKind::WeCom, Group::default());
    let form =
        |fields: [(&'static str, &'static str); 3]| bench.client.post(format!("{}/groups/1", bench.base)).form(&fields);
    let disable = [("standing", "disabled"), ("fault", ""), ("calls", "")];
    let elsewhere = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ];
    for (name, value) in elsewhere {
        assert_eq!(form(disable).header(name, value).send().await.unwrap().status(), 403, "{name}: {value}");
    }
    assert_eq!(bench.ring(&wecom("text", "x")).await.1, 0, "nothing was switched");
    assert_eq!(form(disable).header("origin", &bench.base).send().await.unwrap().status(), 303);
    assert_eq!(bench.ring(&wecom("text", "x")).await.1, 93004);
    let busy = [("standing", "open"), ("fault", "busy"), ("calls", "1")];
    let switched = form(busy).header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(switched.headers()["location"], "/groups/1");
    let (_, robot) = page(&bench, "/groups/1/robot", "en").await;
    assert!(robot.contains("value=\"busy\" selected"), "{robot}");
    assert_eq!(bench.ring(&wecom("text", "x")).await.1, -1);
    assert_eq!(bench.ring(&wecom("text", "x")).await.1, 0);
    let nonsense = form([("standing", "asleep"), ("fault", ""), ("calls", "")]).send().await.unwrap();
    assert_eq!(nonsense.status(), 400);
}
