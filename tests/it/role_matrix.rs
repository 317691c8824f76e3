//! Who may do what to whom, by the real server and its database: taking something away from members, and the administration of
//! user groups. What is refused changes nothing, and what is allowed does what it says.

use std::collections::BTreeMap;

use belfry::{
    access::Role,
    db::{AnyConnection, GroupId, MemberId, TenantId},
};
use diesel::connection::SimpleConnection as _;

use crate::harness::{Answer, TestApp, Town, User, dump, lines};

/// Who acts on whom. `yes` is done, `no` is refused.
const ON_MEMBERS: &str = "
actor     target  disable reinstate remove code role end-sessions
super     self    no      no        no     no   no   no
super     system  yes     yes       yes    yes  yes  yes
super     member  yes     yes       yes    yes  yes  yes
system    super   no      no        no     no   no   no
system    self    no      no        no     no   no   no
system    system  no      no        no     no   no   no
system    member  yes     yes       yes    yes  yes  yes
member    super   no      no        no     no   no   no
member    self    no      no        no     no   no   no
member    system  no      no        no     no   no   no
member    member  no      no        no     no   no   no
foreign   member  no      no        no     no   no   no
instance  member  no      no        no     no   no   no
disabled  member  no      no        no     no   no   no
";

/// Who changes what about a group that `gina` and `dora`, who is disabled, administer. `part` is accepted and changes nothing.
const ON_GROUPS: &str = "
actor      new rename members admins switch delete
super      yes yes    yes     yes    yes    yes
system     yes yes    yes     yes    yes    yes
groupadmin no  part   yes     part   yes    no
member     no  no     no      no     no     no
foreign    no  no     no      no     no     no
instance   no  no     no      no     no     no
disabled   no  no     no      no     no     no
";

/// The usernames of the actors.
const ACTORS: [(&str, &str); 7] = [
    ("super", "sue"),
    ("system", "sam"),
    ("member", "mia"),
    ("groupadmin", "gina"),
    ("foreign", "theo"),
    ("instance", "root"),
    ("disabled", "dora"),
];

/// The cells of a table: actor, the words that follow it up to the columns, and the column's name with what stands in it.
fn cells(table: &'static str, heads: usize) -> Vec<(Vec<&'static str>, &'static str, &'static str)> {
    let mut rows =
        table.lines().filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let heading = rows.next().expect("a heading");
    let mut cells = Vec::new();
    for row in rows {
        assert_eq!(row.len(), heading.len(), "{row:?}");
        for (column, cell) in heading.iter().zip(&row).skip(heads) {
            cells.push((row[..heads].to_vec(), *column, *cell));
        }
    }
    cells
}

async fn actors(app: &TestApp, town: &Town) -> BTreeMap<&'static str, User> {
    app.member(town.ours, "gina", Role::Member).await;
    let dora = app.member(town.ours, "dora", Role::SystemAdministrator).await;
    let mut users = BTreeMap::new();
    for (actor, username) in ACTORS {
        users.insert(actor, app.log_in(username).await);
    }
    app.disable(dora).await;
    users
}

/// One line of the database, or nothing.
async fn line(app: &TestApp, query: String) -> Option<String> {
    app.db.read(move |c: &mut AnyConnection| lines(c, query)).await.expect("it can be read").pop()
}

async fn member_id(app: &TestApp, username: &str) -> MemberId {
    let query = format!("SELECT CAST(id AS text) AS line FROM members WHERE username = '{username}'");
    MemberId(line(app, query).await.expect("a member").parse().expect("an id"))
}

/// A new member of a role with a session: the member, and his name.
async fn target(app: &TestApp, tenant: TenantId, role: Role) -> (MemberId, String) {
    let name = format!("target-{}", app.next_number());
    let member = app.member(tenant, &name, role).await;
    app.log_in(&name).await;
    (member, name)
}

/// What the actions are about: the role, whether he takes part, whether he has a code, and whether sessions; nothing once removed.
async fn state(app: &TestApp, member: MemberId) -> Option<String> {
    let query = format!(
        "SELECT role || ' ' || status || CASE WHEN code_expires_at IS NULL THEN '' ELSE ' with a code' END || \
         CASE WHEN EXISTS (SELECT 1 FROM sessions WHERE sessions.account = accounts.id) THEN ' in a session' ELSE '' END AS line \
         FROM members JOIN accounts ON accounts.id = members.account WHERE members.id = {member}"
    );
    line(app, query).await
}

async fn act(user: &mut User, action: &str, (member, name, role): (MemberId, &str, Role)) -> Answer {
    let path = format!("/t/ours/members/{member}");
    match action {
        "role" => {
            let other = if role == Role::Member { Role::SystemAdministrator } else { Role::Member };
            let fields = [("role", other.as_str()), ("confirmed", name)];
            user.post(&format!("{path}/edit"), &fields).await
        }
        action => user.post(&format!("{path}/{action}"), &[]).await,
    }
}

fn is_refused(answer: &Answer) -> bool {
    [403, 404].contains(&answer.status)
}

on_both! {
    async fn what_is_taken_from_members_follows_the_table(app: &TestApp) {
        let town = app.settle().await;
        let mut users = actors(app, &town).await;
        for (heads, action, cell) in cells(ON_MEMBERS, 2) {
            let about = format!("{action} by {} of {}", heads[0], heads[1]);
            let username = ACTORS.iter().find(|(actor, _)| *actor == heads[0]).expect("an actor").1;
            let (role, (member, name)) = match heads[1] {
                "self" if heads[0] == "member" => (Role::Member, (member_id(app, username).await, username.to_owned())),
                "self" => (Role::SystemAdministrator, (member_id(app, username).await, username.to_owned())),
                "super" => (Role::SystemAdministrator, (member_id(app, "sue").await, "sue".to_owned())),
                "system" => (Role::SystemAdministrator, target(app, town.ours, Role::SystemAdministrator).await),
                _ => (Role::Member, target(app, town.ours, Role::Member).await),
            };
            if action == "reinstate" && !["self", "super"].contains(&heads[1]) {
                app.disable(member).await;
            }
            let before = state(app, member).await.expect("a member");
            let user = users.get_mut(heads[0]).expect("an actor");
            let answer = act(user, action, (member, &name, role)).await;
            let after = state(app, member).await;
            if cell == "no" {
                assert!(is_refused(&answer), "{about}: {} {}", answer.status, answer.body);
                assert_eq!(after, Some(before), "{about}");
                continue;
            }
            assert!([200, 303].contains(&answer.status), "{about}: {} {}", answer.status, answer.body);
            let [role_word, other] = match role {
                Role::Member => ["member", "system_administrator"],
                _ => ["system_administrator", "member"],
            };
            let done = match action {
                "remove" => None,
                "disable" => Some(format!("{role_word} disabled")),
                "reinstate" => Some(format!("{role_word} active in a session")),
                "code" => Some(format!("{role_word} active with a code")),
                "role" => Some(format!("{other} active in a session")),
                _ => Some(format!("{role_word} active")),
            };
            assert_eq!(after, done, "{about}, before: {before}");
        }
    }

    async fn what_is_changed_about_groups_follows_the_table(app: &TestApp) {
        let town = app.settle().await;
        let mut users = actors(app, &town).await;
        for (heads, action, cell) in cells(ON_GROUPS, 1) {
            let about = format!("{action} by {}", heads[0]);
            let (group, name) = group(app, users.get_mut("super").expect("sue")).await;
            let path = format!("/t/ours/groups/{group}");
            let before = groups(app).await;
            let edit = |name, members, admins| [("name", name), ("description", ""), ("members", members), ("admins", admins)];
            let user = users.get_mut(heads[0]).expect("an actor");
            let answer = match action {
                "new" => user.post("/t/ours/groups/new", &[("name", "another")]).await,
                "rename" => user.post(&format!("{path}/edit"), &edit("renamed", "mia", "dora gina")).await,
                "members" => user.post(&format!("{path}/edit"), &edit(&name, "mia sam", "dora gina")).await,
                "admins" => user.post(&format!("{path}/edit"), &edit(&name, "mia", "dora gina mia")).await,
                "switch" => user.post(&format!("{path}/disable"), &[]).await,
                _ => user.post(&format!("{path}/delete"), &[]).await,
            };
            let changed = groups(app).await != before;
            assert_eq!(is_refused(&answer), cell == "no", "{about}: {} {}", answer.status, answer.body);
            assert_eq!(changed, cell == "yes", "{about}: {}", answer.status);
            let clean = "DELETE FROM user_group_accounts; DELETE FROM user_groups";
            app.db.write(move |c| Ok(c.batch_execute(clean)?)).await.expect("no groups");
        }
    }

    async fn who_is_removed_leaves_no_right_of_his_behind(app: &TestApp) {
        let town = app.settle().await;
        let mut users = actors(app, &town).await;
        let (group, _) = group(app, users.get_mut("super").expect("sue")).await;
        let administers = format!(
            "SELECT accounts.username AS line FROM user_group_accounts JOIN accounts ON accounts.id = account \
             WHERE user_group = {group} AND is_admin ORDER BY 1"
        );
        for (actor, username) in [("system", "gina"), ("super", "dora")] {
            let member = member_id(app, username).await;
            let user = users.get_mut(actor).expect("an actor");
            user.post(&format!("/t/ours/members/{member}/remove"), &[]).await.is(303);
            assert_ne!(line(app, administers.clone()).await.as_deref(), Some(username));
            assert_eq!(state(app, member).await, None);
        }
        assert_eq!(line(app, administers).await, None);
        let mut gina = users.remove("groupadmin").expect("gina");
        gina.post(&format!("/t/ours/groups/{group}/disable"), &[]).await.leads_to("/login");
    }
}

/// A group of `mia` that `gina` and `dora` administer, and its name.
async fn group(app: &TestApp, sue: &mut User) -> (GroupId, String) {
    let name = format!("group-{}", app.next_number());
    let fields = [("name", name.as_str()), ("members", "mia"), ("admins", "gina dora")];
    let made = sue.post("/t/ours/groups/new", &fields).await.is(303);
    let path = made.header("location").expect("a path");
    (GroupId(path.rsplit('/').next().unwrap().parse().expect("an id")), name)
}

async fn groups(app: &TestApp) -> Vec<Vec<String>> {
    let dump = dump(&app.db).await;
    ["user_groups", "user_group_accounts"].iter().map(|table| dump[*table].clone()).collect()
}
