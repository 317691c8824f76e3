//! Refused posts of portals: counted by problem and address, the latest of each portal.

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{prelude::*, upsert::excluded};

use crate::{
    db::{
        AnyConnection, PortalId,
        schema::{portals, refused_posts},
    },
    error::Result,
};

/// How many kinds of refused posts of one portal are kept.
const KEPT: i64 = 50;
/// For how long they are.
const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// Posts that were refused for one problem, from one address.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct RefusedPosts {
    /// The last part of the problem's type.
    pub problem: String,
    /// The sender's address.
    pub address: String,
    /// How many.
    pub count: i64,
    /// When the first came in.
    pub first_at: NaiveDateTime,
    /// When the last came in.
    pub last_at: NaiveDateTime,
}

/// Adds to what was counted for a portal.
///
/// # Errors
/// When the database cannot be written.
pub fn add(c: &mut AnyConnection, portal: PortalId, posts: &RefusedPosts) -> Result<()> {
    // Postgres locks the portal: its rows are written in no other order.
    let known = match c {
        AnyConnection::Sqlite(c) => portals::table.find(portal).select(portals::id).first::<PortalId>(c).optional(),
        AnyConnection::Postgres(c) => {
            portals::table.find(portal).select(portals::id).for_no_key_update().first::<PortalId>(c).optional()
        }
    }?;
    if known.is_none() {
        return Ok(());
    }
    let insert = diesel::insert_into(refused_posts::table).values((
        refused_posts::portal.eq(portal),
        refused_posts::problem.eq(&posts.problem),
        refused_posts::address.eq(&posts.address),
        refused_posts::count.eq(posts.count),
        refused_posts::first_at.eq(posts.first_at),
        refused_posts::last_at.eq(posts.last_at),
    ));
    let key = (refused_posts::portal, refused_posts::problem, refused_posts::address);
    let more = (
        refused_posts::count.eq(refused_posts::count + excluded(refused_posts::count)),
        refused_posts::last_at.eq(excluded(refused_posts::last_at)),
    );
    match c {
        AnyConnection::Sqlite(c) => insert.on_conflict(key).do_update().set(more).execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict(key).do_update().set(more).execute(c),
    }?;
    let of_portal = refused_posts::table.filter(refused_posts::portal.eq(portal));
    let oldest_kept =
        of_portal.order(refused_posts::last_at.desc()).offset(KEPT).limit(1).select(refused_posts::last_at);
    if let Some(before) = oldest_kept.first::<NaiveDateTime>(c).optional()? {
        diesel::delete(of_portal.filter(refused_posts::last_at.le(before))).execute(c)?;
    }
    Ok(())
}

/// The refused posts of a portal, the latest first.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, portal: PortalId) -> Result<Vec<RefusedPosts>> {
    Ok(refused_posts::table
        .filter(refused_posts::portal.eq(portal))
        .order((refused_posts::last_at.desc(), refused_posts::problem, refused_posts::address))
        .limit(KEPT)
        .select((
            refused_posts::problem,
            refused_posts::address,
            refused_posts::count,
            refused_posts::first_at,
            refused_posts::last_at,
        ))
        .load(c)?)
}

/// Removes what is not kept any longer.
///
/// # Errors
/// When the database cannot be written.
pub fn sweep(c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
    diesel::delete(refused_posts::table.filter(refused_posts::last_at.lt(now - KEPT_FOR))).execute(c)?;
    Ok(())
}
