//! A digest: several alerts in one message. Pure: which lines it lists, and how many alerts are only counted.
//!
//! It is laid out before it is sent and kept as it is, so that every attempt says the same.

use std::sync::Arc;

use super::model::DeliveryKind;
use crate::{
    db::{AlertId, AnyConnection, MessageId, TenantId},
    error::Result,
    robots::Channel,
};

/// The longest title on a line, in characters: as long as an alert's may be.
const MAX_TITLE_CHARS: usize = 128;

/// The fewest lines that a tenant's own words must leave room for, or Belfry's own are taken.
const MIN_LINES_WITH_CUSTOM_TEMPLATE: usize = 3;

/// A line of a digest: all that it tells of one alert event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestLine {
    /// The event; nothing for a notice about something else.
    pub alert: Option<AlertId>,
    /// What it says last, as people wrote it, on one line.
    pub title: String,
    /// What happened last.
    pub kind: DeliveryKind,
    /// How grave it is, in the word of the database; empty for a notice that is not about an alert.
    pub severity: String,
    /// The page that the alert itself names; empty for none.
    pub link: String,
    /// How many alerts the line stands for.
    pub count: i64,
}

/// How much of each kind a digest carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestCounts {
    /// Alerts that began.
    pub firing: i64,
    /// Alerts that fired again.
    pub repeated: i64,
    /// Alerts that are over.
    pub resolved: i64,
    /// Everything that is no alert: a group is told whose alerts arrive there, or which robots are broken.
    pub notices: i64,
}

impl DigestCounts {
    /// How many alerts it carries.
    #[must_use]
    pub fn alert_count(&self) -> i64 {
        self.firing + self.repeated + self.resolved
    }
}

/// What a digest is for.
#[derive(Clone, Debug)]
pub struct DigestContext {
    /// The tenant whose alerts it tells of.
    pub tenant: TenantId,
    /// The channel it goes over.
    pub channel: Channel,
    /// The message that carries them.
    pub message: MessageId,
    /// Whom it is for, by the names as the record shows them.
    pub recipients: Vec<String>,
    /// What it carries.
    pub counts: DigestCounts,
}

/// The words of one digest.
pub trait DigestRenderer {
    /// A line of the list, in Markdown.
    fn render_line(&self, line: &DigestLine) -> String;
    /// The line that counts the alerts without a line, in Markdown.
    fn render_more(&self, count: i64) -> String;
    /// Title and text of the message around the list, by the tenant's own template or else by Belfry's.
    fn render_message(&self, list: &str, count: i64, use_custom_template: bool) -> (String, String);
}

/// Finds the words for a digest. The delivery worker is given one, because it knows no templates.
pub type DigestRendererFactory =
    Arc<dyn Fn(&mut AnyConnection, DigestContext) -> Result<Box<dyn DigestRenderer>> + Send + Sync>;

/// A digest as its group reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DigestLayout {
    pub title: String,
    pub body: String,
    /// How many of the lines are in it; all other alerts are counted.
    pub listed_lines: usize,
}

/// Lays a digest out: as many of the lines, first to last, as `fits` lets through, and the number of the alerts that have
/// none, of `total` in all.
pub(super) fn lay_out(
    renderer: &dyn DigestRenderer,
    lines: &[DigestLine],
    total: i64,
    fits: impl Fn(&str, &str) -> bool,
) -> DigestLayout {
    let rendered_lines: Vec<String> = lines.iter().map(|line| renderer.render_line(line)).collect();
    let render = |listed: usize, own: bool| {
        let listed_alerts: i64 = lines.iter().take(listed).map(|line| line.count).sum();
        let more = (total > listed_alerts).then(|| renderer.render_more(total - listed_alerts));
        let list: Vec<&str> = rendered_lines.iter().take(listed).chain(&more).map(String::as_str).collect();
        let list = list.join("\n");
        let (title, body) = renderer.render_message(&list, total, own);
        let is_complete = !title.is_empty() && body.contains(&list) && fits(&title, &body);
        (DigestLayout { title, body, listed_lines: listed }, is_complete)
    };
    let max_listed_lines = |own: bool| {
        // Without the line that counts the rest, all of them may fit where one less would not.
        if render(lines.len(), own).1 {
            return lines.len();
        }
        // Lines are looked for by halves: the more of them, the longer the text.
        let (mut fit, mut too_many) = (0, lines.len());
        while too_many - fit > 1 {
            let half = fit.midpoint(too_many);
            if render(half, own).1 { fit = half } else { too_many = half }
        }
        fit
    };
    let own = max_listed_lines(true);
    if own >= MIN_LINES_WITH_CUSTOM_TEMPLATE.min(lines.len())
        && let (layout, true) = render(own, true)
    {
        return layout;
    }
    render(max_listed_lines(false), false).0
}

/// A title as a line holds it: from its first character, cut at its end.
pub(super) fn truncate_title(title: &str) -> String {
    match title.char_indices().nth(MAX_TITLE_CHARS) {
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or_default()),
        None => title.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::robots::{OutgoingMessage, fits_channel};

    /// Words like Belfry's own, or with a template of the tenant's around the list.
    struct PlainRenderer<'w> {
        template: Option<(&'w str, &'w str)>,
    }

    impl DigestRenderer for PlainRenderer<'_> {
        fn render_line(&self, line: &DigestLine) -> String {
            format!("- {} ×{}", line.title, line.count)
        }

        fn render_more(&self, count: i64) -> String {
            format!("and {count} more")
        }

        fn render_message(&self, list: &str, count: i64, use_custom_template: bool) -> (String, String) {
            let (before, after) = self.template.filter(|_| use_custom_template).unwrap_or_default();
            (format!("[Dataphin] {count} alerts"), format!("{before}{list}{after}"))
        }
    }

    fn digest_line(title: &str, count: i64) -> DigestLine {
        DigestLine {
            alert: None,
            title: truncate_title(title),
            kind: DeliveryKind::Firing,
            severity: "warning".to_owned(),
            link: String::new(),
            count,
        }
    }

    fn within_channel_limit(channel: Channel, mentions: usize) -> impl Fn(&str, &str) -> bool {
        move |title, body| {
            let mobiles = (0..mentions).map(|n| format!("138{n:08}")).collect();
            let message =
                OutgoingMessage { title: title.to_owned(), text: body.to_owned(), mobiles, uuid: "u".repeat(32) };
            fits_channel(channel, &message)
        }
    }

    #[test]
    fn what_fits_is_listed_and_nothing_is_counted_besides() {
        let lines = [digest_line("disk", 1), digest_line("网络", 3)];
        let layout = lay_out(&PlainRenderer { template: None }, &lines, 4, |_, _| true);
        let expected = DigestLayout {
            title: "[Dataphin] 4 alerts".to_owned(),
            body: "- disk ×1\n- 网络 ×3".to_owned(),
            listed_lines: 2,
        };
        assert_eq!(layout, expected);
    }

    #[test]
    fn what_does_not_fit_is_counted_with_what_was_not_even_read() {
        let lines = [digest_line("disk", 1), digest_line("net", 3)];
        let layout = lay_out(&PlainRenderer { template: None }, &lines, 40, |_, body| body.len() < 30);
        assert_eq!(layout.body, "- disk ×1\nand 39 more");
    }

    #[test]
    fn the_last_line_may_use_the_space_of_the_count_it_replaces() {
        let lines = [digest_line("disk", 1), digest_line("net", 1)];
        let layout = lay_out(&PlainRenderer { template: None }, &lines, 2, |_, body| body.len() <= 20);
        assert_eq!(layout.body, "- disk ×1\n- net ×1");
    }

    #[test]
    fn a_custom_template_is_used_unless_it_leaves_no_room_or_drops_the_list() {
        let lines: Vec<DigestLine> = (0..30).map(|n| digest_line(&format!("alert {n}"), 1)).collect();
        let fits = within_channel_limit(Channel::WeCom, 0);
        let own = |own| lay_out(&PlainRenderer { template: Some(own) }, &lines, 30, &fits).body;
        assert!(own(("Look:\n", "\nThanks.")).starts_with("Look:\n- alert 0 ×1\n"));
        assert!(own((&"字".repeat(1_360), "")).starts_with("- alert 0 ×1\n"));
        struct ListDroppingRenderer;
        impl DigestRenderer for ListDroppingRenderer {
            fn render_line(&self, line: &DigestLine) -> String {
                line.title.clone()
            }
            fn render_more(&self, count: i64) -> String {
                count.to_string()
            }
            fn render_message(&self, list: &str, _: i64, use_custom_template: bool) -> (String, String) {
                ("t".to_owned(), if use_custom_template { "no list".to_owned() } else { list.to_owned() })
            }
        }
        assert!(lay_out(&ListDroppingRenderer, &lines, 30, &fits).body.starts_with("alert 0\nalert 1"));
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
            let lines: Vec<DigestLine> = titles.iter().map(|(title, count)| digest_line(title, *count)).collect();
            let total = lines.iter().map(|line| line.count).sum::<i64>() + beyond;
            let fits = within_channel_limit(channel, mentions);
            let own = own.as_ref().map(|(before, after)| (before.as_str(), after.as_str()));
            let renderer = PlainRenderer { template: own };
            let layout = lay_out(&renderer, &lines, total, &fits);
            prop_assert!(fits(&layout.title, &layout.body));
            prop_assert!(layout.listed_lines > 0 && layout.title.contains("Dataphin"));
            let rendered_lines: Vec<String> = lines.iter().take(layout.listed_lines).map(|line| renderer.render_line(line)).collect();
            let listed: i64 = lines.iter().take(layout.listed_lines).map(|line| line.count).sum();
            let rest = if total > listed { format!("\nand {} more", total - listed) } else { String::new() };
            let list = format!("{}{rest}", rendered_lines.join("\n"));
            prop_assert!(layout.body.contains(&list));
            // One line more would not have fitted, in Belfry's own words at least.
            if own.is_none() && layout.listed_lines < lines.len() {
                let listed_alerts = lines.iter().take(layout.listed_lines + 1).map(|line| line.count).sum::<i64>();
                let more = if total > listed_alerts { format!("\nand {} more", total - listed_alerts) } else { String::new() };
                let longer = format!("{}\n{}{more}", rendered_lines.join("\n"), renderer.render_line(&lines[layout.listed_lines]));
                prop_assert!(!fits(&layout.title, &longer));
            }
        }
    }

    #[test]
    fn a_title_is_cut_at_its_end_alone() {
        assert_eq!(truncate_title("磁盘"), "磁盘");
        assert_eq!(truncate_title(&"磁".repeat(128)), "磁".repeat(128));
        assert_eq!(truncate_title(&"磁".repeat(129)), format!("{}…", "磁".repeat(128)));
    }
}
