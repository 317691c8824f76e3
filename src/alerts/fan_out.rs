//! Making deliveries of receivers that were too many for the transaction of their alert, part by part.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Tools, store::fan_outs};
use crate::{
    clock::Clock,
    db::{Database, Lane, Share, TenantId},
    delivery::Waker,
    error::Result,
};

/// How often is looked for what another process put off, or left when it ended.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How many parts of a tenant are written before the list of tenants is read again.
const PARTS_IN_A_ROW: usize = 20;
/// How much work a part is beside an ordinary write.
const WEIGHT: usize = 100;

/// Runs forever: makes deliveries of what was put off. Several processes may do so at a time.
pub async fn expand_forever(tools: Tools) {
    let Tools { db, clock, waker, snapshots } = tools;
    loop {
        if let Err(fault) = expand_all(&db, &clock, &waker).await {
            tracing::warn!(%fault, "receivers that were put off could not be read; it is tried again");
        }
        // The time is over, or there is something: both mean to look.
        drop(tokio::time::timeout(LOOK_EVERY, snapshots.put_off()).await);
    }
}

/// Makes deliveries of everything that was put off, the tenants beside each other.
///
/// # Errors
/// When it cannot be read what was put off. What fails for one tenant is logged.
pub async fn expand_all(db: &Database, clock: &Clock, waker: &Waker) -> Result<()> {
    loop {
        let tenants = db.read(fan_outs::tenants).await?;
        let made = join_all(tenants.into_iter().map(|tenant| expand(db, clock, waker, tenant))).await;
        if made.iter().all(|made| *made == 0) {
            return Ok(());
        }
    }
}

/// Writes the next parts of a tenant, and returns how many deliveries they are.
async fn expand(db: &Database, clock: &Clock, waker: &Waker, tenant: TenantId) -> usize {
    let db = db.by(Share::Intake).in_lane(Lane::of_tenant(tenant));
    let mut made = 0;
    for _ in 0..PARTS_IN_A_ROW {
        let now = clock.now();
        match db.write_weighing(WEIGHT, move |c| fan_outs::expand(c, tenant, now)).await {
            Ok(0) => break,
            Ok(part) => made += part,
            Err(fault) => {
                tracing::warn!(tenant = tenant.0, %fault, "receivers could not be made deliveries; it is tried again");
                return 0;
            }
        }
        waker.wake();
    }
    made
}
