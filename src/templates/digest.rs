//! The words of a digest, for the courier, which knows no templates: its lines, its count, and the message around them.

use std::sync::Arc;

use super::{Reason, Templates, Variables, Words, engine, store};
use crate::{
    courier::{About, Kind, Line, Speller, Wording},
    language::close_directions,
    robots::{escape_address, title_within},
};

/// The longest address of an alert's own that a line holds, in bytes: a longer one would take the room of many lines.
const LONGEST_LINK: usize = 500;

/// Finds the words of digests. `product` is the robots' keyword; `origin` is where Belfry's pages are, for the links to
/// them, when that is known.
#[must_use]
pub fn speller(product: String, origin: Option<String>) -> Speller {
    Arc::new(move |c, about| {
        let templates = store::load(c, about.tenant)?;
        let (tenant, slug) = store::name_and_slug(c, about.tenant)?;
        let pages = origin.as_ref().map(|origin| format!("{origin}/t/{slug}"));
        Ok(Box::new(Spelling { templates, product: product.clone(), tenant, pages, about }))
    })
}

/// How one digest is worded.
struct Spelling {
    templates: Templates,
    product: String,
    /// The tenant's name.
    tenant: String,
    /// Where the tenant's pages are.
    pages: Option<String>,
    about: About,
}

impl Spelling {
    fn text(&self, key: &str) -> String {
        self.templates.language().text(key).into_owned()
    }

    /// The page of an alert event: Belfry's, or else the one that the alert names.
    fn page_of(&self, line: &Line) -> Option<String> {
        let own = || Some(engine::link(&line.link)).filter(|link| !link.is_empty() && link.len() <= LONGEST_LINK);
        let alert = line.alert?;
        self.pages.as_ref().map(|pages| format!("{pages}/alerts/{alert}")).or_else(own)
    }

    /// The page that lists all that the digest tells of.
    fn whole_list(&self) -> Option<String> {
        self.pages.as_ref().map(|pages| format!("{pages}/deliveries?message={}", self.about.message))
    }
}

impl Wording for Spelling {
    fn line(&self, line: &Line) -> String {
        let word = match (line.kind, line.severity.as_str()) {
            (Kind::Resolved, _) => Some("templates-digest-resolved"),
            (_, "critical") => Some("templates-digest-critical"),
            (_, "warning") => Some("templates-digest-warning"),
            (_, "info") => Some("templates-digest-info"),
            _ => None,
        };
        let word = word.map(|key| format!("**{}** ", self.text(key))).unwrap_or_default();
        let times = if line.count > 1 { format!(" ×{}", line.count) } else { String::new() };
        let page = self.page_of(line).map(|page| escape_address(&page));
        let page = page.map(|page| format!(" [{}]({page})", self.text("templates-digest-open")));
        format!("- {word}{}{times}{}", title_within(&close_directions(&line.title)), page.unwrap_or_default())
    }

    fn more(&self, count: i64) -> String {
        let more = self.templates.language().count("templates-digest-more", count);
        match self.whole_list() {
            Some(page) => format!("- [{more}]({})", escape_address(&page)),
            None => format!("- {more}"),
        }
    }

    fn message(&self, list: &str, count: i64, by_own_template: bool) -> (String, String) {
        let variables = Variables {
            product: self.product.clone(),
            tenant: self.tenant.clone(),
            count,
            content: list.to_owned(),
            content_is_markdown: true,
            link: self.whole_list().unwrap_or_default(),
            recipients: self.about.recipients.clone(),
            ..Variables::default()
        };
        let Words { title, body } = match by_own_template {
            true => self.templates.render(self.about.channel, Reason::Digest, &variables),
            false => self.templates.render_belfrys(Reason::Digest, &variables),
        };
        (title, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        db::{AlertId, MessageId, TenantId},
        language::Language,
        robots::Channel,
    };

    fn spelling(language: Language, pages: Option<&str>) -> Spelling {
        let tenant = TenantId(1);
        let recipients = vec!["李娜".to_owned()];
        Spelling {
            templates: Templates { tenant, language, own: Vec::new() },
            product: "Dataphin".to_owned(),
            tenant: "ours".to_owned(),
            pages: pages.map(str::to_owned),
            about: About { tenant, channel: Channel::DingTalk, message: MessageId(7), recipients },
        }
    }

    fn line(kind: Kind, severity: &str, link: &str, count: i64) -> Line {
        let title = "磁盘 [db-7] <@all> full".to_owned();
        Line { alert: Some(AlertId(3)), title, kind, severity: severity.to_owned(), link: link.to_owned(), count }
    }

    #[test]
    fn a_line_says_how_grave_it_is_what_how_often_and_where_to_read_on() {
        let english = spelling(Language::English, Some("https://belfry.example/t/ours"));
        let expected =
            "- **Critical** 磁盘 \\[db-7\\] \\<\\@all\\> full ×3 [Open](https://belfry.example/t/ours/alerts/3)";
        assert_eq!(english.line(&line(Kind::Repeated, "critical", "https://own.example", 3)), expected);
        let chinese = spelling(Language::Chinese, None);
        let expected = "- **已恢复** 磁盘 \\[db-7\\] \\<\\@all\\> full [查看](https://own.example/a\\(b\\))";
        assert_eq!(chinese.line(&line(Kind::Resolved, "critical", "https://own.example/a(b)", 1)), expected);
        let bare = Line { alert: None, ..line(Kind::MemberSaved, "", "", 1) };
        assert_eq!(chinese.line(&bare), "- 磁盘 \\[db-7\\] \\<\\@all\\> full");
    }

    #[test]
    fn an_address_that_is_too_long_or_none_is_left_out() {
        let plain = spelling(Language::English, None);
        for link in [format!("https://own.example/{}", "x".repeat(500)), "javascript:x".to_owned()] {
            assert!(!plain.line(&line(Kind::Firing, "info", &link, 1)).contains('('), "{link}");
        }
    }

    #[test]
    fn the_rest_is_counted_and_linked_and_the_message_names_the_product() {
        let chinese = spelling(Language::Chinese, Some("https://belfry.example/t/ours"));
        assert_eq!(chinese.more(12), "- [另有 12 条](https://belfry.example/t/ours/deliveries?message=7)");
        assert_eq!(spelling(Language::English, None).more(9_940), "- and 9940 more");
        let list = "- **严重** a\n- b";
        let (title, body) = chinese.message(list, 14, true);
        assert_eq!(title, "[Dataphin] 14 条告警汇总");
        assert!(body.starts_with(&format!("{list}\n")) && body.ends_with("/deliveries?message=7)"), "{body}");
        assert_eq!(chinese.message(list, 14, false), (title, body));
    }
}
