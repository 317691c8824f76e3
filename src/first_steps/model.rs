//! Which steps there are, and what a tenant still lacks.

use chrono::{NaiveDateTime, TimeDelta};

/// For how many days the steps that only a first alert completes are shown. Later the messages that show it may be removed.
const DAYS: i64 = 14;

/// A step to the first alert in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
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

impl Step {
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
    pub fn means(self) -> &'static str {
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
    pub fn button(self) -> &'static str {
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
pub struct Progress {
    /// The steps that are done.
    pub done: Vec<Step>,
    /// When the tenant was added.
    pub created_at: NaiveDateTime,
}

impl Progress {
    /// Whether a step is done.
    #[must_use]
    pub fn is_done(&self, step: &Step) -> bool {
        self.done.contains(step)
    }

    /// Whether the steps are still worth showing: the tenant lacks what every message needs, or it is young and no alert
    /// has reached a group yet.
    #[must_use]
    pub fn is_shown(&self, now: NaiveDateTime) -> bool {
        let lacks = |step: &Step| !self.is_done(step);
        let is_young = now - self.created_at < TimeDelta::days(DAYS);
        [Step::Channel, Step::Robot].iter().any(lacks) || is_young && Step::ALL.iter().any(lacks)
    }

    /// The first step that is not done.
    #[must_use]
    pub fn next(&self) -> Option<Step> {
        Step::ALL.into_iter().find(|step| !self.is_done(step))
    }

    /// The step to go on with from the page of `here`, once that is done. The first message is on its way when a robot was
    /// saved, so that nobody has to wait for it.
    #[must_use]
    pub fn next_after(&self, here: Step) -> Option<Step> {
        let next = self.next()?;
        let goes_on = next > here;
        match (here, next) {
            (Step::Robot, Step::Message) => Step::ALL.into_iter().find(|step| *step > next && !self.is_done(step)),
            _ => goes_on.then_some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: &[Step]) -> Progress {
        Progress { done: done.to_vec(), created_at: NaiveDateTime::default() }
    }

    #[test]
    fn the_steps_are_shown_until_an_alert_reached_a_group_or_the_tenant_is_old_and_can_send() {
        let now = NaiveDateTime::default();
        let old = now + TimeDelta::days(DAYS);
        assert!(!progress(&Step::ALL).is_shown(now));
        let sends = progress(&[Step::Tenant, Step::Channel, Step::Robot]);
        assert!(sends.is_shown(now) && !sends.is_shown(old));
        assert!(progress(&[Step::Tenant, Step::Channel]).is_shown(old));
    }

    #[test]
    fn a_page_leads_on_only_once_its_own_step_is_done() {
        let channel = [Step::Tenant, Step::Channel];
        assert_eq!(progress(&[Step::Tenant]).next_after(Step::Channel), None);
        assert_eq!(progress(&channel).next_after(Step::Channel), Some(Step::Robot));
        let robot = [channel.as_slice(), &[Step::Robot]].concat();
        assert_eq!(progress(&robot).next(), Some(Step::Message));
        assert_eq!(progress(&robot).next_after(Step::Robot), Some(Step::Rule), "the first message is on its way");
        assert_eq!(progress(&Step::ALL).next_after(Step::Rule), None);
    }
}
