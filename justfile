# Shortcuts for the commands of README.md and CONTRIBUTING.md; https://just.systems. `just` alone lists them.

_list:
    @just --list --unsorted

# Serve the portal and deliver; data in data/
run *ARGS:
    cargo run --release -- {{ ARGS }}

# Serve the whole product with invented data and sandbox robots
demo:
    cargo run --release -- demo

# Check everything: format, lints, documentation, every test
test:
    ./tests/run.sh

# Run the integration tests whose path contains NAME, such as members:: or sqlite
test-one NAME *ARGS:
    cargo test --locked --test it -- {{ NAME }} {{ ARGS }}

# Run one benchmark: portal, intake, tenants or delivery
bench NAME:
    cargo bench --bench {{ NAME }}

# Run the full form of the proofs and print their figures
proofs:
    BELFRY_PROOF=full cargo test --release --test it proofs:: -- --nocapture --test-threads=1

# Check format, lints and documentation, as tests/run.sh does
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
