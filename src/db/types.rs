//! Typed ids: a number that cannot be taken for the id of another table.

use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    serialize::{self, Output, ToSql},
    sql_types::BigInt,
};

/// Declares an id: a number that cannot be taken for the id of another table.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, AsExpression, FromSqlRow, serde::Serialize,
            serde::Deserialize,
        )]
        #[diesel(sql_type = BigInt)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl<DB: Backend> ToSql<BigInt, DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                i64::from_sql(bytes).map(Self)
            }
        }
    };
}

id!(
    /// A person's log-in, known to the whole instance.
    AccountId
);
id!(
    /// A tenant.
    TenantId
);
id!(
    /// An account's membership of one tenant.
    MemberId
);
id!(
    /// A tenant's robot.
    RobotId
);
id!(
    /// What is to reach one recipient over one channel.
    DeliveryId
);
id!(
    /// What goes over the wire.
    MessageId
);
id!(
    /// An alert event.
    AlertId
);
id!(
    /// An entry of an alert event's time line.
    EntryId
);
id!(
    /// An alert rule.
    RuleId
);
id!(
    /// A user group.
    GroupId
);
id!(
    /// A shift schedule.
    ScheduleId
);
id!(
    /// An internal portal.
    PortalId
);

/// The scope of the instance's own channel switches; a tenant's scope is its id, and ids start at 1.
pub const INSTANCE_SCOPE: i64 = 0;
