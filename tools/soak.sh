#!/usr/bin/env bash
# The long campaigns; figures go to doc/measurements.md.
#   tools/soak.sh [kills [faults of each kind [seconds for each fuzz target]]]
set -euo pipefail
cd "$(dirname "$0")/.."
kills=${1:-300} faults=${2:-30} seconds=${3:-300}
report=$(mktemp)
trap 'rm -f "$report"' EXIT

timed() { # name, command…
    local name=$1 begun=$SECONDS
    shift
    "$@" || { echo "$name: FAILED"; exit 1; }
    echo "$name: passed in $((SECONDS - begun)) s"
}
timed "$kills kills of backups, retentions and restores" env BACKUP_TEST_KILLS="$kills" BACKUP_TEST_REPORT="$report" \
    cargo test --locked --quiet -p backupctl --test kills
cat "$report"
timed "injected faults, $faults of each kind" env BACKUP_TEST_FAULTS="$faults" cargo test --locked --quiet -p backupctl --test injected
timed "500 random histories, by this program and by GNU tar" env BACKUP_TEST_HISTORIES=500 \
    cargo test --locked --quiet -p backup-engine --test increments random_histories
timed "1,000 damages in archives, indexes and sidecars of a chain" env BACKUP_TEST_DAMAGES=1000 \
    cargo test --locked --quiet -p backup-engine --test damage
timed "100,000 files and extremes, by this program and by GNU tar" env BACKUP_TEST_FILES=100000 \
    cargo test --locked --quiet -p backup-engine --test extremes
timed "fuzzing, $seconds s for each target" tools/fuzz.sh "$seconds"
timed "commands hidden in dumps, 5,000 let through to psql and to mariadb" env BACKUP_TEST_INPUTS=5000 \
    cargo test --locked --quiet -p backup-fuzz --test clients
timed "the API, asked at random more than 10,000 times" tools/api-fuzz.sh 140
tools/mysql.sh
timed "MySQL, copied and brought back" cargo test --locked --quiet -p backupctl --test database_versions -- --ignored
