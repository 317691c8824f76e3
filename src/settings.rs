//! What the operator decides: defaults, overridden by the environment, overridden by flags, all checked at once.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::Args;
use url::Url;

use crate::{courier::RetrySchedule, db, robots::Origins};

/// Where a portal listens when the operator says nothing.
const LISTEN: &str = "127.0.0.1:8080";

/// The longest product or portal name, in characters.
const LONGEST_NAME: usize = 32;

/// The settings as they are typed, by flags or `BELFRY_…` variables of the same names.
#[derive(Args, Clone, Debug)]
pub struct Typed {
    /// Address and port to listen on; port 0 picks a free one [default: 127.0.0.1:8080]
    #[arg(long, env = "BELFRY_LISTEN", global = true)]
    pub listen: Option<String>,
    /// The database: sqlite://PATH or postgres://… (whatever libpq takes)
    #[arg(
        long,
        env = "BELFRY_DATABASE_URL",
        default_value = "sqlite://data/belfry.db",
        hide_env_values = true,
        global = true
    )]
    pub database_url: String,
    /// The key file that seals secrets; made with mode 0600 on first start
    #[arg(long, env = "BELFRY_KEY_FILE", default_value = "data/belfry.key", global = true)]
    pub key_file: PathBuf,
    /// What users type to come here; https turns on Secure cookies and HSTS, and its host is the only one accepted
    /// [default: http:// and the address really bound]
    #[arg(long, env = "BELFRY_PUBLIC_URL", global = true)]
    pub public_url: Option<String>,
    /// Addresses of proxies before Belfry, comma-separated, e.g. 127.0.0.1: from these, and only these, the rightmost
    /// address in X-Forwarded-For that is none of them counts as the visitor's, for lock-out and audit log
    #[arg(long, env = "BELFRY_TRUSTED_PROXIES", default_value = "", global = true)]
    pub trusted_proxies: String,
    /// Further origins that robots may live at, comma-separated, e.g. <https://ding.corp.example>
    #[arg(long, env = "BELFRY_ROBOT_ORIGINS", default_value = "", global = true)]
    pub robot_origins: String,
    /// The word in every message: the robots' custom keyword
    #[arg(long, env = "BELFRY_PRODUCT_NAME", default_value = "Dataphin", global = true)]
    pub product_name: String,
    /// The portal's own name, in its bar and page titles
    #[arg(long, env = "BELFRY_PORTAL_NAME", default_value = "Belfry", global = true)]
    pub portal_name: String,
    /// The pauses between the tries of a message that met a passing fault, e.g. 5s,30s,10m,2h,8h,24h; 27 hours in all at least
    /// [default: 5s,30s,2m,10m,30m,1h,2h,4h,6h,6h,8h]
    #[arg(long, env = "BELFRY_RETRY_SCHEDULE", default_value = "", hide_default_value = true, global = true)]
    pub retry_schedule: String,
    /// Which log lines are written: a level, also of single parts of the program, e.g. warn or info,belfry=debug
    #[arg(long, env = "BELFRY_LOG", default_value = "info", global = true)]
    pub log: String,
    /// Show pages only; another process delivers
    #[arg(long, env = "BELFRY_SERVE_ONLY", conflicts_with = "deliver_only", global = true)]
    pub serve_only: bool,
    /// Deliver only; another process shows pages
    #[arg(long, env = "BELFRY_DELIVER_ONLY", global = true)]
    pub deliver_only: bool,
    /// How log lines are written: text or json
    #[arg(long, env = "BELFRY_LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: String,
}

/// The settings, understood.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the database is.
    pub database: db::Address,
    /// Where the key file is.
    pub key_file: PathBuf,
    /// What users type, when the operator says so.
    pub public_url: Option<Url>,
    /// The proxies that are believed when they say whom a request comes from.
    pub trusted_proxies: Vec<IpAddr>,
    /// Further origins of robots.
    pub robot_origins: Origins,
    /// The word in every message: the robots' custom keyword.
    pub product_name: String,
    /// The portal's own name, in its bar and page titles.
    pub portal_name: String,
    /// The pauses between tries.
    pub retry_schedule: RetrySchedule,
    /// What this process does.
    pub work: Work,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Shows pages and delivers messages.
    Both,
    /// Shows pages; another process delivers.
    ServeOnly,
    /// Delivers; another process shows pages. Health is answered when the operator named an address for it.
    DeliverOnly {
        /// Whether he did.
        listen: bool,
    },
}

impl Work {
    /// Whether pages are shown.
    #[must_use]
    pub fn serves(self) -> bool {
        self != Self::DeliverOnly { listen: true } && self != Self::DeliverOnly { listen: false }
    }

    /// Whether messages are delivered.
    #[must_use]
    pub fn delivers(self) -> bool {
        self != Self::ServeOnly
    }
}

impl Typed {
    fn work(&self) -> Work {
        match (self.serve_only, self.deliver_only) {
            (true, _) => Work::ServeOnly,
            (false, true) => Work::DeliverOnly { listen: self.listen.is_some() },
            (false, false) => Work::Both,
        }
    }

    /// Understands the settings.
    ///
    /// # Errors
    /// Everything that is wrong, a sentence each.
    pub fn check(&self) -> Result<Settings, Vec<String>> {
        let mut faults = Vec::new();
        let mut keep = |fault: String| faults.push(fault);
        let listen = self
            .listen
            .as_deref()
            .unwrap_or(LISTEN)
            .parse::<SocketAddr>()
            .map_err(|_| {
                keep(format!("BELFRY_LISTEN is not ADDRESS:PORT: {:?}.", self.listen.as_deref().unwrap_or(LISTEN)))
            })
            .ok();
        let database = db::Address::parse(&self.database_url).map_err(&mut keep).ok();
        let public_url = self.public_url.as_deref().map(public_url).transpose().map_err(&mut keep).ok().flatten();
        let trusted_proxies = addresses(&self.trusted_proxies).map_err(&mut keep).unwrap_or_default();
        let robot_origins = Origins::parse(&self.robot_origins).map_err(&mut keep).ok();
        let mut name = |setting: &str, text: &str| {
            let text = text.trim();
            if text.is_empty() || text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
                keep(format!("{setting} must be 1 to {LONGEST_NAME} printable characters."));
            }
            text.to_owned()
        };
        let product_name = name("BELFRY_PRODUCT_NAME", &self.product_name);
        let portal_name = name("BELFRY_PORTAL_NAME", &self.portal_name);
        if !["text", "json"].contains(&self.log_format.as_str()) {
            keep(format!("BELFRY_LOG_FORMAT is neither text nor json: {:?}.", self.log_format));
        }
        let retry_schedule = RetrySchedule::parse(&self.retry_schedule)
            .map_err(|fault| keep(format!("BELFRY_RETRY_SCHEDULE {fault}.")))
            .unwrap_or_default();
        match (listen, database, robot_origins, faults.is_empty()) {
            (Some(listen), Some(database), Some(robot_origins), true) => Ok(Settings {
                listen,
                database,
                key_file: self.key_file.clone(),
                public_url,
                trusted_proxies,
                robot_origins,
                product_name,
                portal_name,
                retry_schedule,
                work: self.work(),
            }),
            _ => Err(faults),
        }
    }
}

/// IP addresses between commas.
fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let address: IpAddr = part
                .parse()
                .map_err(|_| format!("BELFRY_TRUSTED_PROXIES names something else than an IP address: {part:?}."))?;
            Ok(address.to_canonical())
        })
        .collect()
}

/// A public URL is an origin and nothing more: pages live at its root.
fn public_url(text: &str) -> Result<Url, String> {
    let fault = || format!("BELFRY_PUBLIC_URL is not http(s)://HOST[:PORT]: {text:?}.");
    let url = Url::parse(text).map_err(|_| fault())?;
    let origin_only = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (["http", "https"].contains(&url.scheme()) && url.has_host() && origin_only).then_some(url).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_proxies_are_addresses_between_commas_and_nothing_else() {
        assert_eq!(addresses("").unwrap(), Vec::<IpAddr>::new());
        let expected: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        assert_eq!(addresses("::ffff:127.0.0.1, ::1,").unwrap(), expected);
        for wrong in ["proxy.example", "127.0.0.1:80", "10.0.0.0/8", "127.0.0.1 ::1"] {
            assert!(addresses(wrong).unwrap_err().contains("BELFRY_TRUSTED_PROXIES"), "{wrong}");
        }
    }
}
