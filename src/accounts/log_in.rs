//! What a visitor without a session may write: the first account, and the outcome of a log-in.

use chrono::NaiveDateTime;

use super::{
    Tools, Username, form,
    store::{self, Credentials, Failures, Subjects},
};
use crate::{
    access::Actor,
    db::{AccountId, AnyConnection},
    error::Result,
    language::Language,
    refusals::{Refusal, Refusals},
    secrets::{PlainToken, one_time_code_as_typed},
};

/// The first account of a deployment.
pub(super) struct First {
    pub username: Username,
    pub password_hash: String,
    /// The code that the console printed, as it was typed.
    pub code: PlainToken,
    pub language: Language,
}

/// Makes the first account. Returns nothing when the code is wrong.
///
/// # Errors
/// [`Error::Taken`](crate::error::Error::Taken) when there is an account already.
pub(super) async fn set_up(tools: &Tools, first: First, address: String) -> Result<Option<AccountId>> {
    let who = Actor { account: None, name: first.username.as_str().to_owned(), address };
    let now = tools.clock.now();
    tools
        .db
        .write(move |c| {
            if !store::use_set_up_code(c, &first.code)? {
                return Ok(None);
            }
            store::insert_first(c, &first.username, &first.password_hash, first.language, &who, now).map(Some)
        })
        .await
}

/// What became of a log-in.
pub(super) enum Outcome {
    In(LoggedIn),
    Wrong,
}

/// An account that has shown its password.
pub(super) struct LoggedIn {
    pub account: Credentials,
    /// What failed since the log-in before.
    pub failures: Option<Failures>,
    /// The token that makes this browser known, unless it has one.
    pub device: Option<PlainToken>,
}

/// Who types a password.
pub(super) struct Visitor {
    pub address: String,
    /// The accounts that the browser says it is known to, with its tokens.
    pub devices: Vec<(i64, PlainToken)>,
}

impl Visitor {
    /// The subjects of a password that is tried for this username.
    pub fn subjects(&self, tools: &Tools, username: &str) -> Subjects {
        Subjects::of(&tools.keys, username, &self.address, &self.devices)
    }
}

/// Tries a log-in.
///
/// # Errors
/// [`Error::TooMany`](crate::error::Error::TooMany) when the account or the address has to wait.
pub(super) async fn check(tools: &Tools, refusals: &Refusals, form: &form::LogIn, visitor: Visitor) -> Result<Outcome> {
    let subjects = visitor.subjects(tools, &form.username);
    may_try(tools, &subjects).await?;
    let (account, network) = subjects.place_keys();
    let _place = tools.passwords.acquire_request_permit(&account, &network).await?;
    let turn = tools.passwords.acquire_verify_permit().await?;
    // Others may have failed while this one waited.
    let now = may_try(tools, &subjects).await?;
    let username = Username::parse(&form.username).ok();
    let found = tools
        .db
        .read(move |c| Ok(username.map(|username| store::by_username(c, &username)).transpose()?.flatten()))
        .await?;
    let usable = found.as_ref().filter(|account| account.is_usable(now));
    let hash = usable.map(|account| account.password_hash.clone());
    // A code is copied by hand; of a password every letter counts.
    let has_code = usable.is_some_and(|account| account.code_expires_at.is_some());
    let code = Some(form.password.expose()).filter(|_| has_code).and_then(one_time_code_as_typed);
    let right = turn.verify(code.as_deref().unwrap_or(form.password.expose()), hash).await?;
    let who = Actor {
        account: found.as_ref().map(|account| account.id),
        name: found.as_ref().map(|account| account.username.clone()).unwrap_or_default(),
        address: visitor.address,
    };
    let (metrics, refusals, token) = (tools.db.metrics().clone(), refusals.clone(), PlainToken::generate()?);
    tools
        .db
        .write(move |c| {
            if let Some(account) = &found {
                store::lock(c, account.id)?;
            }
            // Many guesses can be on their way at once; the one that is right must still have been allowed.
            subjects.may_still_try(c, now)?;
            let right = match &found {
                // A password that was replaced meanwhile lets nobody in, nor a code that was used.
                Some(account) => {
                    right
                        && store::password_hash(c, account.id)? == account.password_hash
                        && (account.code_expires_at.is_none() || store::use_code(c, account.id, now)?)
                }
                None => false,
            };
            match found.filter(|_| right) {
                Some(account) => {
                    subjects.forget(c)?;
                    let failures = store::take_failures(c, account.id)?;
                    let is_new = subjects.remember_device(c, account.id, &token, now)?;
                    store::note(c, &who, "log-in", now)?;
                    Ok(Outcome::In(LoggedIn { account, failures, device: is_new.then_some(token) }))
                }
                None => {
                    refusals.note(Refusal::LogIn, &who.address, "wrong name or password");
                    metrics.log_in_failed();
                    failed(c, &subjects, &who, "log-in-failed", now)?;
                    Ok(Outcome::Wrong)
                }
            }
        })
        .await
}

/// Counts a wrong password, and notes it and the lock that it may lead to where there is such an account.
pub(super) fn failed(
    c: &mut AnyConnection,
    subjects: &Subjects,
    who: &Actor,
    action: &'static str,
    now: NaiveDateTime,
) -> Result<()> {
    let locked = subjects.failed(c, now)?;
    let Some(account) = who.account else { return Ok(()) };
    store::count_failure(c, account, now)?;
    store::note(c, who, action, now)?;
    if locked { store::note(c, who, "log-in-locked", now) } else { Ok(()) }
}

/// Refuses subjects that have to wait. Returns the time by which they were looked at.
pub(super) async fn may_try(tools: &Tools, subjects: &Subjects) -> Result<NaiveDateTime> {
    let (subjects, now) = (subjects.clone(), tools.clock.now());
    tools.db.read(move |c| subjects.may_try(c, now)).await?;
    Ok(now)
}
