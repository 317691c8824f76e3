//! The home page of a tenant: its pictures and numbers are those of the rows, and it names what somebody has to look after.

use belfry::{
    access::Role,
    db::{
        AnyConnection, MemberId, TenantId,
        schema::{contacts, deliveries, endpoints, members, robots},
    },
    robots::Channel,
};
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use crate::{
    harness::{Answer, TestApp, Town},
    record::alert,
};

/// Deliveries of a member, so many in this state and for this reason.
async fn deliver(
    app: &TestApp,
    (tenant, member): (TenantId, MemberId),
    count: i64,
    (state, reason): (&'static str, &'static str),
    at: NaiveDateTime,
) {
    app.makes_up_deliveries();
    let keep = move |c: &mut AnyConnection| {
        for number in 0..count {
            let row = (
                deliveries::tenant.eq(tenant),
                deliveries::kind.eq("member_saved"),
                deliveries::title.eq("a title"),
                deliveries::body.eq("a text"),
                deliveries::channel.eq("dingtalk"),
                deliveries::member.eq(Some(member)),
                deliveries::recipient.eq(format!("Receiver {number}")),
                deliveries::state.eq(state),
                deliveries::reason.eq(reason),
                deliveries::created_at.eq(at),
                deliveries::finished_at.eq(["success", "failed"].contains(&state).then_some(at)),
            );
            diesel::insert_into(deliveries::table).values(row).execute(c)?;
        }
        Ok(())
    };
    app.db.write(keep).await.expect("rows of the record");
}

/// A robot of a member, in this state.
async fn robot(app: &TestApp, (tenant, member): (TenantId, MemberId), channel: Channel, state: &'static str) {
    let now = app.clock.now();
    let rests = if state == "resting" { now + TimeDelta::minutes(10) } else { now };
    let stored = if state == "broken" { "broken" } else { "ok" };
    let fingerprint = format!("{tenant} {} {state}", channel.as_str()).into_bytes();
    let keep = move |c: &mut AnyConnection| {
        let row = (
            robots::tenant.eq(tenant),
            robots::channel.eq(channel.as_str()),
            robots::fingerprint.eq(&fingerprint),
            robots::sealed_url.eq(b"sealed".as_slice()),
            robots::host.eq("robots.example"),
            robots::last_four.eq("beef"),
            robots::state.eq(stored),
            robots::reason.eq(if stored == "broken" { "broken-keyword" } else { "" }),
            robots::created_at.eq(now),
        );
        let robot: belfry::db::RobotId =
            diesel::insert_into(robots::table).values(row).returning(robots::id).get_result(c)?;
        let bell = (
            endpoints::fingerprint.eq(&fingerprint),
            endpoints::channel.eq(channel.as_str()),
            endpoints::cooldown_until.eq(rests),
        );
        diesel::insert_into(endpoints::table).values(bell).execute(c)?;
        let contact = (contacts::member.eq(member), contacts::channel.eq(channel.as_str()), contacts::robot.eq(robot));
        diesel::insert_into(contacts::table).values(contact).execute(c)?;
        let more = members::robot_count.eq(members::robot_count + 1);
        Ok(diesel::update(members::table.find(member)).set(more).execute(c)?)
    };
    app.db.write(keep).await.expect("a robot");
}

/// The numbers of the table below the picture of deliveries, hour by hour.
fn table(page: &Answer, section: &str) -> Vec<String> {
    page.texts(&format!("{section} tbody td")).chunks(3).map(|cells| cells.join(" ")).collect()
}

/// The cells of a table, row by row.
fn cells(page: &Answer, table: &str, columns: usize) -> Vec<Vec<String>> {
    page.texts(&format!("{table} tbody td")).chunks(columns).map(<[String]>::to_vec).collect()
}

/// How many bars of the picture are of this class.
fn bars(page: &Answer, class: &str) -> usize {
    page.texts(&format!("#pulse svg[role=img] rect.{class}")).len()
}

async fn settled(app: &TestApp) -> (Town, NaiveDateTime) {
    (app.settle().await, app.clock.now())
}

on_both! {
    async fn the_picture_of_deliveries_has_the_numbers_of_the_rows(app: &TestApp) {
        let (town, now) = settled(app).await;
        let nils = app.member(town.ours, "nils", Role::Member).await;
        let (mia, nils) = ((town.ours, town.mia), (town.ours, nils));
        let hour = TimeDelta::hours(1);
        deliver(app, mia, 5, ("success", ""), now).await;
        deliver(app, mia, 2, ("waiting", ""), now).await;
        deliver(app, nils, 1, ("sending", ""), now).await;
        deliver(app, nils, 1, ("failed", "given-up"), now).await;
        deliver(app, mia, 3, ("success", ""), now - hour * 20).await;
        deliver(app, mia, 4, ("success", ""), now - hour * 100).await;
        deliver(app, mia, 9, ("success", ""), now - hour * 200).await;
        deliver(app, (town.theirs, town.tom), 7, ("success", ""), now).await;
        let mut sam = app.log_in("sam").await;
        let page = sam.get("/t/ours").await.is(200);
        assert_eq!(table(&page, "#pulse"), ["3 0 0", "5 3 1"]);
        assert_eq!((bars(&page, "good"), bars(&page, "wait"), bars(&page, "bad")), (2, 1, 1));
        assert_eq!(page.texts("#ledger tbody td"), ["12", "8", "3", "1"], "chosen = delivered + waiting + given up");
        assert!(page.attribute("#ledger td:last-child a", "href").is_some_and(|to| to.ends_with("&status=failed")));
        let description = page.text("#pulse-desc");
        assert!(description.contains("Success: 8. Waiting: 3. Failed: 1."), "{description}");
        assert_eq!(page.attribute("#pulse svg[role=img]", "aria-describedby").as_deref(), Some("pulse-desc"));
        assert_eq!(page.attribute("#pulse nav [aria-current]", "href").as_deref(), Some("/t/ours?span=24h"));

        let page = sam.get("/t/ours?span=7d").await.is(200);
        assert_eq!(table(&page, "#pulse"), ["4 0 0", "3 0 0", "5 3 1"]);
        assert_eq!(page.attribute("#pulse nav [aria-current]", "href").as_deref(), Some("/t/ours?span=7d"));
        let own = app.log_in("nils").await.get("/t/ours?span=7d").await.is(200);
        assert_eq!(table(&own, "#pulse"), ["0 1 1"], "a member sees the numbers of his own");
        assert!(own.texts("#care, #robots").is_empty());
        let empty = app.log_in("theo").await.get("/t/theirs?span=never").await.is(200);
        assert_eq!(table(&empty, "#pulse"), ["7 0 0"], "an unknown span is a day");
        let warehouse = app.log_in("root").await.get("/t/metadata-warehouse").await.is(200);
        assert!(!warehouse.text("#pulse .empty").is_empty() && warehouse.texts("#pulse svg").is_empty());
        for page in [&page, &own, &empty, &warehouse] {
            assert!(page.texts("script, style, [style], [onclick]").is_empty());
        }
    }

    async fn robots_are_counted_by_health_and_the_broken_ones_named_with_what_to_do(app: &TestApp) {
        let (town, _) = settled(app).await;
        let mia = (town.ours, town.mia);
        robot(app, mia, Channel::DingTalk, "broken").await;
        robot(app, mia, Channel::Lark, "resting").await;
        robot(app, mia, Channel::WeCom, "ok").await;
        robot(app, (town.theirs, town.tom), Channel::Lark, "broken").await;
        let mut sam = app.log_in("sam").await;
        let page = sam.get("/t/ours").await.is(200);
        assert_eq!(page.texts("#robots tbody td"), ["1", "1", "1"]);
        assert_eq!(page.texts("#robots svg[role=img] rect").len(), 3);
        let broken = page.texts("#broken tbody tr");
        assert!(broken.len() == 1 && broken[0].contains("Keyword") && broken[0].contains("beef"), "{broken:?}");
        assert_eq!(page.attribute("#broken a", "href"), Some(format!("/t/ours/members/{}/edit", town.mia)));
        assert!(!broken[0].contains("other"), "{broken:?}");
        app.clock.advance(TimeDelta::minutes(11));
        let page = sam.get("/t/ours").await.is(200);
        assert_eq!(page.texts("#robots tbody td"), ["2", "0", "1"]);
    }

    async fn whoever_else_a_broken_robot_reaches_is_listed_behind_a_link(app: &TestApp) {
        let (town, _) = settled(app).await;
        robot(app, (town.ours, town.mia), Channel::DingTalk, "broken").await;
        for number in 0..40 {
            let member = app.member(town.ours, &format!("user{number}"), Role::Member).await;
            let share = move |c: &mut AnyConnection| {
                let robot: belfry::db::RobotId = robots::table.select(robots::id).first(c)?;
                let contact =
                    (contacts::member.eq(member), contacts::channel.eq("dingtalk"), contacts::robot.eq(robot));
                Ok(diesel::insert_into(contacts::table).values(contact).execute(c)?)
            };
            app.db.write(share).await.expect("a shared robot");
        }
        let mut sam = app.log_in("sam").await;
        let page = sam.get("/t/ours").await.is(200);
        let others = page.texts("#broken a").pop().expect("a link");
        assert!(others.contains("others"), "{others}");
        let list = page.attributes("#broken a", "href").pop().expect("a link");
        assert!(sam.get(&list).await.is(200).text(".pager").contains("of 41"), "{list} lists them all");
        let mut mia = app.log_in("mia").await;
        assert!(!mia.get(&list).await.is(200).text(".pager").contains("of 41"), "members do not see who has which robot");
    }

    async fn administrators_see_who_was_not_reached_and_which_alert_found_nobody(app: &TestApp) {
        let (town, now) = settled(app).await;
        let mia = (town.ours, town.mia);
        deliver(app, mia, 5, ("failed", "no-contact"), now).await;
        deliver(app, mia, 2, ("failed", "given-up"), now - TimeDelta::days(5)).await;
        deliver(app, mia, 2, ("waiting", "broken-keyword"), now).await;
        deliver(app, mia, 9, ("failed", "left-tenant"), now - TimeDelta::days(9)).await;
        deliver(app, (town.theirs, town.tom), 1, ("failed", "quiet-hours"), now).await;
        let lost = alert(app, town.ours, "Nobody heard this 无人", 0).await;
        alert(app, town.ours, "Somebody heard this", 1).await;
        alert(app, town.theirs, "Foreign", 0).await;
        let mut sam = app.log_in("sam").await;
        let page = sam.get("/t/ours").await.is(200);
        let rows = cells(&page, "#unreached", 4);
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert!(rows[0][0].contains("has no robot") && rows[1][0].contains("Gave up"), "{rows:?}");
        assert_eq!(rows[0][1..3], ["5", "Receiver 4, Receiver 3, Receiver 2 …"]);
        assert_eq!(rows[1][1..3], ["2", "Receiver 1, Receiver 0"]);
        let link = page.attribute("#unreached a", "href").expect("a link");
        let found = sam.get(&link).await.is(200);
        assert_eq!(found.texts("tbody tr").len(), 5, "{link} finds the same rows");
        assert_eq!(page.texts("#unheard a"), ["Nobody heard this 无人"]);
        assert_eq!(page.attribute("#unheard a", "href"), Some(format!("/t/ours/alerts/{lost}")));
        app.clock.advance(TimeDelta::days(8));
        sam = app.log_in("sam").await;
        assert!(sam.get("/t/ours").await.is(200).texts("#care").is_empty(), "a week later it is past");
    }
}
