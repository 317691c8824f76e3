//! A newcomer follows nothing but the steps that the pages show, and few clicks later an alert stands in the group.

use std::{cell::Cell, time::Duration};

use belfry::language::Language;

use crate::{
    driver::{Browser, with_browser},
    site::{PASSWORD, Robot, Site},
    words::words,
};

/// The most clicks from an empty folder to the first message in a group.
const TO_A_MESSAGE: u32 = 12;
/// The most clicks from an empty folder to the first alert that a rule sends there.
const TO_AN_ALERT: u32 = 16;
/// How long the group may wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// A newcomer whose clicks are counted; what he types is not.
struct Newcomer<'n> {
    browser: &'n Browser,
    clicks: Cell<u32>,
}

impl Newcomer<'_> {
    fn click(&self) {
        self.clicks.set(self.clicks.get() + 1);
    }

    async fn go_on(&self) {
        self.click();
        self.browser.follow_next_step().await;
    }

    async fn press(&self, button: &str) {
        self.click();
        self.browser.press(button).await;
    }

    async fn switch_on(&self, label: &str) {
        self.click();
        self.browser.field(label).await.switch_on().await;
    }

    async fn fill(&self, label: &str, text: &str) {
        self.browser.field(label).await.fill(text).await;
    }
}

#[test]
fn the_steps_lead_to_an_alert_in_a_group_within_sixteen_clicks_in_english() {
    follow_the_steps(Language::English, "Title", "Fire Alert");
}

#[test]
fn the_steps_lead_to_an_alert_in_a_group_within_sixteen_clicks_in_chinese() {
    follow_the_steps(Language::Chinese, "标题", "触发告警");
}

fn follow_the_steps(language: Language, title: &'static str, fire: &'static str) {
    actix_web::rt::System::new().block_on(async {
        let site = Site::start().await;
        with_browser(language, false, async |browser| {
            let newcomer = Newcomer { browser, clicks: Cell::new(0) };
            let (words, token) = (words(language), Robot::Good.token());
            browser.go(&site.origin).await;
            newcomer.fill(words.set_up_code, &site.set_up_code).await;
            newcomer.fill(words.username, "root").await;
            newcomer.fill(words.password, PASSWORD).await;
            newcomer.press(words.make_first_account).await;
            assert_eq!(browser.address().await, "/", "the newcomer is in no tenant that he did not make");

            newcomer.go_on().await;
            newcomer.fill(words.tenant_name, "北风数据 Northwind").await;
            newcomer.fill(words.slug, "northwind").await;
            assert_eq!(browser.field(words.super_administrator).await.value().await, "root");
            newcomer.press(words.ok).await;
            assert_eq!(browser.address().await, "/t/northwind");

            newcomer.go_on().await;
            newcomer.switch_on(words.dingtalk_robot).await;
            newcomer.press(words.ok).await;

            newcomer.go_on().await;
            newcomer.fill(words.dingtalk_robot, &site.webhook(Robot::Good)).await;
            newcomer.press(words.ok).await;
            let is_heard = site.sandbox.wait_for_calls(&token, |calls| !calls.is_empty(), PATIENCE).await;
            assert!(is_heard, "the group has the first message");
            let clicks = newcomer.clicks.get();
            assert!(clicks <= TO_A_MESSAGE, "{clicks} clicks to the first message");

            newcomer.go_on().await;
            newcomer.press(words.ok).await;
            newcomer.go_on().await;
            newcomer.fill(title, "Disk full").await;
            newcomer.press(fire).await;
            let is_alert = |text: &str| text.contains("Disk full");
            let heard = || site.sandbox.delivered_messages(&token).iter().any(|heard| is_alert(&heard.message.text));
            let is_heard = site.sandbox.wait_for_calls(&token, |calls| calls.len() >= 2, PATIENCE).await;
            assert!(is_heard && heard(), "the group has the first alert");
            let clicks = newcomer.clicks.get();
            assert!(clicks <= TO_AN_ALERT, "{clicks} clicks to the first alert");

            let home = format!("{}/t/northwind", site.origin);
            let is_done = browser.reload_until(&home, "#first-steps", str::is_empty, PATIENCE).await;
            assert!(is_done, "all is done, and nothing is left to show");
        })
        .await;
    });
}
