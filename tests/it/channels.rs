//! Message Channel Settings: one clear choice, and an answer that says what is true now.

use crate::harness::{Answer, TestApp, User};

const PAGE: &str = "/t/ours/settings/message-channel";

/// Sends the page's form as a browser would: its hidden fields, the radio as it is unless another is chosen, and these
/// switches. Answers the page that follows.
async fn send(user: &mut User, mode: Option<&str>, on: &[&str]) -> Answer {
    let page = user.get(PAGE).await.is(200);
    let version = page.attribute("form.channels input[name=form_version]", "value").expect("a version");
    let shown = page.attribute("input[name=mode][checked]", "value").expect("a mode");
    let mode = mode.unwrap_or(&shown);
    let fields: Vec<(&str, &str)> = [("form_version", version.as_str()), ("mode", mode)]
        .into_iter()
        .chain(on.iter().map(|on| ("on", *on)))
        .collect();
    user.post(PAGE, &fields).await.leads_to(PAGE);
    user.get(PAGE).await.is(200)
}

fn choice(page: &Answer) -> (String, Vec<String>) {
    let mode = page.attribute("input[name=mode][checked]", "value").expect("a mode");
    (mode, page.attributes("input[name=on][checked]", "value"))
}

fn chosen(mode: &str, on: &[&str]) -> (String, Vec<String>) {
    (mode.to_owned(), on.iter().map(|on| (*on).to_owned()).collect())
}

on_both! {
    async fn a_switch_under_system_default_selects_tenant_custom_and_the_answer_says_what_is_on(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let page = sue.get(PAGE).await.is(200);
        assert_eq!(choice(&page), chosen("system", &[]));
        let page = send(&mut sue, None, &["dingtalk"]).await;
        assert_eq!(choice(&page), chosen("custom", &["dingtalk"]));
        assert_eq!(page.text(".note.good"), "Saved. Tenant Custom applies. On for this tenant: Dingtalk Robot.");
        let page = send(&mut sue, Some("system"), &["dingtalk"]).await;
        assert_eq!(choice(&page), chosen("system", &[]), "the switches show what applies");
        let note = page.text(".note.wait");
        assert_eq!(note, "Saved. System Default applies, and all its channels are off: nothing is sent.");
        assert!(page.texts(".note.good").is_empty(), "nothing is sent, and nothing is green");
    }

    async fn what_system_default_means_is_said_when_it_is_chosen(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut sue = app.log_in("sue").await;
        sue.post("/language", &[("language", "zh-CN"), ("return_to", "/")]).await.is(303);
        let page = sue.get(PAGE).await.is(200);
        assert_eq!(choice(&page), chosen("system", &["dingtalk", "lark", "wecom"]));
        let page = send(&mut sue, None, &["dingtalk", "lark", "wecom"]).await;
        assert_eq!(choice(&page).0, "system", "nothing was moved");
        assert_eq!(page.text(".note"), "未做任何更改。 当前使用“系统默认”，本租户已开启：钉钉机器人、飞书机器人、企业微信机器人。");
        let page = send(&mut sue, None, &[]).await;
        assert_eq!(choice(&page), chosen("custom", &[]));
        assert_eq!(page.text(".note.wait"), "已保存。 当前使用“租户自定义”，所有渠道均已关闭，不会发送任何消息。");
    }

    async fn the_instances_page_says_which_channels_are_on_wherever_system_default_applies(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let page = root.get("/instance/message-channel").await.is(200);
        assert_eq!(page.text(".note.wait"), "All channels are off for tenants that use System Default.");
        root.post("/instance/message-channel", &[("on", "lark")]).await.leads_to("/instance/message-channel");
        let page = root.get("/instance/message-channel").await.is(200);
        assert_eq!(page.text(".note.good"), "Saved. On for tenants that use System Default: Lark Robot.");
    }
}
