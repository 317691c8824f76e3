//! The pages of Member Management and of My Contact Information.

use std::{borrow::Cow, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use futures_util::future::try_join_all;

use super::{
    Status, Tools,
    form::{AddMember, EditAccount, robot_field, secret_field},
    list::ListQuery,
    model::{Contact, Member, RobotChange},
    notice::About,
    store::{self, Edit, ListRow, NewMember},
};
use crate::{
    access::Actor,
    access::{
        Can, Role, Sessions, Tenant, may_change_role, may_edit, may_end,
        permissions::{EditMembers, EditOwnContact, ViewTenant},
    },
    accounts::{Username, store as accounts},
    audit::{self, Change},
    channels::{self, Switches, channel_key},
    courier::{self, Outcome, reason_key},
    db::{AccountId, AnyConnection, Database, DeliveryId, MemberId, Pager, RobotId},
    error::{Error, Result},
    language::Language,
    robots::Channel,
    secrets::{Passwords, PlainToken, one_time_code},
    web::{self, FieldErrors, Form, Frame, Query, Times, actor, redirect_saying},
};

/// How long a page waits for the answer to a test message before it shows that it is still on its way.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// The list as a page shows it, alone or behind a dialog.
struct ListPart {
    query: ListQuery,
    rows: Vec<ListRow>,
    pager: Pager,
    /// Whether contact values are shown, masked, and members can be edited.
    administers: bool,
    role: Role,
    path: String,
    /// The query to come back to, with its question mark.
    back: String,
    times: Times,
}

/// The texts that every row repeats, looked up once for the page.
struct RowTexts {
    roles: [Cow<'static, str>; 3],
    statuses: [Cow<'static, str>; 2],
    channels: [Cow<'static, str>; 3],
    no_robot: Cow<'static, str>,
    edit: Cow<'static, str>,
}

impl RowTexts {
    fn of(frame: &Frame) -> Self {
        Self {
            roles: Role::ALL.map(|role| frame.t(role.key())),
            statuses: Status::ALL.map(|status| frame.t(status.key())),
            channels: Channel::ALL.map(|channel| frame.t(channel_key(&channel))),
            no_robot: frame.t("members-no-robot"),
            edit: frame.t("members-edit"),
        }
    }

    fn role(&self, role: &Role) -> &str {
        text_of(Role::ALL, &self.roles, role)
    }

    fn status(&self, status: &Status) -> &str {
        text_of(Status::ALL, &self.statuses, status)
    }

    fn channel(&self, channel: &Channel) -> &str {
        text_of(Channel::ALL, &self.channels, channel)
    }
}

/// The text that stands in the place where its word does.
fn text_of<'t, W: PartialEq, const N: usize>(words: [W; N], texts: &'t [Cow<'static, str>; N], word: &W) -> &'t str {
    words.iter().zip(texts).find(|(known, _)| *known == word).map(|(_, text)| text.as_ref()).unwrap_or_default()
}

/// The query of a URL with its question mark; nothing for no query.
fn marked(query: &str) -> String {
    if query.is_empty() { String::new() } else { format!("?{query}") }
}

impl ListPart {
    fn may_edit(&self, row: &ListRow) -> bool {
        self.administers && may_edit(self.role, row.role)
    }
}

async fn list_part<P>(db: &Database, who: &Can<P>, query: ListQuery) -> Result<ListPart> {
    let (tenant, filter, order, page) = (who.tenant.id, query.filter(), query.order(), query.page());
    let (rows, pager) = db.read(move |c| store::list(c, tenant, &filter, order, page)).await?;
    let role = who.role().ok_or(Error::NotFound)?;
    let path = format!("/t/{}/members", who.tenant.slug);
    let (back, times) = (marked(&query.whole()), Times::of(&who.tenant.time_zone));
    Ok(ListPart { query, rows, pager, administers: role.administers(), role, path, back, times })
}

#[derive(Template)]
#[template(path = "members/list.html")]
struct ListPage {
    frame: Frame,
    list: ListPart,
}

/// The list of members.
pub async fn list(
    tools: Data<Tools>,
    who: Can<ViewTenant>,
    frame: Frame,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse> {
    let list = list_part(&tools.db, &who, query).await?;
    web::page(StatusCode::OK, &ListPage { frame: frame.seen_by(&who), list })
}

#[derive(Template)]
#[template(path = "members/add.html")]
struct AddPage {
    frame: Frame,
    list: ListPart,
    form: AddMember,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "members/added.html")]
struct CodePage {
    frame: Frame,
    username: String,
    /// Nothing for an account that had a password before.
    code: Option<String>,
    back: String,
}

/// The dialog Add Member.
pub async fn add_form(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    frame: Frame,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse> {
    let list = list_part(&tools.db, &who, query).await?;
    let form = AddMember { role: Role::Member.as_str().to_owned(), ..AddMember::default() };
    web::page(StatusCode::OK, &AddPage { frame: frame.seen_by(&who), list, form, errors: FieldErrors::default() })
}

/// Adds a member; an unknown username makes the account and shows its one-time code, once.
pub async fn add(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    Query(query): Query<ListQuery>,
    Form(form): Form<AddMember>,
) -> Result<HttpResponse> {
    let added = match form.check() {
        Ok((username, name, role)) => add_checked(&tools, &who, &request, username, name, role).await,
        Err(errors) => Ok(Err(errors)),
    };
    let back = format!("/t/{}/members", who.tenant.slug);
    match added? {
        Ok((username, code)) => {
            let page = CodePage { frame: frame.seen_by(&who), username, code, back };
            web::page(StatusCode::OK, &page)
        }
        Err(errors) => {
            let list = list_part(&tools.db, &who, query).await?;
            let page = AddPage { frame: frame.seen_by(&who), list, form, errors };
            web::page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

type Added = std::result::Result<(String, Option<String>), FieldErrors>;

async fn add_checked(
    tools: &Tools,
    who: &Can<EditMembers>,
    request: &HttpRequest,
    username: Username,
    display_name: String,
    role: Role,
) -> Result<Added> {
    let (code, hash) = new_code(&tools.passwords).await?;
    let (tenant, actor, now) = (who.tenant.id, actor(request, &who.principal.account), tools.clock.now());
    let stored = tools
        .db
        .write(move |c| {
            let (account, username, is_new) = match accounts::by_username(c, &username)? {
                Some(known) if known.holds_foreign_code(tenant) => return Ok(Err("members-account-unused")),
                // As the account writes it, not as it was typed here.
                Some(known) => (known.id, known.username()?, false),
                None => (accounts::insert_for(c, &username, &hash, tenant, now)?, username, true),
            };
            let member = NewMember { account, username: &username, display_name: &display_name, role };
            store::insert(c, tenant, &member, now)?;
            let changes = Change::between("members-role", "", role.as_str()).into_iter().collect();
            let entry =
                audit::Entry { tenant: Some(tenant), action: "member-added", object: username.as_str(), changes };
            audit::record(c, &actor, &entry, now)?;
            Ok(Ok((username.as_str().to_owned(), is_new)))
        })
        .await;
    match stored {
        Ok(Ok((username, is_new))) => Ok(Ok((username, is_new.then(|| code.expose().to_owned())))),
        Ok(Err(key)) => Ok(Err(FieldErrors::one("username", key))),
        Err(Error::Taken) => Ok(Err(FieldErrors::one("username", "members-already"))),
        Err(fault) => Err(fault),
    }
}

async fn new_code(passwords: &Passwords) -> Result<(PlainToken, String)> {
    let code = one_time_code()?;
    let hash = passwords.hash(code.expose()).await?;
    Ok((code, hash))
}

/// What the dialog Edit Account and the page My Contact Information have in common.
struct ContactPart {
    member: Member,
    form: EditAccount,
    errors: FieldErrors,
    switches: Switches,
    answers: Vec<Answer>,
    /// The roles that can be chosen; none when the role cannot be changed.
    roles: Vec<Role>,
    may_end: bool,
    may_renew_code: bool,
    action: String,
    /// The tenant's slug.
    slug: String,
    /// The query of the list behind, to come back to.
    query: String,
}

/// What became of a test message.
struct Answer {
    channel: Channel,
    delivery: DeliveryId,
    outcome: Outcome,
    /// Whether its robot is only typed, not saved.
    unsaved: bool,
}

impl Answer {
    fn succeeded(&self) -> bool {
        self.outcome.state == courier::DeliveryState::Success
    }

    fn has_ended(&self) -> bool {
        self.outcome.state.has_ended()
    }

    fn reason(&self) -> &'static str {
        reason_key(&self.outcome.reason)
    }
}

impl ContactPart {
    fn stored(&self, channel: &Channel) -> Option<&Contact> {
        self.member.robot(channel)
    }

    /// The test messages whose robots are typed but not saved, for the hidden fields.
    fn tested(&self) -> Vec<String> {
        let answered = self.answers.iter().filter(|answer| answer.unsaved);
        let answered: Vec<String> =
            answered.map(|answer| format!("{}:{}", answer.channel.as_str(), answer.delivery)).collect();
        let known = |word: &&String| {
            let channel = word.split(':').next().unwrap_or_default();
            !answered.iter().any(|answer| answer.starts_with(channel))
        };
        self.form.tested.iter().filter(known).cloned().chain(answered.clone()).collect()
    }

    fn back(&self) -> String {
        marked(&self.query)
    }

    fn record_path(&self) -> String {
        format!("/t/{}/deliveries", self.slug)
    }

    fn channels_path(&self) -> String {
        format!("/t/{}/settings/message-channel", self.slug)
    }

    fn is_tested(&self, channel: &Channel) -> bool {
        self.tested().iter().any(|word| word.split(':').next() == Some(channel.as_str()))
    }
}

#[derive(Template)]
#[template(path = "members/edit.html")]
struct EditPage {
    frame: Frame,
    list: ListPart,
    part: ContactPart,
}

#[derive(Template)]
#[template(path = "members/me.html")]
struct MePage {
    frame: Frame,
    part: ContactPart,
}

/// Who changes whom: an administrator a member, or a member himself.
#[derive(Clone)]
struct Task {
    tenant: Tenant,
    actor: Actor,
    by: AccountId,
    role: Role,
    member: MemberId,
    own: bool,
    language: Language,
    product: String,
}

impl Task {
    fn new<P>(who: &Can<P>, member: MemberId, own: bool, request: &HttpRequest, frame: &Frame) -> Result<Self> {
        Ok(Self {
            tenant: who.tenant.clone(),
            actor: actor(request, &who.principal.account),
            by: who.principal.account.id,
            role: who.role().ok_or(Error::NotFound)?,
            member,
            own,
            language: frame.language,
            product: frame.product.clone(),
        })
    }

    /// The member, when this task may be done to him.
    fn find(&self, c: &mut AnyConnection) -> Result<Member> {
        self.allowed(store::find(c, self.tenant.id, self.member)?)
    }

    /// The member, when this task may be done to him, for a write.
    fn lock(&self, c: &mut AnyConnection) -> Result<Member> {
        self.allowed(store::lock(c, self.tenant.id, self.member)?)
    }

    fn allowed(&self, member: Member) -> Result<Member> {
        if self.own || may_edit(self.role, member.role) { Ok(member) } else { Err(Error::Forbidden) }
    }

    /// Whether the member may be given a new one-time code: by somebody who may change his role too, and only for an
    /// account that this tenant made and that belongs to no other. Else an administrator could become his peer, or walk
    /// into another tenant.
    fn may_renew_code(&self, c: &mut AnyConnection, member: &Member) -> Result<bool> {
        Ok(may_change_role(self.role, member.role, member.account == self.by)
            && accounts::made_in(c, member.account)? == Some(self.tenant.id)
            && !store::is_member_elsewhere(c, member.account, self.tenant.id)?)
    }

    fn about(&self, member: &Member) -> About {
        About {
            language: self.language,
            product: self.product.clone(),
            tenant: self.tenant.id,
            tenant_name: self.tenant.name.clone(),
            member: member.id,
            recipient: member.display_name.clone(),
            by: self.by,
            by_name: self.actor.name.clone(),
        }
    }

    fn record(
        &self,
        c: &mut AnyConnection,
        member: &Member,
        action: &'static str,
        changes: Vec<Change>,
        tools: &Tools,
    ) -> Result<()> {
        let entry = audit::Entry { tenant: Some(self.tenant.id), action, object: &member.username, changes };
        audit::record(c, &self.actor, &entry, tools.clock.now())
    }

    /// What the form shows: the stored values where nothing was typed yet.
    async fn part(&self, tools: &Tools, form: Option<EditAccount>, errors: FieldErrors) -> Result<ContactPart> {
        let task = self.clone();
        let (member, switches, may_renew_code) = tools
            .db
            .read(move |c| {
                let member = task.find(c)?;
                let switches = channels::store::settings(c, task.tenant.id)?.effective().clone();
                let may_renew_code = !task.own && task.may_renew_code(c, &member)?;
                Ok((member, switches, may_renew_code))
            })
            .await?;
        let may_end = !self.own && may_end(self.role, member.role, member.account == self.by);
        let may_change_role = !self.own && may_change_role(self.role, member.role, member.account == self.by);
        let form = form.unwrap_or_else(|| EditAccount {
            role: member.role.as_str().to_owned(),
            phone: member.phone.clone(),
            email: member.email.clone(),
            ..EditAccount::default()
        });
        Ok(ContactPart {
            form,
            errors,
            switches,
            answers: Vec::new(),
            roles: if may_change_role { vec![Role::SystemAdministrator, Role::Member] } else { Vec::new() },
            may_end,
            may_renew_code,
            action: match self.own {
                true => format!("/t/{}/me", self.tenant.slug),
                false => format!("/t/{}/members/{}", self.tenant.slug, self.member),
            },
            slug: self.tenant.slug.clone(),
            query: String::new(),
            member,
        })
    }

    /// Saves what was typed, and puts a message for every new or changed robot into the outbox, all or nothing.
    async fn save(&self, tools: &Tools, form: &EditAccount) -> Result<std::result::Result<(), FieldErrors>> {
        let role = if self.own { Ok(None) } else { form.role() };
        let (change, role) = match (form.check(&tools.origins), role) {
            (Ok(change), Ok(role)) => (change, role),
            (change, role) => {
                let faults = change.err().into_iter().chain(role.err());
                return Ok(Err(FieldErrors(faults.flat_map(|errors| errors.0).collect())));
            }
        };
        let (task, shared) = (self.clone(), tools.clone());
        tools
            .db
            .write(move |c| {
                let member = task.lock(c)?;
                if let Some(errors) = task.shared_secret(c, &shared, &member, &change.robots)? {
                    return Ok(Err(errors));
                }
                let role = role.filter(|role| *role != member.role);
                let oneself = member.account == task.by;
                if role.is_some_and(|role| {
                    role == Role::SuperAdministrator || !may_change_role(task.role, member.role, oneself)
                }) {
                    return Err(Error::Forbidden);
                }
                let now = shared.clock.now();
                let edit = Edit { keys: &shared.keys, tenant: task.tenant.id, by: task.by, now };
                let updated = store::update(c, edit, &member, role, &change)?;
                let switches = channels::store::settings(c, task.tenant.id)?.effective().clone();
                if member.status == Status::Active {
                    for (_, robot) in updated.ringing.iter().filter(|(channel, _)| switches.is_on(channel)) {
                        courier::enqueue(c, task.about(&member).saved(*robot), now)?;
                    }
                }
                if !updated.changes.is_empty() {
                    task.record(c, &member, "member-edited", updated.changes, &shared)?;
                }
                Ok(Ok(()))
            })
            .await
            .inspect(|_| tools.waker.wake())
    }

    /// Sends a test message to every robot that is typed or stored, and waits a moment for the answers.
    async fn test(&self, tools: &Tools, form: &EditAccount) -> Result<std::result::Result<Vec<Answer>, FieldErrors>> {
        let change = match form.check(&tools.origins) {
            Ok(change) => change,
            Err(errors) => return Ok(Err(errors)),
        };
        let (task, shared) = (self.clone(), tools.clone());
        let sent = tools.db.write(move |c| task.enqueue_tests(c, &shared, &change.robots)).await?;
        tools.waker.wake();
        match sent {
            Ok(sent) => self.answers(tools, sent).await.map(Ok),
            Err(errors) => Ok(Err(errors)),
        }
    }

    fn enqueue_tests(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        changes: &[(Channel, RobotChange)],
    ) -> Result<std::result::Result<Vec<Sent>, FieldErrors>> {
        let (member, now) = (self.lock(c)?, tools.clock.now());
        // All are looked at before the first is sent: an answer that nobody is shown would be a message for nothing.
        for (channel, change) in changes {
            if let Some((field, key)) = self.test_refused(c, tools, &member, *channel, change)? {
                return Ok(Err(FieldErrors::one(field, key)));
            }
        }
        let mut sent = Vec::new();
        for (channel, change) in changes {
            if let Some((robot, unsaved)) = self.robot_to_test(c, tools, &member, *channel, change)? {
                let delivery = courier::enqueue(c, self.about(&member).test(robot), now)?;
                sent.push(Sent { channel: *channel, delivery, unsaved });
            }
        }
        if sent.is_empty() {
            return Ok(Err(FieldErrors::one("dingtalk_robot", "members-nothing-to-test")));
        }
        self.record(c, &member, "test-sent", Vec::new(), tools)?;
        Ok(Ok(sent))
    }

    /// Why no test message can be sent to a channel's robot now: the field and the text.
    fn test_refused(
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
        let waits = courier::test_must_wait(c, self.tenant.id, robot, self.by, tools.clock.now())?;
        Ok(waits.then_some((field, "members-test-too-soon")))
    }

    /// The robot of the tenant that a change is about, when there is one already.
    fn robot_meant(
        &self,
        c: &mut AnyConnection,
        tools: &Tools,
        member: &Member,
        channel: Channel,
        change: &RobotChange,
    ) -> Result<Option<RobotId>> {
        match change {
            RobotChange::Set(address, _) => courier::known_robot(c, &tools.keys, self.tenant.id, address),
            RobotChange::Tested(test, _) => {
                let (who, now) = ((member.id, self.by), tools.clock.now());
                courier::tested_robot(c, self.tenant.id, *test, who, channel, now).map(Some)
            }
            RobotChange::Keep | RobotChange::NewSecret(_) | RobotChange::NoSecret | RobotChange::Remove => {
                Ok(member.robot(&channel).map(|contact| contact.robot))
            }
        }
    }

    /// The robot a test message goes to, and whether it is only typed, not saved. A typed one is kept, so that the very
    /// path of every other message can be tried with it.
    fn robot_to_test(
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
                Some(courier::upsert_robot(c, &tools.keys, tenant, address, secret.as_ref(), now)?.0)
            }
            RobotChange::Tested(test, secret) => {
                let robot = courier::tested_robot(c, tenant, *test, (member.id, self.by), channel, now)?;
                if let Some(secret) = secret {
                    courier::set_secret(c, &tools.keys, tenant, robot, secret, now)?;
                }
                Some(robot)
            }
            RobotChange::Remove => None,
            RobotChange::Keep | RobotChange::NewSecret(_) | RobotChange::NoSecret => stored,
        };
        Ok(robot.map(|robot| (robot, stored != Some(robot))))
    }

    /// What a plain member may not do: change the signing secret of a robot that rings for others too.
    fn shared_secret(
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
                return Ok(Some(FieldErrors::one(field, "members-secret-shared")));
            }
        }
        Ok(None)
    }

    async fn answers(&self, tools: &Tools, sent: Vec<Sent>) -> Result<Vec<Answer>> {
        try_join_all(sent.into_iter().map(|Sent { channel, delivery, unsaved }| async move {
            let outcome = tools.waker.wait_for(&tools.db, self.tenant.id, delivery, ANSWER_WITHIN).await?;
            Ok(Answer { channel, delivery, outcome, unsaved })
        }))
        .await
    }
}

/// A test message on its way.
struct Sent {
    channel: Channel,
    delivery: DeliveryId,
    unsaved: bool,
}

/// The dialog Edit Account.
pub async fn edit_form(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    path: Path<(String, MemberId)>,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, &request, &frame)?;
    let part = task.part(&tools, None, FieldErrors::default()).await?;
    edit_page(&tools, &who, frame, query, part, StatusCode::OK).await
}

async fn edit_page(
    tools: &Tools,
    who: &Can<EditMembers>,
    frame: Frame,
    query: ListQuery,
    part: ContactPart,
    status: StatusCode,
) -> Result<HttpResponse> {
    let part = ContactPart { query: query.whole(), ..part };
    let list = list_part(&tools.db, who, query).await?;
    web::page(status, &EditPage { frame: frame.seen_by(who), list, part })
}

/// Saves the dialog.
pub async fn save(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    path: Path<(String, MemberId)>,
    Query(query): Query<ListQuery>,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, &request, &frame)?;
    match task.save(&tools, &form).await? {
        Ok(()) => Ok(redirect_saying(&list_url(&who, &query), "flash-saved")),
        Err(errors) => {
            let part = task.part(&tools, Some(form), errors).await?;
            edit_page(&tools, &who, frame, query, part, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

/// Sends test messages, and shows the dialog again with the robots' answers and everything that was typed.
pub async fn test(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    path: Path<(String, MemberId)>,
    Query(query): Query<ListQuery>,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, &request, &frame)?;
    let (part, status) = tested_part(&task, &tools, form).await?;
    edit_page(&tools, &who, frame, query, part, status).await
}

async fn tested_part(task: &Task, tools: &Tools, form: EditAccount) -> Result<(ContactPart, StatusCode)> {
    match task.test(tools, &form).await? {
        Ok(answers) => {
            let part = task.part(tools, Some(form), FieldErrors::default()).await?;
            Ok((ContactPart { answers, ..part }, StatusCode::OK))
        }
        Err(errors) => Ok((task.part(tools, Some(form), errors).await?, StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

fn list_url<P>(who: &Can<P>, query: &ListQuery) -> String {
    format!("/t/{}/members{}", who.tenant.slug, marked(&query.whole()))
}

/// What administrators do to a member besides editing him.
#[derive(Clone, Copy)]
enum Deed {
    Disable,
    Reinstate,
    Remove,
}

impl Deed {
    fn do_it(self, c: &mut AnyConnection, task: &Task, member: &Member) -> Result<&'static str> {
        let (tenant, id) = (task.tenant.id, member.id);
        match self {
            Self::Disable => store::set_status(c, tenant, id, Status::Disabled)?,
            Self::Reinstate => store::set_status(c, tenant, id, Status::Active)?,
            Self::Remove => store::remove(c, tenant, id)?,
        }
        // Whoever has nothing left to see is logged out; elsewhere every page looks at the membership anyway.
        let ends = !matches!(self, Self::Reinstate) && !store::takes_part_elsewhere(c, member.account, tenant)?;
        if ends {
            Sessions::end_all(c, member.account)?;
        }
        Ok(match self {
            Self::Disable => "member-disabled",
            Self::Reinstate => "member-reinstated",
            Self::Remove => "member-removed",
        })
    }
}

async fn deed(
    tools: &Tools,
    who: Can<EditMembers>,
    request: &HttpRequest,
    frame: &Frame,
    member: MemberId,
    query: &ListQuery,
    deed: Deed,
) -> Result<HttpResponse> {
    let task = Task::new(&who, member, false, request, frame)?;
    let shared = tools.clone();
    tools
        .db
        .write(move |c| {
            let member = task.lock(c)?;
            if !may_end(task.role, member.role, member.account == task.by) {
                return Err(Error::Forbidden);
            }
            let action = deed.do_it(c, &task, &member)?;
            task.record(c, &member, action, Vec::new(), &shared)
        })
        .await?;
    Ok(redirect_saying(&list_url(&who, query), "flash-saved"))
}

/// Stops a member.
pub async fn disable(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    path: Path<(String, MemberId)>,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse> {
    deed(&tools, who, &request, &frame, path.1, &query, Deed::Disable).await
}

/// Lets a member take part again.
pub async fn reinstate(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    path: Path<(String, MemberId)>,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse> {
    deed(&tools, who, &request, &frame, path.1, &query, Deed::Reinstate).await
}

/// Removes a member from the tenant.
pub async fn remove(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    path: Path<(String, MemberId)>,
    Query(query): Query<ListQuery>,
) -> Result<HttpResponse> {
    deed(&tools, who, &request, &frame, path.1, &query, Deed::Remove).await
}

/// Gives a member who forgot his password a new one-time code.
pub async fn renew_code(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    frame: Frame,
    path: Path<(String, MemberId)>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, &request, &frame)?;
    let (code, hash) = new_code(&tools.passwords).await?;
    let shared = tools.clone();
    let username = tools
        .db
        .write(move |c| {
            let member = task.lock(c)?;
            if !task.may_renew_code(c, &member)? {
                return Err(Error::Forbidden);
            }
            accounts::set_code(c, member.account, &hash, shared.clock.now())?;
            task.record(c, &member, "member-code-renewed", Vec::new(), &shared)?;
            Ok(member.username)
        })
        .await?;
    let back = format!("/t/{}/members", who.tenant.slug);
    let page = CodePage { frame: frame.seen_by(&who), username, code: Some(code.expose().to_owned()), back };
    web::page(StatusCode::OK, &page)
}

/// What the signed-in member is reached by.
pub async fn me_form(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    frame: Frame,
) -> Result<HttpResponse> {
    let task = Task::new(&who, who.member().ok_or(Error::NotFound)?, true, &request, &frame)?;
    let part = task.part(&tools, None, FieldErrors::default()).await?;
    web::page(StatusCode::OK, &MePage { frame: frame.seen_by(&who), part })
}

/// Saves the own contact information.
pub async fn me_save(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, who.member().ok_or(Error::NotFound)?, true, &request, &frame)?;
    match task.save(&tools, &form).await? {
        Ok(()) => Ok(redirect_saying(&format!("/t/{}/me", who.tenant.slug), "flash-saved")),
        Err(errors) => {
            let part = task.part(&tools, Some(form), errors).await?;
            web::page(StatusCode::UNPROCESSABLE_ENTITY, &MePage { frame: frame.seen_by(&who), part })
        }
    }
}

/// Sends test messages to the own robots.
pub async fn me_test(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, who.member().ok_or(Error::NotFound)?, true, &request, &frame)?;
    let (part, status) = tested_part(&task, &tools, form).await?;
    web::page(status, &MePage { frame: frame.seen_by(&who), part })
}
