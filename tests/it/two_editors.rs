//! Two people edit the same thing: no save undoes what somebody else changed, and a refusal says what that was.

use belfry::sandbox::RobotKind;
use scraper::{ElementRef, Html, Selector};

use crate::harness::{Answer, TestApp, Town, User};

/// A form as a browser shows it: where it goes, and its fields.
#[derive(Clone)]
pub struct Opened {
    pub action: String,
    fields: Vec<(String, String)>,
}

impl Opened {
    /// The editing form of a page.
    pub fn of(page: &Answer) -> Self {
        let document = Html::parse_document(&page.body);
        let all = |selector: &str, within: ElementRef<'_>| -> Vec<ElementRef<'_>> {
            let selector = Selector::parse(selector).expect("a selector");
            // A lifetime of its own keeps the elements those of the document.
            within
                .select(&selector)
                .map(|found| found.id())
                .filter_map(|id| document.tree.get(id).and_then(ElementRef::wrap))
                .collect()
        };
        let form = all("form", document.root_element())
            .into_iter()
            .find(|form| !all("input[name=form_version]", *form).is_empty())
            .unwrap_or_else(|| panic!("no editing form in:\n{}", page.body));
        let mut fields = Vec::new();
        for element in all("input[name], textarea[name], select[name]", form) {
            let name = element.attr("name").unwrap_or_default().to_owned();
            let value = element.attr("value").unwrap_or_default().to_owned();
            let is_other_form = element.attr("form").is_some();
            match (element.value().name(), element.attr("type").unwrap_or_default()) {
                _ if is_other_form || name == "csrf" => {}
                ("textarea", _) => {
                    let text = element.text().collect::<String>();
                    let text = text.strip_prefix('\n').unwrap_or(&text).replace('\n', "\r\n");
                    fields.push((name, text));
                }
                ("select", _) => {
                    let options = all("option", element);
                    let chosen = options.iter().find(|option| option.attr("selected").is_some()).or(options.first());
                    let value = chosen.map(|option| option.attr("value").unwrap_or_default().to_owned());
                    fields.push((name, value.unwrap_or_default()));
                }
                (_, "checkbox" | "radio") => {
                    if element.attr("checked").is_some() {
                        fields.push((name, value));
                    }
                }
                _ => fields.push((name, value)),
            }
        }
        Self { action: form.attr("action").expect("an action").to_owned(), fields }
    }

    fn value(&self, field: &str) -> String {
        let values: Vec<&str> =
            self.fields.iter().filter(|(name, _)| name == field).map(|(_, value)| value.as_str()).collect();
        values.join(" ")
    }

    /// The same with another value in a field.
    pub fn with(&self, field: &str, value: &str) -> Self {
        let mut changed = self.clone();
        changed.fields.retain(|(name, _)| name != field);
        changed.fields.push((field.to_owned(), value.to_owned()));
        changed
    }

    pub async fn send(&self, user: &mut User) -> Answer {
        let fields: Vec<(&str, &str)> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        user.post(&self.action, &fields).await
    }
}

/// An editing page, one of its fields with what two people type, and another field.
pub struct Case {
    pub page: String,
    pub field: &'static str,
    pub first: &'static str,
    second: &'static str,
    other: (&'static str, &'static str),
}

pub async fn cases(app: &TestApp, town: &Town) -> Vec<Case> {
    let group = app.group(town.ours, "night shift").await;
    let schedule = app.schedule(town.ours, "on call", "mia").await;
    let rule = app.rule(town.ours, "everything").await;
    let portal = app.portal(town.ours, "ticketing").await;
    let case = |page: String, field, first, second, other| Case { page, field, first, second, other };
    vec![
        case(
            format!("/t/ours/members/{}/edit", town.mia),
            "email",
            "one@corp.example",
            "two@corp.example",
            ("phone", "+86 138 0013 8000"),
        ),
        case("/t/ours/me".to_owned(), "email", "one@corp.example", "two@corp.example", ("phone", "+86 138 0013 8000")),
        case(format!("/t/ours/groups/{group}/edit"), "members", "mia", "sam", ("description", "whoever is awake")),
        case(format!("/t/ours/schedules/{schedule}/edit"), "shifts", "sam", "sue", ("handover", "10:30")),
        case(format!("/t/ours/alert-rules/{rule}/edit"), "members", "mia", "sam", ("frequency", "7")),
        case(
            "/t/ours/templates/lark/firing".to_owned(),
            "title",
            "{{ product }} one",
            "{{ product }} two",
            ("body", "{{ content }} and more"),
        ),
        case(format!("/t/ours/settings/portals/{portal}"), "name", "one", "two", ("per_minute", "7")),
        case(format!("/instance/tenants/{}/edit", town.ours), "name", "one", "two", ("description", "for tests")),
        case("/instance/log-in".to_owned(), "failures", "4", "6", ("lock_minutes", "45")),
        case("/instance/retention".to_owned(), "alert_days", "101", "202", ("audit_days", "321")),
    ]
}

pub async fn open(user: &mut User, page: &str) -> Opened {
    Opened::of(&user.get(page).await.is(200))
}

on_both! {
    async fn a_save_over_what_somebody_else_changed_is_refused_and_says_what_changed(app: &TestApp) {
        let town = app.settle().await;
        let (mut sue, mut root) = (app.log_in("sue").await, app.log_in("root").await);
        for case in cases(app, &town).await {
            let user = if case.page.starts_with("/instance") { &mut root } else { &mut sue };
            let opened = open(user, &case.page).await;
            opened.with(case.field, case.first).send(user).await.is(303);
            let stored = open(user, &case.page).await.value(case.field);
            let refused = opened.with(case.field, case.second).send(user).await.is(422);
            let told = refused.text("main [role=alert], dialog [role=alert]");
            assert!(told.contains("Another user changed this in the meantime"), "{}: {told}", case.page);
            assert!(told.contains(case.first) && told.contains(case.second), "{}: {told}", case.page);
            assert_eq!(open(user, &case.page).await.value(case.field), stored, "{}: nothing was saved", case.page);
            let again = Opened::of(&refused);
            assert_eq!(again.value(case.field), case.second, "{}: what was typed is kept", case.page);
            again.send(user).await.is(303);
            assert_ne!(open(user, &case.page).await.value(case.field), stored, "{}: sent once more, it is saved", case.page);
        }
    }

    async fn a_save_leaves_alone_what_its_user_did_not_change(app: &TestApp) {
        let town = app.settle().await;
        let (mut sue, mut root) = (app.log_in("sue").await, app.log_in("root").await);
        for case in cases(app, &town).await {
            let user = if case.page.starts_with("/instance") { &mut root } else { &mut sue };
            let opened = open(user, &case.page).await;
            opened.with(case.field, case.first).send(user).await.is(303);
            let stored = open(user, &case.page).await.value(case.field);
            let (other, value) = case.other;
            opened.with(other, value).send(user).await.is(303);
            let now = open(user, &case.page).await;
            assert_eq!(now.value(case.field), stored, "{}: somebody else's change stays", case.page);
            assert_ne!(now.value(other), opened.value(other), "{}: the own change is saved", case.page);
        }
    }

    async fn a_robot_that_somebody_else_replaced_is_not_replaced_unseen(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sue = app.log_in("sue").await;
        let page = format!("/t/ours/members/{}/edit", town.mia);
        let [first, second] = [1, 2].map(|number| app.robot(RobotKind::DingTalk, &format!("{number:064x}")));
        let opened = open(&mut sue, &page).await;
        opened.with("dingtalk_robot", &first).send(&mut sue).await.is(303);
        let refused = opened.with("dingtalk_robot", &second).send(&mut sue).await.is(422);
        let told = refused.text("dialog [role=alert]");
        assert!(told.contains("…0001"), "{told}");
        assert!(refused.text("dialog .stored .robot").ends_with("0001"), "the stored one stays");
        let phone = opened.with("phone", "+86 138 0013 8000").send(&mut sue).await;
        phone.is(303);
        assert!(sue.get(&page).await.text("dialog .stored .robot").ends_with("0001"), "an untouched robot stays");
        // What was typed travels sealed in the page, and is saved when it is sent once more.
        Opened::of(&refused).send(&mut sue).await.is(303);
        assert!(sue.get(&page).await.text("dialog .stored .robot").ends_with("0002"));
    }

    async fn channel_settings_of_two_people_are_not_undone(app: &TestApp) {
        app.settle().await;
        let (mut sue, mut root) = (app.log_in("sue").await, app.log_in("root").await);
        for (user, page) in [(&mut sue, "/t/ours/settings/message-channel"), (&mut root, "/instance/message-channel")] {
            let opened = open(user, page).await;
            opened.with("on", "dingtalk").send(user).await.is(303);
            let refused = opened.with("on", "lark").send(user).await.is(422);
            let told = refused.text("main [role=alert]");
            assert!(told.contains("Dingtalk Robot") && told.contains("Lark Robot"), "{told}");
            assert_eq!(open(user, page).await.value("on"), "dingtalk");
            Opened::of(&refused).send(user).await.is(303);
            assert_eq!(open(user, page).await.value("on"), "lark");
        }
    }

    async fn a_language_of_messages_that_its_user_left_alone_stays_as_somebody_else_chose_it(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let opened = open(&mut sue, "/t/ours/templates").await;
        assert_eq!(opened.value("message_language"), "en");
        opened.with("message_language", "zh-CN").send(&mut sue).await.is(303);
        opened.send(&mut sue).await.is(303);
        let again = open(&mut sue, "/t/ours/templates").await;
        assert_eq!(again.value("message_language"), "zh-CN");
        again.with("message_language", "en").send(&mut sue).await.is(303);
        assert_eq!(open(&mut sue, "/t/ours/templates").await.value("message_language"), "en");
    }

    async fn a_template_that_somebody_else_changed_is_not_reset_unseen(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let page = "/t/ours/templates/lark/firing";
        open(&mut sue, page).await.with("title", "{{ product }} one").send(&mut sue).await.is(303);
        let opened = sue.get(page).await.is(200);
        let version = opened.attribute("form[action$='/reset'] input[name=form_version]", "value").expect("a version");
        open(&mut sue, page).await.with("title", "{{ product }} two").send(&mut sue).await.is(303);
        let reset = format!("{page}/reset");
        let refused = sue.post(&reset, &[("form_version", &version)]).await.is(422);
        assert!(refused.text("main [role=alert]").contains("Another user saved this"), "{}", refused.body);
        assert_eq!(open(&mut sue, page).await.value("title"), "{{ product }} two");
        let version = refused.attribute("form[action$='/reset'] input[name=form_version]", "value").expect("a version");
        sue.post(&reset, &[("form_version", &version)]).await.is(303);
        assert_ne!(open(&mut sue, page).await.value("title"), "{{ product }} two");
    }

    async fn do_not_disturb_that_somebody_else_changed_is_not_replaced_unseen(app: &TestApp) {
        let town = app.settle().await;
        let alert = app.alert(town.ours, "Disk full").await;
        let (mut sue, mut sam) = (app.log_in("sue").await, app.log_in("sam").await);
        let event = format!("/t/ours/alerts/{alert}");
        for page in [event.as_str(), "/t/ours/alerts"] {
            let chosen = |opened: Opened, lasts: &str| {
                let opened = opened.with("what", "quiet").with("unit", "hours").with("lasts", lasts);
                if page == event { opened } else { opened.with("id", &alert.to_string()) }
            };
            let opened = open(&mut sue, page).await;
            chosen(open(&mut sam, page).await, "5").send(&mut sam).await.is(303);
            let held = open(&mut sam, &event).await.value("form_version");
            for what in ["quiet", "loud"] {
                let refused = chosen(opened.clone(), "1").with("what", what).send(&mut sue).await.is(422);
                let told = refused.text("main [role=alert]");
                assert!(told.contains("Disk full") && told.contains("it is now on until"), "{page}: {told}");
                assert_eq!(open(&mut sam, &event).await.value("form_version"), held, "{page}: nothing was changed");
            }
            let refused = chosen(opened, "1").send(&mut sue).await.is(422);
            assert_eq!(refused.attribute("#f-lasts", "value").as_deref(), Some("1"), "{page}: what was typed is kept");
            chosen(Opened::of(&refused), "1").send(&mut sue).await.is(303);
            assert_ne!(open(&mut sam, &event).await.value("form_version"), held, "{page}: sent once more, it is set");
            sam.post(&event, &[("what", "loud")]).await.is(303);
        }
    }

    async fn a_one_time_code_that_somebody_else_renewed_is_not_replaced_unseen(app: &TestApp) {
        let town = app.settle().await;
        let (mut sue, mut sam) = (app.log_in("sue").await, app.log_in("sam").await);
        let code = format!("/t/ours/members/{}/code", town.mia);
        let shown = |page: &Answer| {
            page.attribute("form[action*='/code'] input[name=form_version]", "value").expect("a version")
        };
        let opened = shown(&sue.get(&format!("/t/ours/members/{}/edit", town.mia)).await.is(200));
        let given = sam.post(&code, &[("form_version", &opened)]).await.is(200);
        let given = given.attribute("input[readonly]", "value").expect("a code");
        let refused = sue.post(&code, &[("form_version", &opened)]).await.is(422);
        assert!(refused.text("dialog [role=alert]").contains("one-time code was renewed"), "{}", refused.body);
        let again = sue.post(&code, &[("form_version", &shown(&refused))]).await.is(200);
        assert_ne!(again.attribute("input[readonly]", "value").expect("a code"), given);
    }

    async fn a_form_whose_object_somebody_else_removed_keeps_what_was_typed(app: &TestApp) {
        let town = app.settle().await;
        let mut sue = app.log_in("sue").await;
        let secret = "0123456789abcdef".repeat(4);
        let page = format!("/t/ours/members/{}/edit", town.mia);
        let opened = open(&mut sue, &page).await.with("email", "mia@corp.example").with("phone", "13800138000");
        let opened = opened.with("dingtalk_robot", &app.robot(RobotKind::DingTalk, &secret));
        sue.post(&format!("/t/ours/members/{}/remove", town.mia), &[]).await.is(303);
        let refused = opened.send(&mut sue).await.is(404);
        let told = refused.text("main");
        for word in ["Nothing was saved", "mia@corp.example", "13800138000"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(!refused.body.contains(&secret), "a webhook is in no page a second time");
        let group = app.group(town.ours, "night shift").await;
        let opened = open(&mut sue, &format!("/t/ours/groups/{group}/edit")).await.with("description", "awake");
        sue.post(&format!("/t/ours/groups/{group}/delete"), &[]).await.is(303);
        assert!(opened.send(&mut sue).await.is(404).text("main").contains("awake"));
    }

    async fn a_token_that_somebody_else_rotated_is_not_ended_unseen(app: &TestApp) {
        let town = app.settle().await;
        let portal = app.portal(town.ours, "ticketing").await;
        let mut sue = app.log_in("sue").await;
        let page = format!("/t/ours/settings/portals/{portal}");
        let shown = |page: &Answer| page.attribute("form[action$='/rotate'] input[name=token_last_four]", "value");
        let opened = shown(&sue.get(&page).await.is(200)).expect("a token");
        let rotated = sue.post(&format!("{page}/rotate"), &[("token_last_four", &opened)]).await.is(200);
        let token = rotated.attribute("#f-token", "value").expect("a token");
        for what in ["rotate", "end-overlap"] {
            let refused = sue.post(&format!("{page}/{what}"), &[("token_last_four", &opened)]).await.is(422);
            assert!(refused.text("main [role=alert]").contains("rotated the token"), "{what}: {}", refused.body);
            let fire = app.visitor().request(reqwest::Method::POST, "/intake/alerts").bearer_auth(&token);
            app.visitor().send(fire.form(&[("title", what)])).await.is(201);
        }
        let now = shown(&sue.get(&page).await).expect("a token");
        sue.post(&format!("{page}/end-overlap"), &[("token_last_four", &now)]).await.is(303);
        sue.post(&format!("{page}/rotate"), &[("token_last_four", &now)]).await.is(200);
    }
}
