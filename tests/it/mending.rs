//! A robot that does not work any more is told to the administrators over robots that do, once, with what to do; when it is
//! mended, what waited for it goes out.

use std::time::{Duration, Instant};

use belfry::{
    db::schema::{deliveries, robots},
    robots::Channel,
    sandbox::{Group, RobotKind},
};
use diesel::prelude::*;

use crate::harness::{TestApp, Town, User};

const PATIENCE: Duration = Duration::from_secs(30);

const DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0001";
const LARK: &str = "00000000-0000-4000-8000-0000fake0002";
const WECOM: &str = "00000000-0000-4000-8000-0000fake0003";

/// Everything that a group heard, once it is so much.
async fn hears(app: &TestApp, token: &str, times: usize) -> Vec<String> {
    let enough = |calls: &[belfry::sandbox::RecordedCall]| {
        calls.iter().filter(|call| call.delivered_message().is_some()).count() >= times
    };
    assert!(app.sandbox.wait_for_calls(token, enough, PATIENCE).await, "{token} heard too little");
    app.sandbox.delivered_messages(token).iter().map(|heard| format!("{heard:?}")).collect()
}

fn refusing() -> Group {
    Group::default().with_keyword("another word")
}

fn mend(app: &TestApp, token: &str) {
    app.sandbox.update_group(token, |group| group.keywords = vec!["Dataphin".to_owned()]);
}

/// Enters a robot as one's own.
async fn own(user: &mut User, field: &str, webhook: &str) {
    user.post("/t/ours/me", &[(field, webhook)]).await.leads_to("/t/ours/me");
}

/// Somebody of a town whose channels are on.
async fn town(app: &TestApp) -> (Town, User) {
    let town = app.settle().await;
    app.switch_on().await;
    (town, app.log_in("sue").await)
}

/// How many notices about broken robots there are.
async fn notices(app: &TestApp) -> i64 {
    let notices = deliveries::table.filter(deliveries::kind.eq("robot_broken"));
    app.db.read(move |c| Ok(notices.count().get_result(c)?)).await.expect("the notices are counted")
}

/// Waits until the robot of this channel is broken and there is nothing more to tell of it.
async fn is_broken_and_told(app: &TestApp, channel: Channel) {
    let deadline = Instant::now() + PATIENCE;
    let told = || {
        let told = robots::table
            .filter(robots::channel.eq(channel.as_str()))
            .filter(robots::state.eq("broken"))
            .filter(robots::notice_pending_since.is_null());
        app.db.read(move |c| Ok(told.count().get_result::<i64>(c)?))
    };
    while told().await.expect("the robots are counted") == 0 {
        assert!(Instant::now() < deadline, "no broken robot of {channel:?}, or one that nobody was told of");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

on_both! {
    async fn a_broken_robot_is_told_once_over_another_channel_and_its_queue_drains_when_it_is_mended(app: &TestApp) {
        let (town, mut sue) = town(app).await;
        own(&mut sue, "lark_robot", &app.robot(RobotKind::Lark, LARK)).await;
        hears(app, LARK, 1).await;
        let webhook = app.robot_in(RobotKind::DingTalk, DINGTALK, refusing());
        let mia = format!("/t/ours/members/{}", town.mia);
        sue.post(&format!("{mia}/edit"), &[("dingtalk_robot", &webhook)]).await.leads_to("/t/ours/members");

        let heard = hears(app, LARK, 2).await.remove(1);
        for words in ["Dataphin: the group robot", "…0001", "for mia", "Keyword not accepted", "Then send a test message"] {
            assert!(heard.contains(words), "{words} is not in {heard}");
        }
        assert!(!heard.contains(DINGTALK), "the webhook is told");
        let home = sue.get("/t/ours").await.is(200);
        assert!(home.body.contains("Keyword not accepted") && home.body.contains("Then send a test message"));

        // It is as broken as before, which is no news.
        sue.post(&format!("{mia}/test"), &[]).await.is(200);
        is_broken_and_told(app, Channel::DingTalk).await;
        assert_eq!(notices(app).await, 1);

        mend(app, DINGTALK);
        let page = sue.post(&format!("{mia}/test"), &[]).await.is(200);
        assert_eq!(page.attribute("dialog .note", "class").as_deref(), Some("note good"));
        let heard = hears(app, DINGTALK, 2).await;
        assert!(heard.iter().any(|message| message.contains("test")), "{heard:?}");

        app.sandbox.update_group(DINGTALK, |group| group.keywords = vec!["another word".to_owned()]);
        sue.post(&format!("{mia}/test"), &[]).await.is(200);
        assert!(hears(app, LARK, 3).await[2].contains("Keyword not accepted"));
        assert_eq!(notices(app).await, 2);
    }

    async fn robots_that_break_together_are_told_in_one_message(app: &TestApp) {
        let (town, mut sue) = town(app).await;
        own(&mut sue, "wecom_robot", &app.robot(RobotKind::WeCom, WECOM)).await;
        hears(app, WECOM, 1).await;
        let dingtalk = app.robot_in(RobotKind::DingTalk, DINGTALK, refusing());
        let lark = app.robot_in(RobotKind::Lark, LARK, refusing());
        let mia = format!("/t/ours/members/{}/edit", town.mia);
        sue.post(&mia, &[("dingtalk_robot", &dingtalk), ("lark_robot", &lark)]).await.leads_to("/t/ours/members");
        let heard = hears(app, WECOM, 2).await.remove(1);
        for words in ["Dataphin: 2 group robots", "Dingtalk Robot", "…0001", "Lark Robot", "…0002"] {
            assert!(heard.contains(words), "{words} is not in {heard}");
        }
        is_broken_and_told(app, Channel::DingTalk).await;
        is_broken_and_told(app, Channel::Lark).await;
        assert_eq!(notices(app).await, 1);
    }

    async fn nobody_is_told_of_a_broken_robot_over_that_robot_itself(app: &TestApp) {
        let (_, mut sue) = town(app).await;
        own(&mut sue, "dingtalk_robot", &app.robot_in(RobotKind::DingTalk, DINGTALK, refusing())).await;
        is_broken_and_told(app, Channel::DingTalk).await;
        assert_eq!(notices(app).await, 0);
        assert!(sue.get("/t/ours").await.is(200).body.contains("Keyword not accepted"));
    }

    async fn a_notice_that_a_broken_robot_refuses_causes_no_other_notice(app: &TestApp) {
        let (town, mut sue) = town(app).await;
        own(&mut sue, "lark_robot", &app.robot(RobotKind::Lark, LARK)).await;
        hears(app, LARK, 1).await;
        app.sandbox.update_group(LARK, |group| group.keywords = vec!["another word".to_owned()]);
        let mut sam = app.log_in("sam").await;
        own(&mut sam, "wecom_robot", &app.robot(RobotKind::WeCom, WECOM)).await;
        hears(app, WECOM, 1).await;
        let webhook = app.robot_in(RobotKind::DingTalk, DINGTALK, refusing());
        let mia = format!("/t/ours/members/{}/edit", town.mia);
        sue.post(&mia, &[("dingtalk_robot", &webhook)]).await.leads_to("/t/ours/members");
        assert!(hears(app, WECOM, 2).await[1].contains("…0001"));
        is_broken_and_told(app, Channel::Lark).await;
        assert_eq!(notices(app).await, 2);
        assert!(sue.get("/t/ours").await.is(200).body.contains("…0002"));
    }
}
