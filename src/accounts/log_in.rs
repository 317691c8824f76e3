//! What a visitor without a session may write: the first account, and the outcome of a log-in.

use chrono::NaiveDateTime;

use super::{
    Tools, Username, form,
    store::{self, Credentials, FailedLogIns, ThrottleSubjects},
};
use crate::{
    access::Actor,
    db::{AccountId, AnyConnection},
    error::Result,
    language::Language,
    refusals::{Refusal, RefusalLog},
    secrets::{PlainToken, one_time_code_as_typed},
};

/// The first account of a deployment.
pub(super) struct FirstAccount {
    pub username: Username,
    pub password_hash: String,
    /// The code that the console printed, as it was typed.
    pub code: PlainToken,
    pub language: Language,
}

/// Makes the first account. Returns nothing when the code is wrong.
///
/// # Errors
/// [`Error::AlreadyExists`](crate::error::Error::AlreadyExists) when there is an account already.
pub(super) async fn create_first_account(
    tools: &Tools,
    first: FirstAccount,
    address: String,
) -> Result<Option<AccountId>> {
    let who = Actor { account: None, name: first.username.as_str().to_owned(), address };
    let now = tools.clock.now();
    tools
        .db
        .write(move |c| {
            if !store::consume_set_up_codes(c, &first.code)? {
                return Ok(None);
            }
            store::create_first_account(c, &first.username, &first.password_hash, first.language, &who, now).map(Some)
        })
        .await
}

/// What became of a log-in.
pub(super) enum LogInOutcome {
    LoggedIn(LoggedIn),
    WrongCredentials,
}

/// An account that has shown its password.
pub(super) struct LoggedIn {
    pub credentials: Credentials,
    /// What failed since the log-in before.
    pub failures_since_last: Option<FailedLogIns>,
    /// The token that makes this browser known, unless it has one.
    pub new_device_token: Option<PlainToken>,
}

/// Who types a password.
pub(super) struct Visitor {
    pub address: String,
    /// The accounts that the browser says it is known to, with its tokens.
    pub devices: Vec<(i64, PlainToken)>,
}

impl Visitor {
    /// The subjects of a password that is tried for this username.
    pub fn throttle_subjects(&self, tools: &Tools, username: &str) -> ThrottleSubjects {
        ThrottleSubjects::for_log_in(&tools.keys, username, &self.address, &self.devices)
    }
}

/// Tries a log-in.
///
/// # Errors
/// [`Error::TooManyAttempts`](crate::error::Error::TooManyAttempts) when the account or the address has to wait.
pub(super) async fn attempt_log_in(
    tools: &Tools,
    refusals: &RefusalLog,
    form: &form::LogInForm,
    visitor: Visitor,
) -> Result<LogInOutcome> {
    let subjects = visitor.throttle_subjects(tools, &form.username);
    check_may_try(tools, &subjects).await?;
    let (account, network) = subjects.concurrency_keys();
    let _place = tools.passwords.acquire_request_permit(&account, &network).await?;
    let turn = tools.passwords.acquire_verify_permit().await?;
    // Others may have failed while this one waited.
    let now = check_may_try(tools, &subjects).await?;
    let username = Username::parse(&form.username).ok();
    let found = tools
        .db
        .read(move |c| Ok(username.map(|username| store::find_by_username(c, &username)).transpose()?.flatten()))
        .await?;
    let usable_account = found.as_ref().filter(|account| account.is_usable(now));
    let stored_hash = usable_account.map(|account| account.password_hash.clone());
    // A code is copied by hand; of a password every letter counts.
    let has_code = usable_account.is_some_and(|account| account.code_expires_at.is_some());
    let code = Some(form.password.expose()).filter(|_| has_code).and_then(one_time_code_as_typed);
    let is_correct = turn.verify(code.as_deref().unwrap_or(form.password.expose()), stored_hash).await?;
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
                store::lock_account(c, account.id)?;
            }
            // Many guesses can be on their way at once; the one that is right must still have been allowed.
            subjects.check_may_still_try(c, now)?;
            let right = match &found {
                // A password that was replaced meanwhile lets nobody in, nor a code that was used.
                Some(account) => {
                    is_correct
                        && store::load_password_hash(c, account.id)? == account.password_hash
                        && (account.code_expires_at.is_none() || store::consume_code(c, account.id, now)?)
                }
                None => false,
            };
            match found.filter(|_| right) {
                Some(account) => {
                    subjects.clear_failures(c)?;
                    let failures = store::take_failures(c, account.id)?;
                    let is_new = subjects.remember_device(c, account.id, &token, now)?;
                    store::record_own_action(c, &who, "log-in", now)?;
                    Ok(LogInOutcome::LoggedIn(LoggedIn {
                        credentials: account,
                        failures_since_last: failures,
                        new_device_token: is_new.then_some(token),
                    }))
                }
                None => {
                    refusals.record(Refusal::LogIn, &who.address, "wrong name or password");
                    metrics.record_log_in_failure();
                    record_failure(c, &subjects, &who, "log-in-failed", now)?;
                    Ok(LogInOutcome::WrongCredentials)
                }
            }
        })
        .await
}

/// Counts a wrong password, and notes it and the lock that it may lead to where there is such an account.
pub(super) fn record_failure(
    c: &mut AnyConnection,
    subjects: &ThrottleSubjects,
    who: &Actor,
    action: &'static str,
    now: NaiveDateTime,
) -> Result<()> {
    let locked = subjects.record_failure(c, now)?;
    let Some(account) = who.account else { return Ok(()) };
    store::increment_failures(c, account, now)?;
    store::record_own_action(c, who, action, now)?;
    if locked { store::record_own_action(c, who, "log-in-locked", now) } else { Ok(()) }
}

/// Refuses subjects that have to wait. Returns the time by which they were looked at.
pub(super) async fn check_may_try(tools: &Tools, subjects: &ThrottleSubjects) -> Result<NaiveDateTime> {
    let (subjects, now) = (subjects.clone(), tools.clock.now());
    tools.db.read(move |c| subjects.check_may_try(c, now)).await?;
    Ok(now)
}
