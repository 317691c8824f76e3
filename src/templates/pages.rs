//! The pages of Message templates.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;

use super::{
    MessageReason, MessageText, TemplateForm, TemplateSource, Variables, defaults, engine, example,
    form::MessageLanguageForm,
    store::{self, TemplateRow},
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
    web::{self, EditForm as _, FieldErrors, Form, PageContext, Times, redirect_with_flash, request_actor},
};

#[derive(Template)]
#[template(path = "templates/list.html")]
struct ListPage {
    ctx: PageContext,
    errors: FieldErrors,
    path: String,
    form: MessageLanguageForm,
    custom: Vec<TemplateRow>,
    may_edit: bool,
}

impl ListPage {
    fn custom_template(&self, channel: &Channel, reason: &MessageReason) -> Option<&TemplateRow> {
        self.custom.iter().find(|custom| custom.channel == *channel && custom.reason == *reason)
    }

    /// What a screen reader says for the link of a cell, which sighted people see in its row and column.
    fn label(&self, channel: &Channel, reason: &MessageReason, state: &str) -> String {
        format!("{}: {}, {}", self.ctx.t(state), self.ctx.t(channel_key(channel)), self.ctx.t(reason.key()))
    }
}

fn templates_path<P>(who: &Can<P>) -> String {
    format!("/t/{}/templates", who.tenant.slug)
}

fn may_edit_templates<P>(who: &Can<P>) -> bool {
    who.may(Action::EditTemplates)
}

/// The list, with the language that was typed if it was refused.
async fn list_page<P>(
    db: &Database,
    who: &Can<P>,
    ctx: PageContext,
    refused: Option<(MessageLanguageForm, FieldErrors)>,
) -> Result<HttpResponse> {
    let tenant = who.tenant.id;
    let (language, custom) = db.read(move |c| Ok((store::load_language(c, tenant)?, store::list(c, tenant)?))).await?;
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let (form, errors) = refused.unwrap_or_else(|| (language.into(), FieldErrors::default()));
    let page = ListPage {
        ctx: ctx.with_viewer(who),
        errors,
        path: templates_path(who),
        form,
        custom,
        may_edit: may_edit_templates(who),
    };
    web::render_page(status, &page)
}

/// Which messages have words of the tenant's own, and the language of the rest.
pub async fn list(db: Data<Database>, who: Can<ViewTemplates>, ctx: PageContext) -> Result<HttpResponse> {
    list_page(&db, &who, ctx, None).await
}

/// Sets the language of the tenant's messages.
pub async fn save_language(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<EditTemplates>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<MessageLanguageForm>,
) -> Result<HttpResponse> {
    let (tenant, actor, now) = (who.tenant.clone(), request_actor(&request, &who.principal.account), clock.now());
    let saved = who.write(&db, move |c| {
        lock_settings(c, Some(tenant.id))?;
        let before = store::load_language(c, tenant.id)?;
        let form = match form.reconcile(&before.into(), &["message_language"])? {
            Ok(form) => form,
            Err(outdated) => return Ok(Err(outdated.into_errors())),
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
        Ok(effect) => Ok(redirect_with_flash(&templates_path(&who), effect.flash_key())),
        Err(refused) => list_page(&db, &who, ctx, Some(refused)).await,
    }
}

#[derive(Template)]
#[template(path = "templates/edit.html")]
struct EditPage {
    ctx: PageContext,
    form: TemplateForm,
    errors: FieldErrors,
    /// Where the list is.
    path: String,
    key: TemplateKey,
    custom: Option<TemplateRow>,
    example: Variables,
    /// The message that the template makes of the example, when it was asked for.
    preview: Option<MessagePreview>,
    /// Whether it was asked for, and nothing was to be saved.
    is_preview: bool,
    may_edit: bool,
}

/// A message as its group would see it.
struct MessagePreview {
    title: String,
    html: String,
    fits: bool,
}

impl MessagePreview {
    fn from_text(channel: Channel, MessageText { title, body }: MessageText) -> Self {
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
struct TemplateKey {
    channel: Channel,
    reason: MessageReason,
}

impl EditPage {
    fn action(&self) -> String {
        format!("{}/{}/{}", self.path, self.key.channel.as_str(), self.key.reason.as_str())
    }

    /// A variable as it stands in a template.
    fn as_placeholder(name: &str) -> String {
        format!("{{{{ {name} }}}}")
    }

    fn variable_description(&self, name: &str) -> String {
        self.ctx.t(&format!("templates-variable-{name}")).into_owned()
    }

    fn example_value(&self, name: &str) -> String {
        engine::variable_text(name, &self.example)
    }
}

/// What every request about one template brings: who asks, and the tenant, channel and reason in the path.
type TemplateRequestParts<P> =
    (Data<Database>, Data<Clock>, Can<P>, HttpRequest, PageContext, Path<(String, String, String)>);

/// A request about one template.
struct TemplateRequest<P> {
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<P>,
    request: HttpRequest,
    ctx: PageContext,
    key: TemplateKey,
}

impl<P> TemplateRequest<P> {
    /// # Errors
    /// [`Error::NotFound`] when there is no such channel or reason.
    fn from_parts((db, clock, who, request, ctx, path): TemplateRequestParts<P>) -> Result<Self> {
        let (_, channel, reason) = path.into_inner();
        let channel = Channel::parse(&channel).ok_or(Error::NotFound)?;
        let reason = MessageReason::parse(&reason).ok_or(Error::NotFound)?;
        Ok(Self { db, clock, who, request, ctx, key: TemplateKey { channel, reason } })
    }

    fn example(&self, language: Language) -> Variables {
        let names = (self.ctx.product.as_str(), self.who.tenant.name.as_str());
        let times = Times::for_zone(&self.who.tenant.time_zone);
        example::example_variables(language, self.key.reason, names, times, self.clock.now())
    }

    /// The template that was typed and what it makes of an example, or what is wrong with it. Large templates take a while.
    async fn check(
        &self,
        form: &TemplateForm,
    ) -> Result<std::result::Result<(TemplateSource, MessageText), FieldErrors>> {
        let tenant = self.who.tenant.id;
        let example = self.example(self.db.read(move |c| store::load_language(c, tenant)).await?);
        let (form, TemplateKey { channel, reason }) = (form.clone(), self.key);
        self.db.compute_blocking(move || form.check(channel, reason, &example)).await
    }

    /// The page with what was typed, or else with the words that count now.
    async fn page(
        self,
        status: StatusCode,
        draft: Option<TemplateForm>,
        errors: FieldErrors,
        preview: Option<MessageText>,
    ) -> Result<HttpResponse> {
        let (tenant, key) = (self.who.tenant.id, self.key);
        let (language, custom) = self
            .db
            .read(move |c| Ok((store::load_language(c, tenant)?, store::find(c, tenant, key.channel, key.reason)?)))
            .await?;
        let example = self.example(language);
        let (source, custom) = custom.unzip();
        let stored = || source.unwrap_or_else(|| defaults::default_source(language, key.reason));
        let page = EditPage {
            form: draft.unwrap_or_else(|| stored().into()),
            errors,
            path: templates_path(&self.who),
            key,
            custom,
            example,
            preview: preview.map(|text| MessagePreview::from_text(key.channel, text)),
            is_preview: self.request.path().ends_with("/preview"),
            may_edit: may_edit_templates(&self.who),
            ctx: self.ctx.with_viewer(&self.who),
        };
        web::render_page(status, &page)
    }

    fn redirect_to_list(&self, effect: Effect) -> HttpResponse {
        redirect_with_flash(&templates_path(&self.who), effect.flash_key())
    }

    /// The template's name in the audit log.
    fn audit_object(&self) -> String {
        format!("{} · {}", self.key.channel.as_str(), self.key.reason.as_str())
    }
}

/// One template; who may not edit sees it read-only.
pub async fn show(parts: TemplateRequestParts<ViewTemplates>) -> Result<HttpResponse> {
    TemplateRequest::from_parts(parts)?.page(StatusCode::OK, None, FieldErrors::default(), None).await
}

/// Shows what the typed template makes of an example, and saves nothing.
pub async fn preview(
    parts: TemplateRequestParts<EditTemplates>,
    Form(form): Form<TemplateForm>,
) -> Result<HttpResponse> {
    let request = TemplateRequest::from_parts(parts)?;
    match request.check(&form).await? {
        Ok((_, words)) => request.page(StatusCode::OK, Some(form), FieldErrors::default(), Some(words)).await,
        Err(errors) => request.page(StatusCode::UNPROCESSABLE_ENTITY, Some(form), errors, None).await,
    }
}

/// The words that count now: the tenant's own, or else the default ones.
fn stored_source(
    c: &mut AnyConnection,
    tenant: TenantId,
    channel: Channel,
    reason: MessageReason,
) -> Result<TemplateSource> {
    Ok(match store::find(c, tenant, channel, reason)? {
        Some((source, _)) => source,
        None => defaults::default_source(store::load_language(c, tenant)?, reason),
    })
}

/// Saves a template.
pub async fn save(parts: TemplateRequestParts<EditTemplates>, Form(form): Form<TemplateForm>) -> Result<HttpResponse> {
    let request = TemplateRequest::from_parts(parts)?;
    let (tenant, TemplateKey { channel, reason }) = (request.who.tenant.id, request.key);
    let shown = request.db.read(move |c| stored_source(c, tenant, channel, reason)).await?;
    let form = match form.reconcile(&shown.into(), &["title", "body"])? {
        Ok(form) => form,
        Err(outdated) => {
            let (form, errors) = outdated.into_errors();
            return request.page(StatusCode::UNPROCESSABLE_ENTITY, Some(form), errors, None).await;
        }
    };
    let source = match request.check(&form).await? {
        Ok((source, _)) => source,
        Err(errors) => return request.page(StatusCode::UNPROCESSABLE_ENTITY, Some(form), errors, None).await,
    };
    let actor = request_actor(&request.request, &request.who.principal.account);
    let (now, object) = (request.clock.now(), request.audit_object());
    let draft = form.clone();
    let saved = request
        .who
        .write(&request.db, move |c| {
            lock_settings(c, Some(tenant))?;
            let before = stored_source(c, tenant, channel, reason)?;
            if !form.is_based_on(&before.clone().into()) {
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
        return Ok(request.redirect_to_list(effect));
    }
    let errors = FieldErrors::for_whole_form("form-saved-by-another");
    request.page(StatusCode::UNPROCESSABLE_ENTITY, Some(draft), errors, None).await
}

/// Goes back to the default words, unless somebody else changed the template after the page was opened.
pub async fn reset(parts: TemplateRequestParts<EditTemplates>, Form(form): Form<TemplateForm>) -> Result<HttpResponse> {
    let request = TemplateRequest::from_parts(parts)?;
    let actor = request_actor(&request.request, &request.who.principal.account);
    let (tenant, now, object) = (request.who.tenant.id, request.clock.now(), request.audit_object());
    let TemplateKey { channel, reason } = request.key;
    let reset = request
        .who
        .write(&request.db, move |c| {
            lock_settings(c, Some(tenant))?;
            if !form.is_based_on(&stored_source(c, tenant, channel, reason)?.into()) {
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
        return Ok(request.redirect_to_list(effect));
    }
    request
        .page(StatusCode::UNPROCESSABLE_ENTITY, None, FieldErrors::for_whole_form("form-saved-by-another"), None)
        .await
}
