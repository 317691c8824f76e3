//! Working out what alerts lead to before the transaction that takes them in.

use std::sync::Arc;

use super::{
    decider::{Chosen, Decider},
    model::Incoming,
    snapshot::{Snapshot, Snapshots},
    store::{fan_outs, snapshots},
    take::{self, Context, Prepared},
};
use crate::{
    db::{AnyConnection, Database},
    error::{Error, Result},
};

/// What is worked out where a request is read, and not on a thread of its own: so many alerts, with so much text and labels in
/// bytes, by expressions of so much memory in bytes.
const FEW_ALERTS: usize = 8;
const LITTLE_TEXT: usize = 4 * 1024;
const SMALL_EXPRESSIONS: usize = 128 * 1024;

impl Snapshots {
    /// Works out what alerts lead to as things stand, so that their transaction only has to look it up. Stores the receivers of
    /// those whose deliveries are too many for one transaction.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn prepare(
        &self,
        db: &Database,
        context: &Context,
        alerts: Vec<Incoming>,
    ) -> Result<(Vec<Incoming>, Prepared)> {
        let (known, of) = (self.clone(), context.clone());
        let quick = move |c: &mut AnyConnection| {
            let version = snapshots::version(c, of.tenant)?;
            match known.of(of.tenant, version).filter(|snapshot| is_quick(snapshot, &alerts)) {
                Some(snapshot) => {
                    let prepared = take::prepare(c, &of, Decider::new(snapshot), &alerts)?;
                    Ok((alerts, Some(prepared)))
                }
                None => Ok((alerts, None)),
            }
        };
        let (alerts, prepared) = match db.read(quick).await? {
            (alerts, Some(prepared)) => (alerts, prepared),
            (alerts, None) => {
                let (known, of) = (self.clone(), context.clone());
                db.read_aside(move |c| {
                    let snapshot = known.latest(c, &of)?;
                    let prepared = take::prepare(c, &of, Decider::new(snapshot), &alerts)?;
                    Ok((alerts, prepared))
                })
                .await?
            }
        };
        for chosen in prepared.put_off() {
            store(db, context, Arc::clone(chosen)).await?;
        }
        Ok((alerts, prepared))
    }

    /// The snapshot of the tenant as it is now.
    fn latest(&self, c: &mut AnyConnection, context: &Context) -> Result<Arc<Snapshot>> {
        let version = snapshots::version(c, context.tenant)?;
        if let Some(snapshot) = self.of(context.tenant, version) {
            return Ok(snapshot);
        }
        let snapshot = Arc::new(snapshots::load(c, context.tenant, None)?);
        self.keep(context.tenant, &snapshot);
        Ok(snapshot)
    }
}

fn is_quick(snapshot: &Snapshot, alerts: &[Incoming]) -> bool {
    let labels = |alert: &Incoming| alert.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let text = alerts.iter().map(|alert| alert.content.len() + labels(alert));
    alerts.len() <= FEW_ALERTS && text.sum::<usize>() <= LITTLE_TEXT && snapshot.expressions_size <= SMALL_EXPRESSIONS
}

/// Stores receivers as a plan, each part in a transaction of its own. One that nobody refers to in the end is removed by age.
async fn store(db: &Database, context: &Context, chosen: Arc<Chosen>) -> Result<()> {
    let now = context.now;
    let plan = db.write(move |c| fan_outs::begin(c, now)).await?;
    for (number, part) in fan_outs::parts(&chosen.choice).into_iter().enumerate() {
        db.write_weighing(part.size(), move |c| fan_outs::add_part(c, plan, number, &part)).await?;
    }
    chosen.plan.set(plan).map_err(|_| Error::internal("receivers were stored twice"))
}
