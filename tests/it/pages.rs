//! What every answer has: headers, an error page in the reader's language, strict reading of what is sent, health.

use diesel::connection::SimpleConnection as _;
use reqwest::{Method, header};

use crate::harness::{Answer, Backend, PASSWORD, TestApp, Tweaks, User, run_with};

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

#[track_caller]
fn has_the_headers(what: &str, answer: &Answer) {
    for (name, value) in [
        ("content-security-policy", POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what} ({})", answer.status);
    }
    let cache = answer.header("cache-control").unwrap_or_default();
    assert!(cache == "no-store" || what.starts_with("static") && cache.contains("immutable"), "{what}: {cache}");
    assert_eq!(answer.header("server"), None, "{what}");
    assert_eq!(answer.header("strict-transport-security"), None, "{what} is plain http");
}

/// Posts a body as it is, with the right token before it.
async fn post_raw(user: &mut User, path: &str, body: &[u8]) -> Answer {
    let token = user.token().await;
    let body = [b"csrf=", token.as_bytes(), b"&", body].concat();
    let request = user.request(Method::POST, path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    user.send(request.body(body)).await
}

/// One answer of every error status that a visitor can bring about.
async fn every_error(app: &TestApp, user: &mut User) -> Vec<(&'static str, Answer)> {
    let mut answers = vec![
        ("not found", user.get("/nowhere").await.is(404)),
        ("method", wrong_method(user).await.is(405)),
        ("malformed", post_raw(user, "/login", b"username=%FF").await.is(400)),
        ("too large", post_raw(user, "/login", &vec![b'a'; 70_000]).await.is(413)),
        ("cross-site", user.send(user.request(Method::POST, "/login").form(&[("csrf", "no")])).await.is(403)),
        ("forbidden", app_forbids(app, user.language).await.is(403)),
    ];
    for _ in 0..5 {
        user.log_in("lena", "a wrong password, surely").await;
    }
    answers.push(("too many", user.log_in("lena", PASSWORD).await.is(429)));
    answers
}

async fn wrong_method(user: &mut User) -> Answer {
    let token = user.token().await;
    let request = user.request(Method::PUT, "/login").form(&[("csrf", token.as_str())]);
    user.send(request).await
}

async fn app_forbids(app: &TestApp, language: &'static str) -> Answer {
    let mut sue = app.log_in("sue").await;
    sue.language = language;
    sue.post("/account/password", &[("new_password", "x"), ("confirm_password", "x")]).await
}

on_both! {
    async fn every_kind_of_answer_has_the_security_headers(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        let page = visitor.get("/login").await.is(200);
        let stylesheet = page.attribute("link[rel=stylesheet]", "href").expect("a stylesheet");
        has_the_headers("page", &page);
        has_the_headers("static file", &visitor.get(&stylesheet).await.is(200));
        has_the_headers("missing file", &visitor.get("/static/none.css").await.is(404));
        has_the_headers("health", &visitor.get("/healthz").await.is(200));
        has_the_headers("readiness", &visitor.get("/readyz").await.is(200));
        has_the_headers("redirect", &visitor.get("/account").await.is(303));
        has_the_headers("refused form", &visitor.log_in("sue", "").await.is(422));
        for (what, answer) in every_error(app, &mut visitor).await {
            has_the_headers(what, &answer);
        }
    }

    async fn every_error_is_a_page_in_the_readers_language(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        visitor.language = "zh-CN";
        for (what, answer) in every_error(app, &mut visitor).await {
            assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{what}");
            let title = match what {
                "not found" => "页面不存在",
                "method" => "无法直接打开此地址",
                "malformed" => "无法读取请求",
                "too large" => "表单过大",
                "cross-site" => "此表单已失效",
                "forbidden" => "无权限",
                _ => "失败次数过多",
            };
            assert_eq!(answer.text("h1"), title, "{what}");
            assert_eq!(answer.attribute("html", "lang").as_deref(), Some("zh-CN"));
            assert_eq!(answer.attribute("main a", "href").as_deref(), Some("/"), "{what} has a way out");
        }
    }

    async fn whoever_is_signed_in_keeps_name_and_navigation_on_the_page_of_an_error(app: &TestApp) {
        let town = app.settle().await;
        let mut mia = app.log_in("mia").await;
        let elsewhere = format!("/t/theirs/members/{}/edit", town.tom);
        for (path, status) in [
            ("/nowhere", 404),
            ("/t/theirs", 404),
            ("/t/ours/deliveries/999999", 404),
            (&elsewhere, 404),
            ("/instance/tenants", 403),
            ("/language", 405),
        ] {
            let page = mia.get(path).await.is(status);
            assert_eq!(page.texts("a.account"), ["mia"], "{path}");
            assert!(page.attributes("nav.side a", "href").contains(&"/t/ours".to_owned()), "{path}");
        }
        assert!(app.visitor().get("/nowhere").await.is(404).texts("a.account").is_empty());
    }

    async fn a_path_that_is_there_says_when_it_cannot_be_used_that_way(app: &TestApp) {
        app.tenant("ours", "sue").await;
        for path in ["/logout", "/language", "/account/sessions/end"] {
            app.visitor().get(path).await.is(405);
        }
    }

    async fn the_forms_of_an_error_page_work_for_somebody_who_has_seen_no_other_page(app: &TestApp) {
        let mut visitor = app.visitor();
        let page = visitor.get("/nowhere").await.is(404);
        let token = page.attribute("input[name=csrf]", "value").expect("a token");
        let fields = [("csrf", token.as_str()), ("language", "zh-CN"), ("return_to", "/nowhere")];
        let request = visitor.request(Method::POST, "/language").form(&fields);
        visitor.send(request).await.leads_to("/nowhere");
    }

    async fn what_is_not_utf_8_or_holds_a_nul_is_refused_as_a_whole(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        for body in [&b"username=a%00b"[..], b"username=%C3%28", b"user%FFname=a", b"username=\xFF", b"username=a\0b"] {
            post_raw(&mut visitor, "/login", body).await.is(400);
        }
        for path in ["/%00", "/t/%FF", "/t/a%C3%28/members", "/static/%00"] {
            let status = visitor.get(path).await.status;
            assert!([400, 404].contains(&status), "{path}: {status}");
        }
        for path in ["/t/%FF", "/t/a%00b/members"] {
            visitor.get(path).await.is(400);
        }
    }

    async fn a_body_that_is_no_form_is_refused(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        visitor.token().await;
        for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain", "nonsense"] {
            let request = visitor.request(Method::POST, "/login").header(header::CONTENT_TYPE, kind).body("{}");
            visitor.send(request).await.is(415);
        }
        let request = visitor.request(Method::POST, "/login");
        visitor.send(request).await.is(415);
    }

    async fn a_form_that_repeats_or_lacks_fields_breaks_nothing(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        for body in [&b""[..], b"username=a&username=b&password=c", b"&&&=&=", b"unknown=1", b"username"] {
            let status = post_raw(&mut visitor, "/login", body).await.status;
            assert!([400, 422].contains(&status), "{status}");
        }
    }

    async fn another_host_is_not_answered(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        for host in ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", ""] {
            let request = visitor.request(Method::GET, "/login").header(header::HOST, host);
            visitor.send(request).await.is(400);
        }
        for host in ["localhost", "127.0.0.1:1", "[::1]:8080"] {
            let request = visitor.request(Method::GET, "/login").header(header::HOST, host);
            visitor.send(request).await.is(200);
        }
    }

    async fn health_and_readiness_answer_without_a_session(app: &TestApp) {
        let mut probe = app.visitor();
        assert_eq!(probe.get("/healthz").await.is(200).body, "ok\n");
        app.db.write(|c| Ok(c.batch_execute("ALTER TABLE __diesel_schema_migrations RENAME TO gone")?)).await.unwrap();
        assert_eq!(probe.get("/readyz").await.is(503).body, "database-unreadable\n");
        probe.get("/healthz").await.is(200);
        assert!(probe.cookies.is_empty());
    }

    async fn chinese_pages_have_chinese_brackets_and_no_blank_between_sentences(app: &TestApp) {
        let town = app.settle().await;
        let alert = app.alert(town.ours, "磁盘").await;
        app.schedule(town.ours, "值班", "mia").await;
        let mut sue = app.log_in("sue").await;
        sue.language = "zh-CN";
        let edit = format!("/t/ours/members/{}/edit", town.mia);
        let event = format!("/t/ours/alerts/{alert}");
        for path in [
            "/t/ours",
            "/t/ours/members",
            &edit,
            "/t/ours/me",
            "/t/ours/alerts",
            "/t/ours/alerts?q=none",
            &event,
            "/t/ours/alert-rules",
            "/t/ours/alert-rules/new",
            "/t/ours/deliveries",
            "/t/ours/groups?q=none",
            "/t/ours/schedules?q=none",
            "/t/ours/templates/lark/firing",
            "/t/ours/settings/portals",
            "/t/ours/settings/message-channel",
            "/t/ours/audit",
            "/account",
        ] {
            let page = sue.get(path).await.is(200);
            let is_wide = |character: char| ('\u{4e00}'..='\u{9fff}').contains(&character) || "。！？，".contains(character);
            for line in page.body.lines() {
                let characters: Vec<char> = line.chars().collect();
                for place in characters.windows(4) {
                    let is_bracket = is_wide(place[0]) && place[1] == ' ' && place[2] == '(';
                    let is_gap = "。！？".contains(place[0]) && place[1] == ' ' && (is_wide(place[2]) || place[2..] == ['<', 'a']);
                    assert!(!is_bracket && !is_gap, "{path}: {line}");
                }
            }
        }
    }

    async fn a_fault_of_ours_is_told_without_its_details(app: &TestApp) {
        app.tenant("ours", "sue").await;
        app.db.write(|c| Ok(c.batch_execute("ALTER TABLE lockouts RENAME TO gone")?)).await.unwrap();
        let answer = app.visitor().log_in("sue", PASSWORD).await;
        assert!((500..600).contains(&answer.status), "{}", answer.status);
        assert!(!answer.body.contains("lockouts") && !answer.body.to_lowercase().contains("table"), "{}", answer.body);
        assert!(!answer.text("h1").is_empty());
    }

    async fn static_files_are_kept_for_ever_and_sent_compressed(app: &TestApp) {
        let mut visitor = app.visitor();
        let page = visitor.get("/nowhere").await;
        for (selector, media_type) in
            [("link[rel=stylesheet]", "text/css; charset=utf-8"), ("link[rel=icon]", "image/svg+xml")]
        {
            let path = page.attribute(selector, "href").expect("a link");
            let plain = visitor.get(&path).await.is(200);
            assert_eq!(plain.header("content-type"), Some(media_type));
            assert_eq!(plain.header("content-encoding"), None);
            let request = visitor.request(Method::GET, &path).header(header::ACCEPT_ENCODING, "gzip, br");
            assert_eq!(visitor.send(request).await.header("content-encoding"), Some("gzip"));
        }
    }

    async fn a_page_holds_no_script_and_no_inline_style(app: &TestApp) {
        app.tenant("ours", "sue").await;
        for path in ["/login", "/nowhere"] {
            let page = app.visitor().get(path).await;
            assert_eq!(page.texts("script, style, [style], [onclick]").len(), 0, "{path}");
        }
        let account = app.log_in("sue").await.get("/account").await;
        assert_eq!(account.texts("script, style, [style], [onclick]").len(), 0);
    }

    async fn a_page_is_asked_for_by_head_as_well(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        for path in ["/healthz", "/login"] {
            let request = visitor.request(Method::HEAD, path);
            let answer = visitor.send(request).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{path}");
        }
    }
}

/// The token of this browser's forms on a page of this host.
async fn visitor_token(visitor: &mut User, host: &str) -> String {
    let request = visitor.request(Method::GET, "/nowhere").header(header::HOST, host);
    visitor.send(request).await.attribute("input[name=csrf]", "value").expect("a token")
}

const HTTPS: Tweaks = Tweaks { flags: &["--public-url", "https://belfry.example"], only_database: false };

#[test]
fn with_an_https_public_url_cookies_are_bound_to_this_host_and_https_and_only_that_host_is_answered() {
    run_with(Backend::Sqlite, HTTPS, async |app: &TestApp| {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        let here = (header::HOST, "belfry.example");
        let request = visitor.request(Method::GET, "/login");
        visitor.send(request).await.is(400);
        let request = visitor.request(Method::GET, "/login").header(here.0.clone(), here.1);
        let page = visitor.send(request).await.is(200);
        assert_eq!(page.header("strict-transport-security"), Some("max-age=63072000; includeSubDomains"));
        let token = page.attribute("input[name=csrf]", "value").expect("a token");
        let fields = [("csrf", token.as_str()), ("username", "sue"), ("password", PASSWORD)];
        let post = |visitor: &User, origin: &str| {
            let request = visitor.request(Method::POST, "/login").header(here.0.clone(), here.1);
            request.header(header::ORIGIN, origin).form(&fields)
        };
        for other in ["http://belfry.example", "https://belfry.example:8443", "https://evil.example", "null"] {
            visitor.send(post(&visitor, other)).await.is(403);
        }
        let answer = visitor.send(post(&visitor, "https://belfry.example")).await.leads_to("/");
        let cookies: Vec<&str> =
            answer.headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap()).collect();
        assert!(cookies.iter().any(|cookie| cookie.starts_with("__Host-belfry-session=")), "{cookies:?}");
        let fields = [("csrf", visitor_token(&mut visitor, here.1).await), ("language", "en".to_owned())];
        let request = visitor.request(Method::POST, "/language").header(here.0.clone(), here.1).form(&fields);
        let language = visitor.send(request).await.leads_to("/");
        let fields = [("csrf", visitor_token(&mut visitor, here.1).await)];
        let request = visitor.request(Method::POST, "/logout").header(here.0.clone(), here.1).form(&fields);
        let farewell = visitor.send(request).await.leads_to("/login");
        let more = [&language, &farewell].into_iter().flat_map(|answer| answer.headers.get_all(header::SET_COOKIE));
        let more: Vec<&str> = more.map(|value| value.to_str().unwrap()).collect();
        for name in ["belfry-language=", "belfry-flash="] {
            assert!(more.iter().any(|cookie| cookie.starts_with(name)), "{more:?}");
        }
        for cookie in cookies.into_iter().chain(more) {
            for part in ["; Secure", "; HttpOnly", "; Path=/", "; SameSite=Lax"] {
                assert!(cookie.contains(part), "{cookie}");
            }
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    });
}

#[test]
fn the_log_in_page_with_its_stylesheet_weighs_at_most_twelve_kibibytes() {
    run_with(Backend::Sqlite, Tweaks::default(), async |app: &TestApp| {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        let stylesheet = visitor.get("/login").await.attribute("link[rel=stylesheet]", "href").expect("a stylesheet");
        let mut weight = 0;
        for path in ["/login", &stylesheet] {
            let request = visitor.request(Method::GET, path).header(header::ACCEPT_ENCODING, "gzip");
            let response = request.send().await.expect("an answer");
            assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip", "{path}");
            weight += response.bytes().await.expect("a whole answer").len();
        }
        assert!(weight <= 12 * 1024, "{weight} bytes");
    });
}

#[test]
fn the_portals_own_name_stands_in_bar_and_titles_and_the_product_name_stays_the_keyword() {
    let named = Tweaks { flags: &["--portal-name", "值班中心", "--product-name", "Keyword"], ..Tweaks::default() };
    for (tweaks, portal_name, keyword) in [(Tweaks::default(), "Belfry", "Dataphin"), (named, "值班中心", "Keyword")]
    {
        run_with(Backend::Sqlite, tweaks, async |app: &TestApp| {
            let town = app.settle().await;
            app.portal(town.ours, "ticketing").await;
            let mut sue = app.log_in("sue").await;
            let refused =
                sue.send(sue.request(Method::POST, "/intake/alerts").header(header::ACCEPT, "text/html")).await;
            for page in [
                app.visitor().get("/login").await.is(200),
                app.visitor().get("/nowhere").await.is(404),
                sue.get("/t/ours").await.is(200),
                refused,
            ] {
                assert!(page.text("title").ends_with(&format!(" · {portal_name}")), "{}", page.text("title"));
            }
            assert_eq!(sue.get("/t/ours").await.text("a.brand"), portal_name);
            let channels = sue.get("/t/ours/settings/message-channel").await.text("form.channels");
            assert!(channels.contains(keyword), "{channels}");
        });
    }
}
