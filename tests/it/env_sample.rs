//! `.env.sample` names every setting with its default, and nothing else.

use std::collections::BTreeSet;

use belfry::settings::RawSettings;
use clap::{Args as _, Command};

#[test]
fn the_sample_environment_names_every_setting_with_its_default() {
    let sample = include_str!("../../.env.sample");
    let command = RawSettings::augment_args(Command::new("belfry"));
    let mut known = BTreeSet::new();
    for setting in command.get_arguments() {
        let Some(name) = setting.get_env().and_then(|name| name.to_str()) else { continue };
        known.insert(name);
        let line = match setting.get_default_values().first().and_then(|value| value.to_str()) {
            Some(default) if !default.is_empty() => format!("#{name}={default}"),
            // No default, or one that help text describes: the sample gives an example.
            _ => format!("#{name}="),
        };
        assert!(sample.lines().any(|found| found.starts_with(&line)), "no line {line}");
    }
    assert!(known.len() > 10, "{known:?}");
    let words = sample.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("BELFRY_")).collect();
    assert_eq!(named, known, "left: .env.sample; right: src/settings.rs");
}
