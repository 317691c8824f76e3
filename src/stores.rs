//! Opens the database and the key file, which belong together.

use std::{
    path::Path,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use crate::{
    db::{self, AnyConnection, Database, DatabaseAddress},
    delivery,
    error::Result as QueryResult,
    metrics::Metrics,
    portals,
    secrets::KeyRing,
    settings::Settings,
};

/// How often the log says that the start waits for the database.
const WAIT_NOTICED_EVERY: Duration = Duration::from_secs(15);
/// How many of the newest robots and portals are tried to see whether the key file is the database's.
const SECRETS_TRIED: i64 = 100;
/// What an operator does whose key file opens nothing.
const WAYS_OUT: &str = "restore the key file of this database from your copy; when there is none any more, start with \
                        BELFRY_ACCEPT_LOST_SECRETS=true and set up every webhook and portal again";

/// Opens the database and the key file, and makes what is not there yet.
///
/// # Errors
/// One sentence for the operator.
pub async fn open_stores(settings: &Settings) -> Result<(Database, KeyRing), String> {
    let file = &settings.key_file;
    let is_there =
        file.try_exists().map_err(|fault| format!("The key file {} cannot be read: {fault}", file.display()))?;
    let keys = is_there.then(|| KeyRing::open(file)).transpose()?;
    let address = &settings.database;
    let is_made_now = matches!(address, DatabaseAddress::Sqlite(path) if !path.exists());
    let notice = |seconds| {
        tracing::warn!(
            database = %address,
            seconds,
            "the start is waiting for the database, which does not answer or is migrated by another process"
        );
    };
    let db = with_notice(WAIT_NOTICED_EVERY, notice, || Database::open_with_metrics(address, Metrics::default()))?;
    if is_made_now && keys.is_some() {
        tracing::warn!(
            database = %address,
            key_file = %file.display(),
            "the key file was there before the database, which was made now: if this deployment had one, end Belfry and see to \
             BELFRY_DATABASE_URL"
        );
    }
    if !settings.accepts_lost_secrets {
        refuse_foreign_keys(&db, keys.as_ref(), file).await?;
    }
    let keys = keys.map_or_else(|| KeyRing::open(file), Ok)?;
    Ok((db, keys))
}

/// Opens the database and the key file that are there already; what is missing is neither made nor guessed.
///
/// # Errors
/// One sentence for the operator.
pub async fn open_existing_stores(settings: &Settings) -> Result<(Database, KeyRing), String> {
    let file = settings.key_file.display();
    if !settings.key_file.exists() {
        return Err(format!("The key file {file} (BELFRY_KEY_FILE) is not there; nothing was made."));
    }
    if is_new(&settings.database)? {
        let address = &settings.database;
        return Err(format!("There is no database of Belfry at {address} (BELFRY_DATABASE_URL); nothing was made."));
    }
    open_stores(settings).await
}

/// Whether no Belfry has started on a database yet.
fn is_new(address: &DatabaseAddress) -> Result<bool, String> {
    if let DatabaseAddress::Sqlite(path) = address
        && !path.exists()
    {
        return Ok(true);
    }
    Ok(db::has_no_tables(&mut address.connect()?))
}

/// Runs what may take long. Each time this long has gone by meanwhile, `notice` is given the seconds since the beginning.
fn with_notice<T>(every: Duration, notice: impl Fn(u64) + Send, job: impl FnOnce() -> T) -> T {
    let (ended, is_over) = mpsc::channel::<()>();
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(move || {
            while is_over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                notice(began.elapsed().as_secs());
            }
        });
        let answer = job();
        drop(ended);
        answer
    })
}

/// Refuses a key file that is not this database's, and a new one in its place: none of the secrets would open.
async fn refuse_foreign_keys(db: &Database, keys: Option<&KeyRing>, key_file: &Path) -> Result<(), String> {
    let (ring, file) = (keys.cloned(), key_file.display());
    match db.read(move |c| opens_none(c, ring.as_ref())).await {
        Ok(false) => Ok(()),
        Ok(true) if keys.is_some() => {
            Err(format!("The key file {file} opens none of the secrets in the database: {WAYS_OUT}."))
        }
        Ok(true) => {
            Err(format!("The key file {file} is not there, and the database holds sealed secrets: {WAYS_OUT}."))
        }
        Err(fault) => Err(format!("The sealed secrets cannot be read: {fault}")),
    }
}

/// Whether there are sealed secrets, and none of the newest opens.
fn opens_none(c: &mut AnyConnection, keys: Option<&KeyRing>) -> QueryResult<bool> {
    let tried =
        [delivery::newest_opens(c, keys, SECRETS_TRIED)?, portals::store::newest_opens(c, keys, SECRETS_TRIED)?];
    Ok(tried.contains(&Some(false)) && !tried.contains(&Some(true)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn what_takes_long_is_noticed_until_it_is_over() {
        let noticed = AtomicU64::new(0);
        let notice = |_| {
            noticed.fetch_add(1, Ordering::SeqCst);
        };
        assert_eq!(with_notice(Duration::from_secs(3_600), notice, || 7), 7);
        assert_eq!(noticed.load(Ordering::SeqCst), 0);
        with_notice(Duration::from_millis(1), notice, || {
            while noticed.load(Ordering::SeqCst) < 3 {
                thread::yield_now();
            }
        });
        let before = noticed.load(Ordering::SeqCst);
        assert_eq!(with_notice(Duration::from_secs(3_600), notice, || noticed.load(Ordering::SeqCst)), before);
    }
}
