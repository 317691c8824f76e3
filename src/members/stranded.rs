//! What waits at a broken robot for a member whom it does not reach any more goes to the robot that reaches him now, or ends
//! where it is seen.
//!
//! A robot that works sends what waits for it, whomever it reaches meanwhile. When it breaks before it is done, nobody would mend
//! it for those who have another robot by then or have left the tenant: no page names it, and what it holds would wait for ever.

use std::time::Duration;

use tokio::time::sleep;

use super::{broken::Teller, store::stranded as store};
use crate::error::Result;

/// How often it is looked for: the look reads everything that waits at broken robots.
const LOOK: Duration = Duration::from_secs(10);

/// Looks for it, for ever.
pub(super) async fn follow_members(teller: Teller) {
    loop {
        sleep(LOOK).await;
        match follow(&teller).await {
            Ok(0) => {}
            Ok(_) => teller.waker.wake(),
            Err(fault) => {
                tracing::warn!(%fault, "what waits at broken robots could not be looked through; it is tried again")
            }
        }
    }
}

/// Answers how many members something was brought after.
async fn follow(teller: &Teller) -> Result<usize> {
    let found = teller.db.read(store::stranded).await?;
    let count = found.len();
    for one in found {
        let clock = teller.clock.clone();
        teller.db.write(move |c| store::follow(c, one, clock.now())).await?;
        tracing::info!(
            tenant = one.tenant.0,
            "what waited at a broken robot for a member whom it reaches no more was moved or ended"
        );
    }
    Ok(count)
}
