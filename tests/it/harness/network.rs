//! A network of a test's own, for what only the network does: names that change their addresses, hosts that vanish.

use std::{env, process::Command};

/// Set in the network of its own.
const INSIDE: &str = "BELFRY_TEST_IN_ITS_OWN_NETWORK";
/// What the script ends with where nobody may set up a network.
const MAY_NOT: i32 = 77;

/// Runs this very test once more, by its whole name, in a network with nothing but its loopback interface and in a view of the
/// file system of its own, where these shell commands have set up what it needs. That takes a user who may make a network; where
/// he may not, this says so, and the test shows nothing.
pub fn in_own_network(test: &str, set_up: &str, inside: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        inside();
        return;
    }
    let script = format!("ip link set lo up && {set_up} || exit {MAY_NOT}\nexec \"$@\"");
    let output = Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c", &script, "sh"])
        .arg(env::current_exe().expect("this test"))
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let output = output.ok().filter(|output| {
        let refused = String::from_utf8_lossy(&output.stderr).contains("unshare failed");
        !refused && output.status.code() != Some(MAY_NOT)
    });
    let Some(output) = output else {
        eprintln!("SKIPPED: this user may make no network of his own, so nothing is shown by {test}");
        return;
    };
    let [said, faults] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success() && said.contains("1 passed"), "{said}{faults}");
    eprint!("{faults}");
}
