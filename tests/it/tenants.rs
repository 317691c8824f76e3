//! Tenants of the instance, the numbers of log-in, and the two records: deliveries and audit.

use belfry::db::schema::tenants;
use diesel::prelude::*;

use crate::harness::{Answer, PASSWORD, TestApp, dump};

const NEW: [(&str, &str); 5] = [
    ("name", "Data platform 数据平台"),
    ("slug", "data-platform"),
    ("description", ""),
    ("time_zone", "Asia/Shanghai"),
    ("super_admin", "wang.li"),
];

fn objects(list: &Answer) -> Vec<String> {
    list.texts("tbody tr")
}

on_both! {
    async fn everything_that_is_wrong_with_a_new_tenant_is_reported_at_once(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let mut sue = app.log_in("sue").await;
        let member = [("username", "pending"), ("display_name", "Pending"), ("role", "member")];
        sue.post("/t/ours/members/new", &member).await.is(200);
        let form = [("name", "Ours"), ("slug", "ours"), ("super_admin", "pending"), ("time_zone", "UTC")];
        let page = root.post("/instance/tenants/new", &form).await.is(422);
        assert_eq!(page.attributes("main [role=alert] a", "href"), ["#f-slug", "#f-super_admin"]);
    }

    async fn zone_and_language_of_a_new_tenant_are_proposed_by_its_creators_language_and_asked_for(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let locale = async |slug: &'static str| {
            let of_tenant = tenants::table.filter(tenants::slug.eq(slug));
            let columns = (tenants::time_zone, tenants::message_language);
            app.db.read(move |c| Ok(of_tenant.select(columns).first::<(String, String)>(c)?)).await.expect("a tenant")
        };
        let shown = |page: &Answer| {
            let zone = page.attribute("#f-time_zone", "value").expect("a zone");
            (zone, page.attribute("#f-message_language option[selected]", "value").expect("a language"))
        };
        let pair = |zone: &str, language: &str| (zone.to_owned(), language.to_owned());
        // The metadata warehouse of these tests has the zone Asia/Shanghai.
        assert_eq!(shown(&root.get("/instance/tenants/new").await.is(200)), pair("Asia/Shanghai", "en"));
        root.post("/instance/tenants/1/edit", &[("name", "Warehouse"), ("time_zone", "Europe/Berlin")]).await.is(303);
        assert_eq!(shown(&root.get("/instance/tenants/new").await.is(200)), pair("Europe/Berlin", "en"));
        root.post("/language", &[("language", "zh-CN"), ("return_to", "/")]).await.is(303);
        assert_eq!(shown(&root.get("/instance/tenants/new").await.is(200)), pair("Asia/Shanghai", "zh-CN"));

        let new = |slug: &'static str| [("name", slug), ("slug", slug), ("super_admin", "root")];
        root.post("/instance/tenants/new", &new("proposed")).await.is(303);
        assert_eq!(locale("proposed").await, pair("Asia/Shanghai", "zh-CN"));
        let chosen = [("time_zone", "Asia/Urumqi"), ("message_language", "en")];
        root.post("/instance/tenants/new", &[new("chosen").as_slice(), &chosen].concat()).await.is(303);
        assert_eq!(locale("chosen").await, pair("Asia/Urumqi", "en"));
        let unknown = [new("unknown").as_slice(), &[("message_language", "la")]].concat();
        let page = root.post("/instance/tenants/new", &unknown).await.is(422);
        assert_eq!(page.attribute("#f-message_language", "aria-invalid").as_deref(), Some("true"));
        // Editing changes both; what is left out stays.
        let list = root.get("/instance/tenants").await.is(200);
        let edit = list.attributes("a[href$='/edit']", "href").pop().expect("a tenant to edit");
        let page = root.get(&edit).await.is(200);
        let slug = page.text("dl.facts dd");
        let name = page.attribute("#f-name", "value").expect("a name");
        root.post(&edit, &[("name", &name), ("message_language", "en"), ("time_zone", "UTC")]).await.is(303);
        assert_eq!(shown(&root.get(&edit).await.is(200)), pair("UTC", "en"), "{slug}");
        root.post(&edit, &[("name", "another name")]).await.is(303);
        assert_eq!(shown(&root.get(&edit).await.is(200)), pair("UTC", "en"), "{slug}");
    }

    async fn a_tenant_is_added_with_a_new_super_administrator_who_gets_a_code(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let page = root.post("/instance/tenants/new", &NEW).await.is(201);
        let code = page.attribute("input[readonly]", "value").expect("a code");
        let mut owner = app.visitor();
        owner.log_in("wang.li", &code).await.leads_to("/account/password");
        let password = "nine slow herons over the lake";
        owner
            .post("/account/password", &[("new_password", password), ("confirm_password", password)])
            .await
            .leads_to("/");
        owner.get("/").await.leads_to("/t/data-platform");
        let home = owner.get("/t/data-platform").await.is(200);
        assert!(home.texts(".tenant").contains(&"Data platform 数据平台".to_owned()));
        let again = root.post("/instance/tenants/new", &NEW).await.is(422);
        assert_eq!(again.attribute("#f-slug", "aria-invalid").as_deref(), Some("true"));
        assert_eq!(again.attribute("#f-name", "value").as_deref(), Some("Data platform 数据平台"));
    }

    async fn what_is_wrong_with_a_form_is_summed_up_by_name_from_top_to_bottom(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let wrong = [("name", ""), ("slug", "A b"), ("description", ""), ("time_zone", "Mars"), ("super_admin", "")];
        for (language, names) in [
            ("en", ["Tenant name: ", "Slug: ", "Time zone: ", "Super administrator: "]),
            ("zh-CN", ["租户名称：", "标识：", "时区：", "超级管理员："]),
        ] {
            root.post("/language", &[("language", language), ("return_to", "/")]).await.is(303);
            let page = root.post("/instance/tenants/new", &wrong).await.is(422);
            let faults = page.texts(".note.bad li");
            let beside = ["name", "slug", "time_zone", "super_admin"].map(|field| page.text(&format!("#e-{field}")));
            let expected: Vec<String> =
                names.into_iter().zip(beside).map(|(name, fault)| format!("{name}{fault}")).collect();
            assert_eq!(faults, expected);
        }
    }

    async fn a_deleted_tenant_is_nobodys_until_it_is_restored_as_it_was(app: &TestApp) {
        let town = app.settle().await;
        let (mut root, mut sue) = (app.log_in("root").await, app.log_in("sue").await);
        root.post(&format!("/instance/tenants/{}/delete", town.ours), &[]).await.leads_to("/instance/tenants");
        for path in ["/t/ours", "/t/ours/members", "/t/ours/settings/message-channel"] {
            sue.get(path).await.is(404);
            root.get(path).await.is(404);
        }
        root.get(&format!("/instance/tenants/{}/edit", town.ours)).await.is(404);
        root.post(&format!("/instance/tenants/{}/restore", town.ours), &[]).await.leads_to("/instance/tenants");
        assert!(sue.get("/t/ours/members").await.is(200).body.contains("mia"));
    }

    async fn the_metadata_warehouse_cannot_be_deleted(app: &TestApp) {
        let town = app.settle().await;
        let mut root = app.log_in("root").await;
        root.get(&format!("/instance/tenants/{}/delete", town.warehouse)).await.is(403);
        root.post(&format!("/instance/tenants/{}/delete", town.warehouse), &[]).await.is(403);
        root.get("/instance/tenants").await.is(200);
    }

    async fn an_instance_administrator_sets_a_tenants_channels_and_sees_no_contact(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        root.post("/t/ours/settings/message-channel", &[("mode", "custom"), ("on", "dingtalk")]).await.is(303);
        let page = app.log_in("mia").await.get("/t/ours/settings/message-channel").await.is(200);
        assert_eq!(page.attribute("input[name=mode][checked]", "value").as_deref(), Some("custom"));
        assert_eq!(page.attribute("input[name=on][checked]", "value").as_deref(), Some("dingtalk"));
        assert!(page.attribute("fieldset", "disabled").is_some(), "a member sees the page read-only");
        for path in ["/t/ours/members", "/t/ours/deliveries", "/t/ours/audit", "/t/ours/me"] {
            root.get(path).await.is(403);
        }
    }

    async fn the_numbers_of_log_in_have_their_ranges_and_count_at_once(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let numbers = |idle, failures, lock| [("idle_minutes", idle), ("failures", failures), ("lock_minutes", lock)];
        for wrong in [
            numbers("14", "5", "15"),
            numbers("1441", "5", "15"),
            numbers("120", "2", "15"),
            numbers("120", "11", "15"),
            numbers("120", "5", "14"),
            numbers("120", "5", "61"),
            numbers("", "x", "1.5"),
        ] {
            let page = root.post("/instance/log-in", &wrong).await.is(422);
            assert!(!page.texts("[role=alert] li").is_empty());
            assert_eq!(page.attribute("#f-idle_minutes", "value").unwrap_or_default(), wrong[0].1);
        }
        root.post("/instance/log-in", &numbers("15", "3", "60")).await.leads_to("/instance/log-in");
        let mut guesser = app.visitor();
        for _ in 0..3 {
            guesser.log_in("sue", "a wrong password, surely").await.is(422);
        }
        let wait = guesser.log_in("sue", PASSWORD).await.is(429);
        assert!(wait.header("retry-after").is_some_and(|wait| wait.parse::<i64>().is_ok_and(|wait| wait > 3500)));
    }

    async fn members_see_their_own_deliveries_and_administrators_all_of_their_tenant(app: &TestApp) {
        let town = app.settle().await;
        app.delivery(town.ours, town.mia).await;
        app.delivery(town.theirs, town.tom).await;
        let rows = async |username: &str, tenant: &str| {
            objects(&app.log_in(username).await.get(&format!("/t/{tenant}/deliveries")).await.is(200)).len()
        };
        assert_eq!(rows("mia", "ours").await, 1);
        assert_eq!(rows("sam", "ours").await, 1);
        assert_eq!(rows("theo", "theirs").await, 1);
        let nils = app.member(town.ours, "nils", belfry::access::Role::Member).await;
        assert_eq!(rows("nils", "ours").await, 0);
        let foreign = app.delivery(town.ours, town.mia).await;
        app.log_in("nils").await.get(&format!("/t/ours/deliveries/{foreign}")).await.is(404);
        let own = app.delivery(town.ours, nils).await;
        app.log_in("nils").await.get(&format!("/t/ours/deliveries/{own}")).await.is(200);
    }

    async fn each_audit_log_shows_what_belongs_to_it(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut theo, mut root) =
            (app.log_in("sam").await, app.log_in("theo").await, app.log_in("root").await);
        sam.post(&format!("/t/ours/members/{}/disable", town.mia), &[]).await.is(303);
        theo.post(&format!("/t/theirs/members/{}/disable", town.tom), &[]).await.is(303);
        let ours = objects(&sam.get("/t/ours/audit").await.is(200)).join("\n");
        assert!(ours.contains("mia") && !ours.contains("tom"), "{ours}");
        let theirs = objects(&theo.get("/t/theirs/audit").await.is(200)).join("\n");
        assert!(theirs.contains("tom") && !theirs.contains("mia"), "{theirs}");
        let all = objects(&root.get("/instance/audit").await.is(200)).join("\n");
        assert!(all.contains("mia") && all.contains("tom"), "{all}");
    }

    async fn nothing_that_is_refused_leaves_a_trace(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let before = dump(&app.db).await;
        root.post("/instance/tenants/new", &[("name", ""), ("slug", "Not A Slug"), ("super_admin", "no name!")])
            .await
            .is(422);
        root.post("/instance/log-in", &[("idle_minutes", "1")]).await.is(422);
        root.post("/instance/message-channel", &[("on", "carrier-pigeon")]).await.is(422);
        root.post("/t/ours/settings/message-channel", &[("mode", "neither")]).await.is(422);
        assert_eq!(dump(&app.db).await, before);
    }
}
