//! Member Management, Edit Account and My Contact Information.

use std::time::{Duration, Instant};

use belfry::{
    access::Role,
    db::{
        MemberId,
        schema::{members, tenants},
    },
    sandbox::RobotKind,
};
use diesel::{connection::SimpleConnection as _, prelude::*};

use crate::harness::{Answer, Backend, PASSWORD, TestApp, User, dump, run};

/// A token of the form that DingTalk's have.
fn token(letter: char) -> String {
    letter.to_string().repeat(60) + "7f3e"
}

async fn id_of(app: &TestApp, username: &'static str) -> MemberId {
    let find = move |c: &mut belfry::db::AnyConnection| {
        Ok(members::table.filter(members::username_key.eq(username)).select(members::id).first(c)?)
    };
    app.db.read(find).await.expect("a member")
}

fn edit(id: MemberId) -> String {
    format!("/t/ours/members/{id}/edit")
}

fn usernames(list: &Answer) -> Vec<String> {
    list.texts("tbody tr td:first-child")
}

/// While his tenant gives an account a new code, another one wants to add it: whoever comes second sees what the first did.
async fn a_code_that_is_just_being_renewed(app: &TestApp) {
    app.settle().await;
    let renews = "UPDATE accounts SET code_expires_at = created_at + interval '1 day' WHERE username_key = 'theo'";
    let Some(postgres) = &app.postgres else { panic!("this takes two writers") };
    let mut other = PgConnection::establish(&postgres.url).expect("a connection");
    let transaction = "BEGIN; SELECT id FROM accounts WHERE username_key = 'theo' FOR NO KEY UPDATE";
    other.batch_execute(transaction).expect("a transaction");
    let adding = async {
        let mut sam = app.log_in("sam").await;
        sam.post("/t/ours/members/new", &[("username", "theo"), ("role", "member")]).await
    };
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let renewing = async {
        let deadline = Instant::now() + Duration::from_secs(20);
        while diesel::sql_query(waiting).get_result::<Waiting>(&mut other).expect("a count").count == 0 {
            assert!(Instant::now() < deadline, "nobody waits for the account");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        other.batch_execute(&format!("{renews}; COMMIT")).expect("the end of it");
    };
    let (page, ()) = tokio::join!(adding, renewing);
    assert!(page.is(422).text("#e-username").contains("one-time code"));
}

#[derive(QueryableByName)]
struct Waiting {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    count: i64,
}

#[test]
fn an_account_whose_code_is_just_being_renewed_is_not_added_elsewhere() {
    run(Backend::Postgres, a_code_that_is_just_being_renewed);
}

on_both! {
    async fn an_unknown_username_makes_an_account_with_a_one_time_code_shown_once(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "Wang.Wei"), ("display_name", "王伟"), ("role", "member")];
        let page = sam.post("/t/ours/members/new", &fields).await.is(200);
        let code = page.attribute("input[readonly]", "value").expect("a code in a read-only field");
        assert_eq!(code.len(), 23, "{code}");
        let list = sam.get("/t/ours/members?q=wang").await.is(200);
        assert_eq!(usernames(&list), ["Wang.Wei"]);
        assert!(!list.body.contains(&code));
        assert!(!format!("{:?}", dump(&app.db).await).contains(&code), "the code is kept as a hash alone");
        app.visitor().log_in("wang.wei", &code).await.leads_to("/account/password");
        sam.post("/t/ours/members/new", &fields).await.is(422);
    }

    async fn a_known_username_becomes_a_member_without_any_code_once_its_owner_accepts(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "TOM"), ("role", "member"), ("confirmed", "tom")];
        let page = sam.post("/t/ours/members/new", &fields).await.is(200);
        assert_eq!(page.attribute("input[readonly]", "value"), None);
        let mut tom = app.log_in("tom").await;
        tom.get("/t/ours/members").await.is(404);
        tom.accept_invitation().await.leads_to("/t/ours");
        let start = tom.get("/").await.is(200);
        assert_eq!(start.texts("ul.tenants a").len(), 2);
        tom.get("/t/ours/members").await.is(200);
    }

    async fn a_form_with_mistakes_says_each_beside_its_field_and_keeps_what_was_typed(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let secret = token('c');
        let webhook = format!("https://evil.example/robot/send?access_token={secret}");
        let fields = [
            ("role", "member"),
            ("phone", "12"),
            ("email", "no address"),
            ("dingtalk_robot", webhook.as_str()),
            ("lark_robot", "not an address"),
        ];
        let page = sam.post(&edit(town.mia), &fields).await.is(422);
        for field in ["phone", "email", "dingtalk_robot", "lark_robot"] {
            assert_eq!(page.attribute(&format!("#f-{field}"), "aria-invalid").as_deref(), Some("true"), "{field}");
            assert!(!page.text(&format!("#e-{field}")).is_empty());
        }
        assert_eq!(page.texts("[role=alert] li").len(), 4);
        assert_eq!(page.attribute("#f-phone", "value").as_deref(), Some("12"));
        assert_eq!(page.attribute("#f-email", "value").as_deref(), Some("no address"));
        assert!(
            !page.body.contains("evil.example") && !page.body.contains(&secret),
            "a refused webhook is a secret too"
        );
    }

    async fn a_stored_webhook_is_shown_by_host_and_last_four_characters_alone(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, &token('a'));
        let fields = [
            ("role", "member"),
            ("phone", "138 0013 8000"),
            ("email", "mia@corp.example"),
            ("dingtalk_robot", &webhook),
        ];
        sam.post(&edit(town.mia), &fields).await.leads_to("/t/ours/members");
        let page = sam.get(&edit(town.mia)).await.is(200);
        let host = app.sandbox_origin.trim_start_matches("http://");
        assert_eq!(page.text(".stored .robot"), format!("{host} …7f3e"));
        assert_eq!(page.attribute("#f-dingtalk_robot", "value").as_deref(), Some(""));
        assert!(!page.body.contains(&token('a')[..12]));
        assert_eq!(page.attribute("#f-phone", "value").as_deref(), Some("+8613800138000"));
        // An empty field keeps it, the checkbox clears it.
        sam.post(&edit(town.mia), &[("role", "member"), ("phone", ""), ("email", "")])
            .await
            .leads_to("/t/ours/members");
        assert_eq!(sam.get(&edit(town.mia)).await.texts(".stored .robot").len(), 1);
        sam.post(&edit(town.mia), &[("role", "member"), ("remove", "dingtalk")]).await.leads_to("/t/ours/members");
        assert_eq!(sam.get(&edit(town.mia)).await.texts(".stored .robot").len(), 0);
    }

    async fn members_see_names_and_roles_and_no_contact_values(app: &TestApp) {
        let town = app.settle().await;
        let webhook = app.robot(RobotKind::DingTalk, &token('a'));
        let fields =
            [("phone", "+86 138 0013 8000"), ("email", "sam.private@corp.example"), ("dingtalk_robot", &webhook)];
        app.log_in("sue").await.post(&edit(town.mia), &fields).await.leads_to("/t/ours/members");
        let mut sam = app.log_in("sam").await;
        sam.post("/t/ours/me", &fields[..2]).await.leads_to("/t/ours/me");
        for list in [app.log_in("mia").await.get("/t/ours/members").await, sam.get("/t/ours/members").await] {
            assert!(usernames(&list).contains(&"sam".to_owned()));
            for hidden in ["13800138000", "138 0013 8000", "sam.private@corp.example"] {
                assert!(!list.body.contains(hidden), "{hidden}");
            }
        }
        let list = app.log_in("mia").await.get("/t/ours/members").await;
        assert!(!list.body.contains("7f3e") && list.texts("a.edit").is_empty());
        // Nor do they see who cannot be reached.
        let filtered = app.log_in("mia").await.get("/t/ours/members?contact=none").await.is(200);
        assert_eq!(usernames(&filtered), usernames(&list));
        assert!(filtered.texts("input[name=contact]").is_empty());
    }

    async fn my_contact_information_is_edited_by_its_owner_who_gets_no_role_by_it(app: &TestApp) {
        let town = app.settle().await;
        let mut mia = app.log_in("mia").await;
        let fields = [("role", "super_administrator"), ("phone", "+1 212 555 0123"), ("email", "mia@corp.example")];
        mia.post("/t/ours/me", &fields).await.leads_to("/t/ours/me");
        let page = mia.get("/t/ours/me").await.is(200);
        assert_eq!(page.attribute("#f-email", "value").as_deref(), Some("mia@corp.example"));
        mia.get(&edit(town.mia)).await.is(403);
        let page = mia.post("/t/ours/me", &[("phone", "x"), ("email", "mia@corp.example")]).await.is(422);
        assert_eq!(page.attribute("#f-phone", "value").as_deref(), Some("x"));
    }

    async fn a_system_administrator_touches_no_super_administrator_and_takes_nothing_from_a_peer(app: &TestApp) {
        let town = app.settle().await;
        let (sue, sam, eve) = (id_of(app, "sue").await, id_of(app, "sam").await, id_of(app, "eve").await);
        let mut admin = app.log_in("sam").await;
        let before = dump(&app.db).await["members"].clone();
        for path in ["edit", "disable", "reinstate", "remove", "code", "test"] {
            admin.post(&format!("/t/ours/members/{sue}/{path}"), &[("role", "member")]).await.is(403);
        }
        admin.get(&edit(sue)).await.is(403);
        admin.post(&edit(eve), &[("role", "member")]).await.is(403);
        admin.post(&edit(sam), &[("role", "member")]).await.is(403);
        for peer in [sam, eve] {
            for path in ["disable", "reinstate", "remove", "code"] {
                admin.post(&format!("/t/ours/members/{peer}/{path}"), &[]).await.is(403);
            }
        }
        admin.post(&edit(town.mia), &[("role", "super_administrator")]).await.is(403);
        assert_eq!(dump(&app.db).await["members"], before);
        let promoted = [("role", "system_administrator"), ("confirmed", "mia")];
        admin.post(&edit(town.mia), &promoted).await.leads_to("/t/ours/members");
        admin.post(&edit(town.mia), &[("role", "no such role")]).await.is(422);
    }

    async fn nobody_takes_the_super_administrator_away_not_even_himself(app: &TestApp) {
        app.settle().await;
        let sue = id_of(app, "sue").await;
        let mut admin = app.log_in("sue").await;
        for path in ["disable", "remove", "code"] {
            admin.post(&format!("/t/ours/members/{sue}/{path}"), &[]).await.is(403);
        }
        admin.post(&edit(sue), &[("role", "member")]).await.is(403);
        admin.post(&edit(sue), &[("phone", "+1 212 555 0123")]).await.leads_to("/t/ours/members");
    }

    async fn a_disabled_member_is_out_at_once_and_back_when_reinstated(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut mia) = (app.log_in("sam").await, app.log_in("mia").await);
        mia.get("/t/ours/members").await.is(200);
        sam.post(&format!("/t/ours/members/{}/disable", town.mia), &[]).await.leads_to("/t/ours/members");
        let status = mia.get("/t/ours/members").await.status;
        assert!([303, 404].contains(&status), "{status}");
        app.log_in("mia").await.get("/t/ours/members").await.is(404);
        sam.post(&format!("/t/ours/members/{}/reinstate", town.mia), &[]).await.leads_to("/t/ours/members");
        app.log_in("mia").await.get("/t/ours/members").await.is(200);
    }

    async fn an_ordinary_member_is_given_the_permission_to_fire_alerts_by_an_administrator(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let ticked = async |user: &mut User| {
            let page = user.get(&edit(town.mia)).await.is(200);
            (page.attribute("input[name=may_fire]", "value"), page.attribute("input[name=may_fire]", "checked").is_some())
        };
        assert_eq!(ticked(&mut sam).await, (Some("yes".to_owned()), false));
        app.log_in("mia").await.post("/t/ours/me", &[("may_fire", "yes")]).await.leads_to("/t/ours/me");
        assert!(!ticked(&mut sam).await.1, "nobody gives it to himself");
        let page = sam.post(&edit(town.mia), &[("may_fire", "yes"), ("phone", "x")]).await.is(422);
        assert!(page.attribute("input[name=may_fire]", "checked").is_some(), "what was ticked stays ticked");
        sam.post(&edit(town.mia), &[("may_fire", "yes")]).await.leads_to("/t/ours/members");
        assert!(ticked(&mut sam).await.1);
        app.log_in("mia").await.post("/t/ours/me", &[]).await.leads_to("/t/ours/me");
        assert!(ticked(&mut sam).await.1, "her own page says nothing about it");
        sam.post(&edit(town.mia), &[]).await.leads_to("/t/ours/members");
        assert!(!ticked(&mut sam).await.1);
        let audit = dump(&app.db).await["audit"].clone();
        assert_eq!(audit.iter().filter(|row| row.contains("members-may-fire")).count(), 2, "{audit:?}");
        let page = sam.get(&edit(id_of(app, "eve").await)).await.is(200);
        assert!(page.texts("input[name=may_fire]").is_empty(), "administrators always may");
    }

    async fn a_removed_member_is_gone_from_the_tenant_and_the_account_stays(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        sam.post(&format!("/t/ours/members/{}/remove", town.mia), &[]).await.leads_to("/t/ours/members");
        sam.get(&edit(town.mia)).await.is(404);
        assert!(!usernames(&sam.get("/t/ours/members").await).contains(&"mia".to_owned()));
        app.log_in("mia").await.get("/").await.is(200);
        let page = sam.post("/t/ours/members/new", &[("username", "mia"), ("role", "member")]).await.is(200);
        assert_eq!(page.attribute("input[readonly]", "value"), None);
    }

    async fn an_account_whose_code_somebody_else_holds_is_not_added(app: &TestApp) {
        app.settle().await;
        let mut theo = app.log_in("theo").await;
        theo.post("/t/theirs/members/new", &[("username", "ivy"), ("role", "member")]).await.is(200);
        let mut sam = app.log_in("sam").await;
        let page = sam.post("/t/ours/members/new", &[("username", "Ivy"), ("role", "member")]).await.is(422);
        assert!(page.text("#e-username").contains("one-time code"));
        let mut root = app.log_in("root").await;
        let fields = [("name", "New"), ("slug", "new"), ("time_zone", "UTC"), ("super_admin", "ivy")];
        let page = root.post("/instance/tenants/new", &fields).await.is(422);
        assert!(page.text("#e-super_admin").contains("one-time code"));
    }

    async fn a_super_administrator_who_lost_the_first_code_gets_another_and_keeps_his_rights(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let fields = [("name", "New"), ("slug", "new"), ("time_zone", "UTC"), ("super_admin", "ivy")];
        root.post("/instance/tenants/new", &fields).await.is(201);
        let id: i64 = app
            .db
            .read(|c| Ok(tenants::table.filter(tenants::slug.eq("new")).select(tenants::id).first(c)?))
            .await
            .expect("the new tenant");
        let renew = format!("/instance/tenants/{id}/code");
        let page = root.post(&renew, &[]).await.is(200);
        let code = page.attribute("input[readonly]", "value").expect("a code");
        let mut ivy = app.visitor();
        ivy.log_in("ivy", &code).await.leads_to("/account/password");
        let chosen = "a sentence that ivy alone remembers";
        ivy.post("/account/password", &[("new_password", chosen), ("confirm_password", chosen)]).await.leads_to("/");
        ivy.get("/t/new/members").await.is(200);
    }

    async fn an_administrator_logs_a_member_out_everywhere_by_rank(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut sue, mut mia) = (app.log_in("sam").await, app.log_in("sue").await, app.log_in("mia").await);
        let mut elsewhere = app.log_in("mia").await;
        let dialog = sam.get(&format!("/t/ours/members/{}/edit", town.mia)).await.is(200);
        assert!(dialog.texts("dialog .danger button").contains(&"End All Sessions".to_owned()));
        sam.post(&format!("/t/ours/members/{}/end-sessions", town.mia), &[]).await.leads_to("/t/ours/members");
        mia.get("/account").await.asks_to_log_in_for("/account");
        elsewhere.get("/account").await.asks_to_log_in_for("/account");
        app.log_in("mia").await.get("/t/ours").await.is(200);
        let super_admin = id_of_in(app, "sue", town.ours).await;
        sam.post(&format!("/t/ours/members/{super_admin}/end-sessions"), &[]).await.is(403);
        sue.get("/account").await.is(200);
        let audit = dump(&app.db).await["audit"].join("\n");
        assert_eq!(audit.matches("member-sessions-ended").count(), 1, "{audit}");
    }

    async fn a_new_code_is_for_accounts_of_this_tenant_alone(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let mut mia = app.log_in("mia").await;
        let path = format!("/t/ours/members/{}/code", town.mia);
        let page = sam.post(&path, &[]).await.is(200);
        let code = page.attribute("input[readonly]", "value").expect("a code");
        mia.get("/account").await.asks_to_log_in_for("/account");
        app.visitor().log_in("mia", PASSWORD).await.is(422);
        app.visitor().log_in("mia", &code).await.leads_to("/account/password");
        sam.post("/t/ours/members/new", &[("username", "tom"), ("role", "member"), ("confirmed", "tom")]).await.is(200);
        let tom = id_of_in(app, "tom", town.ours).await;
        sam.post(&format!("/t/ours/members/{tom}/code"), &[]).await.is(403);
        app.log_in("tom").await;
    }

    async fn the_list_finds_by_name_anywhere_and_by_id_and_shows_nobody_of_another_tenant(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        for (username, name) in [("zhang.wei", "张伟民"), ("li.na", "李娜"), ("o.brien", "O'Brien 100%_\\x")] {
            sam.post("/t/ours/members/new", &[("username", username), ("display_name", name), ("role", "member")])
                .await
                .is(200);
        }
        for (search, found) in [
            ("伟民", vec!["zhang.wei"]),
            ("HANG", vec!["zhang.wei"]),
            ("0%_\\", vec!["o.brien"]),
            ("%", vec!["o.brien"]),
            ("_", vec!["o.brien"]),
            ("'", vec!["o.brien"]),
            ("tom", vec![]),
            ("theo", vec![]),
        ] {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", search).finish();
            let list = sam.get(&format!("/t/ours/members?{query}")).await.is(200);
            assert_eq!(usernames(&list), found, "{search}");
        }
        let list = sam.get(&format!("/t/ours/members?q={}", town.mia)).await.is(200);
        assert!(usernames(&list).contains(&"mia".to_owned()));
        assert_eq!(usernames(&sam.get("/t/ours/members?status=disabled").await), ["dan"]);
        assert_eq!(usernames(&sam.get("/t/ours/members?role=super_administrator").await), ["sue"]);
    }

    async fn a_query_that_cannot_be_read_is_refused_and_one_that_makes_no_sense_breaks_nothing(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        sam.get("/t/ours/members?q=%FF").await.is(400);
        sam.get("/t/ours/members?q=a%00").await.is(400);
        for query in
            ["page=0", "page=-1", "page=99999999999999999999", "page=x", "sort=x", "role=x", "status=x", "contact=x"]
        {
            let status = sam.get(&format!("/t/ours/members?{query}")).await.status;
            assert!([200, 400].contains(&status), "{query}: {status}");
        }
    }

    async fn what_was_done_to_members_is_in_the_audit_log_without_any_secret(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let webhook = app.robot(RobotKind::DingTalk, &token('d'));
        let secret = format!("SEC{}", "5".repeat(64));
        sam.post(
            &edit(town.mia),
            &[
                ("role", "system_administrator"),
                ("confirmed", "mia"),
                ("dingtalk_robot", &webhook),
                ("dingtalk_secret", &secret),
            ],
        )
        .await
        .leads_to("/t/ours/members");
        app.log_in("sue").await.post(&format!("/t/ours/members/{}/disable", id_of(app, "eve").await), &[]).await;
        let audit = dump(&app.db).await["audit"].join("\n");
        for word in ["member-edited", "member-disabled", "sam", "mia", "system_administrator"] {
            assert!(audit.contains(word), "{word} in {audit}");
        }
        assert!(!audit.contains(&token('d')[..12]) && !audit.contains("55555555"), "{audit}");
    }
}

async fn id_of_in(app: &TestApp, username: &'static str, tenant: belfry::db::TenantId) -> MemberId {
    let find = move |c: &mut belfry::db::AnyConnection| {
        let row = members::table.filter(members::tenant.eq(tenant)).filter(members::username_key.eq(username));
        Ok(row.select(members::id).first(c)?)
    };
    app.db.read(find).await.expect("a member")
}

on_both! {
    async fn pages_hold_fifty_members_each_and_lose_none(app: &TestApp) {
        let town = app.settle().await;
        for number in 0..120 {
            app.member(town.ours, &format!("m{number:03}"), Role::Member).await;
        }
        let mut sam = app.log_in("sam").await;
        let mut seen = std::collections::BTreeSet::new();
        let mut sizes = Vec::new();
        for page in 1..=3 {
            let list = sam.get(&format!("/t/ours/members?page={page}&sort=username")).await.is(200);
            let names = usernames(&list);
            sizes.push(names.len());
            seen.extend(names);
        }
        assert_eq!((sizes[0], sizes[1]), (50, 50));
        assert_eq!(seen.len(), 126, "{sizes:?}");
    }
}
