//! Saving what is there already writes no row into the audit log, and the next page says that nothing changed.

use crate::{
    harness::{Answer, TestApp, User, lines},
    two_editors::{cases, open},
};

const SAYS_SO: &str = "Nothing was changed.";

/// Where a form is posted, its fields, and whether the next page says that nothing changed; else it says what is so now.
type Action<'f> = (String, Vec<(&'f str, &'f str)>, bool);

async fn audit_rows(app: &TestApp) -> usize {
    let rows = "SELECT action AS line FROM audit";
    app.db.read(|c| lines(c, rows.to_owned())).await.expect("the audit log").len()
}

async fn said_after(user: &mut User, saved: Answer) -> String {
    let to = saved.is(303).header("location").expect("a page").to_owned();
    user.get(&to).await.is(200).texts(".note").join(" ")
}

on_both! {
    async fn the_same_save_twice_writes_one_audit_row_on_every_page(app: &TestApp) {
        let town = app.settle().await;
        let (mut sue, mut root) = (app.log_in("sue").await, app.log_in("root").await);
        let pages = cases(app, &town).await.into_iter().map(|case| (case.page, case.field, case.first));
        let channels = ["/t/ours/settings/message-channel", "/instance/message-channel"];
        let channels = channels.map(|page| (page.to_owned(), "on", "dingtalk"));
        for (page, field, value) in pages.chain(channels) {
            let user = if page.starts_with("/instance") { &mut root } else { &mut sue };
            let changed = open(user, &page).await.with(field, value);
            let before = audit_rows(app).await;
            let saved = changed.send(user).await;
            let said = said_after(user, saved).await;
            assert!(said.contains("Saved.") && !said.contains(SAYS_SO), "{page}: {said}");
            assert_eq!(audit_rows(app).await, before + 1, "{page}");
            for again in [changed, open(user, &page).await] {
                let saved = again.send(user).await;
                let said = said_after(user, saved).await;
                assert!(said.contains(SAYS_SO) && !said.contains("Saved."), "{page}: {said}");
                assert_eq!(audit_rows(app).await, before + 1, "{page}");
            }
        }
    }

    async fn the_same_action_twice_writes_one_audit_row(app: &TestApp) {
        let town = app.settle().await;
        let group = app.group(town.ours, "night shift").await;
        let rule = app.rule(town.ours, "everything").await.to_string();
        let portal = app.portal(town.ours, "ticketing").await;
        let event = app.alert(town.ours, "Dataphin disk").await;
        let (mut sue, mut root) = (app.log_in("sue").await, app.log_in("root").await);
        app.log_in("mia").await;
        open(&mut sue, "/t/ours/templates/lark/firing").await.with("title", "{{ product }}").send(&mut sue).await.is(303);
        sue.post(&format!("/t/ours/settings/portals/{portal}/rotate"), &[]).await.is(200);
        let member = |what: &str| format!("/t/ours/members/{}/{what}", town.mia);
        let of_portal = |what: &str| format!("/t/ours/settings/portals/{portal}/{what}");
        let rules = |what: &str| format!("/t/ours/alert-rules/{what}");
        let says_so = true;
        let actions: Vec<Action<'_>> = vec![
            (member("end-sessions"), vec![], says_so),
            (member("disable"), vec![], says_so),
            (member("reinstate"), vec![], says_so),
            (format!("/t/ours/groups/{group}/disable"), vec![], says_so),
            (format!("/t/ours/groups/{group}/enable"), vec![], says_so),
            (rules("disable"), vec![("id", &rule)], !says_so),
            (rules("enable"), vec![("id", &rule)], !says_so),
            ("/t/ours/templates".to_owned(), vec![("message_language", "zh-CN")], says_so),
            ("/t/ours/templates/lark/firing/reset".to_owned(), vec![], says_so),
            (of_portal("end-overlap"), vec![], !says_so),
            (of_portal("revoke"), vec![], !says_so),
            (format!("/t/ours/alerts/{event}"), vec![("what", "finish")], !says_so),
        ];
        for (path, fields, says_so) in actions {
            let before = audit_rows(app).await;
            sue.post(&path, &fields).await.is(303);
            assert_eq!(audit_rows(app).await, before + 1, "{path}");
            let again = sue.post(&path, &fields).await;
            let said = said_after(&mut sue, again).await;
            assert!(!says_so || said.contains(SAYS_SO), "{path}: {said}");
            assert_eq!(audit_rows(app).await, before + 1, "{path}");
        }
        let before = audit_rows(app).await;
        for language in ["zh-CN", "en"] {
            root.post("/language", &[("language", language), ("return_to", "/account")]).await.is(303);
        }
        assert_eq!(audit_rows(app).await, before, "the own language is nobody else's concern");
    }

    async fn a_default_template_that_is_saved_as_it_is_stays_the_default(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let page = "/t/ours/templates/lark/firing";
        let before = audit_rows(app).await;
        let saved = open(&mut sue, page).await.send(&mut sue).await;
        assert!(said_after(&mut sue, saved).await.contains(SAYS_SO));
        assert_eq!(audit_rows(app).await, before);
        assert!(sue.get(page).await.is(200).texts("form[action$=reset]").is_empty(), "there is nothing to go back from");
    }
}
