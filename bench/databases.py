#!/usr/bin/env python3
"""Compares dumps of databases with the servers' own programs in one run.

Method. As in bench/peers.py: best wall time of REPEAT runs (default 3) with a warm cache, what is written is synced within
the time, "x" is a time divided by ours in the same block. PostgreSQL holds a pgbench database of SCALE (default 75: about
1 GB), MariaDB the same rows. pgbench's rows are all alike, so that gzip packs them as fast as a dumper writes; TEXT rows
(default 1.5 million: about 0.6 GB) of sentences, sums and hashes stand for what people keep. The limit is the bare dumper with its output to /dev/null. Servers run in WORK with their
usual settings but for durability, which dumps do not touch.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from measure import BIN, HOME, WORK, Block, backupctl, newest, once, versions

SCALE = int(os.environ.get("SCALE", "75"))
TEXT = int(os.environ.get("TEXT", "1500000"))
PG_BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]


def as_user(user, *command):
    return (["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--"] if os.geteuid() == 0 else []) + [str(c) for c in command]


def folder_for(user, name):
    folder = WORK / name
    folder.mkdir()
    os.chmod(WORK, 0o755)
    if os.geteuid() == 0:
        shutil.chown(folder, user, user)
    return folder


def start(command, ready):
    server = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
    for _ in range(600):
        if subprocess.run(ready, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/").returncode == 0:
            return server
        time.sleep(0.1)
    sys.exit(f"{command[0]} did not start")


def postgres():
    folder = folder_for("postgres", "pg")
    data = folder / "data"
    once(as_user("postgres", PG_BIN / "initdb", "-A", "trust", "-U", "postgres", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D", data))
    command = as_user("postgres", PG_BIN / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB")
    return folder, start(command, [str(PG_BIN / "psql"), "-h", str(folder), "-U", "postgres", "-c", "SELECT 1"])


def mariadb():
    folder = folder_for("mysql", "my")
    data = folder / "data"
    once(as_user("mysql", "mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", f"--datadir={data}"))
    socket = folder / "sock"
    command = as_user("mysql", "mariadbd", "--no-defaults", "--skip-networking", f"--datadir={data}", f"--socket={socket}", "--innodb-buffer-pool-size=2G", "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=512M")
    return socket, start(command, ["mariadb", "--no-defaults", "-uroot", f"--socket={socket}", "-e", "SELECT 1"])


def letters(path):
    """Rows of text: words as frequent as in a language (Zipf), hashes, times, sums. The same each time."""
    pick = random.Random(7)
    words = ["".join(pick.choices("etaoinshrdlucmfwypvbgkjqxz", weights=range(26, 0, -1), k=pick.randint(2, 10))) for _ in range(20000)]
    total, often = 0.0, []
    for rank in range(len(words)):
        total += 1 / (rank + 1)
        often.append(total)
    pool = [" ".join(pick.choices(words, cum_weights=often, k=pick.randint(8, 20))) for _ in range(40000)]
    with open(path, "w") as out:
        for n in range(TEXT):
            code = hashlib.md5(str(n).encode()).hexdigest()
            body = ". ".join(pool[int(pick.random() * len(pool))] for _ in range(3))
            out.write(f"{n}\t{code}\t2026-{n % 12 + 1:02d}-{n % 28 + 1:02d} {n % 24:02d}:{n % 60:02d}:00\t{n * 7919 % 100000 / 100}\t{body}.\n")
    os.chmod(path, 0o644)


def compare(title, url, name, bare, custom=None):
    once(backupctl("database", "add", name, "--url", url))
    for kind in ("usual", "gzip:5", "zstd", "none"):
        flags = [] if kind == "usual" else ["--compression", kind]
        once(backupctl("create", f"{name}-{kind.replace(':', '')}", "--database", name, "--manual", "--keep-last", "1", *flags))
    block = Block(title)
    out = WORK / "out"
    tool = Path(bare.split()[0]).name
    block.row("backupctl, as it comes (gzip:7)", backupctl("run", f"{name}-usual"), lambda: newest(f"{name}-usual", f".{name}.sql.gz"), cold=False)
    block.row("backupctl, gzip:5", backupctl("run", f"{name}-gzip5"), lambda: newest(f"{name}-gzip5", f".{name}.sql.gz"), cold=False)
    block.row(f"{tool} | gzip", f"{bare} | gzip > {out} && sync {out}", out, cold=False)
    if custom:
        block.row("pg_dump -Fc", f"{custom} > {out} && sync {out}", out, cold=False)
    block.row("backupctl, zstd", backupctl("run", f"{name}-zstd"), lambda: newest(f"{name}-zstd", f".{name}.sql.zst"), cold=False)
    block.row(f"{tool} | zstd -T0", f"{bare} | zstd -q -T0 > {out} && sync {out}", out, cold=False)
    block.row("backupctl, no compression", backupctl("run", f"{name}-none"), lambda: newest(f"{name}-none", f".{name}.sql"), cold=False)
    block.row("the bare dumper, to /dev/null", f"{bare} > /dev/null", cold=False)


def main():
    HOME.mkdir(mode=0o755)
    once(backupctl("init"))
    versions([str(PG_BIN / "pg_dump"), "--version"], ["mariadb-dump", "--version"], ["gzip", "--version"], ["zstd", "--version"])
    folder, server = postgres()
    socket, other = None, None
    try:
        signed = f"-h {folder} -U postgres"
        once(f"{PG_BIN}/createdb {signed} bench && {PG_BIN}/pgbench -q {signed} -i -s {SCALE} bench && {PG_BIN}/vacuumdb -q {signed} bench")
        size = once(f"{PG_BIN}/pg_dump {signed} bench > {WORK}/plain.sql") and (WORK / "plain.sql").stat().st_size
        print(f"== PostgreSQL, pgbench of scale {SCALE}, {size / 1e6:.0f} MB as SQL", flush=True)
        os.remove(WORK / "plain.sql")
        compare("dump", f"postgres://postgres@/bench?host={folder}", "bench", f"{PG_BIN}/pg_dump {signed} bench", f"{PG_BIN}/pg_dump -Fc {signed} bench")
        text = WORK / "letters.tsv"
        letters(text)
        once(f"{PG_BIN}/createdb {signed} letters && {PG_BIN}/psql {signed} -d letters -qc 'CREATE TABLE letters (id int primary key, code char(32), at timestamp, sum numeric, body text)' -c \"\\\\copy letters FROM '{text}'\"")
        print(f"== PostgreSQL, {TEXT} rows of text", flush=True)
        compare("dump", f"postgres://postgres@/letters?host={folder}", "letters", f"{PG_BIN}/pg_dump {signed} letters", f"{PG_BIN}/pg_dump -Fc {signed} letters")
        socket, other = mariadb()
        sql = f"mariadb --no-defaults -uroot --socket={socket}"
        columns = {"pgbench_accounts": "aid int primary key, bid int, abalance int, filler varchar(84)", "pgbench_branches": "bid int primary key, bbalance int, filler char(88)", "pgbench_tellers": "tid int primary key, bid int, tbalance int, filler char(84)"}
        once(f"echo 'CREATE DATABASE mbench' | {sql}")
        rows = WORK / "my" / "rows"
        for table, types in columns.items():
            once(f"{PG_BIN}/psql {signed} -d bench -qc \"\\\\copy {table} TO '{rows}'\" && chmod 644 {rows}")
            (WORK / "load.sql").write_text(f"CREATE TABLE {table} ({types}) ENGINE=InnoDB; SET unique_checks=0; LOAD DATA LOCAL INFILE '{rows}' INTO TABLE {table};")
            once(f"{sql} --local-infile=1 mbench < {WORK}/load.sql")
        os.remove(rows)
        once(f"echo 'CREATE DATABASE mletters' | {sql}")
        (WORK / "load.sql").write_text(f"CREATE TABLE letters (id int primary key, code char(32), at datetime, sum decimal(12,2), body text) ENGINE=InnoDB; SET unique_checks=0; LOAD DATA LOCAL INFILE '{text}' INTO TABLE letters;")
        once(f"{sql} --local-infile=1 mletters < {WORK}/load.sql")
        for title, name in (("the same rows as pgbench's", "mbench"), ("the same rows of text", "mletters")):
            print(f"== MariaDB, {title}", flush=True)
            bare = f"mariadb-dump --no-defaults -uroot --socket={socket} --single-transaction --quick --routines --triggers --events {name}"
            compare("dump", f"mariadb://root@/{name}?socket={socket}", name, bare)
    finally:
        for one in (server, other):
            if one:
                one.terminate()
                one.wait()


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
