//! A tenant is deleted while something is written in it: the write is stored before, or is answered 404 and leaves nothing behind.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use belfry::db::TenantId;
use diesel::connection::SimpleConnection as _;
use reqwest::{Method, RequestBuilder};

use crate::{
    harness::{Answer, TestApp, User, dump, lines},
    permits::hold,
};

/// How long requests may take to get to where they wait.
const PATIENCE: Duration = Duration::from_secs(10);
/// The last that a deletion writes: who holds it lets everything else of it be written.
const LOG: &str = "LOCK TABLE audit IN SHARE MODE";
/// What a write that is refused may not have changed.
const TABLES: [&str; 7] = ["user_groups", "portals", "alerts", "alert_entries", "deliveries", "members", "accounts"];

/// A form of a page of `ours`, and the table in which it writes a row.
struct Write {
    path: &'static str,
    fields: &'static [(&'static str, &'static str)],
    table: &'static str,
}

const WRITES: [Write; 4] = [
    Write { path: "/t/ours/groups/new", fields: &[("name", "night")], table: "user_groups" },
    Write {
        path: "/t/ours/settings/portals/new",
        fields: &[("name", "tickets"), ("scopes", "fire_alerts")],
        table: "portals",
    },
    Write { path: "/t/ours/alerts/new", fields: &[("title", "disk full"), ("receivers", "mia")], table: "alerts" },
    Write { path: "/t/ours/members/new", fields: &[("username", "newcomer"), ("role", "member")], table: "members" },
];

/// Sends two requests, the second when the first waits for what is held, and lets go when both wait.
async fn one_after_the_other(
    app: &TestApp,
    lock: &str,
    browser: &User,
    first: impl Future<Output = Answer>,
    second: impl Future<Output = Answer>,
) -> (Answer, Answer) {
    let mut holder = hold(app, lock);
    let second = async {
        wait_for(app, 1, browser.clone()).await;
        second.await
    };
    let release = async {
        wait_for(app, 2, browser.clone()).await;
        holder("COMMIT");
    };
    let (first, second, ()) = tokio::join!(first, second, release);
    (first, second)
}

/// Waits until so many requests wait for the database.
async fn wait_for(app: &TestApp, requests: i64, mut browser: User) {
    let Some(postgres) = &app.postgres else {
        // SQLite's writer takes its work in the order in which it comes.
        for _ in 0..10 * requests {
            browser.get("/account").await.is(200);
        }
        return;
    };
    let deadline = Instant::now() + PATIENCE;
    while postgres.waiting() < requests {
        assert!(Instant::now() < deadline, "{} of {requests} requests wait", postgres.waiting());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn form(user: &mut User, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
    let token = user.token().await;
    let fields: Vec<(&str, &str)> = [("csrf", token.as_str())].iter().chain(fields).copied().collect();
    user.request(Method::POST, path).form(&fields)
}

async fn deletion(root: &mut User, tenant: TenantId) -> RequestBuilder {
    form(root, &format!("/instance/tenants/{tenant}/delete"), &[]).await
}

async fn restore(app: &TestApp) {
    let back = "UPDATE tenants SET deleted_at = NULL";
    app.db.write(move |c| Ok(c.batch_execute(back)?)).await.expect("the tenant is back");
}

on_both! {
    async fn a_write_whose_right_was_checked_is_stored_before_its_tenant_is_deleted(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut root, browser) = (app.log_in("sam").await, app.log_in("root").await, app.log_in("sue").await);
        for write in WRITES {
            let before = dump(&app.db).await[write.table].len();
            let (save, delete) = (form(&mut sam, write.path, write.fields).await, deletion(&mut root, town.ours).await);
            let lock = format!("LOCK TABLE {} IN SHARE MODE", write.table);
            let (saved, deleted) =
                one_after_the_other(app, &lock, &browser, sam.send(save), root.send(delete)).await;
            deleted.leads_to("/instance/tenants");
            let stored = dump(&app.db).await[write.table].len() - before;
            // On SQLite a form that takes long, to make a one-time code, may come second.
            if app.postgres.is_none() && saved.status == 404 {
                assert_eq!(stored, 0, "{}", write.path);
            } else {
                assert!([200, 201, 303].contains(&saved.status), "{}: {} {}", write.path, saved.status, saved.body);
                assert_eq!(stored, 1, "{}", write.path);
                let last = "SELECT action AS line FROM audit ORDER BY id DESC LIMIT 1";
                let last = app.db.read(move |c| lines(c, last.to_owned())).await.expect("the log");
                assert_eq!(last, ["tenant-deleted"], "{}", write.path);
            }
            restore(app).await;
        }
    }

    async fn a_write_whose_tenant_is_deleted_meanwhile_leaves_nothing_behind(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut root, browser) = (app.log_in("sam").await, app.log_in("root").await, app.log_in("sue").await);
        for write in WRITES {
            let (save, delete) = (form(&mut sam, write.path, write.fields).await, deletion(&mut root, town.ours).await);
            let before = dump(&app.db).await;
            let (deleted, saved) = one_after_the_other(app, LOG, &browser, root.send(delete), sam.send(save)).await;
            deleted.leads_to("/instance/tenants");
            assert_eq!(saved.status, 404, "{}: {}", write.path, saved.body);
            let after = dump(&app.db).await;
            for table in TABLES {
                assert_eq!(after[table], before[table], "{}: {table}", write.path);
            }
            restore(app).await;
        }
    }

    async fn an_invitation_into_a_tenant_that_is_deleted_meanwhile_is_not_accepted(app: &TestApp) {
        let town = app.settle().await;
        let mut sue = app.log_in("sue").await;
        let fields = [("username", "tom"), ("role", "member"), ("confirmed", "tom")];
        sue.post("/t/ours/members/new", &fields).await.is(200);
        let (mut tom, mut root) = (app.log_in("tom").await, app.log_in("root").await);
        let page = tom.get("/").await.is(200);
        let invitation = page.attribute("form[action='/invitations/accept'] input[name=invitation]", "value");
        let invitation = invitation.expect("an invitation");
        let accept = form(&mut tom, "/invitations/accept", &[("invitation", &invitation), ("role", "member")]).await;
        let delete = deletion(&mut root, town.ours).await;
        let (deleted, accepted) = one_after_the_other(app, LOG, &sue, root.send(delete), tom.send(accept)).await;
        deleted.leads_to("/instance/tenants");
        assert_eq!(accepted.status, 404, "{}", accepted.body);
        let open = "SELECT username AS line FROM members WHERE status = 'invited'";
        assert_eq!(app.db.read(move |c| lines(c, open.to_owned())).await.expect("members"), ["tom"]);
    }

    async fn a_post_whose_tenant_is_deleted_meanwhile_is_not_stored(app: &TestApp) {
        let town = app.settle().await;
        let (mut sue, mut root) = (app.log_in("sue").await, app.log_in("root").await);
        let fields = [("name", "tickets"), ("scopes", "fire_alerts"), ("scopes", "save_members")];
        let page = sue.post("/t/ours/settings/portals/new", &fields).await.is(201);
        let token = page.attribute("input[readonly]#f-token", "value").expect("a token");
        for (path, fields) in [("/intake/alerts", ("title", "disk full")), ("/intake/members", ("username", "newcomer"))] {
            let mut sender = app.visitor();
            let post = sender.request(Method::POST, path).bearer_auth(&token).form(&[fields]);
            let delete = deletion(&mut root, town.ours).await;
            let before = dump(&app.db).await;
            let (deleted, posted) = one_after_the_other(app, LOG, &sue, root.send(delete), sender.send(post)).await;
            deleted.leads_to("/instance/tenants");
            assert_eq!(posted.status, 401, "{path}: {}", posted.body);
            let after = dump(&app.db).await;
            for table in TABLES {
                assert_eq!(after[table], before[table], "{path}: {table}");
            }
            restore(app).await;
        }
    }
}
