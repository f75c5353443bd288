#!/usr/bin/env bash
# Installs what building (build), testing (test), the long campaigns (soak) or measuring (bench) need, and
# says so first.
# On a terminal a person may say no; without one it goes on.
set -euo pipefail
want=${1:-build}

if ! command -v cargo >/dev/null; then
    if [ -x "$HOME/.cargo/bin/cargo" ]; then
        echo "cargo is in $HOME/.cargo/bin, which is not on the PATH; add it and try again" >&2
    else
        echo "Rust 1.95 or newer is needed: see https://rustup.rs" >&2
    fi
    exit 1
fi

# command or file to look for -> Debian package
needs=("cc:gcc" "make:make" "npm:npm")
if [ "$want" != build ]; then
    needs+=("git:git" "tar:tar" "gzip:gzip" "zstd:zstd" "perl:perl-base" "setpriv:util-linux" "mount:mount"
        "/usr/share/doc/libfaketime:libfaketime" "strace:strace" "gpg:gnupg" "mkfs.ext4:e2fsprogs" "xfs_io:xfsprogs"
        "/usr/lib/postgresql:postgresql" "mariadbd:mariadb-server" "sqlite3:sqlite3" "/usr/lib/python3/dist-packages/aiosmtpd:python3-aiosmtpd" "curl:curl" "/usr/sbin/sshd:openssh-server" "ssh:openssh-client" "openssl:openssl"
        "/usr/sbin/nginx:nginx" "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so:libnginx-mod-http-dav-ext" "pkill:procps" "unzip:unzip" "chromium:chromium" "/usr/share/fonts/truetype/dejavu:fonts-dejavu-core" "/usr/lib/python3/dist-packages/pip:python3-pip")
fi
if [ "$want" = soak ]; then
    needs+=("g++:g++" "debootstrap:debootstrap")
fi
if [ "$want" = bench ]; then
    needs+=("pigz:pigz" "restic:restic" "borg:borgbackup" "hyperfine:hyperfine" "/usr/bin/time:time" "python3:python3")
fi
packages=()
for need in "${needs[@]}"; do
    what=${need%%:*}
    case $what in
        /*) [ -e "$what" ] || packages+=("${need#*:}") ;;
        *) command -v "$what" >/dev/null || packages+=("${need#*:}") ;;
    esac
done
# A compiler without the C library's headers cannot build the C parts.
[ -e /usr/include/stdlib.h ] || packages+=(libc6-dev)
[ ${#packages[@]} -eq 0 ] && exit 0

echo "This needs these Debian packages, which are not installed: ${packages[*]}"
if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here; install their like with this system's own tool and try again." >&2
    exit 1
fi
if [ -t 0 ] && [ -t 1 ] && [ -z "${CI:-}" ]; then
    read -r -p "Install them with apt-get now? [Y/n] " answer
    case $answer in [nN]*) echo "Nothing was installed."; exit 1 ;; esac
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Only root can install them, and there is no sudo here." >&2; exit 1; }
    root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
# Servers are installed for their programs only: tests start their own, on private ports. None of them is started by the
# installation (invoke-rc.d(8), policy-rc.d), or at the next boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee $policy >/dev/null
    "${root[@]}" chmod 755 $policy
    trap '"${root[@]}" rm -f $policy' EXIT
fi
"${root[@]}" apt-get -o DPkg::Lock::Timeout=500 -qq update
"${root[@]}" apt-get -o DPkg::Lock::Timeout=500 -qq install -y --no-install-recommends "${packages[@]}" >/dev/null
for package in "${packages[@]}"; do
    case $package in
        openssh-server) unit=ssh ;;
        mariadb-server) unit=mariadb ;;
        nginx | postgresql) unit=$package ;;
        *) continue ;;
    esac
    if [ -d /run/systemd/system ] && "${root[@]}" systemctl --quiet disable "$unit"; then
        echo "$package is installed for its programs: its service is neither started nor enabled (systemctl enable --now $unit changes that)."
    fi
done
