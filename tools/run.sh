#!/usr/bin/env bash
# From a fresh clone to a proven backup: builds, makes a first home, backs up a real folder, verifies,
# restores it elsewhere, compares, and starts the daemon.
set -euo pipefail
cd "$(dirname "$0")/.."
tools/needs.sh build

echo "== Building (a few minutes the first time)"
cargo build --locked --release --quiet
bin=$PWD/target/release

home=${BACKUP_HOME:-$PWD/demo}
# A real folder of this machine; another one: make run SOURCE=/path/to/it
source=${SOURCE:-/usr/share/doc}
[ -d "$source" ] || source=$PWD/doc
case $home in /*) ;; *) home=$PWD/$home ;; esac
b() { "$bin/backupctl" --home "$home" "$@"; }

echo "== A first home in $home"
mkdir -p "$home"
chmod go-w "$home"
[ -e "$home/schedules.toml" ] || b init
if ! b show first >/dev/null 2>&1; then
    b create first --source "$source" --at 03:00 --keep-days 30 --keep-last 3
fi

echo "== Backing up $source"
b run first
echo "== Verifying: every byte is read back"
b verify first@latest --deep
restored=$(mktemp -d)
echo "== Restoring to $restored and comparing"
b restore first --to "$restored"
diff -r --no-dereference "$source" "$restored$source"
echo "   identical"

echo "== Starting the daemon"
b status >/dev/null && b stop
b start
cat <<EOF

Done: $source is backed up, verified and restored identical, and will be backed up every day at 03:00.

What next:
  export PATH=$bin:\$PATH BACKUP_HOME=$home
  backupctl list                                  what is backed up, and when next
  backupctl create "/etc;02:30;system"            another schedule
  backupctl backups                               the archives
  backupctl restore first --to /tmp/restored      bring files back
  backupctl stop                                  end the daemon
EOF
