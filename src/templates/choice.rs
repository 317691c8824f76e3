//! Which words a message gets: those of its tenant's template, or Belfry's own where there is none or it is of no use.

use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use chrono::NaiveDateTime;

use super::{Reason, Source, Variables, Words, engine};
use crate::{db::TenantId, language::Language, robots::Channel};

/// How far into a text the keyword must stand so that it is there after the text was cut for its channel, in bytes.
const KEYWORD_WITHIN: usize = 4096;

/// A template, as it was written at one time.
type Edition = (TenantId, Channel, Reason, NaiveDateTime);

/// The templates that were told of already, so that a bad one does not fill the log.
static TOLD: LazyLock<Mutex<BTreeSet<Edition>>> = LazyLock::new(Mutex::default);

/// A tenant's templates and the language of its messages.
#[derive(Clone, Debug)]
pub struct Templates {
    pub(super) tenant: TenantId,
    pub(super) language: Language,
    pub(super) own: Vec<Own>,
}

/// A template of the tenant's own.
#[derive(Clone, Debug)]
pub(super) struct Own {
    pub channel: Channel,
    pub reason: Reason,
    pub source: Source,
    pub changed_at: NaiveDateTime,
}

impl Templates {
    /// The language of the tenant's messages, in which [`Variables::severity`] and [`Variables::duration`] are to be.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// The words of a message. A template that fails, or loses the title or DingTalk's keyword, is told of in the log,
    /// and Belfry's own words stand in.
    #[must_use]
    pub fn render(&self, channel: Channel, reason: Reason, variables: &Variables) -> Words {
        if let Some(own) = self.own.iter().find(|own| own.channel == channel && own.reason == reason) {
            match engine::words(&own.source, variables) {
                Ok(words) if is_of_use(channel, &words, &variables.product) => return words,
                Ok(_) => self.tell(own, "it has no title or lacks the product's name"),
                Err(fault) => self.tell(own, &fault.to_string()),
            }
        }
        self.render_belfrys(reason, variables)
    }

    /// The words of a message, whatever the tenant wrote itself.
    #[must_use]
    pub fn render_belfrys(&self, reason: Reason, variables: &Variables) -> Words {
        engine::belfrys_words(self.language, reason, variables)
    }

    fn tell(&self, own: &Own, fault: &str) {
        let edition = (self.tenant, own.channel, own.reason, own.changed_at);
        if TOLD.lock().unwrap_or_else(PoisonError::into_inner).insert(edition) {
            let (channel, reason) = (own.channel.as_str(), own.reason.as_str());
            tracing::warn!(tenant = self.tenant.0, channel, reason, fault, "a message template is not used");
        }
    }
}

/// Whether a message can go out with these words: it has a title, and the keyword where one is asked for.
fn is_of_use(channel: Channel, words: &Words, product: &str) -> bool {
    !words.title.is_empty() && has_keyword(channel, words, product)
}

/// Whether DingTalk, whose robots refuse a message without their keyword, will find the product's name.
pub(super) fn has_keyword(channel: Channel, words: &Words, product: &str) -> bool {
    let end = words.body.floor_char_boundary(KEYWORD_WITHIN);
    let beginning = words.body.get(..end).unwrap_or_default();
    channel != Channel::DingTalk || words.title.contains(product) || beginning.contains(product)
}
