//! A right is checked again in the transaction that uses it: what ended while a form or a portal's post waited is not used any
//! more.

use std::path::PathBuf;

use belfry::db::{AnyConnection, DatabaseAddress};
use diesel::{Connection as _, PgConnection, connection::SimpleConnection as _};
use reqwest::Method;

use crate::harness::{Answer, PASSWORD, TestApp, User, dump};

/// What becomes of sam, a system administrator of the tenant `ours`, while his form waits, and what puts him back.
struct Change {
    what: &'static str,
    sql: &'static str,
    back: &'static str,
    status: u16,
}

const OF_SAM: &str = "account = (SELECT id FROM accounts WHERE username_key = 'sam')";

const CHANGES: [Change; 5] = [
    Change {
        what: "disabled",
        sql: "UPDATE members SET status = 'disabled' WHERE",
        back: "status = 'active'",
        status: 403,
    },
    Change {
        what: "demoted",
        sql: "UPDATE members SET role = 'member' WHERE",
        back: "role = 'system_administrator'",
        status: 403,
    },
    Change { what: "logged out", sql: "DELETE FROM sessions WHERE", back: "status = 'active'", status: 303 },
    Change {
        what: "in a deleted tenant",
        sql: "UPDATE tenants SET deleted_at = created_at WHERE slug = 'ours' OR",
        back: "status = 'active'",
        status: 404,
    },
    // Last: nothing brings him back.
    Change { what: "removed", sql: "DELETE FROM members WHERE", back: "status = 'active'", status: 403 },
];

/// A connection that holds what a write needs: this lock on Postgres, the writer's on SQLite.
pub fn hold(app: &TestApp, lock: &str) -> Box<dyn FnMut(&str)> {
    match &app.postgres {
        Some(postgres) => {
            let mut other = PgConnection::establish(&postgres.url).expect("a connection");
            other.batch_execute(&format!("BEGIN; {lock}")).expect("a lock");
            Box::new(move |sql| other.batch_execute(sql).expect("it is written"))
        }
        None => {
            let file: PathBuf = app.folder().join("belfry.db");
            let AnyConnection::Sqlite(mut other) = DatabaseAddress::Sqlite(file).connect().expect("a connection")
            else {
                panic!("SQLite")
            };
            other.batch_execute("BEGIN IMMEDIATE").expect("the lock");
            Box::new(move |sql| other.batch_execute(sql).expect("it is written"))
        }
    }
}

/// Waits until the form of this browser has been looked at and waits for the database.
pub async fn form_waits(app: &TestApp, mut browser: User) {
    match &app.postgres {
        Some(postgres) => postgres.somebody_waits().await,
        // Requests are looked at in the order in which they come. When it is late all the same, its right has ended before, and it
        // is refused too.
        None => {
            for _ in 0..10 {
                browser.get("/t/ours/groups").await.is(200);
            }
        }
    }
}

on_both! {
    async fn a_right_that_ends_while_a_form_waits_is_not_used(app: &TestApp) {
        app.settle().await;
        for Change { what, sql, back, status } in CHANGES {
            let mut sam = app.log_in("sam").await;
            let token = sam.token().await;
            let form = [("csrf", token.as_str()), ("name", what)];
            let add = sam.request(Method::POST, "/t/ours/groups/new").form(&form);
            let sql = match sql.strip_suffix(" OR") {
                Some(sql) => sql.to_owned(),
                None => format!("{sql} {OF_SAM}"),
            };
            let (mut holder, browser) = (hold(app, "SELECT FROM accounts WHERE username_key = 'sam' FOR UPDATE"), sam.clone());
            let ending = async {
                form_waits(app, browser).await;
                holder(&format!("{sql}; COMMIT"));
            };
            let (answer, ()) = tokio::join!(sam.send(add), ending);
            assert_eq!(answer.status, status, "{what}: {}", answer.body);
            if status == 303 {
                answer.leads_to("/login");
            }
            assert_eq!(dump(&app.db).await["user_groups"], Vec::<String>::new(), "{what}");
            let back = format!("UPDATE members SET {back} WHERE {OF_SAM}; UPDATE tenants SET deleted_at = NULL");
            app.db.write(move |c| Ok(c.batch_execute(&back)?)).await.expect("he is back");
        }
    }

    async fn what_a_portal_may_do_no_more_while_its_post_waits_is_not_done(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        for (what, sql, status) in PORTAL_CHANGES {
            for body in [Body::Alert, Body::Repeatable, Body::Group] {
                let name = format!("{what} {body:?}");
                let fields = [("name", name.as_str()), ("scopes", "fire_alerts")];
                let page = sue.post("/t/ours/settings/portals/new", &fields).await.is(201);
                let token = page.attribute("input[readonly]#f-token", "value").expect("a token");
                let id: i64 = page.text("#portal-id").parse().expect("an id");
                let mut sender = app.visitor();
                let post = body.request(&sender, &name).bearer_auth(token);
                let mut holder = hold(app, &format!("SELECT pg_advisory_xact_lock({})", PORTAL_LOCKS ^ id));
                let (sql, browser) = (sql.replace("{id}", &id.to_string()), sue.clone());
                let ending = async {
                    form_waits(app, browser).await;
                    holder(&format!("{sql}; COMMIT"));
                };
                let (answer, ()) = tokio::join!(sender.send(post), ending);
                assert_eq!(answer.status, status, "{name}: {}", answer.body);
                assert_eq!(dump(&app.db).await["alerts"], Vec::<String>::new(), "{name}");
                let back = "UPDATE tenants SET deleted_at = NULL";
                app.db.write(move |c| Ok(c.batch_execute(back)?)).await.expect("the tenant is back");
            }
        }
    }

    async fn an_administrator_who_is_disabled_while_he_disables_another_does_so_before_or_not_at_all(app: &TestApp) {
        app.settle().await;
        let [sam, mia] = member_ids(app, ["sam", "mia"]).await;
        for _ in 0..5 {
            let (mut one, mut two) = (app.log_in("sue").await, app.log_in("sam").await);
            let (first, second) = (one.token().await, two.token().await);
            let post = |user: &User, token: &str, id: i64| {
                user.request(Method::POST, &format!("/t/ours/members/{id}/disable")).form(&[("csrf", token)])
            };
            let (of_sue, of_sam) = (post(&one, &first, sam), post(&two, &second, mia));
            let (first, second) = tokio::join!(one.send(of_sue), two.send(of_sam));
            let succeeded = |answer: &Answer| answer.header("location").is_some_and(|to| to.ends_with("/members"));
            let refused = |answer: &Answer| [403, 404].contains(&answer.status) || answer.header("location") == Some("/login");
            assert!(succeeded(&first), "{first:?}");
            assert!(succeeded(&second) != refused(&second), "{second:?}");
            let disabled = dump(&app.db).await["members"].iter().filter(|row| row.contains("disabled")).count();
            // Sam, and dan, who was before; mia only when sam was answered so.
            assert_eq!(disabled, if succeeded(&second) { 3 } else { 2 });
            let back = format!("UPDATE members SET status = 'active' WHERE id IN ({sam}, {mia})");
            app.db.write(move |c| Ok(c.batch_execute(&back)?)).await.expect("both are back");
        }
    }

    async fn of_two_new_passwords_at_once_one_is_stored(app: &TestApp) {
        app.tenant("ours", "sue").await;
        let mut sue = app.log_in("sue").await;
        let token = sue.token().await;
        let change = |new: &'static str| {
            let fields =
                [("csrf", token.as_str()), ("current_password", PASSWORD), ("new_password", new), ("confirm_password", new)];
            sue.request(Method::POST, "/account").form(&fields)
        };
        let (one, two) = (change("nine slow herons over the lake"), change("ten quick foxes under a bridge"));
        let (mut here, mut there) = (sue.clone(), sue.clone());
        let (first, second) = tokio::join!(here.send(one), there.send(two));
        let changed = |answer: &Answer| answer.header("location") == Some("/account");
        assert!(changed(&first) != changed(&second), "{first:?}\n{second:?}");
        assert!(first.status < 500 && second.status < 500, "{first:?}\n{second:?}");
    }
}

/// What becomes of a portal while its post waits, and what the post is answered.
const PORTAL_CHANGES: [(&str, &str, u16); 4] = [
    ("revoked", "UPDATE portals SET revoked_at = created_at WHERE id = {id}", 401),
    ("rotated", "UPDATE portals SET token_hash = sealed_signing_key WHERE id = {id}", 401),
    ("narrowed", "UPDATE portals SET fires_alerts = false WHERE id = {id}", 403),
    ("of a deleted tenant", "UPDATE tenants SET deleted_at = created_at", 401),
];

/// As the application tells the locks of portals apart.
pub const PORTAL_LOCKS: i64 = 0x706f_7274_616c_0000;

/// The ways on which a post is stored.
#[derive(Clone, Copy, Debug)]
enum Body {
    Alert,
    Repeatable,
    Group,
}

impl Body {
    fn request(self, sender: &User, title: &str) -> reqwest::RequestBuilder {
        let alert = sender.request(Method::POST, "/intake/alerts").form(&[("title", title)]);
        match self {
            Self::Alert => alert,
            Self::Repeatable => alert.header("idempotency-key", title),
            Self::Group => sender.request(Method::POST, "/intake/alertmanager").json(&serde_json::json!({
                "version": "4", "groupKey": title, "status": "firing", "receiver": "belfry", "truncatedAlerts": 0,
                "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "",
                "alerts": [{
                    "status": "firing", "labels": {"alertname": title}, "annotations": {}, "fingerprint": "f1",
                    "startsAt": "2026-11-22T03:04:05Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
                }],
            })),
        }
    }
}

async fn member_ids<const N: usize>(app: &TestApp, names: [&'static str; N]) -> [i64; N] {
    let mut ids = [0; N];
    for (id, name) in ids.iter_mut().zip(names) {
        let query = format!("SELECT CAST(id AS text) AS line FROM members WHERE username = '{name}'");
        let found = app.db.read(move |c| crate::harness::lines(c, query)).await.expect("a member");
        *id = found.first().and_then(|line| line.parse().ok()).expect("an id");
    }
    ids
}
