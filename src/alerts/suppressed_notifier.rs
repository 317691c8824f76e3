//! When do not disturb ends by time on an event that is still open, one notification says what it suppressed.
//!
//! A firing that comes in first says it instead ([`super::ingest()`]). What is still to be said is a column of the event, so that it
//! survives a restart, and it is taken back in the transaction that writes the notification.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    ingest::{AlertContext, notify_suppressed},
    store::events,
};
use crate::{
    clock::Clock,
    db::{AdvisoryLock, Database, Lane, Workload, acquire_lock},
    delivery::Waker,
    error::Result,
};

/// How often the events are looked for: an index holds nothing else.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// The most events of one look.
const BATCH_SIZE: i64 = 200;

/// Notifies of what do not disturb suppressed.
#[derive(Clone)]
pub struct SuppressedNotifier {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// Wakes the delivery worker.
    pub waker: Waker,
    /// The word that every message holds: the robots' keyword.
    pub product: String,
}

impl SuppressedNotifier {
    /// Looks for events whose do not disturb has ended, for ever.
    pub async fn run(self) {
        loop {
            sleep(POLL_INTERVAL).await;
            if let Err(fault) = self.notify_due().await {
                tracing::warn!(%fault, "events whose do not disturb has ended could not be read; retrying");
            }
        }
    }

    /// Notifies of every event that is due, each in a transaction of its own: one that fails holds up no other.
    async fn notify_due(&self) -> Result<()> {
        let now = self.clock.now();
        for (tenant, alert) in self.db.read(move |c| events::find_expired_mutes(c, now, BATCH_SIZE)).await? {
            let context = AlertContext {
                tenant,
                sender: String::new(),
                fired_by: None,
                portal: None,
                product: self.product.clone(),
                now: self.clock.now(),
            };
            let db = self.db.for_workload(Workload::Intake).in_lane(Lane::for_tenant(tenant));
            let notified = db.write(move |c| {
                acquire_lock(c, AdvisoryLock::SuppressedAlerts)?;
                notify_suppressed(c, &context, alert)
            });
            match notified.await {
                Ok(true) => self.waker.wake(),
                Ok(false) => {}
                Err(fault) => {
                    tracing::warn!(%tenant, %alert, %fault, "the end of do not disturb could not be notified; retrying");
                }
            }
        }
        Ok(())
    }
}
