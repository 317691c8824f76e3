//! Message templates: the tenant's own words reach the group, a template that would lose a message is refused, and only
//! administrators write one.

use std::time::Duration;

use belfry::{
    language::Language,
    robots::Channel,
    sandbox::RobotKind,
    templates::{MessageReason, Variables, store},
};

use crate::harness::{TestApp, User, dump};

const PATIENCE: Duration = Duration::from_secs(20);
const DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0011";
const LARK: &str = "00000000-0000-4000-8000-0000fake0012";

const LIST: &str = "/t/ours/templates";
const SAVED: &str = "/t/ours/templates/dingtalk/member_saved";
const FIRING: &str = "/t/ours/templates/dingtalk/firing";

const TITLE: &str = "{{ product }}: hello {{ member }}";
const BODY: &str = "**{{ tenant }}** has a bell\nrung by {{ by }}";

async fn hears(app: &TestApp, token: &str, times: usize) -> Vec<String> {
    let enough = |calls: &[belfry::sandbox::RecordedCall]| {
        calls.iter().filter(|call| call.delivered_message().is_some()).count() >= times
    };
    assert!(app.sandbox.wait_for_calls(token, enough, PATIENCE).await, "{:?}", app.sandbox.delivered_messages(token));
    app.sandbox.delivered_messages(token).iter().map(|heard| format!("{heard:?}")).collect()
}

/// What of this table is there.
async fn rows(app: &TestApp) -> usize {
    dump(&app.db).await["message_templates"].len()
}

async fn actions(user: &mut User) -> Vec<String> {
    user.get("/t/ours/audit").await.is(200).texts("tbody td:nth-child(3)")
}

on_both! {
    async fn a_member_saved_after_the_words_were_changed_is_announced_in_them(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        sam.post(SAVED, &[("title", TITLE), ("body", "**{{ tenant }}** has a bell\r\nrung by {{ by }}")]).await.leads_to(LIST);
        let (dingtalk, lark) = (app.robot(RobotKind::DingTalk, DINGTALK), app.robot(RobotKind::Lark, LARK));
        let edit = format!("/t/ours/members/{}/edit", town.mia);
        sam.post(&edit, &[("dingtalk_robot", &dingtalk), ("lark_robot", &lark)]).await.leads_to("/t/ours/members");
        let heard = hears(app, DINGTALK, 1).await;
        assert!(heard[0].contains("Dataphin: hello mia"), "{heard:?}");
        assert!(heard[0].contains("**ours** has a bell  \\nrung by sam"), "{heard:?}");
        // The other channel keeps Belfry's own words, and so does the test message.
        assert!(hears(app, LARK, 1).await[0].contains("Dataphin: alerts for mia arrive in this group"));
        sam.post(&format!("/t/ours/members/{}/test", town.mia), &[]).await.is(200);
        let heard = hears(app, DINGTALK, 2).await;
        assert!(heard[1].contains("Dataphin: test message for mia"), "{heard:?}");
    }

    async fn a_template_of_a_test_message_is_used_for_it(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let path = "/t/ours/templates/dingtalk/test";
        sam.post(path, &[("title", "{{ product }} probe"), ("body", "Only a test for {{ member }}.")]).await.leads_to(LIST);
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        sam.post(&format!("/t/ours/members/{}/test", town.mia), &[("dingtalk_robot", &webhook)]).await.is(200);
        let heard = hears(app, DINGTALK, 1).await;
        assert!(heard[0].contains("Dataphin probe") && heard[0].contains("Only a test for mia."), "{heard:?}");
    }

    async fn dingtalk_gets_no_template_without_the_keyword_and_the_others_do(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        for title in ["{{ title }}", "{% if link %}{{ product }}{% endif %} {{ title }}", "dataphin {{ title }}"] {
            let page = sam.post(FIRING, &[("title", title), ("body", "{{ content }}.")]).await.is(422);
            assert!(page.text("#e-title").contains("Dataphin"), "{title}");
            assert_eq!(page.attribute("#f-title", "value").as_deref(), Some(title));
            assert_eq!(page.text("#f-body"), "{{ content }}.");
        }
        assert_eq!(rows(app).await, 0);
        // In the text it is found as well, and the product's name may be written out.
        sam.post(FIRING, &[("title", "{{ title }}"), ("body", "Dataphin: {{ content }}")]).await.leads_to(LIST);
        for channel in ["lark", "wecom"] {
            let path = format!("/t/ours/templates/{channel}/firing");
            sam.post(&path, &[("title", "{{ title }}"), ("body", "{{ content }}.")]).await.leads_to(LIST);
        }
        assert_eq!(rows(app).await, 3);
    }

    async fn a_mistake_is_named_beside_its_field_with_its_line_in_the_readers_language(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let page = sam.post(FIRING, &[("title", "{{ product }} {{ tilte }}"), ("body", "a\n{% for x in labels %}")]).await.is(422);
        let (title, body) = (page.text("#e-title"), page.text("#e-body"));
        assert!(title.contains("Line 1") && title.contains("tilte"), "{title}");
        assert!(body.contains("Line 2") && body.contains("for"), "{body}");
        sam.post("/language", &[("language", "zh-CN"), ("return_to", "/")]).await.is(303);
        let page = sam.post(FIRING, &[("title", "{{ product }}"), ("body", "\n{{ content")]).await.is(422);
        assert!(page.text("#e-body").contains("第 2 行"), "{}", page.text("#e-body"));
        let page = sam.post(FIRING, &[("title", " "), ("body", &"字".repeat(2731))]).await.is(422);
        assert_eq!(page.text("#e-title"), "请填写此项。");
        assert!(page.text("#e-body").contains("8 KiB"));
        let page = sam.post(FIRING, &[("title", &"{{ product }}".repeat(40)), ("body", "x")]).await.is(422);
        assert!(page.text("#e-title").contains("512"), "{}", page.text("#e-title"));
        assert_eq!(rows(app).await, 0);
    }

    async fn a_preview_shows_the_message_keeps_what_was_typed_and_saves_nothing(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let body = "**{{ severity }}** <script>\nsee [it]({{ link }})";
        let before = dump(&app.db).await;
        let fields = [("title", "{{ product }} <b> {{ title }}"), ("body", body)];
        let page = sam.post(&format!("{FIRING}/preview"), &fields).await.is(200);
        assert_eq!(page.text(".preview p b"), "Dataphin <b> Disk usage on db-7 is at 95%");
        assert_eq!(page.texts(".preview strong"), ["Critical"]);
        assert_eq!(page.texts(".preview script").len(), 0);
        assert_eq!(page.attribute(".preview a", "href").as_deref(), Some("https://monitor.example/alerts/42"));
        assert_eq!(page.texts(".preview br").len(), 1);
        assert_eq!(page.attribute("#f-title", "value").as_deref(), Some("{{ product }} <b> {{ title }}"));
        assert!(page.text("#f-body").starts_with("**{{ severity }}** <script>"));
        // Lark shows links and no other markup.
        let page = sam.post("/t/ours/templates/lark/firing/preview", &fields).await.is(200);
        assert_eq!((page.texts(".preview strong").len(), page.texts(".preview a").len()), (0, 1));
        let page = sam.post(&format!("{FIRING}/preview"), &[("title", "{{ title }}"), ("body", "x")]).await.is(422);
        assert_eq!(page.texts(".preview").len(), 0);
        assert_eq!(dump(&app.db).await["message_templates"], before["message_templates"]);
    }

    async fn the_list_says_whose_words_they_are_and_reset_brings_belfrys_back(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let page = sam.get(LIST).await.is(200);
        assert_eq!((page.texts("tbody tr").len(), page.texts("tbody td").len()), (6, 18));
        assert!(page.texts("tbody td").iter().all(|cell| cell == "Default"));
        let belfrys = sam.get(SAVED).await.is(200);
        assert_eq!(belfrys.attribute("#f-title", "value").as_deref(), Some("{{ product }}: alerts for {{ member }} arrive in this group"));
        assert_eq!(belfrys.texts(&format!("form[action='{SAVED}/reset']")).len(), 0);
        for _ in 0..2 {
            sam.post(SAVED, &[("title", TITLE), ("body", BODY)]).await.leads_to(LIST);
        }
        let page = sam.get(LIST).await.is(200);
        let own: Vec<String> = page.texts("tbody td").into_iter().filter(|cell| cell != "Default").collect();
        assert!(own.len() == 1 && own[0].starts_with("Custom sam, "), "{own:?}");
        let page = sam.get(SAVED).await.is(200);
        assert_eq!(page.attribute("#f-title", "value").as_deref(), Some(TITLE));
        assert!(page.text("form.card .hint").contains("sam"));
        for _ in 0..2 {
            sam.post(&format!("{SAVED}/reset"), &[]).await.leads_to(LIST);
        }
        let again = sam.get(SAVED).await.is(200);
        assert_eq!(again.text("#f-body"), belfrys.text("#f-body"));
        // The second click each time did nothing that were worth a row.
        let log = actions(&mut sam).await;
        assert_eq!(log.iter().filter(|action| action.contains("a message template")).count(), 2, "{log:?}");
        assert_eq!(rows(app).await, 0);
    }

    async fn the_language_of_messages_is_the_tenants_whoever_causes_them(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        for _ in 0..2 {
            sam.post(LIST, &[("message_language", "zh-CN")]).await.leads_to(LIST);
        }
        let page = sam.get(LIST).await.is(200);
        assert_eq!(page.attribute("#f-message_language option[selected]", "value").as_deref(), Some("zh-CN"));
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        let edit = format!("/t/ours/members/{}/edit", town.mia);
        sam.post(&edit, &[("dingtalk_robot", &webhook)]).await.leads_to("/t/ours/members");
        let heard = hears(app, DINGTALK, 1).await;
        assert!(heard[0].contains("Dataphin：mia 的告警将发送到本群") && heard[0].contains("保存人：sam"), "{heard:?}");
        let log = actions(&mut sam).await;
        assert_eq!(log.iter().filter(|action| *action == "Changed the message language").count(), 1, "{log:?}");
        sam.post(LIST, &[("message_language", "fr")]).await.is(422);
    }

    async fn a_new_tenant_speaks_the_language_of_whoever_added_it(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        for (slug, tag, language) in [("bei", "zh-CN", Language::Chinese), ("nord", "en", Language::English)] {
            root.post("/language", &[("language", tag), ("return_to", "/")]).await.is(303);
            let owner = [("super_admin", "theo"), ("confirmed", "theo")];
            let fields = [[("name", slug), ("slug", slug)], owner].concat();
            root.post("/instance/tenants/new", &fields).await.leads_to("/instance/tenants");
            let mut theo = app.log_in("theo").await;
            theo.accept_invitation().await.is(303);
            let page = theo.get(&format!("/t/{slug}/templates")).await.is(200);
            let chosen = page.attribute("#f-message_language option[selected]", "value");
            assert_eq!(chosen.as_deref(), Some(language.tag()));
        }
    }

    async fn a_member_looks_and_changes_nothing_and_a_foreign_tenant_is_not_there(app: &TestApp) {
        app.settle().await;
        let mut mia = app.log_in("mia").await;
        let page = mia.get(FIRING).await.is(200);
        assert_eq!((page.texts("main button").len(), page.attribute("#f-body", "readonly").is_some()), (0, true));
        assert_eq!(mia.get(LIST).await.is(200).texts("main button").len(), 0);
        let fields = [("title", TITLE), ("body", BODY)];
        for path in [SAVED.to_owned(), format!("{SAVED}/preview"), format!("{SAVED}/reset")] {
            mia.post(&path, &fields).await.is(403);
        }
        mia.post(LIST, &[("message_language", "zh-CN")]).await.is(403);
        let mut theo = app.log_in("theo").await;
        theo.get(SAVED).await.is(404);
        theo.post(SAVED, &fields).await.is(404);
        let mut sam = app.log_in("sam").await;
        for unknown in ["/t/ours/templates/fax/firing", "/t/ours/templates/dingtalk/Firing", "/t/ours/templates/dingtalk/x"] {
            sam.get(unknown).await.is(404);
            sam.post(unknown, &fields).await.is(404);
        }
        assert_eq!(rows(app).await, 0);
    }

    async fn a_template_that_is_too_much_work_is_refused_at_its_field(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        // 1,102 filters, as many as there is room for.
        let body = format!("{{{{content{}}}}}", "|upper".repeat(29)).repeat(38);
        for path in [FIRING.to_owned(), format!("{FIRING}/preview")] {
            let page = sam.post(&path, &[("title", "{{ product }}"), ("body", &body)]).await.is(422);
            assert!(page.text("#e-body").contains("too often"), "{}", page.text("#e-body"));
            assert_eq!(page.text("#f-body"), body);
        }
        assert_eq!(rows(app).await, 0);
    }

    async fn an_alert_whose_template_becomes_too_much_work_goes_out_in_belfrys_own_words(app: &TestApp) {
        let town = app.settle().await;
        let now = app.clock.now();
        let body = format!("{{{{ product }}}}{}", "{{ labels | upper }}".repeat(20));
        let source = belfry::templates::TemplateSource { title: "{{ product }}: {{ title }}".into(), body };
        let templates = app
            .db
            .write(move |c| {
                store::save(c, town.ours, Channel::DingTalk, MessageReason::Firing, &source, ("sam", now))?;
                store::load(c, town.ours)
            })
            .await
            .unwrap();
        let title = |length| {
            let labels = [("stack".to_owned(), "x".repeat(length))].into();
            let variables =
                Variables { product: "Dataphin".into(), title: "Disk full".into(), labels, ..Variables::default() };
            templates.render(Channel::DingTalk, MessageReason::Firing, &variables).title
        };
        assert_eq!(title(100), "Dataphin: Disk full");
        assert!(title(2_000_000).starts_with("[Dataphin]"));
    }

    async fn a_template_that_is_of_no_use_loses_no_message(app: &TestApp) {
        let town = app.settle().await;
        let now = app.clock.now();
        let variables = Variables { product: "Dataphin".into(), title: "Disk full".into(), ..Variables::default() };
        // As an older version might have stored them: no keyword, no title, nothing that can be filled in.
        for (title, body) in [("{{ title }}", "x"), ("{{ nothing }}", "{{ product }}"), ("{{ product }}", "{% if")] {
            let source = belfry::templates::TemplateSource { title: title.into(), body: body.into() };
            let (ours, theirs) = (town.ours, town.theirs);
            let (templates, others) = app
                .db
                .write(move |c| {
                    store::save(c, ours, Channel::DingTalk, MessageReason::Firing, &source, ("sam", now))?;
                    Ok((store::load(c, ours)?, store::load(c, theirs)?))
                })
                .await
                .unwrap();
            let words = templates.render(Channel::DingTalk, MessageReason::Firing, &variables);
            assert!(words.title.starts_with("[Dataphin]") && words.title.ends_with(": Disk full"), "{title}: {words:?}");
            assert_eq!(others.render(Channel::DingTalk, MessageReason::Firing, &variables), words, "a tenant has its own alone");
        }
        let unknown = app.db.read(|c| store::load(c, belfry::db::TenantId(999))).await;
        assert!(matches!(unknown, Err(belfry::error::Error::NotFound)));
    }
}
