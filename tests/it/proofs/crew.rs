//! Members with a robot each, and a portal that fires alerts at them by name.

use std::time::{Duration, Instant};

use belfry::{
    access::Role,
    db::{
        AnyConnection, Database, MessageId,
        schema::{contacts, endpoints, messages},
    },
    delivery,
    portals::{self, ReturnOrigins, store::Secrets},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::{CallVerdict, RecordedCall, RobotKind},
    secrets::KeyRing,
};
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use super::oracle::Read;
use crate::harness::{TestApp, lines};

/// The members of a proof. Their tenant is `ours`, its super administrator `sue`.
pub struct Crew {
    /// What the portal proves itself with.
    pub bearer: String,
    /// The kind and the token of each member's robot.
    pub robots: Vec<(RobotKind, String)>,
}

impl Crew {
    /// Makes a tenant with members whose robots are of these kinds, and switches every channel on.
    pub async fn hire(app: &TestApp, kinds: impl IntoIterator<Item = RobotKind>) -> Self {
        let ours = app.tenant("ours", "sue").await;
        app.switch_on().await;
        let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the keys");
        let origins = RobotOrigins::parse(&app.sandbox_origin).expect("an origin");
        let mut robots = Vec::new();
        for (number, kind) in kinds.into_iter().enumerate() {
            let member = app.member(ours, &username(number), Role::Member).await;
            let token = format!("{:0>60}{number:04}", "fake");
            let (channel, url) = (channel(kind), app.robot(kind, &token));
            let address = RobotAddress::parse(channel, &url, &origins).expect("an address");
            let (keys, now) = (keys.clone(), app.clock.now());
            let save = move |c: &mut AnyConnection| {
                let (robot, _) = delivery::upsert_robot(c, &keys, ours, &address, None, now)?;
                let contact =
                    (contacts::member.eq(member), contacts::channel.eq(channel.as_str()), contacts::robot.eq(robot));
                Ok(diesel::insert_into(contacts::table).values(contact).execute(c)?)
            };
            app.db.write(save).await.expect("a member with a robot");
            robots.push((kind, token));
        }
        let details = portals::Details {
            name: "proof".to_owned(),
            saves_members: false,
            fires_alerts: true,
            return_origins: ReturnOrigins::default(),
            per_minute: None,
        };
        let (secrets, now) = (Secrets::generate().expect("secrets"), app.clock.now());
        let bearer = secrets.token.expose().to_owned();
        let keep = move |c: &mut AnyConnection| portals::store::insert(c, ours, &details, &secrets, &keys, now);
        app.db.write(keep).await.expect("a portal");
        Self { bearer, robots }
    }

    /// The member whom the alert of this number is for.
    pub fn receiver(&self, number: u64) -> String {
        username(usize::try_from(number).expect("a number") % self.robots.len())
    }

    /// What all groups have read.
    pub fn read(&self, app: &TestApp) -> Read {
        self.read_by(app, |_| true)
    }

    /// What the groups of these kinds have read.
    pub fn read_by(&self, app: &TestApp, kinds: impl Fn(RobotKind) -> bool) -> Read {
        let robots = self.robots.iter().filter(|(kind, _)| kinds(*kind));
        robots.fold(Read::default(), |read, (_, token)| read.and(Read::of(app.sandbox.delivered_messages(token))))
    }

    /// Fails when a robot was called too often, or refused a call for any other reason.
    #[track_caller]
    pub fn was_never_refused(&self, app: &TestApp) {
        for (kind, token) in &self.robots {
            let refused =
                app.sandbox.calls(token).into_iter().find(|call| matches!(call.verdict, CallVerdict::Refused { .. }));
            assert!(refused.is_none(), "{kind:?} {token}: {refused:?}");
        }
    }

    /// Fails when a robot was rung more often than its vendor allows, whatever it answered. For tests that move no clock.
    #[track_caller]
    pub fn was_never_rung_too_often(&self, app: &TestApp) {
        for (kind, token) in &self.robots {
            keep_their_distance(*kind, &app.sandbox.calls(token));
        }
    }
}

/// Fails when the calls of any rolling window, as they came in by the machine's own clock, are more than the vendor allows.
#[track_caller]
fn keep_their_distance(kind: RobotKind, calls: &[RecordedCall]) {
    let limits: &[(usize, u64)] = match kind {
        RobotKind::DingTalk | RobotKind::WeCom => &[(20, 60)],
        RobotKind::Lark => &[(5, 1), (100, 60)],
    };
    for (count, seconds) in limits {
        for (first, beyond) in calls.iter().zip(calls.iter().skip(*count)) {
            let between = beyond.instant - first.instant;
            assert!(
                between >= Duration::from_secs(*seconds),
                "{kind:?}: {count} calls and one more within {between:?}"
            );
        }
    }
}

fn username(number: usize) -> String {
    format!("crew-{number}")
}

fn channel(kind: RobotKind) -> Channel {
    match kind {
        RobotKind::DingTalk => Channel::DingTalk,
        RobotKind::Lark => Channel::Lark,
        RobotKind::WeCom => Channel::WeCom,
    }
}

/// The first column, named `line`, of a query.
pub async fn query(app: &TestApp, query: &str) -> Vec<String> {
    let query = query.to_owned();
    app.db.read(move |c| lines(c, query)).await.expect("the database can be read")
}

/// How many deliveries have not ended.
pub async fn open(app: &TestApp) -> usize {
    query(app, "SELECT '' AS line FROM deliveries WHERE finished_at IS NULL").await.len()
}

/// As if the leases of the oldest so many messages that are being sent had run out a moment ago: nobody has to wait for that.
pub async fn age_leases(app: &TestApp, at_most: i64) {
    let past = app.clock.now() - TimeDelta::seconds(1);
    let sending = messages::table
        .filter(messages::lease_until.is_not_null())
        .order(messages::id)
        .limit(at_most)
        .select((messages::id, messages::fingerprint));
    let sending: Vec<(MessageId, Vec<u8>)> = app.db.read(move |c| Ok(sending.load(c)?)).await.expect("messages");
    for (message, bell) in sending {
        let age = move |c: &mut AnyConnection| {
            // The endpoint first, as the delivery worker does.
            diesel::update(endpoints::table.filter(endpoints::fingerprint.eq(bell)))
                .set(endpoints::due_at.eq(Some(past)))
                .execute(c)?;
            let message = messages::table.filter(messages::id.eq(message)).filter(messages::lease_until.is_not_null());
            Ok(diesel::update(message).set(messages::lease_until.eq(Some(past))).execute(c)?)
        };
        app.db.write(age).await.expect("a lease is aged");
    }
}

/// Waits until nothing waits any more.
pub async fn drained(app: &TestApp, seconds: u64) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let waiting = open(app).await;
        if waiting == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting} deliveries wait after {seconds} s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Fails unless the ledger balances: whoever was chosen is delivered, waits, or was given up with a reason.
pub async fn is_balanced(db: &Database, now: NaiveDateTime) {
    let ledger = db.read(move |c| delivery::load_ledger(c, now)).await.expect("the ledger is recounted");
    assert!(ledger.is_balanced(), "{ledger}");
}
