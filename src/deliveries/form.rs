//! What the record can be asked for.

use serde::Deserialize;

use super::store::Filter;
use crate::{courier::DeliveryState, db::Seek, robots::Channel};

/// The query of the record's URL. A state or channel that does not exist is none.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The state's word.
    pub status: String,
    /// The channel's word.
    pub channel: String,
    /// A part of the title or of the recipient's name.
    pub q: String,
    /// The page of the rows older than this one.
    pub before: Option<i64>,
    /// The page of the rows newer than this one.
    pub after: Option<i64>,
}

impl Asked {
    /// The rows that were asked for.
    pub fn filter(&self) -> Filter {
        Filter {
            state: DeliveryState::parse(&self.status),
            channel: Channel::parse(&self.channel),
            text: self.q.trim().to_owned(),
            seek: Seek { before: self.before, after: self.after },
        }
    }

    /// Whether anything narrows the record.
    pub fn narrows(&self) -> bool {
        let filter = self.filter();
        filter.state.is_some() || filter.channel.is_some() || !filter.text.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_sends_is_read_and_what_does_not_exist_narrows_nothing() {
        let asked: Asked = serde_html_form::from_str("status=failed&channel=lark&q=+ann+&before=7").unwrap();
        let filter = asked.filter();
        assert_eq!((filter.state, filter.channel), (Some(DeliveryState::Failed), Some(Channel::Lark)));
        assert_eq!((filter.text.as_str(), filter.seek.before), ("ann", Some(7)));
        let empty: Asked = serde_html_form::from_str("status=&channel=fax&q=&before=").unwrap();
        assert!(!empty.narrows() && empty.filter().seek == Seek::default());
    }
}
