//! Shift schedules: whose turn it is, who may plan it, and what stands in the way of deleting one.

use belfry::{
    access::Role,
    alerts::Receiver,
    db::{
        MemberId, ScheduleId,
        schema::{accounts, members},
    },
    schedules::{OnDuty, Unit, store},
};
use chrono::{Days, NaiveDate, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use diesel::prelude::*;

use crate::harness::{Answer, TestApp, User, dump};

/// The day that the tenant's calendar shows, so many days from now.
fn day(app: &TestApp, from_today: i64) -> NaiveDate {
    Tz::Asia__Shanghai.from_utc_datetime(&(app.clock.now() + TimeDelta::days(from_today))).date_naive()
}

/// A schedule by day from tomorrow on, with these fields in the place of the usual ones.
fn fields(app: &TestApp, other: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    let tomorrow = day(app, 1).to_string();
    let usual = [
        ("name", "夜班 Night"),
        ("shifts", "mia\r\nsam, SUE"),
        ("every", "1"),
        ("unit", "day"),
        ("starts_on", tomorrow.as_str()),
        ("day", "all"),
        ("handover", "08:30"),
    ];
    let is_other = |name: &str| other.iter().any(|(field, _)| *field == name);
    let usual = usual.into_iter().filter(|(name, _)| !is_other(name));
    usual.chain(other.iter().copied()).map(|(name, value)| (name, value.to_owned())).collect()
}

async fn post(user: &mut User, path: &str, fields: &[(&'static str, String)]) -> Answer {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    user.post(path, &fields).await
}

async fn make(app: &TestApp, user: &mut User, other: &[(&'static str, &str)]) -> String {
    let answer = post(user, "/t/ours/schedules/new", &fields(app, other)).await.is(303);
    answer.header("location").expect("a path").to_owned()
}

fn id(path: &str) -> ScheduleId {
    ScheduleId(path.rsplit('/').next().unwrap().parse().expect("an id"))
}

/// The first `count` turns of the roster on a page: begin and people.
fn roster(page: &Answer, count: usize) -> Vec<(String, String)> {
    let (begins, people) = (page.texts("tbody td:first-child"), page.texts("tbody td:last-child"));
    begins.into_iter().zip(people).take(count).collect()
}

fn names(list: &Answer) -> Vec<String> {
    list.texts("tbody td:first-child")
}

on_both! {
    async fn a_schedule_is_previewed_saved_seen_changed_and_deleted(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let form = sam.get("/t/ours/schedules/new").await.is(200);
        assert_eq!(form.attribute("#f-starts_on", "value"), Some(day(app, 0).to_string()));
        assert_eq!(form.attribute("#f-starts_on", "type").as_deref(), Some("date"));
        assert_eq!(form.attribute("#f-handover", "type").as_deref(), Some("time"));

        let turns: Vec<(String, String)> = [(1, "mia No robot"), (2, "sam No robotsue No robot"), (3, "mia No robot")]
            .map(|(from_today, people)| (format!("{} 08:30", day(app, from_today)), people.to_owned()))
            .into();
        let preview = post(&mut sam, "/t/ours/schedules/new", &fields(app, &[("preview", "1")])).await.is(200);
        assert_eq!(roster(&preview, 3), turns);
        assert_eq!(preview.texts("tbody tr").len(), 14);
        assert!(preview.text("thead").contains("Asia/Shanghai"));
        assert_eq!(preview.attribute("#f-name", "value").as_deref(), Some("夜班 Night"));
        assert_eq!(preview.text("#f-shifts"), "mia sam, SUE");
        assert_eq!(preview.texts(".note.wait li").len(), 3, "nobody has a robot");
        assert!(dump(&app.db).await["shift_schedules"].is_empty(), "a preview saves nothing");

        let path = make(app, &mut sam, &[]).await;
        let page = app.log_in("mia").await.get(&path).await.is(200);
        let plain = [(1, "mia"), (2, "samsue")].map(|(from, who)| (format!("{} 08:30", day(app, from)), who.to_owned()));
        assert_eq!(roster(&page, 2), plain, "members are not told who has no robot");
        assert_eq!(page.text("dl.facts dd"), "Nobody");
        assert!(!page.body.contains("/delete") && !page.body.contains("/edit"));

        let edit = sam.get(&format!("{path}/edit")).await.is(200);
        assert_eq!((edit.text("#f-shifts"), edit.texts("#f-name").len()), ("mia sam, sue".to_owned(), 0));
        let change = [("name", "Renamed"), ("shifts", "sue"), ("unit", "month"), ("every", "2"), ("handover", "00:00")];
        let previewed: Vec<_> = change.iter().copied().chain([("preview", "1")]).collect();
        let preview = post(&mut sam, &format!("{path}/edit"), &fields(app, &previewed)).await.is(200);
        assert_eq!(roster(&preview, 1), [(format!("{} 00:00", day(app, 1)), "sue No robot".to_owned())]);
        assert_eq!(roster(&sam.get(&path).await, 1), turns[..1], "a preview saves nothing");
        post(&mut sam, &format!("{path}/edit"), &fields(app, &change)).await.leads_to(&path);
        let (ours, schedule) = (town.ours, id(&path));
        let (name, loaded) = app.db.read(move |c| store::load(c, ours, schedule)).await.unwrap().expect("a schedule");
        assert_eq!((name.as_str(), loaded.unit, loaded.every), ("夜班 Night", Unit::Month, 2), "the name stays");
        assert_eq!((loaded.handover, loaded.hours, loaded.shifts.len()), (0, None, 1));
        let log = sam.get("/t/ours/audit?action=schedule-edited").await.is(200).text("ul.changes");
        assert!(log.contains("Days → Months") && log.contains("mia | sam, sue → sue"), "{log}");

        sam.post(&format!("{path}/delete"), &[]).await.leads_to("/t/ours/schedules");
        sam.get(&path).await.is(404);
        sam.post(&format!("{path}/delete"), &[]).await.is(404);
        assert!(dump(&app.db).await["shift_accounts"].is_empty());
        let audit = dump(&app.db).await["audit"].join("\n");
        for word in ["added", "edited", "deleted"] {
            assert_eq!(audit.matches(&format!("schedule-{word}")).count(), 1, "{word} in {audit}");
        }
    }

    async fn who_is_on_duty_changes_with_the_turns_and_stands_in_the_list(app: &TestApp) {
        app.settle().await;
        let yesterday = day(app, -1).to_string();
        let weekly = [("unit", "week"), ("starts_on", yesterday.as_str()), ("handover", "00:00")];
        make(app, &mut app.log_in("sam").await, &weekly).await;
        let list = app.log_in("mia").await.get("/t/ours/schedules").await.is(200);
        assert_eq!(list.texts("tbody td"), ["夜班 Night", "Every week", "All day, handover at 00:00", "mia"]);
        app.clock.advance(TimeDelta::days(7));
        let list = app.log_in("mia").await.get("/t/ours/schedules").await.is(200);
        assert_eq!(list.text("tbody td:last-child"), "samsue");
        app.clock.advance(TimeDelta::days(7));
        assert_eq!(app.log_in("mia").await.get("/t/ours/schedules").await.text("tbody td:last-child"), "mia");
    }

    async fn set_hours_go_over_midnight_and_somebody_else_is_rung_outside_them(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let nights = [("day", "hours"), ("hours_from", "22:00"), ("hours_to", "06:00"), ("outside", "Sue")];
        let path = make(app, &mut sam, &nights).await;
        let page = sam.get(&path).await.is(200);
        assert!(page.text("dl.facts").contains("22:00 to 06:00"));
        assert_eq!(roster(&page, 1)[0].0, format!("{} 22:00", day(app, 1)), "a night is not divided");
        let (ours, schedule) = (town.ours, id(&path));
        let (_, loaded) = app.db.read(move |c| store::load(c, ours, schedule)).await.unwrap().expect("a schedule");
        let find = |c: &mut belfry::db::AnyConnection| {
            let of = accounts::table.filter(accounts::username_key.eq_any(["mia", "sue"]));
            Ok(of.order(accounts::username_key).select(accounts::id).load(c)?)
        };
        let known: Vec<belfry::db::AccountId> = app.db.read(find).await.unwrap();
        // 22:00 in Shanghai is 14:00 UTC.
        let at = |days, hour| (day(app, 1) + Days::new(days)).and_hms_opt(hour, 0, 0).unwrap();
        let on_duty = |at| loaded.on_duty(at, Tz::Asia__Shanghai);
        assert_eq!(on_duty(at(0, 13)), OnDuty::Nobody);
        assert_eq!(on_duty(at(0, 14)), OnDuty::Shift(&[known[0]]));
        assert_eq!(on_duty(at(0, 21)), OnDuty::Shift(&[known[0]]));
        assert_eq!(on_duty(at(0, 22)), OnDuty::Outside(known[1]));
        let edit = sam.get(&format!("{path}/edit")).await.is(200);
        assert_eq!(edit.attribute("#f-hours_to", "value").as_deref(), Some("06:00"));
        assert_eq!(edit.attribute("#f-outside", "value").as_deref(), Some("sue"));
    }

    async fn mistakes_are_told_beside_their_fields_and_what_was_typed_is_kept(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let crowd = (0..21).map(|number| format!("p{number}")).collect::<Vec<_>>();
        let long = "名".repeat(65);
        let wrong = [("name", long.as_str()), ("shifts", &crowd.join("\n")), ("every", "367"), ("handover", "25:00")];
        let page = post(&mut sam, "/t/ours/schedules/new", &fields(app, &wrong)).await.is(422);
        assert!(page.text("#e-name").contains("64") && page.text("#e-shifts").contains("20"));
        assert!(page.text("#e-every").contains("366") && !page.text("#e-handover").is_empty());
        assert_eq!(page.text("#f-shifts"), crowd.join(" "));
        assert_eq!(page.attribute("#f-every", "value").as_deref(), Some("367"));
        // That nobody has these names is a mistake of its own beside their number.
        assert_eq!(page.texts("[role=alert] li").len(), 5);

        for (field, value) in [
            ("every", "0"),
            ("unit", "year"),
            ("starts_on", "2026-02-30"),
            ("day", "sometimes"),
            ("shifts", " \r\n"),
            ("shifts", "mia, sam, MIA"),
            ("name", " "),
        ] {
            let page = post(&mut sam, "/t/ours/schedules/new", &fields(app, &[(field, value)])).await.is(422);
            assert!(!page.text(&format!("#e-{field}")).is_empty(), "{field}: {value}");
        }
        for (unit, too_many) in [("week", "54"), ("month", "13")] {
            let wrong = fields(app, &[("unit", unit), ("every", too_many)]);
            post(&mut sam, "/t/ours/schedules/new", &wrong).await.is(422);
        }

        // Somebody of another tenant is as unknown as nobody, in a preview too.
        let strange = [("shifts", "mia, tom\r\n张三"), ("day", "hours"), ("outside", "theo")];
        let hours = [("hours_from", "09:00"), ("hours_to", "18:00")];
        for preview in ["", "1"] {
            let typed: Vec<_> = strange.into_iter().chain(hours).chain([("preview", preview)]).collect();
            let page = post(&mut sam, "/t/ours/schedules/new", &fields(app, &typed)).await.is(422);
            assert!(page.text("#e-shifts").ends_with(": tom, 张三"), "{}", page.text("#e-shifts"));
            assert!(page.text("#e-outside").ends_with(": theo"));
            assert_eq!(page.text("#f-shifts"), "mia, tom 张三");
            assert_eq!(page.attribute("#f-outside", "value").as_deref(), Some("theo"));
        }
        assert!(dump(&app.db).await["shift_schedules"].is_empty());

        for name in &crowd[..20] {
            app.member(town.ours, name, Role::Member).await;
        }
        make(app, &mut sam, &[("name", &long[3..]), ("shifts", &crowd[..20].join("\r\n")), ("every", "366")]).await;
        let page = post(&mut sam, "/t/ours/schedules/new", &fields(app, &[("name", &long[3..])])).await.is(422);
        assert!(page.text("#e-name").contains("shift schedule with this name"));
    }

    async fn the_list_is_searched_by_schedule_and_member_and_filtered_by_unit(app: &TestApp) {
        let town = app.settle().await;
        app.schedule(town.theirs, "of theirs", "tom").await;
        let mut sam = app.log_in("sam").await;
        let new = [("username", "li.na"), ("display_name", "李娜"), ("role", "member")];
        sam.post("/t/ours/members/new", &new).await.is(200);
        make(app, &mut sam, &[("name", "Days"), ("shifts", "mia")]).await;
        make(app, &mut sam, &[("name", "Weeks 100%"), ("shifts", "sue\r\nli.na"), ("unit", "week")]).await;
        make(app, &mut sam, &[("name", "Months"), ("shifts", "mia"), ("unit", "month")]).await;
        let mut mia = app.log_in("mia").await;
        for (query, found) in [
            ("q=WEEK", vec!["Weeks 100%"]),
            ("q=%25", vec!["Weeks 100%"]),
            ("q=mia", vec!["Days", "Months"]),
            ("q=%E6%9D%8E%E5%A8%9C", vec!["Weeks 100%"]),
            ("q=mia&unit=month", vec!["Months"]),
            ("unit=week&page=-1", vec!["Weeks 100%"]),
            ("q=tom", vec![]),
        ] {
            let list = mia.get(&format!("/t/ours/schedules?{query}")).await.is(200);
            assert_eq!(names(&list), found, "{query}");
        }
    }

    async fn who_leaves_the_tenant_stays_in_the_schedule_and_is_marked(app: &TestApp) {
        let town = app.settle().await;
        let gone = app.member(town.ours, "gone", Role::Member).await;
        let mut sam = app.log_in("sam").await;
        let path = make(app, &mut sam, &[("shifts", "gone\r\ndan")]).await;
        let leave = move |c: &mut belfry::db::AnyConnection| belfry::members::store::remove(c, town.ours, gone);
        app.db.write(leave).await.expect("a member less");
        let page = app.log_in("mia").await.get(&path).await.is(200);
        let people: Vec<String> = roster(&page, 2).into_iter().map(|turn| turn.1).collect();
        assert_eq!(people, ["gone Left the tenant", "dan Disabled"]);
        let edit = sam.get(&format!("{path}/edit")).await.is(200);
        assert_eq!(edit.texts(".note.wait li"), ["dan Disabled", "gone Left the tenant"]);
        assert_eq!(names(&sam.get("/t/ours/schedules?q=gone").await).len(), 1);
        post(&mut sam, &format!("{path}/edit"), &fields(app, &[("shifts", "gone, mia")])).await.leads_to(&path);
        let other = fields(app, &[("name", "Other"), ("shifts", "gone")]);
        post(&mut sam, "/t/ours/schedules/new", &other).await.is(422);
    }

    async fn members_look_and_administrators_plan_and_a_foreign_schedule_is_not_there(app: &TestApp) {
        let town = app.settle().await;
        let (ours, theirs) =
            (app.schedule(town.ours, "Ours", "mia").await, app.schedule(town.theirs, "Theirs", "tom").await);
        let before = dump(&app.db).await["shift_schedules"].clone();
        let mut mia = app.log_in("mia").await;
        mia.get(&format!("/t/ours/schedules/{ours}")).await.is(200);
        mia.get(&format!("/t/ours/schedules/{ours}/edit")).await.is(403);
        mia.get("/t/ours/schedules/new").await.is(403);
        for path in ["new".to_owned(), format!("{ours}/edit"), format!("{ours}/delete")] {
            post(&mut mia, &format!("/t/ours/schedules/{path}"), &fields(app, &[])).await.is(403);
        }
        let mut sam = app.log_in("sam").await;
        for path in [format!("/t/ours/schedules/{theirs}"), format!("/t/theirs/schedules/{theirs}")] {
            sam.get(&path).await.is(404);
            sam.get(&format!("{path}/edit")).await.is(404);
            for what in ["edit", "delete"] {
                post(&mut sam, &format!("{path}/{what}"), &fields(app, &[])).await.is(404);
            }
        }
        assert_eq!(dump(&app.db).await["shift_schedules"], before);
        let tenant = town.ours;
        let found = app.db.read(move |c| Ok((store::load(c, tenant, theirs)?, store::names(c, tenant)?))).await.unwrap();
        assert_eq!(found, (None, vec![(ours, "Ours".to_owned())]));
    }

    async fn a_schedule_that_an_alert_rule_rings_is_not_deleted_and_the_rule_is_named(app: &TestApp) {
        let town = app.settle().await;
        let schedule = app.schedule(town.ours, "Night", "mia").await;
        app.rule_ringing(town.ours, "disk-full", Receiver::Schedule(schedule)).await;
        let mut sam = app.log_in("sam").await;
        let path = format!("/t/ours/schedules/{schedule}");
        let page = sam.post(&format!("{path}/delete"), &[]).await.is(409);
        assert!(page.text("[role=alert]").contains("disk-full"), "{}", page.text("[role=alert]"));
        sam.get(&path).await.is(200);
        let free = app.schedule(town.ours, "Free", "mia").await;
        app.rule_ringing(town.ours, "other", Receiver::Group(belfry::db::GroupId(free.0))).await;
        sam.post(&format!("/t/ours/schedules/{free}/delete"), &[]).await.leads_to("/t/ours/schedules");
    }

    async fn who_has_a_robot_is_not_warned_of(app: &TestApp) {
        let town = app.settle().await;
        let (schedule, mia): (_, MemberId) = (app.schedule(town.ours, "Night", "mia").await, town.mia);
        let mut sam = app.log_in("sam").await;
        let path = format!("/t/ours/schedules/{schedule}/edit");
        assert_eq!(sam.get(&path).await.is(200).texts(".note.wait li"), ["mia No robot"]);
        let reach = move |c: &mut belfry::db::AnyConnection| {
            Ok(diesel::update(members::table.find(mia)).set(members::robot_count.eq(1)).execute(c)?)
        };
        app.db.write(reach).await.expect("a robot");
        assert!(sam.get(&path).await.is(200).texts(".note.wait").is_empty());
    }
}
