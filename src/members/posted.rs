//! A member as another system posts him: made when there is none of this username, else changed just where it says so.

use chrono::NaiveDateTime;

use super::{
    Tools,
    form::{AddMember, EditAccount},
    model::{Member, Status},
    notice::{About, ring},
    store::{self, Edit, NewMember},
};
use crate::{
    access::{Actor, Role, may_edit},
    accounts::{Username, store as accounts},
    audit::{self, Change},
    db::{AdvisoryLock, AnyConnection, MemberId, TenantId, acquire_lock},
    error::Result,
    robots::RobotOrigins,
    text::{self, trim_invisible},
    web::FieldErrors,
};

/// What a post says about a member. Nothing is different from an empty text: it stays as it is. A robot's field that is
/// empty keeps the robot all the same, as everywhere.
#[derive(Clone, Debug, Default)]
pub struct PostedMember {
    /// The name of the account; an unknown one is made.
    pub username: String,
    /// What the tenant calls the person; the username when empty.
    pub display_name: Option<String>,
    /// The phone number.
    pub phone: Option<String>,
    /// The email address.
    pub email: Option<String>,
    /// The robots and their secrets; nothing else of it is looked at.
    pub robots: EditAccount,
    /// Whether groups are told of it, in words; they are when empty.
    pub notify: String,
}

/// Who posts it, and into which tenant.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The tenant.
    pub tenant: TenantId,
    /// Its name.
    pub tenant_name: String,
    /// The word that every message holds.
    pub product: String,
    /// The sender's name, for the audit log and the groups.
    pub name: String,
    /// The address it posts from.
    pub address: String,
}

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The member.
    pub member: MemberId,
    /// Whether he was made.
    pub is_new: bool,
    /// How many groups hear of it.
    pub deliveries: i64,
    /// Whether he has no rights until the owner of the account accepts the invitation.
    pub is_invited: bool,
}

/// Why a post was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Fields that are wrong.
    Fields(FieldErrors),
    /// A super administrator, whom other systems leave alone.
    Protected,
}

impl From<FieldErrors> for Refused {
    fn from(errors: FieldErrors) -> Self {
        Self::Fields(errors)
    }
}

impl PostedMember {
    /// Who is to be a member, under which name; the rules are those of Add Member.
    fn person(&self) -> std::result::Result<(Username, String), FieldErrors> {
        let add = AddMember {
            username: self.username.clone(),
            display_name: self.display_name.clone().unwrap_or_default(),
            role: Role::Member.as_str().to_owned(),
            ..AddMember::default()
        };
        add.check().map(|(username, name, _)| (username, name))
    }

    /// Whether groups are told of it.
    fn notifies(&self) -> std::result::Result<bool, FieldErrors> {
        match trim_invisible(&self.notify).to_ascii_lowercase().as_str() {
            "" | "yes" | "true" => Ok(true),
            "no" | "false" => Ok(false),
            _ => Err(FieldErrors::single("notify", "portals-notify-rule")),
        }
    }

    /// The dialog Edit Account as somebody would fill it in for this member.
    fn dialog(&self, member: Option<&Member>) -> EditAccount {
        let stored = |value: fn(&Member) -> &String| member.map(value).cloned().unwrap_or_default();
        EditAccount {
            phone: self.phone.clone().unwrap_or_else(|| stored(|member| &member.phone)),
            email: self.email.clone().unwrap_or_else(|| stored(|member| &member.email)),
            role: String::new(),
            remove: Vec::new(),
            tested: Vec::new(),
            typed: Vec::new(),
            ..self.robots.clone()
        }
    }

    /// Who is to be a member, under which name, and whether groups are told of it.
    ///
    /// # Errors
    /// Everything that is wrong with the post whoever the member is.
    pub fn check(&self, origins: &RobotOrigins) -> std::result::Result<(Username, String, bool), FieldErrors> {
        match (self.person(), self.dialog(None).check(origins), self.notifies()) {
            (Ok((username, name)), Ok(_), Ok(notifies)) => Ok((username, name, notifies)),
            (person, contact, notifies) => {
                let faults = person.err().into_iter().chain(contact.err()).chain(notifies.err());
                Err(FieldErrors(faults.flat_map(|errors| errors.0).collect()))
            }
        }
    }
}

/// Makes or changes a member, and puts a message for every new or changed robot into the outbox. Call it in the
/// [`crate::db::Database::try_write`] of whatever else belongs together with it, and wake the delivery worker afterwards.
///
/// # Errors
/// When the database cannot be used.
pub fn save_posted(
    c: &mut AnyConnection,
    tools: &Tools,
    sender: &Sender,
    posted: &PostedMember,
    now: NaiveDateTime,
) -> Result<std::result::Result<Saved, Refused>> {
    let (username, name, notifies) = match posted.check(&tools.origins) {
        Ok(checked) => checked,
        Err(errors) => return Ok(Err(errors.into())),
    };
    // Two posts that make the same member wait for each other, so that the second finds him.
    let hash = tools.keys.keyed_hash("posted member", username.key().as_bytes());
    acquire_lock(c, AdvisoryLock::from_hash(&hash))?;
    let (id, is_new) = match found_or_made(c, sender, &username, &name, now)? {
        Ok(found) => found,
        Err(errors) => return Ok(Err(errors.into())),
    };
    let mut member = store::lock(c, sender.tenant, id)?;
    if !may_edit(Role::SystemAdministrator, member.role) {
        return Ok(Err(Refused::Protected));
    }
    let lost = posted.robots.secrets_without_robot(&member);
    let change = match posted.dialog(Some(&member)).check(&tools.origins) {
        Ok(change) if lost.is_empty() => change,
        Ok(_) => return Ok(Err(lost.into())),
        Err(errors) => return Ok(Err(errors.into())),
    };
    let mut changes: Vec<Change> = is_new.then(|| role_given(&member)).into_iter().flatten().collect();
    if let Some(typed) = posted.display_name.as_deref().filter(|_| !is_new) {
        let name = if text::is_blank(typed) { member.username.clone() } else { name };
        changes.extend(store::set_display_name(c, sender.tenant, &member, &name)?);
        member.display_name = name;
    }
    let edit = Edit { keys: &tools.keys, tenant: sender.tenant, by: None, now };
    let updated = store::update(c, edit, &member, None, &change)?;
    // Many members for one group, as imports have them, are one message and not one for each.
    let mut announced = Vec::new();
    for (channel, robot) in updated.ringing.iter().filter(|_| notifies) {
        if store::added::count(c, sender.tenant, *robot, &sender.name, now)? {
            announced.push((*channel, *robot));
        }
    }
    let deliveries = ring(c, &sender.about(&member), &member, &announced, now)?;
    changes.extend(updated.changes);
    let action = match (is_new, member.status) {
        (true, Status::Invited) => "member-invited",
        (true, _) => "member-added",
        (false, _) => "member-edited",
    };
    let entry = audit::Entry { tenant: Some(sender.tenant), action, object: &member.username, changes };
    audit::record_changes(c, &sender.actor(), &entry, now)?;
    Ok(Ok(Saved { member: id, is_new, deliveries, is_invited: member.status == Status::Invited }))
}

fn role_given(member: &Member) -> Option<Change> {
    Change::between("members-role", "", member.role.as_str())
}

/// The member of this username, who is made when there is none; so is his account, with a code that nobody knows: an
/// administrator gives him one in the dialog. An account that another tenant made is invited.
fn found_or_made(
    c: &mut AnyConnection,
    sender: &Sender,
    username: &Username,
    name: &str,
    now: NaiveDateTime,
) -> Result<std::result::Result<(MemberId, bool), FieldErrors>> {
    let (account, username, joins_directly) = match accounts::find_and_lock_by_username(c, username)? {
        Some(known) => {
            if let Some(member) = store::of_account(c, sender.tenant, known.id)? {
                return Ok(Ok((member, false)));
            }
            if known.has_pending_code_from_other_tenant(sender.tenant) {
                return Ok(Err(FieldErrors::single("username", "members-account-unused")));
            }
            // As the account writes it, not as it was posted.
            (known.id, known.username()?, known.joins_without_invitation(sender.tenant))
        }
        None => (accounts::insert_without_code(c, username, sender.tenant, now)?, username.clone(), true),
    };
    let member = NewMember { account, username: &username, display_name: name, role: Role::Member };
    let add = if joins_directly { store::insert } else { store::invite };
    Ok(Ok((add(c, sender.tenant, &member, now)?, true)))
}

impl Sender {
    fn actor(&self) -> Actor {
        Actor { account: None, name: self.name.clone(), address: self.address.clone() }
    }

    fn about(&self, member: &Member) -> About {
        About {
            product: self.product.clone(),
            tenant: self.tenant,
            tenant_name: self.tenant_name.clone(),
            member: member.id,
            recipient: member.display_name.clone(),
            by: None,
            by_name: self.name.clone(),
        }
    }
}
