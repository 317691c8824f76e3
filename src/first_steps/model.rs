//! Which steps there are, and what a tenant still lacks.

use chrono::{NaiveDateTime, TimeDelta};

/// For how many days the steps that only a first alert completes are shown. Later the messages that show it may be removed.
const DAYS_SHOWN: i64 = 14;

/// A step to the first alert in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirstStep {
    /// There is a tenant other than the metadata warehouse.
    Tenant,
    /// A message channel is on.
    Channel,
    /// A member has a robot.
    Robot,
    /// A message reached a group.
    Message,
    /// There is an alert rule.
    Rule,
    /// An alert reached a group.
    Alert,
}

impl FirstStep {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [Self::Tenant, Self::Channel, Self::Robot, Self::Message, Self::Rule, Self::Alert];

    /// The key of what it is called.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Tenant => "steps-tenant",
            Self::Channel => "steps-channel",
            Self::Robot => "steps-robot",
            Self::Message => "steps-message",
            Self::Rule => "steps-rule",
            Self::Alert => "steps-alert",
        }
    }

    /// The key of what it is for.
    #[must_use]
    pub fn description_key(self) -> &'static str {
        match self {
            Self::Tenant => "steps-tenant-means",
            Self::Channel => "steps-channel-means",
            Self::Robot => "steps-robot-means",
            Self::Message => "steps-message-means",
            Self::Rule => "steps-rule-means",
            Self::Alert => "steps-alert-means",
        }
    }

    /// The key of its button.
    #[must_use]
    pub fn button_key(self) -> &'static str {
        match self {
            Self::Tenant => "tenants-add",
            Self::Channel => "channels-title",
            Self::Robot => "nav-me",
            Self::Message => "members-test",
            Self::Rule => "rules-add",
            Self::Alert => "nav-fire-alert",
        }
    }

    /// Where it is done. `base` is the path of the tenant's pages.
    #[must_use]
    pub fn path(self, base: &str) -> String {
        match self {
            Self::Tenant => "/instance/tenants/new".to_owned(),
            Self::Channel => format!("{base}/settings/message-channel"),
            Self::Robot | Self::Message => format!("{base}/me"),
            Self::Rule => format!("{base}/alert-rules/new"),
            Self::Alert => format!("{base}/alerts/new"),
        }
    }
}

/// How far a tenant has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstStepsProgress {
    /// The steps that are done.
    pub done: Vec<FirstStep>,
    /// When the tenant was added.
    pub created_at: NaiveDateTime,
}

impl FirstStepsProgress {
    /// Whether a step is done.
    #[must_use]
    pub fn is_done(&self, step: &FirstStep) -> bool {
        self.done.contains(step)
    }

    /// Whether the steps are still worth showing: the tenant lacks what every message needs, or it is young and no alert
    /// has reached a group yet.
    #[must_use]
    pub fn is_shown(&self, now: NaiveDateTime) -> bool {
        let lacks = |step: &FirstStep| !self.is_done(step);
        let is_young = now - self.created_at < TimeDelta::days(DAYS_SHOWN);
        [FirstStep::Channel, FirstStep::Robot].iter().any(lacks) || is_young && FirstStep::ALL.iter().any(lacks)
    }

    /// The first step that is not done.
    #[must_use]
    pub fn next_step(&self) -> Option<FirstStep> {
        FirstStep::ALL.into_iter().find(|step| !self.is_done(step))
    }

    /// The step to go on with from the page of `here`, once that is done. The first message is on its way when a robot was
    /// saved, so that nobody has to wait for it.
    #[must_use]
    pub fn next_step_after(&self, here: FirstStep) -> Option<FirstStep> {
        let next = self.next_step()?;
        let is_later = next > here;
        match (here, next) {
            (FirstStep::Robot, FirstStep::Message) => {
                FirstStep::ALL.into_iter().find(|step| *step > next && !self.is_done(step))
            }
            _ => is_later.then_some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: &[FirstStep]) -> FirstStepsProgress {
        FirstStepsProgress { done: done.to_vec(), created_at: NaiveDateTime::default() }
    }

    #[test]
    fn steps_are_shown_until_the_first_alert_or_until_the_tenant_is_old() {
        let now = NaiveDateTime::default();
        let old = now + TimeDelta::days(DAYS_SHOWN);
        assert!(!progress(&FirstStep::ALL).is_shown(now));
        let sends = progress(&[FirstStep::Tenant, FirstStep::Channel, FirstStep::Robot]);
        assert!(sends.is_shown(now) && !sends.is_shown(old));
        assert!(progress(&[FirstStep::Tenant, FirstStep::Channel]).is_shown(old));
    }

    #[test]
    fn a_page_offers_the_next_step_only_once_its_own_is_done() {
        let channel = [FirstStep::Tenant, FirstStep::Channel];
        assert_eq!(progress(&[FirstStep::Tenant]).next_step_after(FirstStep::Channel), None);
        assert_eq!(progress(&channel).next_step_after(FirstStep::Channel), Some(FirstStep::Robot));
        let robot = [channel.as_slice(), &[FirstStep::Robot]].concat();
        assert_eq!(progress(&robot).next_step(), Some(FirstStep::Message));
        assert_eq!(
            progress(&robot).next_step_after(FirstStep::Robot),
            Some(FirstStep::Rule),
            "the first message is on its way"
        );
        assert_eq!(progress(&FirstStep::ALL).next_step_after(FirstStep::Rule), None);
    }
}
