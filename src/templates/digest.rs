//! The words of a digest, for the delivery worker, which knows no templates: its lines, its count, and the message around them.

use std::sync::Arc;

use super::{MessageReason, MessageText, Templates, Variables, engine, store};
use crate::{
    delivery::{DeliveryKind, DigestContext, DigestCounts, DigestLine, DigestRenderer, DigestRendererFactory},
    robots::{escape_link_url, escape_title},
    text::close_directions,
};

/// The longest address of an alert's own that a line holds, in bytes: a longer one would take the room of many lines.
const MAX_OWN_LINK_BYTES: usize = 500;

/// Finds the words of digests. `product` is the robots' keyword; `origin` is where Belfry's pages are, for the links to
/// them, when that is known.
#[must_use]
pub fn digest_renderer(product: String, origin: Option<String>) -> DigestRendererFactory {
    Arc::new(move |c, about| {
        let templates = store::load(c, about.tenant)?;
        let (tenant, slug) = store::name_and_slug(c, about.tenant)?;
        let pages = origin.as_ref().map(|origin| format!("{origin}/t/{slug}"));
        Ok(Box::new(TemplateDigestRenderer { templates, product: product.clone(), tenant, pages_url: pages, about }))
    })
}

/// How one digest is worded.
struct TemplateDigestRenderer {
    templates: Templates,
    product: String,
    /// The tenant's name.
    tenant: String,
    /// Where the tenant's pages are.
    pages_url: Option<String>,
    about: DigestContext,
}

impl TemplateDigestRenderer {
    fn label(&self, key: &str) -> String {
        self.templates.language().text(key).into_owned()
    }

    /// The page of an alert event: Belfry's, or else the one that the alert names.
    fn event_url(&self, line: &DigestLine) -> Option<String> {
        let own =
            || Some(engine::safe_link(&line.link)).filter(|link| !link.is_empty() && link.len() <= MAX_OWN_LINK_BYTES);
        let alert = line.alert?;
        self.pages_url.as_ref().map(|pages| format!("{pages}/alerts/{alert}")).or_else(own)
    }

    /// The page that lists all that the digest tells of.
    fn deliveries_url(&self) -> Option<String> {
        self.pages_url.as_ref().map(|pages| format!("{pages}/deliveries?message={}", self.about.message))
    }
}

impl TemplateDigestRenderer {
    /// How much of each kind there is, where it is more than alerts that began.
    fn kind_summary(&self) -> String {
        let DigestCounts { firing, repeated, resolved, notices } = self.about.counts;
        if repeated + resolved + notices == 0 {
            return String::new();
        }
        let kinds = [
            ("templates-digest-kind-firing", firing),
            ("templates-digest-kind-repeated", repeated),
            ("templates-digest-kind-resolved", resolved),
            ("templates-digest-kind-notices", notices),
        ];
        let counted = kinds.into_iter().filter(|(_, count)| *count > 0);
        let counted: Vec<_> = counted.map(|(key, count)| self.templates.language().text_count(key, count)).collect();
        counted.join(" · ")
    }
}

impl DigestRenderer for TemplateDigestRenderer {
    fn render_line(&self, line: &DigestLine) -> String {
        let word = match (line.kind, line.severity.as_str()) {
            (DeliveryKind::Resolved, _) => Some("templates-digest-resolved"),
            (_, "critical") => Some("templates-digest-critical"),
            (_, "warning") => Some("templates-digest-warning"),
            (_, "info") => Some("templates-digest-info"),
            (DeliveryKind::MemberSaved | DeliveryKind::RobotBroken, _) => Some("templates-digest-notice"),
            _ => None,
        };
        let word = word.map(|key| format!("**{}** ", self.label(key))).unwrap_or_default();
        let times = if line.count > 1 { format!(" ×{}", line.count) } else { String::new() };
        let page = self.event_url(line).map(|page| escape_link_url(&page));
        let page = page.map(|page| format!(" [{}]({page})", self.label("templates-digest-open")));
        format!("- {word}{}{times}{}", escape_title(&close_directions(&line.title)), page.unwrap_or_default())
    }

    fn render_more(&self, count: i64) -> String {
        let more = self.templates.language().text_count("templates-digest-more", count);
        match self.deliveries_url() {
            Some(page) => format!("- [{more}]({})", escape_link_url(&page)),
            None => format!("- {more}"),
        }
    }

    fn render_message(&self, list: &str, _: i64, by_own_template: bool) -> (String, String) {
        let kinds = self.kind_summary();
        let list = if kinds.is_empty() { list.to_owned() } else { format!("{kinds}\n\n{list}") };
        let variables = Variables {
            product: self.product.clone(),
            tenant: self.tenant.clone(),
            count: self.about.counts.alert_count(),
            content: list,
            content_is_markdown: true,
            link: self.deliveries_url().unwrap_or_default(),
            recipients: self.about.recipients.clone(),
            ..Variables::default()
        };
        let MessageText { title, body } = match by_own_template {
            true => self.templates.render(self.about.channel, MessageReason::Digest, &variables),
            false => self.templates.render_default(MessageReason::Digest, &variables),
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

    fn renderer(language: Language, pages: Option<&str>) -> TemplateDigestRenderer {
        let tenant = TenantId(1);
        let recipients = vec!["李娜".to_owned()];
        TemplateDigestRenderer {
            templates: Templates { tenant, language, custom: Vec::new() },
            product: "Dataphin".to_owned(),
            tenant: "ours".to_owned(),
            pages_url: pages.map(str::to_owned),
            about: DigestContext {
                tenant,
                channel: Channel::DingTalk,
                message: MessageId(7),
                recipients,
                counts: DigestCounts { firing: 14, ..DigestCounts::default() },
            },
        }
    }

    fn line(kind: DeliveryKind, severity: &str, link: &str, count: i64) -> DigestLine {
        let title = "磁盘 [db-7] <@all> full".to_owned();
        DigestLine { alert: Some(AlertId(3)), title, kind, severity: severity.to_owned(), link: link.to_owned(), count }
    }

    #[test]
    fn a_digest_line_has_severity_title_count_and_link() {
        let english = renderer(Language::English, Some("https://belfry.example/t/ours"));
        let expected =
            "- **Critical** 磁盘 \\[db-7\\] \\<\\@all\\> full ×3 [Open](https://belfry.example/t/ours/alerts/3)";
        assert_eq!(english.render_line(&line(DeliveryKind::Repeated, "critical", "https://own.example", 3)), expected);
        let chinese = renderer(Language::Chinese, None);
        let expected = "- **已恢复** 磁盘 \\[db-7\\] \\<\\@all\\> full [查看](https://own.example/a\\(b\\))";
        assert_eq!(
            chinese.render_line(&line(DeliveryKind::Resolved, "critical", "https://own.example/a(b)", 1)),
            expected
        );
        let bare = DigestLine { alert: None, ..line(DeliveryKind::MemberSaved, "", "", 1) };
        assert_eq!(chinese.render_line(&bare), "- **通知** 磁盘 \\[db-7\\] \\<\\@all\\> full");
    }

    #[test]
    fn a_too_long_or_unsafe_link_is_left_out() {
        let plain = renderer(Language::English, None);
        for link in [format!("https://own.example/{}", "x".repeat(500)), "javascript:x".to_owned()] {
            assert!(!plain.render_line(&line(DeliveryKind::Firing, "info", &link, 1)).contains('('), "{link}");
        }
    }

    #[test]
    fn the_remainder_is_counted_and_linked_and_the_title_names_the_product() {
        let chinese = renderer(Language::Chinese, Some("https://belfry.example/t/ours"));
        assert_eq!(chinese.render_more(12), "- [另有 12 条](https://belfry.example/t/ours/deliveries?message=7)");
        assert_eq!(renderer(Language::English, None).render_more(9_940), "- and 9940 more");
        let list = "- **严重** a\n- b";
        let (title, body) = chinese.render_message(list, 14, true);
        assert_eq!(title, "[Dataphin] 14 条告警汇总");
        assert!(body.starts_with(&format!("{list}\n")) && body.ends_with("/deliveries?message=7)"), "{body}");
        assert_eq!(chinese.render_message(list, 14, false), (title, body));
    }

    #[test]
    fn a_digest_counts_each_kind_and_counts_no_notice_as_an_alert() {
        let render_counts = |language, counts| {
            let mut renderer = renderer(language, None);
            renderer.about.counts = counts;
            renderer.render_message("- a", 99, true)
        };
        let all = DigestCounts { firing: 3, repeated: 2, resolved: 1, notices: 2 };
        let (title, body) = render_counts(Language::English, all);
        assert_eq!(title, "[Dataphin] 6 alerts in one message");
        assert_eq!(body, "3 firing · 2 repeated · 1 resolved · 2 notices\n\n- a");
        let (title, body) = render_counts(Language::Chinese, all);
        assert_eq!(title, "[Dataphin] 6 条告警汇总");
        assert_eq!(body, "触发 3 条 · 重复 2 条 · 恢复 1 条 · 通知 2 条\n\n- a");
        let (title, body) =
            render_counts(Language::English, DigestCounts { firing: 1, notices: 1, ..DigestCounts::default() });
        assert_eq!(
            (title.as_str(), body.as_str()),
            ("[Dataphin] 1 alert in one message", "1 firing · 1 notice\n\n- a")
        );
        let (title, body) = render_counts(Language::English, DigestCounts { firing: 4, ..DigestCounts::default() });
        assert_eq!((title.as_str(), body.as_str()), ("[Dataphin] 4 alerts in one message", "- a"));
        let only = DigestCounts { notices: 5, ..DigestCounts::default() };
        assert_eq!(render_counts(Language::English, only).0, "[Dataphin] Several notices in one message");
        assert_eq!(render_counts(Language::Chinese, only).0, "[Dataphin] 通知汇总");
    }
}
