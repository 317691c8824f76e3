//! The pages of Message templates.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;

use super::{
    EditTemplate, Reason, Source, Variables, Words, belfrys, engine, example,
    form::EditLanguage,
    store::{self, Listed},
};
use crate::{
    access::{
        Action, Can,
        permissions::{EditTemplates, ViewTemplates},
    },
    audit::{self, Change, Effect},
    channels::channel_key,
    clock::Clock,
    db::{AnyConnection, Database, TenantId, lock_settings},
    error::{Error, Result},
    language::Language,
    robots::{self, Channel},
    sandbox::message_html,
    web::{self, Edits as _, FieldErrors, Form, Frame, Times, actor, redirect_saying},
};

#[derive(Template)]
#[template(path = "templates/list.html")]
struct ListPage {
    frame: Frame,
    errors: FieldErrors,
    path: String,
    form: EditLanguage,
    own: Vec<Listed>,
    may_edit: bool,
}

impl ListPage {
    fn own(&self, channel: &Channel, reason: &Reason) -> Option<&Listed> {
        self.own.iter().find(|own| own.channel == *channel && own.reason == *reason)
    }

    /// What a screen reader says for the link of a cell, which sighted people see in its row and column.
    fn label(&self, channel: &Channel, reason: &Reason, state: &str) -> String {
        format!("{}: {}, {}", self.frame.t(state), self.frame.t(channel_key(channel)), self.frame.t(reason.key()))
    }
}

fn path<P>(who: &Can<P>) -> String {
    format!("/t/{}/templates", who.tenant.slug)
}

fn may_edit<P>(who: &Can<P>) -> bool {
    who.may(Action::EditTemplates)
}

/// The list, with the language that was typed if it was refused.
async fn list_page<P>(
    db: &Database,
    who: &Can<P>,
    frame: Frame,
    refused: Option<(EditLanguage, FieldErrors)>,
) -> Result<HttpResponse> {
    let tenant = who.tenant.id;
    let (language, own) = db.read(move |c| Ok((store::language(c, tenant)?, store::list(c, tenant)?))).await?;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (form, errors) = refused.unwrap_or_else(|| (language.into(), FieldErrors::default()));
    let page = ListPage { frame: frame.seen_by(who), errors, path: path(who), form, own, may_edit: may_edit(who) };
    web::page(status, &page)
}

/// Which messages have words of the tenant's own, and the language of the rest.
pub async fn list(db: Data<Database>, who: Can<ViewTemplates>, frame: Frame) -> Result<HttpResponse> {
    list_page(&db, &who, frame, None).await
}

/// Sets the language of the tenant's messages.
pub async fn save_language(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<EditTemplates>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<EditLanguage>,
) -> Result<HttpResponse> {
    let (tenant, actor, now) = (who.tenant.clone(), actor(&request, &who.principal.account), clock.now());
    let saved = who.write(&db, move |c| {
        lock_settings(c, Some(tenant.id))?;
        let before = store::language(c, tenant.id)?;
        let form = match form.reconciled(&before.into(), &["message_language"])? {
            Ok(form) => form,
            Err(outdated) => return Ok(Err(outdated.refused())),
        };
        let language = match form.check() {
            Ok(language) => language,
            Err(errors) => return Ok(Err((form, errors))),
        };
        let changes = Change::between("templates-language", before.name(), language.name()).into_iter().collect();
        let action = "message-language-changed";
        let entry = audit::Entry { tenant: Some(tenant.id), action, object: &tenant.name, changes };
        audit::save_changes(c, &actor, &entry, now, |c| store::set_language(c, tenant.id, language)).map(Ok)
    });
    match saved.await? {
        Ok(effect) => Ok(redirect_saying(&path(&who), effect.flash_key())),
        Err(refused) => list_page(&db, &who, frame, Some(refused)).await,
    }
}

#[derive(Template)]
#[template(path = "templates/edit.html")]
struct EditPage {
    frame: Frame,
    form: EditTemplate,
    errors: FieldErrors,
    /// Where the list is.
    path: String,
    place: Place,
    own: Option<Listed>,
    example: Variables,
    /// The message that the template makes of the example, when it was asked for.
    preview: Option<Preview>,
    /// Whether it was asked for, and nothing was to be saved.
    is_preview: bool,
    may_edit: bool,
}

/// A message as its group would see it.
struct Preview {
    title: String,
    html: String,
    fits: bool,
}

impl Preview {
    fn of(channel: Channel, Words { title, body }: Words) -> Self {
        let message = robots::OutgoingMessage { title, text: body, mobiles: Vec::new(), uuid: String::new() };
        let fits = robots::fits_channel(channel, &message);
        let robots::OutgoingMessage { title, text, .. } = message;
        let text = if channel == Channel::Lark { robots::keep_links_only(&text) } else { text };
        // Every line end of a message is one for its group.
        Self { title, html: message_html(&text.replace('\n', "  \n")), fits }
    }
}

/// Whose words a page is about.
#[derive(Clone, Copy)]
struct Place {
    channel: Channel,
    reason: Reason,
}

impl EditPage {
    fn action(&self) -> String {
        format!("{}/{}/{}", self.path, self.place.channel.as_str(), self.place.reason.as_str())
    }

    /// A variable as it stands in a template.
    fn written(name: &str) -> String {
        format!("{{{{ {name} }}}}")
    }

    fn meaning(&self, name: &str) -> String {
        self.frame.t(&format!("templates-variable-{name}")).into_owned()
    }

    fn value(&self, name: &str) -> String {
        engine::value(name, &self.example)
    }
}

/// What every request about one template brings: who asks, and the tenant, channel and reason in the path.
type AboutTemplate<P> = (Data<Database>, Data<Clock>, Can<P>, HttpRequest, Frame, Path<(String, String, String)>);

/// A request about one template.
struct Asked<P> {
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<P>,
    request: HttpRequest,
    frame: Frame,
    place: Place,
}

impl<P> Asked<P> {
    /// # Errors
    /// [`Error::NotFound`] when there is no such channel or reason.
    fn read((db, clock, who, request, frame, path): AboutTemplate<P>) -> Result<Self> {
        let (_, channel, reason) = path.into_inner();
        let channel = Channel::parse(&channel).ok_or(Error::NotFound)?;
        let reason = Reason::parse(&reason).ok_or(Error::NotFound)?;
        Ok(Self { db, clock, who, request, frame, place: Place { channel, reason } })
    }

    fn example(&self, language: Language) -> Variables {
        let names = (self.frame.product.as_str(), self.who.tenant.name.as_str());
        let times = Times::of(&self.who.tenant.time_zone);
        example::variables(language, self.place.reason, names, times, self.clock.now())
    }

    /// The template that was typed and what it makes of an example, or what is wrong with it. Large templates take a while.
    async fn check(&self, form: &EditTemplate) -> Result<std::result::Result<(Source, Words), FieldErrors>> {
        let tenant = self.who.tenant.id;
        let example = self.example(self.db.read(move |c| store::language(c, tenant)).await?);
        let (form, Place { channel, reason }) = (form.clone(), self.place);
        self.db.compute_aside(move || form.check(channel, reason, &example)).await
    }

    /// The page with what was typed, or else with the words that count now.
    async fn page(
        self,
        status: StatusCode,
        typed: Option<EditTemplate>,
        errors: FieldErrors,
        preview: Option<Words>,
    ) -> Result<HttpResponse> {
        let (tenant, place) = (self.who.tenant.id, self.place);
        let (language, own) = self
            .db
            .read(move |c| Ok((store::language(c, tenant)?, store::find(c, tenant, place.channel, place.reason)?)))
            .await?;
        let example = self.example(language);
        let (source, own) = own.unzip();
        let stored = || source.unwrap_or_else(|| belfrys::source(language, place.reason));
        let page = EditPage {
            form: typed.unwrap_or_else(|| stored().into()),
            errors,
            path: path(&self.who),
            place,
            own,
            example,
            preview: preview.map(|words| Preview::of(place.channel, words)),
            is_preview: self.request.path().ends_with("/preview"),
            may_edit: may_edit(&self.who),
            frame: self.frame.seen_by(&self.who),
        };
        web::page(status, &page)
    }

    fn back(&self, effect: Effect) -> HttpResponse {
        redirect_saying(&path(&self.who), effect.flash_key())
    }

    /// The template's name in the audit log.
    fn object(&self) -> String {
        format!("{} · {}", self.place.channel.as_str(), self.place.reason.as_str())
    }
}

/// One template; who may not edit sees it read-only.
pub async fn show(asked: AboutTemplate<ViewTemplates>) -> Result<HttpResponse> {
    Asked::read(asked)?.page(StatusCode::OK, None, FieldErrors::default(), None).await
}

/// Shows what the typed template makes of an example, and saves nothing.
pub async fn preview(asked: AboutTemplate<EditTemplates>, Form(form): Form<EditTemplate>) -> Result<HttpResponse> {
    let asked = Asked::read(asked)?;
    match asked.check(&form).await? {
        Ok((_, words)) => asked.page(StatusCode::OK, Some(form), FieldErrors::default(), Some(words)).await,
        Err(errors) => asked.page(StatusCode::UNPROCESSABLE_ENTITY, Some(form), errors, None).await,
    }
}

/// The words that count now: the tenant's own, or else the default ones.
fn stored_source(c: &mut AnyConnection, tenant: TenantId, channel: Channel, reason: Reason) -> Result<Source> {
    Ok(match store::find(c, tenant, channel, reason)? {
        Some((source, _)) => source,
        None => belfrys::source(store::language(c, tenant)?, reason),
    })
}

/// Saves a template.
pub async fn save(asked: AboutTemplate<EditTemplates>, Form(form): Form<EditTemplate>) -> Result<HttpResponse> {
    let asked = Asked::read(asked)?;
    let (tenant, Place { channel, reason }) = (asked.who.tenant.id, asked.place);
    let shown = asked.db.read(move |c| stored_source(c, tenant, channel, reason)).await?;
    let form = match form.reconciled(&shown.into(), &["title", "body"])? {
        Ok(form) => form,
        Err(outdated) => {
            let (form, errors) = outdated.refused();
            return asked.page(StatusCode::UNPROCESSABLE_ENTITY, Some(form), errors, None).await;
        }
    };
    let source = match asked.check(&form).await? {
        Ok((source, _)) => source,
        Err(errors) => return asked.page(StatusCode::UNPROCESSABLE_ENTITY, Some(form), errors, None).await,
    };
    let actor = actor(&asked.request, &asked.who.principal.account);
    let (now, object) = (asked.clock.now(), asked.object());
    let typed = form.clone();
    let saved = asked
        .who
        .write(&asked.db, move |c| {
            lock_settings(c, Some(tenant))?;
            let before = stored_source(c, tenant, channel, reason)?;
            if !form.is_current(&before.clone().into()) {
                return Ok(None);
            }
            let mut changes = Vec::new();
            changes.extend(Change::between("templates-title", &before.title, &source.title));
            // A text may be pages long: that it changed is said, not how.
            let body_changed = before.body != source.body;
            changes.extend(body_changed.then(|| Change::unsaid("templates-body")));
            let entry = audit::Entry { tenant: Some(tenant), action: "template-changed", object: &object, changes };
            let by = (actor.name.as_str(), now);
            let save = |c: &mut AnyConnection| store::save(c, tenant, channel, reason, &source, by);
            audit::save_changes(c, &actor, &entry, now, save).map(Some)
        })
        .await?;
    if let Some(effect) = saved {
        return Ok(asked.back(effect));
    }
    let errors = FieldErrors::of_form("form-saved-by-another");
    asked.page(StatusCode::UNPROCESSABLE_ENTITY, Some(typed), errors, None).await
}

/// Goes back to the default words, unless somebody else changed the template after the page was opened.
pub async fn reset(asked: AboutTemplate<EditTemplates>, Form(form): Form<EditTemplate>) -> Result<HttpResponse> {
    let asked = Asked::read(asked)?;
    let actor = actor(&asked.request, &asked.who.principal.account);
    let (tenant, now, object) = (asked.who.tenant.id, asked.clock.now(), asked.object());
    let Place { channel, reason } = asked.place;
    let reset = asked
        .who
        .write(&asked.db, move |c| {
            lock_settings(c, Some(tenant))?;
            if !form.is_current(&stored_source(c, tenant, channel, reason)?.into()) {
                return Ok(None);
            }
            if !store::reset(c, tenant, channel, reason)? {
                return Ok(Some(Effect::Unchanged));
            }
            let (action, changes) = ("template-reset", Vec::new());
            let entry = audit::Entry { tenant: Some(tenant), action, object: &object, changes };
            audit::record(c, &actor, &entry, now).map(|()| Some(Effect::Changed))
        })
        .await?;
    if let Some(effect) = reset {
        return Ok(asked.back(effect));
    }
    asked.page(StatusCode::UNPROCESSABLE_ENTITY, None, FieldErrors::of_form("form-saved-by-another"), None).await
}
