//! The proofs of the delivery worker's promise: nothing lost, nothing throttled, whatever happens to processes, databases, clocks and
//! disks.
//!
//! Each proof has a fast form, which `cargo test` runs, and a full form with the numbers that are promised. All full forms,
//! one after the other, with their figures:
//!
//! ```sh
//! BELFRY_PROOF=full cargo test --release --test it proofs:: -- --nocapture --test-threads=1
//! ```
//!
//! Every proof of delivery ends with one oracle ([`oracle`]): what was answered with 201, held
//! against what the groups read; and the ledger balances.

mod answers;
mod clock;
mod crew;
mod disk;
mod failover;
mod forged;
mod kills;
mod many;
mod oracle;
mod rebinding;
mod sender;
mod storm;
mod vanished;

/// Whether the full forms are asked for.
fn full() -> bool {
    std::env::var("BELFRY_PROOF").is_ok_and(|form| form == "full")
}

/// The number of the fast form, or that of the full one.
fn sized<T>(fast: T, whole: T) -> T {
    if full() { whole } else { fast }
}

/// A random number below this one.
fn below(limit: u64) -> u64 {
    let bytes = belfry::secrets::random_bytes::<8>().expect("random bytes");
    u64::from_le_bytes(bytes) % limit
}
