//! The words of what groups hear of an alert.

use super::{
    choose::Call,
    model::{Incoming, Severity},
    store::events::Event,
    take::{Context, Town},
};
use crate::{
    courier::Kind,
    robots::{Channel, escape_markdown},
};

/// What is to be told.
pub(super) struct Telling<'t> {
    pub kind: Kind,
    pub alert: &'t Incoming,
    pub event: &'t Event,
}

impl Telling<'_> {
    /// Whether it goes out before everything else.
    pub fn is_urgent(&self) -> bool {
        self.alert.severity == Severity::Critical && self.kind != Kind::Resolved
    }
}

/// The words of one telling, made once for each channel.
pub(super) struct Cache {
    title: String,
    body: String,
}

impl Cache {
    pub fn new(context: &Context, town: &Town, telling: &Telling<'_>, _: &[Call]) -> Self {
        let (product, alert) = (&context.product, telling.alert);
        let severity = town.language.text(alert.severity.key());
        let title = format!("{} · {product} {severity}", alert.title);
        let body = alert.content.lines().map(escape_markdown).collect::<Vec<_>>().join("\n");
        Self { title, body }
    }

    pub fn of(&mut self, _: Channel) -> (String, String) {
        (self.title.clone(), self.body.clone())
    }
}
