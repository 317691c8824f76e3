//! `belfry check`: everything that is wrong with a deployment, said all at once, a sentence each that says what to do.
//!
//! It changes nothing, makes nothing that is not there yet, and may be run beside a server.

use std::{env, fs, net::IpAddr, os::unix::fs::PermissionsExt as _, path::Path};

use chrono::NaiveDateTime;
use url::{Host, Url};

use crate::{
    connections::{descriptor_limit, max_connections_per_address, max_connections_total},
    db::{self, AnyConnection, DatabaseAddress},
    delivery::{self, Ledger},
    portals,
    secrets::KeyRing,
    settings::{RawSettings, Settings, unknown_variable_warnings},
    text::trim_invisible,
};

/// What is asked besides what is plainly wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Recounts all deliveries.
    pub ledger: bool,
    /// Looks for what is unsafe in production.
    pub deploy: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// What has to be put right.
    pub faults: Vec<String>,
    /// What to think of, that no program can see.
    pub reminders: Vec<String>,
    /// The ledger, when it was asked for and could be read.
    pub ledger: Option<Ledger>,
}

/// Looks at everything that these settings name.
#[must_use]
pub fn check_deployment(raw: &RawSettings, options: CheckOptions, now: NaiveDateTime) -> CheckReport {
    let mut report = CheckReport::default();
    let settings = raw.validate().map_err(|faults| report.faults.extend(faults)).ok();
    report.faults.extend(unknown_variable_warnings(env::vars_os()));
    report.reminders.extend(raw.unknown_log_parts());
    report.reminders.extend(ignored_proxy(raw, |variable| env::var_os(variable).is_some()));
    let keys = raw.key_file.exists().then(|| KeyRing::open(&raw.key_file));
    if let Some(Err(fault)) = &keys {
        report.faults.push(fault.clone());
    }
    let address = DatabaseAddress::parse(trim_invisible(&raw.database_url)).ok();
    if let Some(mut c) = address.as_ref().and_then(|address| connect(address, &mut report)) {
        check_database(&mut c, &raw.key_file, keys.and_then(Result::ok).as_ref(), &mut report);
        if options.deploy {
            report.faults.extend(db::durability_warnings(&mut c));
        }
        if options.ledger {
            recount_ledger(&mut c, now, &mut report);
        }
    }
    if let Some(settings) = settings.filter(|_| options.deploy) {
        report.faults.extend(exposure_faults(&settings));
        report.faults.extend(insecure_origin_faults(&raw.robot_origins));
        check_descriptors(descriptor_limit(), &mut report);
        match &settings.database {
            DatabaseAddress::Sqlite(file) => check_file_permissions(file, &settings.key_file, &mut report),
            DatabaseAddress::Postgres(url) => report.faults.extend(unencrypted_postgres_fault(url)),
        }
    }
    report
}

/// The variables by which other programs are told of a proxy.
const PROXY_VARIABLES: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A sentence when the environment names a proxy that Belfry does not use.
#[must_use]
pub fn ignored_proxy(raw: &RawSettings, is_set: impl Fn(&str) -> bool) -> Option<String> {
    let variable = PROXY_VARIABLES.into_iter().find(|variable| is_set(variable))?;
    trim_invisible(&raw.robot_proxy).is_empty().then(|| {
        format!("{variable} is set, which Belfry does not use: robots are called directly unless BELFRY_ROBOT_PROXY names a proxy.")
    })
}

/// The database, when there is one already.
fn connect(address: &DatabaseAddress, report: &mut CheckReport) -> Option<AnyConnection> {
    if matches!(address, DatabaseAddress::Sqlite(file) if !file.exists()) {
        return None;
    }
    address.connect().map_err(|fault| report.faults.push(fault)).ok()
}

fn check_database(c: &mut AnyConnection, key_file: &Path, keys: Option<&KeyRing>, report: &mut CheckReport) {
    if db::has_no_tables(c) {
        return;
    }
    let fault_count = report.faults.len();
    report.faults.extend(db::database_errors(c));
    if report.faults.len() > fault_count {
        return;
    }
    let secret_counts = delivery::count_unreadable_values(c, keys).and_then(|(all, closed)| {
        let (more, more_closed) = portals::store::unopened(c, keys)?;
        Ok((all + more, closed + more_closed))
    });
    let file = key_file.display();
    match secret_counts {
        Ok((_, 0)) => {}
        Ok((total, _)) if !key_file.exists() => report.faults.push(format!(
            "The key file {file} is not there, and the database holds {total} sealed secrets: restore it from your copy. Without it \
             belfry does not start."
        )),
        // It cannot be read, which has been said.
        Ok(_) if keys.is_none() => {}
        Ok((all, closed)) => report.faults.push(format!(
            "{closed} of {all} sealed secrets do not open with the key file {file}: restore the file that belongs to this database."
        )),
        Err(fault) => report.faults.push(format!("The sealed secrets cannot be read: {fault}.")),
    }
}

fn recount_ledger(c: &mut AnyConnection, now: NaiveDateTime, report: &mut CheckReport) {
    match delivery::load_ledger(c, now) {
        Ok(ledger) => {
            if !ledger.is_balanced() {
                report
                    .faults
                    .push("The ledger does not balance; the lines above name what does not add up.".to_owned());
            }
            report.ledger = Some(ledger);
        }
        Err(fault) => report.faults.push(format!("The deliveries cannot be recounted: {fault}.")),
    }
}

/// What is unsafe about how people come to it.
fn exposure_faults(settings: &Settings) -> Vec<String> {
    let Settings { listen, public_url, trusted_proxies, role: work, .. } = settings;
    let mut faults = Vec::new();
    match public_url {
        _ if !work.serves() => {}
        None if !listen.ip().is_loopback() => faults.push(format!(
            "BELFRY_LISTEN is {listen}, which others can reach, and passwords would go over the network in the clear: put a \
             TLS proxy before it and set BELFRY_PUBLIC_URL to https://… (what people type)."
        )),
        None => faults.push(
            "BELFRY_PUBLIC_URL is not set: set it to https://… (what people type), so that cookies are bound to https and \
             to that host."
                .to_owned(),
        ),
        Some(url) if url.scheme() != "https" && !is_local(url.host()) => faults.push(format!(
            "BELFRY_PUBLIC_URL is {url}, so that passwords go over the network in the clear: use https."
        )),
        Some(url) if url.scheme() == "https" && trusted_proxies.is_empty() => faults.push(
            "BELFRY_TRUSTED_PROXIES is empty, so that everybody seems to come from the TLS proxy, and twenty wrong passwords \
             lock everybody out: name the proxy's address."
                .to_owned(),
        ),
        Some(_) => {}
    }
    faults
}

fn is_local(host: Option<Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Robots that are called over the network without encryption: their address is all the proof that they ask for.
fn insecure_origin_faults(origins: &str) -> Vec<String> {
    let urls = origins.split(',').filter_map(|entry| Url::parse(entry.trim()).ok());
    let plain = urls.filter(|url| url.scheme() == "http" && !is_local(url.host()));
    plain
        .map(|url| {
            format!(
                "BELFRY_ROBOT_ORIGINS names {}, to which webhooks and messages go in the clear: use https.",
                url.origin().ascii_serialization()
            )
        })
        .collect()
}

/// So many open files are enough for some hundred visitors, the database and robots.
const RECOMMENDED_DESCRIPTORS: usize = 4_096;

/// How many connections the limit of open files allows.
fn check_descriptors(limit: usize, report: &mut CheckReport) {
    let (all, one) = (max_connections_total(limit), max_connections_per_address(limit));
    let description = format!("at most {limit} open files (the hard limit): {all} connections, {one} from one address");
    if limit < RECOMMENDED_DESCRIPTORS {
        report.faults.push(format!(
            "Belfry may have {description}, which is little: raise the hard limit of open files to {RECOMMENDED_DESCRIPTORS} or more \
             (LimitNOFILE= of systemd, ulimits of Docker)."
        ));
    } else {
        report.reminders.push(format!(
            "Belfry may have {description}; those in BELFRY_TRUSTED_PROXIES are not counted by address."
        ));
    }
}

/// What is unsafe about the files of a SQLite database and its keys.
fn check_file_permissions(database: &Path, key_file: &Path, report: &mut CheckReport) {
    let mode = |path: &Path| fs::metadata(path).map(|data| data.permissions().mode() & 0o777).unwrap_or_default();
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if mode(folder) & 0o007 != 0 {
        report.faults.push(format!(
            "Everybody on this machine may enter the data folder {} (mode {:04o}): run chmod 700 on it.",
            folder.display(),
            mode(folder)
        ));
    }
    if mode(database) & 0o077 != 0 {
        report.faults.push(format!(
            "The database {} can be read by others (mode {:04o}): run chmod 600 on it.",
            database.display(),
            mode(database)
        ));
    }
    let folder_of = |path: &Path| fs::canonicalize(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    if let (Some(one), Some(other)) = (folder_of(database), folder_of(key_file))
        && one == other
    {
        report.reminders.push(format!(
            "The key file stands in the database's folder {}: whoever gets a copy of the folder reads every webhook. Leave \
             it out of backups and keep a copy of it elsewhere, or set BELFRY_KEY_FILE.",
            one.display()
        ));
    }
    report.reminders.push(
        "Nothing is backed up by itself: let a timer run belfry backup FILE, and take the copies to another machine."
            .to_owned(),
    );
}

/// Whether a Postgres on another machine is spoken to in the clear. The URL may hold a password and is not repeated.
fn unencrypted_postgres_fault(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (location, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = location.split('/').next().unwrap_or_default();
    let hosts = authority.rsplit('@').next().unwrap_or_default();
    let value = |wanted: &str| {
        let mut pairs = url::form_urlencoded::parse(parameters.as_bytes());
        pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
    };
    let hosts = [Some(hosts.to_owned()), value("host"), value("hostaddr")].into_iter().flatten();
    let hosts: Vec<String> =
        hosts.flat_map(|hosts| hosts.split(',').map(host_without_port).collect::<Vec<_>>()).collect();
    let remote = hosts.iter().any(|host| !is_this_machine(host));
    let is_encrypted =
        value("sslmode").is_some_and(|mode| ["require", "verify-ca", "verify-full"].contains(&mode.as_str()));
    (remote && !is_encrypted).then(|| {
        "The Postgres of BELFRY_DATABASE_URL is on another machine, and its connection need not be encrypted: add \
         sslmode=verify-full (or require) to the URL."
            .to_owned()
    })
}

/// A host without its port.
fn host_without_port(host: &str) -> String {
    let unbracketed = host.strip_prefix('[').and_then(|host| host.split(']').next());
    unbracketed.unwrap_or_else(|| host.split(':').next().unwrap_or_default()).to_owned()
}

/// Nothing and a path are a socket of this machine.
fn is_this_machine(host: &str) -> bool {
    host.is_empty()
        || host.starts_with(['/', '@'])
        || host.starts_with("%2F")
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_postgres_must_be_encrypted_however_its_host_is_written() {
        for near in [
            "postgres:///belfry",
            "postgres://ann:pa@localhost/belfry",
            "postgres://127.0.0.1:5433/belfry?sslmode=disable",
            "postgres://[::1]:5433/belfry",
            "postgres:///belfry?host=/run/postgresql",
            "postgres://%2Frun%2Fpostgresql/belfry",
            "postgres://db.example/belfry?sslmode=verify-full",
            "postgres://one.example:1,two.example:2/belfry?target_session_attrs=read-write&sslmode=require",
        ] {
            assert_eq!(unencrypted_postgres_fault(near), None, "{near}");
        }
        for far in [
            "postgres://db.example/belfry",
            "postgres://ann:s3cret@db.example:5432/belfry?sslmode=prefer",
            "postgres://localhost,db.example/belfry",
            "postgres:///belfry?host=db.example",
            "postgres://10.0.0.7/belfry?sslmode=disable",
        ] {
            let told = unencrypted_postgres_fault(far).unwrap_or_else(|| panic!("{far}"));
            assert!(told.contains("sslmode") && !told.contains("s3cret"), "{told}");
        }
    }

    #[test]
    fn plain_http_is_for_robots_on_this_machine_alone() {
        assert_eq!(
            insecure_origin_faults("http://127.0.0.1:9100, https://ding.corp.example,http://[::1]:1"),
            Vec::<String>::new()
        );
        let told = insecure_origin_faults("http://127.0.0.1:9100,http://ding.corp.example:8080");
        assert!(told.len() == 1 && told[0].contains("http://ding.corp.example:8080"), "{told:?}");
    }

    #[test]
    fn a_low_limit_of_open_files_is_reported_with_the_remedy() {
        let of = |limit| {
            let mut report = CheckReport::default();
            check_descriptors(limit, &mut report);
            (report.faults, report.reminders)
        };
        let (faults, _) = of(1_024);
        assert!(
            faults.len() == 1 && faults[0].contains("1024 open files") && faults[0].contains("LimitNOFILE"),
            "{faults:?}"
        );
        let (faults, reminders) = of(524_288);
        assert!(faults.is_empty() && reminders.len() == 1, "{faults:?} {reminders:?}");
    }
}
