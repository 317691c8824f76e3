//! Forms on other sites: every unsafe route refuses a post that does not come from a page of this very session, and
//! changes nothing.

use reqwest::{Method, RequestBuilder};

use crate::{
    harness::{TestApp, dump, unmasked},
    permissions::unsafe_requests,
};

type Attack<'a> = (&'a str, Option<String>, Option<(&'a str, String)>);

/// What is tried: a token or none, and a header.
fn attacks<'a>(token: &str, foreign: &str, visitors: &str, origin: &str) -> Vec<Attack<'a>> {
    let with = |token: &str| Some(token.to_owned());
    let from = |origin: &str| Some(("origin", origin.to_owned()));
    let site = |site: &str| Some(("sec-fetch-site", site.to_owned()));
    let port = origin.rsplit(':').next().unwrap_or_default();
    vec![
        ("no token", None, None),
        ("an empty token", with(""), None),
        ("a wrong token", with(&"0".repeat(token.len())), None),
        ("the token of another session", with(foreign), None),
        ("the token of somebody not signed in", with(visitors), None),
        ("a token that is too short", with(&token[1..]), None),
        ("a token that is too long", with(&format!("{token}0")), None),
        ("another site", with(token), from("https://evil.example")),
        ("no site at all", with(token), from("null")),
        ("another port of this host", with(token), from("http://127.0.0.1:1")),
        ("another scheme", with(token), from(&origin.replace("http:", "https:"))),
        ("another name of this host", with(token), from(&format!("http://localhost:{port}"))),
        ("a browser that says so", with(token), site("cross-site")),
        ("a neighbour, says the browser", with(token), site("same-site")),
    ]
}

fn with_header(request: RequestBuilder, header: Option<(&str, String)>) -> RequestBuilder {
    match header {
        Some((name, value)) => request.header(name, value),
        None => request,
    }
}

on_both! {
    async fn no_unsafe_route_takes_a_form_from_elsewhere(app: &TestApp) {
        let town = app.settle().await;
        let foreign = app.log_in("theo").await.token().await;
        let stranger = app.visitor().token().await;
        for target in unsafe_requests(app, &town).await {
            let mut user = target.visitor(app).await;
            let token = user.token().await;
            let before = dump(&app.db).await;
            for (what, token, header) in attacks(&token, &foreign, &stranger, &app.origin) {
                let mut fields: Vec<(&str, &str)> = target.fields.to_vec();
                fields.extend(token.as_deref().map(|token| ("csrf", token)));
                let request = with_header(user.request(Method::POST, &target.path).form(&fields), header);
                let answer = user.send(request).await;
                assert_eq!(answer.status, 403, "{} with {what}", target.path);
            }
            // In the query a token would end up in logs and histories: it counts for nothing there.
            let path = format!("{}?csrf={token}", target.path);
            let request = user.request(Method::POST, &path).form(target.fields);
            assert_eq!(user.send(request).await.status, 403, "{path}");
            assert_eq!(dump(&app.db).await, before, "{} changed something", target.path);

            // The same form from here is taken: it was the token that was refused.
            let fields: Vec<(&str, &str)> = [("csrf", token.as_str())].iter().chain(target.fields).copied().collect();
            let request = user.request(Method::POST, &target.path).form(&fields);
            let request = request.header("origin", &app.origin).header("sec-fetch-site", "same-origin");
            let answer = user.send(request).await;
            assert_ne!(answer.status, 403, "{}: {}", target.path, target.answer);
        }
    }

    async fn a_form_whose_session_is_over_is_kept_and_sent_once_its_writer_has_logged_in_and_means_it(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let (old, edit) = (sam.token().await, format!("/t/ours/members/{}/edit", town.mia));
        let typed = [("csrf", old.as_str()), ("role", "member"), ("email", "mia@corp.example")];
        let before = dump(&app.db).await["members"].clone();
        app.age_sessions_of("sam").await;
        // Only what the browser says is from here.
        let answer = sam.send(sam.request(Method::POST, &edit).form(&typed)).await.is(403);
        assert_eq!(answer.attribute("input[name=kept]", "value"), None);
        let from_here = |request: RequestBuilder| request.header("sec-fetch-site", "same-origin");
        let mut page = sam.send(from_here(sam.request(Method::POST, &edit).form(&typed))).await.is(403);
        for _ in 0..2 {
            assert_eq!(page.text("h1"), "Your session has expired");
            assert_eq!(page.attribute("main a", "href"), Some("/login".to_owned()));
            assert!(!page.body.contains("corp.example") && !page.body.contains("csrf"), "{}", page.body);
            page = sam.try_again(&page).await.is(403);
        }

        // In another tab.
        sam.log_in("sam", crate::harness::PASSWORD).await.leads_to("/");
        let page = sam.try_again(&page).await.is(403);
        assert_eq!(page.text("h1"), "Submit this form anyway?");
        let kept = page.attribute("input[name=kept]", "value").expect("a kept form");
        let new = page.attribute("main form input[name=csrf]", "value").expect("a token");
        assert_ne!(unmasked(&new), unmasked(&old));
        assert_eq!(unmasked(&new), unmasked(&sam.token().await));
        let send = |sam: &crate::harness::User, token: &str| {
            from_here(sam.request(Method::POST, &edit).form(&[("kept", kept.as_str()), ("csrf", token)]))
        };
        for token in ["", &old, &"0".repeat(new.len())] {
            sam.send(send(&sam, token)).await.is(403);
        }
        assert_eq!(dump(&app.db).await["members"], before, "nothing was changed so far");
        sam.send(send(&sam, &new)).await.leads_to("/t/ours/members");
        assert!(sam.get(&edit).await.is(200).body.contains("mia@corp.example"));
    }

    async fn the_token_stands_on_no_two_pages_alike(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let (one, two) = (sue.token().await, sue.token().await);
        assert_ne!(one, two);
        assert_eq!(unmasked(&one), unmasked(&two));
        for token in [&one, &two] {
            let fields = [("csrf", token.as_str()), ("language", "en"), ("return_to", "/account")];
            sue.send(sue.request(Method::POST, "/language").form(&fields)).await.leads_to("/account");
        }
        let plain = hex::encode(unmasked(&one));
        sue.send(sue.request(Method::POST, "/language").form(&[("csrf", plain.as_str())])).await.is(403);
    }

    async fn a_visitors_cookie_that_was_planted_does_not_carry_over_into_the_session(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut visitor = app.visitor();
        let before = visitor.token().await;
        visitor.log_in("sue", crate::harness::PASSWORD).await.leads_to("/");
        assert_ne!(unmasked(&visitor.token().await), unmasked(&before));
        let request = visitor.request(Method::POST, "/logout").form(&[("csrf", before.as_str())]);
        visitor.send(request).await.is(403);
    }
}
