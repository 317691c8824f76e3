//! The first steps: six, each with its state and a button, until an alert reached a group.

use belfry::{access::Role, sandbox::RobotKind};
use chrono::TimeDelta;

use crate::harness::{Answer, TestApp, User};

const ROBOT: &str = "00000000000000000000000000000000000000000000000000000000000057e9";

fn states(page: &Answer) -> String {
    let letter = |badge: &String| if badge == "Done" { 'x' } else { '-' };
    page.texts("#first-steps .badge").iter().map(letter).collect()
}

/// Asks for the home page until its steps are in this state.
async fn becomes(sue: &mut User, expected: &str) {
    for _ in 0..200 {
        if states(&sue.get("/t/ours").await.is(200)) == expected {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the steps never become {expected:?}: {:?}", states(&sue.get("/t/ours").await));
}

on_both! {
    async fn each_step_shows_its_state_and_leads_to_where_it_is_done(app: &TestApp) {
        app.tenant("metadata-warehouse", "root").await;
        let ours = app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let page = sue.get("/t/ours").await.is(200);
        assert_eq!(states(&page), "x-----");
        assert_eq!(
            page.attributes("#first-steps a.button", "href"),
            ["settings/message-channel", "me", "me", "alert-rules/new", "alerts/new"].map(|page| format!("/t/ours/{page}"))
        );
        assert_eq!(page.attributes("#first-steps a[class=button]", "href").len(), 1, "one is the next");
        sue.post("/t/ours/settings/message-channel", &[("mode", "custom"), ("on", "dingtalk")]).await.is(303);
        let page = sue.get("/t/ours/settings/message-channel").await.is(200);
        assert_eq!(page.attribute("#next-step a", "href").as_deref(), Some("/t/ours/me"));
        assert!(sue.get("/t/ours/settings/message-channel").await.texts("#next-step").is_empty(), "said once");
        assert_eq!(states(&sue.get("/t/ours").await), "xx----");
        sue.post("/t/ours/me", &[("dingtalk_robot", &app.robot(RobotKind::DingTalk, ROBOT))]).await.is(303);
        let page = sue.get("/t/ours/me").await.is(200);
        assert_eq!(page.attribute("#next-step a", "href").as_deref(), Some("/t/ours/alert-rules/new"));
        becomes(&mut sue, "xxxx--").await;
        let page = sue.get("/t/ours/alert-rules/new").await.is(200);
        assert_eq!(page.attribute("#f-name", "value").as_deref(), Some("All alerts"));
        assert!(page.attributes("input[name=roles][checked]", "value").contains(&"super_administrator".to_owned()));
        app.rule(ours, "All alerts").await;
        assert_eq!(states(&sue.get("/t/ours").await), "xxxxx-");
        let second = sue.get("/t/ours/alert-rules/new").await.is(200);
        assert!(second.texts("input[name=roles][checked]").is_empty(), "only the first rule is proposed");
        sue.post("/t/ours/alerts/new", &[("title", "Disk full"), ("severity", "warning")]).await.is(303);
        becomes(&mut sue, "").await;
    }

    async fn the_steps_are_for_administrators_and_no_longer_shown_in_an_old_tenant_that_can_send(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut mia = app.log_in("mia").await;
        assert!(mia.get("/t/ours").await.is(200).texts("#first-steps").is_empty());
        let mut root = app.log_in("root").await;
        assert!(root.get("/t/metadata-warehouse").await.is(200).texts("#first-steps").is_empty());
        let mut sue = app.log_in("sue").await;
        sue.post("/t/ours/me", &[("dingtalk_robot", &app.robot(RobotKind::DingTalk, ROBOT))]).await.is(303);
        assert!(!states(&sue.get("/t/ours").await).is_empty());
        app.clock.advance(TimeDelta::days(15));
        let mut sue = app.log_in("sue").await;
        assert_eq!(states(&sue.get("/t/ours").await), "", "{town:?}");
        app.member(town.theirs, "tess", Role::SystemAdministrator).await;
        let mut tess = app.log_in("tess").await;
        assert_eq!(states(&tess.get("/t/theirs").await), "xx----", "a tenant that cannot send keeps them");
    }
}
