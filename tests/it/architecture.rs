//! The laws of the house, held against the source: which room may use which.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A source file of the crate.
struct File {
    /// Below `src`, as in `members/store.rs`.
    path: String,
    /// What it takes from the crate, as in `accounts::store`, and from outside, as in `actix_web`.
    uses: BTreeSet<String>,
}

impl File {
    fn room(&self) -> &str {
        self.path.split('/').next().unwrap_or_default().trim_end_matches(".rs")
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The rooms of the crate that it uses, other than its own.
    fn rooms(&self) -> BTreeSet<&str> {
        let rooms = self.uses.iter().filter_map(|used| used.strip_prefix("crate::"));
        rooms.filter_map(|used| used.split("::").next()).filter(|room| *room != self.room()).collect()
    }
}

/// The files below a folder whose names end so.
fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|ending| ending == extension) {
            found.push(path);
        }
    }
    found
}

fn files() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = files_below(&src, "rs");
    paths.retain(|path| !path.ends_with("tests.rs"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source file");
        let path = path.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
        let uses = uses(&text, &path);
        File { path, uses }
    };
    paths.into_iter().map(read).collect()
}

/// Everything that a file uses, by `use` or by a path in its text, with `self` and `super` written out. Its tests, which
/// stand last, are left out: they may look where the room may not.
fn uses(text: &str, path: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for statement in code.split("\nuse ").skip(1).chain(code.split("pub use ").skip(1)) {
        let statement: String = statement.split(';').next().unwrap_or_default().split_whitespace().collect();
        expand("", &statement, &mut found);
    }
    for (place, _) in code.match_indices("crate::") {
        let name: String = code[place..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
        found.insert(name.trim_end_matches(':').to_owned());
    }
    // A room that is in scope is reached into without `crate::`.
    for (place, _) in code.match_indices("pages::") {
        let before: String =
            code[..place].chars().rev().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
        let before: String = before.chars().rev().collect();
        if before.contains("::") && !["crate::", "super::", "self::"].iter().any(|start| before.starts_with(start)) {
            found.insert(format!("crate::{before}pages"));
        }
    }
    found.into_iter().map(|used| absolute(&used, path)).collect()
}

/// Writes out `a::{b, c::{d, e}}`.
fn expand(before: &str, tree: &str, found: &mut BTreeSet<String>) {
    let Some((head, rest)) = tree.split_once('{') else {
        found.insert(format!("{before}{tree}"));
        return;
    };
    let inner = rest.strip_suffix('}').unwrap_or(rest);
    let mut depth = 0;
    let parts = inner.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    for part in parts.filter(|part| !part.is_empty()) {
        expand(&format!("{before}{head}"), part, found);
    }
}

/// `super::x` and `self::x` as `crate::room::x`.
fn absolute(used: &str, path: &str) -> String {
    let mut module: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if module.last().is_some_and(|name| ["mod", "lib", "main"].contains(name)) {
        module.pop();
    }
    let mut rest = used;
    let mut relative = false;
    if let Some(after) = rest.strip_prefix("self::") {
        (rest, relative) = (after, true);
    }
    while let Some(after) = rest.strip_prefix("super::") {
        module.pop();
        (rest, relative) = (after, true);
    }
    if relative {
        ["crate"].iter().chain(&module).chain(&[rest]).copied().collect::<Vec<_>>().join("::")
    } else {
        rest.to_owned()
    }
}

/// Every file whose uses break a law, with what it uses.
fn broken(law: impl Fn(&File) -> Vec<String>) -> Vec<String> {
    let files = files();
    assert!(files.len() > 40, "the source was not found");
    files.iter().flat_map(|file| law(file).into_iter().map(|used| format!("{} uses {used}", file.path))).collect()
}

/// What a file uses whose path satisfies the predicate.
fn using(file: &File, forbidden: impl Fn(&str) -> bool) -> Vec<String> {
    file.uses.iter().filter(|used| forbidden(used)).cloned().collect()
}

fn is_outside(used: &str, name: &str) -> bool {
    used == name || used.starts_with(&format!("{name}::"))
}

/// Whether this is, or is in, a feature's module of pages: `pages` or `…_pages`.
fn is_in_pages(used: &str) -> bool {
    let mut parts = used.split("::");
    let (root, room, module) = (parts.next(), parts.next(), parts.next());
    let features = FEATURES.iter().chain(&["audit", "sandbox"]);
    root == Some("crate")
        && features.copied().any(|feature| room == Some(feature))
        && module.is_some_and(|module| module == "pages" || module.ends_with("_pages"))
}

const FEATURES: [&str; 12] = [
    "accounts",
    "tenants",
    "channels",
    "members",
    "deliveries",
    "alerts",
    "portals",
    "people",
    "groups",
    "schedules",
    "templates",
    "retention",
];

fn holds(law: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{law}:\n{}", broken.join("\n"));
}

#[test]
fn nothing_but_routes_uses_pages() {
    let law = |file: &File| {
        let own = format!("crate::{}::", file.room());
        let may = file.path == "routes.rs";
        using(file, |used| !may && is_in_pages(used) && !used.starts_with(&own))
    };
    holds("nothing but routes imports pages", broken(law));
}

#[test]
fn a_module_of_pages_is_known_from_a_function_of_a_like_name() {
    assert!(is_in_pages("crate::accounts::pages"));
    assert!(is_in_pages("crate::accounts::log_in_settings_pages::show"));
    assert!(!is_in_pages("crate::web::errors::error_pages"));
    assert!(!is_in_pages("errors::error_pages"));
    assert!(!is_in_pages("crate::accounts::store"));
}

#[test]
fn robots_use_nothing_of_the_crate_but_the_rules_of_text() {
    let law = |file: &File| {
        if file.room() == "robots" {
            using(file, |used| {
                used.starts_with("crate::") && !used.starts_with("crate::robots") && !used.starts_with("crate::text")
            })
        } else {
            Vec::new()
        }
    };
    holds("robots → text", broken(law));
}

#[test]
fn robots_do_no_input_or_output_and_have_no_clock() {
    let forbidden = ["reqwest", "tokio", "actix_web", "diesel", "std::net", "std::fs", "std::time::Instant", "tracing"];
    let law = |file: &File| {
        if file.room() == "robots" {
            using(file, |used| forbidden.iter().any(|name| is_outside(used, name)))
        } else {
            Vec::new()
        }
    };
    holds("robots are pure", broken(law));
}

#[test]
fn models_know_no_web_and_no_database() {
    let law = |file: &File| {
        let forbidden = |used: &str| {
            ["actix_web", "actix_session", "diesel", "crate::web"].iter().any(|name| is_outside(used, name))
                || used.contains("::store")
                || used.contains("::pages")
                || used.contains("::form")
                || used.starts_with("crate::db") && !used.ends_with("Id")
        };
        if file.name() == "model.rs" { using(file, forbidden) } else { Vec::new() }
    };
    holds("model → nothing but clock and ids", broken(law));
}

#[test]
fn stores_and_forms_know_no_web_server() {
    let law = |file: &File| {
        let inner = file.room() != "web" && ["store.rs", "form.rs", "model.rs", "list.rs"].contains(&file.name());
        using(file, |used| inner && ["actix_web", "actix_session"].iter().any(|name| is_outside(used, name)))
    };
    holds("only pages speak HTTP", broken(law));
}

#[test]
fn stores_use_no_form() {
    let law = |file: &File| {
        using(file, |used| file.name() == "store.rs" && (used.contains("::form") || used.starts_with("crate::web")))
    };
    holds("pages → store → db", broken(law));
}

#[test]
fn delivery_imports_no_feature_and_no_page() {
    let law = |file: &File| {
        let forbidden: Vec<String> =
            FEATURES.iter().chain(&["web", "access", "routes", "app"]).map(|room| format!("crate::{room}")).collect();
        if file.room() == "delivery" {
            using(file, |used| forbidden.iter().any(|room| is_outside(used, room)))
        } else {
            Vec::new()
        }
    };
    holds("delivery → robots, db", broken(law));
}

#[test]
fn the_sandbox_shares_no_code_with_what_it_checks() {
    let law = |file: &File| {
        if file.room() != "sandbox" {
            return Vec::new();
        }
        let allowed = ["sandbox", "clock", "language"];
        using(file, |used| {
            used.strip_prefix("crate::")
                .is_some_and(|used| !allowed.contains(&used.split("::").next().unwrap_or_default()))
        })
    };
    holds("sandbox shares no code with robots", broken(law));
}

#[test]
fn the_lower_rooms_know_nothing_of_those_above() {
    // Each may use the ones named, and no other room.
    let allowed: [(&str, &[&str]); 12] = [
        ("clock", &[]),
        ("error", &[]),
        ("language", &["text"]),
        ("log", &["text"]),
        ("metrics", &[]),
        ("text", &[]),
        ("db", &["clock", "error", "log", "metrics"]),
        ("secrets", &["db", "error", "text"]),
        ("access", &["clock", "db", "error", "language", "log", "secrets"]),
        ("audit", &["access", "db", "error"]),
        ("refusals", &["log", "metrics"]),
        ("web", &["access", "clock", "error", "language", "log", "metrics", "refusals", "secrets", "text"]),
    ];
    let law = |file: &File| {
        let Some((_, allowed)) = allowed.iter().find(|(room, _)| *room == file.room()) else { return Vec::new() };
        // The audit room has a page of its own, which stands above.
        if ["pages.rs", "form.rs"].contains(&file.name()) {
            return Vec::new();
        }
        file.rooms().into_iter().filter(|room| !allowed.contains(room)).map(str::to_owned).collect()
    };
    holds("no room is reached from below", broken(law));
}

#[test]
fn every_table_heading_has_a_scope() {
    let templates = files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), "html");
    let mut headings = 0;
    for path in templates {
        let text = fs::read_to_string(&path).expect("a template");
        for (place, _) in text.match_indices("<th").filter(|(place, _)| !text[*place..].starts_with("<thead")) {
            assert!(text[place..].starts_with("<th scope="), "{}: {}", path.display(), &text[place..][..60]);
            headings += 1;
        }
    }
    assert!(headings > 40, "{headings}");
}

#[test]
fn only_the_database_and_stores_write_queries() {
    let law = |file: &File| {
        let may = file.room() == "db"
            || file.path.contains("/store/")
            || ["store.rs", "list.rs", "principal.rs", "session.rs", "error.rs"].contains(&file.name());
        using(file, |used| !may && is_outside(used, "diesel"))
    };
    holds("pages → store → db", broken(law));
}

/// What may write to the database without a permit: the database itself, what runs without a request, sessions, visitors who are not
/// signed in, and the intake, which checks portals.
const WRITES_WITHOUT_PERMIT: [&str; 17] = [
    "access/permit.rs",
    "access/session.rs",
    "accounts/log_in.rs",
    "alerts/fan_out.rs",
    "alerts/prepare.rs",
    "alerts/suppressed_notifier.rs",
    "app.rs",
    "delivery/worker.rs",
    "demo.rs",
    "main.rs",
    "members/added.rs",
    "members/broken.rs",
    "members/stranded.rs",
    "portals/intake.rs",
    "portals/intake/storing.rs",
    "portals/refusals.rs",
    "retention/clean.rs",
];

#[test]
fn pages_write_by_a_permit_that_is_checked_in_the_transaction() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut seen = BTreeSet::new();
    for file in files().iter().filter(|file| file.room() != "db") {
        let text = fs::read_to_string(src.join(&file.path)).expect("a source file");
        let code: String =
            text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().split_whitespace().collect();
        if ["db.write(", "db.write_", ".write(move|", ".write(|", ".try_write(", ".write_batched("]
            .iter()
            .any(|call| code.contains(call))
        {
            seen.insert(file.path.clone());
        }
    }
    assert_eq!(seen, WRITES_WITHOUT_PERMIT.map(str::to_owned).into());
}

#[test]
fn the_reader_of_uses_writes_out_nested_and_relative_paths() {
    let text = "\nuse std::{fs, io::{self, Read}};\nuse super::{store, model::Name};\n\nfn f() { crate::web::page(); }\n#[cfg(test)]\nmod tests { use crate::hidden; }";
    let found = uses(text, "members/pages.rs");
    let expected = [
        "std::fs",
        "std::io::self",
        "std::io::Read",
        "crate::members::store",
        "crate::members::model::Name",
        "crate::web::page",
    ];
    assert_eq!(found, expected.map(str::to_owned).into());
}
