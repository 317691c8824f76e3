//! A digest: several alerts in one message. Pure: which lines it lists, and how many alerts are only counted.
//!
//! It is laid out before it is sent and kept as it is, so that every attempt says the same.

use std::sync::Arc;

use super::model::Kind;
use crate::{
    db::{AlertId, AnyConnection, MessageId, TenantId},
    error::Result,
    robots::Channel,
};

/// The longest title on a line, in characters: as long as an alert's may be.
const LONGEST_TITLE: usize = 128;

/// The fewest lines that a tenant's own words must leave room for, or Belfry's own are taken.
const FEWEST_LINES: usize = 3;

/// A line of a digest: all that it tells of one alert event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The event; nothing for a notice about something else.
    pub alert: Option<AlertId>,
    /// What it says last, as people wrote it, on one line.
    pub title: String,
    /// What happened last.
    pub kind: Kind,
    /// How grave it is, in the word of the database; empty for a notice that is not about an alert.
    pub severity: String,
    /// The page that the alert itself names; empty for none.
    pub link: String,
    /// How many alerts the line stands for.
    pub count: i64,
}

/// How much of each kind a digest carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts that began.
    pub firing: i64,
    /// Alerts that fired again.
    pub repeated: i64,
    /// Alerts that are over.
    pub resolved: i64,
    /// Everything that is no alert: a group is told whose alerts arrive there, or which robots are broken.
    pub notices: i64,
}

impl Counts {
    /// How many alerts it carries.
    #[must_use]
    pub fn alerts(&self) -> i64 {
        self.firing + self.repeated + self.resolved
    }
}

/// What a digest is for.
#[derive(Clone, Debug)]
pub struct About {
    /// The tenant whose alerts it tells of.
    pub tenant: TenantId,
    /// The channel it goes over.
    pub channel: Channel,
    /// The message that carries them.
    pub message: MessageId,
    /// Whom it is for, by the names as the record shows them.
    pub recipients: Vec<String>,
    /// What it carries.
    pub counts: Counts,
}

/// The words of one digest.
pub trait Wording {
    /// A line of the list, in Markdown.
    fn line(&self, line: &Line) -> String;
    /// The line that counts the alerts without a line, in Markdown.
    fn more(&self, count: i64) -> String;
    /// Title and text of the message around the list, by the tenant's own template or else by Belfry's.
    fn message(&self, list: &str, count: i64, by_own_template: bool) -> (String, String);
}

/// Finds the words for a digest. The courier is given one, because it knows no templates.
pub type Speller = Arc<dyn Fn(&mut AnyConnection, About) -> Result<Box<dyn Wording>> + Send + Sync>;

/// A digest as its group reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Laid {
    pub title: String,
    pub body: String,
    /// How many of the lines are in it; all other alerts are counted.
    pub listed: usize,
}

/// Lays a digest out: as many of the lines, first to last, as `fits` lets through, and the number of the alerts that have
/// none, of `total` in all.
pub(super) fn lay(wording: &dyn Wording, lines: &[Line], total: i64, fits: impl Fn(&str, &str) -> bool) -> Laid {
    let written: Vec<String> = lines.iter().map(|line| wording.line(line)).collect();
    let with = |listed: usize, own: bool| {
        let counted: i64 = lines.iter().take(listed).map(|line| line.count).sum();
        let more = (total > counted).then(|| wording.more(total - counted));
        let list: Vec<&str> = written.iter().take(listed).chain(&more).map(String::as_str).collect();
        let list = list.join("\n");
        let (title, body) = wording.message(&list, total, own);
        let is_whole = !title.is_empty() && body.contains(&list) && fits(&title, &body);
        (Laid { title, body, listed }, is_whole)
    };
    let longest = |own: bool| {
        // Without the line that counts the rest, all of them may fit where one less would not.
        if with(lines.len(), own).1 {
            return lines.len();
        }
        // Lines are looked for by halves: the more of them, the longer the text.
        let (mut fit, mut too_many) = (0, lines.len());
        while too_many - fit > 1 {
            let half = fit.midpoint(too_many);
            if with(half, own).1 { fit = half } else { too_many = half }
        }
        fit
    };
    let own = longest(true);
    if own >= FEWEST_LINES.min(lines.len())
        && let (laid, true) = with(own, true)
    {
        return laid;
    }
    with(longest(false), false).0
}

/// A title as a line holds it: from its first character, cut at its end.
pub(super) fn short(title: &str) -> String {
    match title.char_indices().nth(LONGEST_TITLE) {
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or_default()),
        None => title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::robots::{Message, fits};

    /// Words like Belfry's own, or with a template of the tenant's around the list.
    struct Plain<'w> {
        own: Option<(&'w str, &'w str)>,
    }

    impl Wording for Plain<'_> {
        fn line(&self, line: &Line) -> String {
            format!("- {} ×{}", line.title, line.count)
        }

        fn more(&self, count: i64) -> String {
            format!("and {count} more")
        }

        fn message(&self, list: &str, count: i64, by_own_template: bool) -> (String, String) {
            let (before, after) = self.own.filter(|_| by_own_template).unwrap_or_default();
            (format!("[Dataphin] {count} alerts"), format!("{before}{list}{after}"))
        }
    }

    fn line(title: &str, count: i64) -> Line {
        Line {
            alert: None,
            title: short(title),
            kind: Kind::Firing,
            severity: "warning".to_owned(),
            link: String::new(),
            count,
        }
    }

    fn in_channel(channel: Channel, mentions: usize) -> impl Fn(&str, &str) -> bool {
        move |title, body| {
            let mobiles = (0..mentions).map(|n| format!("138{n:08}")).collect();
            let message = Message { title: title.to_owned(), text: body.to_owned(), mobiles, uuid: "u".repeat(32) };
            fits(channel, &message)
        }
    }

    #[test]
    fn what_fits_is_listed_and_nothing_is_counted_besides() {
        let lines = [line("disk", 1), line("网络", 3)];
        let laid = lay(&Plain { own: None }, &lines, 4, |_, _| true);
        let expected =
            Laid { title: "[Dataphin] 4 alerts".to_owned(), body: "- disk ×1\n- 网络 ×3".to_owned(), listed: 2 };
        assert_eq!(laid, expected);
    }

    #[test]
    fn what_does_not_fit_is_counted_with_what_was_not_even_read() {
        let lines = [line("disk", 1), line("net", 3)];
        let laid = lay(&Plain { own: None }, &lines, 40, |_, body| body.len() < 30);
        assert_eq!(laid.body, "- disk ×1\nand 39 more");
    }

    #[test]
    fn the_last_line_takes_the_room_of_the_count_that_it_saves() {
        let lines = [line("disk", 1), line("net", 1)];
        let laid = lay(&Plain { own: None }, &lines, 2, |_, body| body.len() <= 20);
        assert_eq!(laid.body, "- disk ×1\n- net ×1");
    }

    #[test]
    fn a_template_of_the_tenants_own_is_used_unless_it_leaves_too_little_room_or_drops_the_list() {
        let lines: Vec<Line> = (0..30).map(|n| line(&format!("alert {n}"), 1)).collect();
        let fits = in_channel(Channel::WeCom, 0);
        let own = |own| lay(&Plain { own: Some(own) }, &lines, 30, &fits).body;
        assert!(own(("Look:\n", "\nThanks.")).starts_with("Look:\n- alert 0 ×1\n"));
        assert!(own((&"字".repeat(1_360), "")).starts_with("- alert 0 ×1\n"));
        struct Dropping;
        impl Wording for Dropping {
            fn line(&self, line: &Line) -> String {
                line.title.clone()
            }
            fn more(&self, count: i64) -> String {
                count.to_string()
            }
            fn message(&self, list: &str, _: i64, by_own_template: bool) -> (String, String) {
                ("t".to_owned(), if by_own_template { "no list".to_owned() } else { list.to_owned() })
            }
        }
        assert!(lay(&Dropping, &lines, 30, &fits).body.starts_with("alert 0\nalert 1"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// The sum is exact, the limit holds, and lines are neither skipped nor broken.
        #[test]
        fn every_alert_is_listed_or_counted_once_within_the_limit(
            titles in prop::collection::vec(("\\PC{1,150}", 1_i64..4), 1..300),
            beyond in 0_i64..10_000,
            mentions in 0_usize..60,
            channel in prop::sample::select(&Channel::ALL[..]),
            own in prop::option::of(("(\\PC|\n){0,2000}", "(\\PC|\n){0,2000}")),
        ) {
            let lines: Vec<Line> = titles.iter().map(|(title, count)| line(title, *count)).collect();
            let total = lines.iter().map(|line| line.count).sum::<i64>() + beyond;
            let fits = in_channel(channel, mentions);
            let own = own.as_ref().map(|(before, after)| (before.as_str(), after.as_str()));
            let wording = Plain { own };
            let laid = lay(&wording, &lines, total, &fits);
            prop_assert!(fits(&laid.title, &laid.body));
            prop_assert!(laid.listed > 0 && laid.title.contains("Dataphin"));
            let written: Vec<String> = lines.iter().take(laid.listed).map(|line| wording.line(line)).collect();
            let listed: i64 = lines.iter().take(laid.listed).map(|line| line.count).sum();
            let rest = if total > listed { format!("\nand {} more", total - listed) } else { String::new() };
            let list = format!("{}{rest}", written.join("\n"));
            prop_assert!(laid.body.contains(&list));
            // One line more would not have fitted, in Belfry's own words at least.
            if own.is_none() && laid.listed < lines.len() {
                let counted = lines.iter().take(laid.listed + 1).map(|line| line.count).sum::<i64>();
                let more = if total > counted { format!("\nand {} more", total - counted) } else { String::new() };
                let longer = format!("{}\n{}{more}", written.join("\n"), wording.line(&lines[laid.listed]));
                prop_assert!(!fits(&laid.title, &longer));
            }
        }
    }

    #[test]
    fn a_title_is_cut_at_its_end_alone() {
        assert_eq!(short("磁盘"), "磁盘");
        assert_eq!(short(&"磁".repeat(128)), "磁".repeat(128));
        assert_eq!(short(&"磁".repeat(129)), format!("{}…", "磁".repeat(128)));
    }
}
