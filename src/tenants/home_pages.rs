//! The home page of a tenant: the health of its channels, what happened last, and what to do next.

use actix_web::{HttpResponse, http::StatusCode, web::Data};
use askama::Template;

use super::store::overview::{self, Reach};
use crate::{
    access::{Can, Role, permissions::ViewTenant},
    channels::{Switches, store as channels},
    db::{AnyConnection, Database, MemberId, Seek, TenantId},
    deliveries::store::{self as deliveries, Filter, Listed, Scope},
    error::Result,
    robots::Channel,
    web::{self, Frame, Times},
};

/// How many of the latest deliveries are shown.
const LATEST: usize = 8;

#[derive(Template)]
#[template(path = "tenants/home.html")]
struct HomePage {
    frame: Frame,
    name: String,
    /// Where the tenant's pages are.
    base: String,
    switches: Switches,
    /// What only administrators see.
    reach: Option<Reach>,
    /// The channels that have a robot of the viewer.
    own: Vec<Channel>,
    latest: Vec<Listed>,
}

/// What an administrator does to make a tenant work.
struct Step {
    key: &'static str,
    means: &'static str,
    to: &'static str,
    done: bool,
}

impl HomePage {
    /// Where the delivery record is.
    fn record(&self) -> String {
        format!("{}/deliveries", self.base)
    }

    /// The steps of a tenant that cannot ring anyone yet; nothing once it can.
    fn steps(&self) -> Vec<Step> {
        let Some(reach) = &self.reach else { return Vec::new() };
        let step = |key, means, to, done| Step { key, means, to, done };
        let steps = vec![
            step(
                "tenants-home-step-channel",
                "tenants-home-step-channel-means",
                "/settings/message-channel",
                !self.switches.all_off(),
            ),
            step("tenants-home-step-member", "tenants-home-step-member-means", "/members", reach.members > 1),
            step("tenants-home-step-contact", "tenants-home-step-contact-means", "/members", !reach.is_nobody()),
        ];
        if steps.iter().all(|step| step.done) { Vec::new() } else { steps }
    }
}

/// What the page reads in one go.
struct Seen {
    switches: Switches,
    reach: Option<Reach>,
    own: Vec<Channel>,
    latest: Vec<Listed>,
}

fn read(c: &mut AnyConnection, tenant: TenantId, member: Option<MemberId>, administers: bool) -> Result<Seen> {
    let scope = match member {
        Some(member) if !administers => Scope::Only(member),
        _ => Scope::Everyone,
    };
    let (mut latest, _) = deliveries::list(c, tenant, scope, &Filter::default(), Seek::default())?;
    latest.truncate(LATEST);
    Ok(Seen {
        switches: channels::settings(c, tenant)?.effective().clone(),
        reach: if administers { Some(overview::reach(c, tenant)?) } else { None },
        own: member.map(|member| overview::channels_of(c, member)).transpose()?.unwrap_or_default(),
        latest,
    })
}

/// The tenant's home.
pub async fn home(db: Data<Database>, who: Can<ViewTenant>, frame: Frame) -> Result<HttpResponse> {
    let (tenant, member) = (who.tenant.id, who.member());
    let administers = who.role().is_some_and(Role::administers);
    let Seen { switches, reach, own, latest } = db.read(move |c| read(c, tenant, member, administers)).await?;
    let (name, base) = (who.tenant.name.clone(), format!("/t/{}", who.tenant.slug));
    web::page(StatusCode::OK, &HomePage { frame: frame.seen_by(&who), name, base, switches, reach, own, latest })
}
