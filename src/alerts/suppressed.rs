//! When do not disturb ends by time on an event that is still open, one notification says what it suppressed.
//!
//! A firing that comes in first says it instead ([`super::take`]). What is still to be said is a column of the event, so that it
//! survives a restart, and it is taken back in the transaction that writes the notification.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    store::events,
    take::{Context, notify_of_suppressed},
};
use crate::{
    clock::Clock,
    db::{AdvisoryLock, Database, Lane, Share, acquire_lock},
    delivery::Waker,
    error::Result,
};

/// How often the events are looked for: an index holds nothing else.
const LOOK: Duration = Duration::from_secs(2);
/// The most events of one look.
const MOST: i64 = 200;

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
            sleep(LOOK).await;
            if let Err(fault) = self.notify().await {
                tracing::warn!(%fault, "events whose do not disturb has ended could not be read; retrying");
            }
        }
    }

    /// Notifies of every event that is due, each in a transaction of its own: one that fails holds up no other.
    async fn notify(&self) -> Result<()> {
        let now = self.clock.now();
        for (tenant, alert) in self.db.read(move |c| events::ended_quiet(c, now, MOST)).await? {
            let context = Context {
                tenant,
                sender: String::new(),
                by: None,
                portal: None,
                product: self.product.clone(),
                now: self.clock.now(),
            };
            let db = self.db.by(Share::Intake).in_lane(Lane::of_tenant(tenant));
            let notified = db.write(move |c| {
                acquire_lock(c, AdvisoryLock::SuppressedAlerts)?;
                notify_of_suppressed(c, &context, alert)
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
