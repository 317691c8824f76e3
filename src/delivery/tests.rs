//! The whole way of a message, from the outbox to what the group of a sandbox robot hears, on a real SQLite file.

use std::{net::TcpListener, time::Duration};

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, insert_into, update};

use super::{
    policy::CallOutcome,
    retries::RetrySchedule,
    sender::{CallResult, Sender},
    store::{
        claim::{self, Claim},
        endpoints, outcome,
    },
    *,
};
use crate::{
    clock::Clock,
    db::{
        AccountId, AnyConnection, Database, DatabaseAddress, DeliveryId, LimitConst as _, RobotId, TenantId,
        schema::{accounts, attempts, channel_switches, deliveries, messages, robots as robot_rows, tenants},
    },
    error::Result,
    robots::{BrokenCause, Channel, Meaning, RobotAddress, RobotOrigins, RobotResponse, SigningSecret},
    sandbox::{BANNED_TEXT, CallVerdict, Group, InjectedFault as SandboxFault, RobotKind, RobotStatus, Sandbox},
    secrets::KeyRing,
};

const TENANT: TenantId = TenantId(1);
const OTHER_TENANT: TenantId = TenantId(2);
const TIMEOUT: Duration = Duration::from_secs(8);

/// A database with two tenants whose channels are on, a sandbox, and time that both go by.
struct TestSetup {
    folder: tempfile::TempDir,
    db: Database,
    keys: KeyRing,
    clock: Clock,
    sandbox: Sandbox,
    base: String,
    waker: Waker,
}

impl TestSetup {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        let db = open(&folder);
        let clock = Clock::default();
        let sandbox = Sandbox::new(clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        actix_web::rt::spawn(sandbox.clone().serve(listener).unwrap());
        let setup = Self { folder, db, keys, clock, sandbox, base, waker: Waker::default() };
        setup.write(seed).await;
        setup
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut AnyConnection, NaiveDateTime) -> Result<T> + Send + 'static,
    ) -> T {
        let now = self.clock.now();
        self.db.write(move |c| job(c, now)).await.unwrap()
    }

    fn origins(&self) -> RobotOrigins {
        RobotOrigins::parse(&self.base).unwrap()
    }

    fn start_worker(&self) -> DeliveryWorker {
        let (db, keys, clock) = (self.db.clone(), self.keys.clone(), self.clock.clone());
        DeliveryWorker::start(db, keys, self.origins(), clock, self.waker.clone(), digest_renderers()).unwrap()
    }

    fn address(&self, kind: RobotKind, token: &str) -> RobotAddress {
        let channel = match kind {
            RobotKind::DingTalk => Channel::DingTalk,
            RobotKind::Lark => Channel::Lark,
            RobotKind::WeCom => Channel::WeCom,
        };
        RobotAddress::parse(channel, &kind.webhook_url(&self.base, token), &self.origins()).unwrap()
    }

    /// A sandbox robot with the token, and the tenant's row of it.
    async fn robot(&self, kind: RobotKind, token: &str, group: Group) -> RobotId {
        self.sandbox.add_robot(kind, token, group);
        self.upsert_tenant_robot(TENANT, kind, token, None).await.0
    }

    async fn upsert_tenant_robot(
        &self,
        tenant: TenantId,
        kind: RobotKind,
        token: &str,
        secret: Option<&str>,
    ) -> (RobotId, bool) {
        let (keys, address) = (self.keys.clone(), self.address(kind, token));
        let secret = secret.map(|secret| SigningSecret::parse(address.channel(), secret).unwrap());
        self.write(move |c, now| upsert_robot(c, &keys, tenant, &address, secret.as_ref(), now)).await
    }

    async fn enqueue_for(&self, tenant: TenantId, robot: RobotId, kind: DeliveryKind, title: &str) -> DeliveryId {
        let notice = Notice { tenant, ..notice(robot, kind, title) };
        let delivery = self.write(move |c, now| enqueue(c, notice, now)).await;
        self.waker.wake();
        delivery
    }

    async fn enqueue(&self, robot: RobotId, title: &str) -> DeliveryId {
        self.enqueue_for(TENANT, robot, DeliveryKind::MemberSaved, title).await
    }

    async fn send_test(&self, robot: RobotId) -> DeliveryId {
        self.enqueue_for(TENANT, robot, DeliveryKind::Test, "Dataphin: a test").await
    }

    async fn wait_until_final(&self, delivery: DeliveryId) -> DeliveryStatus {
        self.waker.wait_for_delivery(&self.db, TENANT, delivery, Duration::from_secs(15)).await.unwrap()
    }

    async fn status(&self, delivery: DeliveryId) -> DeliveryStatus {
        self.db.read(move |c| load_delivery_status(c, TENANT, delivery)).await.unwrap()
    }

    /// Looks until the delivery stands like this.
    async fn wait_for_state(&self, delivery: DeliveryId, state: DeliveryState, reason: &str) {
        let deadline = std::time::Instant::now() + TIMEOUT;
        loop {
            let status = self.status(delivery).await;
            if status.state == state && status.reason == reason {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{status:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
        self.waker.wake();
    }

    fn delivered_messages(&self, token: &str) -> Vec<String> {
        self.sandbox
            .delivered_messages(token)
            .into_iter()
            .map(|heard| heard.message.title.unwrap_or_default())
            .collect()
    }

    async fn claim(&self) -> Option<Claim> {
        let batch = self.write(|c, now| claim::claim_due(c, now, 64, &digest_renderers())).await;
        batch.claims.into_iter().next()
    }

    /// Records what a robot would have answered to a claim.
    async fn record(&self, claim: Claim, meaning: Meaning) -> bool {
        let answer = RobotResponse { meaning, cooldown: None, code: None, text: String::new() };
        let result =
            CallResult { outcome: CallOutcome::Answered(answer), http_status: Some(200), detail: String::new() };
        let schedule = RetrySchedule::default();
        self.write(move |c, now| {
            Ok(outcome::record_outcome(c, &claim.in_flight, &result, (&schedule, 0.0), now)?.is_some())
        })
        .await
    }
}

/// The words of digests, as the application gives them.
fn digest_renderers() -> DigestRendererFactory {
    crate::templates::digest_renderer("Dataphin".to_owned(), Some("https://belfry.example".to_owned()))
}

fn open(folder: &tempfile::TempDir) -> Database {
    Database::open(&DatabaseAddress::Sqlite(folder.path().join("belfry.db"))).unwrap()
}

/// One account, two tenants that use the instance's switches, and every channel on.
fn seed(c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
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
    let setup = TestSetup::new().await;
    let worker = setup.start_worker();
    for (kind, token) in
        [(RobotKind::DingTalk, "fake-ding"), (RobotKind::Lark, "fake-lark"), (RobotKind::WeCom, "fake-wecom")]
    {
        let robot = setup.robot(kind, token, Group::default()).await;
        let delivery = setup.enqueue(robot, "Dataphin: hello").await;
        let outcome = setup.wait_until_final(delivery).await;
        assert_eq!((outcome.state, outcome.reason.as_str(), outcome.code.as_str()), (DeliveryState::Success, "", "0"));
        assert_eq!(setup.sandbox.delivered_messages(token).len(), 1);
        let calls = setup.sandbox.calls(token);
        assert_eq!(calls[0].header("content-type"), Some("application/json; charset=utf-8"));
    }
    worker.stop().await;
}

#[actix_web::test]
async fn a_refused_keyword_holds_the_queue_until_a_test_succeeds() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default().with_keyword("Kettle")).await;
    let worker = setup.start_worker();
    let refused = setup.wait_until_final(setup.send_test(robot).await).await;
    assert_eq!((refused.state, refused.reason.as_str()), (DeliveryState::Failed, "broken-keyword"));
    assert_eq!((refused.code.as_str(), reason_key(&refused.reason)), ("310000", "robots-broken-keyword"));
    assert!(!refused.answer.is_empty());

    let held = setup.enqueue(robot, "Dataphin: held").await;
    setup.wait_for_state(held, DeliveryState::Waiting, "broken-keyword").await;
    setup.sandbox.update_group("fake-ding", |group| group.keywords = vec!["Dataphin".to_owned()]);
    assert_eq!(setup.sandbox.calls("fake-ding").len(), 1);

    assert_eq!(setup.wait_until_final(setup.send_test(robot).await).await.state, DeliveryState::Success);
    assert_eq!(setup.wait_until_final(held).await.state, DeliveryState::Success);
    assert_eq!(setup.delivered_messages("fake-ding"), ["Dataphin: a test", "Dataphin: held"]);
    worker.stop().await;
}

#[actix_web::test]
async fn a_broken_configuration_holds_the_message_and_the_queue() {
    let setup = TestSetup::new().await;
    let group = Group { status: RobotStatus::Disabled, ..Group::default() };
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", group).await;
    let first = setup.enqueue(robot, "Dataphin: one").await;
    let second = setup.enqueue(robot, "Dataphin: two").await;
    let worker = setup.start_worker();
    setup.wait_for_state(first, DeliveryState::Waiting, "broken-disabled").await;
    setup.wait_for_state(second, DeliveryState::Waiting, "broken-disabled").await;
    setup.sandbox.update_group("fake-ding", |group| group.status = RobotStatus::Active);
    setup.advance(TimeDelta::hours(30));
    assert_eq!(setup.wait_until_final(setup.send_test(robot).await).await.state, DeliveryState::Success);
    assert_eq!(setup.wait_until_final(second).await.state, DeliveryState::Success);
    assert_eq!(setup.delivered_messages("fake-ding"), ["Dataphin: a test", "Dataphin: one", "Dataphin: two"]);
    worker.stop().await;
}

#[actix_web::test]
async fn a_corrected_signing_secret_gives_a_broken_robot_another_chance() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default().with_secret("SECright")).await;
    let worker = setup.start_worker();
    let held = setup.enqueue(robot, "Dataphin: signed").await;
    setup.wait_for_state(held, DeliveryState::Waiting, "broken-signature").await;
    let (same, changed) = setup.upsert_tenant_robot(TENANT, RobotKind::DingTalk, "fake-ding", Some("SECright")).await;
    assert_eq!((same, changed), (robot, true));
    setup.waker.wake();
    assert_eq!(setup.wait_until_final(held).await.state, DeliveryState::Success);
    worker.stop().await;
}

#[actix_web::test]
async fn only_three_unknown_token_answers_in_a_row_break_the_robot() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let unknown = Meaning::Broken(BrokenCause::UnknownToken);
    for (meaning, state) in [
        (unknown, "ok"),
        (unknown, "ok"),
        (Meaning::Delivered, "ok"),
        (unknown, "ok"),
        (unknown, "ok"),
        (unknown, "broken"),
    ] {
        setup.enqueue(robot, "Dataphin").await;
        let claim = setup.claim().await.unwrap();
        assert!(setup.record(claim, meaning).await);
        let now = setup
            .db
            .read(move |c| Ok(robot_rows::table.find(robot).select(robot_rows::state).first_cached::<String, _>(c)?));
        assert_eq!(now.await.unwrap(), state);
        setup.advance(TimeDelta::minutes(20));
    }
}

#[actix_web::test]
async fn a_rate_limited_robot_cools_down_and_tests_fail_at_once() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    setup.sandbox.inject_fault("fake-ding", SandboxFault::Status(429), Some(1));
    let worker = setup.start_worker();
    let delivery = setup.enqueue(robot, "Dataphin: patient").await;
    setup.wait_for_state(delivery, DeliveryState::Waiting, "wait").await;
    let other = setup.enqueue(robot, "Dataphin: second").await;
    let test = setup.wait_until_final(setup.send_test(robot).await).await;
    assert_eq!((test.state, test.reason.as_str()), (DeliveryState::Failed, "test-too-fast"));
    worker.stop().await;
    assert_eq!(setup.sandbox.calls("fake-ding").len(), 1);
    setup.clock.advance(TimeDelta::seconds(590));
    assert!(setup.claim().await.is_none());
    setup.clock.advance(TimeDelta::seconds(11));
    let worker = setup.start_worker();
    assert_eq!(setup.wait_until_final(delivery).await.state, DeliveryState::Success);
    assert_eq!(setup.wait_until_final(other).await.state, DeliveryState::Success);
    worker.stop().await;
}

#[actix_web::test]
async fn an_unreadable_answer_is_retried_under_the_same_message_id() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    setup.sandbox.inject_fault("fake-ding", SandboxFault::HtmlPage, Some(1));
    setup.sandbox.inject_fault("fake-ding", SandboxFault::TruncatedBody, Some(1));
    let worker = setup.start_worker();
    let delivery = setup.enqueue(robot, "Dataphin: again").await;
    setup.wait_for_state(delivery, DeliveryState::Waiting, "unknown").await;
    setup.advance(TimeDelta::seconds(5));
    assert!(setup.sandbox.wait_for_calls("fake-ding", |calls| calls.len() == 2, TIMEOUT).await);
    setup.wait_for_state(delivery, DeliveryState::Waiting, "unknown").await;
    setup.advance(TimeDelta::seconds(30));
    assert_eq!(setup.wait_until_final(delivery).await.state, DeliveryState::Success);
    // The second call was heard, though its answer was cut; the third has the same identity and is no new message.
    let verdicts: Vec<CallVerdict> = setup.sandbox.calls("fake-ding").into_iter().map(|call| call.verdict).collect();
    assert_eq!(verdicts, [CallVerdict::Intercepted, CallVerdict::Delivered, CallVerdict::Duplicate]);
    worker.stop().await;
}

#[actix_web::test]
async fn an_undeliverable_message_fails_after_twelve_calls() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let delivery = setup.enqueue(robot, "Dataphin: in vain").await;
    let mut calls = 0;
    while let Some(claim) = setup.claim().await {
        assert!(setup.record(claim, Meaning::Temporary).await);
        setup.clock.advance(TimeDelta::hours(10));
        calls += 1;
    }
    let outcome = setup.status(delivery).await;
    assert_eq!((calls, outcome.state, outcome.reason.as_str()), (12, DeliveryState::Failed, "given-up"));
}

#[actix_web::test]
async fn a_crash_before_recording_resends_and_the_group_gets_it_once() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let delivery = setup.enqueue(robot, "Dataphin: once").await;
    let claim = setup.claim().await.unwrap();
    let sender = Sender::new(setup.keys.clone(), setup.origins(), setup.clock.clone(), None).unwrap();
    let result = sender.call(&claim).await;
    assert!(matches!(result.outcome, CallOutcome::Answered(RobotResponse { meaning: Meaning::Delivered, .. })));
    // Here the process ends. Another one leaves the message alone while the lease holds.
    setup.clock.advance(TimeDelta::seconds(40));
    assert!(setup.claim().await.is_none());
    setup.clock.advance(TimeDelta::seconds(6));
    let worker = setup.start_worker();
    assert_eq!(setup.wait_until_final(delivery).await.state, DeliveryState::Success);
    let verdicts: Vec<CallVerdict> = setup.sandbox.calls("fake-ding").into_iter().map(|call| call.verdict).collect();
    assert_eq!(verdicts, [CallVerdict::Delivered, CallVerdict::Duplicate]);
    worker.stop().await;
}

#[actix_web::test]
async fn a_record_after_the_lease_is_refused() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let delivery = setup.enqueue(robot, "Dataphin").await;
    let late = setup.claim().await.unwrap();
    assert!(setup.claim().await.is_none());
    setup.clock.advance(TimeDelta::seconds(46));
    let mine = setup.claim().await.unwrap();
    assert_eq!((late.in_flight.message, &late.msg_uuid), (mine.in_flight.message, &mine.msg_uuid));
    assert!(!setup.record(late, Meaning::Delivered).await);
    assert_eq!(setup.status(delivery).await.state, DeliveryState::Sending);
    assert!(setup.record(mine, Meaning::Delivered).await);
    assert_eq!(setup.status(delivery).await.state, DeliveryState::Success);
    let meanings =
        setup.db.read(|c| Ok(attempts::table.order(attempts::number).select(attempts::meaning).load::<String>(c)?));
    assert_eq!(meanings.await.unwrap(), ["lost", "delivered"]);
}

#[actix_web::test]
async fn a_late_record_of_a_rate_limit_still_starts_the_cooldown() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    setup.enqueue(robot, "Dataphin").await;
    let late = setup.claim().await.unwrap();
    setup.clock.advance(TimeDelta::seconds(46));
    let mine = setup.claim().await.unwrap();
    assert!(!setup.record(late, Meaning::RateLimited).await);
    assert!(setup.record(mine, Meaning::Delivered).await);
    setup.enqueue(robot, "Dataphin: later").await;
    assert!(setup.claim().await.is_none());
    setup.clock.advance(TimeDelta::seconds(55));
    assert!(setup.claim().await.is_none());
    setup.clock.advance(TimeDelta::seconds(10));
    assert!(setup.claim().await.is_some());
}

#[actix_web::test]
async fn no_robot_exceeds_its_limit_across_tenants_and_backlogs() {
    let setup = TestSetup::new().await;
    let mine = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let (theirs, _) = setup.upsert_tenant_robot(OTHER_TENANT, RobotKind::DingTalk, "fake-ding", None).await;
    for n in 0..25 {
        setup.enqueue_for(OTHER_TENANT, theirs, DeliveryKind::MemberSaved, &format!("Dataphin: theirs {n}")).await;
        setup.enqueue(mine, &format!("Dataphin: mine {n}")).await;
    }
    // Two workers on one file, as two processes would be.
    let (db, keys, clock) = (open(&setup.folder), setup.keys.clone(), setup.clock.clone());
    let other = DeliveryWorker::start(db, keys, setup.origins(), clock, Waker::default(), digest_renderers()).unwrap();
    let couriers = [setup.start_worker(), other];
    let delivered = deliveries::table.filter(deliveries::state.eq(DeliveryState::Success.as_str())).count();
    let mut steps = 0;
    while setup.db.read(move |c| Ok(delivered.get_result::<i64>(c)?)).await.unwrap() < 50 {
        setup.advance(TimeDelta::seconds(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
        steps += 1;
        assert!(steps < 100, "the queue does not drain");
    }
    // The sandbox goes by the same clock and answers "too fast" to the first one that is.
    let calls = setup.sandbox.calls("fake-ding");
    assert!(calls.iter().all(|call| call.verdict == CallVerdict::Delivered));
    // What a tenant has to say stays apart from what the other has.
    let texts: Vec<String> =
        setup.sandbox.delivered_messages("fake-ding").into_iter().map(|heard| heard.message.text).collect();
    for n in 0..25 {
        for whose in ["mine", "theirs"] {
            let of = |text: &&String| text.lines().any(|line| line.trim_end().ends_with(&format!("{whose} {n}")));
            assert_eq!(texts.iter().filter(of).count(), 1, "{whose} {n}: {texts:?}");
        }
    }
    assert!(!texts.iter().any(|text| text.contains("mine") && text.contains("theirs")));
    for worker in couriers {
        worker.stop().await;
    }
}

#[actix_web::test]
async fn ordinary_messages_wait_for_capacity_but_tests_are_decided_at_once() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "full", Group::default()).await;
    for number in 0..12 {
        setup.enqueue(robot, &format!("Dataphin: {number}")).await;
        let claim = setup.claim().await.unwrap();
        assert!(setup.record(claim, Meaning::Delivered).await);
    }
    setup.enqueue(robot, "Dataphin: one more").await;
    assert!(setup.claim().await.is_none(), "the others of the minute are kept for digests");
    let due = async || setup.db.read(endpoints::next_due).await.unwrap();
    let full_until = due().await;
    assert!(full_until > Some(setup.clock.now() + TimeDelta::seconds(1)), "{full_until:?}");
    setup.enqueue(robot, "Dataphin: later").await;
    assert_eq!(due().await, full_until, "nothing is decided before there is a place");
    setup.send_test(robot).await;
    assert!(due().await <= Some(setup.clock.now()), "a test is decided at once");
    assert_eq!(setup.claim().await.unwrap().title, "Dataphin: a test");
}

#[actix_web::test]
async fn a_test_overtakes_the_queue_and_uses_reserved_capacity() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let worker = setup.start_worker();
    for n in 0..12 {
        setup.wait_until_final(setup.enqueue(robot, &format!("Dataphin: {n}")).await).await;
    }
    let waiting = setup.enqueue(robot, "Dataphin: waiting").await;
    assert_eq!(setup.wait_until_final(setup.send_test(robot).await).await.state, DeliveryState::Success);
    assert_eq!(setup.sandbox.calls("fake-ding").len(), 13);
    assert_eq!(setup.status(waiting).await.state, DeliveryState::Waiting);
    worker.stop().await;
}

#[actix_web::test]
async fn a_burst_of_alerts_does_not_hide_a_test_that_is_on_its_way() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let must_wait = async || setup.write(move |c, now| is_test_limited(c, TENANT, robot, AccountId(1), now)).await;
    assert!(!must_wait().await);
    setup.send_test(robot).await;
    let burst = (0..1_100).map(|_| notice(robot, DeliveryKind::Firing, "Dataphin: one of many")).collect();
    let made = setup.write(move |c, now| enqueue_all(c, burst, now)).await;
    assert!(made.len() == 1_100 && made.is_sorted());
    assert!(must_wait().await);
}

#[actix_web::test]
async fn a_robot_that_hangs_ends_in_time_and_delays_no_other() {
    let setup = TestSetup::new().await;
    let slow = setup.robot(RobotKind::DingTalk, "fake-slow", Group::default()).await;
    let quick = setup.robot(RobotKind::DingTalk, "fake-quick", Group::default()).await;
    setup.sandbox.inject_fault("fake-slow", SandboxFault::NeverAnswers, None);
    let worker = setup.start_worker();
    let hanging = setup.send_test(slow).await;
    assert!(setup.sandbox.wait_for_calls("fake-slow", |calls| calls.len() == 1, TIMEOUT).await);
    assert_eq!(setup.wait_until_final(setup.enqueue(quick, "Dataphin").await).await.state, DeliveryState::Success);
    assert_eq!(setup.status(hanging).await.state, DeliveryState::Sending);
    let outcome = setup.wait_until_final(hanging).await;
    assert_eq!((outcome.state, outcome.reason.as_str()), (DeliveryState::Failed, "no-answer"));
    worker.stop().await;
}

#[actix_web::test]
async fn a_channel_that_is_off_and_a_deleted_tenant_send_nothing_and_say_so() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    setup
        .write(|c, _| {
            update(tenants::table.find(TENANT)).set(tenants::channel_mode.eq("custom")).execute(c)?;
            switch(c, TENANT.0, Channel::Lark, true)
        })
        .await;
    let worker = setup.start_worker();
    let off = setup.wait_until_final(setup.send_test(robot).await).await;
    assert_eq!((off.state, off.reason.as_str()), (DeliveryState::Failed, "channel-off"));
    setup
        .write(|c, now| {
            update(tenants::table.find(TENANT)).set(tenants::deleted_at.eq(Some(now))).execute(c)?;
            switch(c, TENANT.0, Channel::DingTalk, true)
        })
        .await;
    let gone = setup.wait_until_final(setup.enqueue(robot, "Dataphin").await).await;
    assert_eq!((gone.state, gone.reason.as_str()), (DeliveryState::Failed, "tenant-deleted"));
    assert!(setup.sandbox.calls("fake-ding").is_empty());
    worker.stop().await;
}

#[actix_web::test]
async fn an_address_put_into_the_database_by_hand_is_not_called() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    // The operator no longer names this origin; nothing else allows it.
    let (db, keys, clock) = (setup.db.clone(), setup.keys.clone(), setup.clock.clone());
    let worker =
        DeliveryWorker::start(db, keys, RobotOrigins::default(), clock, setup.waker.clone(), digest_renderers())
            .unwrap();
    let refused = setup.wait_until_final(setup.send_test(robot).await).await;
    assert_eq!((refused.state, refused.reason.as_str()), (DeliveryState::Failed, "broken-address-refused"));
    // A value sealed for another row does not open.
    setup
        .write(move |c, now| {
            let row = robot_rows::table.find(robot);
            let sealed: Vec<u8> = row.select(robot_rows::sealed_url).first_cached(c)?;
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
    let stolen = setup.db.read(|c| {
        Ok(robot_rows::table
            .filter(robot_rows::tenant.eq(OTHER_TENANT))
            .select(robot_rows::id)
            .first_cached::<RobotId, _>(c)?)
    });
    let stolen = stolen.await.unwrap();
    let delivery = setup.enqueue_for(OTHER_TENANT, stolen, DeliveryKind::Test, "Dataphin").await;
    let outcome = setup.waker.wait_for_delivery(&setup.db, OTHER_TENANT, delivery, TIMEOUT).await.unwrap();
    assert_eq!((outcome.state, outcome.reason.as_str()), (DeliveryState::Failed, "sealed"));
    assert!(setup.sandbox.calls("fake-ding").is_empty());
    worker.stop().await;
}

#[actix_web::test]
async fn a_redirect_is_not_followed() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    setup.sandbox.add_robot(RobotKind::DingTalk, "fake-elsewhere", Group::default());
    let elsewhere = RobotKind::DingTalk.webhook_url(&setup.base, "fake-elsewhere");
    setup.sandbox.inject_fault("fake-ding", SandboxFault::Redirect(elsewhere), None);
    let worker = setup.start_worker();
    let moved = setup.wait_until_final(setup.send_test(robot).await).await;
    assert_eq!((moved.state, moved.reason.as_str()), (DeliveryState::Failed, "broken-moved"));
    assert!(setup.sandbox.calls("fake-elsewhere").is_empty());
    worker.stop().await;
}

#[actix_web::test]
async fn stopping_waits_for_what_is_in_flight_and_starts_nothing_more() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    setup.sandbox.inject_fault("fake-ding", SandboxFault::Delay(Duration::from_millis(300)), None);
    let first = setup.enqueue(robot, "Dataphin: first").await;
    let second = setup.enqueue(robot, "Dataphin: second").await;
    let worker = setup.start_worker();
    assert!(setup.sandbox.wait_for_calls("fake-ding", |calls| calls.len() == 1, TIMEOUT).await);
    worker.stop().await;
    assert_eq!(setup.status(first).await.state, DeliveryState::Success);
    assert_eq!(setup.status(second).await.state, DeliveryState::Waiting);
    assert_eq!(setup.delivered_messages("fake-ding"), ["Dataphin: first"]);
}

#[actix_web::test]
async fn one_url_is_one_robot_per_tenant_and_one_shared_endpoint() {
    let setup = TestSetup::new().await;
    let kind = RobotKind::DingTalk;
    let (robot, new) = setup.upsert_tenant_robot(TENANT, kind, "fake-ding", Some("SECone")).await;
    assert!(new);
    assert_eq!(setup.upsert_tenant_robot(TENANT, kind, "fake-ding", Some("SECone")).await, (robot, false));
    assert_eq!(setup.upsert_tenant_robot(TENANT, kind, "fake-ding", None).await, (robot, false));
    assert_eq!(setup.upsert_tenant_robot(TENANT, kind, "fake-ding", Some("SECtwo")).await, (robot, true));
    assert!(setup.write(move |c, now| clear_secret(c, TENANT, robot, now)).await);
    assert!(!setup.write(move |c, now| clear_secret(c, TENANT, robot, now)).await);
    let (theirs, new) = setup.upsert_tenant_robot(OTHER_TENANT, kind, "fake-ding", None).await;
    assert!(new && theirs != robot);
    let foreign = setup.db.write(move |c| clear_secret(c, OTHER_TENANT, robot, NaiveDateTime::default())).await;
    assert!(matches!(foreign, Err(crate::error::Error::NotFound)));
    let prints = setup.db.read(|c| Ok(robot_rows::table.select(robot_rows::fingerprint).load::<Vec<u8>>(c)?));
    let prints = prints.await.unwrap();
    assert_eq!(prints[0], prints[1]);
}

#[actix_web::test]
async fn neither_token_nor_secret_is_readable_in_the_database() {
    let setup = TestSetup::new().await;
    setup.sandbox.add_robot(RobotKind::DingTalk, "canary-token-0123", Group::default().with_secret("SECcanary-secret"));
    let (robot, _) =
        setup.upsert_tenant_robot(TENANT, RobotKind::DingTalk, "canary-token-0123", Some("SECcanary-secret")).await;
    let worker = setup.start_worker();
    assert_eq!(setup.wait_until_final(setup.send_test(robot).await).await.state, DeliveryState::Success);
    setup.sandbox.inject_fault("canary-token-0123", SandboxFault::ConnectionReset, None);
    let delivery = setup.enqueue(robot, "Dataphin").await;
    setup.wait_for_state(delivery, DeliveryState::Waiting, "no-answer").await;
    worker.stop().await;
    let mut looked_at = 0;
    for file in std::fs::read_dir(setup.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for canary in ["canary-token", "canary-secret"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()));
        }
        looked_at += bytes.len();
    }
    assert!(looked_at > 10_000);
}

#[actix_web::test]
async fn uncommitted_messages_are_not_sent_and_a_missed_wake_loses_none() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let worker = setup.start_worker();
    let undone = setup.db.write(move |c| {
        insert_notice(c, robot, "Dataphin: undone")?;
        Err::<(), _>(crate::error::Error::AlreadyExists)
    });
    assert!(undone.await.is_err());
    let delivery = setup.write(move |c, _| insert_notice(c, robot, "Dataphin: kept")).await;
    assert_eq!(setup.wait_until_final(delivery).await.state, DeliveryState::Success);
    assert_eq!(setup.delivered_messages("fake-ding"), ["Dataphin: kept"]);
    worker.stop().await;
}

fn insert_notice(c: &mut AnyConnection, robot: RobotId, title: &str) -> Result<DeliveryId> {
    enqueue(c, notice(robot, DeliveryKind::MemberSaved, title), Clock::default().now())
}

/// A notice of the first tenant for nobody in particular.
fn notice(robot: RobotId, kind: DeliveryKind, title: &str) -> Notice {
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
    let setup = TestSetup::new().await;
    let fine = setup.robot(RobotKind::Lark, "fake-fine", Group::default()).await;
    let broken = setup.robot(RobotKind::Lark, "fake-broken", Group::default().with_keyword("Kettle")).await;
    let worker = setup.start_worker();
    for n in 0..6 {
        setup.enqueue(fine, &format!("Dataphin: {n}")).await;
        setup.enqueue(broken, &format!("Dataphin: {n}")).await;
    }
    let last = setup.enqueue(fine, "Dataphin: last").await;
    while setup.status(last).await.state != DeliveryState::Success {
        setup.advance(TimeDelta::milliseconds(500));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.stop().await;
    let rows = setup.db.read(|c| {
        let rows = deliveries::table.order(deliveries::id).select((deliveries::state, deliveries::reason));
        let open = messages::table.filter(messages::finished_at.is_null()).count();
        Ok((rows.load::<(String, String)>(c)?, open.get_result::<i64>(c)?))
    });
    let (rows, open) = rows.await.unwrap();
    let count = |state: &str, reason: &str| rows.iter().filter(|row| row.0 == state && row.1 == reason).count();
    assert_eq!((count("success", ""), count("waiting", "broken-keyword"), rows.len()), (7, 6, 13));
    assert_eq!((open, setup.sandbox.calls("fake-broken").len()), (1, 1));
}

#[actix_web::test]
async fn four_workers_on_one_database_deliver_every_message_once() {
    let setup = TestSetup::new().await;
    let mut couriers = Vec::new();
    for _ in 0..4 {
        let (db, keys, clock) = (open(&setup.folder), setup.keys.clone(), setup.clock.clone());
        couriers.push(
            DeliveryWorker::start(db, keys, setup.origins(), clock, setup.waker.clone(), digest_renderers()).unwrap(),
        );
    }
    let tokens: Vec<String> = (0..20).map(|n| format!("fake-{n}")).collect();
    for token in &tokens {
        let robot = setup.robot(RobotKind::Lark, token, Group::default()).await;
        for n in 0..5 {
            setup.enqueue(robot, &format!("Dataphin: {n}")).await;
        }
    }
    for token in &tokens {
        assert!(
            setup.sandbox.wait_for_calls(token, |calls| calls.len() >= 5, TIMEOUT).await,
            "{token} heard too little"
        );
    }
    for worker in couriers {
        worker.stop().await;
    }
    for token in &tokens {
        let mut heard = setup.delivered_messages(token);
        heard.sort_unstable();
        assert_eq!(heard, (0..5).map(|n| format!("Dataphin: {n}")).collect::<Vec<_>>());
    }
    let ended = setup.db.read(|c| {
        let success = deliveries::table.filter(deliveries::state.eq(DeliveryState::Success.as_str())).count();
        Ok((success.get_result::<i64>(c)?, attempts::table.count().get_result::<i64>(c)?))
    });
    assert_eq!(ended.await.unwrap(), (100, 100));
}

/// The number that a digest counts beside the lines that it lists; 0 when it lists all.
fn listed_count(body: &str) -> i64 {
    let number = body.split("[and ").nth(1).and_then(|rest| rest.split(' ').next());
    number.map_or(0, |number| number.parse().unwrap())
}

#[actix_web::test]
async fn a_digest_carries_600_deliveries_and_the_next_one_the_rest() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let storm =
        (0..700).map(|n| notice(robot, DeliveryKind::MemberSaved, &format!("Dataphin: storm {n:05}"))).collect();
    setup.write(move |c, now| enqueue_all(c, storm, now)).await;
    let claim = setup.claim().await.unwrap();
    let listed: Vec<&str> =
        claim.body.lines().filter_map(|line| line.strip_prefix("- **Notice** Dataphin: storm ")).collect();
    assert!(listed.len() > 100 && listed.is_sorted(), "{}", claim.body);
    assert_eq!(i64::try_from(listed.len()).unwrap() + listed_count(&claim.body), 600);
    assert_eq!(claim.title, "[Dataphin] Several notices in one message");
    assert!(claim.body.starts_with("600 notices\n"), "{}", claim.body);
    let message = claim.in_flight.message;
    assert!(claim.body.contains(&format!("(https://belfry.example/t/tenant-1/deliveries?message={message})")));
    let carried = deliveries::table
        .filter(deliveries::message.eq(message))
        .filter(deliveries::state.eq(DeliveryState::Sending.as_str()))
        .count();
    assert_eq!(setup.db.read(move |c| Ok(carried.get_result::<i64>(c)?)).await.unwrap(), 600);
    assert!(setup.record(claim, Meaning::Delivered).await);
    setup.advance(TimeDelta::seconds(4));
    let rest = setup.claim().await.unwrap();
    assert!(rest.body.starts_with("100 notices\n"), "{}", rest.body);
}

#[actix_web::test]
async fn a_refused_digest_is_split_until_only_the_bad_text_fails() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let titles = |n| if n == 13 { format!("Dataphin: {BANNED_TEXT}") } else { format!("Dataphin: good {n:02}") };
    let storm = (0..30).map(|n| notice(robot, DeliveryKind::MemberSaved, &titles(n))).collect();
    let made = setup.write(move |c, now| enqueue_all(c, storm, now)).await;
    let worker = setup.start_worker();
    let open = deliveries::table.filter(deliveries::finished_at.is_null()).count();
    let mut steps = 0;
    while setup.db.read(move |c| Ok(open.get_result::<i64>(c)?)).await.unwrap() > 0 {
        setup.advance(TimeDelta::seconds(1));
        tokio::time::sleep(Duration::from_millis(30)).await;
        steps += 1;
        assert!(steps < 200, "the queue does not drain");
    }
    worker.stop().await;
    for (n, delivery) in made.into_iter().enumerate() {
        let (state, reason) =
            if n == 13 { (DeliveryState::Failed, "content-refused") } else { (DeliveryState::Success, "") };
        let outcome = setup.status(delivery).await;
        assert_eq!((outcome.state, outcome.reason.as_str()), (state, reason), "{n}");
    }
    let calls = setup.sandbox.calls("fake-ding");
    let throttled =
        |call: &crate::sandbox::RecordedCall| matches!(call.verdict, CallVerdict::Refused { code: 660_026, .. });
    assert!(calls.len() <= 12 && !calls.iter().any(throttled), "{calls:?}");
    let texts: Vec<String> =
        setup.sandbox.delivered_messages("fake-ding").into_iter().map(|heard| heard.message.text).collect();
    for n in (0..30).filter(|n| *n != 13) {
        let told = texts.iter().filter(|text| text.contains(&format!("good {n:02}"))).count();
        assert_eq!(told, 1, "{n}: {texts:?}");
    }
}

#[actix_web::test]
async fn a_released_queue_becomes_a_digest_that_retries_unchanged() {
    let setup = TestSetup::new().await;
    let robot = setup.robot(RobotKind::DingTalk, "fake-ding", Group::default()).await;
    let storm = (0..40).map(|n| notice(robot, DeliveryKind::MemberSaved, &format!("Dataphin: {n}"))).collect();
    setup.write(move |c, now| enqueue_all(c, storm, now)).await;
    let first = setup.claim().await.unwrap();
    let (uuid, body) = (first.msg_uuid.clone(), first.body.clone());
    assert!(setup.record(first, Meaning::Broken(BrokenCause::Keyword)).await);
    let held = (0..40).map(|n| notice(robot, DeliveryKind::MemberSaved, &format!("Dataphin: later {n}"))).collect();
    setup.write(move |c, now| enqueue_all(c, held, now)).await;
    assert!(setup.claim().await.is_none());
    let test = setup.send_test(robot).await;
    let claim = setup.claim().await.unwrap();
    assert_eq!(claim.deliveries, [test]);
    assert!(setup.record(claim, Meaning::Delivered).await);
    setup.advance(TimeDelta::seconds(60));
    let again = setup.claim().await.unwrap();
    assert_eq!((&again.msg_uuid, &again.body), (&uuid, &body));
    assert!(setup.record(again, Meaning::Delivered).await);
    setup.advance(TimeDelta::seconds(60));
    let claim = setup.claim().await.unwrap();
    assert!(claim.body.starts_with("40 notices\n"), "{}", claim.body);
    assert_eq!(listed_count(&claim.body), 0);
}
