#!/usr/bin/env bash
# Licences, bans and sources of the dependencies by cargo-deny, which is built into target/tools
# when it is not installed. `advisories` asks the network for known vulnerabilities too.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v cargo-deny >/dev/null; then
    if [ ! -x target/tools/bin/cargo-deny ]; then
        echo "Building cargo-deny into target/tools (once)."
        cargo install --quiet --locked --root target/tools cargo-deny@0.20.2
    fi
    export PATH="$PWD/target/tools/bin:$PATH"
fi
if [ "${1:-}" = advisories ]; then
    cargo deny --all-features check advisories
else
    cargo deny --all-features check licenses bans sources
fi
