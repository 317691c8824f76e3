//! Temporary folders that are gone when the run ends, however it ends.
//!
//! A test that ends leaves its application's threads behind for a moment, and they may write into a folder that was just
//! removed. So all folders stand in one, and a guard process removes that one when this process is gone.

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex},
};

use tempfile::TempDir;

/// $1 is the folder.
const GUARD: &str = r#"cat >/dev/null; rm -rf "$1""#;

struct Root {
    path: PathBuf,
    /// Holds the pipe that keeps the guard waiting.
    _guard: Mutex<Child>,
}

static ROOT: LazyLock<Root> = LazyLock::new(|| {
    let path = tempfile::Builder::new().prefix("belfry-it-").tempdir().expect("a temporary folder").keep();
    let guard = Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .arg(&path)
        .stdin(Stdio::piped())
        .process_group(0)
        .current_dir("/")
        .spawn()
        .expect("sh starts");
    Root { path, _guard: Mutex::new(guard) }
});

/// A folder of one test.
pub fn folder() -> TempDir {
    tempfile::tempdir_in(&ROOT.path).expect("a temporary folder")
}
