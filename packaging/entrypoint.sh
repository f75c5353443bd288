#!/bin/sh
# A first schedules.toml where the volume is empty, then the daemon as the container's main process.
set -eu
# Secrets that are kept by the product live in the volume of the state.
mkdir -p -m 0700 /app/state/secrets
[ -e /app/config/schedules.toml ] || backupctl init
exec backupd --foreground "$@"
