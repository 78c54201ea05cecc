#!/usr/bin/env bash
# Builds the Debian package, target/debian/holdfast_*.deb. Needs `cargo install cargo-deb`.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${1:-release}
if [[ $profile == release ]]; then built=target/release; else built=target/debug; fi
cargo build --profile "$profile" --package holdfast-server
mkdir -p target/package
"$built/holdfast" man > target/package/holdfast.1
for shell in bash zsh fish; do "$built/holdfast" completions "$shell" > "target/package/holdfast.$shell"; done
cargo deb --package holdfast-server --profile "$profile" --no-build
