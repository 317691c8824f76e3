//! Members in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    access::Role,
    accounts::Username,
    db::{
        AccountId, AnyConnection, MemberId, TenantId,
        schema::{members, tenants},
    },
    error::Result,
};

/// A member to be added.
#[derive(Clone, Debug)]
pub struct NewMember<'m> {
    /// The account that becomes a member.
    pub account: AccountId,
    /// Its name.
    pub username: &'m Username,
    /// What the tenant calls the person.
    pub display_name: &'m str,
    /// The role.
    pub role: Role,
}

/// Adds a member.
///
/// # Errors
/// [`Error::Taken`](crate::error::Error::Taken) when the account is a member already.
pub fn insert(c: &mut AnyConnection, tenant: TenantId, member: &NewMember<'_>, now: NaiveDateTime) -> Result<MemberId> {
    let id = diesel::insert_into(members::table)
        .values((
            members::tenant.eq(tenant),
            members::account.eq(member.account),
            members::username.eq(member.username.as_str()),
            members::username_key.eq(member.username.key()),
            members::display_name.eq(member.display_name),
            members::display_name_key.eq(member.display_name.to_lowercase()),
            members::search_text.eq(search_text(&member.username.key(), member.display_name)),
            members::role.eq(member.role.as_str()),
            members::phone.eq(""),
            members::email.eq(""),
            members::status.eq("active"),
            members::robot_count.eq(0),
            members::joined_at.eq(now),
        ))
        .returning(members::id)
        .get_result(c)?;
    diesel::update(tenants::table.find(tenant)).set(tenants::member_count.eq(tenants::member_count + 1)).execute(c)?;
    Ok(id)
}

/// What a search looks into. No typed search holds the line feed, so it never matches across the two names.
fn search_text(username_key: &str, display_name: &str) -> String {
    format!("{username_key}\n{}", display_name.to_lowercase())
}
