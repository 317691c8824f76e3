//! A robot that broke is told to the tenant's administrators, once, over robots that work, with what to do.
//!
//! The delivery worker marks the robot in the transaction in which it breaks. Here the marks are turned into notices a few seconds later:
//! so robots that break together are told together, and a process that ends in between forgets none. The notices are written in
//! a transaction of their own, since whoever records a call holds its robot's endpoint and must not take others out of order.

use std::{collections::BTreeSet, time::Duration};

use chrono::{NaiveDateTime, TimeDelta};
use tokio::time::sleep;
use url::Url;

use super::{
    added::announce_added_members,
    store::broken::{self as store, Untold, Way},
    stranded::follow_members,
};
use crate::{
    channels::{Switches, channel_key, store as channels},
    clock::Clock,
    db::{AdvisoryLock, AnyConnection, Database, RobotId, TenantId, acquire_lock},
    delivery::{self, DeliveryKind, Notice, Waker, reason_key},
    error::Result,
    language::Language,
    robots::escape_markdown,
    templates::store as templates,
    text::join_names,
};

/// How often the marks are looked for; an index holds nothing else.
const LOOK: Duration = Duration::from_secs(5);
/// How long a robot that broke waits for others to be told with it.
const GATHER: TimeDelta = TimeDelta::seconds(5);
/// How many robots a notice names; the rest are counted.
const NAMED: usize = 5;

/// What telling works with.
#[derive(Clone)]
pub struct Teller {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// Wakes the delivery worker.
    pub waker: Waker,
    /// The word that every message holds: the robots' keyword.
    pub product: String,
    /// Where people find the portal, when that is known.
    pub public_url: Option<Url>,
}

/// Tells of robots that broke, brings after a member what such a robot holds that does not reach him any more, and announces members
/// that were added in bulk, for ever.
pub async fn look_after_broken_robots(teller: Teller) {
    tokio::join!(tell_of_broken_robots(teller.clone()), follow_members(teller.clone()), announce_added_members(teller));
}

async fn tell_of_broken_robots(teller: Teller) {
    loop {
        sleep(LOOK).await;
        match teller.tell().await {
            Ok(0) => {}
            Ok(_) => teller.waker.wake(),
            Err(fault) => {
                tracing::warn!(%fault, "administrators could not be told of broken robots; it is tried again")
            }
        }
    }
}

impl Teller {
    /// Tells every tenant that has something to hear. Answers how many notices were written.
    async fn tell(&self) -> Result<usize> {
        let before = self.clock.now() - GATHER;
        let mut notices = 0;
        for tenant in self.db.read(move |c| store::tenants_to_tell(c, before)).await? {
            let teller = self.clone();
            notices += self.db.write(move |c| teller.tell_tenant(c, tenant, teller.clock.now())).await?;
        }
        Ok(notices)
    }

    fn tell_tenant(&self, c: &mut AnyConnection, tenant: TenantId, now: NaiveDateTime) -> Result<usize> {
        acquire_lock(c, AdvisoryLock::RobotNotices)?;
        let untold = store::untold(c, tenant)?;
        let all: Vec<RobotId> = untold.iter().map(|robot| robot.robot).collect();
        // What reaches nobody, such as an address that was only tried out, is nobody's loss.
        let missed: Vec<Untold> = untold.into_iter().filter(|robot| !robot.members.is_empty()).collect();
        let notices = match store::tenant_name(c, tenant)? {
            Some((name, slug)) if !missed.is_empty() => {
                let language = templates::load(c, tenant)?.language();
                let switches = channels::settings(c, tenant)?;
                let ways = whom(store::ways_to_administrators(c, tenant)?, switches.effective());
                if ways.is_empty() {
                    tracing::warn!(%tenant, robots = missed.len(), "robots are broken, and no administrator has another that works");
                }
                let title = self.title(language, &missed);
                let body = self.body(language, (&name, &slug), &missed);
                ways.into_iter().map(|way| notice(tenant, way, &title, &body)).collect()
            }
            _ => Vec::new(),
        };
        // The endpoints first, then the robots' rows, as everybody does.
        let written = delivery::enqueue_all(c, notices, now)?.len();
        store::told(c, tenant, &all)?;
        Ok(written)
    }

    fn title(&self, language: Language, broken: &[Untold]) -> String {
        match broken {
            [only] => language.text_with("members-broken-title", &[("product", &self.product), ("robot", &only.name)]),
            several => {
                let count = several.len().to_string();
                language.text_with("members-broken-title-several", &[("product", &self.product), ("count", &count)])
            }
        }
        .into_owned()
    }

    fn body(&self, language: Language, (tenant, slug): (&str, &str), broken: &[Untold]) -> String {
        let mut lines = vec![
            language.text_with("members-broken-lead", &[("tenant", &escape_markdown(tenant))]).into_owned(),
            String::new(),
        ];
        lines.extend(broken.iter().take(NAMED).map(|robot| format!("- {}", line(language, robot))));
        if let Some(more) = i64::try_from(broken.len().saturating_sub(NAMED)).ok().filter(|more| *more > 0) {
            lines.push(format!("- {}", language.text_count("members-broken-and-more", more)));
        }
        lines.push(String::new());
        let home = self.public_url.as_ref().and_then(|url| url.join(&format!("/t/{slug}")).ok());
        lines.push(match home {
            Some(url) => language.text_with("members-broken-link", &[("url", url.as_str())]).into_owned(),
            None => language.text_with("members-broken-no-link", &[("product", &self.product)]).into_owned(),
        });
        lines.join("\n")
    }
}

/// What is wrong with one robot, and what to do.
fn line(language: Language, robot: &Untold) -> String {
    let channel = language.text(channel_key(&robot.channel));
    let members = escape_markdown(&join_names(&robot.members, ", "));
    let reason = language.text(reason_key(&robot.reason));
    let variables = [
        ("channel", channel.as_ref()),
        ("robot", &escape_markdown(&robot.name)),
        ("members", &members),
        ("reason", &reason),
    ];
    language.text_with("members-broken-robot", &variables).into_owned()
}

/// The ways that are used: each administrator's best over a channel that is on, and none for who hears it in the group of one
/// before him.
fn whom(ways: Vec<Way>, switches: &Switches) -> Vec<Way> {
    let mut chosen: Vec<Way> = Vec::new();
    let open: Vec<Way> = ways.into_iter().filter(|way| switches.is_on(&way.channel)).collect();
    let members: BTreeSet<_> = open.iter().map(|way| way.member).collect();
    for member in members {
        let mut own = open.iter().filter(|way| way.member == member);
        let hears = own.clone().any(|way| chosen.iter().any(|other| other.robot == way.robot));
        if let Some(best) = own.next().filter(|_| !hears) {
            chosen.push(best.clone());
        }
    }
    chosen
}

fn notice(tenant: TenantId, way: Way, title: &str, body: &str) -> Notice {
    Notice {
        tenant,
        kind: DeliveryKind::RobotBroken,
        title: title.to_owned(),
        body: body.to_owned(),
        robot: way.robot,
        member: Some(way.member),
        recipient: way.name,
        requested_by: None,
        alert: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{db::MemberId, robots::Channel};

    fn way(member: i64, robot: i64) -> Way {
        let channel = if robot % 2 == 0 { Channel::Lark } else { Channel::DingTalk };
        Way { member: MemberId(member), name: format!("member {member}"), channel, robot: RobotId(robot) }
    }

    #[test]
    fn who_hears_it_in_the_group_of_another_administrator_is_not_rung_again() {
        let all = Switches::on(Channel::ALL);
        let chosen = whom(vec![way(1, 1), way(1, 2), way(2, 3), way(2, 1), way(3, 4)], &all);
        assert_eq!(chosen, [way(1, 1), way(3, 4)]);
    }

    #[test]
    fn no_notice_goes_over_a_channel_that_is_off() {
        let chosen = whom(vec![way(1, 1), way(1, 2), way(2, 3)], &Switches::on([Channel::Lark]));
        assert_eq!(chosen, [way(1, 2)]);
    }

    proptest! {
        #[test]
        fn every_administrator_with_a_way_hears_it_and_no_robot_rings_twice(pairs in prop::collection::btree_set((1..6_i64, 1..8_i64), 0..20)) {
            let ways: Vec<Way> = pairs.iter().map(|(member, robot)| way(*member, *robot)).collect();
            let chosen = whom(ways.clone(), &Switches::on(Channel::ALL));
            let robots: BTreeSet<RobotId> = chosen.iter().map(|way| way.robot).collect();
            prop_assert_eq!(robots.len(), chosen.len());
            for member in ways.iter().map(|way| way.member) {
                prop_assert!(ways.iter().any(|way| way.member == member && robots.contains(&way.robot)));
            }
        }
    }
}
