#!/usr/bin/env bash
# Kills a backup at random moments, many times: after each kill the next command must find the home in
# order, every listed archive must verify, and no part file may stay. Figures go to doc/measurements.md.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-200}
cargo build --locked --release --quiet
b=$PWD/target/release/backupctl
work=$(mktemp -d)
trap '"$b" --home "$work/home" stop --now >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
mkdir -m 755 "$work/home" "$work/source"
for n in $(seq 40); do head -c 2000000 /dev/urandom >"$work/source/$n"; done
cd "$work/home"
"$b" init >/dev/null
"$b" create soak --source "$work/source" --manual --keep-last 3 >/dev/null
begun=$SECONDS killed=0
for n in $(seq "$rounds"); do
    "$b" run soak >/dev/null 2>&1 &
    pid=$!
    sleep "0.$(printf '%03d' $((RANDOM % 900)))"
    if kill -9 "$pid" 2>/dev/null; then killed=$((killed + 1)); fi
    wait "$pid" 2>/dev/null || true
done
"$b" run soak >/dev/null
"$b" verify --all --deep >/dev/null
left=$(find backups -name '.*' | wc -l)
interrupted=$("$b" history --status failed --rows 1 | tail -1)
echo "rounds $rounds, killed while at work $killed, parts left $left, failed: $interrupted, seconds $((SECONDS - begun))"
[ "$left" -eq 0 ]
