//! The words of delivery: what is to be delivered, how far it is, and why it is not there yet.

use crate::{
    db::{AccountId, AlertId, EntryId, MemberId, RobotId, TenantId},
    robots::Meaning,
};

/// What a delivery is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryKind {
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

impl DeliveryKind {
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
    pub(super) fn is_interactive(self) -> bool {
        matches!(self, Self::Test | Self::Verification)
    }

    /// Whether a delivery of this kind that failed may be sent again. A test is pressed again instead.
    #[must_use]
    pub const fn can_be_resent(self) -> bool {
        !matches!(self, Self::Test | Self::Verification)
    }

    /// The kinds that somebody waits for, by their names in the database.
    pub(super) fn interactive_names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(|kind| kind.is_interactive()).map(Self::as_str)
    }

    /// The kinds whose failed deliveries may be sent again, by their names in the database.
    pub fn resendable_names() -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(|kind| kind.can_be_resent()).map(Self::as_str)
    }
}

/// The order in which what waits for a robot goes out: by priority, then by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    /// Somebody looks at the screen and waits. May use the places that each minute keeps free.
    Interactive,
    /// A critical alert. May use those places too.
    Urgent,
    /// Everything else.
    Ordinary,
}

impl Priority {
    /// The number in the database: the smaller the sooner.
    pub(super) const fn as_i64(self) -> i64 {
        match self {
            Self::Interactive => 0,
            Self::Urgent => 1,
            Self::Ordinary => 2,
        }
    }

    /// The priority of that number.
    pub(super) const fn from_i64(number: i64) -> Self {
        match number {
            ..=0 => Self::Interactive,
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
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed)
    }
}

/// Why a call brought no answer that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallFault {
    /// No connection: the name is unknown, nobody listens, or the certificate is wrong. The group has nothing.
    Unreachable,
    /// The connection was made, but no whole answer came in time. Whether the group has the message is not known.
    NoResponse,
    /// The host's name led to an address that messages must not go to.
    ForbiddenAddress,
    /// The stored address or secret does not open with the key file.
    UnsealFailed,
    /// The process ended, or was stopped for longer than its lease, between the call and its record.
    LeaseExpired,
}

impl CallFault {
    /// Every fault.
    pub const ALL: [Self; 5] =
        [Self::Unreachable, Self::NoResponse, Self::ForbiddenAddress, Self::UnsealFailed, Self::LeaseExpired];

    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::NoResponse => "no-answer",
            Self::ForbiddenAddress => "forbidden-address",
            Self::UnsealFailed => "sealed",
            Self::LeaseExpired => "lost",
        }
    }

    const fn key(self) -> &'static str {
        match self {
            Self::Unreachable => "courier-unreachable",
            Self::NoResponse => "courier-no-answer",
            Self::ForbiddenAddress => "courier-forbidden-address",
            Self::UnsealFailed => "courier-sealed",
            Self::LeaseExpired => "courier-lost",
        }
    }
}

/// Why a delivery is where it is: what failed it, or what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeliveryReason {
    /// The channel is switched off for the tenant.
    ChannelOff,
    /// The tenant was deleted.
    TenantDeleted,
    /// Every try of the schedule has failed.
    RetriesExhausted,
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
    GroupDisabled,
    /// The shift schedule had nobody on duty.
    NoOneOnDuty,
    /// A test that ended because the robot is to be left alone for a while.
    TestRateLimited,
    /// A test that met a passing fault twice.
    TestTemporaryFault,
    /// A test whose answer could not be read.
    TestUnreadable,
    /// The last call brought no answer.
    Call(CallFault),
    /// What the robot's last answer meant. A waiting delivery with a broken configuration is held until that is mended.
    Robot(Meaning),
}

impl DeliveryReason {
    /// Why a receiver was not even tried.
    const UNREACHABLE: [Self; 7] = [
        Self::NoContact,
        Self::LeftTenant,
        Self::NoSuchMember,
        Self::MemberDisabled,
        Self::QuietHours,
        Self::GroupDisabled,
        Self::NoOneOnDuty,
    ];

    /// Every reason.
    pub fn all() -> impl Iterator<Item = Self> {
        let tests = [Self::TestRateLimited, Self::TestTemporaryFault, Self::TestUnreadable];
        let basic = [Self::ChannelOff, Self::TenantDeleted, Self::RetriesExhausted]
            .into_iter()
            .chain(Self::UNREACHABLE)
            .chain(tests);
        basic.chain(CallFault::ALL.map(Self::Call)).chain(Meaning::all().map(Self::Robot))
    }

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ChannelOff => "channel-off",
            Self::TenantDeleted => "tenant-deleted",
            Self::RetriesExhausted => "given-up",
            Self::NoContact => "no-contact",
            Self::LeftTenant => "left-tenant",
            Self::NoSuchMember => "no-such-member",
            Self::MemberDisabled => "member-disabled",
            Self::QuietHours => "quiet-hours",
            Self::GroupDisabled => "group-off",
            Self::NoOneOnDuty => "nobody-on-duty",
            Self::TestRateLimited => "test-too-fast",
            Self::TestTemporaryFault => "test-passing",
            Self::TestUnreadable => "test-unknown",
            Self::Call(fault) => fault.as_str(),
            Self::Robot(meaning) => meaning.as_str(),
        }
    }

    /// The reason of that word.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|reason| reason.as_str() == name)
    }

    /// The key of the text that says what happened and what to do.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::ChannelOff => "courier-channel-off",
            Self::TenantDeleted => "courier-tenant-deleted",
            Self::RetriesExhausted => "courier-given-up",
            Self::NoContact => "courier-no-contact",
            Self::LeftTenant => "courier-left-tenant",
            Self::NoSuchMember => "courier-no-such-member",
            Self::MemberDisabled => "courier-member-disabled",
            Self::QuietHours => "courier-quiet-hours",
            Self::GroupDisabled => "courier-group-off",
            Self::NoOneOnDuty => "courier-nobody-on-duty",
            Self::TestRateLimited => "courier-test-too-fast",
            Self::TestTemporaryFault => "courier-test-passing",
            Self::TestUnreadable => "courier-test-unknown",
            Self::Call(fault) => fault.key(),
            Self::Robot(meaning) => meaning.key(),
        }
    }
}

/// The key of the text for the column `reason` of a delivery or a robot. No word (nothing is wrong) and a word from
/// another version have texts too.
#[must_use]
pub fn reason_key(name: &str) -> &'static str {
    match DeliveryReason::parse(name) {
        Some(reason) => reason.key(),
        None if name.is_empty() => "courier-no-reason",
        None => "courier-other-reason",
    }
}

/// What somebody is to hear, for the outbox.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The tenant that sends it.
    pub tenant: TenantId,
    /// What it is about.
    pub kind: DeliveryKind,
    /// The headline; the product's name (the robots' keyword) belongs in it.
    pub title: String,
    /// Markdown; what people typed must be escaped already (`robots::escape_markdown`).
    pub body: String,
    /// The tenant's robot that sends it. Its channel is the delivery's.
    pub robot: RobotId,
    /// The member it is for.
    pub member: Option<MemberId>,
    /// Who it is for, as the record shows it.
    pub recipient: String,
    /// Who caused it.
    pub requested_by: Option<AccountId>,
    /// The alert that it is about, when it is about one.
    pub alert: Option<AlertDetails>,
}

impl Notice {
    /// How soon it is to go out, compared with others for the same robot.
    pub(super) fn priority(&self) -> Priority {
        match &self.alert {
            Some(alert) if alert.is_urgent => Priority::Urgent,
            _ if self.kind.is_interactive() => Priority::Interactive,
            _ => Priority::Ordinary,
        }
    }
}

/// What a notice about an alert has besides its words.
#[derive(Clone, Debug)]
pub struct AlertDetails {
    /// The event.
    pub alert: AlertId,
    /// What happened to it. Notices of one entry for one robot go out as one message.
    pub entry: EntryId,
    /// Whether it goes out before everything else.
    pub is_urgent: bool,
    /// The phone number by which the message mentions the recipient; empty for nobody.
    pub mention: String,
    /// The names of the alert rules that chose the recipient; empty when the sender named him.
    pub rule_names: String,
}

/// A receiver who cannot be reached, for the record.
#[derive(Clone, Debug)]
pub struct UnreachableRecipient {
    /// The tenant whose receiver it is.
    pub tenant: TenantId,
    /// What he would have heard about.
    pub kind: DeliveryKind,
    /// The headline that he would have read.
    pub title: String,
    /// The text that he would have read, as Markdown; it is what a resend sends.
    pub body: String,
    /// The member, while there is one.
    pub member: Option<MemberId>,
    /// Who it was for, as the record shows it.
    pub recipient: String,
    /// Why he cannot be reached.
    pub reason: DeliveryReason,
    /// Who caused it.
    pub requested_by: Option<AccountId>,
    /// The alert event that he would have heard about.
    pub alert: Option<AlertId>,
    /// The entry of the event's time line that caused it.
    pub entry: Option<EntryId>,
    /// The names of the alert rules that chose him.
    pub rule_names: String,
}

/// How a delivery stands, for the page that waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// How far it is.
    pub state: DeliveryState,
    /// A word for [`reason_key`]; empty when there is nothing to explain.
    pub reason: String,
    /// The vendor's code in the last answer; empty when there was none.
    pub code: String,
    /// The vendor's own words in the last answer, or the operating system's about the connection; secrets masked.
    pub answer: String,
    /// Until when its robot rests, of a test message that failed because it does.
    pub rests_until: Option<chrono::NaiveDateTime>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{language::Language, robots::BrokenCause};

    #[test]
    fn every_name_in_the_database_is_read_back() {
        for kind in DeliveryKind::ALL {
            assert_eq!(DeliveryKind::parse(kind.as_str()), Some(kind));
        }
        for state in DeliveryState::ALL {
            assert_eq!(DeliveryState::parse(state.as_str()), Some(state));
        }
        for reason in DeliveryReason::all() {
            assert_eq!(DeliveryReason::parse(reason.as_str()), Some(reason));
        }
        for priority in [Priority::Interactive, Priority::Urgent, Priority::Ordinary] {
            assert_eq!(Priority::from_i64(priority.as_i64()), priority);
        }
        assert_eq!(
            DeliveryReason::parse("broken-keyword"),
            Some(DeliveryReason::Robot(Meaning::Broken(BrokenCause::Keyword)))
        );
    }

    #[test]
    fn every_reason_has_a_text_in_both_languages() {
        let all_names = DeliveryReason::all().map(DeliveryReason::as_str);
        for word in all_names.chain(["", "a word from another version"]) {
            let key = reason_key(word);
            for language in Language::ALL {
                assert_ne!(language.text(key), key, "{key} is missing in {}", language.tag());
            }
        }
    }
}
