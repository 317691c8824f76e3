//! What the record can be asked for.

use chrono::{Days, NaiveDate};
use serde::Deserialize;

use super::store::DeliveryFilter;
use crate::{
    db::{Cursor, MessageId},
    delivery::{DeliveryReason, DeliveryState},
    robots::Channel,
    web::{ListParameters, Times, Unread, query_string, swapped_days, unread},
};

/// The query of the record's URL, and the form that sends again all that it finds. What does not exist narrows nothing, and the page says so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DeliveryQuery {
    /// The state's word.
    pub status: String,
    /// The channel's word.
    pub channel: String,
    /// The reason's word.
    pub reason: String,
    /// A part of the object or of the recipient's name.
    pub q: String,
    /// A part of the recipient's name.
    pub recipient: String,
    /// The first day, as `YYYY-MM-DD` in the tenant's time zone.
    pub from: String,
    /// The last day.
    pub to: String,
    /// The number of the message that carries them, as the links in digests name it.
    pub message: String,
    /// The page of the rows older than this one.
    pub before: String,
    /// The page of the rows newer than this one.
    pub after: String,
    /// The newest row of those that were counted, for the form that sends them again.
    pub newest: Option<i64>,
}

impl ListParameters for DeliveryQuery {
    const NAMES: &'static [&'static str] =
        &["status", "channel", "reason", "q", "recipient", "from", "to", "message", "before", "after"];

    fn unknown_parameters(&self) -> Unread {
        let is_id = |text: &str| text.parse::<i64>().is_ok();
        let unread = unread(&[
            ("status", &self.status, DeliveryState::parse(&self.status).is_some()),
            ("channel", &self.channel, Channel::parse(&self.channel).is_some()),
            ("reason", &self.reason, DeliveryReason::parse(&self.reason).is_some()),
            ("from", &self.from, Times::parse_day(&self.from).is_some()),
            ("to", &self.to, Times::parse_day(&self.to).is_some()),
            ("message", &self.message, is_id(&self.message)),
            ("before", &self.before, is_id(&self.before)),
            ("after", &self.after, is_id(&self.after) && !is_id(&self.before)),
        ]);
        unread.into_iter().chain(swapped_days("from", &self.from, &self.to)).collect()
    }
}

impl DeliveryQuery {
    /// The rows that were asked for; days begin as in these times.
    pub fn filter(&self, times: Times) -> DeliveryFilter {
        let next = |day: NaiveDate| day.checked_add_days(Days::new(1));
        let (first, last) = Times::typed_days(&self.from, &self.to);
        DeliveryFilter {
            state: DeliveryState::parse(&self.status),
            channel: Channel::parse(&self.channel),
            reason: DeliveryReason::parse(&self.reason),
            text: self.q.trim().to_owned(),
            recipient: self.recipient.trim().to_owned(),
            since: first.map(|day| times.day_start(day)),
            until: last.and_then(next).map(|day| times.day_start(day)),
            message: self.message.parse().ok().map(MessageId),
        }
    }

    /// Which page of them.
    pub fn seek(&self) -> Cursor {
        Cursor { before: self.before.parse().ok(), after: self.after.parse().ok() }
    }

    /// The filters by the keys of their labels, as they stand in the URL; the empty ones too.
    pub fn filter_fields(&self) -> [(&'static str, &'static str, &str); 8] {
        [
            ("deliveries-keyword", "q", &self.q),
            ("deliveries-recipient", "recipient", &self.recipient),
            ("deliveries-from", "from", &self.from),
            ("deliveries-to", "to", &self.to),
            ("deliveries-status", "status", &self.status),
            ("deliveries-reason", "reason", &self.reason),
            ("deliveries-channel", "channel", &self.channel),
            ("deliveries-digest", "message", &self.message),
        ]
    }

    /// The filters as the query of a URL.
    pub fn to_query_string(&self) -> String {
        query_string(&self.filter_fields().map(|(_, name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDateTime;

    use super::*;

    fn parse_query(query: &str) -> DeliveryQuery {
        serde_html_form::from_str(query).unwrap()
    }

    #[test]
    fn query_values_are_parsed_and_unknown_ones_filter_nothing() {
        let read = parse_query("status=failed&channel=lark&reason=no-contact&q=+ann+&recipient=+bob&before=7");
        let filter = read.filter(Times::utc());
        assert_eq!((filter.state, filter.channel), (Some(DeliveryState::Failed), Some(Channel::Lark)));
        assert_eq!((filter.reason, filter.text.as_str()), (Some(DeliveryReason::NoContact), "ann"));
        assert_eq!((filter.recipient.as_str(), read.seek().before), ("bob", Some(7)));
        let empty = parse_query("status=&channel=fax&reason=none&q=&recipient=&from=yesterday&to=2026-13-01&before=");
        assert_eq!((empty.filter(Times::utc()), empty.seek()), (DeliveryFilter::default(), Cursor::default()));
    }

    #[test]
    fn days_begin_and_end_in_the_tenants_time_zone() {
        let filter = parse_query("from=2026-11-22&to=2026-11-22").filter(Times::for_zone("Asia/Shanghai"));
        let at = |text: &str| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").ok();
        assert_eq!((filter.since, filter.until), (at("2026-11-21 16:00"), at("2026-11-22 16:00")));
    }

    #[test]
    fn the_query_string_round_trips() {
        let query = "q=a+%26+b&from=2026-01-01&status=failed";
        assert_eq!(parse_query(query).to_query_string(), query);
    }
}
