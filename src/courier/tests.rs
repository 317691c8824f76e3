//! The whole way of a message, from the outbox to what the group of a sandbox robot hears, on a real SQLite file.

use std::{net::TcpListener, time::Duration};

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, insert_into, update};

use super::{
    policy::Ending,
    retries::RetrySchedule,
    sender::{Called, Sender},
    store::{
        bells,
        claim::{self, Claim},
        complete,
    },
    *,
};
use crate::{
    clock::Clock,
    db::{
        AccountId, Address, AnyConnection, AtMost as _, Database, DeliveryId, RobotId, TenantId,
        schema::{accounts, attempts, channel_switches, deliveries, messages, robots as robot_rows, tenants},
    },
    error::Result,
    robots::{Answer, Cause, Channel, Meaning, Origins, RobotAddress, SigningSecret},
    sandbox::{BANNED_TEXT, Fault as SandboxFault, Group, RobotKind, Sandbox, Standing, Verdict},
    secrets::KeyRing,
};

const TENANT: TenantId = TenantId(1);
const OTHER_TENANT: TenantId = TenantId(2);
const SOON: Duration = Duration::from_secs(8);

/// A database with two tenants whose channels are on, a sandbox, and time that both go by.
struct House {
    folder: tempfile::TempDir,
    db: Database,
    keys: KeyRing,
    clock: Clock,
    sandbox: Sandbox,
    base: String,
    waker: Waker,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        let db = open(&folder);
        let clock = Clock::default();
        let sandbox = Sandbox::new(clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        actix_web::rt::spawn(sandbox.clone().serve(listener).unwrap());
        let house = Self { folder, db, keys, clock, sandbox, base, waker: Waker::default() };
        house.write(furnish).await;
        house
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut AnyConnection, NaiveDateTime) -> Result<T> + Send + 'static,
    ) -> T {
        let now = self.clock.now();
        self.db.write(move |c| job(c, now)).await.unwrap()
    }

    fn origins(&self) -> Origins {
        Origins::parse(&self.base).unwrap()
    }

    fn courier(&self) -> Courier {
        let (db, keys, clock) = (self.db.clone(), self.keys.clone(), self.clock.clone());
        Courier::start(db, keys, self.origins(), clock, self.waker.clone(), spelled()).unwrap()
    }

    fn address(&self, kind: RobotKind, token: &str) -> RobotAddress {
        let channel = match kind {
            RobotKind::DingTalk => Channel::DingTalk,
            RobotKind::Lark => Channel::Lark,
            RobotKind::WeCom => Channel::WeCom,
        };
        RobotAddress::parse(channel, &kind.url(&self.base, token), &self.origins()).unwrap()
    }

    /// A sandbox robot with the token, and the tenant's row of it.
    async fn robot(&self, kind: RobotKind, token: &str, group: Group) -> RobotId {
        self.sandbox.add(kind, token, group);
        self.robot_of(TENANT, kind, token, None).await.0
    }

    async fn robot_of(&self, tenant: TenantId, kind: RobotKind, token: &str, secret: Option<&str>) -> (RobotId, bool) {
        let (keys, address) = (self.keys.clone(), self.address(kind, token));
        let secret = secret.map(|secret| SigningSecret::parse(address.channel(), secret).unwrap());
        self.write(move |c, now| upsert_robot(c, &keys, tenant, &address, secret.as_ref(), now)).await
    }

    async fn enqueue_for(&self, tenant: TenantId, robot: RobotId, kind: Kind, title: &str) -> DeliveryId {
        let notice = Notice { tenant, ..notice(robot, kind, title) };
        let delivery = self.write(move |c, now| enqueue(c, notice, now)).await;
        self.waker.wake();
        delivery
    }

    async fn enqueue(&self, robot: RobotId, title: &str) -> DeliveryId {
        self.enqueue_for(TENANT, robot, Kind::MemberSaved, title).await
    }

    async fn test(&self, robot: RobotId) -> DeliveryId {
        self.enqueue_for(TENANT, robot, Kind::Test, "Dataphin: a test").await
    }

    async fn ended(&self, delivery: DeliveryId) -> Outcome {
        self.waker.wait_for(&self.db, TENANT, delivery, Duration::from_secs(15)).await.unwrap()
    }

    async fn outcome(&self, delivery: DeliveryId) -> Outcome {
        self.db.read(move |c| outcome(c, TENANT, delivery)).await.unwrap()
    }

    /// Looks until the delivery stands like this.
    async fn until(&self, delivery: DeliveryId, state: DeliveryState, reason: &str) {
        let deadline = std::time::Instant::now() + SOON;
        loop {
            let outcome = self.outcome(delivery).await;
            if outcome.state == state && outcome.reason == reason {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{outcome:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
        self.waker.wake();
    }

    fn heard(&self, token: &str) -> Vec<String> {
        self.sandbox.heard(token).into_iter().map(|heard| heard.message.title.unwrap_or_default()).collect()
    }

    async fn claim(&self) -> Option<Claim> {
        let round = self.write(|c, now| claim::claim_due(c, now, 64, &spelled())).await;
        round.claims.into_iter().next()
    }

    /// Records what a robot would have answered to a claim.
    async fn record(&self, claim: Claim, meaning: Meaning) -> bool {
        let answer = Answer { meaning, rest: None, code: None, text: String::new() };
        let called = Called { ending: Ending::Answered(answer), http_status: Some(200), detail: String::new() };
        let schedule = RetrySchedule::default();
        self.write(move |c, now| Ok(complete::record(c, &claim.wire, &called, (&schedule, 0.0), now)?.is_some())).await
    }
}

/// The words of digests, as the application gives them.
fn spelled() -> Speller {
    crate::templates::speller("Dataphin".to_owned(), Some("https://belfry.example".to_owned()))
}

fn open(folder: &tempfile::TempDir) -> Database {
    Database::open(&Address::Sqlite(folder.path().join("belfry.db"))).unwrap()
}

/// One account, two tenants that use the instance's switches, and every channel on.
fn furnish(c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
    let account = (
        accounts::id.eq(AccountId(1)),
        accounts::username.eq("ann"),
        accounts::username_key.eq("ann"),
        accounts::password_hash.eq(""),
        accounts::created_at.eq(now),
    );
    insert_into(accounts::table).values(account).execute(c)?;
    for tenant in [TENANT, OTHER_TENANT] {
        let row = (
            tenants::id.eq(tenant),
            tenants::slug.eq(format!("tenant-{tenant}")),
            tenants::name.eq("A tenant"),
            tenants::description.eq(""),
            tenants::metadata_warehouse.eq(false),
            tenants::channel_mode.eq("system"),
            tenants::super_admin.eq(AccountId(1)),
            tenants::time_zone.eq("Asia/Shanghai"),
            tenants::member_count.eq(0),
            tenants::created_at.eq(now),
        );
        insert_into(tenants::table).values(row).execute(c)?;
    }
    Channel::ALL.into_iter().try_for_each(|channel| switch(c, 0, channel, true))
}

fn switch(c: &mut AnyConnection, scope: i64, channel: Channel, is_on: bool) -> Result<()> {
    let row = (
        channel_switches::scope.eq(scope),
        channel_switches::channel.eq(channel.as_str()),
        channel_switches::is_on.eq(is_on),
    );
    insert_into(channel_switches::table).values(row).execute(c)?;
    Ok(())
}

#[actix_web::test]
async fn a_notice_reaches_the_group_of_every_channel_and_its_record_says_so() {
    let house = House::new().await;
    let courier = house.courier();
    for (kind, token) in
        [(RobotKind::DingTalk, "fake-ding"), (RobotKind::Lark, "fake-lark"), (RobotKind::WeCom, "fake-wecom")]
    {
        let robot = house.robot(kind, token, Group::default()).await;
        let delivery = house.enqueue(robot, "Dataphin: hello").await;
        let outcome = house.ended(delivery).await;
        assert_eq!((outcome.state, outcome.reason.as_str(), outcome.code.as_str()), (DeliveryState::Success, "", "0"));
        assert_eq!(house.sandbox.heard(token).len(), 1);
        let calls = house.sandbox.calls(token);
        assert_eq!(calls[0].header("content-type"), Some("application/json; charset=utf-8"));
    }
    courier.stop().await;
}

#[actix_web::test]
async fn a_refused_keyword_fails_the_test_with_its_cause_and_holds_the_queue_until_a_test_succeeds() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default().keyword("Kettle")).await;
    let courier = house.courier();
    let refused = house.ended(house.test(robot).await).await;
    assert_eq!((refused.state, refused.reason.as_str()), (DeliveryState::Failed, "broken-keyword"));
    assert_eq!((refused.code.as_str(), reason_key(&refused.reason)), ("310000", "robots-broken-keyword"));
    assert!(!refused.answer.is_empty());

    let held = house.enqueue(robot, "Dataphin: held").await;
    house.until(held, DeliveryState::Waiting, "broken-keyword").await;
    house.sandbox.change("fake-ding", |group| group.keywords = vec!["Dataphin".to_owned()]);
    assert_eq!(house.sandbox.calls("fake-ding").len(), 1);

    assert_eq!(house.ended(house.test(robot).await).await.state, DeliveryState::Success);
    assert_eq!(house.ended(held).await.state, DeliveryState::Success);
    assert_eq!(house.heard("fake-ding"), ["Dataphin: a test", "Dataphin: held"]);
    courier.stop().await;
}

#[actix_web::test]
async fn a_message_that_finds_the_configuration_broken_is_held_and_so_is_what_waits_behind_it() {
    let house = House::new().await;
    let group = Group { standing: Standing::Disabled, ..Group::default() };
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", group).await;
    let first = house.enqueue(robot, "Dataphin: one").await;
    let second = house.enqueue(robot, "Dataphin: two").await;
    let courier = house.courier();
    house.until(first, DeliveryState::Waiting, "broken-disabled").await;
    house.until(second, DeliveryState::Waiting, "broken-disabled").await;
    house.sandbox.change("fake-ding", |group| group.standing = Standing::Open);
    house.advance(TimeDelta::hours(30));
    assert_eq!(house.ended(house.test(robot).await).await.state, DeliveryState::Success);
    assert_eq!(house.ended(second).await.state, DeliveryState::Success);
    assert_eq!(house.heard("fake-ding"), ["Dataphin: a test", "Dataphin: one", "Dataphin: two"]);
    courier.stop().await;
}

#[actix_web::test]
async fn a_corrected_signing_secret_gives_a_broken_robot_another_chance() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default().secret("SECright")).await;
    let courier = house.courier();
    let held = house.enqueue(robot, "Dataphin: signed").await;
    house.until(held, DeliveryState::Waiting, "broken-signature").await;
    let (same, changed) = house.robot_of(TENANT, RobotKind::DingTalk, "fake-ding", Some("SECright")).await;
    assert_eq!((same, changed), (robot, true));
    house.waker.wake();
    assert_eq!(house.ended(held).await.state, DeliveryState::Success);
    courier.stop().await;
}

#[actix_web::test]
async fn an_unknown_token_that_alternates_with_success_does_not_break_the_robot_but_three_in_a_row_do() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let unknown = Meaning::Broken(Cause::UnknownToken);
    for (meaning, state) in [
        (unknown, "ok"),
        (unknown, "ok"),
        (Meaning::Delivered, "ok"),
        (unknown, "ok"),
        (unknown, "ok"),
        (unknown, "broken"),
    ] {
        house.enqueue(robot, "Dataphin").await;
        let claim = house.claim().await.unwrap();
        assert!(house.record(claim, meaning).await);
        let now = house
            .db
            .read(move |c| Ok(robot_rows::table.find(robot).select(robot_rows::state).first_row::<String, _>(c)?));
        assert_eq!(now.await.unwrap(), state);
        house.advance(TimeDelta::minutes(20));
    }
}

#[actix_web::test]
async fn after_too_fast_the_robot_is_left_alone_for_ten_minutes_and_a_test_is_told_so_at_once() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    house.sandbox.fail("fake-ding", SandboxFault::Status(429), Some(1));
    let courier = house.courier();
    let delivery = house.enqueue(robot, "Dataphin: patient").await;
    house.until(delivery, DeliveryState::Waiting, "wait").await;
    let other = house.enqueue(robot, "Dataphin: second").await;
    let test = house.ended(house.test(robot).await).await;
    assert_eq!((test.state, test.reason.as_str()), (DeliveryState::Failed, "test-too-fast"));
    courier.stop().await;
    assert_eq!(house.sandbox.calls("fake-ding").len(), 1);
    house.clock.advance(TimeDelta::seconds(590));
    assert!(house.claim().await.is_none());
    house.clock.advance(TimeDelta::seconds(11));
    let courier = house.courier();
    assert_eq!(house.ended(delivery).await.state, DeliveryState::Success);
    assert_eq!(house.ended(other).await.state, DeliveryState::Success);
    courier.stop().await;
}

#[actix_web::test]
async fn an_answer_that_cannot_be_read_is_no_success_and_is_tried_again_under_the_same_identity() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    house.sandbox.fail("fake-ding", SandboxFault::Html, Some(1));
    house.sandbox.fail("fake-ding", SandboxFault::Truncated, Some(1));
    let courier = house.courier();
    let delivery = house.enqueue(robot, "Dataphin: again").await;
    house.until(delivery, DeliveryState::Waiting, "unknown").await;
    house.advance(TimeDelta::seconds(5));
    assert!(house.sandbox.wait_until("fake-ding", |calls| calls.len() == 2, SOON).await);
    house.until(delivery, DeliveryState::Waiting, "unknown").await;
    house.advance(TimeDelta::seconds(30));
    assert_eq!(house.ended(delivery).await.state, DeliveryState::Success);
    // The second call was heard, though its answer was cut; the third has the same identity and is no new message.
    let verdicts: Vec<Verdict> = house.sandbox.calls("fake-ding").into_iter().map(|call| call.verdict).collect();
    assert_eq!(verdicts, [Verdict::Stopped, Verdict::Heard, Verdict::Repeated]);
    courier.stop().await;
}

#[actix_web::test]
async fn a_message_that_never_gets_through_is_given_up_visibly_after_twelve_calls() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let delivery = house.enqueue(robot, "Dataphin: in vain").await;
    let mut calls = 0;
    while let Some(claim) = house.claim().await {
        assert!(house.record(claim, Meaning::Passing).await);
        house.clock.advance(TimeDelta::hours(10));
        calls += 1;
    }
    let outcome = house.outcome(delivery).await;
    assert_eq!((calls, outcome.state, outcome.reason.as_str()), (12, DeliveryState::Failed, "given-up"));
}

#[actix_web::test]
async fn a_crash_between_call_and_record_sends_the_message_again_and_the_group_hears_it_once() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let delivery = house.enqueue(robot, "Dataphin: once").await;
    let claim = house.claim().await.unwrap();
    let sender = Sender::new(house.keys.clone(), house.origins(), house.clock.clone(), None).unwrap();
    let called = sender.call(&claim).await;
    assert!(matches!(called.ending, Ending::Answered(Answer { meaning: Meaning::Delivered, .. })));
    // Here the process ends. Another one leaves the message alone while the lease holds.
    house.clock.advance(TimeDelta::seconds(40));
    assert!(house.claim().await.is_none());
    house.clock.advance(TimeDelta::seconds(6));
    let courier = house.courier();
    assert_eq!(house.ended(delivery).await.state, DeliveryState::Success);
    let verdicts: Vec<Verdict> = house.sandbox.calls("fake-ding").into_iter().map(|call| call.verdict).collect();
    assert_eq!(verdicts, [Verdict::Heard, Verdict::Repeated]);
    courier.stop().await;
}

#[actix_web::test]
async fn a_record_after_the_lease_is_refused() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let delivery = house.enqueue(robot, "Dataphin").await;
    let late = house.claim().await.unwrap();
    assert!(house.claim().await.is_none());
    house.clock.advance(TimeDelta::seconds(46));
    let mine = house.claim().await.unwrap();
    assert_eq!((late.wire.message, &late.msg_uuid), (mine.wire.message, &mine.msg_uuid));
    assert!(!house.record(late, Meaning::Delivered).await);
    assert_eq!(house.outcome(delivery).await.state, DeliveryState::Sending);
    assert!(house.record(mine, Meaning::Delivered).await);
    assert_eq!(house.outcome(delivery).await.state, DeliveryState::Success);
    let meanings =
        house.db.read(|c| Ok(attempts::table.order(attempts::number).select(attempts::meaning).load::<String>(c)?));
    assert_eq!(meanings.await.unwrap(), ["lost", "delivered"]);
}

#[actix_web::test]
async fn a_robot_that_was_rung_too_fast_rests_also_when_that_is_recorded_late() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    house.enqueue(robot, "Dataphin").await;
    let late = house.claim().await.unwrap();
    house.clock.advance(TimeDelta::seconds(46));
    let mine = house.claim().await.unwrap();
    assert!(!house.record(late, Meaning::Wait).await);
    assert!(house.record(mine, Meaning::Delivered).await);
    house.enqueue(robot, "Dataphin: later").await;
    assert!(house.claim().await.is_none());
    house.clock.advance(TimeDelta::seconds(55));
    assert!(house.claim().await.is_none());
    house.clock.advance(TimeDelta::seconds(10));
    assert!(house.claim().await.is_some());
}

#[actix_web::test]
async fn no_robot_gets_more_than_its_limit_whatever_waits_and_whoever_rings_it() {
    let house = House::new().await;
    let mine = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let (theirs, _) = house.robot_of(OTHER_TENANT, RobotKind::DingTalk, "fake-ding", None).await;
    for n in 0..25 {
        house.enqueue_for(OTHER_TENANT, theirs, Kind::MemberSaved, &format!("Dataphin: theirs {n}")).await;
        house.enqueue(mine, &format!("Dataphin: mine {n}")).await;
    }
    // Two workers on one file, as two processes would be.
    let (db, keys, clock) = (open(&house.folder), house.keys.clone(), house.clock.clone());
    let other = Courier::start(db, keys, house.origins(), clock, Waker::default(), spelled()).unwrap();
    let couriers = [house.courier(), other];
    let delivered = deliveries::table.filter(deliveries::state.eq(DeliveryState::Success.as_str())).count();
    let mut steps = 0;
    while house.db.read(move |c| Ok(delivered.get_result::<i64>(c)?)).await.unwrap() < 50 {
        house.advance(TimeDelta::seconds(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
        steps += 1;
        assert!(steps < 100, "the queue does not drain");
    }
    // The sandbox goes by the same clock and answers "too fast" to the first one that is.
    let calls = house.sandbox.calls("fake-ding");
    assert!(calls.iter().all(|call| call.verdict == Verdict::Heard));
    // What a tenant has to say stays apart from what the other has.
    let texts: Vec<String> = house.sandbox.heard("fake-ding").into_iter().map(|heard| heard.message.text).collect();
    for n in 0..25 {
        for whose in ["mine", "theirs"] {
            let of = |text: &&String| text.lines().any(|line| line.trim_end().ends_with(&format!("{whose} {n}")));
            assert_eq!(texts.iter().filter(of).count(), 1, "{whose} {n}: {texts:?}");
        }
    }
    assert!(!texts.iter().any(|text| text.contains("mine") && text.contains("theirs")));
    for courier in couriers {
        courier.stop().await;
    }
}

#[actix_web::test]
async fn what_comes_in_for_a_robot_without_a_place_is_decided_when_it_has_one_but_a_test_at_once() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "full", Group::default()).await;
    for number in 0..12 {
        house.enqueue(robot, &format!("Dataphin: {number}")).await;
        let claim = house.claim().await.unwrap();
        assert!(house.record(claim, Meaning::Delivered).await);
    }
    house.enqueue(robot, "Dataphin: one more").await;
    assert!(house.claim().await.is_none(), "the others of the minute are kept for digests");
    let due = async || house.db.read(bells::next_due).await.unwrap();
    let full_until = due().await;
    assert!(full_until > Some(house.clock.now() + TimeDelta::seconds(1)), "{full_until:?}");
    house.enqueue(robot, "Dataphin: later").await;
    assert_eq!(due().await, full_until, "nothing is decided before there is a place");
    house.test(robot).await;
    assert!(due().await <= Some(house.clock.now()), "a test is decided at once");
    assert_eq!(house.claim().await.unwrap().title, "Dataphin: a test");
}

#[actix_web::test]
async fn a_test_overtakes_the_queue_and_has_a_place_when_others_are_spread_over_the_minute() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let courier = house.courier();
    for n in 0..12 {
        house.ended(house.enqueue(robot, &format!("Dataphin: {n}")).await).await;
    }
    let waiting = house.enqueue(robot, "Dataphin: waiting").await;
    assert_eq!(house.ended(house.test(robot).await).await.state, DeliveryState::Success);
    assert_eq!(house.sandbox.calls("fake-ding").len(), 13);
    assert_eq!(house.outcome(waiting).await.state, DeliveryState::Waiting);
    courier.stop().await;
}

#[actix_web::test]
async fn a_burst_of_alerts_does_not_hide_a_test_that_is_on_its_way() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let must_wait = async || house.write(move |c, now| test_must_wait(c, TENANT, robot, AccountId(1), now)).await;
    assert!(!must_wait().await);
    house.test(robot).await;
    let burst = (0..1_100).map(|_| notice(robot, Kind::Firing, "Dataphin: one of many")).collect();
    let made = house.write(move |c, now| enqueue_all(c, burst, now)).await;
    assert!(made.len() == 1_100 && made.is_sorted());
    assert!(must_wait().await);
}

#[actix_web::test]
async fn a_robot_that_hangs_ends_in_time_and_delays_no_other() {
    let house = House::new().await;
    let slow = house.robot(RobotKind::DingTalk, "fake-slow", Group::default()).await;
    let quick = house.robot(RobotKind::DingTalk, "fake-quick", Group::default()).await;
    house.sandbox.fail("fake-slow", SandboxFault::Hang, None);
    let courier = house.courier();
    let hanging = house.test(slow).await;
    assert!(house.sandbox.wait_until("fake-slow", |calls| calls.len() == 1, SOON).await);
    assert_eq!(house.ended(house.enqueue(quick, "Dataphin").await).await.state, DeliveryState::Success);
    assert_eq!(house.outcome(hanging).await.state, DeliveryState::Sending);
    let outcome = house.ended(hanging).await;
    assert_eq!((outcome.state, outcome.reason.as_str()), (DeliveryState::Failed, "no-answer"));
    courier.stop().await;
}

#[actix_web::test]
async fn a_channel_that_is_off_and_a_deleted_tenant_send_nothing_and_say_so() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    house
        .write(|c, _| {
            update(tenants::table.find(TENANT)).set(tenants::channel_mode.eq("custom")).execute(c)?;
            switch(c, TENANT.0, Channel::Lark, true)
        })
        .await;
    let courier = house.courier();
    let off = house.ended(house.test(robot).await).await;
    assert_eq!((off.state, off.reason.as_str()), (DeliveryState::Failed, "channel-off"));
    house
        .write(|c, now| {
            update(tenants::table.find(TENANT)).set(tenants::deleted_at.eq(Some(now))).execute(c)?;
            switch(c, TENANT.0, Channel::DingTalk, true)
        })
        .await;
    let gone = house.ended(house.enqueue(robot, "Dataphin").await).await;
    assert_eq!((gone.state, gone.reason.as_str()), (DeliveryState::Failed, "tenant-deleted"));
    assert!(house.sandbox.calls("fake-ding").is_empty());
    courier.stop().await;
}

#[actix_web::test]
async fn an_address_put_into_the_database_by_hand_is_not_called() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    // The operator no longer names this origin; nothing else allows it.
    let (db, keys, clock) = (house.db.clone(), house.keys.clone(), house.clock.clone());
    let courier = Courier::start(db, keys, Origins::default(), clock, house.waker.clone(), spelled()).unwrap();
    let refused = house.ended(house.test(robot).await).await;
    assert_eq!((refused.state, refused.reason.as_str()), (DeliveryState::Failed, "broken-address-refused"));
    // A value sealed for another row does not open.
    house
        .write(move |c, now| {
            let row = robot_rows::table.find(robot);
            let sealed: Vec<u8> = row.select(robot_rows::sealed_url).first_row(c)?;
            let stolen = (
                robot_rows::tenant.eq(OTHER_TENANT),
                robot_rows::channel.eq("dingtalk"),
                robot_rows::fingerprint.eq(vec![7_u8; 32]),
                robot_rows::sealed_url.eq(sealed),
                robot_rows::host.eq(""),
                robot_rows::last_four.eq(""),
                robot_rows::state.eq("ok"),
                robot_rows::reason.eq(""),
                robot_rows::created_at.eq(now),
            );
            insert_into(robot_rows::table).values(stolen).execute(c)?;
            Ok(())
        })
        .await;
    let stolen = house.db.read(|c| {
        Ok(robot_rows::table
            .filter(robot_rows::tenant.eq(OTHER_TENANT))
            .select(robot_rows::id)
            .first_row::<RobotId, _>(c)?)
    });
    let stolen = stolen.await.unwrap();
    let delivery = house.enqueue_for(OTHER_TENANT, stolen, Kind::Test, "Dataphin").await;
    let outcome = house.waker.wait_for(&house.db, OTHER_TENANT, delivery, SOON).await.unwrap();
    assert_eq!((outcome.state, outcome.reason.as_str()), (DeliveryState::Failed, "sealed"));
    assert!(house.sandbox.calls("fake-ding").is_empty());
    courier.stop().await;
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    house.sandbox.add(RobotKind::DingTalk, "fake-elsewhere", Group::default());
    let elsewhere = RobotKind::DingTalk.url(&house.base, "fake-elsewhere");
    house.sandbox.fail("fake-ding", SandboxFault::Redirect(elsewhere), None);
    let courier = house.courier();
    let moved = house.ended(house.test(robot).await).await;
    assert_eq!((moved.state, moved.reason.as_str()), (DeliveryState::Failed, "broken-moved"));
    assert!(house.sandbox.calls("fake-elsewhere").is_empty());
    courier.stop().await;
}

#[actix_web::test]
async fn stopping_waits_for_what_is_in_flight_and_starts_nothing_more() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    house.sandbox.fail("fake-ding", SandboxFault::Delay(Duration::from_millis(300)), None);
    let first = house.enqueue(robot, "Dataphin: first").await;
    let second = house.enqueue(robot, "Dataphin: second").await;
    let courier = house.courier();
    assert!(house.sandbox.wait_until("fake-ding", |calls| calls.len() == 1, SOON).await);
    courier.stop().await;
    assert_eq!(house.outcome(first).await.state, DeliveryState::Success);
    assert_eq!(house.outcome(second).await.state, DeliveryState::Waiting);
    assert_eq!(house.heard("fake-ding"), ["Dataphin: first"]);
}

#[actix_web::test]
async fn the_same_url_is_one_robot_of_a_tenant_and_one_bell_for_all() {
    let house = House::new().await;
    let kind = RobotKind::DingTalk;
    let (robot, new) = house.robot_of(TENANT, kind, "fake-ding", Some("SECone")).await;
    assert!(new);
    assert_eq!(house.robot_of(TENANT, kind, "fake-ding", Some("SECone")).await, (robot, false));
    assert_eq!(house.robot_of(TENANT, kind, "fake-ding", None).await, (robot, false));
    assert_eq!(house.robot_of(TENANT, kind, "fake-ding", Some("SECtwo")).await, (robot, true));
    assert!(house.write(move |c, now| clear_secret(c, TENANT, robot, now)).await);
    assert!(!house.write(move |c, now| clear_secret(c, TENANT, robot, now)).await);
    let (theirs, new) = house.robot_of(OTHER_TENANT, kind, "fake-ding", None).await;
    assert!(new && theirs != robot);
    let foreign = house.db.write(move |c| clear_secret(c, OTHER_TENANT, robot, NaiveDateTime::default())).await;
    assert!(matches!(foreign, Err(crate::error::Error::NotFound)));
    let prints = house.db.read(|c| Ok(robot_rows::table.select(robot_rows::fingerprint).load::<Vec<u8>>(c)?));
    let prints = prints.await.unwrap();
    assert_eq!(prints[0], prints[1]);
}

#[actix_web::test]
async fn neither_token_nor_secret_is_readable_in_the_database() {
    let house = House::new().await;
    house.sandbox.add(RobotKind::DingTalk, "canary-token-0123", Group::default().secret("SECcanary-secret"));
    let (robot, _) = house.robot_of(TENANT, RobotKind::DingTalk, "canary-token-0123", Some("SECcanary-secret")).await;
    let courier = house.courier();
    assert_eq!(house.ended(house.test(robot).await).await.state, DeliveryState::Success);
    house.sandbox.fail("canary-token-0123", SandboxFault::Reset, None);
    let delivery = house.enqueue(robot, "Dataphin").await;
    house.until(delivery, DeliveryState::Waiting, "no-answer").await;
    courier.stop().await;
    let mut looked_at = 0;
    for file in std::fs::read_dir(house.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for canary in ["canary-token", "canary-secret"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()));
        }
        looked_at += bytes.len();
    }
    assert!(looked_at > 10_000);
}

#[actix_web::test]
async fn what_is_not_committed_is_not_sent_and_a_missed_wake_costs_no_message() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let courier = house.courier();
    let undone = house.db.write(move |c| {
        insert_notice(c, robot, "Dataphin: undone")?;
        Err::<(), _>(crate::error::Error::Taken)
    });
    assert!(undone.await.is_err());
    let delivery = house.write(move |c, _| insert_notice(c, robot, "Dataphin: kept")).await;
    assert_eq!(house.ended(delivery).await.state, DeliveryState::Success);
    assert_eq!(house.heard("fake-ding"), ["Dataphin: kept"]);
    courier.stop().await;
}

fn insert_notice(c: &mut AnyConnection, robot: RobotId, title: &str) -> Result<DeliveryId> {
    enqueue(c, notice(robot, Kind::MemberSaved, title), Clock::default().now())
}

/// A notice of the first tenant for nobody in particular.
fn notice(robot: RobotId, kind: Kind, title: &str) -> Notice {
    Notice {
        tenant: TENANT,
        kind,
        title: title.to_owned(),
        body: "A text.".to_owned(),
        robot,
        member: None,
        recipient: "Somebody".to_owned(),
        requested_by: None,
        alert: None,
    }
}

#[actix_web::test]
async fn everything_in_the_outbox_is_delivered_waiting_or_ended_with_a_reason() {
    let house = House::new().await;
    let fine = house.robot(RobotKind::Lark, "fake-fine", Group::default()).await;
    let broken = house.robot(RobotKind::Lark, "fake-broken", Group::default().keyword("Kettle")).await;
    let courier = house.courier();
    for n in 0..6 {
        house.enqueue(fine, &format!("Dataphin: {n}")).await;
        house.enqueue(broken, &format!("Dataphin: {n}")).await;
    }
    let last = house.enqueue(fine, "Dataphin: last").await;
    while house.outcome(last).await.state != DeliveryState::Success {
        house.advance(TimeDelta::milliseconds(500));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    courier.stop().await;
    let rows = house.db.read(|c| {
        let rows = deliveries::table.order(deliveries::id).select((deliveries::state, deliveries::reason));
        let open = messages::table.filter(messages::finished_at.is_null()).count();
        Ok((rows.load::<(String, String)>(c)?, open.get_result::<i64>(c)?))
    });
    let (rows, open) = rows.await.unwrap();
    let count = |state: &str, reason: &str| rows.iter().filter(|row| row.0 == state && row.1 == reason).count();
    assert_eq!((count("success", ""), count("waiting", "broken-keyword"), rows.len()), (7, 6, 13));
    assert_eq!((open, house.sandbox.calls("fake-broken").len()), (1, 1));
}

#[actix_web::test]
async fn four_workers_on_one_database_deliver_every_message_once() {
    let house = House::new().await;
    let mut couriers = Vec::new();
    for _ in 0..4 {
        let (db, keys, clock) = (open(&house.folder), house.keys.clone(), house.clock.clone());
        couriers.push(Courier::start(db, keys, house.origins(), clock, house.waker.clone(), spelled()).unwrap());
    }
    let tokens: Vec<String> = (0..20).map(|n| format!("fake-{n}")).collect();
    for token in &tokens {
        let robot = house.robot(RobotKind::Lark, token, Group::default()).await;
        for n in 0..5 {
            house.enqueue(robot, &format!("Dataphin: {n}")).await;
        }
    }
    for token in &tokens {
        assert!(house.sandbox.wait_until(token, |calls| calls.len() >= 5, SOON).await, "{token} heard too little");
    }
    for courier in couriers {
        courier.stop().await;
    }
    for token in &tokens {
        let mut heard = house.heard(token);
        heard.sort_unstable();
        assert_eq!(heard, (0..5).map(|n| format!("Dataphin: {n}")).collect::<Vec<_>>());
    }
    let ended = house.db.read(|c| {
        let success = deliveries::table.filter(deliveries::state.eq(DeliveryState::Success.as_str())).count();
        Ok((success.get_result::<i64>(c)?, attempts::table.count().get_result::<i64>(c)?))
    });
    assert_eq!(ended.await.unwrap(), (100, 100));
}

/// The number that a digest counts beside the lines that it lists; 0 when it lists all.
fn counted(body: &str) -> i64 {
    let number = body.split("[and ").nth(1).and_then(|rest| rest.split(' ').next());
    number.map_or(0, |number| number.parse().unwrap())
}

#[actix_web::test]
async fn a_digest_carries_600_deliveries_and_the_next_one_the_rest() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let storm = (0..700).map(|n| notice(robot, Kind::MemberSaved, &format!("Dataphin: storm {n:05}"))).collect();
    house.write(move |c, now| enqueue_all(c, storm, now)).await;
    let claim = house.claim().await.unwrap();
    let listed: Vec<&str> =
        claim.body.lines().filter_map(|line| line.strip_prefix("- **Notice** Dataphin: storm ")).collect();
    assert!(listed.len() > 100 && listed.is_sorted(), "{}", claim.body);
    assert_eq!(i64::try_from(listed.len()).unwrap() + counted(&claim.body), 600);
    assert_eq!(claim.title, "[Dataphin] Several notices in one message");
    assert!(claim.body.starts_with("600 notices\n"), "{}", claim.body);
    let message = claim.wire.message;
    assert!(claim.body.contains(&format!("(https://belfry.example/t/tenant-1/deliveries?message={message})")));
    let carried = deliveries::table
        .filter(deliveries::message.eq(message))
        .filter(deliveries::state.eq(DeliveryState::Sending.as_str()))
        .count();
    assert_eq!(house.db.read(move |c| Ok(carried.get_result::<i64>(c)?)).await.unwrap(), 600);
    assert!(house.record(claim, Meaning::Delivered).await);
    house.advance(TimeDelta::seconds(4));
    let rest = house.claim().await.unwrap();
    assert!(rest.body.starts_with("100 notices\n"), "{}", rest.body);
}

#[actix_web::test]
async fn a_refused_digest_is_halved_until_the_bad_text_is_alone_and_fails_alone() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let titles = |n| if n == 13 { format!("Dataphin: {BANNED_TEXT}") } else { format!("Dataphin: good {n:02}") };
    let storm = (0..30).map(|n| notice(robot, Kind::MemberSaved, &titles(n))).collect();
    let made = house.write(move |c, now| enqueue_all(c, storm, now)).await;
    let courier = house.courier();
    let open = deliveries::table.filter(deliveries::finished_at.is_null()).count();
    let mut steps = 0;
    while house.db.read(move |c| Ok(open.get_result::<i64>(c)?)).await.unwrap() > 0 {
        house.advance(TimeDelta::seconds(1));
        tokio::time::sleep(Duration::from_millis(30)).await;
        steps += 1;
        assert!(steps < 200, "the queue does not drain");
    }
    courier.stop().await;
    for (n, delivery) in made.into_iter().enumerate() {
        let (state, reason) =
            if n == 13 { (DeliveryState::Failed, "content-refused") } else { (DeliveryState::Success, "") };
        let outcome = house.outcome(delivery).await;
        assert_eq!((outcome.state, outcome.reason.as_str()), (state, reason), "{n}");
    }
    let calls = house.sandbox.calls("fake-ding");
    let throttled = |call: &crate::sandbox::Call| matches!(call.verdict, Verdict::Refused { code: 660_026, .. });
    assert!(calls.len() <= 12 && !calls.iter().any(throttled), "{calls:?}");
    let texts: Vec<String> = house.sandbox.heard("fake-ding").into_iter().map(|heard| heard.message.text).collect();
    for n in (0..30).filter(|n| *n != 13) {
        let told = texts.iter().filter(|text| text.contains(&format!("good {n:02}"))).count();
        assert_eq!(told, 1, "{n}: {texts:?}");
    }
}

#[actix_web::test]
async fn a_held_queue_that_drains_is_folded_and_a_digest_that_is_tried_again_is_the_same_message() {
    let house = House::new().await;
    let robot = house.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let storm = (0..40).map(|n| notice(robot, Kind::MemberSaved, &format!("Dataphin: {n}"))).collect();
    house.write(move |c, now| enqueue_all(c, storm, now)).await;
    let first = house.claim().await.unwrap();
    let (uuid, body) = (first.msg_uuid.clone(), first.body.clone());
    assert!(house.record(first, Meaning::Broken(Cause::Keyword)).await);
    let held = (0..40).map(|n| notice(robot, Kind::MemberSaved, &format!("Dataphin: later {n}"))).collect();
    house.write(move |c, now| enqueue_all(c, held, now)).await;
    assert!(house.claim().await.is_none());
    let test = house.test(robot).await;
    let claim = house.claim().await.unwrap();
    assert_eq!(claim.deliveries, [test]);
    assert!(house.record(claim, Meaning::Delivered).await);
    house.advance(TimeDelta::seconds(60));
    let again = house.claim().await.unwrap();
    assert_eq!((&again.msg_uuid, &again.body), (&uuid, &body));
    assert!(house.record(again, Meaning::Delivered).await);
    house.advance(TimeDelta::seconds(60));
    let claim = house.claim().await.unwrap();
    assert!(claim.body.starts_with("40 notices\n"), "{}", claim.body);
    assert_eq!(counted(&claim.body), 0);
}
