#!/usr/bin/env bash
# Fetches MySQL 9.7 for the long tests, once, into target/servers/mysql: a small Debian sid root (650 MB) and three programs that
# run out of it. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
to=$PWD/target/servers/mysql
[ -x "$to/bin/mysqld" ] && exit 0
echo "Fetching MySQL from Debian sid into $to (once, 650 MB)."
rm -rf "$to"
mkdir -p "$to/bin"
debootstrap --variant=minbase --include=mysql-server-core,mysql-client-core sid "$to/root" >"$to/log" 2>&1 || { tail -5 "$to/log"; exit 1; }
for program in sbin/mysqld bin/mysql bin/mysqldump; do
    cat >"$to/bin/${program##*/}" <<END
#!/bin/sh
exec "$to/root/lib64/ld-linux-x86-64.so.2" --library-path "$to/root/usr/lib/x86_64-linux-gnu" "$to/root/usr/$program" "\$@"
END
    chmod +x "$to/bin/${program##*/}"
done
