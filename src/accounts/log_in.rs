//! What a visitor without a session may write: the first account, and the outcome of a log-in.

use chrono::NaiveDateTime;

use super::{
    Tools, Username, form,
    store::{self, Credentials},
};
use crate::{
    access::Actor,
    db::AccountId,
    error::Result,
    language::Language,
    secrets::{PlainToken, Turn},
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
    In(Credentials),
    Wrong,
}

/// Tries a log-in from this address.
///
/// # Errors
/// [`Error::TooMany`](crate::error::Error::TooMany) when the account or the address has to wait.
pub(super) async fn check(tools: &Tools, form: &form::LogIn, address: String) -> Result<Outcome> {
    let subjects = store::Subjects::of(&tools.keys, &form.username, &address);
    let (turn, now) = turn(tools, &subjects).await?;
    let (username, waiting) = (Username::parse(&form.username).ok(), subjects.clone());
    let found = tools
        .db
        .read(move |c| {
            waiting.may_try(c, now)?;
            Ok(username.map(|username| store::by_username(c, &username)).transpose()?.flatten())
        })
        .await?;
    let usable = found.as_ref().filter(|account| account.code_expires_at.is_none_or(|until| until > now));
    let hash = usable.map(|account| account.password_hash.clone());
    let right = turn.verify(form.password.expose(), hash).await?;
    let who = Actor {
        account: found.as_ref().map(|account| account.id),
        name: found.as_ref().map(|account| account.username.clone()).unwrap_or_default(),
        address,
    };
    let metrics = tools.db.metrics().clone();
    tools
        .db
        .write(move |c| {
            // Many guesses can be on their way at once; the one that is right must still have been allowed.
            subjects.may_still_try(c, now)?;
            let right = match &found {
                // A password that was replaced meanwhile lets nobody in.
                Some(account) => right && store::password_hash(c, account.id)? == account.password_hash,
                None => false,
            };
            match found.filter(|_| right) {
                Some(account) => {
                    subjects.forget(c)?;
                    store::note(c, &who, "log-in", now)?;
                    Ok(Outcome::In(account))
                }
                None => {
                    subjects.failed(c, now)?;
                    tracing::warn!(address = who.address, "a log-in failed");
                    metrics.log_in_failed();
                    if who.account.is_some() {
                        store::note(c, &who, "log-in-failed", now)?;
                    }
                    Ok(Outcome::Wrong)
                }
            }
        })
        .await
}

/// Waits until a password may be tried, unless the subjects have to wait longer: what is refused anyway takes no turn.
/// Whether they still may must be looked at once more when it has come: others may have failed meanwhile.
pub(super) async fn turn(tools: &Tools, subjects: &store::Subjects) -> Result<(Turn, NaiveDateTime)> {
    let (subjects, now) = (subjects.clone(), tools.clock.now());
    tools.db.read(move |c| subjects.may_try(c, now)).await?;
    Ok((tools.passwords.turn().await?, tools.clock.now()))
}
