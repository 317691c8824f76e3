//! Typed ids: a number that cannot be taken for the id of another table.

use chrono::{NaiveDate, NaiveDateTime};
use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::Pg,
    serialize::{self, Output, ToSql},
    sql_types::{BigInt, Text, Timestamp},
    sqlite::Sqlite,
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

/// A time of the database, UTC, for lists that read many.
///
/// Postgres keeps a number. SQLite keeps text, `2026-11-22 03:04:05` with or without a fraction, that diesel reads by trying
/// format strings: half the work of reading a row. Only a connection itself reads this type, not `AnyConnection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromSqlRow)]
pub struct FastTimestamp(pub NaiveDateTime);

impl FromSql<Timestamp, Pg> for FastTimestamp {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <NaiveDateTime as FromSql<Timestamp, Pg>>::from_sql(bytes).map(Self)
    }
}

impl FromSql<Timestamp, Sqlite> for FastTimestamp {
    fn from_sql(mut bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let text = bytes.read_text();
        parse_sqlite_timestamp(text).map(Self).ok_or_else(|| format!("not a time: {text}").into())
    }
}

/// A value that stands as a word in the database, for lists that read many: it is read without a copy of the word. Only a
/// connection itself reads this type, not `AnyConnection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromSqlRow)]
pub struct FastEnum<W>(pub W);

/// A value that stands as a word in the database.
pub trait DbEnum: Sized {
    /// The value of a word.
    fn from_word(word: &str) -> Option<Self>;
}

impl<W: DbEnum> FromSql<Text, Pg> for FastEnum<W> {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        parse_word(std::str::from_utf8(bytes.as_bytes())?)
    }
}

impl<W: DbEnum> FromSql<Text, Sqlite> for FastEnum<W> {
    fn from_sql(mut bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        parse_word(bytes.read_text())
    }
}

fn parse_word<W: DbEnum>(word: &str) -> deserialize::Result<FastEnum<W>> {
    W::from_word(word).map(FastEnum).ok_or_else(|| format!("an unknown word: {word}").into())
}

/// The time that a text of SQLite's is.
fn parse_sqlite_timestamp(text: &str) -> Option<NaiveDateTime> {
    let (date, rest) = (text.get(..10)?, text.get(11..)?);
    let (time, fraction) = (rest.get(..8)?, rest.get(8..)?);
    let two_digits = |part: &str, from: usize| part.get(from..from + 2)?.parse().ok();
    let date = NaiveDate::from_ymd_opt(date.get(..4)?.parse().ok()?, two_digits(date, 5)?, two_digits(date, 8)?)?;
    let nanoseconds = match fraction.strip_prefix('.') {
        Some(digits) => digits.parse::<u32>().ok()? * 10u32.pow(9u32.checked_sub(u32::try_from(digits.len()).ok()?)?),
        None if fraction.is_empty() => 0,
        None => return None,
    };
    date.and_hms_nano_opt(two_digits(time, 0)?, two_digits(time, 3)?, two_digits(time, 6)?, nanoseconds)
}

/// The scope of the instance's own channel switches; a tenant's scope is its id, and ids start at 1.
pub const INSTANCE_SCOPE: i64 = 0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_timestamp_is_read_as_it_is_written(seconds in -62_135_596_800i64..253_402_300_800, nanoseconds in 0u32..1_000_000_000) {
            let time = chrono::DateTime::from_timestamp(seconds, nanoseconds).unwrap().naive_utc();
            // As diesel writes it.
            prop_assert_eq!(parse_sqlite_timestamp(&time.format("%F %T%.f").to_string()), Some(time));
        }
    }

    #[test]
    fn invalid_timestamps_are_rejected() {
        for text in [
            "",
            "2026-11-22",
            "2026-13-22 03:04:05",
            "2026-11-22 24:04:05",
            "2026-11-22 03:04:05x",
            "2026-11-22 03:04:05.1234567890",
        ] {
            assert_eq!(parse_sqlite_timestamp(text), None, "{text}");
        }
    }
}
