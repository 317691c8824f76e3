//! The list's query: what is searched, filtered and sorted by, as it stands in the URL.

use serde::Deserialize;

use super::Status;
use crate::{
    access::Role,
    db::RobotId,
    text::whole_number,
    web::{ListParameters, Unread, is_page, query_string, unread},
};

/// The query of the member list, as the URL has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    /// Part of a username or display name, or an id.
    pub q: String,
    /// A role, or nothing for all.
    pub role: String,
    /// A status, or nothing for all.
    pub status: String,
    /// `none`: only those without any robot.
    pub contact: String,
    /// The id of a group robot: only those whom it reaches.
    pub robot: String,
    /// The order; with a minus in front the other way round.
    pub sort: String,
    /// The page, from 1.
    pub page: String,
}

/// What a list is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// By username.
    Username,
    /// By display name.
    DisplayName,
    /// By the time of joining.
    Joined,
}

/// What a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Part of a name in lower case; empty for all.
    pub search: String,
    /// Only this role.
    pub role: Option<Role>,
    /// Only this status.
    pub status: Option<Status>,
    /// Only those without any robot.
    pub no_contact: bool,
    /// Only those whom this robot reaches.
    pub robot: Option<RobotId>,
}

impl Filter {
    /// The whole tenant.
    #[must_use]
    pub fn everything() -> Self {
        Self { search: String::new(), role: None, status: None, no_contact: false, robot: None }
    }

    /// Whether the list is the whole tenant.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.search.is_empty()
            && self.role.is_none()
            && self.status.is_none()
            && !self.no_contact
            && self.robot.is_none()
    }
}

impl ListParameters for ListQuery {
    const NAMES: &'static [&'static str] = &["q", "role", "status", "contact", "robot", "sort", "page"];

    fn unknown_parameters(&self) -> Unread {
        let sort = self.sort.strip_prefix('-').unwrap_or(&self.sort);
        unread(&[
            ("role", &self.role, Role::parse(&self.role).is_some()),
            ("status", &self.status, Status::parse(&self.status).is_some()),
            ("contact", &self.contact, self.contact == "none"),
            ("robot", &self.robot, whole_number(&self.robot).is_some()),
            ("sort", &self.sort, ["username", "display_name", "joined"].contains(&sort)),
            ("page", &self.page, is_page(&self.page)),
        ])
    }
}

impl ListQuery {
    /// What the list shows. A word that means nothing filters nothing.
    #[must_use]
    pub fn filter(&self) -> Filter {
        Filter {
            search: self.q.trim().to_lowercase(),
            role: Role::parse(&self.role),
            status: Status::parse(&self.status),
            no_contact: self.contact == "none",
            robot: whole_number(&self.robot).map(RobotId),
        }
    }

    /// What the list is sorted by, and whether the other way round.
    #[must_use]
    pub fn order(&self) -> (Sort, bool) {
        let (word, descending) = match self.sort.strip_prefix('-') {
            Some(word) => (word, true),
            None => (self.sort.as_str(), false),
        };
        match word {
            "display_name" => (Sort::DisplayName, descending),
            "joined" => (Sort::Joined, descending),
            _ => (Sort::Username, descending),
        }
    }

    /// What a member asks for that is for administrators to know.
    #[must_use]
    pub fn withheld(&self, administers: bool) -> Unread {
        unread(&[("contact", &self.contact, administers), ("robot", &self.robot, administers)])
    }

    /// The page that is asked for.
    #[must_use]
    pub fn page(&self) -> i64 {
        whole_number(&self.page).unwrap_or(1)
    }

    /// The query of the URL, without the page.
    #[must_use]
    pub fn without_page(&self) -> String {
        query_string(&[
            ("q", &self.q),
            ("role", &self.role),
            ("status", &self.status),
            ("contact", &self.contact),
            ("robot", &self.robot),
            ("sort", &self.sort),
        ])
    }

    /// The query of the URL, with the page, to come back to.
    #[must_use]
    pub fn whole(&self) -> String {
        let rest = self.without_page();
        match (rest.is_empty(), self.page() > 1) {
            (_, false) => rest,
            (true, true) => format!("page={}", self.page()),
            (false, true) => format!("{rest}&page={}", self.page()),
        }
    }

    /// The whole query with its question mark; nothing for no query.
    #[must_use]
    pub fn marked(&self) -> String {
        let whole = self.whole();
        if whole.is_empty() { whole } else { format!("?{whole}") }
    }

    /// The query that sorts by this word, or the other way round when it does already.
    #[must_use]
    pub fn sorted_by(&self, word: &str) -> String {
        let sort = if self.sort == word || (self.sort.is_empty() && word == "username") {
            format!("-{word}")
        } else {
            word.to_owned()
        };
        Self { sort, ..self.clone() }.without_page()
    }

    /// The ARIA word for how a column is sorted.
    #[must_use]
    pub fn aria_sort(&self, word: &str) -> &'static str {
        let sort = if self.sort.is_empty() { "username" } else { self.sort.as_str() };
        match sort.strip_prefix('-') {
            Some(descending) if descending == word => "descending",
            None if sort == word => "ascending",
            _ => "none",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_on_a_column_sorts_by_it_and_the_next_click_turns_it_round() {
        let query = ListQuery { q: "li".into(), page: "3".into(), ..ListQuery::default() };
        assert_eq!(query.sorted_by("username"), "q=li&sort=-username");
        let query = ListQuery { sort: "-joined".into(), ..query };
        assert_eq!(query.sorted_by("joined"), "q=li&sort=joined");
        assert_eq!(query.aria_sort("joined"), "descending");
        assert_eq!(query.whole(), "q=li&sort=-joined&page=3");
    }
}
