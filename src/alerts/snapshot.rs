//! What a tenant's alerts are decided by, as it was at one moment, and the snapshots that this process has read.
//!
//! Reading it for each alert, and matching and wording within the transaction, would keep everybody else who writes waiting. A
//! snapshot has a version, which rises with every change of what it holds (`config_versions`, by triggers); the transaction that
//! stores an alert reads the version alone.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use tokio::sync::Notify;

use super::{
    model::{Receiver, Rule},
    routing::RecipientProfile,
};
use crate::{
    access::Role,
    channels::Switches,
    db::{AccountId, GroupId, RuleId, ScheduleId, TenantId},
    delivery::DeliveryReason,
    schedules::{OnDuty, Schedule},
    templates::Templates,
};

/// The most snapshots that are kept, and the most people in all of them: some 10 MiB.
const MAX_SNAPSHOTS: usize = 64;
const MAX_CACHED_PEOPLE: usize = 50_000;

/// A user group: its name, whether it is on, and its accounts.
pub(super) type GroupAccounts = (String, bool, Vec<AccountId>);

/// Somebody whom a rule picks, or the name of a group or schedule that has nobody, and why.
pub(super) type ResolvedReceiver = Result<RecipientProfile, (String, DeliveryReason)>;

/// What a tenant's alerts are decided by. The time is no part of it: windows and schedules are asked with the moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Read before everything else: what changed meanwhile has a higher one.
    pub(super) version: i64,
    pub(super) name: String,
    pub(super) zone: Tz,
    pub(super) templates: Templates,
    pub(super) switches: Switches,
    /// The rules that are on, by name.
    pub(super) rules: Vec<Rule>,
    /// What those rules name.
    pub(super) groups: BTreeMap<GroupId, GroupAccounts>,
    pub(super) schedules: BTreeMap<ScheduleId, (String, Schedule)>,
    pub(super) roles: BTreeMap<Role, Vec<RecipientProfile>>,
    /// Everybody who is named by a rule, a group or a schedule.
    pub(super) people: HashMap<AccountId, RecipientProfile>,
    /// How much memory the rules' expressions take, in bytes.
    pub(super) expressions_size: usize,
}

impl Snapshot {
    pub(super) fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == id)
    }

    /// Everybody behind the receivers of a rule at this moment, each account once.
    pub(super) fn expand_receivers(&self, receivers: &[Receiver], now: NaiveDateTime) -> Vec<ResolvedReceiver> {
        let (mut accounts, mut found) = (Vec::new(), Vec::new());
        for receiver in receivers {
            match receiver {
                Receiver::Account(account) => accounts.push(*account),
                Receiver::Role(role) => found.extend(self.roles.get(role).into_iter().flatten().cloned().map(Ok)),
                Receiver::Group(group) => match self.groups.get(group) {
                    Some((_, true, in_group)) if !in_group.is_empty() => accounts.extend(in_group),
                    group => {
                        let name = group.map(|(name, ..)| name.clone()).unwrap_or_default();
                        found.push(Err((name, DeliveryReason::GroupDisabled)));
                    }
                },
                Receiver::Schedule(schedule) => {
                    let (name, on_duty) = match self.schedules.get(schedule) {
                        Some((name, schedule)) => (name.as_str(), schedule.on_duty(now, self.zone)),
                        None => ("", OnDuty::Nobody),
                    };
                    match on_duty {
                        OnDuty::Shift(on_duty) => accounts.extend(on_duty),
                        OnDuty::Outside(account) => accounts.push(account),
                        OnDuty::Nobody => found.push(Err((name.to_owned(), DeliveryReason::NoOneOnDuty))),
                    }
                }
            }
        }
        let mut once = HashSet::new();
        let accounts = accounts.into_iter().filter(|account| once.insert(*account));
        found.extend(accounts.filter_map(|account| self.people.get(&account).cloned()).map(Ok));
        found
    }

    /// How many people it holds.
    fn person_count(&self) -> usize {
        self.people.len() + self.roles.values().map(Vec::len).sum::<usize>()
    }
}

/// The snapshots that this process has read. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Snapshots(Arc<Mutex<SnapshotCache>>, Arc<Notify>);

#[derive(Debug, Default)]
struct SnapshotCache {
    /// Each with the number of its last use.
    snapshots: HashMap<TenantId, (u64, Arc<Snapshot>)>,
    uses: u64,
}

impl Snapshots {
    /// The snapshot of a tenant, if it has this version.
    pub(super) fn get(&self, tenant: TenantId, version: i64) -> Option<Arc<Snapshot>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.uses += 1;
        let uses = known.uses;
        let (used, snapshot) = known.snapshots.get_mut(&tenant)?;
        *used = uses;
        (snapshot.version == version).then(|| Arc::clone(snapshot))
    }

    /// Says that receivers were put off (`fan_out.rs`).
    pub fn request_fan_out(&self) {
        self.1.notify_one();
    }

    /// Waits until receivers are put off.
    pub(super) async fn fan_out_requested(&self) {
        self.1.notified().await;
    }

    /// Keeps a snapshot, and forgets those that were not used for longest when there are too many.
    pub(super) fn insert(&self, tenant: TenantId, snapshot: &Arc<Snapshot>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.uses += 1;
        let uses = known.uses;
        known.snapshots.insert(tenant, (uses, Arc::clone(snapshot)));
        let too_many = |known: &SnapshotCache| {
            let people: usize = known.snapshots.values().map(|(_, snapshot)| snapshot.person_count()).sum();
            known.snapshots.len() > MAX_SNAPSHOTS || people > MAX_CACHED_PEOPLE
        };
        while known.snapshots.len() > 1 && too_many(&known) {
            let oldest = known.snapshots.iter().min_by_key(|(_, (used, _))| *used).map(|(tenant, _)| *tenant);
            oldest.and_then(|tenant| known.snapshots.remove(&tenant));
        }
    }
}
