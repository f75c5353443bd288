#!/usr/bin/env bash
# Fuzzes one target after the other with libFuzzer, on the stable toolchain. What is found lies in
# fuzz/libfuzzer/artifacts; an input worth keeping goes into fuzz/corpus, where `make test` replays it.
#   tools/fuzz.sh [seconds for each target [target…]]
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(tar_reader index sidecar schedules one_line dump_postgres dump_mysql)
command -v g++ >/dev/null || { echo "libFuzzer is C++: install g++ (Debian package g++) and try again" >&2; exit 1; }
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "This needs cargo-fuzz; installing it with cargo install"
    cargo install --locked --quiet cargo-fuzz
fi
new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
for target in "${targets[@]}"; do
    mkdir "$new/$target"
    # New inputs go to the first folder, the seeds are only read.
    cargo fuzz run --fuzz-dir fuzz/libfuzzer --sanitizer none "$target" "$new/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -print_final_stats=1 >"$new/log" 2>&1 ||
        { tail -40 "$new/log"; echo "$target: FAILED"; exit 1; }
    awk -v t="$target" '/number_of_executed_units/{n=$2} /peak_rss_mb/{m=$2} /cov:/{for(i=1;i<=NF;i++) if($i=="cov:") c=$(i+1)}
        END{printf "fuzz %s: %s inputs, %s edges, peak %s MB, nothing found\n", t, n, c, m}' "$new/log"
done
