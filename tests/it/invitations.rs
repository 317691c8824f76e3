//! How an account comes into a tenant that did not make it, and what its own tenant can still do for it: nobody walks from one
//! tenant into another.

use belfry::{
    access::Role,
    alerts::Receiver,
    db::{
        AccountId, MemberId, TenantId,
        schema::{accounts, deliveries, members, tenants},
    },
    sandbox::RobotKind,
};
use chrono::TimeDelta;
use diesel::prelude::*;

use crate::harness::{Answer, PASSWORD, TestApp, Town, User, dump};

/// The password that is chosen in place of a one-time code.
const CHOSEN: &str = "nine slow herons over the lake";

/// What becomes of an account that is added: by its maker, whether its one-time code was used, the tenant that adds it, and
/// the role. `asks` stands where the page first shows who made the account and wants that confirmed.
const TABLE: &str = "
maker      code    tenant     role    asked  outcome
ours       used    ours       member  -      direct
ours       used    ours       system  asks   direct
ours       unused  ours       member  -      direct
ours       unused  ours       system  asks   direct
theirs     used    ours       member  asks   invited
theirs     used    ours       system  asks   invited
theirs     unused  ours       member  -      refused
theirs     unused  ours       system  -      refused
instance   used    ours       member  asks   invited
instance   used    ours       system  asks   invited
instance   unused  ours       member  -      refused
instance   unused  ours       system  -      refused
warehouse  used    warehouse  member  -      direct
warehouse  used    warehouse  system  asks   direct
warehouse  unused  warehouse  member  -      direct
warehouse  unused  warehouse  system  asks   direct
ours       used    warehouse  member  asks   invited
ours       used    warehouse  system  asks   invited
ours       unused  warehouse  member  -      refused
ours       unused  warehouse  system  -      refused
instance   used    warehouse  member  asks   invited
instance   used    warehouse  system  asks   invited
instance   unused  warehouse  member  -      refused
instance   unused  warehouse  system  -      refused
ours       used    new        super   asks   invited
ours       unused  new        super   -      refused
instance   used    new        super   asks   invited
instance   unused  new        super   asks   invited
nobody     unused  ours       member  -      direct
nobody     unused  ours       system  -      direct
nobody     unused  warehouse  system  -      direct
nobody     unused  new        super   -      direct
";

/// A line of the table.
struct Row {
    maker: &'static str,
    is_used: bool,
    tenant: &'static str,
    role: Role,
    asks: bool,
    outcome: &'static str,
    name: String,
}

fn rows() -> Vec<Row> {
    let lines = TABLE.lines().filter(|line| !line.is_empty()).skip(1).enumerate();
    lines
        .map(|(number, line)| {
            let words: Vec<&'static str> = line.split_whitespace().collect();
            let role = match words[3] {
                "member" => Role::Member,
                "system" => Role::SystemAdministrator,
                _ => Role::SuperAdministrator,
            };
            Row {
                maker: words[0],
                is_used: words[1] == "used",
                tenant: words[2],
                role,
                asks: words[4] == "asks",
                outcome: words[5],
                name: format!("person.{number}"),
            }
        })
        .collect()
}

/// Makes an account as this tenant's administrators made it; as the instance's for none.
async fn made_by(app: &TestApp, username: &str, maker: Option<TenantId>, is_used: bool) -> AccountId {
    let account = if is_used { app.account(username).await } else { app.newcomer(username).await };
    app.db
        .write(move |c| {
            Ok(diesel::update(accounts::table.find(account)).set(accounts::created_by_tenant.eq(maker)).execute(c)?)
        })
        .await
        .expect("an account of its maker");
    account
}

impl Row {
    fn slug(&self) -> String {
        match self.tenant {
            "warehouse" => "metadata-warehouse".to_owned(),
            "new" => self.name.replace('.', "-"),
            slug => slug.to_owned(),
        }
    }

    /// Adds the account through the page, with or without the checkbox.
    async fn add(&self, admin: &mut User, confirmed: bool) -> Answer {
        let slug = self.slug();
        let mut fields = match self.role {
            Role::SuperAdministrator => {
                vec![("name", "New"), ("slug", &slug), ("time_zone", "UTC"), ("super_admin", &self.name)]
            }
            role => vec![("username", self.name.as_str()), ("role", role.as_str())],
        };
        if confirmed {
            fields.push(("confirmed", &self.name));
        }
        match self.role {
            Role::SuperAdministrator => admin.post("/instance/tenants/new", &fields).await,
            _ => admin.post(&format!("/t/{slug}/members/new"), &fields).await,
        }
    }

    /// Logs in, and chooses a password where the account still waits for that.
    async fn log_in(&self, app: &TestApp, code: Option<String>) -> User {
        let mut user = app.visitor();
        let home = user.log_in(&self.name, &code.unwrap_or_else(|| PASSWORD.to_owned())).await.is(303);
        if home.header("location") == Some("/account/password") {
            choose_password(&mut user).await;
        }
        user
    }

    /// Fails unless the account has the rights of the role in the tenant, or none at all.
    async fn has_rights(&self, user: &mut User, has: bool, when: &str) {
        let (slug, about) = (self.slug(), format!("{} {} {} {when}", self.maker, self.tenant, self.role.as_str()));
        let admin = has && self.role.administers();
        let expected = match (has, admin) {
            (false, _) => 404,
            (true, false) => 403,
            (true, true) => 200,
        };
        assert_eq!(user.get(&format!("/t/{slug}/members/new")).await.status, expected, "{about}");
        assert_eq!(user.get(&format!("/t/{slug}/me")).await.status, if has { 200 } else { 404 }, "{about}");
        let instance = if admin && self.tenant == "warehouse" { 200 } else { 403 };
        assert_eq!(user.get("/instance/tenants").await.status, instance, "{about}");
    }
}

async fn choose_password(user: &mut User) {
    let fields = [("new_password", CHOSEN), ("confirm_password", CHOSEN)];
    user.post("/account/password", &fields).await.leads_to("/");
}

async fn member_of(app: &TestApp, tenant: TenantId, username: &'static str) -> MemberId {
    let find = move |c: &mut belfry::db::AnyConnection| {
        let row = members::table.filter(members::tenant.eq(tenant)).filter(members::username_key.eq(username));
        Ok(row.select(members::id).first(c)?)
    };
    app.db.read(find).await.expect("a member")
}

async fn tenant_of(app: &TestApp, slug: &'static str) -> TenantId {
    let find = move |c: &mut belfry::db::AnyConnection| {
        Ok(tenants::table.filter(tenants::slug.eq(slug)).select(tenants::id).first(c)?)
    };
    app.db.read(find).await.expect("a tenant")
}

/// `tom`, whom `theirs` made, becomes a member of `ours` by invitation and acceptance.
async fn tom_joins(app: &TestApp, town: &Town, role: Role) -> (User, MemberId) {
    let fields = [("username", "tom"), ("role", role.as_str()), ("confirmed", "tom")];
    app.log_in("sam").await.post("/t/ours/members/new", &fields).await.is(200);
    let mut tom = app.log_in("tom").await;
    tom.accept_invitation().await.leads_to("/t/ours");
    (tom, member_of(app, town.ours, "tom").await)
}

fn code_on(page: &Answer) -> String {
    page.attribute("input[readonly]", "value").expect("a one-time code")
}

/// The audit log of a tenant as its administrator reads it: who, what, whom.
async fn log_of(app: &TestApp, username: &str, slug: &str) -> Vec<String> {
    app.log_in(username).await.get(&format!("/t/{slug}/audit")).await.is(200).texts("tbody tr")
}

on_both! {
    async fn an_account_joins_a_tenant_that_did_not_make_it_only_by_its_owners_acceptance(app: &TestApp) {
        let town = app.settle().await;
        let (mut sam, mut root) = (app.log_in("sam").await, app.log_in("root").await);
        for row in rows() {
            let maker = match row.maker {
                "ours" => Some(town.ours),
                "theirs" => Some(town.theirs),
                "warehouse" => Some(town.warehouse),
                _ => None,
            };
            if row.maker != "nobody" {
                made_by(app, &row.name, maker, row.is_used).await;
            }
            let admin = if row.tenant == "ours" { &mut sam } else { &mut root };
            let about = format!("{} {} {} {}", row.maker, row.is_used, row.tenant, row.role.as_str());
            let before = dump(&app.db).await["members"].len();
            let mut page = row.add(admin, false).await;
            if row.asks {
                assert_eq!(page.status, 422, "{about}");
                assert_eq!(page.attribute("#f-confirmed", "value").as_deref(), Some(row.name.as_str()), "{about}");
                let year = app.clock.now().format("%Y-").to_string();
                assert!(page.text(".note.wait p").contains(&year), "who made it and when: {about}");
                assert_eq!(dump(&app.db).await["members"].len(), before, "{about}");
                page = row.add(admin, true).await;
            }
            if row.outcome == "refused" {
                assert_eq!(page.status, 422, "{about}");
                assert!(page.body.contains("one-time code"), "{about}");
                assert_eq!(dump(&app.db).await["members"].len(), before, "{about}");
                continue;
            }
            assert!(page.status < 400, "{about}: {}", page.body);
            let code = (row.maker == "nobody").then(|| code_on(&page));
            let mut user = row.log_in(app, code).await;
            if row.outcome == "invited" {
                row.has_rights(&mut user, false, "before acceptance").await;
                user.accept_invitation().await.leads_to(&format!("/t/{}", row.slug()));
            }
            row.has_rights(&mut user, true, "at last").await;
        }
    }

    async fn only_who_sees_all_tenants_is_told_the_name_of_the_one_that_made_an_account(app: &TestApp) {
        app.settle().await;
        let fields = [("username", "tom"), ("role", "member")];
        let made = async |username: &str, slug: &str| {
            let page = app.log_in(username).await.post(&format!("/t/{slug}/members/new"), &fields).await.is(422);
            page.text(".note.wait p")
        };
        let (ours, warehouse) = (made("sam", "ours").await, made("root", "metadata-warehouse").await);
        assert!(ours.contains("another tenant") && !ours.contains("theirs"), "{ours}");
        assert!(warehouse.contains("the tenant theirs"), "{warehouse}");
    }

    async fn a_confirmation_is_of_one_account_alone(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "theo"), ("role", "member"), ("confirmed", "tom")];
        let page = sam.post("/t/ours/members/new", &fields).await.is(422);
        assert_eq!(page.attribute("#f-confirmed", "value").as_deref(), Some("theo"));
        assert!(page.attribute("#f-confirmed", "checked").is_none());
    }

    async fn who_is_invited_is_shown_as_such_and_nobody_else_can_answer(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "tom"), ("role", "system_administrator"), ("confirmed", "tom")];
        sam.post("/t/ours/members/new", &fields).await.is(200);
        let list = sam.get("/t/ours/members?status=invited").await.is(200);
        assert_eq!(list.texts("tbody tr td:first-child"), ["tom"]);
        assert_eq!(list.texts("tbody .badge.wait")[0], "Invited");
        let id = member_of(app, town.ours, "tom").await.to_string();
        for username in ["theo", "mia", "root"] {
            let mut other = app.log_in(username).await;
            for answer in ["accept", "decline"] {
                other.post(&format!("/invitations/{answer}"), &[("invitation", &id)]).await.is(404);
            }
        }
        // It stands on the start page of an account that has one tenant, which otherwise leads straight on.
        let mut tom = app.log_in("tom").await;
        let start = tom.get("/").await.is(200);
        assert_eq!(start.text("main h1"), "Invitations", "the page's first heading");
        assert_eq!(start.texts("main h2").len(), 1);
        assert_eq!(start.texts("ul.tenants a"), ["theirs"]);
        tom.post("/language", &[("language", "zh-CN"), ("return_to", "/")]).await.is(303);
        let start = tom.get("/").await.is(200);
        assert_eq!(start.texts("ul.invitations button"), ["接受", "拒绝"]);
        tom.accept_invitation().await.leads_to("/t/ours");
        tom.post("/invitations/accept", &[("invitation", &id)]).await.is(404);
        let log = log_of(app, "sam", "ours").await.join("\n");
        assert!(log.contains("Invited an account") && log.contains("Accepted an invitation"), "{log}");
    }

    async fn a_declined_invitation_leaves_nothing_but_its_record(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "tom"), ("role", "member"), ("confirmed", "tom")];
        sam.post("/t/ours/members/new", &fields).await.is(200);
        let group = [("name", "Night"), ("members", "mia"), ("admins", "tom")];
        sam.post("/t/ours/groups/new", &group).await.is(303);
        let mut tom = app.log_in("tom").await;
        tom.answer_invitation("decline").await.leads_to("/");
        tom.get("/").await.leads_to("/t/theirs");
        tom.get("/t/ours").await.is(404);
        assert!(!sam.get("/t/ours/members").await.texts("tbody td:first-child").contains(&"tom".to_owned()));
        assert!(dump(&app.db).await["user_group_accounts"].len() == 1, "nor does he administer a group");
        assert!(log_of(app, "sam", "ours").await.join("\n").contains("Declined an invitation"));
    }

    async fn alerts_reach_who_is_invited_over_the_robot_that_the_tenant_gave_him(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "tom"), ("role", "system_administrator"), ("confirmed", "tom")];
        sam.post("/t/ours/members/new", &fields).await.is(200);
        let tom = member_of(app, town.ours, "tom").await;
        let webhook = app.robot(RobotKind::WeCom, "0a1b2c3d-0000-4000-8000-000000000001");
        let edit = format!("/t/ours/members/{tom}/edit");
        sam.post(&edit, &[("role", "system_administrator"), ("confirmed", "tom"), ("wecom_robot", &webhook)])
            .await
            .leads_to("/t/ours/members");
        app.rule_ringing(town.ours, "administrators", Receiver::Role(Role::SystemAdministrator)).await;
        app.alert(town.ours, "disk full").await;
        let to_tom = move |c: &mut belfry::db::AnyConnection| {
            let reached = deliveries::table.filter(deliveries::member.eq(Some(tom))).filter(deliveries::robot.is_not_null());
            Ok(reached.filter(deliveries::alert.is_not_null()).count().get_result::<i64>(c)?)
        };
        assert_eq!(app.db.read(to_tom).await.unwrap(), 1);
        // It is no right: he sees neither the alert nor the tenant.
        app.log_in("tom").await.get("/t/ours/alerts").await.is(404);
    }

    async fn a_tenant_recovers_its_account_which_then_has_no_rights_elsewhere(app: &TestApp) {
        let town = app.settle().await;
        let (mut tom, in_ours) = tom_joins(app, &town, Role::SystemAdministrator).await;
        let mut root = app.log_in("root").await;
        let fields = [("username", "tom"), ("role", "system_administrator"), ("confirmed", "tom")];
        root.post("/t/metadata-warehouse/members/new", &fields).await.is(200);
        tom.accept_invitation().await.leads_to("/t/metadata-warehouse");
        tom.get("/instance/tenants").await.is(200);
        // Only the tenant that made it can.
        let mut sue = app.log_in("sue").await;
        sue.post(&format!("/t/ours/members/{in_ours}/code"), &[]).await.is(403);
        let page = app.log_in("theo").await.post(&format!("/t/theirs/members/{}/code", town.tom), &[]).await.is(200);

        let mut holder = app.visitor();
        holder.log_in("tom", &code_on(&page)).await.leads_to("/account/password");
        choose_password(&mut holder).await;
        holder.get("/").await.leads_to("/t/theirs");
        for path in ["/t/ours", "/t/ours/members", "/t/ours/me", "/t/metadata-warehouse/members"] {
            holder.get(path).await.is(404);
        }
        holder.get("/instance/tenants").await.is(403);
        for (username, slug) in [("sue", "ours"), ("root", "metadata-warehouse")] {
            let log = log_of(app, username, slug).await;
            assert!(log.iter().any(|row| row.contains("Suspended a member") && row.contains("tom")), "{log:?}");
            assert!(!log.join("").contains("theo"), "who did it in another tenant is not told: {log:?}");
        }
        let list = sue.get("/t/ours/members?status=suspended").await.is(200);
        assert_eq!(list.texts("tbody td:first-child"), ["tom"]);

        // The tenant invites him again, and he accepts.
        sue.post(&format!("/t/ours/members/{in_ours}/reinstate"), &[]).await.leads_to("/t/ours/members");
        holder.get("/t/ours").await.is(404);
        holder.accept_invitation().await.leads_to("/t/ours");
        holder.get("/t/ours/members/new").await.is(200);
    }

    async fn a_role_that_was_changed_since_it_was_shown_is_not_accepted(app: &TestApp) {
        let town = app.settle().await;
        let mut sue = app.log_in("sue").await;
        let fields = [("username", "tom"), ("role", "member"), ("confirmed", "tom")];
        sue.post("/t/ours/members/new", &fields).await.is(200);
        let id = member_of(app, town.ours, "tom").await;
        let mut tom = app.log_in("tom").await;
        let accepted = [("invitation", &*id.to_string()), ("role", "member")];
        let role = [("role", "system_administrator"), ("confirmed", "tom")];
        sue.post(&format!("/t/ours/members/{id}/edit"), &role).await.leads_to("/t/ours/members");
        tom.post("/invitations/accept", &accepted).await.leads_to("/");
        assert!(tom.get("/").await.is(200).body.contains("The role in this invitation has changed."));
        tom.get("/t/ours").await.is(404);
        tom.accept_invitation().await.leads_to("/t/ours");
    }

    async fn a_second_code_for_an_invited_account_takes_the_invitation_back(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "tom"), ("role", "member"), ("confirmed", "tom")];
        sam.post("/t/ours/members/new", &fields).await.is(200);
        let page = app.log_in("theo").await.post(&format!("/t/theirs/members/{}/code", town.tom), &[]).await.is(200);
        let mut holder = app.visitor();
        holder.log_in("tom", &code_on(&page)).await.leads_to("/account/password");
        choose_password(&mut holder).await;
        holder.get("/").await.leads_to("/t/theirs");
        let id = member_of(app, town.ours, "tom").await;
        holder.post("/invitations/accept", &[("invitation", &id.to_string())]).await.is(404);
    }

    async fn disabling_and_reinstating_gives_nobody_rights_who_has_not_accepted(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let fields = [("username", "tom"), ("role", "member"), ("confirmed", "tom")];
        sam.post("/t/ours/members/new", &fields).await.is(200);
        let id = member_of(app, town.ours, "tom").await;
        let mut tom = app.log_in("tom").await;
        sam.post(&format!("/t/ours/members/{id}/disable"), &[]).await.is(303);
        tom.get("/").await.leads_to("/t/theirs");
        sam.post(&format!("/t/ours/members/{id}/reinstate"), &[]).await.is(303);
        tom.get("/t/ours").await.is(404);
        tom.accept_invitation().await.leads_to("/t/ours");
        // Nor does it when the account was recovered while its member was disabled.
        sam.post(&format!("/t/ours/members/{id}/disable"), &[]).await.is(303);
        let page = app.log_in("theo").await.post(&format!("/t/theirs/members/{}/code", town.tom), &[]).await.is(200);
        sam.post(&format!("/t/ours/members/{id}/reinstate"), &[]).await.is(303);
        let mut holder = app.visitor();
        holder.log_in("tom", &code_on(&page)).await.leads_to("/account/password");
        choose_password(&mut holder).await;
        holder.get("/t/ours").await.is(404);
        holder.accept_invitation().await.leads_to("/t/ours");
    }

    async fn a_tenant_whose_super_administrator_declines_gets_another_from_the_instance(app: &TestApp) {
        let town = app.settle().await;
        let mut root = app.log_in("root").await;
        let fields = [("name", "New"), ("slug", "new"), ("time_zone", "UTC"), ("super_admin", "tom"), ("confirmed", "tom")];
        root.post("/instance/tenants/new", &fields).await.leads_to("/instance/tenants");
        let id = tenant_of(app, "new").await;
        let mut tom = app.log_in("tom").await;
        let list = root.get("/instance/tenants").await.is(200);
        assert!(list.texts("tbody tr").iter().any(|row| row.contains("tom Invited")), "{:?}", list.texts("tbody tr"));
        tom.answer_invitation("decline").await.leads_to("/");
        let edit = root.get(&format!("/instance/tenants/{id}/edit")).await.is(200);
        assert!(edit.text("dl.facts").contains("tom Declined"), "{}", edit.text("dl.facts"));
        let name = format!("/instance/tenants/{id}/super-admin");
        let asked = root.post(&name, &[("super_admin", "theo")]).await.is(422);
        assert_eq!(asked.attribute("#f-confirmed", "value").as_deref(), Some("theo"));
        root.post(&name, &[("super_admin", "theo"), ("confirmed", "theo")]).await.leads_to("/instance/tenants");
        // A mistake can be put right until somebody accepts.
        let page = root.post(&name, &[("super_admin", "new.owner")]).await.is(200);
        app.log_in("theo").await.get("/").await.leads_to("/t/theirs");
        let mut owner = app.visitor();
        owner.log_in("new.owner", &code_on(&page)).await.leads_to("/account/password");
        choose_password(&mut owner).await;
        owner.get("/t/new/members/new").await.is(200);
        // From now on the tenant has an administrator, and nobody outside has a say in it.
        for tenant in [id, town.ours, town.warehouse] {
            let path = format!("/instance/tenants/{tenant}/super-admin");
            root.post(&path, &[("super_admin", "root")]).await.is(403);
        }
        let log = owner.get("/t/new/audit").await.is(200).texts("tbody tr");
        assert_eq!(log.iter().filter(|row| row.contains("Named the super administrator")).count(), 2, "{log:?}");
    }

    async fn the_instance_recovers_a_super_administrator_whom_his_tenant_then_reinstates(app: &TestApp) {
        let town = app.settle().await;
        let (mut root, mut sam) = (app.log_in("root").await, app.log_in("sam").await);
        let page = root.post(&format!("/instance/tenants/{}/code", town.ours), &[]).await.is(200);
        let mut holder = app.visitor();
        holder.log_in("sue", &code_on(&page)).await.leads_to("/account/password");
        choose_password(&mut holder).await;
        holder.get("/t/ours").await.is(404);
        // The tenant has an administrator, who decides.
        let name = format!("/instance/tenants/{}/super-admin", town.ours);
        root.post(&name, &[("super_admin", "root")]).await.is(403);
        let sue = member_of(app, town.ours, "sue").await;
        let list = sam.get("/t/ours/members").await.is(200);
        assert!(list.body.contains(&format!("/t/ours/members/{sue}/reinstate")));
        sam.get(&format!("/t/ours/members/{sue}/edit")).await.is(403);
        for deed in ["disable", "remove", "code"] {
            sam.post(&format!("/t/ours/members/{sue}/{deed}"), &[]).await.is(403);
        }
        sam.post(&format!("/t/ours/members/{sue}/reinstate"), &[]).await.leads_to("/t/ours/members");
        sam.post(&format!("/t/ours/members/{sue}/reinstate"), &[]).await.is(403);
        holder.accept_invitation().await.leads_to("/t/ours");
        holder.get("/t/ours/members/new").await.is(200);
    }

    async fn nobody_gets_a_code_for_a_peer_or_superior_by_making_him_super_administrator_of_a_tenant(app: &TestApp) {
        let town = app.settle().await;
        app.member(town.warehouse, "operator", Role::SystemAdministrator).await;
        let mut operator = app.log_in("operator").await;
        let fields = [("name", "Trap"), ("slug", "trap"), ("time_zone", "UTC"), ("super_admin", "root"), ("confirmed", "root")];
        operator.post("/instance/tenants/new", &fields).await.leads_to("/instance/tenants");
        let trap = tenant_of(app, "trap").await;
        assert!(!operator.get(&format!("/instance/tenants/{trap}/edit")).await.is(200).body.contains("/code\""));
        for tenant in [trap, town.warehouse] {
            operator.post(&format!("/instance/tenants/{tenant}/code"), &[]).await.is(404);
        }
        // Nor for the account of a tenant, which only that tenant recovers.
        let fields = [("name", "Two"), ("slug", "two"), ("time_zone", "UTC"), ("super_admin", "tom"), ("confirmed", "tom")];
        operator.post("/instance/tenants/new", &fields).await.leads_to("/instance/tenants");
        let two = tenant_of(app, "two").await;
        operator.post(&format!("/instance/tenants/{two}/code"), &[]).await.is(404);
        app.log_in("root").await;
        app.log_in("tom").await;
    }

    async fn who_adds_himself_has_accepted(app: &TestApp) {
        app.settle().await;
        let mut root = app.log_in("root").await;
        let fields = [("name", "Own"), ("slug", "own"), ("time_zone", "UTC"), ("super_admin", "root")];
        root.post("/instance/tenants/new", &fields).await.leads_to("/t/own");
        root.get("/t/own/members/new").await.is(200);
    }

    async fn a_member_becomes_an_administrator_only_after_it_was_shown_who_made_the_account(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let edit = format!("/t/ours/members/{}/edit", town.mia);
        assert!(sam.get(&edit).await.is(200).text("dialog").contains("created by this tenant"));
        let fields = [("role", "system_administrator"), ("phone", "+1 212 555 0123")];
        let page = sam.post(&edit, &fields).await.is(422);
        assert_eq!(page.attribute("#f-confirmed", "value").as_deref(), Some("mia"));
        assert_eq!(page.attribute("#f-phone", "value").as_deref(), Some("+1 212 555 0123"), "what was typed is kept");
        app.log_in("mia").await.get("/t/ours/members/new").await.is(403);
        sam.post(&edit, &[&fields[..], &[("confirmed", "mia")]].concat()).await.leads_to("/t/ours/members");
        app.log_in("mia").await.get("/t/ours/members/new").await.is(200);
    }

    async fn a_removed_administrator_who_is_added_again_cannot_be_taken_over_by_a_peer(app: &TestApp) {
        let town = app.settle().await;
        let eve = member_of(app, town.ours, "eve").await;
        let mut sam = app.log_in("sam").await;
        let before = dump(&app.db).await["members"].clone();
        for deed in ["remove", "disable", "code"] {
            sam.post(&format!("/t/ours/members/{eve}/{deed}"), &[]).await.is(403);
        }
        sam.post("/t/ours/members/new", &[("username", "eve"), ("role", "member")]).await.is(422);
        assert_eq!(dump(&app.db).await["members"], before);
        // Who was disabled by a superior is not brought back by a peer either.
        app.log_in("sue").await.post(&format!("/t/ours/members/{eve}/disable"), &[]).await.is(303);
        sam.post(&format!("/t/ours/members/{eve}/reinstate"), &[]).await.is(403);
        app.clock.advance(TimeDelta::minutes(1));
        let page = sam.get(&format!("/t/ours/members/{eve}/edit")).await.is(200);
        for button in ["/disable", "/reinstate", "/remove", "/code"] {
            assert!(!page.body.contains(&format!("{eve}{button}")), "{button}");
        }
    }
}
