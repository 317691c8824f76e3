//! While the database cannot be used: every page says so as a page, and a form that was posted is kept in it, so that one
//! click saves it when the database is back.

use std::time::Duration;

use belfry::{
    db::{AnyConnection, DatabaseAddress},
    sandbox::RobotKind,
};
use chrono::TimeDelta;
use diesel::connection::SimpleConnection as _;
use reqwest::{Method, header};

use crate::{
    harness::{Answer, Backend, PASSWORD, TestApp, Town, User, dump, lines, run},
    permissions::unsafe_requests,
};

const PATIENCE: Duration = Duration::from_secs(20);
const WEBHOOK_TOKEN: &str = "00000000000000000000000000000000000000000000000000000000fake0001";

/// Takes the sessions away: none can be read.
async fn take_sessions_away(app: &TestApp) {
    run_sql(app, "ALTER TABLE sessions RENAME TO sessions_away").await;
}

async fn bring_sessions_back(app: &TestApp) {
    run_sql(app, "ALTER TABLE sessions_away RENAME TO sessions").await;
}

/// Lets every new row of this table fail as it does when the database is locked.
async fn lock(app: &TestApp, table: &'static str) {
    let lock = move |c: &mut AnyConnection| {
        let sql = match c {
            AnyConnection::Sqlite(_) => format!(
                "CREATE TRIGGER locked BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'database is locked'); END"
            ),
            AnyConnection::Postgres(_) => format!(
                "CREATE FUNCTION locked() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION 'database is locked'; END $$; \
                 CREATE TRIGGER locked BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION locked()"
            ),
        };
        Ok(c.batch_execute(&sql)?)
    };
    app.db.write(lock).await.expect("it is locked");
}

async fn unlock(app: &TestApp, table: &'static str) {
    let unlock = move |c: &mut AnyConnection| {
        let sql = match c {
            AnyConnection::Sqlite(_) => "DROP TRIGGER locked".to_owned(),
            AnyConnection::Postgres(_) => format!("DROP TRIGGER locked ON {table}; DROP FUNCTION locked()"),
        };
        Ok(c.batch_execute(&sql)?)
    };
    app.db.write(unlock).await.expect("it is unlocked");
}

async fn run_sql(app: &TestApp, sql: &'static str) {
    app.db.write(move |c| Ok(c.batch_execute(sql)?)).await.expect(sql);
}

/// Fails unless this is the page that keeps a form.
#[track_caller]
fn keeps(page: Answer) -> Answer {
    let page = is_the_page(page);
    assert_eq!(page.texts("main button"), ["Try again"], "{}", page.body);
    assert!(page.attribute("input[name=kept]", "value").is_some_and(|kept| !kept.is_empty()), "{}", page.body);
    assert_eq!(page.attribute("input[name=csrf]", "value"), None, "nothing else on it leads away, nor is a token made");
    page
}

#[track_caller]
fn is_the_page(page: Answer) -> Answer {
    let page = page.is(503);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("retry-after"), Some("5"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert!(page.header("content-security-policy").is_some() && page.header("x-request-id").is_some());
    page
}

fn edit(town: &Town) -> String {
    format!("/t/ours/members/{}/edit", town.mia)
}

/// The records of this action.
async fn recorded(app: &TestApp, action: &str) -> usize {
    let query = format!("SELECT action AS line FROM audit WHERE action = '{action}'");
    app.db.read(move |c| lines(c, query)).await.expect("the log can be read").len()
}

/// Fails unless mia's robot is saved once and has heard of it once.
async fn is_saved_once(app: &TestApp, town: &Town, sam: &mut User) {
    assert_eq!(sam.get(&edit(town)).await.is(200).texts(".stored .robot").len(), 1);
    assert_eq!(recorded(app, "member-edited").await, 1);
    let heard = |calls: &[belfry::sandbox::RecordedCall]| calls.iter().any(|call| call.delivered_message().is_some());
    assert!(app.sandbox.wait_for_calls(WEBHOOK_TOKEN, heard, PATIENCE).await, "nobody was told");
    let notices = |c: &mut AnyConnection| lines(c, "SELECT title AS line FROM deliveries".to_owned());
    assert_eq!(app.db.read(notices).await.expect("the deliveries").len(), 1);
}

on_both! {
    async fn a_form_whose_session_cannot_be_read_is_kept_and_saved_once_by_a_click(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, WEBHOOK_TOKEN);
        let fields = [("role", "member"), ("email", "mia@corp.example"), ("dingtalk_robot", webhook.as_str())];
        let token = sam.token().await;
        let fields: Vec<_> = [("csrf", token.as_str())].into_iter().chain(fields).collect();
        let request = sam.request(Method::POST, &edit(&town)).form(&fields);
        take_sessions_away(app).await;
        let mut page = keeps(sam.send(request).await);
        // It is kept as often as it takes.
        for _ in 0..2 {
            assert!(!page.body.contains("fake0001") && !page.body.contains("corp.example"), "{}", page.body);
            assert!(!page.body.contains(&token));
            page = keeps(sam.try_again(&page).await);
        }
        bring_sessions_back(app).await;
        assert_eq!(recorded(app, "member-edited").await, 0);
        sam.try_again(&page).await.leads_to("/t/ours/members");
        assert!(!sam.get("/t/ours/members").await.is(200).text("[role=status]").is_empty(), "it says what was done");
        is_saved_once(app, &town, &mut sam).await;
    }

    async fn a_form_that_cannot_be_stored_is_kept_with_its_mistakes_too(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, WEBHOOK_TOKEN);
        let fields = [("role", "member"), ("phone", ""), ("dingtalk_robot", webhook.as_str())];
        lock(app, "audit").await;
        let page = keeps(sam.post(&edit(&town), &fields).await);
        assert!(!page.body.contains("fake0001"));
        unlock(app, "audit").await;
        sam.try_again(&page).await.leads_to("/t/ours/members");
        is_saved_once(app, &town, &mut sam).await;

        let token = sam.token().await;
        let wrong = [("csrf", token.as_str()), ("role", "member"), ("phone", "12 + 3 = 十五"), ("email", "no address")];
        let request = sam.request(Method::POST, &edit(&town)).form(&wrong);
        take_sessions_away(app).await;
        let page = keeps(sam.send(request).await);
        bring_sessions_back(app).await;
        let page = sam.try_again(&page).await.is(422);
        assert_eq!(page.attribute("#f-phone", "value").as_deref(), Some("12 + 3 = 十五"));
        assert_eq!(page.attribute("#f-email", "aria-invalid").as_deref(), Some("true"));
    }

    async fn somebody_who_logs_in_meanwhile_is_let_in_by_a_click(app: &TestApp) {
        app.tenant("ours", "sue").await;
        // At first the password cannot be looked at to the end, then the session cannot be saved.
        for table in ["audit", "sessions"] {
            let mut sue = app.visitor();
            lock(app, table).await;
            let mut page = keeps(sue.log_in("sue", PASSWORD).await);
            for _ in 0..2 {
                assert!(!page.body.contains(PASSWORD) && !page.body.contains(&PASSWORD.replace(' ', "+")));
                assert!(sue.cookies.keys().all(|name| !name.contains("session")), "{:?}", sue.cookies);
                page = keeps(sue.try_again(&page).await);
            }
            unlock(app, table).await;
            sue.try_again(&page).await.leads_to("/");
            sue.get("/t/ours").await.is(200);
        }
    }

    async fn a_visitor_with_the_cookie_of_an_old_session_is_kept_his_form_too(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        app.age_sessions_of("sue").await;
        // Before her session was made she was a visitor, and since it has ended she is one again.
        let token = sue.token().await;
        let request = sue.request(Method::POST, "/login").form(&[
            ("csrf", token.as_str()),
            ("username", "sue"),
            ("password", PASSWORD),
        ]);
        take_sessions_away(app).await;
        let page = keeps(sue.send(request).await);
        bring_sessions_back(app).await;
        sue.try_again(&page).await.leads_to("/");
    }

    async fn whatever_is_posted_is_kept_and_answered_as_if_nothing_had_been(app: &TestApp) {
        let town = app.settle().await;
        for target in unsafe_requests(app, &town).await.into_iter().filter(|target| target.username.is_some()) {
            let mut user = target.visitor(app).await;
            let token = user.token().await;
            let fields: Vec<(&str, &str)> = [("csrf", token.as_str())].iter().chain(target.fields).copied().collect();
            let request = user.request(Method::POST, &target.path).form(&fields);
            take_sessions_away(app).await;
            let page = keeps(user.send(request).await);
            bring_sessions_back(app).await;
            let answer = user.try_again(&page).await;
            assert_eq!(answer.status.to_string(), target.answer, "{}: {}", target.path, answer.body);
        }
    }

    async fn a_form_from_elsewhere_is_refused_as_ever_and_kept_nowhere(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut theo) = (app.log_in("sam").await, app.log_in("theo").await);
        let (token, foreign) = (sam.token().await, theo.token().await);
        let stranger = app.visitor().token().await;
        take_sessions_away(app).await;
        let good = [("csrf", token.as_str()), ("role", "member"), ("email", "mia@corp.example")];
        let page = keeps(sam.send(sam.request(Method::POST, &edit(&town)).form(&good)).await);
        let kept = page.attribute("input[name=kept]", "value").expect("a kept form");
        let headers = [("origin", "https://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")];
        for (name, value) in headers {
            for fields in [&good[..], &[("kept", kept.as_str())]] {
                let request = sam.request(Method::POST, &edit(&town)).form(fields).header(name, value);
                refused(sam.send(request).await);
            }
        }
        for token in ["", &"0".repeat(token.len()), &foreign, &stranger] {
            refused(sam.send(sam.request(Method::POST, &edit(&town)).form(&[("csrf", token), ("role", "member")])).await);
        }
        let request = sam.request(Method::POST, &edit(&town)).form(&good).header(header::HOST, "evil.example");
        assert_eq!(sam.send(request).await.is(400).attribute("input[name=kept]", "value"), None);
        bring_sessions_back(app).await;
    }

    async fn what_is_kept_is_taken_from_its_own_session_to_its_own_address_and_for_an_hour(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut eve) = (app.log_in("sam").await, app.log_in("eve").await);
        let token = sam.token().await;
        let good = [("csrf", token.as_str()), ("role", "member"), ("email", "mia@corp.example")];
        let request = sam.request(Method::POST, &edit(&town)).form(&good);
        take_sessions_away(app).await;
        let page = keeps(sam.send(request).await);
        let kept = page.attribute("input[name=kept]", "value").expect("a kept form");
        bring_sessions_back(app).await;
        let before = dump(&app.db).await;

        // Whoever else gets hold of it is asked first, and has no token of that session.
        for user in [&mut eve, &mut app.visitor()] {
            let asked = user.try_again(&page).await.is(403);
            assert_eq!(asked.texts("main button"), ["Submit"], "{}", asked.body);
            assert!(!asked.body.contains("corp.example") && !asked.body.contains(&token), "{}", asked.body);
        }
        for to in [format!("{}?page=2", edit(&town)), "/t/ours/me".to_owned(), "/logout".to_owned(), "/login".to_owned()] {
            gone(sam.post_kept(&to, &kept).await);
        }
        let mut changed = kept.clone().into_bytes();
        changed[60] = if changed[60] == b'A' { b'B' } else { b'A' };
        for other in [String::from_utf8(changed).unwrap(), kept[1..].to_owned(), "x".to_owned(), String::new()] {
            gone(sam.post_kept(&edit(&town), &other).await);
        }
        // Nothing can be said beside it but a token.
        let beside = [("kept", kept.as_str()), ("role", "system_administrator")];
        refused(sam.send(sam.request(Method::POST, &edit(&town)).form(&beside)).await);
        app.clock.advance(TimeDelta::minutes(61));
        gone(sam.post_kept(&edit(&town), &kept).await);
        let after = dump(&app.db).await;
        assert_eq!((&after["members"], &after["audit"]), (&before["members"], &before["audit"]));
        app.clock.advance(TimeDelta::minutes(-2));
        sam.post_kept(&edit(&town), &kept).await.leads_to("/t/ours/members");
    }

    async fn the_largest_form_is_kept_and_a_larger_one_is_not_taken(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = sam.token().await;
        let body = |length: usize| {
            let begun = format!("csrf={token}&role=member&email=");
            format!("{begun}{}", "x".repeat(length - begun.len()))
        };
        let post = |body: String| {
            let form = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            sam.request(Method::POST, &edit(&town)).header(form.0, form.1).body(body)
        };
        let (largest, larger, kept) =
            (post(body(64 * 1024)), post(body(64 * 1024 + 1)), post(format!("kept={}", "x".repeat(257 * 1024))));
        take_sessions_away(app).await;
        let page = keeps(sam.send(largest).await);
        sam.send(larger).await.is(413);
        sam.send(kept).await.is(413);
        bring_sessions_back(app).await;
        sam.try_again(&page).await.is(422);
    }

    async fn a_page_that_cannot_be_shown_says_so_in_the_readers_language_and_leads_to_itself(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let path = "/t/ours/members?q=%E5%BC%A0&page=2";
        take_sessions_away(app).await;
        for (language, title, again) in
            [("en", "The database is temporarily unavailable", "Try again"), ("zh-CN", "暂时无法连接数据库", "重试")]
        {
            sam.language = language;
            let page = is_the_page(sam.get(path).await);
            assert_eq!((page.text("h1").as_str(), page.text("main a.button").as_str()), (title, again));
            assert_eq!(page.attribute("html", "lang").as_deref(), Some(language));
            assert_eq!(page.attribute("main a.button", "href").as_deref(), Some(path));
            assert_eq!(page.attribute("input[name=kept]", "value"), None);
        }
        // What the browser was told before goes before what it would like.
        sam.cookies.insert("belfry-language".to_owned(), "en".to_owned());
        assert_eq!(sam.get(path).await.attribute("html", "lang").as_deref(), Some("en"));
        // No link leads to another site.
        let page = is_the_page(sam.get("//evil.example/").await);
        assert_eq!(page.attribute("main a.button", "href").as_deref(), Some("/"));
        bring_sessions_back(app).await;
        sam.get("/t/ours/members").await.is(200);
    }
}

#[track_caller]
fn refused(answer: Answer) {
    let answer = answer.is(403);
    assert_eq!(answer.attribute("input[name=kept]", "value"), None);
}

/// Fails unless it says that what was kept is kept no longer.
#[track_caller]
fn gone(answer: Answer) {
    let answer = answer.is(400);
    assert_eq!(answer.text("h1"), "This saved form has expired");
    assert_eq!(answer.attribute("input[name=kept]", "value"), None);
}

#[test]
fn a_form_posted_while_postgres_is_gone_is_kept_and_saved_when_it_is_back() {
    run(Backend::Postgres, async |app: &TestApp| {
        let database = app.postgres.as_ref().expect("Postgres");
        ride_out(app, || database.close(), || database.open()).await;
    });
}

#[test]
fn a_form_posted_while_another_process_holds_the_sqlite_file_is_kept_and_saved_afterwards() {
    run(Backend::Sqlite, async |app: &TestApp| {
        let mut other = DatabaseAddress::Sqlite(app.folder().join("belfry.db")).connect().expect("another connection");
        let mut run = |sql| other.batch_execute(sql).expect(sql);
        run("PRAGMA busy_timeout = 30000");
        let run = std::cell::RefCell::new(run);
        ride_out(app, || run.borrow_mut()("BEGIN IMMEDIATE"), || run.borrow_mut()("ROLLBACK")).await;
    });
}

/// Saves a member and logs somebody in while the database is not to be had.
async fn ride_out(app: &TestApp, close: impl Fn(), open: impl Fn()) {
    let town = app.settle().await;
    app.switch_on().await;
    let (mut sam, mut eve) = (app.log_in("sam").await, app.visitor());
    let webhook = app.robot(RobotKind::DingTalk, WEBHOOK_TOKEN);
    let (token, visitors) = (sam.token().await, eve.token().await);
    let form = [("csrf", token.as_str()), ("role", "member"), ("dingtalk_robot", webhook.as_str())];
    let save = sam.request(Method::POST, &edit(&town)).form(&form);
    let log_in = [("csrf", visitors.as_str()), ("username", "eve"), ("password", PASSWORD)];
    let log_in = eve.request(Method::POST, "/login").form(&log_in);
    close();
    let (saved, let_in) = tokio::join!(sam.send(save), eve.send(log_in));
    let (saved, let_in) = (keeps(saved), keeps(let_in));
    let (saved, let_in) = tokio::join!(sam.try_again(&saved), eve.try_again(&let_in));
    let (saved, let_in) = (keeps(saved), keeps(let_in));
    open();
    // The test's own connections may have died as well.
    drop(app.db.read(|c| lines(c, "SELECT '' AS line".to_owned())).await);
    sam.try_again(&saved).await.leads_to("/t/ours/members");
    eve.try_again(&let_in).await.leads_to("/");
    is_saved_once(app, &town, &mut sam).await;
}
