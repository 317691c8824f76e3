//! The pages of set-up, log-in and the own account.

use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use chrono::NaiveDateTime;

use super::{
    Tools, browser, form,
    log_in::{self, LogInOutcome, LoggedIn, Visitor},
    store::{self, FailedLogIns},
};
use crate::{
    access::{self, Account, AccountSession, Affected, AnyoneSignedIn, Membership},
    db::{AccountId, AnyConnection},
    error::{Error, Result},
    language::Language,
    members::store::invitations::{self, Invitation},
    refusals::Refusal,
    secrets::RequestPermit,
    tenants::store as tenants,
    web::{
        self, FieldErrors, Form, PageContext, Query, Times, WebConfig, redirect, redirect_with_counted_flash,
        redirect_with_flash, request_actor, safe_return_path,
    },
};

#[derive(Template)]
#[template(path = "accounts/setup.html")]
struct SetUpPage {
    ctx: PageContext,
    form: form::SetUpForm,
    errors: FieldErrors,
}

/// The first visitor's page.
pub async fn set_up_form(tools: Data<Tools>, ctx: PageContext) -> Result<HttpResponse> {
    require_no_accounts(&tools).await?;
    web::render_page(
        StatusCode::OK,
        &SetUpPage { ctx, form: form::SetUpForm::default(), errors: FieldErrors::default() },
    )
}

/// Makes the first account and logs it in.
pub async fn set_up(
    tools: Data<Tools>,
    shared: Data<WebConfig>,
    request: HttpRequest,
    session: Session,
    ctx: PageContext,
    Form(form): Form<form::SetUpForm>,
) -> Result<HttpResponse> {
    require_no_accounts(&tools).await?;
    let refused =
        |ctx, form, errors| web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &SetUpPage { ctx, form, errors });
    let checked = form.check();
    let mut errors = checked.as_ref().err().cloned().unwrap_or_default();
    if let Some(code) = form.code()
        && !tools.db.read(move |c| store::is_set_up_code(c, &code)).await?
    {
        errors.add("code", "accounts-code-wrong");
        shared.refusals.record(Refusal::LogIn, &web::client_address(&request), "wrong set-up code");
    }
    let (username, code) = match checked {
        Ok(checked) if errors.is_empty() => checked,
        _ => return refused(ctx, form, errors),
    };
    let _permit = tools
        .passwords
        .acquire_request_permit("set-up", &store::nearest_network(&web::client_address(&request)))
        .await?;
    let context = [ctx.product.as_str(), ctx.portal_name.as_str(), form.username.trim()];
    if let Some(weakness) = tools.passwords.check_strength(form.password.expose(), &context).await? {
        return refused(ctx, form, FieldErrors::single("password", weakness.key()));
    }
    let hash = tools.passwords.hash(form.password.expose()).await?;
    let language = ctx.language;
    let first = log_in::FirstAccount { username, password_hash: hash.clone(), code, language };
    let created = log_in::create_first_account(&tools, first, web::client_address(&request)).await?;
    let Some(account) = created else {
        return refused(ctx, form, FieldErrors::single("code", "accounts-code-wrong"));
    };
    start_session(&request, &session, account, hash)?;
    Ok(redirect("/"))
}

async fn require_no_accounts(tools: &Tools) -> Result<()> {
    if tools.db.read(store::has_accounts).await? { Err(Error::NotFound) } else { Ok(()) }
}

fn visitor(request: &HttpRequest) -> Visitor {
    Visitor { address: web::client_address(request), devices: web::device_tokens(request) }
}

fn start_session(request: &HttpRequest, session: &Session, account: AccountId, password_hash: String) -> Result<()> {
    let (agent, address) = (web::user_agent(request), web::client_address(request));
    access::NewSession { account, password_hash, agent, address }.start(session)
}

#[derive(Template)]
#[template(path = "accounts/login.html")]
struct LogInPage {
    ctx: PageContext,
    form: form::LogInForm,
    errors: FieldErrors,
}

/// The log-in page.
pub async fn log_in_form(
    tools: Data<Tools>,
    session: Session,
    ctx: PageContext,
    Query(form::LogInQuery { next }): Query<form::LogInQuery>,
) -> Result<HttpResponse> {
    if !tools.db.read(store::has_accounts).await? {
        return Err(Error::SetUpRequired);
    }
    if access::is_logged_in(&session) {
        return Ok(redirect(safe_return_path(&next)));
    }
    let form = form::LogInForm { next, ..form::LogInForm::default() };
    web::render_page(StatusCode::OK, &LogInPage { ctx, form, errors: FieldErrors::default() })
}

/// Logs in.
pub async fn log_in(
    tools: Data<Tools>,
    shared: Data<WebConfig>,
    request: HttpRequest,
    session: Session,
    ctx: PageContext,
    Form(form): Form<form::LogInForm>,
) -> Result<HttpResponse> {
    match log_in::attempt_log_in(&tools, &shared.refusals, &form, visitor(&request)).await? {
        LogInOutcome::LoggedIn(LoggedIn {
            credentials: account,
            failures_since_last: failures,
            new_device_token: device,
        }) => {
            let next =
                if account.code_expires_at.is_some() { "/account/password" } else { safe_return_path(&form.next) };
            let mut response = match failures {
                Some(FailedLogIns { count, since }) => {
                    redirect_with_counted_flash(next, "flash-failed-log-ins", count, since)
                }
                None => redirect(next),
            };
            if let Some(token) = device {
                let cookie = web::device_cookie(&request, account.id.0, &token);
                response.add_cookie(&cookie).map_err(Error::internal)?;
            }
            start_session(&request, &session, account.id, account.password_hash)?;
            Ok(response)
        }
        LogInOutcome::WrongCredentials => {
            let errors = FieldErrors::for_whole_form("accounts-log-in-wrong");
            web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &LogInPage { ctx, form, errors })
        }
    }
}

/// Logs out, on the server too.
pub async fn log_out(
    tools: Data<Tools>,
    account: Option<Account>,
    request: HttpRequest,
    session: Session,
) -> Result<HttpResponse> {
    if let Some(account) = account {
        let (who, now) = (request_actor(&request, &account), tools.clock.now());
        match account.write(&tools.db, move |c| store::record_own_action(c, &who, "log-out", now)).await {
            // It has ended meanwhile, which is what was asked for.
            Ok(()) | Err(Error::LogInRequired) => {}
            Err(fault) => return Err(fault),
        }
    }
    session.purge();
    let mut response = redirect_with_flash("/login", "flash-logged-out");
    response.headers_mut().insert(
        actix_web::http::header::HeaderName::from_static("clear-site-data"),
        actix_web::http::header::HeaderValue::from_static("\"cache\", \"storage\""),
    );
    Ok(response)
}

/// Keeps a choice of language: in the account, and in this browser.
pub async fn choose_language(
    tools: Data<Tools>,
    account: Option<Account>,
    Form(form): Form<form::LanguageForm>,
) -> Result<HttpResponse> {
    let language =
        Language::ALL.into_iter().find(|language| language.tag() == form.language).ok_or(Error::Malformed)?;
    if let Some(account) = account {
        let id = account.id;
        account.write(&tools.db, move |c| store::save_language(c, id, language)).await?;
    }
    let mut response = redirect(safe_return_path(&form.return_to));
    response.add_cookie(&web::language_cookie(language)).map_err(Error::internal)?;
    Ok(response)
}

#[derive(Template)]
#[template(path = "accounts/start.html")]
struct StartPage {
    ctx: PageContext,
    memberships: Vec<Membership>,
    invitations: Vec<Invitation>,
    /// Whether there is no tenant yet but the metadata warehouse: the page shows the first steps.
    shows_first_steps: bool,
}

/// The tenants of whoever is signed in, and those that invite him; straight to the only one. Who administers an instance
/// without tenants begins with the first steps instead: the metadata warehouse is no place for his alerts.
pub async fn list_own_tenants(tools: Data<Tools>, who: AnyoneSignedIn, ctx: PageContext) -> Result<HttpResponse> {
    let account = who.principal.account.id;
    let invitations = tools.db.read(move |c| invitations::of_account(c, account)).await?;
    let mut shows_first_steps = false;
    if let ([only], []) = (who.principal.memberships.as_slice(), invitations.as_slice()) {
        shows_first_steps = who.principal.administers_instance() && tools.db.read(tenants::count).await? <= 1;
        if !shows_first_steps {
            return Ok(redirect(&format!("/t/{}", only.tenant.slug)));
        }
    }
    let memberships = who.principal.memberships.clone();
    web::render_page(
        StatusCode::OK,
        &StartPage { ctx: ctx.with_viewer(&who), memberships, invitations, shows_first_steps },
    )
}

/// Accepts an invitation, and goes on to its tenant.
pub async fn accept_invitation(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    Form(form): Form<form::InvitationForm>,
) -> Result<HttpResponse> {
    let (account, actor, now) =
        (who.principal.account.id, request_actor(&request, &who.principal.account), tools.clock.now());
    let invitation = form.invitation;
    let accept = move |c: &mut AnyConnection| invitations::accept(c, account, invitation, &form.role, &actor, now);
    let permit = who.permit().affecting(Affected::InTenantOf(invitation));
    Ok(match permit.write(&tools.db, accept).await? {
        Some(slug) => redirect_with_flash(&format!("/t/{slug}"), "flash-invitation-accepted"),
        None => redirect_with_flash("/", "flash-invitation-changed"),
    })
}

/// Declines an invitation.
pub async fn decline_invitation(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    Form(form): Form<form::InvitationForm>,
) -> Result<HttpResponse> {
    let (account, actor, now) =
        (who.principal.account.id, request_actor(&request, &who.principal.account), tools.clock.now());
    let permit = who.permit().affecting(Affected::InTenantOf(form.invitation));
    permit.write(&tools.db, move |c| invitations::decline(c, account, form.invitation, &actor, now)).await?;
    Ok(redirect_with_flash("/", "flash-invitation-declined"))
}

#[derive(Template)]
#[template(path = "accounts/account.html")]
struct AccountPage {
    ctx: PageContext,
    errors: FieldErrors,
    sessions: Vec<AccountSession>,
    this_session: String,
}

impl AccountPage {
    fn browser(&self, agent: &str) -> String {
        browser::describe_browser(agent, self.ctx.language)
    }
}

async fn account_page(
    tools: &Tools,
    who: AnyoneSignedIn,
    ctx: PageContext,
    status: StatusCode,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    let (account, now) = (who.principal.account.id, tools.clock.now());
    let sessions = tools.db.read(move |c| AccountSession::list(c, account, now)).await?;
    let this_session = who.principal.account.session_id.clone();
    web::render_page(status, &AccountPage { ctx: ctx.with_viewer(&who), errors, sessions, this_session })
}

/// The own account: password and sessions.
pub async fn own_account(tools: Data<Tools>, who: AnyoneSignedIn, ctx: PageContext) -> Result<HttpResponse> {
    account_page(&tools, who, ctx, StatusCode::OK, FieldErrors::default()).await
}

/// Changes the own password, and goes on in a fresh session.
pub async fn change_password(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    session: Session,
    ctx: PageContext,
    Form(form): Form<form::NewPasswordForm>,
) -> Result<HttpResponse> {
    let id = who.principal.account.id;
    match replace_password(&tools, &request, &who, &ctx, &form).await? {
        Ok(hash) => {
            start_session(&request, &session, id, hash)?;
            Ok(redirect_with_flash("/account", "flash-password-changed"))
        }
        Err(errors) => account_page(&tools, who, ctx, StatusCode::UNPROCESSABLE_ENTITY, errors).await,
    }
}

/// A new password's hash, or why it is refused.
type PasswordChange = std::result::Result<String, FieldErrors>;

/// Whether a password that passed every cheap check is easy to guess.
async fn weakness_errors(
    tools: &Tools,
    ctx: &PageContext,
    account: &Account,
    form: &form::NewPasswordForm,
) -> Result<Option<FieldErrors>> {
    let context = [ctx.product.as_str(), ctx.portal_name.as_str(), account.username.as_str()];
    let weakness = tools.passwords.check_strength(form.new_password.expose(), &context).await?;
    Ok(weakness.map(|weakness| FieldErrors::single("new_password", weakness.key())))
}

/// A current password that somebody who is logged in was asked for.
struct CurrentPassword {
    subjects: store::ThrottleSubjects,
    /// The hash of the account's password.
    current_hash: String,
    /// Whether it is the account's. A wrong one is to be counted, and of many at once only those that are still allowed count.
    is_correct: bool,
    now: NaiveDateTime,
    _permit: RequestPermit,
}

/// Looks whether this is the account's current password, when the account and the address may try one.
async fn check_current_password(
    tools: &Tools,
    request: &HttpRequest,
    account: &Account,
    password: &str,
) -> Result<CurrentPassword> {
    let (id, subjects) = (account.id, visitor(request).throttle_subjects(tools, &account.username));
    log_in::check_may_try(tools, &subjects).await?;
    let place = tools
        .passwords
        .acquire_request_permit(&id.to_string(), &store::nearest_network(&web::client_address(request)))
        .await?;
    let turn = tools.passwords.acquire_hash_permit().await?;
    // Others may have failed while this one waited.
    let now = log_in::check_may_try(tools, &subjects).await?;
    let before = tools.db.read(move |c| store::load_password_hash(c, id)).await?;
    let right = turn.verify(password, Some(before.clone())).await?;
    Ok(CurrentPassword { subjects, current_hash: before, is_correct: right, now, _permit: place })
}

/// Puts the new password in place of the current one, and answers its hash. A wrong current one counts as a failed log-in. What
/// costs nothing is checked first, and the new password is judged only for whoever knows the current one.
async fn replace_password(
    tools: &Tools,
    request: &HttpRequest,
    who: &AnyoneSignedIn,
    ctx: &PageContext,
    form: &form::NewPasswordForm,
) -> Result<PasswordChange> {
    let mut errors = form.check().err().unwrap_or_default();
    if form.current_password.expose().is_empty() {
        errors.add("current_password", "form-required");
    }
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    let account = &who.principal.account;
    let id = account.id;
    let CurrentPassword { subjects, current_hash: before, is_correct: right, now, _permit } =
        check_current_password(tools, request, account, form.current_password.expose()).await?;
    let mut new = None;
    if right {
        if let Some(errors) = weakness_errors(tools, ctx, account, form).await? {
            return Ok(Err(errors));
        }
        let hash = tools.passwords.hash(form.new_password.expose()).await?;
        new = Some(store::NewPassword { hash, previous_hash: before, session_id: account.session_id.clone() });
    }
    let actor = request_actor(request, account);
    let changed = who
        .write(&tools.db, move |c| {
            // As in a log-in: of many guesses at once, only those that were allowed count.
            subjects.check_may_still_try(c, now)?;
            let changed = match &new {
                Some(new) => store::set_password(c, id, new, now)?,
                None => false,
            };
            if changed {
                store::record_own_action(c, &actor, "password-changed", now)?;
            } else {
                log_in::record_failure(c, &subjects, &actor, "password-change-failed", now)?;
            }
            Ok(new.filter(|_| changed).map(|new| new.hash))
        })
        .await?;
    Ok(changed.ok_or_else(|| FieldErrors::single("current_password", "accounts-current-password-wrong")))
}

#[derive(Template)]
#[template(path = "accounts/password.html")]
struct PasswordPage {
    ctx: PageContext,
    errors: FieldErrors,
}

/// Where somebody who came with a one-time code chooses a password.
pub async fn choose_password_form(account: Account, ctx: PageContext) -> Result<HttpResponse> {
    if !account.must_choose_password {
        return Ok(redirect("/account"));
    }
    web::render_page(StatusCode::OK, &PasswordPage { ctx, errors: FieldErrors::default() })
}

/// Keeps the password that was chosen in place of the one-time code, and starts a fresh session.
pub async fn choose_password(
    tools: Data<Tools>,
    account: Account,
    request: HttpRequest,
    session: Session,
    ctx: PageContext,
    Form(form): Form<form::NewPasswordForm>,
) -> Result<HttpResponse> {
    if !account.must_choose_password {
        return Err(Error::Forbidden);
    }
    let id = account.id;
    match replace_one_time_code(&tools, &request, account, &ctx, &form).await? {
        Ok(hash) => {
            start_session(&request, &session, id, hash)?;
            Ok(redirect_with_flash("/", "flash-password-changed"))
        }
        Err(errors) => web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &PasswordPage { ctx, errors }),
    }
}

/// Keeps the password that was chosen in place of a code, and answers its hash.
async fn replace_one_time_code(
    tools: &Tools,
    request: &HttpRequest,
    account: Account,
    ctx: &PageContext,
    form: &form::NewPasswordForm,
) -> Result<PasswordChange> {
    if let Err(errors) = form.check() {
        return Ok(Err(errors));
    }
    let id = account.id;
    let _permit = tools
        .passwords
        .acquire_request_permit(&id.to_string(), &store::nearest_network(&web::client_address(request)))
        .await?;
    let before = tools.db.read(move |c| store::load_password_hash(c, id)).await?;
    let turn = tools.passwords.acquire_hash_permit().await?;
    if turn.verify(form.new_password.expose(), Some(before.clone())).await? {
        return Ok(Err(FieldErrors::single("new_password", "accounts-password-is-code")));
    }
    if let Some(errors) = weakness_errors(tools, ctx, &account, form).await? {
        return Ok(Err(errors));
    }
    let hash = tools.passwords.hash(form.new_password.expose()).await?;
    let (who, now, permit) = (request_actor(request, &account), tools.clock.now(), account.permit());
    let new = store::NewPassword { hash, previous_hash: before, session_id: account.session_id };
    let stored_hash = permit
        .write(&tools.db, move |c| {
            let is_set = store::set_password(c, id, &new, now)?;
            if is_set {
                store::record_own_action(c, &who, "password-changed", now)?;
            }
            Ok(is_set.then_some(new.hash))
        })
        .await?;
    Ok(stored_hash.ok_or_else(|| FieldErrors::single("new_password", "accounts-code-expired")))
}

/// Ends one of the own sessions.
pub async fn end_session(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    Form(form): Form<form::EndSessionForm>,
) -> Result<HttpResponse> {
    let (account, actor, now) =
        (who.principal.account.id, request_actor(&request, &who.principal.account), tools.clock.now());
    who.write(&tools.db, move |c| {
        match AccountSession::end(c, account, &form.session)? {
            // It has ended meanwhile, and nothing is to be said about it.
            0 => Ok(()),
            _ => store::record_own_action(c, &actor, "session-ended", now),
        }
    })
    .await?;
    Ok(redirect_with_flash("/account", "flash-session-ended"))
}

/// Ends all other own sessions, for whoever shows the current password.
pub async fn end_other_sessions(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<form::EndOtherSessionsForm>,
) -> Result<HttpResponse> {
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    if form.password.expose().is_empty() {
        return account_page(&tools, who, ctx, refused, FieldErrors::single("password", "form-required")).await;
    }
    let account = who.principal.account.clone();
    let actor = request_actor(&request, &account);
    let CurrentPassword { subjects, current_hash: before, is_correct: right, now, _permit } =
        check_current_password(&tools, &request, &account, form.password.expose()).await?;
    let ended = who
        .write(&tools.db, move |c| {
            subjects.check_may_still_try(c, now)?;
            if !right || store::load_password_hash(c, account.id)? != before {
                log_in::record_failure(c, &subjects, &actor, "session-end-failed", now)?;
                return Ok(false);
            }
            if AccountSession::end_others(c, account.id, &account.session_id)? > 0 {
                store::record_own_action(c, &actor, "session-ended", now)?;
            }
            Ok(true)
        })
        .await?;
    if ended {
        return Ok(redirect_with_flash("/account", "flash-session-ended"));
    }
    account_page(&tools, who, ctx, refused, FieldErrors::single("password", "accounts-current-password-wrong")).await
}
