#!/usr/bin/env bash
# Compares with other programs in one run and prints ratios; then the daemon at rest, and the history of
# a million runs. All on the same data, warm cache, each the best of three; sizes stand beside times.
# Parts can be named: bench/run.sh peers rest history
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --locked --release --quiet --workspace
bin=$PWD/target/release
work=$(mktemp -d)
trap '"$bin/backupctl" --home "$work/idle" stop --now >/dev/null 2>&1 || true; rm -rf "$work"' EXIT
export RESTIC_PASSWORD=x BORG_UNENCRYPTED_REPO_ACCESS_IS_OK=yes BORG_BASE_DIR=$work/borg RESTIC_CACHE_DIR=$work/cache

# best NAME COMMAND…: the least wall seconds of three, with that run's CPU seconds and peak memory.
best() {
    local out least=
    for _ in 1 2 3; do
        eval "${before:-true}" >/dev/null 2>&1
        out=$( { /usr/bin/time -f '%e %U %S %M' "$@" >/dev/null 2>"$work/err"; } 2>&1 || true)
        out=$(tail -1 "$work/err")
        if [ -z "$least" ] || awk "BEGIN{exit !(${out%% *} < ${least%% *})}"; then least=$out; fi
    done
    echo "$least"
}
row() { # name, "wall user system kilobytes", bytes of the result, wall of ours
    awk -v n="$1" -v t="$2" -v b="$3" -v o="$4" 'BEGIN{split(t,a," "); printf "  %-28s %7.2f s %7.2f CPU-s %6.0f MB peak %9.1f MB  %5.2f x our time\n", n, a[1], a[2]+a[3], a[4]/1024, b/1e6, a[1]/o}'
}
bytes() { du -sb --apparent-size "$1" 2>/dev/null | cut -f1; }

parts=" ${*:-peers rest history} "
part() { case $parts in *" $1 "*) ;; *) return 1 ;; esac; }

compare() { # title, folder
    echo "== $1: $(find "$2" -type f | wc -l) files, $(($(bytes "$2") / 1000000)) MB"
    local home=$work/home t ours
    rm -rf "$home"; mkdir -m 755 "$home"
    "$bin/backupctl" --home "$home" init >/dev/null
    for c in gzip zstd; do "$bin/backupctl" --home "$home" create "$c" --source "$2" --manual --compression $c >/dev/null; done
    ours=$(before= best "$bin/backupctl" --home "$home" run gzip)
    local o=${ours%% *}
    row "backupctl gzip (level 6)" "$ours" "$(bytes "$(ls "$home"/backups/gzip/*.gz | head -1)")" "$o"
    t=$(before= best tar -C / -czf "$work/t.tgz" "${2#/}"); row "tar -czf" "$t" "$(bytes "$work/t.tgz")" "$o"
    t=$(before= best sh -c "tar -C / -cf - '${2#/}' | pigz >'$work/t.tgz'"); row "tar | pigz" "$t" "$(bytes "$work/t.tgz")" "$o"
    local z; z=$(before= best "$bin/backupctl" --home "$home" run zstd)
    row "backupctl zstd (level 3)" "$z" "$(bytes "$(ls "$home"/backups/zstd/*.zst | head -1)")" "$o"
    t=$(before= best sh -c "tar -C / -cf - '${2#/}' | zstd -q -f -T0 -o '$work/t.zst'"); row "tar | zstd -T0" "$t" "$(bytes "$work/t.zst")" "$o"
    t=$(before="rm -rf $work/restic; restic -q init -r $work/restic" best restic -q -r "$work/restic" backup "$2")
    row "restic, first backup" "$t" "$(bytes "$work/restic")" "$o"
    t=$(before="rm -rf $work/repo; borg init -e none $work/repo" best borg create -C zstd,3 "$work/repo::a" "$2")
    row "borg -C zstd,3, first backup" "$t" "$(bytes "$work/repo")" "$o"
    echo "  -- restore, whole"
    ours=$(before="rm -rf $work/out" best "$bin/backupctl" --home "$home" restore gzip --to "$work/out"); o=${ours%% *}
    row "backupctl gzip" "$ours" "$(bytes "$work/out")" "$o"
    t=$(before="rm -rf $work/out; mkdir $work/out; tar -C / -czf $work/t.tgz '${2#/}'" best tar -xzf "$work/t.tgz" -C "$work/out"); row "tar -xzf" "$t" "$(bytes "$work/out")" "$o"
    t=$(before="rm -rf $work/out" best restic -q -r "$work/restic" restore latest --target "$work/out"); row "restic" "$t" "$(bytes "$work/out")" "$o"
    echo "  -- restore, one file"
    local one; one=$(find "$2" -type f | sort | tail -1)
    ours=$(before="rm -rf $work/out" best "$bin/backupctl" --home "$home" restore gzip --to "$work/out" --path "$one"); o=$(awk "BEGIN{print (${ours%% *} > 0) ? ${ours%% *} : 0.005}")
    row "backupctl gzip" "$ours" 0 "$o"
    t=$(before="rm -rf $work/out; mkdir $work/out" best tar -xzf "$work/t.tgz" -C "$work/out" "${one#/}"); row "tar -xzf" "$t" 0 "$o"
    t=$(before="rm -rf $work/out" best restic -q -r "$work/restic" restore latest --target "$work/out" --include "$one"); row "restic" "$t" 0 "$o"
}

if part peers; then
mkdir "$work/small" "$work/random"
for d in $(seq 100); do
    mkdir "$work/small/$d"
    for f in $(seq 100); do head -c $((RANDOM % 8000)) /proc/self/maps /proc/cpuinfo /proc/kallsyms 2>/dev/null >"$work/small/$d/$f" || true; done
done
head -c 300000000 /dev/urandom >"$work/random/file"
compare "many small files" "$work/small"
compare "a system tree" /usr/share
compare "one incompressible file" "$work/random"
fi

if part rest; then
echo "== The daemon at rest with 1,000 schedules"
mkdir -m 755 "$work/idle"
{ echo 'version = 1'; for n in $(seq 1000); do printf '[[schedule]]\nname = "s%d"\nsource = ["/etc"]\nat = "%02d:%02d"\n' "$n" $(((n / 60 + $(date +%-H) + 2) % 24)) $((n % 60)); done; } >"$work/idle/schedules.toml"
"$bin/backupctl" --home "$work/idle" start >/dev/null
pid=$(cat "$work/idle/backupd.pid")
sleep 3
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
first=$(ticks); sleep 60; second=$(ticks)
echo "  resident $(awk '/VmRSS/{print $2 / 1024}' "/proc/$pid/status") MB of 25; $(awk "BEGIN{print ($second - $first) / $(getconf CLK_TCK) / 60 * 100}") % of a core of 0.1"
echo "  list with 1,000 schedules, by the daemon: $(before= best "$bin/backupctl" --home "$work/idle" list | cut -d' ' -f1) s of 0.020"
"$bin/backupctl" --home "$work/idle" stop >/dev/null
echo "  list with 1,000 schedules, in process:    $(before= best "$bin/backupctl" --home "$work/idle" list | cut -d' ' -f1) s of 0.020"
fi

if part history; then
echo "== The history of a million runs"
"$bin/backup-bench" "${RUNS:-1000000}"
fi
