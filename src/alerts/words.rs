//! The words of what groups hear of an alert: its tenant's templates, filled in.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

use super::{
    choose::Choice,
    decider::{Chosen, Decider},
    model::{Incoming, Severity},
    store::events::Event,
    take::Context,
};
use crate::{
    db::RobotId,
    delivery::DeliveryKind,
    robots::Channel,
    templates::{MOST_MENTIONS, Reason, Variables, Words, duration},
    web::Times,
};

/// What is to be told.
pub(super) struct Telling<'t> {
    pub kind: DeliveryKind,
    pub alert: &'t Incoming,
    pub event: &'t Event,
    /// When the alert fired.
    pub fired_at: NaiveDateTime,
}

impl Telling<'_> {
    /// Whether it goes out before everything else.
    pub fn is_urgent(&self) -> bool {
        self.alert.severity == Severity::Critical && self.kind != DeliveryKind::Resolved
    }

    fn reason(&self) -> Reason {
        match self.kind {
            DeliveryKind::Repeated => Reason::Repeated,
            DeliveryKind::Resolved => Reason::Resolved,
            _ => Reason::Firing,
        }
    }
}

/// The words of one telling, made once for each channel that needs them.
pub(super) struct Told<'t> {
    decider: &'t Decider,
    reason: Reason,
    variables: Variables,
    made: Vec<(Channel, Words)>,
    /// How many people a message mentions at most, by channel.
    mentions: BTreeMap<Channel, usize>,
}

impl<'t> Told<'t> {
    pub fn new(context: &Context, decider: &'t Decider, telling: &Telling<'_>, chosen: &Chosen) -> Self {
        let snapshot = &decider.snapshot;
        let (alert, event, language) = (telling.alert, telling.event, snapshot.templates.language());
        let ended =
            alert.ended(context.now).filter(|end| telling.kind == DeliveryKind::Resolved && *end >= event.since());
        let last_at = ended.unwrap_or(telling.fired_at);
        let variables = Variables {
            product: context.product.clone(),
            tenant: snapshot.name.clone(),
            title: alert.title.clone(),
            content: alert.content.clone(),
            severity: language.text(alert.severity.key()).into_owned(),
            severity_code: alert.severity.as_str().to_owned(),
            source: context.sender.clone(),
            link: alert.link.clone(),
            key: alert.key.clone(),
            count: event.count,
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            first_at: Times::from(snapshot.zone).with_zone(&event.since()),
            last_at: Times::from(snapshot.zone).with_zone(&last_at),
            duration: duration(language, (ended.unwrap_or(context.now) - event.since()).num_seconds().max(0)),
            recipients: chosen.recipients.clone(),
            by: context.sender.clone(),
            ..Variables::default()
        };
        let mut by_robot: BTreeMap<(Channel, RobotId), usize> = BTreeMap::new();
        for call in chosen.choice.calls.iter().filter(|call| !call.person.phone.is_empty()) {
            *by_robot.entry((call.channel, call.robot)).or_default() += 1;
        }
        let mut mentions: BTreeMap<Channel, usize> = BTreeMap::new();
        for ((channel, _), count) in by_robot {
            let most = mentions.entry(channel).or_default();
            *most = (*most).max(count).min(MOST_MENTIONS);
        }
        Self { reason: telling.reason(), decider, variables, made: Vec::new(), mentions }
    }

    /// The words for groups of this channel.
    pub fn over(&mut self, channel: Channel) -> Words {
        if let Some((_, words)) = self.made.iter().find(|(known, _)| *known == channel) {
            return words.clone();
        }
        let mentions = self.mentions.get(&channel).copied().unwrap_or_default();
        let words = self.decider.words(channel, self.reason, &self.variables, mentions);
        self.made.push((channel, words.clone()));
        words
    }

    /// The words for each channel of a choice, and for whom nobody reaches.
    pub fn over_all(&mut self, choice: &Choice) -> Vec<(Channel, Words)> {
        let has = |channel: &Channel| choice.calls.iter().any(|call| call.channel == *channel);
        let mut channels: Vec<Channel> = Channel::ALL.into_iter().filter(has).collect();
        if !choice.misses.is_empty() && !channels.contains(&Channel::DingTalk) {
            channels.push(Channel::DingTalk);
        }
        channels.into_iter().map(|channel| (channel, self.over(channel))).collect()
    }
}
