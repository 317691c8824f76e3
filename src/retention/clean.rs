//! Removes what is not kept any more, a step at a time.

use std::time::Duration;

use chrono::NaiveDateTime;
use tokio::time::sleep;

use super::{model::kept_since, store};
use crate::{
    alerts, audit,
    db::{AdvisoryLock, AnyConnection, Database, acquire_lock},
    delivery,
    error::Result,
};

/// How many rows a transaction removes, about: few enough that whoever writes next waits for milliseconds.
const STEP: i64 = 500;
/// How long everybody else has the database for himself between two steps.
const PAUSE: Duration = Duration::from_millis(50);
/// Removes about so many rows of what ended before this moment, and answers how many; none when there are none left.
type Step = fn(&mut AnyConnection, NaiveDateTime, i64) -> Result<usize>;

/// Removes everything that is older than the settings allow.
///
/// # Errors
/// When the database cannot be used. What was removed until then stays so, and the rest is removed another time.
pub async fn clean(db: &Database, now: NaiveDateTime) -> Result<()> {
    let settings = db.read(store::settings).await?;
    let kinds: [(&str, i64, Step); 4] = [
        ("alert events", settings.alert_days, alerts::store::retention::delete_finished_events),
        ("deliveries", settings.delivery_days, delivery::delete_old_deliveries),
        ("messages", settings.delivery_days, delivery::delete_empty_messages),
        ("audit rows", settings.audit_days, audit::clean),
    ];
    for (what, days, step) in kinds {
        let Some(before) = kept_since(days, now) else { continue };
        let mut removed = 0;
        loop {
            let more = db
                .write(move |c| {
                    acquire_lock(c, AdvisoryLock::Retention)?;
                    step(c, before, STEP)
                })
                .await?;
            if more == 0 {
                break;
            }
            removed += more;
            sleep(PAUSE).await;
        }
        if removed > 0 {
            tracing::info!(what, rows = removed, days, "what is not kept any longer was removed");
        }
    }
    Ok(())
}
