//! Receivers that become deliveries after the transaction that took their alert in.
//!
//! A plan holds the receivers of one or several entries of time lines, in parts; an entry's row says which part comes next. Each
//! part becomes deliveries in one transaction, with the change of the row, so that after a kill the next part follows.

use std::collections::HashSet;

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{
    dsl::{exists, not},
    prelude::*,
};
use serde::{Deserialize, Serialize};

use crate::{
    alerts::routing::Routing,
    db::{
        AccountId, AlertId, AnyConnection, EntryId, LimitConst as _, MemberId, RobotId, TenantId, on_backend,
        schema::{fan_out_parts, fan_out_plans, fan_outs, members},
    },
    delivery::{self, AlertDetails, DeliveryKind, DeliveryReason, Notice, Outbox, UnreachableRecipient},
    error::{Error, Result},
    robots::Channel,
    templates::MessageText,
    text::join_names,
};

/// How many receivers a part has. Those of one robot stay together beyond that, so that their group hears of an alert once.
const PART_SIZE: usize = 25;
/// The most deliveries of one transaction.
const MAX_PART_SIZE: usize = 2_000;
/// How long a plan is kept that no entry refers to: its alert was not stored.
const UNUSED_PLAN_RETENTION: TimeDelta = TimeDelta::days(1);
/// How many members one statement asks for.
const ID_BATCH_SIZE: usize = 500;

/// A stored plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanOutPlanId(i64);

/// A part of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanPart {
    calls: Vec<StoredDelivery>,
    misses: Vec<StoredUndeliverable>,
}

/// A receiver who is reached, and by which robot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredDelivery {
    member: Option<MemberId>,
    name: String,
    phone: String,
    robot: RobotId,
    channel: String,
    chosen_by: Vec<String>,
}

/// A receiver who cannot be reached, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredUndeliverable {
    member: Option<MemberId>,
    name: String,
    reason: String,
    chosen_by: Vec<String>,
}

impl PlanPart {
    /// How many receivers it has.
    #[must_use]
    pub fn recipient_count(&self) -> usize {
        self.calls.len() + self.misses.len()
    }
}

/// The parts of a choice, in its order.
#[must_use]
pub fn split_into_parts(routing: &Routing) -> Vec<PlanPart> {
    let mut parts: Vec<PlanPart> = Vec::new();
    for delivery in &routing.deliveries {
        let is_full = |part: &PlanPart| {
            let other_robot = part.calls.last().is_none_or(|last| last.robot != delivery.robot);
            part.recipient_count() >= MAX_PART_SIZE || part.recipient_count() >= PART_SIZE && other_robot
        };
        if parts.last().is_none_or(is_full) {
            parts.push(PlanPart::default());
        }
        let stored = StoredDelivery {
            member: delivery.person.member,
            name: delivery.person.name.clone(),
            phone: delivery.person.phone.clone(),
            robot: delivery.robot,
            channel: delivery.channel.as_str().to_owned(),
            chosen_by: delivery.rule_names.clone(),
        };
        if let Some(part) = parts.last_mut() {
            part.calls.push(stored);
        }
    }
    for undeliverable in &routing.undeliverables {
        if parts.last().is_none_or(|part| part.recipient_count() >= PART_SIZE) {
            parts.push(PlanPart::default());
        }
        let stored = StoredUndeliverable {
            member: undeliverable.member,
            name: undeliverable.name.clone(),
            reason: undeliverable.reason.as_str().to_owned(),
            chosen_by: undeliverable.rule_names.clone(),
        };
        if let Some(part) = parts.last_mut() {
            part.misses.push(stored);
        }
    }
    parts
}

/// Begins a plan.
///
/// # Errors
/// When the database cannot be written.
pub fn create_plan(c: &mut AnyConnection, now: NaiveDateTime) -> Result<FanOutPlanId> {
    let plan = diesel::insert_into(fan_out_plans::table).values(fan_out_plans::created_at.eq(now));
    Ok(FanOutPlanId(plan.returning(fan_out_plans::id).get_result(c)?))
}

/// Stores a part of a plan.
///
/// # Errors
/// When the database cannot be written.
pub fn add_part(c: &mut AnyConnection, plan: FanOutPlanId, number: usize, part: &PlanPart) -> Result<()> {
    let row = (
        fan_out_parts::plan.eq(plan.0),
        fan_out_parts::part.eq(i64::try_from(number).map_err(Error::internal)?),
        fan_out_parts::receivers.eq(serde_json::to_string(part).map_err(Error::internal)?),
        fan_out_parts::size.eq(i64::try_from(part.recipient_count()).map_err(Error::internal)?),
    );
    diesel::insert_into(fan_out_parts::table).values(row).execute(c)?;
    Ok(())
}

/// An entry whose receivers are to become deliveries.
#[derive(Clone, Debug)]
pub struct FanOut {
    /// The entry.
    pub entry: EntryId,
    /// Its event.
    pub alert: AlertId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What is said.
    pub kind: DeliveryKind,
    /// Whether it goes out before everything else.
    pub is_urgent: bool,
    /// Who caused it.
    pub requested_by: Option<AccountId>,
    /// The words for each channel; those of DingTalk are also for whom nobody reaches.
    pub texts: Vec<(Channel, MessageText)>,
    /// When the alert came in.
    pub created_at: NaiveDateTime,
}

/// Puts the receivers of an entry off.
///
/// # Errors
/// When the database cannot be written.
pub fn enqueue(c: &mut AnyConnection, plan: FanOutPlanId, fan_out: &FanOut) -> Result<()> {
    let texts = fan_out.texts.iter().map(|(channel, words)| (channel.as_str(), &words.title, &words.body));
    let row = (
        fan_outs::entry.eq(fan_out.entry),
        fan_outs::alert.eq(fan_out.alert),
        fan_outs::tenant.eq(fan_out.tenant),
        fan_outs::plan.eq(plan.0),
        fan_outs::part.eq(0),
        fan_outs::kind.eq(fan_out.kind.as_str()),
        fan_outs::is_urgent.eq(fan_out.is_urgent),
        fan_outs::requested_by.eq(fan_out.requested_by),
        fan_outs::texts.eq(serde_json::to_string(&texts.collect::<Vec<_>>()).map_err(Error::internal)?),
        fan_outs::created_at.eq(fan_out.created_at),
    );
    let insert = diesel::insert_into(fan_outs::table).values(row);
    on_backend!(c, c => insert.execute(c)?);
    Ok(())
}

/// Whether receivers of earlier entries of an event are still put off: what follows must not overtake them.
///
/// # Errors
/// When the database cannot be read.
pub fn is_pending(c: &mut AnyConnection, alert: AlertId) -> Result<bool> {
    let pending = fan_outs::table.filter(fan_outs::alert.eq(alert)).select(fan_outs::entry);
    let found: Option<EntryId> = on_backend!(c, c => pending.first_cached(c).optional()?);
    Ok(found.is_some())
}

/// A receiver who is reached: the member, his name, the channel, and the names of the rules that chose him.
pub type PendingRecipient = (Option<MemberId>, String, String, String);

/// The receivers of an event who are reached and were put off, over their channels. Read them before those who have deliveries:
/// between the two they may get some.
///
/// # Errors
/// When the database cannot be read.
pub fn pending_recipients(c: &mut AnyConnection, alert: AlertId) -> Result<Vec<PendingRecipient>> {
    let rows: Vec<String> = fan_outs::table
        .inner_join(fan_out_parts::table.on(fan_out_parts::plan.eq(fan_outs::plan)))
        .filter(fan_outs::alert.eq(alert))
        .filter(fan_out_parts::part.ge(fan_outs::part))
        .select(fan_out_parts::receivers)
        .load(c)?;
    let mut pending = Vec::new();
    for row in rows {
        let part: PlanPart = serde_json::from_str(&row).map_err(Error::internal)?;
        let stored = part.calls.into_iter();
        pending.extend(
            stored.map(|delivery| {
                (delivery.member, delivery.name, delivery.channel, join_names(&delivery.chosen_by, ", "))
            }),
        );
    }
    Ok(pending)
}

/// The tenants some of whose receivers are put off.
///
/// # Errors
/// When the database cannot be read.
pub fn pending_tenants(c: &mut AnyConnection) -> Result<Vec<TenantId>> {
    Ok(fan_outs::table.select(fan_outs::tenant).distinct().load(c)?)
}

type Row = (EntryId, AlertId, i64, i64, String, bool, Option<AccountId>, String, NaiveDateTime);

/// Makes deliveries of the next part of a tenant's receivers, oldest entry first; the entries of one event follow each other.
/// Returns how many they are; 0 when there is none that no other process has.
///
/// # Errors
/// When the database cannot be used.
pub fn expand_next_part(c: &mut AnyConnection, tenant: TenantId, now: NaiveDateTime) -> Result<usize> {
    let earlier = diesel::alias!(fan_outs as earlier);
    let of_event = earlier
        .filter(earlier.field(fan_outs::alert).eq(fan_outs::alert))
        .filter(earlier.field(fan_outs::entry).lt(fan_outs::entry));
    let next = fan_outs::table
        .filter(fan_outs::tenant.eq(tenant))
        .filter(not(exists(of_event.select(earlier.field(fan_outs::entry)))))
        .order(fan_outs::entry)
        .limit(1)
        .select((
            fan_outs::entry,
            fan_outs::alert,
            fan_outs::plan,
            fan_outs::part,
            fan_outs::kind,
            fan_outs::is_urgent,
            fan_outs::requested_by,
            fan_outs::texts,
            fan_outs::created_at,
        ));
    let next: Option<Row> = match c {
        AnyConnection::Sqlite(c) => next.first(c).optional(),
        AnyConnection::Postgres(c) => next.for_update().skip_locked().first(c).optional(),
    }?;
    let Some((entry, alert, plan, number, kind, is_urgent, requested_by, texts_json, created_at)) = next else {
        return Ok(0);
    };
    let row = fan_out_parts::table.find((plan, number)).select(fan_out_parts::receivers);
    let part: PlanPart = serde_json::from_str(&row.first::<String>(c)?).map_err(Error::internal)?;
    let texts: Vec<(String, String, String)> = serde_json::from_str(&texts_json).map_err(Error::internal)?;
    let texts = texts
        .into_iter()
        .filter_map(|(channel, title, body)| Some((Channel::parse(&channel)?, MessageText { title, body })));
    let kind = DeliveryKind::parse(&kind).ok_or_else(|| Error::internal("an entry has an unknown kind"))?;
    let fan_out = FanOut { entry, alert, tenant, kind, is_urgent, requested_by, texts: texts.collect(), created_at };
    let size = part.recipient_count();
    enqueue_part(c, &fan_out, part, now)?;
    advance(c, entry, plan, number + 1)?;
    Ok(size)
}

/// Goes on to the next part of an entry, or ends it.
fn advance(c: &mut AnyConnection, entry: EntryId, plan: i64, next: i64) -> Result<()> {
    let next_part: Option<i64> =
        fan_out_parts::table.find((plan, next)).select(fan_out_parts::part).first(c).optional()?;
    if next_part.is_some() {
        diesel::update(fan_outs::table.find(entry)).set(fan_outs::part.eq(next)).execute(c)?;
        return Ok(());
    }
    diesel::delete(fan_outs::table.find(entry)).execute(c)?;
    let others: Option<EntryId> =
        fan_outs::table.filter(fan_outs::plan.eq(plan)).select(fan_outs::entry).first_cached(c).optional()?;
    if others.is_none() {
        diesel::delete(fan_out_parts::table.filter(fan_out_parts::plan.eq(plan))).execute(c)?;
        diesel::delete(fan_out_plans::table.find(plan)).execute(c)?;
    }
    Ok(())
}

fn enqueue_part(c: &mut AnyConnection, fan_out: &FanOut, part: PlanPart, now: NaiveDateTime) -> Result<()> {
    let members = remaining_members(c, fan_out.tenant, &part)?;
    let text_for = |channel: Channel| {
        let text_of = |wanted| fan_out.texts.iter().find(|(known, _)| *known == wanted).map(|(_, words)| words.clone());
        text_of(channel).or_else(|| text_of(Channel::DingTalk)).unwrap_or_default()
    };
    let mut outbox = Outbox::default();
    for delivery in part.calls {
        let channel =
            Channel::parse(&delivery.channel).ok_or_else(|| Error::internal("a receiver has an unknown channel"))?;
        let MessageText { title, body } = text_for(channel);
        let notice = Notice {
            tenant: fan_out.tenant,
            kind: fan_out.kind,
            title,
            body,
            robot: delivery.robot,
            member: delivery.member.filter(|member| members.contains(member)),
            recipient: delivery.name,
            requested_by: fan_out.requested_by,
            alert: Some(AlertDetails {
                alert: fan_out.alert,
                entry: fan_out.entry,
                is_urgent: fan_out.is_urgent,
                mention: delivery.phone,
                rule_names: join_names(&delivery.chosen_by, ", "),
            }),
        };
        outbox.add(c, notice, now)?;
    }
    for undeliverable in part.misses {
        let MessageText { title, body } = text_for(Channel::DingTalk);
        let unreached = UnreachableRecipient {
            tenant: fan_out.tenant,
            kind: fan_out.kind,
            title,
            body,
            member: undeliverable.member.filter(|member| members.contains(member)),
            recipient: undeliverable.name,
            reason: DeliveryReason::parse(&undeliverable.reason)
                .ok_or_else(|| Error::internal("a receiver is missed for an unknown reason"))?,
            requested_by: fan_out.requested_by,
            alert: Some(fan_out.alert),
            entry: Some(fan_out.entry),
            rule_names: join_names(&undeliverable.chosen_by, ", "),
        };
        delivery::record_unreachable(c, unreached, now)?;
    }
    outbox.schedule(c, now)
}

/// The members of a part who have not left the tenant since.
fn remaining_members(c: &mut AnyConnection, tenant: TenantId, part: &PlanPart) -> Result<HashSet<MemberId>> {
    let deliveries = part.calls.iter().filter_map(|delivery| delivery.member);
    let ids: Vec<MemberId> =
        deliveries.chain(part.misses.iter().filter_map(|undeliverable| undeliverable.member)).collect();
    let mut found = HashSet::new();
    for ids in ids.chunks(ID_BATCH_SIZE) {
        let of_tenant = members::table.filter(members::tenant.eq(tenant)).filter(members::id.eq_any(ids));
        found.extend(of_tenant.select(members::id).load::<MemberId>(c)?);
    }
    Ok(found)
}

/// Removes old plans that no entry refers to, at most so many: their alerts were not stored.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_unused_plans(c: &mut AnyConnection, now: NaiveDateTime, at_most: i64) -> Result<()> {
    let used = fan_outs::table.filter(fan_outs::plan.eq(fan_out_plans::id)).select(fan_outs::entry);
    let unused: Vec<i64> = fan_out_plans::table
        .filter(fan_out_plans::created_at.lt(now - UNUSED_PLAN_RETENTION))
        .filter(not(exists(used)))
        .order(fan_out_plans::created_at)
        .limit(at_most)
        .select(fan_out_plans::id)
        .load(c)?;
    diesel::delete(fan_out_parts::table.filter(fan_out_parts::plan.eq_any(&unused))).execute(c)?;
    diesel::delete(fan_out_plans::table.filter(fan_out_plans::id.eq_any(&unused))).execute(c)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::alerts::routing::{RecipientProfile, RobotDelivery, Undeliverable};

    fn delivery_by(robot: i64, number: usize) -> RobotDelivery {
        let person = RecipientProfile {
            account: None,
            member: None,
            name: number.to_string(),
            is_active: true,
            phone: String::new(),
            robots: Vec::new(),
        };
        RobotDelivery { person, channel: Channel::Lark, robot: RobotId(robot), rule_names: Vec::new() }
    }

    proptest! {
        #[test]
        fn parts_hold_each_recipient_once_and_keep_a_robot_together(
            robots in proptest::collection::vec(1..1_200_usize, 0..6), undeliverable_count in 0..1_200_usize,
        ) {
            let of_robot = robots.iter().zip(0..).flat_map(|(size, robot)| std::iter::repeat_n(robot, *size));
            let deliveries: Vec<RobotDelivery> = of_robot.enumerate().map(|(number, robot)| delivery_by(robot, number)).collect();
            let undeliverable = |number: usize| Undeliverable {
                member: None, name: number.to_string(), reason: DeliveryReason::NoContact, rule_names: Vec::new(),
            };
            let routing = Routing { deliveries, undeliverables: (0..undeliverable_count).map(undeliverable).collect() };
            let parts = split_into_parts(&routing);
            let called: Vec<&String> = parts.iter().flat_map(|part| &part.calls).map(|delivery| &delivery.name).collect();
            prop_assert!(called.iter().copied().eq(routing.deliveries.iter().map(|delivery| &delivery.person.name)));
            let missed: Vec<&String> = parts.iter().flat_map(|part| &part.misses).map(|undeliverable| &undeliverable.name).collect();
            prop_assert!(missed.iter().copied().eq(routing.undeliverables.iter().map(|undeliverable| &undeliverable.name)));
            prop_assert!(parts.iter().all(|part| (1..=MAX_PART_SIZE).contains(&part.recipient_count())));
            // No robot of up to 1,200 receivers is in two parts, since a part may grow to 2,000 for it.
            let ends = parts.windows(2).filter_map(|pair| Some((pair[0].calls.last()?.robot, pair[1].calls.first()?.robot)));
            prop_assert!(ends.into_iter().all(|(last, first)| last != first));
        }
    }
}
