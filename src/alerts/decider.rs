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
    choose::{Choice, Person, Pick, reach},
    model::{Incoming, Rule, Severity, Source},
    snapshot::Snapshot,
    store::{fan_outs::PlanId, people},
};
use crate::{
    accounts::Username,
    db::{AlertId, AnyConnection, RuleId, TenantId},
    error::Result,
    robots::Channel,
    templates::{Reason, Variables, Words},
};

/// The most receivers of a post whose deliveries are written in its own transaction. Those of further alerts are written
/// afterwards (`fan_out.rs`).
const MOST_AT_ONCE: usize = 100;

/// The rules that picked somebody, each with whether it is outside its window, and those of them that were noted already.
type Picked = (Vec<(RuleId, bool)>, BTreeSet<String>);

/// Decides about the alerts of one post.
pub(super) struct Decider {
    pub snapshot: Arc<Snapshot>,
    memo: RefCell<Memo>,
    /// How many deliveries its transaction still has room for.
    room: Cell<usize>,
}

#[derive(Default)]
struct Memo {
    matches: HashMap<u64, Matches>,
    chosen: HashMap<Picked, Arc<Chosen>>,
    named: HashMap<Vec<String>, Vec<Person>>,
    /// Who was told of an event after so many firings.
    told: HashMap<(AlertId, i64), Arc<Chosen>>,
    /// Those of the last event: the events of a group were told to the same people.
    last_told: Option<Arc<Chosen>>,
    words: HashMap<(Channel, Reason, usize, u64), (Variables, Words)>,
}

/// The rules that are meant for alerts of this kind.
struct Matches {
    severity: Severity,
    source: Source,
    labels: BTreeMap<String, String>,
    rules: BTreeSet<RuleId>,
}

/// Who hears an alert, with what follows from that.
pub(super) struct Chosen {
    pub choice: Choice,
    /// The names of the rules by which somebody is notified.
    pub rang: BTreeSet<String>,
    /// The names of those who are notified.
    pub recipients: Vec<String>,
    /// Where they are stored, when that was necessary.
    pub plan: OnceLock<PlanId>,
}

impl Chosen {
    pub fn new(choice: Choice) -> Self {
        let mut recipients: Vec<String> = choice.calls.iter().map(|call| call.person.name.clone()).collect();
        recipients.sort();
        recipients.dedup();
        Self { rang: choice.rung_by(), recipients, choice, plan: OnceLock::new() }
    }
}

impl Decider {
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, memo: RefCell::default(), room: Cell::new(MOST_AT_ONCE) }
    }

    /// Begins anew with the room of a transaction.
    pub fn begin(&self) {
        self.room.set(MOST_AT_ONCE);
    }

    /// Whether the transaction has room for so many deliveries more, which then are counted.
    pub fn has_room(&self, deliveries: usize) -> bool {
        let left = self.room.get().checked_sub(deliveries);
        left.inspect(|left| self.room.set(*left)).is_some()
    }

    /// The rules that are meant for an alert, whatever they say to it.
    pub fn meant_for(&self, alert: &Incoming) -> BTreeSet<RuleId> {
        let mut memo = self.memo.borrow_mut();
        let key = hash_of(|hash| (alert.severity, alert.source, &alert.labels).hash(hash));
        if let Some(known) = memo.matches.get(&key)
            && (known.severity, known.source, &known.labels) == (alert.severity, alert.source, &alert.labels)
        {
            return known.rules.clone();
        }
        let meant = self.snapshot.rules.iter().filter(|rule| rule.matches(alert)).map(|rule| rule.id);
        let rules: BTreeSet<RuleId> = meant.collect();
        let (severity, source, labels) = (alert.severity, alert.source, alert.labels.clone());
        memo.matches.insert(key, Matches { severity, source, labels, rules: rules.clone() });
        rules
    }

    /// The members of these usernames.
    pub fn named(&self, c: &mut AnyConnection, tenant: TenantId, names: &[Username]) -> Result<Vec<Person>> {
        let key: Vec<String> = names.iter().map(|name| name.as_str().to_owned()).collect();
        if let Some(known) = self.memo.borrow().named.get(&key) {
            return Ok(known.clone());
        }
        let people = people::named(c, tenant, names)?;
        self.memo.borrow_mut().named.insert(key, people.clone());
        Ok(people)
    }

    /// Everybody whom these rules pick at this moment, without whom the noted ones alone miss.
    pub fn chosen_by(&self, rings: &[(RuleId, bool)], noted: &BTreeSet<String>, now: NaiveDateTime) -> Arc<Chosen> {
        let key = (rings.to_vec(), noted.clone());
        if let Some(known) = self.memo.borrow().chosen.get(&key) {
            return Arc::clone(known);
        }
        let rules = rings.iter().filter_map(|(rule, is_quiet)| Some((self.snapshot.rule(*rule)?, *is_quiet)));
        let picks = rules.flat_map(|(rule, is_quiet)| self.picks(rule, is_quiet, now)).collect();
        let mut choice = reach(picks, &self.snapshot.switches);
        choice.forget_misses_of(noted);
        let chosen = Arc::new(Chosen::new(choice));
        self.memo.borrow_mut().chosen.insert(key, Arc::clone(&chosen));
        chosen
    }

    fn picks(&self, rule: &Rule, is_quiet: bool, now: NaiveDateTime) -> Vec<Pick> {
        let who = self.snapshot.behind(&rule.receivers, now).into_iter();
        who.map(|who| Pick { who, rule: rule.name.clone(), channels: rule.channels.clone(), is_quiet }).collect()
    }

    /// Everybody who was told of an event after so many firings, over the same channels.
    pub fn told_of(&self, c: &mut AnyConnection, tenant: TenantId, event: AlertId, count: i64) -> Result<Arc<Chosen>> {
        if let Some(known) = self.memo.borrow().told.get(&(event, count)) {
            return Ok(Arc::clone(known));
        }
        let picks = people::heard(c, tenant, event)?;
        let choice = reach(picks, &self.snapshot.switches);
        let mut memo = self.memo.borrow_mut();
        let chosen = match &memo.last_told {
            Some(last) if last.choice == choice => Arc::clone(last),
            _ => Arc::new(Chosen::new(choice)),
        };
        memo.last_told = Some(Arc::clone(&chosen));
        memo.told.insert((event, count), Arc::clone(&chosen));
        Ok(chosen)
    }

    /// The words of a message that mentions so many people.
    pub fn words(&self, channel: Channel, reason: Reason, variables: &Variables, mentions: usize) -> Words {
        let said = hash_of(|hash| (&variables.key, variables.count, &variables.title, &variables.content).hash(hash));
        let key = (channel, reason, mentions, said);
        if let Some((known, words)) = self.memo.borrow().words.get(&key)
            && known == variables
        {
            return words.clone();
        }
        let words = self.snapshot.templates.render_for(channel, reason, variables, mentions);
        self.memo.borrow_mut().words.insert(key, (variables.clone(), words.clone()));
        words
    }
}

fn hash_of(hash: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    hash(&mut hasher);
    hasher.finish()
}
