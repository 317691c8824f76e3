//! The codes that were sent into groups and not typed in yet. Their member is one of the tenant's whom the caller has locked.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    db::{
        AnyConnection, DeliveryId, LimitConst as _, MemberId, RobotId,
        schema::{contacts, deliveries, verifications},
    },
    delivery::DeliveryState,
    error::Result,
    robots::Channel,
};

/// A code that was sent.
#[derive(Clone, Debug, Queryable, Selectable, Insertable)]
#[diesel(table_name = verifications)]
pub struct Sent {
    /// Whose it is.
    pub member: MemberId,
    /// The channel's word.
    pub channel: String,
    /// The robot it was sent by.
    pub robot: RobotId,
    /// The delivery that carries it.
    pub delivery: DeliveryId,
    /// Its keyed hash.
    pub code_hash: Vec<u8>,
    /// How often a wrong code may still be typed.
    pub tries_left: i64,
    /// Until when it counts.
    pub expires_at: NaiveDateTime,
}

/// Keeps a code; the one before it is worth nothing any more.
///
/// # Errors
/// When the database cannot be written.
pub fn keep(c: &mut AnyConnection, sent: &Sent) -> Result<()> {
    diesel::delete(row(sent.member, &sent.channel)).execute(c)?;
    diesel::insert_into(verifications::table).values(sent).execute(c)?;
    Ok(())
}

/// The newest code of a member for a channel.
///
/// # Errors
/// When the database cannot be read.
pub fn find(c: &mut AnyConnection, member: MemberId, channel: Channel) -> Result<Option<Sent>> {
    Ok(row(member, channel.as_str()).select(Sent::as_select()).first_cached(c).optional()?)
}

/// The channels of a member where a code can be typed in now, and until when. One that its group did not get is not waited
/// for.
///
/// # Errors
/// When the database cannot be read.
pub fn open(c: &mut AnyConnection, member: MemberId, now: NaiveDateTime) -> Result<Vec<(Channel, NaiveDateTime)>> {
    let rows: Vec<(String, NaiveDateTime)> = verifications::table
        .inner_join(deliveries::table.on(deliveries::id.eq(verifications::delivery)))
        .filter(verifications::member.eq(member))
        .filter(verifications::expires_at.gt(now))
        .filter(verifications::tries_left.gt(0))
        .filter(deliveries::state.ne(DeliveryState::Failed.as_str()))
        .select((verifications::channel, verifications::expires_at))
        .load(c)?;
    Ok(rows.into_iter().filter_map(|(channel, until)| Some((Channel::parse(&channel)?, until))).collect())
}

/// Counts a wrong code.
///
/// # Errors
/// When the database cannot be written.
pub fn miss(c: &mut AnyConnection, sent: &Sent) -> Result<()> {
    let left = verifications::tries_left.eq(verifications::tries_left - 1);
    diesel::update(row(sent.member, &sent.channel)).set(left).execute(c)?;
    Ok(())
}

/// The member reads this robot's group: the contact is verified, and its code is used up.
///
/// # Errors
/// When the database cannot be written.
pub fn prove(
    c: &mut AnyConnection,
    member: MemberId,
    channel: Channel,
    robot: RobotId,
    now: NaiveDateTime,
) -> Result<()> {
    let contact = contacts::table
        .filter(contacts::member.eq(member))
        .filter(contacts::channel.eq(channel.as_str()))
        .filter(contacts::robot.eq(robot));
    diesel::update(contact).set(contacts::verified_at.eq(Some(now))).execute(c)?;
    forget(c, member, channel)
}

/// Forgets the code of a channel.
///
/// # Errors
/// When the database cannot be written.
pub fn forget(c: &mut AnyConnection, member: MemberId, channel: Channel) -> Result<()> {
    diesel::delete(row(member, channel.as_str())).execute(c)?;
    Ok(())
}

/// Forgets every code of a member.
///
/// # Errors
/// When the database cannot be written.
pub fn forget_all(c: &mut AnyConnection, member: MemberId) -> Result<()> {
    diesel::delete(verifications::table.filter(verifications::member.eq(member))).execute(c)?;
    Ok(())
}

#[diesel::dsl::auto_type(no_type_alias)]
fn row(member: MemberId, channel: &str) -> _ {
    verifications::table.filter(verifications::member.eq(member)).filter(verifications::channel.eq(channel))
}
