#!/usr/bin/env bash
# Measures and prints ratios. Parts can be named: bench/run.sh peers increments databases memory rest history away
#   peers    against tar, restic and borg, and against the codec's own speed (bench/peers.py says how)
#   increments  with nothing and 1 % changed, a chain of 30, encryption (bench/increments.py says how)
#   databases  dumps against pg_dump, mariadb-dump and their like (bench/databases.py says how)
#   memory   peak memory with a million files and with one file of 10 GB
#   rest     the daemon at rest with 1,000 schedules
#   history  the history of a million runs
#   away     the receiver under load, one file out of 1 GB on S3 (bench/away.py says how)
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --quiet --workspace
bin=$PWD/target/release
parts=" ${*:-peers increments databases memory rest history away} "
part() { case $parts in *" $1 "*) ;; *) return 1 ;; esac; }

if part peers; then bench/peers.py; fi
if part increments; then bench/increments.py; fi
if part away; then bench/away.py; fi
if part databases; then bench/databases.py; fi
if part memory; then bench/peers.py memory; fi

if part rest; then
    work=$(mktemp -d)
    trap '"$bin/backupctl" --home "$work/idle" stop --now >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
    list() { # the least wall seconds of three
        for _ in 1 2 3; do
            /usr/bin/time -f %e "$bin/backupctl" --home "$work/idle" list 2>&1 >/dev/null | tail -1
        done | sort -n | head -1
    }
    echo "== The daemon at rest with 1,000 schedules"
    mkdir -m 755 "$work/idle"
    {
        echo 'version = 1'
        for n in $(seq 1000); do
            printf '[[schedule]]\nname = "s%d"\nsource = ["/etc"]\nat = "%02d:%02d"\n' "$n" $(((n / 60 + $(date +%-H) + 2) % 24)) $((n % 60))
        done
    } >"$work/idle/schedules.toml"
    "$bin/backupctl" --home "$work/idle" start >/dev/null
    pid=$(cat "$work/idle/backupd.pid")
    sleep 3
    ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
    first=$(ticks)
    sleep 60
    second=$(ticks)
    echo "  resident $(awk '/VmRSS/{print $2 / 1024}' "/proc/$pid/status") MB of 25; $(awk "BEGIN{print ($second - $first) / $(getconf CLK_TCK) / 60 * 100}") % of a core of 0.1"
    echo "  list with 1,000 schedules, by the daemon: $(list) s of 0.020"
    "$bin/backupctl" --home "$work/idle" stop >/dev/null
    echo "  list with 1,000 schedules, in process:    $(list) s of 0.020"
fi

if part history; then
    echo "== The history of a million runs"
    "$bin/backup-bench-history" "${RUNS:-1000000}"
fi
