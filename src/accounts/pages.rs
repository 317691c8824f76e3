//! The pages of set-up, log-in and the own account.

use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;
use chrono::NaiveDateTime;

use super::{
    Tools, browser, form,
    log_in::{self, LoggedIn, Outcome, Visitor},
    store::{self, Failures},
};
use crate::{
    access::{self, Account, Affected, AnyoneSignedIn, Membership, Sessions},
    db::{AccountId, AnyConnection},
    error::{Error, Result},
    language::Language,
    members::store::invitations::{self, Invitation},
    refusals::Refusal,
    secrets::RequestPermit,
    tenants::store as tenants,
    web::{
        self, FieldErrors, Form, Frame, Query, Shared, Times, actor, own_page, redirect, redirect_counting,
        redirect_saying,
    },
};

#[derive(Template)]
#[template(path = "accounts/setup.html")]
struct SetUpPage {
    frame: Frame,
    form: form::SetUp,
    errors: FieldErrors,
}

/// The first visitor's page.
pub async fn set_up_form(tools: Data<Tools>, frame: Frame) -> Result<HttpResponse> {
    only_without_accounts(&tools).await?;
    web::page(StatusCode::OK, &SetUpPage { frame, form: form::SetUp::default(), errors: FieldErrors::default() })
}

/// Makes the first account and logs it in.
pub async fn set_up(
    tools: Data<Tools>,
    shared: Data<Shared>,
    request: HttpRequest,
    session: Session,
    frame: Frame,
    Form(form): Form<form::SetUp>,
) -> Result<HttpResponse> {
    only_without_accounts(&tools).await?;
    let refuse = |frame, form, errors| web::page(StatusCode::UNPROCESSABLE_ENTITY, &SetUpPage { frame, form, errors });
    let checked = form.check();
    let mut errors = checked.as_ref().err().cloned().unwrap_or_default();
    if let Some(code) = form.code()
        && !tools.db.read(move |c| store::is_set_up_code(c, &code)).await?
    {
        errors.add("code", "accounts-code-wrong");
        shared.refusals.note(Refusal::LogIn, &web::address(&request), "wrong set-up code");
    }
    let (username, code) = match checked {
        Ok(checked) if errors.is_empty() => checked,
        _ => return refuse(frame, form, errors),
    };
    let _permit = tools.passwords.acquire_request_permit("set-up", &store::network(&web::address(&request))).await?;
    let context = [frame.product.as_str(), frame.portal_name.as_str(), form.username.trim()];
    if let Some(weakness) = tools.passwords.check_strength(form.password.expose(), &context).await? {
        return refuse(frame, form, FieldErrors::one("password", weakness.key()));
    }
    let hash = tools.passwords.hash(form.password.expose()).await?;
    let language = frame.language;
    let first = log_in::First { username, password_hash: hash.clone(), code, language };
    let made = log_in::set_up(&tools, first, web::address(&request)).await?;
    let Some(account) = made else {
        return refuse(frame, form, FieldErrors::one("code", "accounts-code-wrong"));
    };
    start_session(&request, &session, account, hash)?;
    Ok(redirect("/"))
}

async fn only_without_accounts(tools: &Tools) -> Result<()> {
    if tools.db.read(store::any).await? { Err(Error::NotFound) } else { Ok(()) }
}

fn visitor(request: &HttpRequest) -> Visitor {
    Visitor { address: web::address(request), devices: web::device_tokens(request) }
}

fn start_session(request: &HttpRequest, session: &Session, account: AccountId, password_hash: String) -> Result<()> {
    let (agent, address) = (web::agent(request), web::address(request));
    access::LogIn { account, password_hash, agent, address }.start(session)
}

#[derive(Template)]
#[template(path = "accounts/login.html")]
struct LogInPage {
    frame: Frame,
    form: form::LogIn,
    errors: FieldErrors,
}

/// The log-in page.
pub async fn log_in_form(
    tools: Data<Tools>,
    session: Session,
    frame: Frame,
    Query(form::Next { next }): Query<form::Next>,
) -> Result<HttpResponse> {
    if !tools.db.read(store::any).await? {
        return Err(Error::SetUpFirst);
    }
    if access::is_begun(&session) {
        return Ok(redirect(own_page(&next)));
    }
    let form = form::LogIn { next, ..form::LogIn::default() };
    web::page(StatusCode::OK, &LogInPage { frame, form, errors: FieldErrors::default() })
}

/// Logs in.
pub async fn log_in(
    tools: Data<Tools>,
    shared: Data<Shared>,
    request: HttpRequest,
    session: Session,
    frame: Frame,
    Form(form): Form<form::LogIn>,
) -> Result<HttpResponse> {
    match log_in::check(&tools, &shared.refusals, &form, visitor(&request)).await? {
        Outcome::In(LoggedIn { account, failures, device }) => {
            let next = if account.code_expires_at.is_some() { "/account/password" } else { own_page(&form.next) };
            let mut response = match failures {
                Some(Failures { count, since }) => redirect_counting(next, "flash-failed-log-ins", count, since),
                None => redirect(next),
            };
            if let Some(token) = device {
                let cookie = web::device_cookie(&request, account.id.0, &token);
                response.add_cookie(&cookie).map_err(Error::internal)?;
            }
            start_session(&request, &session, account.id, account.password_hash)?;
            Ok(response)
        }
        Outcome::Wrong => {
            let errors = FieldErrors::of_form("accounts-log-in-wrong");
            web::page(StatusCode::UNPROCESSABLE_ENTITY, &LogInPage { frame, form, errors })
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
        let (who, now) = (actor(&request, &account), tools.clock.now());
        match account.write(&tools.db, move |c| store::note(c, &who, "log-out", now)).await {
            // It has ended meanwhile, which is what was asked for.
            Ok(()) | Err(Error::LogInFirst) => {}
            Err(fault) => return Err(fault),
        }
    }
    session.purge();
    let mut response = redirect_saying("/login", "flash-logged-out");
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
    Form(form): Form<form::Language>,
) -> Result<HttpResponse> {
    let language =
        Language::ALL.into_iter().find(|language| language.tag() == form.language).ok_or(Error::Malformed)?;
    if let Some(account) = account {
        let id = account.id;
        account.write(&tools.db, move |c| store::set_language(c, id, language)).await?;
    }
    let mut response = redirect(own_page(&form.return_to));
    response.add_cookie(&web::language_cookie(language)).map_err(Error::internal)?;
    Ok(response)
}

#[derive(Template)]
#[template(path = "accounts/start.html")]
struct StartPage {
    frame: Frame,
    memberships: Vec<Membership>,
    invitations: Vec<Invitation>,
    /// Whether there is no tenant yet but the metadata warehouse: the page shows the first steps.
    is_first: bool,
}

/// The tenants of whoever is signed in, and those that invite him; straight to the only one. Who administers an instance
/// without tenants begins with the first steps instead: the metadata warehouse is no place for his alerts.
pub async fn start(tools: Data<Tools>, who: AnyoneSignedIn, frame: Frame) -> Result<HttpResponse> {
    let account = who.principal.account.id;
    let invitations = tools.db.read(move |c| invitations::of_account(c, account)).await?;
    let mut is_first = false;
    if let ([only], []) = (who.principal.memberships.as_slice(), invitations.as_slice()) {
        is_first = who.principal.administers_instance() && tools.db.read(tenants::count).await? <= 1;
        if !is_first {
            return Ok(redirect(&format!("/t/{}", only.tenant.slug)));
        }
    }
    let memberships = who.principal.memberships.clone();
    web::page(StatusCode::OK, &StartPage { frame: frame.seen_by(&who), memberships, invitations, is_first })
}

/// Accepts an invitation, and goes on to its tenant.
pub async fn accept_invitation(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    Form(form): Form<form::AnswerInvitation>,
) -> Result<HttpResponse> {
    let (account, actor, now) = (who.principal.account.id, actor(&request, &who.principal.account), tools.clock.now());
    let invitation = form.invitation;
    let accept = move |c: &mut AnyConnection| invitations::accept(c, account, invitation, &form.role, &actor, now);
    let permit = who.permit().affecting(Affected::InTenantOf(invitation));
    Ok(match permit.write(&tools.db, accept).await? {
        Some(slug) => redirect_saying(&format!("/t/{slug}"), "flash-invitation-accepted"),
        None => redirect_saying("/", "flash-invitation-changed"),
    })
}

/// Declines an invitation.
pub async fn decline_invitation(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    Form(form): Form<form::AnswerInvitation>,
) -> Result<HttpResponse> {
    let (account, actor, now) = (who.principal.account.id, actor(&request, &who.principal.account), tools.clock.now());
    let permit = who.permit().affecting(Affected::InTenantOf(form.invitation));
    permit.write(&tools.db, move |c| invitations::decline(c, account, form.invitation, &actor, now)).await?;
    Ok(redirect_saying("/", "flash-invitation-declined"))
}

#[derive(Template)]
#[template(path = "accounts/account.html")]
struct AccountPage {
    frame: Frame,
    errors: FieldErrors,
    sessions: Vec<Sessions>,
    this_session: String,
}

impl AccountPage {
    fn browser(&self, agent: &str) -> String {
        browser::in_words(agent, self.frame.language)
    }
}

async fn account_page(
    tools: &Tools,
    who: AnyoneSignedIn,
    frame: Frame,
    status: StatusCode,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    let (account, now) = (who.principal.account.id, tools.clock.now());
    let sessions = tools.db.read(move |c| Sessions::of(c, account, now)).await?;
    let this_session = who.principal.account.session.clone();
    web::page(status, &AccountPage { frame: frame.seen_by(&who), errors, sessions, this_session })
}

/// The own account: password and sessions.
pub async fn own_account(tools: Data<Tools>, who: AnyoneSignedIn, frame: Frame) -> Result<HttpResponse> {
    account_page(&tools, who, frame, StatusCode::OK, FieldErrors::default()).await
}

/// Changes the own password, and goes on in a fresh session.
pub async fn change_password(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    session: Session,
    frame: Frame,
    Form(form): Form<form::NewPassword>,
) -> Result<HttpResponse> {
    let id = who.principal.account.id;
    match replace_password(&tools, &request, &who, &frame, &form).await? {
        Ok(hash) => {
            start_session(&request, &session, id, hash)?;
            Ok(redirect_saying("/account", "flash-password-changed"))
        }
        Err(errors) => account_page(&tools, who, frame, StatusCode::UNPROCESSABLE_ENTITY, errors).await,
    }
}

/// A new password's hash, or why it is refused.
type Chosen = std::result::Result<String, FieldErrors>;

/// Whether a password that passed every cheap check is easy to guess.
async fn weakness(
    tools: &Tools,
    frame: &Frame,
    account: &Account,
    form: &form::NewPassword,
) -> Result<Option<FieldErrors>> {
    let context = [frame.product.as_str(), frame.portal_name.as_str(), account.username.as_str()];
    let weakness = tools.passwords.check_strength(form.new_password.expose(), &context).await?;
    Ok(weakness.map(|weakness| FieldErrors::one("new_password", weakness.key())))
}

/// A current password that somebody who is logged in was asked for.
struct Shown {
    subjects: store::Subjects,
    /// The hash of the account's password.
    before: String,
    /// Whether it is the account's. A wrong one is to be counted, and of many at once only those that are still allowed count.
    right: bool,
    now: NaiveDateTime,
    _permit: RequestPermit,
}

/// Looks whether this is the account's current password, when the account and the address may try one.
async fn show_password(tools: &Tools, request: &HttpRequest, account: &Account, password: &str) -> Result<Shown> {
    let (id, subjects) = (account.id, visitor(request).subjects(tools, &account.username));
    log_in::may_try(tools, &subjects).await?;
    let place =
        tools.passwords.acquire_request_permit(&id.to_string(), &store::network(&web::address(request))).await?;
    let turn = tools.passwords.acquire_hash_permit().await?;
    // Others may have failed while this one waited.
    let now = log_in::may_try(tools, &subjects).await?;
    let before = tools.db.read(move |c| store::password_hash(c, id)).await?;
    let right = turn.verify(password, Some(before.clone())).await?;
    Ok(Shown { subjects, before, right, now, _permit: place })
}

/// Puts the new password in place of the current one, and answers its hash. A wrong current one counts as a failed log-in. What
/// costs nothing is checked first, and the new password is judged only for whoever knows the current one.
async fn replace_password(
    tools: &Tools,
    request: &HttpRequest,
    who: &AnyoneSignedIn,
    frame: &Frame,
    form: &form::NewPassword,
) -> Result<Chosen> {
    let mut errors = form.check().err().unwrap_or_default();
    if form.current_password.expose().is_empty() {
        errors.add("current_password", "form-required");
    }
    if !errors.is_empty() {
        return Ok(Err(errors));
    }
    let account = &who.principal.account;
    let id = account.id;
    let Shown { subjects, before, right, now, _permit } =
        show_password(tools, request, account, form.current_password.expose()).await?;
    let mut new = None;
    if right {
        if let Some(errors) = weakness(tools, frame, account, form).await? {
            return Ok(Err(errors));
        }
        let hash = tools.passwords.hash(form.new_password.expose()).await?;
        new = Some(store::NewPassword { hash, before, session: account.session.clone() });
    }
    let actor = actor(request, account);
    let changed = who
        .write(&tools.db, move |c| {
            // As in a log-in: of many guesses at once, only those that were allowed count.
            subjects.may_still_try(c, now)?;
            let changed = match &new {
                Some(new) => store::set_password(c, id, new, now)?,
                None => false,
            };
            if changed {
                store::note(c, &actor, "password-changed", now)?;
            } else {
                log_in::failed(c, &subjects, &actor, "password-change-failed", now)?;
            }
            Ok(new.filter(|_| changed).map(|new| new.hash))
        })
        .await?;
    Ok(changed.ok_or_else(|| FieldErrors::one("current_password", "accounts-current-password-wrong")))
}

#[derive(Template)]
#[template(path = "accounts/password.html")]
struct PasswordPage {
    frame: Frame,
    errors: FieldErrors,
}

/// Where somebody who came with a one-time code chooses a password.
pub async fn choose_password_form(account: Account, frame: Frame) -> Result<HttpResponse> {
    if !account.must_choose_password {
        return Ok(redirect("/account"));
    }
    web::page(StatusCode::OK, &PasswordPage { frame, errors: FieldErrors::default() })
}

/// Keeps the password that was chosen in place of the one-time code, and starts a fresh session.
pub async fn choose_password(
    tools: Data<Tools>,
    account: Account,
    request: HttpRequest,
    session: Session,
    frame: Frame,
    Form(form): Form<form::NewPassword>,
) -> Result<HttpResponse> {
    if !account.must_choose_password {
        return Err(Error::Forbidden);
    }
    let id = account.id;
    match keep_password(&tools, &request, account, &frame, &form).await? {
        Ok(hash) => {
            start_session(&request, &session, id, hash)?;
            Ok(redirect_saying("/", "flash-password-changed"))
        }
        Err(errors) => web::page(StatusCode::UNPROCESSABLE_ENTITY, &PasswordPage { frame, errors }),
    }
}

/// Keeps the password that was chosen in place of a code, and answers its hash.
async fn keep_password(
    tools: &Tools,
    request: &HttpRequest,
    account: Account,
    frame: &Frame,
    form: &form::NewPassword,
) -> Result<Chosen> {
    if let Err(errors) = form.check() {
        return Ok(Err(errors));
    }
    let id = account.id;
    let _permit =
        tools.passwords.acquire_request_permit(&id.to_string(), &store::network(&web::address(request))).await?;
    let before = tools.db.read(move |c| store::password_hash(c, id)).await?;
    let turn = tools.passwords.acquire_hash_permit().await?;
    if turn.verify(form.new_password.expose(), Some(before.clone())).await? {
        return Ok(Err(FieldErrors::one("new_password", "accounts-password-is-code")));
    }
    if let Some(errors) = weakness(tools, frame, &account, form).await? {
        return Ok(Err(errors));
    }
    let hash = tools.passwords.hash(form.new_password.expose()).await?;
    let (who, now, permit) = (actor(request, &account), tools.clock.now(), account.permit());
    let new = store::NewPassword { hash, before, session: account.session };
    let kept = permit
        .write(&tools.db, move |c| {
            let kept = store::set_password(c, id, &new, now)?;
            if kept {
                store::note(c, &who, "password-changed", now)?;
            }
            Ok(kept.then_some(new.hash))
        })
        .await?;
    Ok(kept.ok_or_else(|| FieldErrors::one("new_password", "accounts-code-expired")))
}

/// Ends one of the own sessions.
pub async fn end_session(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    Form(form): Form<form::EndSession>,
) -> Result<HttpResponse> {
    let (account, actor, now) = (who.principal.account.id, actor(&request, &who.principal.account), tools.clock.now());
    who.write(&tools.db, move |c| {
        match Sessions::end(c, account, &form.session)? {
            // It has ended meanwhile, and nothing is to be said about it.
            0 => Ok(()),
            _ => store::note(c, &actor, "session-ended", now),
        }
    })
    .await?;
    Ok(redirect_saying("/account", "flash-session-ended"))
}

/// Ends all other own sessions, for whoever shows the current password.
pub async fn end_other_sessions(
    tools: Data<Tools>,
    who: AnyoneSignedIn,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<form::EndOtherSessions>,
) -> Result<HttpResponse> {
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    if form.password.expose().is_empty() {
        return account_page(&tools, who, frame, refused, FieldErrors::one("password", "form-required")).await;
    }
    let account = who.principal.account.clone();
    let actor = actor(&request, &account);
    let Shown { subjects, before, right, now, _permit } =
        show_password(&tools, &request, &account, form.password.expose()).await?;
    let ended = who
        .write(&tools.db, move |c| {
            subjects.may_still_try(c, now)?;
            if !right || store::password_hash(c, account.id)? != before {
                log_in::failed(c, &subjects, &actor, "session-end-failed", now)?;
                return Ok(false);
            }
            if Sessions::end_others(c, account.id, &account.session)? > 0 {
                store::note(c, &actor, "session-ended", now)?;
            }
            Ok(true)
        })
        .await?;
    if ended {
        return Ok(redirect_saying("/account", "flash-session-ended"));
    }
    account_page(&tools, who, frame, refused, FieldErrors::one("password", "accounts-current-password-wrong")).await
}
