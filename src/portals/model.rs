//! What a portal may do, where it may send people back to, and how long its proofs last.

use chrono::{NaiveDateTime, TimeDelta};
use url::{Host, Url};

use crate::db::PortalId;
use crate::db::TenantId;
use crate::robots::parse_origin;
use crate::text::trim_invisible;

/// How long what was rotated away is still accepted.
pub const OVERLAP: TimeDelta = TimeDelta::hours(24);
/// How far ahead a signed form may say that it expires.
pub const FORM_LASTS: TimeDelta = TimeDelta::minutes(15);
/// How long an answer stands for its idempotency key.
pub const KEY_LASTS: TimeDelta = TimeDelta::hours(24);
/// The longest idempotency key, in characters.
pub const LONGEST_KEY: usize = 255;
/// How often the last use is noted, at most.
pub const USE_IS_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);
/// The most return origins of a portal.
const MOST_ORIGINS: usize = 32;

/// What a portal may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Making members and changing how they are reached.
    SaveMembers,
    /// Firing and resolving alerts.
    FireAlerts,
}

/// What administrators decide about a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What it is called; not empty, one line.
    pub name: String,
    /// Whether it may save members.
    pub saves_members: bool,
    /// Whether it may fire alerts.
    pub fires_alerts: bool,
    /// Where people may be sent back to.
    pub return_origins: ReturnOrigins,
    /// The most posts a minute; nothing for no limit.
    pub per_minute: Option<i64>,
}

/// A portal that has proven itself, as far as a post needs to know it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Its id.
    pub id: PortalId,
    /// Its name, which stands for it in audit logs and time lines.
    pub name: String,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The tenant's slug.
    pub slug: String,
    /// The tenant's name.
    pub tenant_name: String,
    /// Whether it may save members.
    pub saves_members: bool,
    /// Whether it may fire alerts.
    pub fires_alerts: bool,
    /// Where people may be sent back to.
    pub return_origins: ReturnOrigins,
    /// The most posts a minute; nothing for no limit.
    pub per_minute: Option<i64>,
    /// When it was last used, as far as that was noted.
    pub last_used_at: Option<NaiveDateTime>,
}

impl Caller {
    /// Whether it may do this.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        match scope {
            Scope::SaveMembers => self.saves_members,
            Scope::FireAlerts => self.fires_alerts,
        }
    }

    /// Whether its last use was noted so long ago that it is noted again.
    #[must_use]
    pub fn use_is_due(&self, now: NaiveDateTime) -> bool {
        self.last_used_at.is_none_or(|noted| now - noted >= USE_IS_NOTED_EVERY)
    }
}

/// The origins to which people may be sent back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReturnOrigins(Vec<String>);

impl ReturnOrigins {
    /// Reads origins, one a line: https, or http on this very machine.
    ///
    /// # Errors
    /// The first line that is none; the line itself when there are too many.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut origins: Vec<String> = Vec::new();
        for line in text.lines().map(trim_invisible).filter(|line| !line.is_empty()) {
            let origin = origin(line).ok_or_else(|| line.to_owned())?;
            if !origins.contains(&origin) {
                origins.push(origin);
            }
            if origins.len() > MOST_ORIGINS {
                return Err(line.to_owned());
            }
        }
        Ok(Self(origins))
    }

    /// The origins, one a line.
    #[must_use]
    pub fn lines(&self) -> String {
        self.0.join("\n")
    }

    /// The origins as they are stored, which were parsed once.
    #[must_use]
    pub fn stored(lines: &str) -> Self {
        Self(lines.lines().map(str::to_owned).collect())
    }

    /// The first of them.
    #[must_use]
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    /// The address to send somebody back to, with `result=ok` added; nothing when its origin is not one of these.
    #[must_use]
    pub fn accept(&self, return_to: &str) -> Option<String> {
        let mut url = Url::parse(return_to).ok()?;
        let known = self.0.contains(&url.origin().ascii_serialization());
        if !known || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        url.query_pairs_mut().append_pair("result", "ok");
        Some(url.into())
    }
}

/// An origin as browsers write it, when people may be sent there.
fn origin(text: &str) -> Option<String> {
    let url = parse_origin(text).ok()?;
    let is_safe = match (url.scheme(), url.host()?) {
        ("https", _) => true,
        ("http", Host::Ipv4(address)) => address.is_loopback(),
        ("http", Host::Ipv6(address)) => address.is_loopback(),
        ("http", Host::Domain(name)) => name == "localhost",
        _ => false,
    };
    is_safe.then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_origin_is_https_or_on_this_machine_and_nothing_more() {
        let lines = "https://OA.corp.example/\n\n http://127.0.0.1:9000 \nhttp://localhost:3000\nhttp://[::1]:8\nhttps://oa.corp.example";
        let origins = ReturnOrigins::parse(lines).unwrap();
        let expected = "https://oa.corp.example\nhttp://127.0.0.1:9000\nhttp://localhost:3000\nhttp://[::1]:8";
        assert_eq!(origins.lines(), expected);
        assert_eq!(ReturnOrigins::stored(&origins.lines()), origins);
        for wrong in [
            "http://oa.corp.example",
            "https://oa.corp.example/path",
            "https://oa.corp.example?q",
            "https://user@oa.corp.example",
            "oa.corp.example",
            "javascript:alert(1)",
            "http://127.0.0.1.evil.example",
            "null",
            "*",
        ] {
            assert_eq!(ReturnOrigins::parse(wrong), Err(wrong.to_owned()));
        }
    }

    #[test]
    fn only_an_origin_of_the_list_is_returned_to_and_the_rest_of_the_address_stays() {
        let origins = ReturnOrigins::parse("https://oa.corp.example\nhttp://127.0.0.1:9000").unwrap();
        let accept = |url: &str| origins.accept(url);
        assert_eq!(
            accept("https://oa.corp.example/done?id=7#part").as_deref(),
            Some("https://oa.corp.example/done?id=7&result=ok#part")
        );
        assert_eq!(accept("http://127.0.0.1:9000").as_deref(), Some("http://127.0.0.1:9000/?result=ok"));
        for foreign in [
            "https://evil.example/",
            "https://oa.corp.example.evil.example/",
            "https://oa.corp.example@evil.example/",
            "https://user@oa.corp.example/",
            "https://oa.corp.example:444/",
            "http://oa.corp.example/",
            "http://127.0.0.1:9001/",
            "//oa.corp.example/",
            "/done",
            "javascript:alert(1)//https://oa.corp.example",
            "",
        ] {
            assert_eq!(accept(foreign), None, "{foreign}");
        }
    }
}
