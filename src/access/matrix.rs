//! The permission matrix, written out once: which role may do what in a tenant, and who may do it to whom.
//!
//! The model is Dataphin's table of member management permissions; where it is silent, the narrower reading stands.

/// What a member is in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees names and roles, and edits what he himself is reached by.
    Member,
    /// Manages channels and members, but no super administrator.
    SystemAdministrator,
    /// The one that was chosen when the tenant was made, and stays.
    SuperAdministrator,
}

impl Role {
    /// The three roles, highest first, as pages list them.
    pub const ALL: [Self; 3] = [Self::SuperAdministrator, Self::SystemAdministrator, Self::Member];

    /// The word in the database and in forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SuperAdministrator => "super_administrator",
            Self::SystemAdministrator => "system_administrator",
            Self::Member => "member",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// The key of its name on pages.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::SuperAdministrator => "role-super-administrator",
            Self::SystemAdministrator => "role-system-administrator",
            Self::Member => "role-member",
        }
    }

    /// Whether this role administers its tenant.
    #[must_use]
    pub fn administers(self) -> bool {
        self >= Self::SystemAdministrator
    }
}

/// What somebody is in a tenant, as far as the matrix asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberRights {
    /// The role.
    pub role: Role,
    /// Whether an ordinary member was given the tenant's permission to fire alerts; administrators need none.
    pub may_fire: bool,
}

impl MemberRights {
    fn administers(self) -> bool {
        self.role.administers()
    }

    fn may_fire_alerts(self) -> bool {
        self.may_fire || self.administers()
    }
}

/// What can be done inside a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The tenant's home page, and the names and roles of its members.
    ViewTenant,
    /// One's own contact information.
    EditOwnContact,
    /// Message Channel Settings, read-only.
    ViewChannels,
    /// Message Channel Settings, with the button OK.
    EditChannels,
    /// Adding, editing, disabling and removing members, and their contact values.
    EditMembers,
    /// The delivery record; members see their own rows in it.
    ViewDeliveries,
    /// The tenant's audit log.
    ViewAudit,
    /// The tenant's alert events.
    ViewAlerts,
    /// Fire Alert.
    FireAlerts,
    /// What is done to an alert event: do not disturb, finish.
    HandleAlerts,
    /// What decides who hears an alert: rules, user groups, shift schedules.
    EditAlertRules,
    /// The tenant's internal portals.
    ManagePortals,
    /// Sending again what failed.
    ResendDeliveries,
    /// The user groups and who is in them; a group's own administrators change its members with this.
    ViewGroups,
    /// Adding and deleting user groups, and everything about any of them.
    ManageGroups,
    /// The shift schedules and who is on duty.
    ViewSchedules,
    /// Adding, editing and deleting shift schedules.
    ManageSchedules,
    /// Message templates, read-only.
    ViewTemplates,
    /// Message templates and the language of messages.
    EditTemplates,
}

/// What can be done to the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceAction {
    /// Adding, editing, deleting and restoring tenants.
    ManageTenants,
    /// The channels that System Default means.
    EditInstanceChannels,
    /// Logon Security Settings.
    EditLogIn,
    /// Data Retention Settings.
    EditRetention,
    /// The audit log of everything.
    ViewInstanceAudit,
}

/// Whether somebody may do this in a tenant: `standing` is what he is there, if anything; `instance` says whether he
/// administers the instance.
#[must_use]
pub fn is_allowed(action: Action, rights: Option<MemberRights>, administers_instance: bool) -> bool {
    let administers = rights.is_some_and(MemberRights::administers);
    match action {
        Action::ViewTenant
        | Action::EditOwnContact
        | Action::ViewDeliveries
        | Action::ViewAlerts
        | Action::ViewTemplates => rights.is_some(),
        Action::ViewChannels => rights.is_some() || administers_instance,
        Action::EditChannels => administers_instance || administers,
        Action::EditMembers
        | Action::ViewAudit
        | Action::ResendDeliveries
        | Action::EditAlertRules
        | Action::ManagePortals
        | Action::EditTemplates => administers,
        // Whoever only fires alerts must not be able to silence them.
        Action::HandleAlerts => administers,
        Action::FireAlerts => rights.is_some_and(MemberRights::may_fire_alerts),
        Action::ViewGroups | Action::ViewSchedules => rights.is_some(),
        Action::ManageGroups | Action::ManageSchedules => administers,
    }
}

/// Whether somebody may do this to the instance.
#[must_use]
pub fn is_allowed_on_instance(action: InstanceAction, administers_instance: bool) -> bool {
    match action {
        InstanceAction::ManageTenants
        | InstanceAction::EditInstanceChannels
        | InstanceAction::EditLogIn
        | InstanceAction::EditRetention
        | InstanceAction::ViewInstanceAudit => administers_instance,
    }
}

/// Whether an administrator may edit a member at all: a system administrator touches no super administrator.
#[must_use]
pub fn may_edit(actor: Role, target: Role) -> bool {
    actor.administers() && (target != Role::SuperAdministrator || actor == Role::SuperAdministrator)
}

/// Whether an administrator may take something away from somebody of this role: only from a lower one. Nobody is above the
/// super administrator.
fn outranks(actor: Role, target: Role) -> bool {
    actor.administers() && actor > target
}

/// Whether an administrator may disable, reinstate or remove a member: one of a lower role, and never himself. Otherwise
/// removing and adding again would be a way round [`may_change_role`].
#[must_use]
pub fn may_remove(actor: Role, target: Role, is_self: bool) -> bool {
    !is_self && outranks(actor, target)
}

/// Whether an administrator may reinstate a member whose rights are suspended because the account got a new one-time code
/// elsewhere: any other administrator of the tenant. It gives nobody a role that he did not have, and otherwise nobody
/// could reinstate a super administrator.
#[must_use]
pub fn may_reinstate_suspended(actor: Role, is_self: bool) -> bool {
    !is_self && actor.administers()
}

/// Whether an administrator may change a member's role: one of a lower role, and never his own.
#[must_use]
pub fn may_change_role(actor: Role, target: Role, is_self: bool) -> bool {
    !is_self && outranks(actor, target)
}

/// Whether an administrator may give a member's account a new one-time code, with which he could log in as that member: one
/// of a lower role, and never his own.
#[must_use]
pub fn may_renew_code(actor: Role, target: Role, is_self: bool) -> bool {
    !is_self && outranks(actor, target)
}

/// Names for the actions, so that an extractor can carry one in its type.
pub mod permissions {
    use super::{Action, InstanceAction};

    /// A permission inside a tenant.
    pub trait Permission: 'static {
        /// The action it permits.
        const ACTION: Action;
    }

    /// A permission on the instance.
    pub trait InstancePermission: 'static {
        /// The action it permits.
        const ACTION: InstanceAction;
    }

    macro_rules! permission {
        ($trait:ident, $action:ident: $($name:ident),+ $(,)?) => {
            $(
                #[doc = concat!("The permission [`", stringify!($action), "::", stringify!($name), "`].")]
                #[derive(Clone, Copy, Debug)]
                pub struct $name;
                impl $trait for $name {
                    const ACTION: $action = $action::$name;
                }
            )+
        };
    }

    permission!(Permission, Action: ViewTenant, EditOwnContact, ViewChannels, EditChannels, EditMembers, ViewDeliveries, ViewAudit, ViewAlerts, FireAlerts, HandleAlerts, EditAlertRules, ManagePortals);
    permission!(Permission, Action: ResendDeliveries);
    permission!(Permission, Action: ViewGroups, ManageGroups, ViewSchedules, ManageSchedules);
    permission!(Permission, Action: ViewTemplates, EditTemplates);
    permission!(InstancePermission, InstanceAction: ManageTenants, EditInstanceChannels, EditLogIn, ViewInstanceAudit);
    permission!(InstancePermission, InstanceAction: EditRetention);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rights_of(role: Role) -> Option<MemberRights> {
        Some(MemberRights { role, may_fire: false })
    }

    #[test]
    fn nobody_can_take_the_super_administrator_away() {
        for actor in Role::ALL {
            for oneself in [true, false] {
                assert!(!may_remove(actor, Role::SuperAdministrator, oneself));
                assert!(!may_change_role(actor, Role::SuperAdministrator, oneself));
            }
        }
    }

    #[test]
    fn a_system_administrator_changes_no_super_or_peer_role() {
        let actor = Role::SystemAdministrator;
        assert!(!may_edit(actor, Role::SuperAdministrator));
        assert!(may_edit(actor, Role::SystemAdministrator));
        assert!(!may_change_role(actor, Role::SystemAdministrator, false));
        assert!(may_change_role(actor, Role::Member, false));
    }

    #[test]
    fn only_a_higher_role_may_take_something_away() {
        for rule in [may_remove, may_change_role, may_renew_code] {
            for actor in Role::ALL {
                for target in Role::ALL {
                    assert_eq!(
                        rule(actor, target, false),
                        actor.administers() && actor > target,
                        "{actor:?} {target:?}"
                    );
                    assert!(!rule(actor, target, true));
                }
            }
        }
    }

    #[test]
    fn a_member_may_edit_nobody_and_no_channel() {
        for target in Role::ALL {
            assert!(!may_edit(Role::Member, target));
            assert!(!may_remove(Role::Member, target, false));
        }
        assert!(!is_allowed(Action::EditChannels, rights_of(Role::Member), false));
        assert!(is_allowed(Action::ViewChannels, rights_of(Role::Member), false));
    }

    #[test]
    fn instance_administrators_edit_channels_but_never_contacts() {
        assert!(is_allowed(Action::EditChannels, None, true));
        assert!(!is_allowed(Action::EditMembers, None, true));
        assert!(!is_allowed(Action::ViewDeliveries, None, true));
    }

    #[test]
    fn alerts_are_fired_by_administrators_and_by_members_who_were_given_that() {
        for role in Role::ALL {
            assert!(is_allowed(Action::ViewAlerts, rights_of(role), false));
            assert_eq!(is_allowed(Action::FireAlerts, rights_of(role), false), role.administers());
            assert!(is_allowed(Action::FireAlerts, Some(MemberRights { role, may_fire: true }), false));
        }
    }

    #[test]
    fn permission_to_fire_does_not_open_rules_and_portals() {
        for action in [Action::EditAlertRules, Action::ManagePortals] {
            for role in Role::ALL {
                for may_fire in [false, true] {
                    assert_eq!(is_allowed(action, Some(MemberRights { role, may_fire }), false), role.administers());
                }
            }
        }
    }

    #[test]
    fn instance_administrators_have_no_access_to_a_tenants_alerts() {
        for action in [Action::ViewAlerts, Action::FireAlerts, Action::EditAlertRules, Action::ManagePortals] {
            assert!(!is_allowed(action, None, true), "{action:?}");
        }
    }

    /// A member of the model below: the role, and whether he takes part.
    type Present = (Role, bool);

    /// A tenant, and which of its accounts one person can log in to.
    #[derive(Clone, Debug)]
    struct Model {
        members: Vec<Option<Present>>,
        has_login: Vec<bool>,
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        ChangeRole(Role),
        Disable,
        Reinstate,
        Remove,
        Add(Role),
        AddNew(Role),
        RenewCode,
    }

    fn any_role() -> impl Strategy<Value = Role> {
        prop::sample::select(Role::ALL.to_vec())
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any_role().prop_map(Step::ChangeRole),
            Just(Step::Disable),
            Just(Step::Reinstate),
            Just(Step::Remove),
            any_role().prop_map(Step::Add),
            any_role().prop_map(Step::AddNew),
            Just(Step::RenewCode),
        ]
    }

    impl Model {
        /// Does what pages let this account do to that one, and nothing where they refuse.
        fn apply(&mut self, actor_index: usize, step: Step, target: usize) {
            let (by, target) = (actor_index % self.members.len(), target % self.members.len());
            let Some((actor, true)) = self.members[by].filter(|_| self.has_login[by]) else { return };
            let adds = |role: Role| actor.administers() && role != Role::SuperAdministrator;
            if let Step::AddNew(role) = step {
                if adds(role) {
                    self.members.push(Some((role, true)));
                    self.has_login.push(true);
                }
                return;
            }
            let Some((role, is_active)) = self.members[target] else {
                if let Step::Add(role) = step
                    && adds(role)
                {
                    self.members[target] = Some((role, true));
                }
                return;
            };
            let is_self = by == target;
            match step {
                Step::ChangeRole(to) if to != Role::SuperAdministrator && may_change_role(actor, role, is_self) => {
                    self.members[target] = Some((to, is_active));
                }
                Step::Disable if may_remove(actor, role, is_self) => self.members[target] = Some((role, false)),
                Step::Reinstate if may_remove(actor, role, is_self) => self.members[target] = Some((role, true)),
                Step::Remove if may_remove(actor, role, is_self) => self.members[target] = None,
                Step::RenewCode if may_renew_code(actor, role, is_self) => self.has_login[target] = true,
                _ => {}
            }
        }
    }

    proptest! {
        /// The account 0 belongs to somebody who also uses every account that he makes or gets a code for.
        #[test]
        fn no_sequence_of_permitted_steps_does_what_the_matrix_refuses(
            members in prop::collection::vec((any_role(), any::<bool>()), 2..6),
            steps in prop::collection::vec((0..9_usize, any_step(), 0..9_usize), 0..40),
        ) {
            let rank = members[0].0;
            let mut model = Model { has_login: vec![false; members.len()], members: members.iter().copied().map(Some).collect() };
            model.has_login[0] = true;
            for (by, step, target) in steps {
                model.apply(by, step, target);
            }
            for (account, before) in members.iter().enumerate().skip(1) {
                if before.0 >= rank || !rank.administers() {
                    prop_assert_eq!(model.members[account], Some(*before), "a peer or superior is as he was");
                    prop_assert!(!model.has_login[account], "nobody logs in as a peer or superior");
                }
            }
            for (member, _) in model.members.iter().zip(&model.has_login).filter(|(_, holds)| **holds) {
                prop_assert!(member.is_none_or(|(role, _)| role <= rank), "nobody gets above his rank");
            }
        }
    }
}
