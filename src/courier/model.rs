//! The words of delivery: what is to be delivered, how far it is, and why it is not there yet.

use crate::{
    db::{AccountId, AlertId, EntryId, MemberId, RobotId, TenantId},
    robots::Meaning,
};

/// What a delivery is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A member's robot is new or changed: its group is told so.
    MemberSaved,
    /// Somebody pressed **Send test message** and waits for the answer.
    Test,
    /// An alert began.
    Firing,
    /// It fired again.
    Repeated,
    /// It was resolved.
    Resolved,
    /// Somebody pressed **Verify** and waits for the code in the group.
    Verification,
    /// Administrators are told that robots of their tenant do not work any more.
    RobotBroken,
}

impl Kind {
    const ALL: [Self; 7] = [
        Self::MemberSaved,
        Self::Test,
        Self::Firing,
        Self::Repeated,
        Self::Resolved,
        Self::Verification,
        Self::RobotBroken,
    ];

    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemberSaved => "member_saved",
            Self::Test => "test",
            Self::Firing => "firing",
            Self::Repeated => "repeated",
            Self::Resolved => "resolved",
            Self::Verification => "verification",
            Self::RobotBroken => "robot_broken",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Whether somebody looks at the screen and waits for it: it goes out to a broken robot too, and only so many may.
    pub(super) fn is_awaited(self) -> bool {
        matches!(self, Self::Test | Self::Verification)
    }

    /// Whether a delivery of this kind that failed may be sent again. A test is pressed again instead.
    #[must_use]
    pub const fn may_be_resent(self) -> bool {
        !matches!(self, Self::Test | Self::Verification)
    }

    /// The kinds that somebody waits for, by their names in the database.
    pub(super) fn awaited() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(|kind| kind.is_awaited()).map(Self::as_str)
    }

    /// The kinds whose failed deliveries may be sent again, by their names in the database.
    pub fn resendable() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(|kind| kind.may_be_resent()).map(Self::as_str)
    }
}

/// The order in which what waits for a robot goes out: by priority, then by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// Somebody looks at the screen and waits. May use the places that each minute keeps free.
    Test,
    /// A critical alert. May use those places too.
    Urgent,
    /// Everything else.
    Ordinary,
}

impl Priority {
    /// The number in the database: the smaller the sooner.
    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Test => 0,
            Self::Urgent => 1,
            Self::Ordinary => 2,
        }
    }

    /// The priority of that number.
    pub(super) const fn of(number: i64) -> Self {
        match number {
            ..=0 => Self::Test,
            1 => Self::Urgent,
            _ => Self::Ordinary,
        }
    }
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryState {
    /// Its turn comes later.
    Waiting,
    /// A robot is being called.
    Sending,
    /// The group has it.
    Success,
    /// It will not be tried again; the reason says why.
    Failed,
}

impl DeliveryState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Sending, Self::Success, Self::Failed];

    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sending => "sending",
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether nothing more will happen.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

/// Why a call brought no answer that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// No connection: the name is unknown, nobody listens, or the certificate is wrong. The group has nothing.
    Unreachable,
    /// The connection was made, but no whole answer came in time. Whether the group has the message is not known.
    NoAnswer,
    /// The host's name led to an address that messages must not go to.
    ForbiddenAddress,
    /// The stored address or secret does not open with the key file.
    Sealed,
    /// The process ended, or was stopped for longer than its lease, between the call and its record.
    Lost,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 5] = [Self::Unreachable, Self::NoAnswer, Self::ForbiddenAddress, Self::Sealed, Self::Lost];

    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoAnswer => "no-answer",
            Self::ForbiddenAddress => "forbidden-address",
            Self::Sealed => "sealed",
            Self::Lost => "lost",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Unreachable => "courier-unreachable",
            Self::NoAnswer => "courier-no-answer",
            Self::ForbiddenAddress => "courier-forbidden-address",
            Self::Sealed => "courier-sealed",
            Self::Lost => "courier-lost",
        }
    }
}

/// Why a delivery is where it is: what failed it, or what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The channel is switched off for the tenant.
    ChannelOff,
    /// The tenant was deleted.
    TenantDeleted,
    /// Every try of the schedule has failed.
    GivenUp,
    /// The member has no robot on any channel that was asked for.
    NoContact,
    /// The account does not take part in the tenant any more.
    LeftTenant,
    /// No member of the tenant has the username that a sender named.
    NoSuchMember,
    /// The member is disabled.
    MemberDisabled,
    /// Nobody was to be disturbed at that time.
    QuietHours,
    /// The user group is switched off.
    GroupOff,
    /// The shift schedule had nobody on duty.
    NobodyOnDuty,
    /// A test that ended because the robot is to be left alone for a while.
    TestTooFast,
    /// A test that met a passing fault twice.
    TestPassing,
    /// A test whose answer could not be read.
    TestUnknown,
    /// The last call brought no answer.
    Call(Fault),
    /// What the robot's last answer meant. A waiting delivery with a broken configuration is held until that is mended.
    Robot(Meaning),
}

impl Reason {
    /// Why a receiver was not even tried.
    const UNTRIED: [Self; 7] = [
        Self::NoContact,
        Self::LeftTenant,
        Self::NoSuchMember,
        Self::MemberDisabled,
        Self::QuietHours,
        Self::GroupOff,
        Self::NobodyOnDuty,
    ];

    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let tests = [Self::TestTooFast, Self::TestPassing, Self::TestUnknown];
        let own = [Self::ChannelOff, Self::TenantDeleted, Self::GivenUp].into_iter().chain(Self::UNTRIED).chain(tests);
        own.chain(Fault::ALL.map(Self::Call)).chain(Meaning::all().map(Self::Robot))
    }

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChannelOff => "channel-off",
            Self::TenantDeleted => "tenant-deleted",
            Self::GivenUp => "given-up",
            Self::NoContact => "no-contact",
            Self::LeftTenant => "left-tenant",
            Self::NoSuchMember => "no-such-member",
            Self::MemberDisabled => "member-disabled",
            Self::QuietHours => "quiet-hours",
            Self::GroupOff => "group-off",
            Self::NobodyOnDuty => "nobody-on-duty",
            Self::TestTooFast => "test-too-fast",
            Self::TestPassing => "test-passing",
            Self::TestUnknown => "test-unknown",
            Self::Call(fault) => fault.as_str(),
            Self::Robot(meaning) => meaning.as_str(),
        }
    }

    /// The reason of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::all().find(|reason| reason.as_str() == word)
    }

    /// The key of the text that says what happened and what to do.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ChannelOff => "courier-channel-off",
            Self::TenantDeleted => "courier-tenant-deleted",
            Self::GivenUp => "courier-given-up",
            Self::NoContact => "courier-no-contact",
            Self::LeftTenant => "courier-left-tenant",
            Self::NoSuchMember => "courier-no-such-member",
            Self::MemberDisabled => "courier-member-disabled",
            Self::QuietHours => "courier-quiet-hours",
            Self::GroupOff => "courier-group-off",
            Self::NobodyOnDuty => "courier-nobody-on-duty",
            Self::TestTooFast => "courier-test-too-fast",
            Self::TestPassing => "courier-test-passing",
            Self::TestUnknown => "courier-test-unknown",
            Self::Call(fault) => fault.key(),
            Self::Robot(meaning) => meaning.key(),
        }
    }
}

/// The key of the text for the column `reason` of a delivery or a robot. No word (nothing is wrong) and a word from
/// another version have texts too.
#[must_use]
pub fn reason_key(word: &str) -> &'static str {
    match Reason::parse(word) {
        Some(reason) => reason.key(),
        None if word.is_empty() => "courier-no-reason",
        None => "courier-other-reason",
    }
}

/// What somebody is to hear, for the outbox.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The tenant that sends it.
    pub tenant: TenantId,
    /// What it is about.
    pub kind: Kind,
    /// The headline; the product's name (the robots' keyword) belongs in it.
    pub title: String,
    /// Markdown; what people typed must be escaped already (`robots::escape_markdown`).
    pub body: String,
    /// The tenant's robot that rings. Its channel is the delivery's.
    pub robot: RobotId,
    /// The member it is for.
    pub member: Option<MemberId>,
    /// Who it is for, as the record shows it.
    pub recipient: String,
    /// Who caused it.
    pub requested_by: Option<AccountId>,
    /// The alert that it is about, when it is about one.
    pub alert: Option<AboutAlert>,
}

impl Notice {
    /// How soon it is to go out, compared with others for the same robot.
    pub(super) fn priority(&self) -> Priority {
        match &self.alert {
            Some(alert) if alert.is_urgent => Priority::Urgent,
            _ if self.kind.is_awaited() => Priority::Test,
            _ => Priority::Ordinary,
        }
    }
}

/// What a notice about an alert has besides its words.
#[derive(Clone, Debug)]
pub struct AboutAlert {
    /// The event.
    pub alert: AlertId,
    /// What happened to it. Notices of one entry for one robot go out as one message.
    pub entry: EntryId,
    /// Whether it goes out before everything else.
    pub is_urgent: bool,
    /// The phone number by which the message mentions the recipient; empty for nobody.
    pub mention: String,
    /// The names of the alert rules that chose the recipient; empty when the sender named him.
    pub chosen_by: String,
}

/// A receiver who cannot be reached, for the record.
#[derive(Clone, Debug)]
pub struct Unreached {
    /// The tenant whose receiver it is.
    pub tenant: TenantId,
    /// What he would have heard about.
    pub kind: Kind,
    /// The headline that he would have read.
    pub title: String,
    /// The text that he would have read, as Markdown; it is what a resend sends.
    pub body: String,
    /// The member, while there is one.
    pub member: Option<MemberId>,
    /// Who it was for, as the record shows it.
    pub recipient: String,
    /// Why he cannot be reached.
    pub reason: Reason,
    /// Who caused it.
    pub requested_by: Option<AccountId>,
    /// The alert event that he would have heard about.
    pub alert: Option<AlertId>,
    /// The entry of the event's time line that caused it.
    pub entry: Option<EntryId>,
    /// The names of the alert rules that chose him.
    pub chosen_by: String,
}

/// How a delivery stands, for the page that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How far it is.
    pub state: DeliveryState,
    /// A word for [`reason_key`]; empty when there is nothing to explain.
    pub reason: String,
    /// The vendor's code in the last answer; empty when there was none.
    pub code: String,
    /// The vendor's own words in the last answer, or the operating system's about the connection; secrets masked.
    pub answer: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{language::Language, robots::Cause};

    #[test]
    fn every_name_in_the_database_is_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
        }
        for reason in Reason::all() {
            assert_eq!(Reason::parse(reason.as_str()), Some(reason));
        }
        for priority in [Priority::Test, Priority::Urgent, Priority::Ordinary] {
            assert_eq!(Priority::of(priority.number()), priority);
        }
        assert_eq!(Reason::parse("broken-keyword"), Some(Reason::Robot(Meaning::Broken(Cause::Keyword))));
    }

    #[test]
    fn every_reason_has_a_text_in_both_languages() {
        let known = Reason::all().map(Reason::as_str);
        for word in known.chain(["", "a word from another version"]) {
            let key = reason_key(word);
            for language in Language::ALL {
                assert_ne!(language.text(key), key, "{key} is missing in {}", language.tag());
            }
        }
    }
}
