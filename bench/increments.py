#!/usr/bin/env python3
"""Compares increments, a long chain and encryption with peers in one run.

Method. As in bench/peers.py: best wall time of REPEAT runs (default 3) with a warm cache, what is written is synced within
the time, "x" is a time divided by ours in the same block. The tree has 200,000 small files in 4,000 folders. The limit
is `find -printf` of all that a change is told by, on the same tree. tar works with a fresh copy of its snapshot file each
time, so that each of its runs does the same; the others keep what they have learned, as they do in use. rustic is run if it
is installed.
"""

import os
import shutil
import sys

from measure import BIN, HOME, WORK, Block, backupctl, into, newest, once, versions

FILES = int(os.environ.get("FILES", "200000"))
PER_FOLDER = 50


def tree():
    folder = WORK / "many"
    for n in range(FILES):
        out = folder / f"{n // PER_FOLDER % 50:02}" / f"folder {n // PER_FOLDER}"
        if n % PER_FOLDER == 0:
            out.mkdir(parents=True)
        (out / f"file {n}.txt").write_bytes(b"%d some contents\n" % n * (1 + n % 40))
    return folder


def change(folder, percent, round):
    """Rewrites every so many files."""
    step = int(100 / percent)
    for n in range(round % step, FILES, step):
        path = folder / f"{n // PER_FOLDER % 50:02}" / f"folder {n // PER_FOLDER}" / f"file {n}.txt"
        path.write_bytes(b"%d changed in round %d\n" % (n, round) * (1 + n % 40))


def increments(folder):
    print(f"== increments on {FILES} files", flush=True)
    restic, borg, rustic, snar = WORK / "restic", WORK / "borg", WORK / "rustic", WORK / "snar"
    relative = str(folder)[1:]
    once(backupctl("create", "many", "--source", folder, "--manual", "--kind", "incremental", "--full-every", "1000"))
    once(backupctl("run", "many"))
    once(f"tar -C / --listed-incremental={snar}.0 -czf {WORK}/full.tgz {relative}")
    once(["restic", "-q", "init", "-r", restic])
    once(["restic", "-q", "-r", restic, "backup", folder])
    once(["borg", "init", "-e", "none", borg])
    once(f"borg create {borg}::{{now:%s%f}} {folder}")
    has_rustic = shutil.which("rustic") is not None
    rustic_backup = ["rustic", "-r", rustic, "--password", "x", "--no-progress", "--log-level", "warn", "backup", folder]
    if has_rustic:
        once(["rustic", "-r", rustic, "--password", "x", "--log-level", "warn", "init"])
        once(rustic_backup)
    rounds = iter(range(1, 1000))
    for title, before in (("nothing changed", None), ("1 % changed", lambda: change(folder, 1, next(rounds)))):
        block = Block(title)
        block.row("backupctl, increment", backupctl("run", "many"), lambda: newest("many", ".tar.gz"), before, cold=False)
        if before is None:
            block.row("find -printf (the limit)", f"find {folder} -printf '%p %s %T@ %C@ %i %m %U %G\\n' >/dev/null", cold=False)
        fresh_snar = lambda: (before and before(), shutil.copyfile(f"{snar}.0", f"{snar}.1"))
        block.row("tar --listed-incremental", f"tar -C / --listed-incremental={snar}.1 -czf {WORK}/inc.tgz {relative} && sync {WORK}/inc.tgz", WORK / "inc.tgz", fresh_snar, cold=False)
        block.row("restic", f"restic -q -r {restic} backup {folder} && sync -f {restic}", None, before, cold=False)
        block.row("borg", f"borg create {borg}::{{now:%s%f}} {folder} && sync -f {borg}", None, before, cold=False)
        if has_rustic:
            block.row("rustic", rustic_backup, None, before, cold=False)


def chain(folder):
    print("== a chain of 30", flush=True)
    once(backupctl("create", "chain", "--source", folder, "--manual", "--kind", "incremental", "--full-every", "1000"))
    restic = WORK / "restic-chain"
    once(["restic", "-q", "init", "-r", restic])
    for n in range(30):
        change(folder, 1, 1000 + n)
        once(backupctl("run", "chain"))
        if n == 29:
            once(["restic", "-q", "-r", restic, "backup", folder])
    archives = sorted((HOME / "backups/chain").glob("*.tar.gz"), key=lambda p: p.stat().st_mtime)
    block = Block("restore its last version")
    block.row("backupctl", into(f"{BIN}/backupctl --home {HOME} restore chain --to {{out}}"), cold=False)
    steps = " && ".join(f"tar --listed-incremental=/dev/null -xzf '{a}' -C {{out}}" for a in archives)
    block.row("tar, archive by archive", into(steps), cold=False)
    block.row("restic (no chain)", into(f"restic -q -r {restic} restore latest --target {{out}}"), cold=False)
    block = Block("make a full archive of it")
    block.row("backupctl consolidate", backupctl("consolidate", "chain"), before=lambda: once(backupctl("run", "chain", "--kind", "incremental")), cold=False)
    block.row("backupctl run --kind full", backupctl("run", "chain", "--kind", "full"), cold=False)


def encryption():
    print("== encryption of a mixed system tree", flush=True)
    sources = [a for p in ("/usr/include", "/usr/sbin", "/usr/share") for a in ("--source", p)]
    (WORK / "pass").write_text("a passphrase for a bench\n")
    once(backupctl("key", "new", "--out", WORK / "key"))
    common = [*sources, "--manual", "--keep-last", "2"]
    once(backupctl("create", "clear", *common))
    once(backupctl("create", "passphrase", *common, "--encrypt-passphrase-file", WORK / "pass"))
    once(backupctl("create", "key", *common, "--encrypt-to", WORK / "key.pub.asc"))
    block = Block("full backup, gzip")
    block.row("in clear", backupctl("run", "clear"), lambda: newest("clear", ".tar.gz"), cold=False)
    block.row("by passphrase", backupctl("run", "passphrase"), lambda: newest("passphrase", ".gpg"), cold=False)
    block.row("to a public key", backupctl("run", "key"), lambda: newest("key", ".gpg"), cold=False)
    ours = f"{BIN}/backupctl --home {HOME} restore "
    block = Block("restore")
    block.row("in clear", into(ours + "clear --to {out}"), cold=False)
    block.row("by passphrase", into(ours + "passphrase --to {out}"), cold=False)
    block.row("gpg -d | tar -xz", into(f"gpg --batch --quiet --pinentry-mode loopback --passphrase-file {WORK}/pass -d {newest('passphrase', '.gpg')} | tar -xzf - -C {{out}}"), cold=False)


def main():
    parts = sys.argv[1:] or ["increments", "chain", "encryption"]
    HOME.mkdir(mode=0o755)
    once(backupctl("init"))
    versions(["tar", "--version"], ["restic", "version"], ["borg", "--version"], ["gpg", "--version"], ["bash", "-c", "rustic --version || true"])
    folder = tree() if {"increments", "chain"} & set(parts) else None
    if "increments" in parts:
        increments(folder)
    if "chain" in parts:
        chain(folder)
    if "encryption" in parts:
        encryption()


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
