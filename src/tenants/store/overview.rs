//! The numbers on a tenant's home page: who is reached by which channel, and who by none.

use diesel::{dsl::count_star, prelude::*};

use crate::{
    db::{
        AnyConnection, LimitConst as _, MemberId, TenantId,
        schema::{contacts, members, robots, tenants},
    },
    error::Result,
    robots::Channel,
};

/// How many people a tenant's alerts can reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// How many members there are.
    pub members: i64,
    /// How many active members have a robot, by channel.
    by_channel: Vec<(Channel, i64)>,
    /// How many active members have no robot at all.
    pub unreached: i64,
}

impl Reach {
    /// How many active members a channel reaches, when it is on.
    #[must_use]
    pub fn reached_by(&self, channel: &Channel) -> i64 {
        self.by_channel.iter().find(|(reaching, _)| reaching == channel).map_or(0, |(_, count)| *count)
    }

    /// Whether nobody at all has a robot.
    #[must_use]
    pub fn is_nobody(&self) -> bool {
        self.by_channel.iter().all(|(_, count)| *count == 0)
    }
}

/// Counts whom a tenant's alerts can reach.
///
/// # Errors
/// When the database cannot be read.
pub fn reach(c: &mut AnyConnection, tenant: TenantId) -> Result<Reach> {
    // Counting what the few disabled members have apart spares a look at the row of every active one.
    let disabled: Vec<(String, i64)> = members::table
        .inner_join(contacts::table)
        .filter(members::tenant.eq(tenant))
        .filter(members::status.eq("disabled"))
        .group_by(contacts::channel)
        .select((contacts::channel, count_star()))
        .load(c)?;
    let everybody: Vec<(String, i64)> = robots::table
        .inner_join(contacts::table)
        .filter(robots::tenant.eq(tenant))
        .group_by(robots::channel)
        .select((robots::channel, count_star()))
        .load(c)?;
    let of = |counts: &[(String, i64)], channel: Channel| {
        counts.iter().find(|(word, _)| word == channel.as_str()).map_or(0, |(_, count)| *count)
    };
    let unreached = members::table
        .filter(members::tenant.eq(tenant))
        .filter(members::status.eq("active"))
        .filter(members::robot_count.eq(0));
    Ok(Reach {
        members: tenants::table.find(tenant).select(tenants::member_count).first_cached(c)?,
        by_channel: Channel::ALL.map(|channel| (channel, of(&everybody, channel) - of(&disabled, channel))).to_vec(),
        unreached: unreached.count().get_result(c)?,
    })
}

/// The channels that have a robot of this member.
///
/// # Errors
/// When the database cannot be read.
pub fn channels_of(c: &mut AnyConnection, member: MemberId) -> Result<Vec<Channel>> {
    let channels: Vec<String> =
        contacts::table.filter(contacts::member.eq(member)).select(contacts::channel).load(c)?;
    Ok(channels.iter().filter_map(|channel| Channel::parse(channel)).collect())
}

#[cfg(test)]
mod tests {
    use diesel::insert_into;

    use super::*;
    use crate::{
        access::Actor,
        access::Role,
        accounts::{Username, store as accounts},
        clock::Clock,
        db::{RobotId, fixture::database},
        members::store::{NewMember, insert as add_member},
        tenants::store::{NewTenant, insert as add_tenant},
    };

    /// A tenant with the members 1 to 3, and a robot of each channel.
    fn furnish(c: &mut AnyConnection) -> TenantId {
        let now = Clock::default().now();
        let names = ["ann", "bob", "cay"].map(|name| Username::parse(name).unwrap());
        let accounts = names.each_ref().map(|name| accounts::insert_account(c, name, "no hash", false, now).unwrap());
        let who = Actor { account: None, name: "root".into(), address: String::new() };
        let tenant = NewTenant {
            name: "t",
            slug: "t",
            description: "",
            metadata_warehouse: false,
            locale: crate::tenants::Locale::proposed(crate::language::Language::English, None),
        };
        let tenant = add_tenant(c, &tenant, accounts[0], &names[0], &who, now).unwrap();
        for (account, username) in accounts.into_iter().zip(&names).skip(1) {
            let member = NewMember { account, username, display_name: username.as_str(), role: Role::Member };
            add_member(c, tenant, &member, now).unwrap();
        }
        for channel in Channel::ALL {
            insert_into(robots::table)
                .values((
                    robots::tenant.eq(tenant),
                    robots::channel.eq(channel.as_str()),
                    robots::fingerprint.eq(channel.as_str().as_bytes()),
                    robots::sealed_url.eq(b"sealed".as_slice()),
                    robots::host.eq("robots.example"),
                    robots::last_four.eq("beef"),
                    robots::state.eq("ok"),
                    robots::reason.eq(""),
                    robots::created_at.eq(now),
                ))
                .execute(c)
                .unwrap();
        }
        tenant
    }

    fn give(c: &mut AnyConnection, member: i64, channel: Channel) {
        let robot = Channel::ALL.iter().position(|other| *other == channel).unwrap();
        insert_into(contacts::table)
            .values((
                contacts::member.eq(MemberId(member)),
                contacts::channel.eq(channel.as_str()),
                contacts::robot.eq(RobotId(i64::try_from(robot).unwrap() + 1)),
            ))
            .execute(c)
            .unwrap();
        diesel::update(members::table.find(MemberId(member)))
            .set(members::robot_count.eq(members::robot_count + 1))
            .execute(c)
            .unwrap();
    }

    #[test]
    fn active_members_are_counted_by_channel_and_those_without_a_robot_apart() {
        let (_folder, mut c) = database();
        let tenant = furnish(&mut c);
        assert!(reach(&mut c, tenant).unwrap().is_nobody());
        give(&mut c, 1, Channel::DingTalk);
        give(&mut c, 1, Channel::Lark);
        give(&mut c, 2, Channel::DingTalk);
        let before = reach(&mut c, tenant).unwrap();
        assert_eq!(Channel::ALL.map(|channel| before.reached_by(&channel)), [2, 1, 0]);
        assert_eq!((before.members, before.unreached), (3, 1));
        diesel::update(members::table.find(MemberId(2))).set(members::status.eq("disabled")).execute(&mut c).unwrap();
        assert_eq!(reach(&mut c, tenant).unwrap().reached_by(&Channel::DingTalk), 1);
        assert_eq!(channels_of(&mut c, MemberId(1)).unwrap(), [Channel::DingTalk, Channel::Lark]);
    }
}
