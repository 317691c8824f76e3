//! Renders the message texts of an alert from its tenant's templates.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;

use super::{
    decider::{AlertRecipients, Decider},
    ingest::AlertContext,
    model::{IncomingAlert, Severity},
    routing::Routing,
    store::events::Event,
};
use crate::{
    db::RobotId,
    delivery::DeliveryKind,
    robots::Channel,
    templates::{MAX_MENTIONS, MessageReason, MessageText, Variables, format_duration},
    web::Times,
};

/// What is to be told.
pub(super) struct Notification<'t> {
    pub kind: DeliveryKind,
    pub alert: &'t IncomingAlert,
    pub event: &'t Event,
    /// When the alert fired.
    pub fired_at: NaiveDateTime,
}

impl Notification<'_> {
    /// Whether it goes out before everything else.
    pub fn is_urgent(&self) -> bool {
        self.alert.severity == Severity::Critical && self.kind != DeliveryKind::Resolved
    }

    fn reason(&self) -> MessageReason {
        match self.kind {
            DeliveryKind::Repeated => MessageReason::Repeated,
            DeliveryKind::Resolved => MessageReason::Resolved,
            _ => MessageReason::Firing,
        }
    }
}

/// The words of one telling, made once for each channel that needs them.
pub(super) struct NotificationRenderer<'t> {
    decider: &'t Decider,
    reason: MessageReason,
    variables: Variables,
    rendered: Vec<(Channel, MessageText)>,
    /// How many people a message mentions at most, by channel.
    mentions: BTreeMap<Channel, usize>,
}

impl<'t> NotificationRenderer<'t> {
    pub fn new(
        context: &AlertContext,
        decider: &'t Decider,
        notification: &Notification<'_>,
        recipients: &AlertRecipients,
    ) -> Self {
        let snapshot = &decider.snapshot;
        let (alert, event, language) = (notification.alert, notification.event, snapshot.templates.language());
        let ended = alert
            .plausible_end(context.now)
            .filter(|end| notification.kind == DeliveryKind::Resolved && *end >= event.began_at());
        let last_at = ended.unwrap_or(notification.fired_at);
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
            first_at: Times::from(snapshot.zone).format_with_zone(&event.began_at()),
            last_at: Times::from(snapshot.zone).format_with_zone(&last_at),
            duration: format_duration(language, (ended.unwrap_or(context.now) - event.began_at()).num_seconds().max(0)),
            recipients: recipients.names.clone(),
            by: context.sender.clone(),
            ..Variables::default()
        };
        let mut by_robot: BTreeMap<(Channel, RobotId), usize> = BTreeMap::new();
        for delivery in recipients.routing.deliveries.iter().filter(|delivery| !delivery.person.phone.is_empty()) {
            *by_robot.entry((delivery.channel, delivery.robot)).or_default() += 1;
        }
        let mut mentions: BTreeMap<Channel, usize> = BTreeMap::new();
        for ((channel, _), count) in by_robot {
            let max_mentions = mentions.entry(channel).or_default();
            *max_mentions = (*max_mentions).max(count).min(MAX_MENTIONS);
        }
        Self { reason: notification.reason(), decider, variables, rendered: Vec::new(), mentions }
    }

    /// The words for groups of this channel.
    pub fn render(&mut self, channel: Channel) -> MessageText {
        if let Some((_, text)) = self.rendered.iter().find(|(known, _)| *known == channel) {
            return text.clone();
        }
        let mentions = self.mentions.get(&channel).copied().unwrap_or_default();
        let text = self.decider.render(channel, self.reason, &self.variables, mentions);
        self.rendered.push((channel, text.clone()));
        text
    }

    /// The words for each channel of a choice, and for whom nobody reaches.
    pub fn render_all(&mut self, routing: &Routing) -> Vec<(Channel, MessageText)> {
        let has = |channel: &Channel| routing.deliveries.iter().any(|delivery| delivery.channel == *channel);
        let mut channels: Vec<Channel> = Channel::ALL.into_iter().filter(has).collect();
        if !routing.undeliverables.is_empty() && !channels.contains(&Channel::DingTalk) {
            channels.push(Channel::DingTalk);
        }
        channels.into_iter().map(|channel| (channel, self.render(channel))).collect()
    }
}
