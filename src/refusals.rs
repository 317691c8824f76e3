//! What is refused or fails leaves a trace: a count for monitoring, and a line in the log, bounded in number.
//!
//! A refusal may be an attack, a misconfigured proxy or a revoked token that somebody still uses. The operator sees the first of
//! each kind and sender; a flood of them writes no more than that, and is counted.

use std::{fmt, sync::Arc};

use crate::{log::BoundedLines, metrics::Metrics};

/// How much of a sender's name is written, in characters.
const MAX_SENDER_CHARS: usize = 80;

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
    /// A post with a token to a path that takes none.
    WrongPath,
    /// A connection beyond the bound of its address.
    Connection,
    /// A log-in with a wrong name or password.
    LogIn,
    /// A request that could not be answered because the database cannot be used or too many wait.
    Unavailable,
}

impl Refusal {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::WrongHost,
        Self::CrossSite,
        Self::Forbidden,
        Self::ForeignTenant,
        Self::WrongPath,
        Self::Connection,
        Self::LogIn,
        Self::Unavailable,
    ];

    /// The word in metrics and log lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WrongHost => "wrong-host",
            Self::CrossSite => "cross-site",
            Self::Forbidden => "forbidden",
            Self::ForeignTenant => "foreign-tenant",
            Self::WrongPath => "wrong-path",
            Self::Connection => "connection",
            Self::LogIn => "log-in",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Counts refusals and logs some of them. Clones share the count and the bound.
#[derive(Clone, Debug)]
pub struct RefusalLog {
    metrics: Metrics,
    lines: Arc<BoundedLines>,
}

impl RefusalLog {
    /// Counts here.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        Self { metrics, lines: Arc::default() }
    }

    /// Something was refused: whom it came from (an account or an address) and what it was about, without any secret.
    pub fn record(&self, refusal: Refusal, sender: &str, about: &str) {
        self.metrics.record_refusal(refusal.as_str());
        self.warn(refusal.as_str(), None, sender, about);
    }

    /// A post below `/intake` was refused: of which portal, when that is proven, for which problem, from which address.
    pub fn note_post(&self, portal: Option<i64>, problem: &'static str, address: &str, about: &str) {
        self.count_post(portal, problem);
        self.warn(problem, portal, address, about);
    }

    /// Counts a refused post whose line is written already.
    pub fn count_post(&self, portal: Option<i64>, problem: &'static str) {
        self.metrics.record_refused_post(portal, problem);
    }

    fn warn(&self, kind: &'static str, portal: Option<i64>, sender: &str, about: &str) {
        let sender: String = sender.chars().take(MAX_SENDER_CHARS).collect();
        // A portal is one sender, from however many addresses it posts.
        let subject = portal.map_or_else(|| sender.clone(), |portal| format!("portal {portal}"));
        if let Some(left_out) = self.lines.admit(kind, &subject) {
            tracing::warn!(kind, portal, ?sender, ?about, left_out, "request refused");
        }
    }

    /// A request to this route, which is none of the sender's words, failed by a fault of the program.
    pub fn note_failure(&self, route: &str, fault: &dyn fmt::Display) {
        match self.lines.admit("failed", route) {
            Some(left_out) => tracing::error!(%fault, route, left_out, "request failed"),
            None => tracing::debug!(%fault, route, "request failed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_refusal_is_counted_for_any_sender() {
        let metrics = Metrics::default();
        let refusals = RefusalLog::new(metrics.clone());
        for sender in 0..3_000 {
            refusals.record(Refusal::CrossSite, &sender.to_string(), "/login");
        }
        let text = metrics.encode_text(&crate::metrics::Gauges::default()).unwrap();
        assert!(text.contains("belfry_refusals_total{kind=\"cross-site\"} 3000"), "{text}");
    }

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        let words: HashSet<&str> = Refusal::ALL.into_iter().map(Refusal::as_str).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
    }
}
