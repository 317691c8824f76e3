#!/usr/bin/env bash
# Everything that must hold before a change is kept: form, lints, documentation, and every test on both databases and in
# the browser. Installs what is missing on a Debian machine; a machine that has it all needs no network.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    printf '\n== %s\n' "$*"
    "$@"
}

has() {
    command -v "$1" >/dev/null
}

# The Debian packages that are missing.
missing() {
    has cc || echo build-essential
    has perl || echo perl
    has make || echo make
    has curl || has cargo || echo ca-certificates curl
    has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
    has chromium || echo chromium
    has chromedriver || echo chromium-driver
    has npm || echo npm
    has python3 || echo python3
    has prometheus-alertmanager || echo prometheus-alertmanager
    compgen -G '/usr/share/fonts/opentype/noto/NotoSansCJK*' >/dev/null || echo fonts-noto-cjk
}

install_packages() {
    local packages root=()
    mapfile -t packages < <(missing | tr ' ' '\n')
    [ "${#packages[@]}" -eq 0 ] && return
    [ "$(id -u)" -eq 0 ] || root=(sudo)
    step "${root[@]}" apt-get update
    step "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"
}

install_rust() {
    if ! has cargo && [ -f "$HOME/.cargo/env" ]; then
        # shellcheck source=/dev/null
        . "$HOME/.cargo/env"
    fi
    if ! has cargo; then
        printf '\n== installing Rust with rustup\n'
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs |
            sh -s -- -y --profile minimal --component rustfmt --component clippy
        # shellcheck source=/dev/null
        . "$HOME/.cargo/env"
    fi
}

# Holds the locked dependencies against the RustSec advisory database: cargo-deny and a copy of the database are used where they
# are, and nothing is fetched. Says which copy was used, or why the step was skipped.
advisories() {
    local databases=("${CARGO_HOME:-$HOME/.cargo}"/advisory-dbs/*/ "${CARGO_HOME:-$HOME/.cargo}"/advisory-db/) database='' copy
    for copy in "${databases[@]}"; do
        if [ -d "$copy/crates" ]; then database=$copy; fi
    done
    if ! cargo deny --version >/dev/null 2>&1; then
        printf '\n== SKIPPED: cargo deny check advisories, because cargo-deny is not installed (cargo install --locked cargo-deny)\n'
    elif [ -z "$database" ]; then
        printf '\n== SKIPPED: cargo deny check advisories, because there is no copy of the advisory database (cargo deny fetch)\n'
    else
        printf '\n== advisory database of %s\n' "$(git -C "$database" log -1 --format=%cs 2>/dev/null || date -r "$database" +%F)"
        step cargo deny --locked --offline check --disable-fetch advisories
    fi
}

install_packages </dev/null
install_rust </dev/null
if [ ! -d tests/browser/node_modules ]; then
    (cd tests/browser && step npm ci --no-audit --no-fund)
fi

step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
step env RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps
step cargo test --locked
advisories


printf '\n== all is well\n'
