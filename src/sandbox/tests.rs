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
struct TestServer {
    sandbox: Sandbox,
    clock: Clock,
    base: String,
    client: Client,
}

impl TestServer {
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
    fn with_robot(kind: RobotKind, group: Group) -> Self {
        let server = Self::new();
        server.sandbox.add_robot(kind, "fake-token", group);
        server
    }

    fn url(&self) -> String {
        self.sandbox.webhook_url(&self.base, "fake-token").unwrap()
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
    async fn post_message(&self, body: &Value) -> (u16, i64, String) {
        self.post_message_to(&self.url(), body).await
    }

    async fn post_message_to(&self, url: &str, body: &Value) -> (u16, i64, String) {
        read_outcome(self.post(url, body).await).await
    }
}

async fn read_outcome(response: Response) -> (u16, i64, String) {
    let status = response.status().as_u16();
    let answer: Value = response.json().await.unwrap();
    let code = answer.get("errcode").or(answer.get("code")).unwrap().as_i64().unwrap();
    let text = answer.get("errmsg").or(answer.get("msg")).unwrap().as_str().unwrap();
    (status, code, text.to_owned())
}

fn dingtalk_markdown(text: &str) -> Value {
    json!({ "msgtype": "markdown", "markdown": { "title": "Title", "text": text } })
}

fn lark_text(text: &str) -> Value {
    json!({ "msg_type": "text", "content": { "text": text } })
}

fn wecom_message(kind: &str, content: &str) -> Value {
    json!({ "msgtype": kind, kind: { "content": content } })
}

fn ok_status(code: i64, text: &str) -> (u16, i64, String) {
    (200, code, text.to_owned())
}

#[actix_web::test]
async fn a_dingtalk_call_is_delivered_and_recorded_byte_for_byte() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::named("Duty"));
    let body = r#"{"msgtype":"text", "text":{"content":"磁盘 @13800000000 full"},
        "at":{"atMobiles":["13800000000","13900000000"],"isAtAll":true}}"#;
    let request =
        server.client.post(server.url() + "&note=a%2Bb+c").header(CONTENT_TYPE, "application/json;charset=utf-8");
    let response = request.header("x-trace", "7").body(body).send().await.unwrap();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(read_outcome(response).await, ok_status(0, "ok"));

    let calls = server.sandbox.calls("fake-token");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].body, body.as_bytes());
    assert_eq!(calls[0].query, "access_token=fake-token&note=a%2Bb+c");
    assert_eq!(calls[0].header("x-trace"), Some("7"));
    assert_eq!(calls[0].verdict, CallVerdict::Delivered);
    let message = &server.sandbox.delivered_messages("fake-token")[0].message;
    assert_eq!(message.text, "磁盘 @13800000000 full");
    assert_eq!(message.mentions, ["13800000000"], "only who is also named in the text is mentioned");
    assert!(message.mentions_everyone);
}

#[actix_web::test]
async fn the_five_dingtalk_types_are_read() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    for body in [
        json!({ "msgtype": "text", "text": { "content": "one" } }),
        dingtalk_markdown("one"),
        json!({ "msgtype": "link", "link": { "title": "t", "text": "one", "messageUrl": "https://example.com" } }),
        json!({ "msgtype": "actionCard", "actionCard": { "title": "t", "text": "one", "singleTitle": "s" } }),
        json!({ "msgtype": "feedCard", "feedCard": { "links": [{ "title": "one" }] } }),
    ] {
        assert_eq!(server.post_message(&body).await, ok_status(0, "ok"), "{body}");
    }
    assert!(server.sandbox.delivered_messages("fake-token").iter().all(|heard| heard.message.text == "one"));
}

#[actix_web::test]
async fn dingtalk_checks_method_path_and_token_first() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let get = server.client.get(server.url()).send().await.unwrap();
    assert_eq!(read_outcome(get).await, ok_status(43002, "需要POST请求"));
    let wrong = format!("{}/robot/sent?access_token=fake-token", server.base);
    assert_eq!(server.post_message_to(&wrong, &dingtalk_markdown("x")).await, ok_status(404, "请求的URI地址不存在"));
    for query in ["", "?access_token="] {
        let url = format!("{}/robot/send{query}", server.base);
        assert_eq!(
            server.post_message_to(&url, &dingtalk_markdown("x")).await,
            ok_status(40035, "缺少参数 access_token")
        );
    }
    let unknown = format!("{}/robot/send?access_token=nobody", server.base);
    assert_eq!(
        server.post_message_to(&unknown, &dingtalk_markdown("x")).await,
        ok_status(300_005, "token is not exist")
    );
    assert_eq!(server.sandbox.calls("nobody").len(), 1);
    assert!(server.sandbox.delivered_messages("nobody").is_empty());
}

#[actix_web::test]
async fn a_token_of_another_kind_of_robot_is_unknown() {
    let server = TestServer::with_robot(RobotKind::WeCom, Group::default());
    let url = RobotKind::DingTalk.webhook_url(&server.base, "fake-token");
    assert_eq!(server.post_message_to(&url, &dingtalk_markdown("x")).await, ok_status(300_005, "token is not exist"));
}

#[actix_web::test]
async fn inactive_dingtalk_robots_answer_why_in_every_generation() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let disabled = "description:机器人已经停用或者未启用;solution:请联系群管理员启用机器人;";
    for (standing, wording, code, text) in [
        (RobotStatus::Disabled, ApiGeneration::Old, 400_102, "机器人已停用"),
        (RobotStatus::Disabled, ApiGeneration::New, 400_102, disabled),
        (RobotStatus::Removed, ApiGeneration::New, 400_106, "机器人不存在"),
        (RobotStatus::GroupDissolved, ApiGeneration::New, 400_013, "群已被解散"),
        (RobotStatus::TokenReset, ApiGeneration::Old, 300_001, "token is not exist"),
        (
            RobotStatus::TokenReset,
            ApiGeneration::Middle,
            300_001,
            "description: robot 不存在；solution:请确认 token 是否正确；",
        ),
        (RobotStatus::TokenReset, ApiGeneration::New, 300_005, "token is not exist"),
    ] {
        assert!(server.sandbox.update_group("fake-token", |group| {
            group.status = standing;
            group.generation = wording;
        }));
        assert_eq!(server.post_message(&dingtalk_markdown("x")).await, ok_status(code, text));
    }
    assert!(server.sandbox.delivered_messages("fake-token").is_empty());
}

#[actix_web::test]
async fn dingtalk_wants_a_json_body_with_the_json_content_type() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let plain = server.client.post(server.url()).body(dingtalk_markdown("x").to_string()).send().await.unwrap();
    assert_eq!(read_outcome(plain).await, ok_status(43004, "无效的HTTP HEADER Content-Type"));
    for body in ["", "{\"msgtype\":", "\"text\""] {
        let request = server.client.post(server.url()).header(CONTENT_TYPE, "application/json").body(body);
        assert_eq!(read_outcome(request.send().await.unwrap()).await, ok_status(40035, "缺少参数 json"), "{body}");
    }
}

#[actix_web::test]
async fn dingtalk_takes_twenty_thousand_bytes_and_not_one_more() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let room = 20_000 - dingtalk_markdown("").to_string().len();
    assert_eq!(server.post_message(&dingtalk_markdown(&"x".repeat(room))).await, ok_status(0, "ok"));
    let longer = dingtalk_markdown(&"x".repeat(room + 1));
    for (wording, code, text) in [
        (ApiGeneration::Old, 101_002, "message is too long"),
        (ApiGeneration::Middle, 460_101, "message too long, exceed 20000 bytes"),
        (ApiGeneration::New, 460_101, "description: body 大小不合法;solution:请保持大小在 20000bytes 以内;"),
    ] {
        server.sandbox.update_group("fake-token", |group| group.generation = wording);
        assert_eq!(server.post_message(&longer).await, ok_status(code, text));
    }
    let huge = server.post(&server.url(), &dingtalk_markdown(&"x".repeat(2_000_000))).await;
    assert_eq!(huge.status(), 413);
}

#[actix_web::test]
async fn dingtalk_security_settings_answer_310000_in_every_generation() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let more = ", more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]";
    let settings: [(Setting, &str, &str); 3] = [
        (|group| group.keywords = vec!["Dataphin".to_owned()], "keywords not in content", "关键词不匹配"),
        (|group| group.secret = Some(SECRET.to_owned()), "sign not match", "机器人发送签名不匹配"),
        (|group| group.allowed_ips = vec!["10.0.0.0/8".to_owned()], "ip 127.0.0.1 not in whitelist", "ip 不在白名单中"),
    ];
    for (set, english, chinese) in settings {
        server.sandbox.add_robot(RobotKind::DingTalk, "fake-token", Group::default());
        server.sandbox.update_group("fake-token", set);
        for wording in [ApiGeneration::Old, ApiGeneration::Middle, ApiGeneration::New, ApiGeneration::NewChinese] {
            server.sandbox.update_group("fake-token", |group| group.generation = wording);
            let (status, code, text) = server.post_message(&dingtalk_markdown("x")).await;
            assert_eq!((status, code), (200, 310_000));
            match wording {
                ApiGeneration::Old => assert_eq!(text, english),
                ApiGeneration::Middle => assert_eq!(text, format!("{english}{more}")),
                ApiGeneration::New => assert!(text.starts_with(&format!("description:{chinese};solution:")), "{text}"),
                ApiGeneration::NewChinese => {
                    assert!(text.starts_with(&format!("错误描述:{chinese};解决方案:")), "{text}")
                }
            }
        }
    }
}

#[actix_web::test]
async fn a_dingtalk_keyword_must_match_exactly_in_title_or_text() {
    let server =
        TestServer::with_robot(RobotKind::DingTalk, Group::default().with_keyword("Dataphin").with_keyword("告警"));
    assert_eq!(server.post_message(&dingtalk_markdown("from Dataphin")).await.1, 0);
    assert_eq!(server.post_message(&dingtalk_markdown("磁盘告警")).await.1, 0);
    let titled = json!({ "msgtype": "markdown", "markdown": { "title": "Dataphin", "text": "x" } });
    assert_eq!(server.post_message(&titled).await.1, 0);
    assert_eq!(server.post_message(&dingtalk_markdown("from dataphin")).await.1, 310_000);
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
        let server = TestServer::with_robot(RobotKind::DingTalk, Group::default().with_secret(secret));
        server.set_clock(timestamp);
        let url = format!("{}&timestamp={timestamp}&sign={sign}", server.url());
        assert_eq!(server.post_message_to(&url, &dingtalk_markdown("x")).await, ok_status(0, "ok"), "{timestamp}");
    }
}

#[actix_web::test]
async fn wrong_dingtalk_signatures_are_refused() {
    let server = TestServer::with_robot(
        RobotKind::DingTalk,
        Group::default().with_secret(SECRET).with_generation(ApiGeneration::Old),
    );
    for (mistake, timestamp, sign) in [
        ("no sign", 1_577_262_236_757_i64, ""),
        ("a plus that is not encoded", 1_577_262_236_757, "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="),
        ("encoded twice", 1_577_262_236_757, "hmPWwU%252B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%252BGs6EZQM%253D"),
        ("seconds were signed", 1_700_000_000_000, "0gy50rUziRgEQQ5BlfpijB6FVcJUiEcvkYhmxakRD7c%3D"),
        ("Lark's roles", 1_700_000_000_000, "J85Yk9GFYQfBxRSGeVjqb6vzpr2HAroZsCi0DUtIhuM%3D"),
        ("another timestamp", 1_700_000_000_002, "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D"),
    ] {
        server.set_clock(timestamp);
        let url = format!("{}&timestamp={timestamp}&sign={sign}", server.url());
        assert_eq!(
            server.post_message_to(&url, &dingtalk_markdown("x")).await,
            ok_status(310_000, "sign not match"),
            "{mistake}"
        );
    }
    assert_eq!(
        server.post_message(&dingtalk_markdown("x")).await,
        ok_status(310_000, "sign not match"),
        "neither parameter"
    );
}

#[actix_web::test]
async fn a_dingtalk_signature_lives_one_hour_in_both_directions() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default().with_secret(SECRET));
    let sign = "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D";
    let url = format!("{}&timestamp=1700000000000&sign={sign}", server.url());
    let minute = 60_000;
    for (shift, accepted) in [(59, true), (-59, true), (61, false), (-61, false)] {
        server.set_clock(1_700_000_000_000 + shift * minute);
        let (_, code, text) = server.post_message_to(&url, &dingtalk_markdown("x")).await;
        assert_eq!(code == 0, accepted, "{shift} minutes");
        assert_eq!(text.contains("机器人发送签名过期"), !accepted, "{shift} minutes");
    }
    server.sandbox.update_group("fake-token", |group| group.generation = ApiGeneration::Old);
    assert_eq!(server.post_message_to(&url, &dingtalk_markdown("x")).await, ok_status(310_000, "invalid timestamp"));
}

#[actix_web::test]
async fn dingtalk_refuses_unknown_types_empty_fields_and_banned_text() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let image = json!({ "msgtype": "image", "image": {} });
    assert_eq!(server.post_message(&image).await, ok_status(400_105, "不支持的消息类型"));
    assert_eq!(server.post_message(&json!({})).await, ok_status(400_105, "不支持的消息类型"));
    let empty = "message param title or text is null ";
    assert_eq!(server.post_message(&dingtalk_markdown("")).await, ok_status(300_001, empty));
    let untitled = json!({ "msgtype": "markdown", "markdown": { "text": "x" } });
    assert_eq!(server.post_message(&untitled).await, ok_status(300_001, empty));
    assert_eq!(server.post_message(&json!({ "msgtype": "text" })).await, ok_status(300_001, empty));
    assert_eq!(server.post_message(&dingtalk_markdown(BANNED_TEXT)).await.1, 430_102);
}

#[actix_web::test]
async fn the_errcode_can_be_a_string() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group { code_as_string: true, ..Group::default() });
    let answer: Value = server.post(&server.url(), &dingtalk_markdown("x")).await.json().await.unwrap();
    assert_eq!(answer, json!({ "errcode": "0", "errmsg": "ok" }));
}

#[actix_web::test]
async fn a_msg_uuid_is_delivered_once_and_answered_ok_each_time() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default().with_keyword("Dataphin"));
    let with_uuid = |text: &str| {
        let mut body = dingtalk_markdown(text);
        body["msgUuid"] = json!("u-1");
        body
    };
    assert_eq!(server.post_message(&with_uuid("refused")).await.1, 310_000);
    assert_eq!(server.post_message(&with_uuid("Dataphin")).await, ok_status(0, "ok"));
    assert_eq!(server.post_message(&with_uuid("Dataphin")).await, ok_status(0, "ok"));
    assert_eq!(server.sandbox.delivered_messages("fake-token").len(), 1);
    assert_eq!(server.sandbox.calls("fake-token")[2].verdict, CallVerdict::Duplicate);
}

#[actix_web::test]
async fn the_21st_dingtalk_call_in_a_minute_blocks_the_robot_ten_minutes() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    for _ in 0..20 {
        assert_eq!(server.post_message(&dingtalk_markdown("x")).await, ok_status(0, "ok"));
    }
    for (wording, code, text) in [
        (ApiGeneration::Old, 130_101, "send too fast, exceed 20 times per minute"),
        (ApiGeneration::Middle, 410_100, "发送速度太快而限流"),
        (ApiGeneration::New, 660_026, "sending too many messages per minute"),
    ] {
        server.sandbox.update_group("fake-token", |group| group.generation = wording);
        assert_eq!(server.post_message(&dingtalk_markdown("x")).await, ok_status(code, text));
    }
    server.clock.advance(TimeDelta::seconds(580));
    assert_eq!(server.post_message(&dingtalk_markdown("x")).await.1, 660_026);
    server.clock.advance(TimeDelta::seconds(20));
    assert_eq!(server.post_message(&dingtalk_markdown("x")).await.1, 0);
}

#[actix_web::test]
async fn an_unknown_dingtalk_token_is_throttled_before_it_is_unknown() {
    let server = TestServer::new();
    let url = RobotKind::DingTalk.webhook_url(&server.base, "nobody");
    for _ in 0..20 {
        assert_eq!(server.post_message_to(&url, &dingtalk_markdown("x")).await.1, 300_005);
    }
    assert_eq!(server.post_message_to(&url, &dingtalk_markdown("x")).await.1, 660_026);
}

#[actix_web::test]
async fn an_unlimited_robot_is_never_called_too_often() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group { has_no_rate_limit: true, ..Group::default() });
    for _ in 0..25 {
        assert_eq!(server.post_message(&dingtalk_markdown("x")).await.1, 0);
    }
}

#[actix_web::test]
async fn lark_answers_success_and_reads_its_types_and_mentions() {
    let server = TestServer::with_robot(RobotKind::Lark, Group::default());
    let post = json!({ "msg_type": "post", "content": { "post": { "zh_cn": { "title": "T", "content":
        [[{ "tag": "text", "text": "full " }, { "tag": "at", "user_id": "ou_1" }], [{ "tag": "a", "text": "see" }]] } } } });
    let card = json!({ "msg_type": "interactive", "card": { "header": { "title": { "content": "T" } }, "elements":
        [{ "tag": "div", "text": { "tag": "lark_md", "content": "full <at id=all></at>" } }] } });
    let answer: Value =
        server.post(&server.url(), &lark_text("<at user_id=\"ou_2\">B</at> full")).await.json().await.unwrap();
    let success = json!({ "StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success" });
    assert_eq!(answer, success);
    assert_eq!(server.post_message(&post).await, ok_status(0, "success"));
    assert_eq!(server.post_message(&card).await, ok_status(0, "success"));
    let heard: Vec<ReceivedMessage> =
        server.sandbox.delivered_messages("fake-token").into_iter().map(|heard| heard.message).collect();
    assert_eq!(heard[0].mentions, ["ou_2"]);
    assert_eq!((heard[1].title.as_deref(), heard[1].mentions.as_slice()), (Some("T"), ["ou_1".to_owned()].as_slice()));
    assert!(heard[1].text.starts_with("full ") && heard[1].text.ends_with("\nsee"));
    assert!(heard[2].mentions_everyone && heard[2].mentions.is_empty() && heard[2].title.as_deref() == Some("T"));
    server.sandbox.update_group("fake-token", |group| group.generation = ApiGeneration::Old);
    let answer: Value = server.post(&server.url(), &lark_text("x")).await.json().await.unwrap();
    assert_eq!(answer, json!({ "StatusCode": 0, "StatusMessage": "success" }));
}

#[actix_web::test]
async fn lark_refuses_what_is_malformed_with_400_and_the_rest_with_200() {
    let server = TestServer::with_robot(RobotKind::Lark, Group::default());
    let malformed = server.client.post(server.url()).body("{").send().await.unwrap();
    assert_eq!(read_outcome(malformed).await, (400, 9499, "Bad Request".to_owned()));
    let get = server.client.get(server.url()).send().await.unwrap();
    assert_eq!(read_outcome(get).await.1, 9499);
    let format = "incorrect input format or can't find msg_type";
    for body in [json!({}), json!({ "msg_type": "poem" }), lark_text(" "), json!({ "msg_type": "text" })] {
        assert_eq!(server.post_message(&body).await, ok_status(19002, format), "{body}");
        server.clock.advance(TimeDelta::seconds(1));
    }
    assert_eq!(server.post_message(&lark_text(BANNED_TEXT)).await.1, 11246);
    let long = lark_text(&"x".repeat(20_480));
    assert_eq!(server.post_message(&long).await, ok_status(19036, "message exceeds the size limit of 30KB"));
    for token in ["nobody", ""] {
        let url = RobotKind::Lark.webhook_url(&server.base, token);
        let invalid = "param invalid: incoming webhook access token invalid";
        assert_eq!(server.post_message_to(&url, &lark_text("x")).await, ok_status(19001, invalid));
    }
}

#[actix_web::test]
async fn lark_security_settings_answer_each_in_their_own_code() {
    let server = TestServer::with_robot(RobotKind::Lark, Group::default().with_keyword("Dataphin"));
    assert_eq!(server.post_message(&lark_text("x")).await, ok_status(19024, "Key Words Not Found"));
    assert_eq!(server.post_message(&lark_text("Dataphin")).await.1, 0);
    server.sandbox.update_group("fake-token", |group| group.allowed_ips = vec!["10.0.0.*".to_owned()]);
    assert_eq!(server.post_message(&lark_text("Dataphin")).await, ok_status(19022, "Ip Not Allowed"));
    server.sandbox.update_group("fake-token", |group| group.status = RobotStatus::Removed);
    assert_eq!(server.post_message(&lark_text("Dataphin")).await.1, 19001);
}

#[actix_web::test]
async fn lark_signatures_computed_elsewhere_are_accepted_within_their_hour() {
    let refusal = ok_status(19021, "sign match fail or timestamp is not within one hour from current time");
    for (timestamp, secret, sign) in [
        (1_599_360_473_i64, "demo", "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="),
        (100, "demo", "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg="),
        (1_710_000_000, "secret", "jWsBkWnzlRKtaP+iZgwraSojMWik4cJR7aysApQZuoA="),
    ] {
        let server = TestServer::with_robot(RobotKind::Lark, Group::default().with_secret(secret));
        let mut body = lark_text("x");
        body["timestamp"] = json!(timestamp.to_string());
        body["sign"] = json!(sign);
        server.set_clock((timestamp + 3590) * 1000);
        assert_eq!(server.post_message(&body).await, ok_status(0, "success"), "{timestamp}");
        server.set_clock((timestamp + 3610) * 1000);
        assert_eq!(server.post_message(&body).await, refusal, "{timestamp}");
        server.set_clock(timestamp * 1000);
        body["sign"] = json!("J85Yk9GFYQfBxRSGeVjqb6vzpr2HAroZsCi0DUtIhuM=");
        assert_eq!(server.post_message(&body).await, refusal, "{timestamp}");
        assert_eq!(server.post_message(&lark_text("x")).await, refusal, "unsigned");
    }
}

#[actix_web::test]
async fn lark_reports_rate_limits_in_two_ways() {
    let server = TestServer::with_robot(RobotKind::Lark, Group::default());
    // Setting the clock before every call keeps a slow machine from leaving the second.
    let noon = 1_700_000_000_000;
    for _ in 0..5 {
        server.set_clock(noon);
        assert_eq!(server.post_message(&lark_text("x")).await.1, 0);
    }
    let limited = "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]";
    server.set_clock(noon);
    assert_eq!(server.post_message(&lark_text("x")).await, ok_status(11232, limited));
    server.sandbox.update_group("fake-token", |group| group.generation = ApiGeneration::Middle);
    server.set_clock(noon);
    assert_eq!(server.post_message(&lark_text("x")).await, (400, 9499, "too many request".to_owned()));
    server.clock.advance(TimeDelta::seconds(1));
    assert_eq!(server.post_message(&lark_text("x")).await.1, 0);
}

#[actix_web::test]
async fn wecom_answers_every_case_with_its_code_and_the_senders_address() {
    let server = TestServer::with_robot(RobotKind::WeCom, Group::default());
    assert_eq!(server.post_message(&wecom_message("text", &"x".repeat(2048))).await, ok_status(0, "ok"));
    assert_eq!(server.post_message(&wecom_message("markdown", &"界".repeat(1365))).await, ok_status(0, "ok"));
    let too_long = "markdown.content exceed max length 4096. invalid Request Parameter";
    for (body, code, text) in [
        (
            wecom_message("text", &"x".repeat(2049)),
            40058,
            "text.content exceed max length 2048. invalid Request Parameter",
        ),
        (wecom_message("markdown", &"界".repeat(1366)), 40058, too_long),
        (wecom_message("poem", "x"), 40008, "invalid message type"),
        (wecom_message("text", ""), 44004, "empty content"),
    ] {
        let (status, answered, reason) = server.post_message(&body).await;
        assert_eq!((status, answered), (200, code));
        assert!(reason.starts_with(&format!("{text}, hint: [")), "{reason}");
        assert!(reason.ends_with(&format!(
            "from ip: 127.0.0.1, more info at https://open.work.weixin.qq.com/devtool/query?e={code}"
        )));
    }
    for (body, code) in [("", 93017), ("{", 40058)] {
        let response = server.client.post(server.url()).body(body).send().await.unwrap();
        assert_eq!(read_outcome(response).await.1, code);
    }
    for key in ["", "nobody"] {
        assert_eq!(
            server
                .post_message_to(&RobotKind::WeCom.webhook_url(&server.base, key), &wecom_message("text", "x"))
                .await
                .1,
            93000
        );
    }
    assert_eq!(read_outcome(server.client.get(server.url()).send().await.unwrap()).await.1, 43002);
    for (standing, code) in
        [(RobotStatus::Disabled, 93004), (RobotStatus::Removed, 93000), (RobotStatus::GroupDissolved, 93008)]
    {
        server.sandbox.update_group("fake-token", |group| group.status = standing);
        assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, code);
    }
}

#[actix_web::test]
async fn wecom_mentions_are_parsed_by_type_and_ok_may_carry_a_warning() {
    let server = TestServer::with_robot(RobotKind::WeCom, Group::default().with_generation(ApiGeneration::Middle));
    let mut text = wecom_message("text", "full <@li>");
    text["text"]["mentioned_list"] = json!(["wang", "@all"]);
    text["text"]["mentioned_mobile_list"] = json!(["13800000000"]);
    assert_eq!(server.post_message(&text).await, ok_status(0, "ok. Warning: wrong json format. "));
    assert_eq!(server.post_message(&wecom_message("markdown", "full <@li>")).await.1, 0);
    assert_eq!(server.post_message(&wecom_message("markdown_v2", "full <@li>")).await.1, 0);
    let heard: Vec<ReceivedMessage> =
        server.sandbox.delivered_messages("fake-token").into_iter().map(|heard| heard.message).collect();
    assert_eq!(heard[0].mentions, ["wang", "13800000000", "li"]);
    assert!(heard[0].mentions_everyone);
    assert_eq!(heard[1].mentions, ["li"]);
    assert!(heard[2].mentions.is_empty());
}

#[actix_web::test]
async fn wecom_refuses_the_twenty_first_call_until_the_minute_has_passed() {
    let server = TestServer::with_robot(RobotKind::WeCom, Group::default());
    for _ in 0..20 {
        assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, 0);
    }
    assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, 45009);
    server.clock.advance(TimeDelta::seconds(60));
    assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, 0);
}

#[actix_web::test]
async fn robots_are_made_on_first_use_when_that_is_switched_on() {
    let server = TestServer::new();
    server.sandbox.create_on_first_use("Dataphin");
    let dingtalk = RobotKind::DingTalk.webhook_url(&server.base, "new-ding");
    server.client.get(&dingtalk).send().await.unwrap();
    assert_eq!(server.sandbox.webhook_url(&server.base, "new-ding"), None, "looking at an address makes no robot");
    assert_eq!(server.post_message_to(&dingtalk, &dingtalk_markdown("x")).await.1, 310_000);
    assert_eq!(server.post_message_to(&dingtalk, &dingtalk_markdown("Dataphin")).await.1, 0);
    assert_eq!(
        server.post_message_to(&RobotKind::Lark.webhook_url(&server.base, "new-lark"), &lark_text("x")).await.1,
        0
    );
    assert_eq!(
        server
            .post_message_to(&RobotKind::WeCom.webhook_url(&server.base, "new-wecom"), &wecom_message("text", "x"))
            .await
            .1,
        0
    );
    assert_eq!(
        server.sandbox.webhook_url("http://a/", "new-lark").as_deref(),
        Some("http://a/open-apis/bot/v2/hook/new-lark")
    );
}

#[actix_web::test]
async fn the_page_offers_a_webhook_per_vendor_and_the_start_command() {
    let server = TestServer::new();
    let page = async || server.client.get(&server.base).send().await.unwrap().text().await.unwrap();
    assert!(!page().await.contains("readonly"), "nothing to copy where robots are not made on first use");
    server.sandbox.create_on_first_use("Dataphin");
    let page = page().await;
    let values: Vec<&str> = page.split("value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert_eq!(values.len(), 4, "{values:?}");
    assert_eq!(values[0], format!("BELFRY_ROBOT_ORIGINS={} belfry", server.base));
    for (url, body) in
        values[1..].iter().zip([dingtalk_markdown("Dataphin"), lark_text("x"), wecom_message("text", "x")])
    {
        assert_eq!(server.post_message_to(url, &body).await.1, 0, "{url}");
    }
}

#[actix_web::test]
async fn faults_before_the_robot_answer_instead_and_nothing_is_delivered() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let elsewhere = "http://203.0.113.1/elsewhere".to_owned();
    for (fault, status, part) in [
        (InjectedFault::Status(500), 500, "<html>"),
        (InjectedFault::Status(502), 502, "<html>"),
        (InjectedFault::HtmlPage, 200, "<html>"),
        (InjectedFault::FirewallBan, 200, "\"status\":1111"),
        (InjectedFault::Busy, 200, "系统繁忙"),
        (InjectedFault::TooManyRequests(Duration::from_secs(7)), 429, "<html>"),
        (InjectedFault::Redirect(elsewhere.clone()), 301, "<html>"),
    ] {
        assert!(server.sandbox.inject_fault("fake-token", fault.clone(), Some(1)));
        let response = server.post(&server.url(), &dingtalk_markdown("x")).await;
        assert_eq!(response.status(), status, "{fault:?}");
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("location"), (status == 301).then(|| elsewhere.clone()));
        assert_eq!(header("retry-after"), (status == 429).then(|| "7".to_owned()));
        let body = response.text().await.unwrap();
        assert!(body.contains(part), "{fault:?}: {body}");
    }
    assert!(server.sandbox.delivered_messages("fake-token").is_empty());
    assert_eq!(server.post_message(&dingtalk_markdown("x")).await, ok_status(0, "ok"), "each fault was for one call");
}

#[actix_web::test]
async fn a_closed_connection_does_not_reveal_whether_it_was_delivered() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    for (fault, heard) in [(InjectedFault::ConnectionReset, 0), (InjectedFault::ResetAfterDelivery, 1)] {
        server.sandbox.inject_fault("fake-token", fault, Some(1));
        let error = server.client.post(server.url()).json(&dingtalk_markdown("x")).send().await.unwrap_err();
        assert!(error.is_request() && !error.is_timeout(), "{error:?}");
        assert_eq!(server.sandbox.delivered_messages("fake-token").len(), heard);
    }
}

#[actix_web::test]
async fn a_late_robot_delivers_after_the_timeout_and_a_hanging_one_does_not() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    for (number, fault, heard) in
        [(1, InjectedFault::NeverAnswers, 0), (2, InjectedFault::Delay(Duration::from_secs(3600)), 1)]
    {
        server.sandbox.inject_fault("fake-token", fault, Some(1));
        let mut request = Box::pin(server.client.post(server.url()).json(&dingtalk_markdown("x")).send());
        let arrived = |calls: &[RecordedCall]| calls.len() == number;
        let waiting = server.sandbox.wait_for_calls("fake-token", arrived, Duration::from_secs(60));
        tokio::select! {
            arrived = waiting => assert!(arrived),
            answer = &mut request => panic!("answered: {answer:?}"),
        }
        assert!(tokio::time::timeout(Duration::from_millis(100), request).await.is_err(), "answered");
        assert_eq!(server.sandbox.delivered_messages("fake-token").len(), heard);
    }
}

#[actix_web::test]
async fn spoiled_responses_come_after_delivery() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    server.sandbox.inject_fault("fake-token", InjectedFault::TruncatedBody, Some(1));
    server.sandbox.inject_fault("fake-token", InjectedFault::EmptyBody, Some(1));
    server.sandbox.inject_fault("fake-token", InjectedFault::SlowBytes(Duration::from_millis(2)), Some(1));
    let genuine = r#"{"errcode":0,"errmsg":"ok"}"#;
    let truncated = server.post(&server.url(), &dingtalk_markdown("x")).await.text().await.unwrap();
    assert!(genuine.starts_with(&truncated) && truncated.len() == genuine.len() / 2);
    assert_eq!(server.post(&server.url(), &dingtalk_markdown("x")).await.text().await.unwrap(), "");
    let begin = Instant::now();
    assert_eq!(server.post(&server.url(), &dingtalk_markdown("x")).await.text().await.unwrap(), genuine);
    assert!(begin.elapsed() >= Duration::from_millis(2) * genuine.len() as u32);
    assert_eq!(server.sandbox.delivered_messages("fake-token").len(), 3);
}

#[actix_web::test]
async fn faults_last_for_their_calls_or_until_cleared_and_queue_up() {
    let server = TestServer::with_robot(RobotKind::WeCom, Group::default());
    server.sandbox.inject_fault("fake-token", InjectedFault::Busy, Some(2));
    server.sandbox.inject_fault("fake-token", InjectedFault::Status(500), None);
    for _ in 0..2 {
        assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, -1);
    }
    for _ in 0..3 {
        assert_eq!(server.post(&server.url(), &wecom_message("text", "x")).await.status(), 500);
    }
    server.sandbox.clear_faults("fake-token");
    assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, 0);
    assert!(
        !server.sandbox.inject_fault("nobody", InjectedFault::Busy, None) && !server.sandbox.clear_faults("nobody")
    );
    assert!(!server.sandbox.update_group("nobody", |_| ()));
}

#[actix_web::test]
async fn waiting_ends_with_the_call_that_fits_or_with_the_time() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let two = |calls: &[RecordedCall]| calls.len() == 2;
    let short = Duration::from_millis(1);
    let long = Duration::from_secs(60);
    assert!(!server.sandbox.wait_for_calls("fake-token", two, short).await);
    let ring_twice = async {
        server.post_message(&dingtalk_markdown("x")).await;
        server.post_message(&dingtalk_markdown("x")).await;
    };
    let (waited, ()) = tokio::join!(server.sandbox.wait_for_calls("fake-token", two, long), ring_twice);
    assert!(waited);
    assert!(server.sandbox.wait_for_calls("fake-token", two, short).await, "what has been is seen at once");
}

#[actix_web::test]
async fn a_test_that_panics_while_it_looks_does_not_break_the_sandbox() {
    let server = TestServer::with_robot(RobotKind::DingTalk, Group::default());
    let sandbox = server.sandbox.clone();
    let panicked = std::thread::spawn(move || sandbox.update_group("fake-token", |_| panic!("on purpose"))).join();
    assert!(panicked.is_err());
    assert_eq!(server.post_message(&dingtalk_markdown("x")).await.1, 0);
}

async fn page(server: &TestServer, path: &str, language: &str) -> (u16, String) {
    let request = server.client.get(format!("{}{path}", server.base)).header("accept-language", language);
    let response = request.send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'self'"));
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    (response.status().as_u16(), response.text().await.unwrap())
}

#[actix_web::test]
async fn the_pages_show_groups_messages_and_refusals_and_no_token() {
    let server = TestServer::new();
    server.sandbox.add_robot(
        RobotKind::DingTalk,
        "canary-0123456789wxyz",
        Group::named("Duty <b>").with_keyword("Dataphin"),
    );
    server.sandbox.add_robot(RobotKind::Lark, "canary-lark-456789", Group::default());
    let url = server.sandbox.webhook_url(&server.base, "canary-0123456789wxyz").unwrap();
    server.post_message_to(&url, &dingtalk_markdown("Dataphin **full** <script>")).await;
    server.post_message_to(&url, &dingtalk_markdown("no keyword")).await;
    let (status, index) = page(&server, "/", "en").await;
    assert_eq!(status, 200);
    assert!(index.contains("Duty &#60;b&#62;") && index.contains("…wxyz") && index.contains("Group 2"), "{index}");
    assert!(index.contains("1 message<") && index.contains("2 calls"), "{index}");
    let (status, chat) = page(&server, "/groups/1", "en;q=0.1, zh-Hans-CN").await;
    assert_eq!(status, 200);
    assert!(chat.contains("lang=\"zh-CN\"") && chat.contains("http-equiv=\"refresh\" content=\"3\""));
    assert!(chat.contains("<strong>full</strong> &lt;script&gt;"), "{chat}");
    assert!(chat.contains("已拒绝 · 310000 · description:关键词不匹配"), "{chat}");
    let (_, paused) = page(&server, "/groups/1?paused=1", "fr").await;
    assert!(paused.contains("lang=\"en\"") && !paused.contains("http-equiv=\"refresh\""));
    assert!(![index, chat, paused].iter().any(|page| page.contains("canary")));
    for path in ["/groups/0", "/groups/3", "/groups/3/robot"] {
        assert_eq!(page(&server, path, "en").await.0, 404);
    }
    assert_eq!(page(&server, "/sandbox.css", "en").await.0, 200);
}

#[actix_web::test]
async fn the_form_switches_robot_and_fault_for_its_own_site_only() {
    let server = TestServer::with_robot(RobotKind::WeCom, Group::default());
    let form = |fields: [(&'static str, &'static str); 3]| {
        server.client.post(format!("{}/groups/1", server.base)).form(&fields)
    };
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
    assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, 0, "nothing was switched");
    assert_eq!(form(disable).header("origin", &server.base).send().await.unwrap().status(), 303);
    assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, 93004);
    let busy = [("standing", "open"), ("fault", "busy"), ("calls", "1")];
    let switched = form(busy).header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(switched.headers()["location"], "/groups/1");
    let (_, robot) = page(&server, "/groups/1/robot", "en").await;
    assert!(robot.contains("value=\"busy\" selected"), "{robot}");
    assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, -1);
    assert_eq!(server.post_message(&wecom_message("text", "x")).await.1, 0);
    let nonsense = form([("standing", "asleep"), ("fault", ""), ("calls", "")]).send().await.unwrap();
    assert_eq!(nonsense.status(), 400);
}
