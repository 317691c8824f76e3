//! Sessions in the database: they end on the server, and the database alone lets nobody in.
//!
//! The cookie holds `id.secret`; the row holds the id and the hash of the secret.

use std::{collections::HashMap, sync::Arc};

use actix_session::{
    Session,
    storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError},
};
use actix_web::cookie::time::Duration as CookieDuration;
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use super::{Account, principal::lock_accounts};
use crate::{
    clock::Clock,
    db::{
        AccountId, AnyConnection, Database, LimitConst as _, on_backend,
        schema::{accounts, log_in_settings, sessions},
    },
    error::{Error, Result},
    language::Language,
    log::BoundedLines,
    secrets::{PlainToken, constant_time_eq, random_bytes},
};

/// A session ends this long after the log-in, whatever happens in it.
const MAX_SESSION_AGE: TimeDelta = TimeDelta::hours(12);
/// How old the time of the last request may get before it is written again: a write for every page would be too many.
const SEEN_UPDATE_INTERVAL: TimeDelta = TimeDelta::seconds(60);
/// The longest that is kept of what a browser calls itself, in characters.
const MAX_AGENT_CHARS: usize = 200;

/// The keys under which the parts of a session travel between the store and the extractors.
const ID_KEY: &str = "id";
const ACCOUNT_KEY: &str = "account";
const USERNAME_KEY: &str = "username";
const LANGUAGE_KEY: &str = "language";
/// Stands in a session that could not be read, and says why.
const READ_ERROR_KEY: &str = "unread";
const MUST_CHOOSE_PASSWORD_KEY: &str = "code";
const AGENT_KEY: &str = "agent";
const ADDRESS_KEY: &str = "address";
const PASSWORD_HASH_KEY: &str = "password_hash";

/// The name of the session cookie. The prefix makes browsers insist on Secure and on this very host.
#[must_use]
pub fn cookie_name(https: bool) -> &'static str {
    if https { "__Host-belfry-session" } else { "belfry-session" }
}

/// A log-in: what the session keeps about it.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Who logged in.
    pub account: AccountId,
    /// The hash of the password that was shown. When the account has another by the time the session begins, there is none:
    /// the session would outlive the password.
    pub password_hash: String,
    /// What the browser calls itself.
    pub agent: String,
    /// Where the request came from.
    pub address: String,
}

impl NewSession {
    /// Puts the log-in into a fresh session, so that one that was planted before it is worth nothing.
    ///
    /// # Errors
    /// [`Error::Internal`] when the session cannot take it.
    pub fn start(self, session: &Session) -> Result<()> {
        session.clear();
        session.renew();
        session.insert(ACCOUNT_KEY, self.account).map_err(Error::internal)?;
        session.insert(PASSWORD_HASH_KEY, self.password_hash).map_err(Error::internal)?;
        let agent: String = self.agent.chars().filter(|c| !c.is_control()).take(MAX_AGENT_CHARS).collect();
        session.insert(AGENT_KEY, agent).map_err(Error::internal)?;
        session.insert(ADDRESS_KEY, self.address).map_err(Error::internal)
    }
}

/// Whether somebody is logged in.
#[must_use]
pub fn is_logged_in(session: &Session) -> bool {
    session.get::<i64>(ACCOUNT_KEY).is_ok_and(|account| account.is_some())
}

/// Whether the session that the cookie names could be read. Of one that could not, its id alone is known, and that from the
/// cookie, which we have signed.
///
/// # Errors
/// [`Error::Unavailable`] when it could not.
pub fn check_was_read(session: &Session) -> Result<()> {
    session
        .get::<String>(READ_ERROR_KEY)
        .map_err(Error::internal)?
        .map_or(Ok(()), |fault| Err(Error::Unavailable(fault)))
}

/// The account of a session, if somebody is signed in.
///
/// # Errors
/// [`Error::Internal`] when the session holds something else.
pub fn session_account(session: &Session) -> Result<Option<Account>> {
    let text = |key| session.get::<String>(key).map_err(Error::internal);
    let (Some(id), Some(session_id), Some(username)) =
        (session.get::<AccountId>(ACCOUNT_KEY).map_err(Error::internal)?, text(ID_KEY)?, text(USERNAME_KEY)?)
    else {
        return Ok(None);
    };
    Ok(Some(Account {
        id,
        username,
        language: text(LANGUAGE_KEY)?.as_deref().and_then(Language::from_tag),
        must_choose_password: session
            .get::<bool>(MUST_CHOOSE_PASSWORD_KEY)
            .map_err(Error::internal)?
            .unwrap_or_default(),
        session_id,
    }))
}

/// The account of a session as it is now, if the session has not ended.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn load_session_account(
    c: &mut AnyConnection,
    session: &str,
    account: AccountId,
) -> Result<Option<Account>> {
    type Row = (String, Option<String>, Option<NaiveDateTime>);
    let row = sessions::table
        .inner_join(accounts::table)
        .filter(sessions::id.eq(session))
        .filter(sessions::account.eq(account))
        .select((accounts::username, accounts::language, accounts::code_expires_at));
    let row: Option<Row> = row.first_cached(c).optional()?;
    Ok(row.map(|(username, language, code_expires_at)| Account {
        id: account,
        username,
        language: language.as_deref().and_then(Language::from_tag),
        must_choose_password: code_expires_at.is_some(),
        session_id: session.to_owned(),
    }))
}

/// The store behind actix-session.
#[derive(Clone)]
pub struct DatabaseSessionStore {
    db: Database,
    clock: Clock,
    lines: Arc<BoundedLines>,
}

#[derive(Queryable)]
struct Row {
    secret_hash: Vec<u8>,
    created_at: NaiveDateTime,
    seen_at: NaiveDateTime,
    account: AccountId,
    username: String,
    language: Option<String>,
    code_expires_at: Option<NaiveDateTime>,
    idle_minutes: i64,
}

impl DatabaseSessionStore {
    /// A store in this database.
    #[must_use]
    pub fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock, lines: Arc::default() }
    }

    async fn load_state(&self, id: String, secret: String) -> Result<Option<HashMap<String, String>>> {
        let now = self.clock.now();
        let row_id = id.clone();
        let row = self.db.read(move |c| Ok(load_row(c, &row_id).optional()?)).await?;
        let Some(row) = row else { return Ok(None) };
        let is_alive =
            row.created_at + MAX_SESSION_AGE > now && row.seen_at + TimeDelta::minutes(row.idle_minutes) > now;
        if !is_alive || !constant_time_eq(&PlainToken::from_presented(&secret).hash(), &row.secret_hash) {
            return Ok(None);
        }
        // A clock that was set back must not keep a session alive, nor write on every request.
        if (now - row.seen_at).abs() > SEEN_UPDATE_INTERVAL {
            self.update_seen_at(id.clone(), now);
        }
        let mut state = HashMap::new();
        let mut insert = |key: &str, value: serde_json::Value| state.insert(key.to_owned(), value.to_string());
        insert(ID_KEY, id.into());
        insert(ACCOUNT_KEY, row.account.0.into());
        insert(USERNAME_KEY, row.username.into());
        insert(MUST_CHOOSE_PASSWORD_KEY, row.code_expires_at.is_some().into());
        if let Some(language) = row.language {
            insert(LANGUAGE_KEY, language.into());
        }
        Ok(Some(state))
    }

    /// Notes that the session is in use. The request does not wait for it.
    fn update_seen_at(&self, id: String, now: NaiveDateTime) {
        let (db, lines) = (self.db.clone(), Arc::clone(&self.lines));
        tokio::spawn(async move {
            let noted = db.write(move |c| {
                diesel::update(sessions::table.find(id)).set(sessions::seen_at.eq(now)).execute(c)?;
                Ok(())
            });
            if let Err(fault) = noted.await
                && let Some(left_out) = lines.admit("session-not-touched", "")
            {
                tracing::warn!(%fault, left_out, "the time of a session's last request could not be kept");
            }
        });
    }

    async fn create(&self, state: &HashMap<String, String>) -> Result<String> {
        let value = |key: &str| state.get(key).and_then(|text| serde_json::from_str(text).ok());
        let account = value(ACCOUNT_KEY)
            .and_then(|value: serde_json::Value| value.as_i64())
            .map(AccountId)
            .ok_or_else(|| Error::internal("a session without an account"))?;
        let text = |key| value(key).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default();
        let (agent, address, password_hash) = (text(AGENT_KEY), text(ADDRESS_KEY), text(PASSWORD_HASH_KEY));
        let id = hex::encode(random_bytes::<16>()?);
        let secret = PlainToken::generate()?;
        let key = format!("{id}.{}", secret.expose());
        let now = self.clock.now();
        self.db
            .write(move |c| {
                if lock_password_hash(c, account)? != password_hash {
                    return Err(Error::LogInRequired);
                }
                diesel::insert_into(sessions::table)
                    .values((
                        sessions::id.eq(id),
                        sessions::secret_hash.eq(secret.hash()),
                        sessions::account.eq(account),
                        sessions::agent.eq(agent),
                        sessions::address.eq(address),
                        sessions::created_at.eq(now),
                        sessions::seen_at.eq(now),
                    ))
                    .execute(c)?;
                Ok(())
            })
            .await?;
        Ok(key)
    }

    async fn delete_session(&self, key: &SessionKey) -> Result<()> {
        let id = split_key(key).map(|(id, _)| id).unwrap_or_default();
        self.db
            .write(move |c| {
                let account: Option<AccountId> =
                    sessions::table.find(&id).select(sessions::account).first_cached(c).optional()?;
                // Writes that rely on this session end before it does.
                lock_accounts(c, account.into_iter().collect())?;
                diesel::delete(sessions::table.find(id)).execute(c)?;
                Ok(())
            })
            .await
    }
}

/// The hash of an account's password, which stays so until the end of the transaction.
fn lock_password_hash(c: &mut AnyConnection, account: AccountId) -> QueryResult<String> {
    let row = accounts::table.find(account).select(accounts::password_hash);
    match c {
        AnyConnection::Postgres(c) => row.for_share().first(c),
        AnyConnection::Sqlite(c) => row.first(c),
    }
}

fn load_row(c: &mut AnyConnection, id: &str) -> QueryResult<Row> {
    let session = sessions::table
        .inner_join(accounts::table)
        .inner_join(log_in_settings::table.on(log_in_settings::id.eq(1)))
        .filter(sessions::id.eq(id))
        .select((
            sessions::secret_hash,
            sessions::created_at,
            sessions::seen_at,
            accounts::id,
            accounts::username,
            accounts::language,
            accounts::code_expires_at,
            log_in_settings::idle_minutes,
        ));
    // There is at most one, and without a limit: SQLite plans a statement anew whenever its limit is bound.
    on_backend!(c, c => session.get_result(c))
}

fn split_key(key: &SessionKey) -> Option<(String, String)> {
    key.as_ref().split_once('.').map(|(id, secret)| (id.to_owned(), secret.to_owned()))
}

impl SessionStore for DatabaseSessionStore {
    async fn load(&self, key: &SessionKey) -> std::result::Result<Option<HashMap<String, String>>, LoadError> {
        let Some((id, secret)) = split_key(key) else { return Ok(None) };
        // A fault would end the request right here, with an answer that is no page, and what was typed would be lost. The
        // guard of the pages looks at `check_was_read` and says it instead.
        Ok(match self.load_state(id.clone(), secret).await {
            Ok(state) => state,
            Err(fault) => {
                let state = [(ID_KEY, id), (READ_ERROR_KEY, fault.to_string())];
                Some(state.map(|(key, text)| (key.to_owned(), serde_json::Value::from(text).to_string())).into())
            }
        })
    }

    async fn save(
        &self,
        state: HashMap<String, String>,
        _ttl: &CookieDuration,
    ) -> std::result::Result<SessionKey, SaveError> {
        let key = self.create(&state).await.map_err(|fault| SaveError::Other(fault.into()))?;
        key.try_into().map_err(|_| SaveError::Other(Error::internal("a session key is too long").into()))
    }

    async fn update(
        &self,
        key: SessionKey,
        state: HashMap<String, String>,
        ttl: &CookieDuration,
    ) -> std::result::Result<SessionKey, UpdateError> {
        // A session that changes is another session: its old key is worth nothing any more.
        self.delete(&key).await.map_err(UpdateError::Other)?;
        self.save(state, ttl).await.map_err(|fault| UpdateError::Other(anyhow_from(fault)))
    }

    async fn update_ttl(&self, _key: &SessionKey, _ttl: &CookieDuration) -> std::result::Result<(), anyhow::Error> {
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> std::result::Result<(), anyhow::Error> {
        self.delete_session(key).await.map_err(Into::into)
    }
}

fn anyhow_from(fault: SaveError) -> anyhow::Error {
    match fault {
        SaveError::Serialization(fault) | SaveError::Other(fault) => fault,
    }
}

/// The sessions of an account, for the page that lists and ends them.
#[derive(Debug)]
pub struct AccountSession {
    /// The session's id.
    pub id: String,
    /// What the browser called itself at log-in.
    pub agent: String,
    /// Where the log-in came from.
    pub address: String,
    /// When the log-in was.
    pub created_at: NaiveDateTime,
    /// When it was last used, to the minute.
    pub seen_at: NaiveDateTime,
}

impl AccountSession {
    /// The sessions of an account that are still alive, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list(c: &mut AnyConnection, account: AccountId, now: NaiveDateTime) -> Result<Vec<Self>> {
        let idle: i64 = log_in_settings::table.select(log_in_settings::idle_minutes).first_cached(c)?;
        let rows: Vec<(String, String, String, NaiveDateTime, NaiveDateTime)> = sessions::table
            .filter(sessions::account.eq(account))
            .filter(sessions::created_at.gt(now - MAX_SESSION_AGE))
            .filter(sessions::seen_at.gt(now - TimeDelta::minutes(idle)))
            .order(sessions::seen_at.desc())
            .select((sessions::id, sessions::agent, sessions::address, sessions::created_at, sessions::seen_at))
            .load(c)?;
        Ok(rows
            .into_iter()
            .map(|(id, agent, address, created_at, seen_at)| Self { id, agent, address, created_at, seen_at })
            .collect())
    }

    /// Ends one session of an account; one of another account stays.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end(c: &mut AnyConnection, account: AccountId, id: &str) -> Result<usize> {
        let own = sessions::table.filter(sessions::account.eq(account)).filter(sessions::id.eq(id));
        Ok(diesel::delete(own).execute(c)?)
    }

    /// Ends every session of an account but this one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end_others(c: &mut AnyConnection, account: AccountId, keep: &str) -> Result<usize> {
        let others = sessions::table.filter(sessions::account.eq(account)).filter(sessions::id.ne(keep));
        Ok(diesel::delete(others).execute(c)?)
    }

    /// Ends every session of an account. Returns how many there were.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end_all(c: &mut AnyConnection, account: AccountId) -> Result<usize> {
        Ok(diesel::delete(sessions::table.filter(sessions::account.eq(account))).execute(c)?)
    }

    /// Removes the rows of sessions that have ended by age.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn delete_expired(c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
        diesel::delete(sessions::table.filter(sessions::created_at.lt(now - MAX_SESSION_AGE))).execute(c)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::DatabaseAddress;

    #[actix_web::test]
    async fn a_session_begins_only_while_the_shown_password_is_current() {
        let folder = tempfile::tempdir().unwrap();
        let db = Database::open(&DatabaseAddress::Sqlite(folder.path().join("belfry.db"))).unwrap();
        let clock = Clock::default();
        let now = clock.now();
        let ann = (
            accounts::username.eq("ann"),
            accounts::username_key.eq("ann"),
            accounts::password_hash.eq("second"),
            accounts::created_at.eq(now),
        );
        let insert = diesel::insert_into(accounts::table).values(ann).returning(accounts::id);
        let account: AccountId = db.write(move |c| Ok(on_backend!(c, c => insert.get_result(c))?)).await.unwrap();
        let store = DatabaseSessionStore::new(db, clock);
        let begin = |password_hash: &str| {
            let text = |value: serde_json::Value| value.to_string();
            let state = [(ACCOUNT_KEY, text(account.0.into())), (PASSWORD_HASH_KEY, text(password_hash.into()))];
            store.save(state.map(|(key, value)| (key.to_owned(), value)).into(), &CookieDuration::ZERO)
        };
        assert!(begin("first").await.is_err(), "it was replaced between the log-in and the session");
        let key = begin("second").await.unwrap();
        assert!(store.load(&key).await.unwrap().is_some());
    }
}
