//! Making deliveries of receivers that were too many for the transaction of their alert, part by part.

use std::time::Duration;

use futures_util::future::join_all;

use super::{Tools, store::fan_outs};
use crate::{
    clock::Clock,
    db::{Database, Lane, TenantId, Workload},
    delivery::Waker,
    error::Result,
};

/// How often is looked for what another process put off, or left when it ended.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// How many parts of a tenant are written before the list of tenants is read again.
const MAX_PARTS_PER_ROUND: usize = 20;
/// How much work a part is beside an ordinary write.
const PART_WEIGHT: usize = 100;

/// Runs forever: makes deliveries of what was put off. Several processes may do so at a time.
pub async fn run_fan_out(tools: Tools) {
    let Tools { db, clock, waker, snapshots } = tools;
    loop {
        if let Err(fault) = expand_pending(&db, &clock, &waker).await {
            tracing::warn!(%fault, "receivers that were put off could not be read; it is tried again");
        }
        // The time is over, or there is something: both mean to look.
        drop(tokio::time::timeout(POLL_INTERVAL, snapshots.fan_out_requested()).await);
    }
}

/// Makes deliveries of everything that was put off, the tenants beside each other.
///
/// # Errors
/// When it cannot be read what was put off. What fails for one tenant is logged.
pub async fn expand_pending(db: &Database, clock: &Clock, waker: &Waker) -> Result<()> {
    loop {
        let tenants = db.read(fan_outs::pending_tenants).await?;
        let made = join_all(tenants.into_iter().map(|tenant| expand_tenant(db, clock, waker, tenant))).await;
        if made.iter().all(|made| *made == 0) {
            return Ok(());
        }
    }
}

/// Writes the next parts of a tenant, and returns how many deliveries they are.
async fn expand_tenant(db: &Database, clock: &Clock, waker: &Waker, tenant: TenantId) -> usize {
    let db = db.for_workload(Workload::Intake).in_lane(Lane::for_tenant(tenant));
    let mut made = 0;
    for _ in 0..MAX_PARTS_PER_ROUND {
        let now = clock.now();
        match db.write_weighted(PART_WEIGHT, move |c| fan_outs::expand_next_part(c, tenant, now)).await {
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
