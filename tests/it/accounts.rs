//! Setting up, logging in and out, one-time codes, passwords, and the choice of language.

use chrono::TimeDelta;

use crate::harness::{PASSWORD, TestApp, User};

/// A password that is not the one of every account.
const OTHER: &str = "nine slow herons over the lake";

async fn set_up(user: &mut User, code: &str, username: &str) -> crate::harness::Answer {
    user.post("/setup", &[("code", code), ("username", username), ("password", PASSWORD)]).await
}

on_both! {
    async fn the_first_visitor_sets_up_with_the_code_of_the_console_and_is_in(app: &TestApp) {
        let code = app.set_up_code.as_deref().expect("a code");
        let mut visitor = app.visitor();
        visitor.get("/").await.leads_to("/login");
        visitor.get("/login").await.leads_to("/setup");
        visitor.get("/setup").await.is(200);
        // Typed by hand from a console, in whichever case.
        set_up(&mut visitor, &code.to_lowercase(), "Ann").await.leads_to("/");
        let page = visitor.get("/").await.is(200);
        assert_eq!(page.text("h1"), "Getting started", "nobody begins in the metadata warehouse");
        assert_eq!(page.texts("main a.button"), ["Add Tenant"]);
    }

    async fn the_tenant_that_set_up_makes_has_zone_and_language_of_whoever_sets_up(app: &TestApp) {
        let code = app.set_up_code.as_deref().expect("a code");
        let mut visitor = app.visitor();
        visitor.language = "zh-CN";
        set_up(&mut visitor, code, "ann").await.leads_to("/");
        let page = visitor.get("/instance/tenants/1/edit").await.is(200);
        assert_eq!(page.attribute("#f-time_zone", "value").as_deref(), Some("Asia/Shanghai"));
        assert_eq!(page.attribute("#f-message_language option[selected]", "value").as_deref(), Some("zh-CN"));
    }

    async fn a_wrong_code_makes_no_account_and_keeps_what_was_typed(app: &TestApp) {
        let mut visitor = app.visitor();
        let answer = set_up(&mut visitor, "AAAAA-BBBBB-CCCCC-DDDDD", "ann").await.is(422);
        assert_eq!(answer.attribute("#f-username", "value").as_deref(), Some("ann"));
        assert_eq!(answer.attribute("#f-password", "value").unwrap_or_default(), "");
        assert_eq!(answer.attribute("#f-code", "aria-invalid").as_deref(), Some("true"));
        assert_eq!(answer.attribute("#f-code", "value").as_deref(), Some("AAAAA-BBBBB-CCCCC-DDDDD"), "it can be corrected");
        set_up(&mut visitor, "", "ann").await.is(422);
        visitor.get("/login").await.leads_to("/setup");
        let metrics = visitor.get("/metrics").await.is(200).body;
        assert!(metrics.contains("belfry_refusals_total{kind=\"log-in\"} 1\n"), "{metrics}");
    }

    async fn the_code_serves_once_and_then_there_is_no_set_up_any_more(app: &TestApp) {
        let code = app.set_up_code.as_deref().expect("a code");
        set_up(&mut app.visitor(), code, "ann").await.leads_to("/");
        let mut second = app.visitor();
        second.get("/setup").await.is(404);
        set_up(&mut second, code, "bob").await.is(404);
        let (_, code_of_a_later_start) = app.another().await;
        assert_eq!(code_of_a_later_start, None);
    }

    async fn of_two_processes_each_accepts_the_code_of_the_other_and_only_one_account_is_made(app: &TestApp) {
        let (origin, code) = app.another().await;
        let (here, there) = (app.set_up_code.as_deref().expect("a code"), code.expect("a second code"));
        assert_ne!(here, there);
        let (mut ann, mut bob) = (app.visitor(), app.visitor().at(&origin));
        // Cookies and tokens are prepared first, so that the two posts meet.
        ann.token().await;
        bob.token().await;
        let (first, second) = tokio::join!(set_up(&mut ann, &there, "ann"), set_up(&mut bob, here, "bob"));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses[0], 303, "{statuses:?}");
        assert!([404, 409, 422].contains(&statuses[1]), "{statuses:?}");
        let accounts = crate::harness::dump(&app.db).await["accounts"].len();
        assert_eq!(accounts, 1);
    }

    async fn logging_in_leads_to_the_tenant_and_logging_out_ends_the_session_on_the_server(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.visitor();
        sue.get("/account").await.asks_to_log_in_for("/account");
        sue.log_in(" SUE ", PASSWORD).await.leads_to("/");
        sue.get("/").await.leads_to("/t/ours");
        sue.get("/login").await.leads_to("/");
        let mut thief = sue.clone();
        thief.get("/account").await.is(200);
        sue.post("/logout", &[]).await.leads_to("/login");
        assert_eq!(sue.get("/login").await.text(".note"), "You are logged out.");
        sue.get("/account").await.asks_to_log_in_for("/account");
        thief.get("/account").await.asks_to_log_in_for("/account");
    }

    async fn what_is_wrong_with_a_field_stands_in_the_place_of_its_hint_and_the_summary_has_the_focus(app: &TestApp) {
        let mut visitor = app.visitor();
        let page = visitor.get("/setup").await.is(200);
        assert!(!page.text("#h-username").is_empty() && page.texts("[autofocus]").is_empty());
        let page = set_up(&mut visitor, "AAAAA-BBBBB-CCCCC-DDDDD", "no name!").await.is(422);
        assert!(!page.text("#e-username").is_empty() && page.texts("#h-username").is_empty(), "the hint says the same");
        assert_eq!(page.attribute("#f-username", "aria-describedby").as_deref(), Some("e-username"));
        assert_eq!(page.attributes("[autofocus]", "role"), ["alert"], "nothing else takes the focus");
        assert_eq!(page.attribute("[role=alert]", "tabindex").as_deref(), Some("-1"));
    }

    async fn a_wrong_password_is_answered_in_one_sentence_that_blames_no_field(app: &TestApp) {
        app.tenant("ours", "sue").await;
        for (language, sentence) in [("en", "Incorrect username or password."), ("zh-CN", "用户名或密码错误。")] {
            for (username, password) in [("sue", "not the password"), ("nobody", PASSWORD), ("no name!", "")] {
                let mut visitor = app.visitor();
                visitor.language = language;
                let page = visitor.log_in(username, password).await.is(422);
                assert_eq!(page.text("main [role=alert]"), sentence, "{username}");
                assert!(page.texts("main [aria-invalid], main .fault").is_empty(), "no field is marked: {username}");
                assert_eq!(page.attribute("#f-username", "value").as_deref(), Some(username));
            }
        }
    }

    async fn logging_in_leads_on_to_the_page_of_ours_that_was_asked_for(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let asked = "/t/ours/alerts?q=%E7%A3%81%E7%9B%98&status=alerting";
        let mut sue = app.visitor();
        let to = sue.get(asked).await.asks_to_log_in_for(asked).header("location").expect("a page").to_owned();
        let next = sue.get(&to).await.is(200).attribute("input[name=next]", "value").expect("the page that was asked for");
        let page = sue.post("/login", &[("username", "sue"), ("password", "no"), ("next", &next)]).await.is(422);
        assert_eq!(page.attribute("input[name=next]", "value").as_deref(), Some(asked), "after a mistake too");
        sue.post("/login", &[("username", "sue"), ("password", PASSWORD), ("next", &next)]).await.leads_to(asked);
        sue.get(&to).await.leads_to(asked);
        for elsewhere in ["https://evil.example/", "//evil.example/", "/\\evil.example", "evil"] {
            let mut sue = app.visitor();
            let log_in = [("username", "sue"), ("password", PASSWORD), ("next", elsewhere)];
            sue.post("/login", &log_in).await.leads_to("/");
        }
    }

    async fn every_signed_in_page_can_log_out_and_choose_the_language(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        for path in ["/account", "/no-such-page"] {
            let page = sue.get(path).await;
            assert!(page.texts("form[action='/language'] label").contains(&"Language".to_owned()), "{path}");
        }
        assert_eq!(sue.get("/account").await.text("form[action='/logout'] button"), "Log out");
    }

    async fn a_session_that_was_planted_before_the_log_in_is_worth_nothing_after_it(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut victim = app.visitor();
        victim.get("/login").await;
        let planted = victim.clone();
        victim.log_in("sue", PASSWORD).await.leads_to("/");
        planted.clone().get("/account").await.asks_to_log_in_for("/account");
        // A second log-in in the same browser leaves the first session behind, not shared.
        let mut again = victim.clone();
        again.post("/logout", &[]).await.leads_to("/login");
        again.log_in("sue", PASSWORD).await.leads_to("/");
        assert_ne!(again.cookies["belfry-session"], victim.cookies["belfry-session"]);
    }

    async fn a_forged_or_damaged_session_cookie_lets_nobody_in(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let sue = app.log_in("sue").await;
        let cookie = sue.cookies["belfry-session"].clone();
        let flipped = cookie.replacen(|c: char| c.is_ascii_hexdigit(), "g", 1);
        let halves = cookie.split_once('.').expect("id and secret");
        for forged in
            [String::new(), "x".to_owned(), flipped, halves.0.to_owned(), format!("{cookie}a"), "a.b".repeat(99)]
        {
            let mut thief = app.visitor();
            thief.cookies.insert("belfry-session".to_owned(), forged.clone());
            assert_eq!(thief.get("/account").await.status, 303, "{forged}");
        }
    }

    async fn a_one_time_code_lets_in_once_to_choose_a_password_and_nothing_else(app: &TestApp) {
        app.newcomer("nora").await;
        let mut nora = app.visitor();
        nora.log_in("nora", PASSWORD).await.leads_to("/account/password");
        nora.get("/").await.leads_to("/account/password");
        nora.get("/account").await.leads_to("/account/password");
        let choose = [("new_password", OTHER), ("confirm_password", OTHER)];
        let page = nora
            .post("/account/password", &[("new_password", "too short"), ("confirm_password", "other")])
            .await
            .is(422);
        assert_eq!(page.texts("[role=alert] li").len(), 2);
        nora.post("/account/password", &[("new_password", PASSWORD), ("confirm_password", PASSWORD)]).await.is(422);
        let before = nora.clone();
        nora.post("/account/password", &choose).await.leads_to("/");
        nora.get("/account").await.is(200);
        before.clone().get("/account").await.asks_to_log_in_for("/account");
        nora.post("/account/password", &choose).await.is(403);
        app.visitor().log_in("nora", PASSWORD).await.is(422);
        app.visitor().log_in("nora", OTHER).await.leads_to("/");
    }

    async fn a_one_time_code_logs_in_once_and_an_administrator_renews_it(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let path = format!("/t/ours/members/{}/code", town.mia);
        let renew = async |sam: &mut User| {
            let page = sam.post(&path, &[]).await.is(200);
            page.attribute("input[readonly]", "value").expect("a code")
        };
        let code = renew(&mut sam).await;
        let mut mia = app.visitor();
        mia.log_in("mia", &code.to_lowercase()).await.leads_to("/account/password");
        // Her session goes on until she has chosen, and nobody else gets in.
        app.visitor().log_in("mia", &code).await.is(422);
        mia.post("/logout", &[]).await.leads_to("/login");
        mia.log_in("mia", &code).await.is(422);
        let code = renew(&mut sam).await;
        let (mut one, mut two) = (app.visitor(), app.visitor());
        one.token().await;
        two.token().await;
        let (first, second) = tokio::join!(one.log_in("mia", &code), two.log_in("mia", &code));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 422], "of two at once one is let in");
        let mut mia = if first.status == 303 { one } else { two };
        let choose = [("new_password", OTHER), ("confirm_password", OTHER)];
        mia.post("/account/password", &choose).await.leads_to("/");
        app.visitor().log_in("mia", OTHER).await.leads_to("/");
    }

    async fn a_one_time_code_is_worth_nothing_after_a_day(app: &TestApp) {
        app.newcomer("nora").await;
        app.newcomer("nils").await;
        app.clock.advance(TimeDelta::hours(24) - TimeDelta::minutes(1));
        app.visitor().log_in("nils", PASSWORD).await.leads_to("/account/password");
        app.clock.advance(TimeDelta::minutes(2));
        app.visitor().log_in("nora", PASSWORD).await.is(422);
    }

    async fn a_changed_password_ends_the_other_sessions_and_keeps_this_one(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let (mut here, mut elsewhere) = (app.log_in("sue").await, app.log_in("sue").await);
        let fields = |current, new| [("current_password", current), ("new_password", new), ("confirm_password", new)];
        let refused = here.post("/account", &fields("not the password at all", OTHER)).await.is(422);
        assert_eq!(refused.attribute("#f-current_password", "aria-invalid").as_deref(), Some("true"));
        here.post("/account", &fields(PASSWORD, "dataphindataphin")).await.is(422);
        elsewhere.get("/account").await.is(200);
        here.post("/account", &fields(PASSWORD, OTHER)).await.leads_to("/account");
        here.get("/account").await.is(200);
        elsewhere.get("/account").await.asks_to_log_in_for("/account");
        app.visitor().log_in("sue", PASSWORD).await.is(422);
        app.visitor().log_in("sue", OTHER).await.leads_to("/");
    }

    async fn a_code_that_expires_while_a_password_is_chosen_keeps_none(app: &TestApp) {
        app.newcomer("nora").await;
        app.clock.advance(TimeDelta::hours(24) - TimeDelta::minutes(1));
        let mut nora = app.visitor();
        nora.log_in("nora", PASSWORD).await.leads_to("/account/password");
        app.clock.advance(TimeDelta::minutes(2));
        let page = nora.post("/account/password", &[("new_password", OTHER), ("confirm_password", OTHER)]).await.is(422);
        assert!(page.text("[role=alert]").contains("has expired"), "{}", page.body);
        app.visitor().log_in("nora", OTHER).await.is(422);
    }

    async fn a_changed_password_renews_this_session(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut here = app.log_in("sue").await;
        let mut thief = here.clone();
        let fields = [("current_password", PASSWORD), ("new_password", OTHER), ("confirm_password", OTHER)];
        here.post("/account", &fields).await.leads_to("/account");
        here.get("/account").await.is(200);
        thief.get("/account").await.asks_to_log_in_for("/account");
    }

    async fn guessing_at_the_current_password_locks_out_and_is_in_the_audit_log(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let fields = |current| [("current_password", current), ("new_password", OTHER), ("confirm_password", OTHER)];
        for _ in 0..5 {
            sue.post("/account", &fields("a wrong password, surely")).await.is(422);
        }
        sue.post("/account", &fields(PASSWORD)).await.is(429);
        let audit = crate::harness::dump(&app.db).await["audit"].join("\n");
        assert_eq!(audit.matches("password-change-failed").count(), 5, "{audit}");
    }

    async fn a_session_can_be_ended_from_another_but_never_one_of_another_account(app: &TestApp) {
        app.tenant("ours", "sue").await;
        app.tenant("theirs", "theo").await;
        let (mut here, mut elsewhere) = (app.log_in("sue").await, app.log_in("sue").await);
        let mut theo = app.log_in("theo").await;
        let id = here.get("/account").await.attribute("input[name=session]", "value").expect("another session");
        theo.post("/account/sessions/end", &[("session", &id)]).await;
        elsewhere.get("/account").await.is(200);
        here.post("/account/sessions/end", &[("session", &id)]).await.leads_to("/account");
        elsewhere.get("/account").await.asks_to_log_in_for("/account");
        let mut third = app.log_in("sue").await;
        let others = "/account/sessions/end-others";
        here.post(others, &[]).await.is(422);
        let page = here.post(others, &[("password", "a wrong password, surely")]).await.is(422);
        assert_eq!(page.attribute("#f-password", "aria-invalid").as_deref(), Some("true"));
        third.get("/account").await.is(200);
        here.post(others, &[("password", PASSWORD)]).await.leads_to("/account");
        third.get("/account").await.asks_to_log_in_for("/account");
        here.get("/account").await.is(200);
        theo.get("/account").await.is(200);
    }

    async fn the_browser_decides_the_language_until_someone_chooses(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        visitor.language = "fr, zh-TW;q=0.8, en;q=0.5";
        assert_eq!(visitor.get("/login").await.text("h1"), "登录");
        visitor.post("/language", &[("language", "en"), ("return_to", "/login")]).await.leads_to("/login");
        assert_eq!(visitor.get("/login").await.text("h1"), "Log in");
        visitor.log_in("sue", PASSWORD).await.leads_to("/");
        visitor.post("/language", &[("language", "zh-CN"), ("return_to", "/account")]).await.leads_to("/account");
        assert_eq!(visitor.get("/account").await.attribute("html", "lang").as_deref(), Some("zh-CN"));
        // The account's choice travels to another browser.
        let mut elsewhere = app.log_in("sue").await;
        assert_eq!(elsewhere.get("/account").await.text("form[action='/logout'] button"), "退出登录");
        visitor.post("/language", &[("language", "klingon"), ("return_to", "/")]).await.is(400);
    }

    async fn the_answer_to_a_form_comes_back_to_the_page_that_the_form_was_on(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let token = sue.token().await;
        for (referer, expected) in [
            (format!("{}/account?page=2", app.origin), "/account?page=2"),
            ("http://evil.example/account".to_owned(), "/"),
            (format!("{}.evil.example/account", app.origin), "/"),
            (String::new(), "/"),
        ] {
            let request = sue.request(reqwest::Method::POST, "/account").form(&[("csrf", token.as_str())]);
            let page = sue.send(request.header("referer", &referer)).await.is(422);
            assert_eq!(page.attribute("input[name=return_to]", "value").as_deref(), Some(expected), "{referer}");
        }
    }

    async fn a_choice_of_language_leads_to_no_other_site(app: &TestApp) {
        let mut visitor = app.visitor();
        for foreign in
            ["//evil.example", "https://evil.example/", "/\\evil.example", "\\\\evil.example", "javascript:0"]
        {
            visitor.post("/language", &[("language", "en"), ("return_to", foreign)]).await.leads_to("/");
        }
    }

    async fn what_happened_to_an_account_is_in_the_audit_log(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        app.visitor().log_in("sue", "a wrong password, surely").await.is(422);
        let fields = [("current_password", PASSWORD), ("new_password", OTHER), ("confirm_password", OTHER)];
        sue.post("/account", &fields).await.leads_to("/account");
        sue.post("/logout", &[]).await.leads_to("/login");
        let audit = crate::harness::dump(&app.db).await["audit"].join("\n");
        for action in ["log-in", "log-in-failed", "password-changed", "log-out"] {
            assert!(audit.contains(action), "{action} in {audit}");
        }
        assert!(!audit.contains(PASSWORD) && !audit.contains(OTHER));
    }
}
