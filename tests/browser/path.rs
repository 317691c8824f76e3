//! The whole path, as an administrator walks it with JavaScript off: set up, log in, add a tenant, turn Dingtalk Robot
//! on, give a member a webhook, and the group hears it.

use std::time::Duration;

use belfry::language::Language;

use crate::{
    driver::{Browser, with_browser},
    site::{PASSWORD, Robot, SECRET, Site},
    words::{Words, words},
};

/// How long the group may wait for its message.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn an_administrator_gives_a_member_a_webhook_and_the_group_hears_it_in_english() {
    walk(Language::English);
}

#[test]
fn an_administrator_gives_a_member_a_webhook_and_the_group_hears_it_in_chinese() {
    walk(Language::Chinese);
}

fn walk(language: Language) {
    actix_web::rt::System::new().block_on(async {
        let site = Site::start().await;
        with_browser(language, false, async |browser| {
            let path = Path { browser, site: &site, words: words(language) };
            path.set_up().await;
            path.log_in_and_out().await;
            path.add_tenant().await;
            path.switch_dingtalk_on().await;
            let code = path.add_member().await;
            path.mistakes_stand_beside_their_fields().await;
            path.test_messages_show_the_true_answers().await;
            path.save_and_hear().await;
            path.first_log_in(&code).await;
        })
        .await;
    });
}

struct Path<'p> {
    browser: &'p Browser,
    site: &'p Site,
    words: &'static Words,
}

impl Path<'_> {
    async fn go(&self, path: &str) {
        self.browser.go(&format!("{}{path}", self.site.origin)).await;
    }

    async fn fill(&self, label: &str, text: &str) {
        self.browser.field(label).await.fill(text).await;
    }

    async fn fault(&self, label: &str) -> String {
        self.browser.field(label).await.fault(self.browser).await
    }

    async fn log_in(&self, username: &str, password: &str) {
        self.fill(self.words.username, username).await;
        self.fill(self.words.password, password).await;
        self.browser.press(self.words.log_in).await;
    }

    /// The first visitor is led to the set-up page, whatever he asks for.
    async fn set_up(&self) {
        let (browser, words) = (self.browser, self.words);
        self.go("/").await;
        assert_eq!(browser.address().await, "/setup");
        self.fill(words.set_up_code, "not the code").await;
        self.fill(words.username, "root").await;
        self.fill(words.password, PASSWORD).await;
        browser.press(words.make_first_account).await;
        assert_ne!(self.fault(words.set_up_code).await, "");
        assert_eq!(browser.field(words.username).await.value().await, "root");
        self.fill(words.set_up_code, &self.site.set_up_code).await;
        self.fill(words.password, PASSWORD).await;
        browser.press(words.make_first_account).await;
        assert_eq!(browser.address().await, "/", "the first account begins with the first steps");
    }

    async fn log_in_and_out(&self) {
        self.browser.press(self.words.log_out).await;
        self.go("/account").await;
        assert!(self.browser.address().await.starts_with("/login"), "who logged out is a stranger");
        self.log_in("root", "not the password at all").await;
        assert_eq!(self.browser.field(self.words.username).await.value().await, "root");
        self.log_in("root", PASSWORD).await;
        assert!(!self.browser.address().await.starts_with("/login"));
    }

    async fn add_tenant(&self) {
        let (browser, words) = (self.browser, self.words);
        self.go("/instance/tenants").await;
        browser.follow(words.add_tenant).await;
        self.fill(words.tenant_name, "北风数据 Northwind").await;
        self.fill(words.slug, "northwind").await;
        self.fill(words.super_administrator, "root").await;
        browser.press(words.ok).await;
        self.go("/t/northwind").await;
        assert_eq!(browser.text(".tenant").await, "北风数据 Northwind");
    }

    async fn switch_dingtalk_on(&self) {
        let (browser, words) = (self.browser, self.words);
        self.go("/t/northwind/settings/message-channel").await;
        assert_eq!(browser.text("h1").await, words.message_channel_settings);
        assert!(browser.field(words.system_default).await.is_on().await);
        browser.field(words.tenant_custom).await.switch_on().await;
        browser.field(words.dingtalk_robot).await.switch_on().await;
        browser.press(words.ok).await;
        assert!(browser.field(words.tenant_custom).await.is_on().await, "the choice was kept");
        assert!(browser.field(words.dingtalk_robot).await.is_on().await, "the switch was kept");
    }

    /// Adds the member mia: her one-time code.
    async fn add_member(&self) -> String {
        let (browser, words) = (self.browser, self.words);
        self.go("/t/northwind/members").await;
        assert_eq!(browser.text("h1").await, words.member_management);
        browser.follow(words.add_member).await;
        self.fill(words.username, "mia").await;
        self.fill(words.display_name, "米娅 Mia").await;
        browser.field(words.role).await.choose(words.member).await;
        browser.press(words.ok).await;
        let code = browser.field(words.one_time_code).await.value().await;
        assert!(code.len() >= 15, "a code is shown");
        code
    }

    async fn open_dialog(&self) {
        self.go("/t/northwind/members").await;
        self.browser.follow_in_row("mia", self.words.edit).await;
        assert_eq!(self.browser.text("dialog h1").await, self.words.edit_account);
    }

    async fn mistakes_stand_beside_their_fields(&self) {
        let (browser, words) = (self.browser, self.words);
        self.open_dialog().await;
        self.fill(words.phone, "12").await;
        self.fill(words.email, "mia@corp.example").await;
        self.fill(words.dingtalk_robot, "https://chat.example/robot/send?access_token=canary").await;
        browser.press(words.ok).await;
        assert_eq!(browser.text("dialog h1").await, words.edit_account, "the dialog is still there");
        assert_ne!(self.fault(words.phone).await, "");
        assert_ne!(self.fault(words.dingtalk_robot).await, "");
        assert_eq!(self.fault(words.email).await, "");
        assert_eq!(browser.field(words.phone).await.value().await, "12");
        assert_eq!(browser.field(words.email).await.value().await, "mia@corp.example");
        assert_eq!(browser.field(words.dingtalk_robot).await.value().await, "", "a webhook is a secret");
        browser.follow(words.cancel).await;
        assert_eq!(browser.address().await, "/t/northwind/members");
    }

    /// The dialog shows what the robot said, which HTTP 200 alone does not tell.
    async fn test_messages_show_the_true_answers(&self) {
        let words = self.words;
        self.open_dialog().await;
        for (robot, secret, expected) in [
            (Robot::OtherKeyword, "", words.wrong_keyword),
            (Robot::Signed, SECRET, words.heard),
            (Robot::Disabled, "", words.disabled),
            (Robot::Unknown, "", words.unknown_token),
        ] {
            self.send_test_message(robot, secret, expected).await;
        }
        self.browser.follow(words.cancel).await;
        self.open_dialog().await;
        let other = SECRET.replace('1', "2");
        self.send_test_message(Robot::Signed, &other, words.wrong_signature).await;
        self.send_test_message(Robot::Good, "", words.heard).await;
    }

    async fn send_test_message(&self, robot: Robot, secret: &str, expected: &str) {
        let (browser, words) = (self.browser, self.words);
        self.fill(words.dingtalk_robot, &self.site.webhook(robot)).await;
        self.fill(words.dingtalk_secret, secret).await;
        browser.press(words.send_test_message).await;
        let said = browser.text("dialog .note").await;
        assert!(said.contains(expected), "{robot:?}: {said}");
        assert!(!said.contains(&robot.token()), "no page shows a token");
    }

    /// The tested webhook is kept by OK; the group hears that alerts arrive there.
    async fn save_and_hear(&self) {
        let (browser, words, token) = (self.browser, self.words, Robot::Good.token());
        assert_eq!(browser.field(words.dingtalk_robot).await.value().await, "");
        browser.press(words.ok).await;
        assert_eq!(browser.address().await, "/t/northwind/members");
        let is_heard = self.site.sandbox.wait_for_calls(&token, |calls| calls.len() == 2, PATIENCE).await;
        assert!(is_heard, "the group hears the test message and that the member was saved");
        browser.go(&self.site.chat(Robot::Good)).await;
        let chat = browser.text(".lines").await;
        assert!(chat.contains("Dataphin") && chat.contains("米娅 Mia"), "{chat}");
        self.open_dialog().await;
        let stored = browser.text("dialog .stored").await;
        assert!(stored.contains(&token[60..]) && !stored.contains(&token), "host and last four characters: {stored}");
        browser.follow(words.cancel).await;
        browser.press(words.log_out).await;
    }

    /// The code is typed as the password, once; then comes a password of her own.
    async fn first_log_in(&self, code: &str) {
        let (browser, words) = (self.browser, self.words);
        self.go("/login").await;
        self.log_in("mia", code).await;
        self.go("/t/northwind/me").await;
        assert_eq!(browser.address().await, "/account/password", "nothing else can be opened before");
        self.fill(words.new_password, PASSWORD).await;
        self.fill(words.confirm_new_password, PASSWORD).await;
        browser.press(words.save).await;
        self.go("/t/northwind/me").await;
        assert_eq!(browser.text("h1").await, words.my_contact_information);
        browser.press(words.log_out).await;
        self.go("/t/northwind/me").await;
        assert!(browser.address().await.starts_with("/login"));
    }
}
