//! An answer, and what tests ask about it.

use reqwest::header::HeaderMap;
use scraper::{Html, Selector};

/// What the application answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Answer {
    /// Fails unless the answer has this status.
    #[track_caller]
    pub fn is(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }

    /// Fails unless the answer leads there.
    #[track_caller]
    pub fn leads_to(self, path: &str) -> Self {
        assert_eq!((self.status, self.header("location")), (303, Some(path)), "{}", self.body);
        self
    }

    /// Fails unless it leads to the log-in page, which leads on to this page.
    #[track_caller]
    pub fn asks_to_log_in_for(self, path: &str) -> Self {
        let next: String = url::form_urlencoded::byte_serialize(path.as_bytes()).collect();
        self.leads_to(&format!("/login?next={next}"))
    }

    /// A header, when there is one that can be read.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The texts of all elements that a selector finds, spaces squeezed.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let selector = Selector::parse(selector).expect("a selector");
        let squeeze = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
        Html::parse_document(&self.body).select(&selector).map(|found| squeeze(found.text().collect())).collect()
    }

    /// The text of the first element that a selector finds.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let found = self.texts(selector).into_iter().next();
        found.unwrap_or_else(|| panic!("no {selector} in:\n{}", self.body))
    }

    /// An attribute of the first element that a selector finds.
    pub fn attribute(&self, selector: &str, attribute: &str) -> Option<String> {
        self.attributes(selector, attribute).into_iter().next()
    }

    /// This attribute of all elements that a selector finds.
    pub fn attributes(&self, selector: &str, attribute: &str) -> Vec<String> {
        let selector = Selector::parse(selector).expect("a selector");
        let page = Html::parse_document(&self.body);
        page.select(&selector).filter_map(|found| found.attr(attribute)).map(str::to_owned).collect()
    }
}
