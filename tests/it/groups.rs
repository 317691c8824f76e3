//! User groups: who is in them, who may change them, and what stands in the way of deleting one.

use belfry::{
    access::Role,
    alerts::Receiver,
    db::{AnyConnection, GroupId, MemberId, schema::members},
    groups::store,
};
use diesel::prelude::*;

use crate::harness::{Answer, TestApp, User, dump};

const NIGHT: [(&str, &str); 4] = [
    ("name", "夜班 Night"),
    ("description", "Who is woken at night"),
    ("members", "mia, SAM\r\ndan，mia"),
    ("admins", "mia"),
];

/// Makes a group through the page: its path.
async fn make(user: &mut User, fields: &[(&str, &str)]) -> String {
    let answer = user.post("/t/ours/groups/new", fields).await.is(303);
    answer.header("location").expect("a path").to_owned()
}

fn id(path: &str) -> GroupId {
    GroupId(path.rsplit('/').next().unwrap().parse().expect("an id"))
}

fn names(list: &Answer) -> Vec<String> {
    list.texts("tbody td:first-child")
}

fn typed(page: &Answer, field: &str) -> String {
    page.text(&format!("#f-{field}"))
}

/// Takes a member out of his tenant.
async fn leave(app: &TestApp, username: &str) {
    let key = username.to_owned();
    app.db
        .write(move |c| {
            let (tenant, id): (_, MemberId) =
                members::table.filter(members::username_key.eq(key)).select((members::tenant, members::id)).first(c)?;
            belfry::members::store::remove(c, tenant, id)
        })
        .await
        .expect("a member less");
}

on_both! {
    async fn a_group_is_made_seen_changed_switched_off_and_on_and_deleted(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        assert_eq!(sam.get("/t/ours/groups").await.is(200).texts(".empty").len(), 1);
        let path = make(&mut sam, &NIGHT).await;
        let list = sam.get("/t/ours/groups").await.is(200);
        assert_eq!(list.texts("tbody td"), ["夜班 Night", "Who is woken at night", "3", "mia", "On"]);
        let page = sam.get(&path).await.is(200);
        assert_eq!(names(&page), ["dan", "mia", "sam"]);
        assert_eq!(page.texts("tbody td:last-child"), ["Disabled", "No robot", "No robot"]);

        let edit = sam.get(&format!("{path}/edit")).await.is(200);
        assert_eq!(edit.attribute("#f-name", "value").as_deref(), Some("夜班 Night"));
        assert_eq!((typed(&edit, "members").as_str(), typed(&edit, "admins").as_str()), ("dan mia sam", "mia"));
        let fields = [("name", "Night"), ("members", "sue sam"), ("admins", "sam;eve")];
        sam.post(&format!("{path}/edit"), &fields).await.leads_to(&path);
        let page = sam.get(&path).await.is(200);
        assert_eq!((page.text("h1"), names(&page)), ("Night".to_owned(), vec!["sam".to_owned(), "sue".to_owned()]));

        for (switch, is_on) in [("disable", false), ("disable", false), ("enable", true)] {
            sam.post(&format!("{path}/{switch}"), &[]).await.leads_to(&path);
            let group = id(&path);
            let of = app.db.read(move |c| store::accounts_of(c, town.ours, group)).await.unwrap().unwrap();
            assert_eq!((of.0.as_str(), of.1, of.2.len()), ("Night", is_on, 2));
        }
        sam.post(&format!("{path}/delete"), &[]).await.leads_to("/t/ours/groups");
        sam.get(&path).await.is(404);
        sam.post(&format!("{path}/delete"), &[]).await.is(404);
        assert!(dump(&app.db).await["user_group_accounts"].is_empty());
        let audit = dump(&app.db).await["audit"].join("\n");
        for word in ["added", "edited", "enabled", "disabled", "deleted"] {
            assert_eq!(audit.matches(&format!("group-{word}")).count(), 1, "{word} in {audit}");
        }
        let log = sam.get("/t/ours/audit?action=group-edited").await.is(200);
        assert!(log.text("ul.changes").contains("Members removed: dan, mia"), "{}", log.text("ul.changes"));
    }

    async fn the_list_is_searched_by_name_and_status(app: &TestApp) {
        let town = app.settle().await;
        for name in ["Zürich 100%", "北风夜班", "batch"] {
            app.group(town.ours, name).await;
        }
        app.group(town.theirs, "batch of theirs").await;
        let mut sam = app.log_in("sam").await;
        let off = make(&mut sam, &[("name", "Quiet")]).await;
        sam.post(&format!("{off}/disable"), &[]).await.leads_to(&off);
        let mut mia = app.log_in("mia").await;
        for (query, found) in [
            ("q=BAT", vec!["batch"]),
            ("q=%E5%A4%9C%E7%8F%AD", vec!["北风夜班"]),
            ("q=%25", vec!["Zürich 100%"]),
            ("q=Z%C3%9CR", vec!["Zürich 100%"]),
            ("status=off", vec!["Quiet"]),
            ("status=on&q=quiet", vec![]),
            ("page=-3&status=x&q=a", vec!["batch"]),
        ] {
            let list = mia.get(&format!("/t/ours/groups?{query}")).await.is(200);
            assert_eq!(names(&list), found, "{query}");
        }
    }

    async fn a_name_is_unique_in_the_tenant_without_regard_to_case(app: &TestApp) {
        let town = app.settle().await;
        app.group(town.theirs, "Ünder").await;
        let mut sam = app.log_in("sam").await;
        make(&mut sam, &[("name", "Ünder")]).await;
        let other = make(&mut sam, &[("name", "Other")]).await;
        for path in ["/t/ours/groups/new".to_owned(), format!("{other}/edit")] {
            let page = sam.post(&path, &[("name", " üNDER "), ("members", "mia")]).await.is(422);
            assert!(page.text("#e-name").contains("user group with this name"));
            assert_eq!(typed(&page, "members"), "mia");
        }
        // Its own name is no other's.
        sam.post(&format!("{other}/edit"), &[("name", "OTHER")]).await.leads_to(&other);
    }

    async fn mistakes_are_told_beside_their_fields_and_what_was_typed_is_kept(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let long = "名".repeat(129);
        let fields = [("name", long.as_str()), ("description", &long), ("members", "mia"), ("admins", "a b c d e f")];
        let page = sam.post("/t/ours/groups/new", &fields).await.is(422);
        assert!(page.text("#e-name").contains("128") && page.text("#e-description").contains("128"));
        assert!(page.text("#e-admins").contains('5'));
        assert_eq!(page.attribute("#f-name", "value"), Some(long.clone()));
        assert_eq!((typed(&page, "members").as_str(), typed(&page, "admins").as_str()), ("mia", "a b c d e f"));
        // That nobody is called a to f is a mistake of its own beside their number.
        assert_eq!(page.texts("[role=alert] li").len(), 4);

        // Somebody of another tenant is as unknown as nobody.
        let fields = [("name", &long[3..]), ("members", "mia, tom, 张三"), ("admins", "theo, sue")];
        let page = sam.post("/t/ours/groups/new", &fields).await.is(422);
        assert!(page.text("#e-members").ends_with(": tom, 张三"), "{}", page.text("#e-members"));
        assert!(page.text("#e-admins").ends_with(": theo"));
        assert_eq!(typed(&page, "members"), "mia, tom, 张三");
        sam.post("/t/ours/groups/new", &[("name", " ")]).await.is(422);
        assert!(dump(&app.db).await["user_groups"].is_empty());
        make(&mut sam, &[("name", &long[3..]), ("admins", "sue sam eve mia dan")]).await;
    }

    async fn who_leaves_the_tenant_stays_in_the_group_and_is_marked(app: &TestApp) {
        let town = app.settle().await;
        app.member(town.ours, "gone", Role::Member).await;
        let mut sam = app.log_in("sam").await;
        let path = make(&mut sam, &[("name", "Night"), ("members", "gone mia"), ("admins", "gone")]).await;
        leave(app, "gone").await;
        let page = app.log_in("mia").await.get(&path).await.is(200);
        assert_eq!(page.texts("tbody tr"), ["gone gone Left the tenant", "mia mia Active"]);
        // What was there may stay; who only left does not come into another group, and administers none.
        let fields = [("name", "Night"), ("members", "gone mia sam"), ("admins", "gone")];
        sam.post(&format!("{path}/edit"), &fields).await.is(422);
        sam.post(&format!("{path}/edit"), &fields[..2]).await.leads_to(&path);
        assert_eq!(names(&sam.get(&path).await), ["gone", "mia", "sam"]);
        sam.post("/t/ours/groups/new", &[("name", "Day"), ("members", "gone")]).await.is(422);
        let group = id(&path);
        let (_, _, accounts) = app.db.read(move |c| store::accounts_of(c, town.ours, group)).await.unwrap().unwrap();
        assert_eq!(accounts.len(), 3);
    }

    async fn who_is_removed_and_added_again_administers_no_group_any_more(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let path = make(&mut sam, &[("name", "Night"), ("members", "mia sue"), ("admins", "mia")]).await;
        let other = make(&mut sam, &[("name", "Day"), ("members", "sue"), ("admins", "mia")]).await;
        app.log_in("mia").await.get(&format!("{path}/edit")).await.is(200);
        sam.post(&format!("/t/ours/members/{}/remove", town.mia), &[]).await.is(303);
        sam.post("/t/ours/members/new", &[("username", "mia"), ("role", "member")]).await.is(200);
        let mut mia = app.log_in("mia").await;
        for path in [path, other] {
            mia.get(&path).await.is(200);
            mia.get(&format!("{path}/edit")).await.is(403);
            mia.post(&format!("{path}/disable"), &[]).await.is(403);
        }
    }

    async fn a_groups_administrator_changes_its_members_and_switches_it_and_nothing_else(app: &TestApp) {
        let town = app.settle().await;
        app.member(town.ours, "max", Role::Member).await;
        let mut sam = app.log_in("sam").await;
        // He need not be in it himself.
        let path = make(&mut sam, &[("name", "Night"), ("members", "sue"), ("admins", "mia")]).await;
        let other = make(&mut sam, &[("name", "Other"), ("members", "mia")]).await;
        let (mut mia, mut max) = (app.log_in("mia").await, app.log_in("max").await);

        let page = mia.get(&format!("{path}/edit")).await.is(200);
        assert_eq!(page.texts("form #f-name, form #f-admins, form #f-description").len(), 0);
        let fields = [("name", "Mine"), ("description", "mine"), ("members", "max,nobody"), ("admins", "mia max")];
        let refused = mia.post(&format!("{path}/edit"), &fields).await.is(422);
        assert_eq!(typed(&refused, "members"), "max,nobody");
        let fields = [("name", "Mine"), ("description", "mine"), ("members", "max"), ("admins", "mia max")];
        mia.post(&format!("{path}/edit"), &fields).await.leads_to(&path);
        let page = mia.get(&path).await.is(200);
        assert_eq!((page.text("h1"), names(&page)), ("Night".to_owned(), vec!["max".to_owned()]));
        assert_eq!(page.text("dl.facts dd:last-child"), "mia");
        assert!(!page.body.contains("/delete"));
        mia.post(&format!("{path}/disable"), &[]).await.leads_to(&path);
        mia.post(&format!("{path}/enable"), &[]).await.leads_to(&path);
        mia.post(&format!("{path}/delete"), &[]).await.is(403);
        mia.post("/t/ours/groups/new", &[("name", "New")]).await.is(403);

        let before = dump(&app.db).await["user_group_accounts"].clone();
        for (user, path) in [(&mut mia, &other), (&mut max, &path)] {
            user.get(path).await.is(200);
            user.get(&format!("{path}/edit")).await.is(403);
            for what in ["edit", "enable", "disable", "delete"] {
                user.post(&format!("{path}/{what}"), &[("name", "X"), ("members", "mia")]).await.is(403);
            }
        }
        assert_eq!(dump(&app.db).await["user_group_accounts"], before);
        // A right that was taken away is gone with the next request.
        sam.post(&format!("{path}/edit"), &[("name", "Night"), ("members", "mia")]).await.leads_to(&path);
        mia.post(&format!("{path}/disable"), &[]).await.is(403);
    }

    async fn a_group_of_another_tenant_is_not_there(app: &TestApp) {
        let town = app.settle().await;
        let theirs = app.group(town.theirs, "Theirs").await;
        let mut sam = app.log_in("sam").await;
        for path in [format!("/t/ours/groups/{theirs}"), format!("/t/theirs/groups/{theirs}")] {
            sam.get(&path).await.is(404);
            sam.get(&format!("{path}/edit")).await.is(404);
            for what in ["edit", "enable", "disable", "delete"] {
                sam.post(&format!("{path}/{what}"), &[("name", "X")]).await.is(404);
            }
        }
        let (ours, account) = (town.ours, belfry::db::AccountId(1));
        let found = app
            .db
            .read(move |c: &mut AnyConnection| {
                let administers = store::administers(c, ours, theirs, account)?;
                Ok((store::accounts_of(c, ours, theirs)?, administers))
            })
            .await
            .unwrap();
        assert_eq!(found, (None, false));
        assert_eq!(sam.get("/t/ours/groups").await.is(200).texts(".empty").len(), 1, "there is no group in the list");
    }

    async fn a_group_that_an_alert_rule_rings_is_not_deleted_and_the_rule_is_named(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let path = make(&mut sam, &NIGHT).await;
        let group = id(&path);
        app.rule_ringing(town.ours, "disk-full", Receiver::Group(group)).await;
        // A schedule that happens to have the same number does not hold a group.
        let free = make(&mut sam, &[("name", "Free")]).await;
        app.rule_ringing(town.ours, "other", Receiver::Schedule(belfry::db::ScheduleId(id(&free).0))).await;
        let page = sam.post(&format!("{path}/delete"), &[]).await.is(409);
        assert!(page.text("[role=alert]").contains("disk-full"), "{}", page.text("[role=alert]"));
        assert_eq!(names(&page).len(), 3);
        sam.get(&path).await.is(200);
        sam.post(&format!("{free}/delete"), &[]).await.leads_to("/t/ours/groups");
    }
}
