//! What the operator decides: defaults, overridden by the environment, overridden by flags, all checked at once.

use std::{
    ffi::OsString,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::{
    Arg, Args, Command,
    builder::{OsStringValueParser, TypedValueParser as _},
};
use ipnet::IpNet;
use tracing_subscriber::filter::{LevelFilter, Targets};
use url::Url;

use crate::{
    db,
    delivery::{RetrySchedule, RobotProxy},
    robots::{RobotOrigins, parse_origin},
    secrets::Blocklist,
    text::trim_invisible,
};

/// Where a portal listens when the operator says nothing.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// The longest product or portal name, in characters.
const MAX_NAME_CHARS: usize = 32;

/// The parts that write a line for every request that cannot be read, and for every cookie that is not ours or of a session that
/// has ended: anybody can send these as fast as the network is. They are heard with `debug`, or when they are named.
const NOISY_LOG_TARGET: [&str; 2] = ["actix_http::h1", "actix_session"];

/// The libraries within Belfry that write log lines.
const LOGGING_LIBRARIES: [&str; 13] = [
    "actix_codec",
    "actix_http",
    "actix_router",
    "actix_server",
    "actix_session",
    "actix_web",
    "cookie_store",
    "hyper_util",
    "mio",
    "r2d2",
    "reqwest",
    "rlibphonenumber",
    "rustls_platform_verifier",
];

/// Belfry's top-level modules, by which `BELFRY_LOG` selects log lines.
const MODULES: [&str; 36] = [
    "access",
    "accounts",
    "alerts",
    "app",
    "audit",
    "channels",
    "check",
    "clock",
    "connections",
    "db",
    "deliveries",
    "delivery",
    "demo",
    "error",
    "first_steps",
    "groups",
    "health",
    "language",
    "log",
    "members",
    "metrics",
    "people",
    "portals",
    "refusals",
    "retention",
    "robots",
    "routes",
    "sandbox",
    "schedules",
    "secrets",
    "settings",
    "stores",
    "templates",
    "tenants",
    "text",
    "web",
];

/// The settings as they are typed, by flags or `BELFRY_…` variables of the same names.
#[derive(Args, Clone, Debug)]
pub struct RawSettings {
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
    #[arg(
        long,
        env = "BELFRY_KEY_FILE",
        default_value = "data/belfry.key",
        value_parser = OsStringValueParser::new().map(PathBuf::from),
        global = true
    )]
    pub key_file: PathBuf,
    /// What users type to come here; https turns on Secure cookies and HSTS, and its host is the only one accepted
    /// [default: http:// and the address really bound]
    #[arg(long, env = "BELFRY_PUBLIC_URL", global = true)]
    pub public_url: Option<String>,
    /// Addresses and networks of proxies before Belfry, comma-separated, e.g. 127.0.0.1,10.42.0.0/16: from these, and only
    /// these, the rightmost address in X-Forwarded-For that is none of them counts as the visitor's, for lock-out and audit log
    #[arg(long, env = "BELFRY_TRUSTED_PROXIES", default_value = "", global = true)]
    pub trusted_proxies: String,
    /// Further origins that robots may live at, comma-separated, e.g. <https://ding.corp.example>
    #[arg(long, env = "BELFRY_ROBOT_ORIGINS", default_value = "", global = true)]
    pub robot_origins: String,
    /// The http or https proxy that robots of the vendors are called through, e.g. <http://user:password@proxy.corp.example:3128>;
    /// origins named in BELFRY_ROBOT_ORIGINS are called without it
    #[arg(long, env = "BELFRY_ROBOT_PROXY", default_value = "", hide_env_values = true, global = true)]
    pub robot_proxy: String,
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
    /// A file of passwords that nobody may choose, one a line, such as a list of breached ones; read at the start
    #[arg(long, env = "BELFRY_PASSWORD_BLOCKLIST_FILE", default_value = "", hide_default_value = true, global = true)]
    pub password_blocklist_file: String,
    /// Which log lines are written: off, error, warn, info, debug or trace, also for single parts of the program, e.g. warn or
    /// info,belfry=debug
    #[arg(long, env = "BELFRY_LOG", default_value = "info", global = true)]
    pub log: String,
    /// Show pages only; another process delivers
    #[arg(
        long,
        env = "BELFRY_SERVE_ONLY",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        global = true
    )]
    pub serve_only: String,
    /// Deliver only; another process shows pages
    #[arg(
        long,
        env = "BELFRY_DELIVER_ONLY",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        global = true
    )]
    pub deliver_only: String,
    /// Start although the key file is lost that the stored secrets were sealed with: every webhook and portal must be set up anew
    #[arg(
        long,
        env = "BELFRY_ACCEPT_LOST_SECRETS",
        num_args = 0..=1,
        require_equals = true,
        default_value = "false",
        default_missing_value = "true",
        global = true
    )]
    pub accept_lost_secrets: String,
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
    pub database: db::DatabaseAddress,
    /// Where the key file is.
    pub key_file: PathBuf,
    /// What users type, when the operator says so.
    pub public_url: Option<Url>,
    /// The proxies that are believed when they say whom a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// Further origins of robots.
    pub robot_origins: RobotOrigins,
    /// What robots of the vendors are called through.
    pub robot_proxy: Option<RobotProxy>,
    /// The word in every message: the robots' custom keyword.
    pub product_name: String,
    /// The portal's own name, in its bar and page titles.
    pub portal_name: String,
    /// The pauses between tries.
    pub retry_schedule: RetrySchedule,
    /// Passwords that nobody may choose.
    pub password_blocklist: Blocklist,
    /// Whether the start goes on when no stored secret opens with the key file.
    pub accepts_lost_secrets: bool,
    /// What this process does.
    pub role: ProcessRole,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessRole {
    /// Shows pages and delivers messages.
    ServeAndDeliver,
    /// Shows pages; another process delivers.
    ServeOnly,
    /// Delivers; another process shows pages. Health is answered when the operator named an address for it.
    DeliverOnly {
        /// Whether he did.
        listen: bool,
    },
}

impl ProcessRole {
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

impl RawSettings {
    fn process_role(&self) -> Result<ProcessRole, Vec<String>> {
        let serve_only = parse_switch("BELFRY_SERVE_ONLY", &self.serve_only);
        let deliver_only = parse_switch("BELFRY_DELIVER_ONLY", &self.deliver_only);
        match (serve_only, deliver_only) {
            (Ok(true), Ok(true)) => Err(vec![
                "BELFRY_SERVE_ONLY and BELFRY_DELIVER_ONLY exclude each other: leave one of them out.".to_owned(),
            ]),
            (Ok(true), Ok(false)) => Ok(ProcessRole::ServeOnly),
            (Ok(false), Ok(true)) => Ok(ProcessRole::DeliverOnly { listen: self.listen.is_some() }),
            (Ok(false), Ok(false)) => Ok(ProcessRole::ServeAndDeliver),
            (serve_only, deliver_only) => Err([serve_only.err(), deliver_only.err()].into_iter().flatten().collect()),
        }
    }

    /// Which log lines are written.
    ///
    /// # Errors
    /// A sentence that names the part that is no level. A bare word is never taken for a part of the program, as libraries do:
    /// `verbose` would silence everything else.
    pub fn log_filter(&self) -> Result<Targets, String> {
        let fault = |why: String| format!("BELFRY_LOG is not a filter like warn or info,belfry=debug: {why}.");
        let level = |word: &str| {
            let known =
                ["off", "error", "warn", "info", "debug", "trace"].iter().any(|name| word.eq_ignore_ascii_case(name));
            let level = known.then(|| word.parse::<LevelFilter>().ok()).flatten();
            level.ok_or_else(|| fault(format!("{word:?} is no level (off, error, warn, info, debug, trace)")))
        };
        let (mut default_level, mut parts) = (None, Vec::<(String, LevelFilter)>::new());
        for entry in self.log.split(',').map(trim_invisible) {
            let Some((part, word)) = entry.split_once('=') else {
                if default_level.replace(level(entry)?).is_some() {
                    return Err(fault("it names two levels for everything".to_owned()));
                }
                continue;
            };
            let (part, chosen) = (part.trim(), level(word.trim())?);
            let is_name = part.split("::").all(|name| {
                name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
                    && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
            });
            if !is_name || parts.iter().any(|(other, _)| other == part) {
                return Err(fault(format!("{part:?} is no part of the program, or stands there twice")));
            }
            parts.push((part.to_owned(), chosen));
        }
        let is_named = |quiet: &str| {
            let within =
                |part: &str| quiet.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
            parts.iter().any(|(part, _)| within(part))
        };
        let unheard = |quiet: &&str| default_level.is_some_and(|all| all < LevelFilter::DEBUG) && !is_named(quiet);
        let quiet: Vec<_> =
            NOISY_LOG_TARGET.into_iter().filter(unheard).map(|part| (part.to_owned(), LevelFilter::OFF)).collect();
        Ok(Targets::new()
            .with_default(default_level.unwrap_or(LevelFilter::OFF))
            .with_targets(parts.into_iter().chain(quiet)))
    }

    /// A sentence for each part of the program that BELFRY_LOG names and that writes no log lines.
    #[must_use]
    pub fn unknown_log_parts(&self) -> Vec<String> {
        let parts = self.log.split(',').filter_map(|entry| entry.split_once('=')).map(|(part, _)| trim_invisible(part));
        let unknown = parts.filter(|part| {
            let mut names = part.split("::");
            match (names.next().unwrap_or_default(), names.next()) {
                ("belfry", module) => module.is_some_and(|module| !MODULES.contains(&module)),
                (library, _) => !LOGGING_LIBRARIES.contains(&library),
            }
        });
        unknown
            .map(|part| format!("BELFRY_LOG names {part}, a part that writes no log lines: it has no effect."))
            .collect()
    }

    /// Understands the settings.
    ///
    /// # Errors
    /// Everything that is wrong, a sentence each.
    pub fn validate(&self) -> Result<Settings, Vec<String>> {
        let mut faults = Vec::new();
        let mut add_fault = |fault: String| faults.push(fault);
        let listen = trim_invisible(self.listen.as_deref().unwrap_or(DEFAULT_LISTEN));
        let listen = listen
            .parse::<SocketAddr>()
            .map_err(|_| add_fault(format!("BELFRY_LISTEN is not ADDRESS:PORT: {listen:?}.")))
            .ok();
        let database = db::DatabaseAddress::parse(trim_invisible(&self.database_url)).map_err(&mut add_fault).ok();
        if self.key_file.as_os_str().is_empty() {
            add_fault("BELFRY_KEY_FILE names no file.".to_owned());
        } else if let Some(fault) = key_file_fault(&self.key_file) {
            add_fault(format!("BELFRY_KEY_FILE {}: {fault}.", self.key_file.display()));
        } else if let Some(db::DatabaseAddress::Sqlite(path)) = &database
            && is_of_database(&self.key_file, path)
        {
            add_fault(format!(
                "BELFRY_KEY_FILE and BELFRY_DATABASE_URL name the same file, {}: each needs its own.",
                path.display()
            ));
        }
        let public_url =
            self.public_url.as_deref().map(parse_public_url).transpose().map_err(&mut add_fault).ok().flatten();
        let trusted_proxies =
            parse_networks(&self.trusted_proxies).map_err(|some| some.into_iter().for_each(&mut add_fault));
        let robot_origins =
            RobotOrigins::parse(&self.robot_origins).map_err(|some| some.into_iter().for_each(&mut add_fault)).ok();
        let robot_proxy = RobotProxy::parse(&self.robot_proxy)
            .map_err(|why| add_fault(format!("BELFRY_ROBOT_PROXY is not http(s)://[USER:PASSWORD@]HOST:PORT: {why}.")))
            .unwrap_or_default();
        let mut name = |setting: &str, text: &str| {
            let text = trim_invisible(text);
            if text.is_empty() || text.chars().count() > MAX_NAME_CHARS || text.chars().any(char::is_control) {
                add_fault(format!("{setting} must be 1 to {MAX_NAME_CHARS} printable characters."));
            }
            text.to_owned()
        };
        let product_name = name("BELFRY_PRODUCT_NAME", &self.product_name);
        let portal_name = name("BELFRY_PORTAL_NAME", &self.portal_name);
        if let Err(fault) = self.log_filter() {
            add_fault(fault);
        }
        if !["text", "json"].contains(&self.log_format.as_str()) {
            add_fault(format!("BELFRY_LOG_FORMAT is neither text nor json: {:?}.", self.log_format));
        }
        let retry_schedule = RetrySchedule::parse(&self.retry_schedule)
            .map_err(|fault| add_fault(format!("BELFRY_RETRY_SCHEDULE {fault}.")))
            .unwrap_or_default();
        let blocklist_file = self.password_blocklist_file.trim();
        let blocklist = (!blocklist_file.is_empty()).then(|| Blocklist::open(Path::new(blocklist_file))).transpose();
        let password_blocklist = blocklist.map_err(&mut add_fault).unwrap_or_default().unwrap_or_default();
        let accepts_lost_secrets = parse_switch("BELFRY_ACCEPT_LOST_SECRETS", &self.accept_lost_secrets);
        let accepts_lost_secrets = accepts_lost_secrets.map_err(&mut add_fault).unwrap_or_default();
        let role = self.process_role().map_err(|some| some.into_iter().for_each(&mut add_fault)).ok();
        match (listen, database, robot_origins, role, faults.is_empty()) {
            (Some(listen), Some(database), Some(robot_origins), Some(work), true) => Ok(Settings {
                listen,
                database,
                key_file: self.key_file.clone(),
                public_url,
                trusted_proxies: trusted_proxies.unwrap_or_default(),
                robot_origins,
                robot_proxy,
                product_name,
                portal_name,
                retry_schedule,
                password_blocklist,
                accepts_lost_secrets,
                role: work,
            }),
            _ => Err(faults),
        }
    }
}

/// A sentence for each variable of the environment that begins like a setting and is none, with the nearest setting.
///
/// What Kubernetes and Docker write for services named `belfry…` (`BELFRY_SERVICE_HOST`, `BELFRY_PORT_8080_TCP`) is left out.
#[must_use]
pub fn unknown_variable_warnings(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<String> {
    let settings = RawSettings::augment_args(Command::new("belfry"));
    let known: Vec<&str> = settings.get_arguments().filter_map(Arg::get_env).filter_map(|name| name.to_str()).collect();
    let mut unknown = Vec::new();
    for (name, value) in environment {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let upper = name.to_ascii_uppercase();
        let is_ours = upper.starts_with("BELFRY_") || upper.starts_with("BELFRY-");
        if !is_ours || known.contains(&name.as_ref()) || is_service_link(&name, &value) {
            continue;
        }
        let suffix = |name: &str| name.get("BELFRY_".len()..).unwrap_or_default().to_owned();
        let similarity = |known: &str| strsim::jaro_winkler(&suffix(known), &suffix(&upper));
        let nearest = known.iter().max_by(|one, other| similarity(one).total_cmp(&similarity(other)));
        let nearest = nearest.copied().unwrap_or_default();
        unknown.push(format!("{name} is no setting of Belfry and has no effect: did you mean {nearest}?"));
    }
    unknown.sort_unstable();
    unknown
}

fn is_service_link(name: &str, value: &str) -> bool {
    let is_url = value.starts_with("tcp://") || value.starts_with("udp://");
    let is_port = name.rsplit_once("_PORT_").is_some_and(|(_, rest)| {
        let mut words = rest.split('_');
        let number = words.next().is_some_and(|number| number.parse::<u16>().is_ok());
        number && words.next().is_some_and(|word| ["TCP", "UDP", "SCTP"].contains(&word))
    });
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || is_port
        || name.ends_with("_PORT") && is_url
}

/// On or off, as people write it.
fn parse_switch(name: &str, text: &str) -> Result<bool, String> {
    match trim_invisible(text).to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{name} is neither on (true, yes, on, 1) nor off (false, no, off, 0): {text:?}.")),
    }
}

/// IP addresses and networks between commas, or a sentence for each entry that is neither.
fn parse_networks(text: &str) -> Result<Vec<IpNet>, Vec<String>> {
    let entries = text.split(',').map(trim_invisible).filter(|entry| !entry.is_empty());
    let (mut networks, mut faults) = (Vec::new(), Vec::new());
    for entry in entries {
        match parse_network(entry) {
            Ok(network) => networks.push(network),
            Err(why) => faults.push(format!("BELFRY_TRUSTED_PROXIES: {entry:?} {why}.")),
        }
    }
    if faults.is_empty() { Ok(networks) } else { Err(faults) }
}

/// Why this is no path of a key file, as the end of a sentence.
fn key_file_fault(path: &Path) -> Option<&'static str> {
    // On a path that is not UTF-8 there is nothing to expand.
    let path = path.to_str()?;
    match path {
        _ if path.starts_with('~') || path.contains('$') => Some("~ and $ are not expanded: write the path as it is"),
        _ if path.chars().any(char::is_control) => Some("the path has control characters"),
        _ if path.ends_with(['/', '\\']) => Some("the path is a folder: name a file in it"),
        _ => None,
    }
}

/// Whether a key file is the file of a SQLite database or one of those that SQLite keeps beside it.
fn is_of_database(key_file: &Path, database: &Path) -> bool {
    // What is not there yet has no other name than where it would be made.
    let place = |path: &Path| {
        let (folder, name) = (path.parent()?, path.file_name()?);
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let known = fs::canonicalize(path).or_else(|_| Ok::<_, io::Error>(fs::canonicalize(folder)?.join(name)));
        known.or_else(|_| std::path::absolute(path)).ok()
    };
    let Some(key_file) = place(key_file) else { return false };
    ["", "-wal", "-shm", "-journal"].iter().any(|suffix| {
        let mut beside = database.as_os_str().to_owned();
        beside.push(suffix);
        place(Path::new(&beside)).is_some_and(|place| place == key_file)
    })
}

/// The widest networks of proxies, by the bits of their prefix: those that are set apart for private use (10.0.0.0/8 and fc00::/7).
const WIDEST: (u8, u8) = (8, 7);

fn parse_network(entry: &str) -> Result<IpNet, String> {
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let neither = || "is neither an IP address nor a network like 10.42.0.0/16".to_owned();
    let network: IpNet = entry.parse().map_err(|_| neither())?;
    if network.network() != network.addr() {
        return Err(format!("has bits behind its prefix: write {}", network.trunc()));
    }
    match network {
        _ if network.prefix_len() == 0 => {
            Err("is every address there is, so that everybody could say where he comes from".to_owned())
        }
        IpNet::V4(v4) if v4.prefix_len() < WIDEST.0 => {
            Err(format!("is wider than any network of proxies (/{})", WIDEST.0))
        }
        IpNet::V6(v6) if v6.prefix_len() < WIDEST.1 => {
            Err(format!("is wider than any network of proxies (/{})", WIDEST.1))
        }
        IpNet::V6(v6) if v6.addr().to_ipv4_mapped().is_some() => Err("is an IPv4 network: write it as one".to_owned()),
        _ => Ok(network),
    }
}

/// A public URL is an origin and nothing more: pages live at its root.
fn parse_public_url(text: &str) -> Result<Url, String> {
    parse_origin(text).map_err(|why| format!("BELFRY_PUBLIC_URL is not http(s)://HOST[:PORT]: {text:?}, {why}."))
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    fn raw_settings(flags: &[&str]) -> RawSettings {
        let command = RawSettings::augment_args(Command::new("belfry"));
        let matches = command.try_get_matches_from([&["belfry"], flags].concat()).unwrap();
        RawSettings::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn trusted_proxies_are_comma_separated_addresses_and_networks() {
        assert_eq!(parse_networks("").unwrap(), Vec::<IpNet>::new());
        let read = |text: &str| parse_networks(text).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            read("::ffff:127.0.0.1, ::1,10.42.0.0/16,\u{a0}fd00::/8"),
            ["127.0.0.1/32", "::1/128", "10.42.0.0/16", "fd00::/8"]
        );
        for wrong in [
            "proxy.example",
            "127.0.0.1:80",
            "127.0.0.1 ::1",
            "10.42.7.1/16",
            "10.42.0.0/33",
            "10.42.0.0/",
            "/16",
            "10.42/16",
            "0.0.0.0/0",
            "::/0",
            "::/1",
            "2000::/3",
            "128.0.0.0/1",
            "8.0.0.0/7",
            "::ffff:10.0.0.0/104",
            "10.42.0.0-10.42.0.9",
        ] {
            let faults = parse_networks(&format!("127.0.0.1,{wrong}, another")).unwrap_err();
            assert!(faults.len() == 2 && faults[0].contains("BELFRY_TRUSTED_PROXIES"), "{wrong}: {faults:?}");
        }
    }

    #[test]
    fn a_log_filter_consists_of_levels_and_targets() {
        for good in ["info", "WARN", "off", "info,belfry=debug", " warn , belfry::delivery=trace ", "belfry=info"] {
            assert!(raw_settings(&["--log", good]).log_filter().is_ok(), "{good}");
        }
        for wrong in [
            "",
            "verbose",
            "loud,info",
            "belfry",
            "belfry=",
            "belfry=loud",
            "belfry=debug=info",
            "info,",
            "info,debug",
            "belfry=info,belfry=debug",
            "Belfry=info",
            "=info",
            "2",
            "info;belfry=debug",
        ] {
            let fault = raw_settings(&["--log", wrong]).log_filter().unwrap_err();
            assert!(fault.contains("BELFRY_LOG"), "{wrong}: {fault}");
        }
    }

    #[test]
    fn a_part_of_the_log_filter_that_writes_nothing_is_named() {
        let unknown = |log: &str| raw_settings(&["--log", log]).unknown_log_parts();
        assert_eq!(
            unknown("info,belfry=debug, belfry::delivery::worker=trace,actix_http::h1=info"),
            Vec::<String>::new()
        );
        let told = unknown("info,belfry::curier=trace,belfri=debug,hyper=warn");
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].contains("belfry::curier ") || told[0].contains("belfry::curier,"), "{told:?}");
    }

    #[test]
    fn the_parts_of_the_log_filter_are_those_that_there_are() {
        let modules = include_str!("lib.rs").lines().filter_map(|line| line.strip_prefix("pub mod "));
        let modules: Vec<&str> = modules.filter_map(|line| line.split(';').next()).collect();
        assert_eq!(MODULES.to_vec(), modules);
        let packages: Vec<&str> = include_str!("../Cargo.lock").split("[[package]]").collect();
        for library in LOGGING_LIBRARIES {
            let names = [library.to_owned(), library.replace('_', "-")].map(|name| format!("name = \"{name}\"\n"));
            let is_it = |package: &&&str| names.iter().any(|name| package.contains(name));
            let package = packages.iter().find(is_it).expect(library);
            assert!(package.contains("\"log") || package.contains("\"tracing"), "{library}");
        }
    }

    #[test]
    fn a_key_file_that_would_not_be_where_it_is_meant_is_refused() {
        for path in ["~/belfry.key", "$HOME/belfry.key", "data/keys/", "data/belfry\n.key"] {
            let faults = raw_settings(&["--key-file", path]).validate().unwrap_err();
            assert!(faults.iter().any(|fault| fault.starts_with("BELFRY_KEY_FILE")), "{path:?}: {faults:?}");
        }
        assert!(raw_settings(&["--key-file", "data/ke ys~1/belfry.key"]).validate().is_ok());
    }

    #[test]
    fn the_key_file_is_no_file_of_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (database, link) = (path("belfry.db"), path("link"));
        assert!(is_of_database(&database, &database), "neither is there yet");
        assert!(is_of_database(&path("./belfry.db-wal"), &database));
        assert!(!is_of_database(&path("belfry.key"), &database));
        fs::write(&database, "").unwrap();
        std::os::unix::fs::symlink(&database, &link).unwrap();
        assert!(is_of_database(&link, &database));
        assert!(is_of_database(Path::new("belfry.db"), Path::new("./belfry.db")));
    }

    #[test]
    fn a_switch_is_true_or_false_and_nothing_else() {
        for (flags, work) in [
            (&["--serve-only"][..], ProcessRole::ServeOnly),
            (&["--serve-only=yes", "--deliver-only=off"], ProcessRole::ServeOnly),
            (&["--deliver-only"], ProcessRole::DeliverOnly { listen: false }),
            (&["--deliver-only=1", "--listen", "127.0.0.1:0"], ProcessRole::DeliverOnly { listen: true }),
            (&["--serve-only=0", "--deliver-only=FALSE"], ProcessRole::ServeAndDeliver),
        ] {
            assert_eq!(raw_settings(flags).process_role().unwrap(), work, "{flags:?}");
        }
        for wrong in ["flase", "", "2", "y", "ture", "true false"] {
            let faults =
                raw_settings(&[&format!("--serve-only={wrong}"), "--deliver-only=maybe"]).validate().unwrap_err();
            assert_eq!(faults.len(), 2, "{wrong}: {faults:?}");
        }
        assert!(
            raw_settings(&["--serve-only", "--deliver-only"]).validate().unwrap_err()[0].contains("exclude each other")
        );
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_nearest_setting() {
        let found = |variables: &[(&str, &str)]| {
            unknown_variable_warnings(variables.iter().map(|(name, value)| (name.into(), value.into())))
        };
        for (name, nearest) in [
            ("BELFRY_PUBLICURL", "BELFRY_PUBLIC_URL"),
            ("BELFRY_PUBLIC_URI", "BELFRY_PUBLIC_URL"),
            ("BELFRY_DATABASE", "BELFRY_DATABASE_URL"),
            ("BELFRY_DATABASE_URI", "BELFRY_DATABASE_URL"),
            ("BELFRY_KEYFILE", "BELFRY_KEY_FILE"),
            ("BELFRY_LOGFORMAT", "BELFRY_LOG_FORMAT"),
            ("BELFRY_TRUSTED_PROXY", "BELFRY_TRUSTED_PROXIES"),
            ("belfry_listen", "BELFRY_LISTEN"),
            ("BELFRY-LISTEN", "BELFRY_LISTEN"),
            ("BELFRY_RETRY_SHEDULE", "BELFRY_RETRY_SCHEDULE"),
        ] {
            let told = found(&[("PATH", "/bin"), (name, "s3cret"), ("BELFRY_LOG", "info")]);
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(name) && told[0].ends_with(&format!("{nearest}?")), "{told:?}");
            assert!(!told[0].contains("s3cret"));
        }
        assert_eq!(found(&[("BELFRY_PORT", "8080")]).len(), 1);
        let links = [
            ("BELFRY_SERVICE_HOST", "10.0.0.1"),
            ("BELFRY_SERVICE_PORT", "8080"),
            ("BELFRY_SERVICE_PORT_HTTP", "8080"),
            ("BELFRY_PORT", "tcp://10.0.0.1:8080"),
            ("BELFRY_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("BELFRY_DB_PORT_5432_TCP_ADDR", "10.0.0.2"),
        ];
        assert_eq!(found(&links), Vec::<String>::new());
    }

    #[test]
    fn all_faults_are_reported_at_once_without_secrets() {
        let faults = raw_settings(&[
            "--listen",
            "localhost:8080",
            "--database-url",
            "sqlite://:memory:",
            "--key-file",
            "",
            "--public-url",
            "https:/belfry.example",
            "--robot-origins",
            "https://ding.corp.example/robot/send?access_token=0123456789abcdef0123456789abcdef",
            "--robot-proxy",
            "socks5://ann:s3cret@proxy.example:1080",
            "--product-name",
            "\u{200b}",
            "--log",
            "verbose",
            "--log-format",
            "xml",
            "--retry-schedule",
            "5s",
        ])
        .validate()
        .unwrap_err();
        assert_eq!(faults.len(), 10, "{faults:#?}");
        let all = faults.join(" ");
        assert!(!all.contains("s3cret") && !all.contains("0123456789abcdef"), "{all}");
    }
}
