//! The words of a digest, for the courier, which knows no templates: its lines, its count, and the message around them.

use std::sync::Arc;

use super::{Reason, Templates, Variables, Words, engine, store};
use crate::{
    courier::{About, Kind, Line, Speller, Wording},
    robots::title_within,
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
        let page = self.page_of(line).map(|page| format!(" [{}]({page})", self.text("templates-digest-open")));
        format!("- {word}{}{times}{}", title_within(&line.title), page.unwrap_or_default())
    }

    fn more(&self, count: i64) -> String {
        let more = self.templates.language().count("templates-digest-more", count);
        match self.whole_list() {
            Some(page) => format!("- [{more}]({page})"),
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
