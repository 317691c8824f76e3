//! A group robot that is given many members within a short time, as imports do, tells its group of the first, and then of all in one
//! message that says how many.

use std::time::Duration;

use chrono::NaiveDateTime;
use tokio::time::sleep;

use super::{
    broken::Teller,
    store::{
        added::{self as store, Added},
        broken::tenant_name,
    },
};
use crate::{
    channels::store as channels,
    db::AnyConnection,
    delivery::{self, DeliveryKind, Notice},
    error::Result,
    templates::{MessageReason, Variables, store as templates},
};

/// How often it is looked for; few rows are ever there.
const LOOK: Duration = Duration::from_secs(2);

/// Looks for it, for ever.
pub(super) async fn announce_added_members(teller: Teller) {
    loop {
        sleep(LOOK).await;
        match announce(&teller).await {
            Ok(0) => {}
            Ok(_) => teller.waker.wake(),
            Err(fault) => tracing::warn!(%fault, "added members not announced; it is tried again"),
        }
    }
}

/// Returns the number of messages that were written.
async fn announce(teller: &Teller) -> Result<usize> {
    let now = teller.clock.now();
    let due = teller.db.read(move |c| store::due(c, now)).await?;
    let mut written = 0;
    for added in due {
        let product = teller.product.clone();
        written += teller.db.write(move |c| announce_one(c, &product, &added, now)).await?;
    }
    Ok(written)
}

fn announce_one(c: &mut AnyConnection, product: &str, added: &Added, now: NaiveDateTime) -> Result<usize> {
    if !store::announce(c, added)? {
        return Ok(0);
    }
    let settings = channels::settings(c, added.tenant)?;
    let channel = store::channel(c, added)?.filter(|channel| settings.effective().is_on(channel));
    let (Some(channel), Some((tenant, _))) = (channel, tenant_name(c, added.tenant)?) else { return Ok(0) };
    let templates = templates::load(c, added.tenant)?;
    let members = templates.language().text_count("members-added-count", added.count).into_owned();
    let variables = Variables {
        product: product.to_owned(),
        tenant,
        member: members.clone(),
        by: added.added_by.clone(),
        ..Variables::default()
    };
    let words = templates.render(channel, MessageReason::MemberSaved, &variables);
    let notice = Notice {
        tenant: added.tenant,
        kind: DeliveryKind::MemberSaved,
        title: words.title,
        body: words.body,
        robot: added.robot,
        member: None,
        recipient: members,
        requested_by: None,
        alert: None,
    };
    delivery::enqueue(c, notice, now)?;
    Ok(1)
}
