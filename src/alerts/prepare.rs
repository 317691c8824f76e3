//! Working out what alerts lead to before the transaction that takes them in.

use std::sync::Arc;

use super::{
    decider::{AlertRecipients, Decider},
    ingest::{self, AlertContext, PreparedBatch},
    model::IncomingAlert,
    snapshot::{Snapshot, Snapshots},
    store::{fan_outs, snapshots},
};
use crate::{
    db::{AnyConnection, Database},
    error::{Error, Result},
};

/// What is worked out where a request is read, and not on a thread of its own: so many alerts, with so much text and labels in
/// bytes, by expressions of so much memory in bytes.
const MAX_INLINE_ALERTS: usize = 8;
const MAX_INLINE_TEXT_BYTES: usize = 4 * 1024;
const MAX_INLINE_EXPRESSION_BYTES: usize = 128 * 1024;

impl Snapshots {
    /// Works out what alerts lead to as things stand, so that their transaction only has to look it up. Stores the receivers of
    /// those whose deliveries are too many for one transaction.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn prepare(
        &self,
        db: &Database,
        context: &AlertContext,
        alerts: Vec<IncomingAlert>,
    ) -> Result<(Vec<IncomingAlert>, PreparedBatch)> {
        let (known, owned_context) = (self.clone(), context.clone());
        let prepare_if_cheap = move |c: &mut AnyConnection| {
            let version = snapshots::load_version(c, owned_context.tenant)?;
            match known.get(owned_context.tenant, version).filter(|snapshot| is_cheap(snapshot, &alerts)) {
                Some(snapshot) => {
                    let prepared = ingest::prepare_batch(c, &owned_context, Decider::new(snapshot), &alerts)?;
                    Ok((alerts, Some(prepared)))
                }
                None => Ok((alerts, None)),
            }
        };
        let (alerts, prepared) = match db.read(prepare_if_cheap).await? {
            (alerts, Some(prepared)) => (alerts, prepared),
            (alerts, None) => {
                let (known, owned_context) = (self.clone(), context.clone());
                db.read_blocking(move |c| {
                    let snapshot = known.latest(c, &owned_context)?;
                    let prepared = ingest::prepare_batch(c, &owned_context, Decider::new(snapshot), &alerts)?;
                    Ok((alerts, prepared))
                })
                .await?
            }
        };
        for recipients in prepared.deferred() {
            store_fan_out_plan(db, context, Arc::clone(recipients)).await?;
        }
        Ok((alerts, prepared))
    }

    /// The snapshot of the tenant as it is now.
    fn latest(&self, c: &mut AnyConnection, context: &AlertContext) -> Result<Arc<Snapshot>> {
        let version = snapshots::load_version(c, context.tenant)?;
        if let Some(snapshot) = self.get(context.tenant, version) {
            return Ok(snapshot);
        }
        let snapshot = Arc::new(snapshots::load_snapshot(c, context.tenant, None)?);
        self.insert(context.tenant, &snapshot);
        Ok(snapshot)
    }
}

fn is_cheap(snapshot: &Snapshot, alerts: &[IncomingAlert]) -> bool {
    let labels =
        |alert: &IncomingAlert| alert.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let text = alerts.iter().map(|alert| alert.content.len() + labels(alert));
    alerts.len() <= MAX_INLINE_ALERTS
        && text.sum::<usize>() <= MAX_INLINE_TEXT_BYTES
        && snapshot.expressions_size <= MAX_INLINE_EXPRESSION_BYTES
}

/// Stores receivers as a plan, each part in a transaction of its own. One that nobody refers to in the end is removed by age.
async fn store_fan_out_plan(db: &Database, context: &AlertContext, recipients: Arc<AlertRecipients>) -> Result<()> {
    let now = context.now;
    let plan = db.write(move |c| fan_outs::create_plan(c, now)).await?;
    for (number, part) in fan_outs::split_into_parts(&recipients.routing).into_iter().enumerate() {
        db.write_weighted(part.recipient_count(), move |c| fan_outs::add_part(c, plan, number, &part)).await?;
    }
    recipients.fan_out_plan.set(plan).map_err(|_| Error::internal("receivers were stored twice"))
}
