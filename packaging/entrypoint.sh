#!/bin/sh
# A first schedules.toml where the volume is empty, then the daemon as the container's main process.
set -eu
[ -e /app/config/schedules.toml ] || backupctl init
exec backupd --foreground "$@"
