//! The step of `tests/run.sh` that holds the dependencies against the advisory database, with a cargo-deny of the test's own.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::harness::folder;

/// Runs the step in a shell that ends with the first failure, and says what comes after it.
const SCRIPT: &str = r#"
set -euo pipefail
step() { printf '\n== %s\n' "$*"; "$@"; }
eval "$(sed -n '/^advisories() {$/,/^}$/p' tests/run.sh)"
advisories
echo "the next step"
"#;

/// A cargo-deny that answers a check with this exit code, beside a cargo without another.
fn with_cargo_deny(folder: &Path, code: i32) -> PathBuf {
    let programs = folder.join("programs");
    fs::create_dir(&programs).unwrap();
    let deny = programs.join("cargo-deny");
    let script = format!(
        "#!/bin/sh\necho \"cargo $*\"\ncase \"$*\" in *--version*) exit 0;; esac\necho 'error[vulnerability]: made up'\nexit {code}\n"
    );
    fs::write(&deny, script).unwrap();
    fs::set_permissions(&deny, fs::Permissions::from_mode(0o700)).unwrap();
    programs
}

/// A copy of the advisory database where cargo-deny puts one.
fn with_database(cargo_home: &Path) {
    fs::create_dir_all(cargo_home.join("advisory-dbs/advisory-db-0123456789abcdef/crates")).unwrap();
}

/// The step's exit code and what it said.
fn advisories(cargo_home: &Path, programs: &Path) -> (Option<i32>, String) {
    let cargo = env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned());
    let own = Path::new(&cargo).parent().expect("a folder");
    let path = env::join_paths([programs, own, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let output = Command::new("bash")
        .args(["-c", SCRIPT])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("PATH", path)
        .env("CARGO_HOME", cargo_home)
        .output()
        .expect("bash starts");
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("text")).concat();
    (output.status.code(), said)
}

#[test]
fn advisories_that_are_found_end_the_run() {
    let folder = folder();
    with_database(folder.path());
    let (code, said) = advisories(folder.path(), &with_cargo_deny(folder.path(), 1));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("made up") && !said.contains("the next step") && !said.contains("SKIPPED"), "{said}");
}

#[test]
fn a_check_that_finds_nothing_names_the_database_and_goes_on() {
    let folder = folder();
    with_database(folder.path());
    let (code, said) = advisories(folder.path(), &with_cargo_deny(folder.path(), 0));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("cargo deny --locked --offline check --disable-fetch advisories"), "{said}");
    let date = said.split("advisory database of ").nth(1).and_then(|rest| rest.get(..10)).unwrap_or_default();
    assert!(chrono::NaiveDate::parse_from_str(date, "%F").is_ok(), "{said}");
    assert!(said.contains("the next step") && !said.contains("SKIPPED"), "{said}");
}

#[test]
fn a_missing_database_and_a_missing_cargo_deny_are_said() {
    let folder = folder();
    let programs = with_cargo_deny(folder.path(), 1);
    let (code, said) = advisories(folder.path(), &programs);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("SKIPPED") && said.contains("no copy of the advisory database"), "{said}");
    assert!(!said.contains("made up") && said.contains("the next step"), "{said}");
    fs::remove_file(programs.join("cargo-deny")).unwrap();
    with_database(folder.path());
    let (code, said) = advisories(folder.path(), &programs);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("SKIPPED") && said.contains("cargo-deny is not installed"), "{said}");
    assert!(said.contains("the next step"), "{said}");
}
