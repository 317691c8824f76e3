//! The pages of the Alert Delivery Record.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;

use super::{
    form::Asked,
    store::{self, Found, Listed, Scope},
};
use crate::{
    access::{Can, Role, permissions::ViewDeliveries},
    channels::{Switches, channel_key, store as channels},
    courier::DeliveryState,
    db::{Database, DeliveryId, Keyset},
    error::{Error, Result},
    robots::Channel,
    web::{self, Frame, Query, Times, query_string},
};

/// Administrators see every row of their tenant, members their own.
fn scope(who: &Can<ViewDeliveries>) -> Result<Scope> {
    match &who.membership {
        Some(membership) if membership.role.administers() => Ok(Scope::Everyone),
        Some(membership) => Ok(Scope::Only(membership.member)),
        None => Err(Error::NotFound),
    }
}

#[derive(Template)]
#[template(path = "deliveries/list.html")]
struct ListPage {
    frame: Frame,
    path: String,
    /// Where the channels are switched.
    settings: String,
    own_only: bool,
    asked: Asked,
    switches: Switches,
    rows: Vec<Listed>,
    keyset: Keyset,
}

impl ListPage {
    /// The names of the channels that are off; nothing when none is.
    fn off(&self) -> String {
        let off = Channel::ALL.iter().filter(|channel| !self.switches.is_on(channel));
        off.map(|channel| self.frame.t(channel_key(channel))).collect::<Vec<_>>().join(" · ")
    }

    /// The list's own query, for the ways to its other pages.
    fn query(&self) -> String {
        query_string(&[("status", &self.asked.status), ("channel", &self.asked.channel), ("q", &self.asked.q)])
    }
}

/// The record.
pub async fn list(
    db: Data<Database>,
    who: Can<ViewDeliveries>,
    frame: Frame,
    Query(asked): Query<Asked>,
) -> Result<HttpResponse> {
    let (tenant, scope, filter) = (who.tenant.id, scope(&who)?, asked.filter());
    let ((rows, keyset), settings) =
        db.read(move |c| Ok((store::list(c, tenant, scope, &filter)?, channels::settings(c, tenant)?))).await?;
    let page = ListPage {
        path: format!("/t/{}/deliveries", who.tenant.slug),
        settings: format!("/t/{}/settings/message-channel", who.tenant.slug),
        own_only: !who.role().is_some_and(Role::administers),
        frame: frame.seen_by(&who),
        asked,
        switches: settings.effective().clone(),
        rows,
        keyset,
    };
    web::page(StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "deliveries/show.html")]
struct ShowPage {
    frame: Frame,
    slug: String,
    channel_is_on: bool,
    delivery: Found,
}

/// One delivery, with every call of its robot.
pub async fn show(
    db: Data<Database>,
    who: Can<ViewDeliveries>,
    frame: Frame,
    path: Path<(String, DeliveryId)>,
) -> Result<HttpResponse> {
    let (tenant, scope, (_, id)) = (who.tenant.id, scope(&who)?, path.into_inner());
    let (delivery, settings) =
        db.read(move |c| Ok((store::find(c, tenant, scope, id)?, channels::settings(c, tenant)?))).await?;
    let channel_is_on = settings.effective().is_on(&delivery.listed.channel);
    let slug = who.tenant.slug.clone();
    web::page(StatusCode::OK, &ShowPage { frame: frame.seen_by(&who), slug, channel_is_on, delivery })
}
