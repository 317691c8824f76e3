//! What the program stands on: licences, double versions and sources, by the rules of `deny.toml`, without a network.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
};

use serde::Deserialize;

#[derive(Deserialize)]
struct Rules {
    licenses: Licences,
    bans: Bans,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licences {
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

fn rules() -> Rules {
    toml::from_str(include_str!("../../deny.toml")).expect("deny.toml")
}

/// Every package that is built for this machine.
fn packages() -> Vec<Package> {
    let compiler = Command::new("rustc").arg("-vV").output().expect("rustc starts");
    let compiler = String::from_utf8(compiler.stdout).expect("text");
    let host = compiler.lines().find_map(|line| line.strip_prefix("host: ")).expect("a host");
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata = serde_json::from_slice(&output.stdout).expect("cargo's metadata");
    assert!(metadata.packages.len() > 100, "only {} packages", metadata.packages.len());
    metadata.packages
}

/// Whether an SPDX expression can be met with these licences. `/` is how `OR` was once written.
fn allowed(expression: &str, allow: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    any_of(&mut words, allow)
}

type Words<'s> = std::iter::Peekable<std::str::SplitWhitespace<'s>>;

fn any_of(words: &mut Words<'_>, allow: &BTreeSet<String>) -> bool {
    let mut met = all_of(words, allow);
    while words.next_if_eq(&"OR").is_some() {
        met |= all_of(words, allow);
    }
    met
}

fn all_of(words: &mut Words<'_>, allow: &BTreeSet<String>) -> bool {
    let mut met = one(words, allow);
    while words.next_if_eq(&"AND").is_some() {
        met &= one(words, allow);
    }
    met
}

fn one(words: &mut Words<'_>, allow: &BTreeSet<String>) -> bool {
    let word = words.next().unwrap_or_default();
    if word == "(" {
        let met = any_of(words, allow);
        assert_eq!(words.next(), Some(")"), "an open bracket");
        return met;
    }
    if words.next_if_eq(&"WITH").is_some() {
        // An exception only ever gives more rights; it has to be named all the same.
        let exception = words.next().unwrap_or_default();
        return allow.contains(&format!("{word} WITH {exception}"));
    }
    allow.contains(word)
}

#[test]
fn every_licence_is_on_the_list() {
    let rules = rules();
    // The project itself is not published, and its licence is its owner's to choose.
    let refused: Vec<String> = packages()
        .iter()
        .filter(|package| package.source.is_some())
        .filter(|package| !package.license.as_deref().is_some_and(|licence| allowed(licence, &rules.licenses.allow)))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_double_version_is_known_and_every_known_one_is_there() {
    let rules = rules();
    let mut versions: BTreeMap<String, BTreeSet<Vec<u64>>> = BTreeMap::new();
    for package in packages() {
        let numbers = package.version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect();
        versions.entry(package.name).or_default().insert(numbers);
    }
    let mut older = BTreeSet::new();
    for (name, versions) in versions {
        for version in versions.iter().rev().skip(1) {
            let numbers: Vec<String> = version.iter().map(u64::to_string).collect();
            older.insert(format!("{name}@{}", numbers.join(".")));
        }
    }
    let new: Vec<&String> = older.difference(&rules.bans.skip).collect();
    let gone: Vec<&String> = rules.bans.skip.difference(&older).collect();
    assert!(new.is_empty() && gone.is_empty(), "not in deny.toml: {new:#?}\nin deny.toml for nothing: {gone:#?}");
}

#[test]
fn everything_comes_from_the_registry() {
    let rules = rules();
    for Package { name, source, .. } in packages() {
        let known = source.as_deref().is_none_or(|source| {
            source
                .strip_prefix("registry+")
                .is_some_and(|url| rules.sources.allow_registry.iter().any(|ours| ours == url))
        });
        assert!(known && (source.is_some() || name == "belfry"), "{name} comes from {source:?}");
    }
}

#[test]
fn a_licence_expression_is_met_by_one_side_of_or_and_both_sides_of_and() {
    let allow = BTreeSet::from(["MIT", "ISC"].map(str::to_owned));
    for (expression, met) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("MIT OR GPL-3.0 AND GPL-2.0", true),
        ("GPL-3.0 WITH Classpath-exception", false),
    ] {
        assert_eq!(allowed(expression, &allow), met, "{expression}");
    }
}
