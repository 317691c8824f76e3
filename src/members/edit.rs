//! Changing a member: what the dialog Edit Account and My Contact Information show, save and send as a test.

use std::time::Duration;

use chrono::NaiveDateTime;
use futures_util::future::try_join_all;

use super::{
    Status, Tools,
    form::{CHANGED_ROBOT, EditAccount, code_field, robot_field, secret_field},
    model::{Contact, ContactChange, Member, RobotChange},
    notice::{About, ring},
    store::{self, Edit, verifications},
    typed::{self, Typed, Whose},
};
use crate::{
    access::{
        Actor, Affected, Can, Role, Tenant, WritePermit, may_change_role, may_edit, may_reinstate_suspended,
        may_remove, may_renew_code, permissions::Permission,
    },
    accounts::{RenewCode, store as accounts},
    audit::{self, Change, Effect},
    channels::{self, Switches, channel_key},
    db::{AccountId, AnyConnection, DeliveryId, MemberId, RobotId},
    delivery::{self, DeliveryKind, DeliveryStatus, reason_key},
    error::{Error, Result},
    language::Language,
    robots::Channel,
    templates,
    web::{FieldErrors, FormVersion, PageContext, Times},
};

/// How long a page waits for the answer to a test message before it shows that it is still on its way.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// What the dialog Edit Account and the page My Contact Information have in common.
pub(super) struct ContactPart {
    pub member: Member,
    pub form: EditAccount,
    pub errors: FieldErrors,
    pub switches: Switches,
    pub answers: Vec<Answer>,
    /// Webhooks and secrets that were typed and are not saved, for the hidden fields.
    pub typed: Vec<Typed>,
    /// The channels where a verification code can be typed in, and until when.
    pub codes: Vec<(Channel, NaiveDateTime)>,
    /// The roles that can be chosen; none when the role cannot be changed.
    pub roles: Vec<Role>,
    pub may_end: bool,
    pub may_reinstate: bool,
    pub may_renew_code: bool,
    /// The state of the account's one-time code, for the button that renews it.
    pub code_version: FormVersion,
    /// Who made the account and when; nothing on one's own page.
    pub made: String,
    /// What the checkbox that confirms the account sends.
    pub confirmation: String,
    pub action: String,
    /// The tenant's slug.
    pub slug: String,
    /// The query of the list behind, with its question mark, to come back to.
    pub back: String,
}

/// What became of a message that somebody waits for.
pub(super) struct Answer {
    pub kind: DeliveryKind,
    pub channel: Channel,
    pub delivery: DeliveryId,
    pub outcome: DeliveryStatus,
    /// Whether its robot is only typed, not saved.
    pub unsaved: bool,
    /// When that was found.
    pub now: NaiveDateTime,
}

impl Answer {
    pub(super) fn succeeded(&self) -> bool {
        self.outcome.state == delivery::DeliveryState::Success
    }

    pub(super) fn has_ended(&self) -> bool {
        self.outcome.state.is_final()
    }

    /// The key of the text that says what the group has.
    pub(super) fn good(&self) -> &'static str {
        if self.kind == DeliveryKind::Verification { "members-verify-sent" } else { "members-test-good" }
    }

    /// The key of the text that says that nothing is known yet.
    pub(super) fn waiting(&self) -> &'static str {
        if self.kind == DeliveryKind::Verification { "members-verify-waiting" } else { "members-test-waiting" }
    }

    pub(super) fn reason(&self) -> &'static str {
        reason_key(&self.outcome.reason)
    }

    /// When a robot that rests can be tested again: the key of the text, and the seconds or minutes in it.
    pub(super) fn rest(&self) -> Option<(&'static str, i64)> {
        let seconds = (self.outcome.rests_until? - self.now).num_seconds() + 1;
        match seconds {
            ..=0 => None,
            1..=120 => Some(("members-test-rests-seconds", seconds)),
            _ => Some(("members-test-rests-minutes", (seconds + 59) / 60)),
        }
    }
}

impl ContactPart {
    pub(super) fn stored(&self, channel: &Channel) -> Option<&Contact> {
        self.member.robot(channel)
    }

    /// The test messages whose robots are typed but not saved, for the hidden fields.
    pub(super) fn tested(&self) -> Vec<String> {
        let answered = self.answers.iter().filter(|answer| answer.unsaved);
        let answered: Vec<String> =
            answered.map(|answer| format!("{}:{}", answer.channel.as_str(), answer.delivery)).collect();
        let known = |word: &&String| {
            let channel = word.split(':').next().unwrap_or_default();
            !answered.iter().any(|answer| answer.starts_with(channel))
        };
        self.form.tested.iter().filter(known).cloned().chain(answered.clone()).collect()
    }

    /// Until when a verification code can be typed in.
    pub(super) fn code_until(&self, channel: &Channel) -> Option<NaiveDateTime> {
        self.codes.iter().find(|(known, _)| known == channel).map(|(_, until)| *until)
    }

    /// Whether this webhook or secret was typed before and is not saved yet.
    pub(super) fn is_typed(&self, field: &str) -> bool {
        self.typed.iter().any(|typed| typed.is_of(field))
    }

    pub(super) fn record_path(&self) -> String {
        format!("/t/{}/deliveries", self.slug)
    }

    pub(super) fn channels_path(&self) -> String {
        format!("/t/{}/settings/message-channel", self.slug)
    }

    /// The fields from top to bottom, with the keys of what they are called; all of a channel's are called by its name.
    pub(super) fn labels() -> Vec<(&'static str, &'static str)> {
        let of = |channel: &Channel| {
            let fields = [Some(code_field(channel)), Some(robot_field(channel)), secret_field(channel)];
            fields.into_iter().flatten().map(|field| (field, channel_key(channel))).collect::<Vec<_>>()
        };
        let person = [
            ("role", "members-role"),
            ("confirmed", "accounts-account-of"),
            ("may_fire", "members-may-fire"),
            ("phone", "members-phone"),
            ("email", "members-email"),
        ];
        person.into_iter().chain(Channel::ALL.iter().flat_map(of)).collect()
    }

    pub(super) fn is_tested(&self, channel: &Channel) -> bool {
        self.tested().iter().any(|word| word.split(':').next() == Some(channel.as_str()))
    }
}

/// Who changes whom: an administrator a member, or a member himself.
#[derive(Clone)]
pub(super) struct Task {
    pub tenant: Tenant,
    /// The right to do it, for each of its writes.
    pub permit: WritePermit,
    pub actor: Actor,
    pub by: AccountId,
    pub role: Role,
    pub member: MemberId,
    pub own: bool,
    pub product: String,
    /// Whether he may know the names of all tenants.
    pub sees_tenants: bool,
    /// The language of whoever changes, for what is wrong with a form.
    pub language: Language,
}

impl Task {
    pub(super) fn new<P: Permission>(
        who: &Can<P>,
        member: MemberId,
        own: bool,
        actor: Actor,
        ctx: &PageContext,
    ) -> Result<Self> {
        Ok(Self {
            tenant: who.tenant.clone(),
            permit: who.permit().affecting(Affected::Member(member)),
            actor,
            by: who.principal.account.id,
            role: who.role().ok_or(Error::NotFound)?,
            member,
            own,
            product: ctx.product.clone(),
            sees_tenants: who.principal.administers_instance(),
            language: ctx.language,
        })
    }

    /// The member, when this task may be done to him.
    pub(super) fn find(&self, c: &mut AnyConnection) -> Result<Member> {
        self.allowed(store::find(c, self.tenant.id, self.member)?)
    }

    /// The member, when this task may be done to him, for a write.
    pub(super) fn lock(&self, c: &mut AnyConnection) -> Result<Member> {
        self.allowed(store::lock(c, self.tenant.id, self.member)?)
    }

    pub(super) fn allowed(&self, member: Member) -> Result<Member> {
        if self.own || may_edit(self.role, member.role) { Ok(member) } else { Err(Error::Forbidden) }
    }

    /// Whether the member may be given a new one-time code: by somebody of a higher role, and only by the tenant that is the
    /// account's home.
    pub(super) fn may_renew_code(&self, c: &mut AnyConnection, member: &Member) -> Result<bool> {
        Ok(may_renew_code(self.role, member.role, member.account == self.by)
            && accounts::is_home_tenant(c, member.account, &self.tenant)?)
    }

    pub(super) fn about(&self, member: &Member) -> About {
        About {
            product: self.product.clone(),
            tenant: self.tenant.id,
            tenant_name: self.tenant.name.clone(),
            member: member.id,
            recipient: member.display_name.clone(),
            by: Some(self.by),
            by_name: self.actor.name.clone(),
        }
    }

    pub(super) fn record(
        &self,
        c: &mut AnyConnection,
        member: &Member,
        action: &'static str,
        changes: Vec<Change>,
        tools: &Tools,
    ) -> Result<()> {
        audit::record(c, &self.actor, &self.entry(member, action, changes), tools.clock.now())
    }

    fn entry<'m>(&self, member: &'m Member, action: &'static str, changes: Vec<Change>) -> audit::Entry<'m> {
        audit::Entry { tenant: Some(self.tenant.id), action, object: &member.username, changes }
    }

    fn whose(&self) -> Whose {
        Whose { tenant: self.tenant.id, member: self.member, by: self.by }
    }

    /// The webhooks and secrets of a form, but for those that are wrong, for the page to carry.
    pub(super) fn keep(&self, tools: &Tools, form: &EditAccount, wrong: &FieldErrors) -> Result<Vec<Typed>> {
        // What somebody else changed meanwhile makes nothing wrong that was typed.
        let wrong = FieldErrors(wrong.0.iter().filter(|error| error.key != CHANGED_ROBOT).cloned().collect());
        typed::seal(&tools.keys, self.whose(), form, &wrong)
    }

    /// The form with the webhooks and secrets that it carries sealed.
    pub(super) fn recall(&self, tools: &Tools, form: EditAccount) -> Result<EditAccount> {
        typed::recall(&tools.keys, self.whose(), form)
    }

    /// What the form shows: the stored values where nothing was typed yet.
    pub(super) async fn part(
        &self,
        tools: &Tools,
        form: Option<EditAccount>,
        errors: FieldErrors,
    ) -> Result<ContactPart> {
        let task = self.clone();
        let now = tools.clock.now();
        let (member, switches, may_renew_code, codes, origin, code_until) = tools
            .db
            .read(move |c| {
                let member = task.find(c)?;
                let switches = channels::store::settings(c, task.tenant.id)?.effective().clone();
                let may_renew_code = !task.own && task.may_renew_code(c, &member)?;
                let codes = verifications::open(c, member.id, now)?;
                let origin = accounts::load_origin(c, member.account)?;
                let code_until = accounts::code_until(c, member.account)?;
                Ok((member, switches, may_renew_code, codes, origin, code_until))
            })
            .await?;
        let oneself = member.account == self.by;
        let may_end = !self.own && may_remove(self.role, member.role, oneself);
        let may_reinstate = match member.status {
            Status::Suspended => !self.own && may_reinstate_suspended(self.role, oneself),
            Status::Disabled => may_end,
            Status::Active | Status::Invited => false,
        };
        let day = Times::for_zone(&self.tenant.time_zone).format_day(&origin.created_at);
        let may_change_role = !self.own && may_change_role(self.role, member.role, member.account == self.by);
        let form = form.unwrap_or_else(|| EditAccount::from(&member));
        Ok(ContactPart {
            typed: self.keep(tools, &form, &errors)?,
            form,
            errors,
            switches,
            answers: Vec::new(),
            codes,
            roles: if may_change_role { vec![Role::SystemAdministrator, Role::Member] } else { Vec::new() },
            may_end,
            may_reinstate,
            may_renew_code,
            code_version: RenewCode::version(code_until),
            made: origin.describe(self.language, Some(self.tenant.id), self.sees_tenants, &day),
            confirmation: origin.confirmation_value(),
            action: match self.own {
                true => format!("/t/{}/me", self.tenant.slug),
                false => format!("/t/{}/members/{}", self.tenant.slug, self.member),
            },
            slug: self.tenant.slug.clone(),
            back: String::new(),
            member,
        })
    }

    /// What the form asks for: the contact information, and the role where it can be chosen.
    fn checked(
        &self,
        tools: &Tools,
        form: &EditAccount,
    ) -> std::result::Result<(ContactChange, Option<Role>), FieldErrors> {
        let role = if self.own { Ok(None) } else { form.role() };
        match (form.check(&tools.origins), role) {
            (Ok(change), Ok(role)) => Ok((change, role)),
            (change, role) => {
                let faults = change.err().into_iter().chain(role.err());
                Err(FieldErrors(faults.flat_map(|errors| errors.0).collect()))
            }
        }
    }

    /// Saves what was typed, and puts a message for every new or changed robot into the outbox, all or nothing.
    /// A form that cannot be saved is handed back with what is wrong with it.
    pub(super) async fn save(
        &self,
        tools: &Tools,
        form: EditAccount,
    ) -> Result<std::result::Result<Effect, (EditAccount, FieldErrors)>> {
        if let Err(errors) = self.checked(tools, &form) {
            return Ok(Err((form, errors)));
        }
        let (task, shared) = (self.clone(), tools.clone());
        let confirmed = form.confirmed.clone();
        self.permit
            .write(&tools.db, move |c| {
                let member = task.lock(c)?;
                let robots = match form.check(&shared.origins) {
                    Ok(change) => change.robots,
                    Err(errors) => return Ok(Err((form, errors))),
                };
                let lost = form.secrets_without_robot(&member);
                if !lost.is_empty() {
                    return Ok(Err((form, lost)));
                }
                let form = match form.reconciled_with(&member, task.own, &robots, task.language)? {
                    Ok(form) => form,
                    Err(refused) => return Ok(Err(refused)),
                };
                let (change, role) = match task.checked(&shared, &form) {
                    Ok(checked) => checked,
                    Err(errors) => return Ok(Err((form, errors))),
                };
                let may_fire = form.may_fire();
                if let Some(errors) = task.shared_secret(c, &shared, &member, &change.robots)? {
                    return Ok(Err((form, errors)));
                }
                let role = role.filter(|role| *role != member.role);
                let oneself = member.account == task.by;
                if role.is_some_and(|role| {
                    role == Role::SuperAdministrator || !may_change_role(task.role, member.role, oneself)
                }) {
                    return Err(Error::Forbidden);
                }
                if role.is_some_and(Role::administers)
                    && confirmed != accounts::load_origin(c, member.account)?.confirmation_value()
                {
                    return Ok(Err((form, FieldErrors::single("confirmed", "accounts-confirm-first"))));
                }
                let now = shared.clock.now();
                let edit = Edit { keys: &shared.keys, tenant: task.tenant.id, by: Some(task.by), now };
                let mut updated = store::update(c, edit, &member, role, &change)?;
                // Nobody else's dialog has the checkbox: what is not ticked there says nothing.
                if !task.own && member.role == Role::Member {
                    updated.changes.extend(store::set_may_fire(c, task.tenant.id, &member, may_fire)?);
                }
                ring(c, &task.about(&member), &member, &updated.ringing, now)?;
                let entry = task.entry(&member, "member-edited", updated.changes);
                audit::record_changes(c, &task.actor, &entry, now).map(Ok)
            })
            .await
            .inspect(|_| tools.waker.wake())
    }

    /// Sends a test message to every robot that is typed or stored, and waits a moment for the answers.
    pub(super) async fn test(
        &self,
        tools: &Tools,
        form: &EditAccount,
    ) -> Result<std::result::Result<Vec<Answer>, FieldErrors>> {
        let change = match form.check(&tools.origins) {
            Ok(change) => change,
            Err(errors) => return Ok(Err(errors)),
        };
        let (task, shared) = (self.clone(), tools.clone());
        let sent = self.permit.write(&tools.db, move |c| task.enqueue_tests(c, &shared, &change.robots)).await?;
        tools.waker.wake();
        match sent {
            Ok(sent) => self.answers(tools, sent).await.map(Ok),
            Err(errors) => Ok(Err(errors)),
        }
    }

    pub(super) fn enqueue_tests(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        changes: &[(Channel, RobotChange)],
    ) -> Result<std::result::Result<Vec<Sent>, FieldErrors>> {
        let (member, now) = (self.lock(c)?, tools.clock.now());
        // All are looked at before the first is sent: an answer that nobody is shown would be a message for nothing.
        for (channel, change) in changes {
            if let Some((field, key)) = self.test_refused(c, tools, &member, *channel, change)? {
                return Ok(Err(FieldErrors::single(field, key)));
            }
        }
        let templates = templates::store::load(c, self.tenant.id)?;
        let mut sent = Vec::new();
        for (channel, change) in changes {
            if let Some((robot, unsaved)) = self.robot_to_test(c, tools, &member, *channel, change)? {
                let delivery = delivery::enqueue(c, self.about(&member).test(&templates, *channel, robot), now)?;
                sent.push(Sent { kind: DeliveryKind::Test, channel: *channel, delivery, unsaved });
            }
        }
        if sent.is_empty() {
            return Ok(Err(FieldErrors::for_whole_form("members-nothing-to-test")));
        }
        self.record(c, &member, "test-sent", Vec::new(), tools)?;
        Ok(Ok(sent))
    }

    /// Why no test message can be sent to a channel's robot now: the field and the text.
    pub(super) fn test_refused(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        member: &Member,
        channel: Channel,
        change: &RobotChange,
    ) -> Result<Option<(&'static str, &'static str)>> {
        let (field, secret_field) = (robot_field(&channel), secret_field(&channel).unwrap_or("wecom_robot"));
        let Some(robot) = self.robot_meant(c, tools, member, channel, change)? else { return Ok(None) };
        // A typed secret must not replace the working one of a robot that rings for somebody by a mere test.
        let types_secret = matches!(
            change,
            RobotChange::Set(_, Some(_)) | RobotChange::Tested(_, Some(_)) | RobotChange::NewSecret(_)
        );
        if types_secret && store::is_in_use(c, robot)? {
            return Ok(Some((secret_field, "members-secret-save-first")));
        }
        let waits = delivery::is_test_limited(c, self.tenant.id, robot, self.by, tools.clock.now())?;
        Ok(waits.then_some((field, "members-test-too-soon")))
    }

    /// The robot of the tenant that a change is about, when there is one already.
    pub(super) fn robot_meant(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        member: &Member,
        channel: Channel,
        change: &RobotChange,
    ) -> Result<Option<RobotId>> {
        match change {
            RobotChange::Set(address, _) => delivery::find_robot_by_address(c, &tools.keys, self.tenant.id, address),
            RobotChange::Tested(test, _) => {
                delivery::find_tested_robot(c, self.tenant.id, *test, (member.id, self.by), channel).map(Some)
            }
            RobotChange::Keep | RobotChange::NewSecret(_) | RobotChange::NoSecret | RobotChange::Remove => {
                Ok(member.robot(&channel).map(|contact| contact.robot))
            }
        }
    }

    /// The robot a test message goes to, and whether it is only typed, not saved. A typed one is kept, so that the very
    /// path of every other message can be tried with it.
    pub(super) fn robot_to_test(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        member: &Member,
        channel: Channel,
        change: &RobotChange,
    ) -> Result<Option<(RobotId, bool)>> {
        let (tenant, now) = (self.tenant.id, tools.clock.now());
        let stored = member.robot(&channel).map(|contact| contact.robot);
        let robot = match change {
            RobotChange::Set(address, secret) => {
                Some(delivery::upsert_robot(c, &tools.keys, tenant, address, secret.as_ref(), now)?.0)
            }
            RobotChange::Tested(test, secret) => {
                let robot = delivery::find_tested_robot(c, tenant, *test, (member.id, self.by), channel)?;
                if let Some(secret) = secret {
                    delivery::set_secret(c, &tools.keys, tenant, robot, secret, now)?;
                }
                Some(robot)
            }
            RobotChange::Remove => None,
            RobotChange::Keep | RobotChange::NewSecret(_) | RobotChange::NoSecret => stored,
        };
        Ok(robot.map(|robot| (robot, stored != Some(robot))))
    }

    /// What a plain member may not do: change the signing secret of a robot that rings for others too.
    pub(super) fn shared_secret(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        member: &Member,
        changes: &[(Channel, RobotChange)],
    ) -> Result<Option<FieldErrors>> {
        if self.role.administers() {
            return Ok(None);
        }
        for (channel, change) in changes {
            let changes_secret = matches!(
                change,
                RobotChange::Set(_, Some(_))
                    | RobotChange::Tested(_, Some(_))
                    | RobotChange::NewSecret(_)
                    | RobotChange::NoSecret
            );
            let robot = match changes_secret {
                true => self.robot_meant(c, tools, member, *channel, change)?,
                false => None,
            };
            if let Some(robot) = robot
                && store::is_shared(c, member.id, robot)?
            {
                let field = secret_field(channel).unwrap_or("wecom_robot");
                return Ok(Some(FieldErrors::single(field, "members-secret-shared")));
            }
        }
        Ok(None)
    }

    pub(super) async fn answers(&self, tools: &Tools, sent: Vec<Sent>) -> Result<Vec<Answer>> {
        try_join_all(sent.into_iter().map(|Sent { kind, channel, delivery, unsaved }| async move {
            let outcome = tools.waker.wait_for_delivery(&tools.db, self.tenant.id, delivery, ANSWER_WITHIN).await?;
            Ok(Answer { kind, channel, delivery, outcome, unsaved, now: tools.clock.now() })
        }))
        .await
    }
}

/// A message on its way that somebody waits for.
pub(super) struct Sent {
    pub kind: DeliveryKind,
    pub channel: Channel,
    pub delivery: DeliveryId,
    pub unsaved: bool,
}
