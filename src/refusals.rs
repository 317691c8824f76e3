//! What is refused leaves a trace: a count for monitoring, and a warning in the log, bounded in number.
//!
//! A refusal may be an attack, a misconfigured proxy or a revoked token that somebody still uses. The operator sees the first of
//! each kind and sender; a flood of them writes no more than that, and is counted.

use std::sync::Arc;

use crate::{clock::Clock, log::BoundedWarnings, metrics::Metrics};

/// How much of a sender's name is written, in characters.
const LONGEST: usize = 80;

/// A kind of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// A request for another host.
    WrongHost,
    /// A form without its session's token, or from another site.
    CrossSite,
    /// Something that the account may not do.
    Forbidden,
    /// A page of a tenant that the account is no member of.
    ForeignTenant,
    /// A connection beyond the bound of its address.
    Connection,
    /// A request that could not be answered because the database cannot be used or too many wait.
    Unavailable,
}

impl Refusal {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::WrongHost, Self::CrossSite, Self::Forbidden, Self::ForeignTenant, Self::Connection, Self::Unavailable];

    /// The word in metrics and log lines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::WrongHost => "wrong-host",
            Self::CrossSite => "cross-site",
            Self::Forbidden => "forbidden",
            Self::ForeignTenant => "foreign-tenant",
            Self::Connection => "connection",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Counts refusals and logs some of them. Clones share the count and the bound. What is posted below `/intake` counts its own.
#[derive(Clone, Debug)]
pub struct Refusals {
    metrics: Metrics,
    clock: Clock,
    warnings: Arc<BoundedWarnings>,
}

impl Refusals {
    /// Counts here.
    #[must_use]
    pub fn new(metrics: Metrics, clock: Clock) -> Self {
        Self { metrics, clock, warnings: Arc::default() }
    }

    /// Something was refused: whom it came from (an account or an address) and what it was about, without any secret.
    pub fn note(&self, refusal: Refusal, sender: &str, about: &str) {
        let kind = refusal.word();
        self.metrics.refused(kind);
        let sender: String = sender.chars().take(LONGEST).collect();
        if let Some(left_out) = self.warnings.admit(&format!("{kind} {sender}"), self.clock.now()) {
            tracing::warn!(kind, ?sender, ?about, left_out, "request refused");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_refusal_is_counted_whoever_it_came_from() {
        let metrics = Metrics::default();
        let refusals = Refusals::new(metrics.clone(), Clock::default());
        for sender in 0..3_000 {
            refusals.note(Refusal::CrossSite, &sender.to_string(), "/login");
        }
        let text = metrics.write_out(&crate::metrics::Now::default()).unwrap();
        assert!(text.contains("belfry_refusals_total{kind=\"cross-site\"} 3000"), "{text}");
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: HashSet<&str> = Refusal::ALL.into_iter().map(Refusal::word).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
    }
}
