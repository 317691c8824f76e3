//! Deciding about the alerts of a post: the snapshot they are decided by, and what was worked out before their transaction.
//!
//! What takes long (comparing regular expressions, choosing among many people, filling templates in) is remembered with all that it
//! depends on. Within the transaction it is looked up, and worked out again only where something turned out otherwise.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, OnceLock},
};

use chrono::NaiveDateTime;

use super::{
    model::{IncomingAlert, Rule, Severity, Source},
    routing::{Candidate, RecipientProfile, Routing, resolve_recipients},
    snapshot::Snapshot,
    store::{candidates, fan_outs::FanOutPlanId},
};
use crate::{
    accounts::Username,
    db::{AlertId, AnyConnection, RuleId, TenantId},
    error::Result,
    robots::Channel,
    templates::{MessageReason, MessageText, Variables},
};

/// The most receivers of a post whose deliveries are written in its own transaction. Those of further alerts are written
/// afterwards (`fan_out.rs`).
const MAX_INLINE_DELIVERIES: usize = 100;

/// The rules that picked somebody, each with whether it is outside its window, and those of them that were noted already.
type RecipientsKey = (Vec<(RuleId, bool)>, BTreeSet<String>);

/// Decides about the alerts of one post.
pub(super) struct Decider {
    pub snapshot: Arc<Snapshot>,
    memo: RefCell<Memo>,
    /// How many deliveries its transaction still has room for.
    capacity: Cell<usize>,
}

#[derive(Default)]
struct Memo {
    matches: HashMap<u64, MatchingRules>,
    recipients_by_rules: HashMap<RecipientsKey, Arc<AlertRecipients>>,
    people_by_usernames: HashMap<Vec<String>, Vec<RecipientProfile>>,
    /// Who was told of an event after so many firings.
    notified_by_event: HashMap<(AlertId, i64), Arc<AlertRecipients>>,
    /// Those of the last event: the events of a group were told to the same people.
    last_notified: Option<Arc<AlertRecipients>>,
    texts: HashMap<(Channel, MessageReason, usize, u64), (Variables, MessageText)>,
}

/// The rules that are meant for alerts of this kind.
struct MatchingRules {
    severity: Severity,
    source: Source,
    labels: BTreeMap<String, String>,
    rules: BTreeSet<RuleId>,
}

/// Who hears an alert, with what follows from that.
pub(super) struct AlertRecipients {
    pub routing: Routing,
    /// The names of the rules by which somebody is notified.
    pub notifying_rules: BTreeSet<String>,
    /// The names of those who are notified.
    pub names: Vec<String>,
    /// Where they are stored, when that was necessary.
    pub fan_out_plan: OnceLock<FanOutPlanId>,
}

impl AlertRecipients {
    pub fn new(routing: Routing) -> Self {
        let mut names: Vec<String> = routing.deliveries.iter().map(|delivery| delivery.person.name.clone()).collect();
        names.sort();
        names.dedup();
        Self { notifying_rules: routing.notified_by(), names, routing, fan_out_plan: OnceLock::new() }
    }
}

impl Decider {
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, memo: RefCell::default(), capacity: Cell::new(MAX_INLINE_DELIVERIES) }
    }

    /// Begins anew with the room of a transaction.
    pub fn reset_capacity(&self) {
        self.capacity.set(MAX_INLINE_DELIVERIES);
    }

    /// Whether the transaction has room for so many deliveries more, which then are counted.
    pub fn reserve_capacity(&self, deliveries: usize) -> bool {
        let left = self.capacity.get().checked_sub(deliveries);
        left.inspect(|left| self.capacity.set(*left)).is_some()
    }

    /// The rules that are meant for an alert, whatever they say to it.
    pub fn matching_rules(&self, alert: &IncomingAlert) -> BTreeSet<RuleId> {
        let mut memo = self.memo.borrow_mut();
        let key = hash_with(|hash| (alert.severity, alert.source, &alert.labels).hash(hash));
        if let Some(known) = memo.matches.get(&key)
            && (known.severity, known.source, &known.labels) == (alert.severity, alert.source, &alert.labels)
        {
            return known.rules.clone();
        }
        let matching = self.snapshot.rules.iter().filter(|rule| rule.matches(alert)).map(|rule| rule.id);
        let rules: BTreeSet<RuleId> = matching.collect();
        let (severity, source, labels) = (alert.severity, alert.source, alert.labels.clone());
        memo.matches.insert(key, MatchingRules { severity, source, labels, rules: rules.clone() });
        rules
    }

    /// The members of these usernames.
    pub fn find_named(
        &self,
        c: &mut AnyConnection,
        tenant: TenantId,
        names: &[Username],
    ) -> Result<Vec<RecipientProfile>> {
        let key: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
        if let Some(known) = self.memo.borrow().people_by_usernames.get(&key) {
            return Ok(known.clone());
        }
        let people = candidates::find_by_usernames(c, tenant, names)?;
        self.memo.borrow_mut().people_by_usernames.insert(key, people.clone());
        Ok(people)
    }

    /// Everybody whom these rules pick at this moment, without whom the noted ones alone miss.
    pub fn recipients_of_rules(
        &self,
        rules: &[(RuleId, bool)],
        recorded: &BTreeSet<String>,
        now: NaiveDateTime,
    ) -> Arc<AlertRecipients> {
        let key = (rules.to_vec(), recorded.clone());
        if let Some(known) = self.memo.borrow().recipients_by_rules.get(&key) {
            return Arc::clone(known);
        }
        let rules = rules.iter().filter_map(|(rule, is_quiet)| Some((self.snapshot.rule(*rule)?, *is_quiet)));
        let candidates = rules.flat_map(|(rule, is_quiet)| self.candidates_of_rule(rule, is_quiet, now)).collect();
        let mut routing = resolve_recipients(candidates, &self.snapshot.switches);
        routing.drop_undeliverable_of(recorded);
        let recipients = Arc::new(AlertRecipients::new(routing));
        self.memo.borrow_mut().recipients_by_rules.insert(key, Arc::clone(&recipients));
        recipients
    }

    fn candidates_of_rule(&self, rule: &Rule, in_quiet_hours: bool, now: NaiveDateTime) -> Vec<Candidate> {
        let receivers = self.snapshot.expand_receivers(&rule.receivers, now).into_iter();
        receivers
            .map(|receiver| Candidate {
                receiver,
                rule_name: rule.name.clone(),
                channels: rule.channels.clone(),
                in_quiet_hours,
            })
            .collect()
    }

    /// Everybody who was told of an event after so many firings, over the same channels.
    pub fn notified_recipients(
        &self,
        c: &mut AnyConnection,
        tenant: TenantId,
        event: AlertId,
        count: i64,
    ) -> Result<Arc<AlertRecipients>> {
        if let Some(known) = self.memo.borrow().notified_by_event.get(&(event, count)) {
            return Ok(Arc::clone(known));
        }
        let candidates = candidates::notified_candidates(c, tenant, event)?;
        let routing = resolve_recipients(candidates, &self.snapshot.switches);
        let mut memo = self.memo.borrow_mut();
        let recipients = match &memo.last_notified {
            Some(last) if last.routing == routing => Arc::clone(last),
            _ => Arc::new(AlertRecipients::new(routing)),
        };
        memo.last_notified = Some(Arc::clone(&recipients));
        memo.notified_by_event.insert((event, count), Arc::clone(&recipients));
        Ok(recipients)
    }

    /// The words of a message that mentions so many people.
    pub fn render(
        &self,
        channel: Channel,
        reason: MessageReason,
        variables: &Variables,
        mentions: usize,
    ) -> MessageText {
        let text_hash =
            hash_with(|hash| (&variables.key, variables.count, &variables.title, &variables.content).hash(hash));
        let key = (channel, reason, mentions, text_hash);
        if let Some((known, text)) = self.memo.borrow().texts.get(&key)
            && known == variables
        {
            return text.clone();
        }
        let text = self.snapshot.templates.render_within_limits(channel, reason, variables, mentions);
        self.memo.borrow_mut().texts.insert(key, (variables.clone(), text.clone()));
        text
    }
}

fn hash_with(hash: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash(&mut hasher);
    hasher.finish()
}
