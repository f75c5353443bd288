#!/usr/bin/env python3
"""Compares with tar, restic and borg in one run, and with what cannot be beaten.

Method. Every program works on the same files, one after the other. Each figure is the best wall time of REPEAT
runs (default 3) with a warm cache, then one run after the cache was dropped ("cold"; needs root). What a program
writes is synced within its time, as this program syncs what it writes. CPU seconds and peak memory are those of
the run shown, over all of its processes. "x" is its time divided by ours in the same block: more than 1 is slower
than this program. Restores go to a new folder each time, and nothing is deleted before the end (ext4 is slow
to use inodes again that were freed in the last minutes). gzip is compared at the levels people get: tar and
pigz at 6, this program at 5 (libdeflate); the sizes stand beside. zstd is compared at level 3.

Limits: the codec and the hashes in memory on all cores, and reading the tree to nowhere, from backup-bench-limit.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from measure import BIN, HOME, REPEAT, WORK, Block, backupctl, fresh, into, newest, once, versions


def compare(title, name, paths):
    files = [f for p in paths for f in ([p] if p.is_file() else p.rglob("*")) if f.is_file() and not f.is_symlink()]
    total = sum(f.stat().st_size for f in files)
    print(f"== {title}: {len(files)} files, {total / 1e6:.0f} MB", flush=True)
    for method in ("gzip", "zstd"):
        sources = [a for p in paths for a in ("--source", p)]
        once(backupctl("create", f"{name}-{method}", *sources, "--manual", "--compression", method, "--keep-last", "2"))
    relative = " ".join(str(p).lstrip("/") for p in paths)
    absolute = " ".join(str(p) for p in paths)
    tgz, tzst, restic, borg = WORK / f"{name}.tgz", WORK / f"{name}.tzst", WORK / f"{name}.restic", WORK / f"{name}.borg"

    block = Block("full backup, gzip")
    ours = block.row("backupctl, gzip 5", backupctl("run", f"{name}-gzip"), lambda: newest(f"{name}-gzip", ".tar.gz"))
    block.row("tar -czf", f"tar -C / -czf {tgz} {relative} && sync {tgz}", tgz)
    block.row("tar | pigz", f"tar -C / -cf - {relative} | pigz >{tgz} && sync {tgz}", tgz)
    block = Block("full backup, zstd")
    fast = block.row("backupctl, zstd 3", backupctl("run", f"{name}-zstd"), lambda: newest(f"{name}-zstd", ".tar.zst"))
    block.row("tar | zstd -3 -T0", f"tar -C / -cf - {relative} | zstd -q -f -3 -T0 -o {tzst} && sync {tzst}", tzst)

    def new_restic():
        shutil.rmtree(restic, ignore_errors=True)
        once(["restic", "-q", "init", "-r", restic])

    def new_borg():
        shutil.rmtree(borg, ignore_errors=True)
        once(["borg", "init", "-e", "none", borg])

    block.row("restic", f"restic -q -r {restic} backup {absolute} && sync -f {restic}", restic, new_restic)
    block.row("borg, zstd 3", f"borg create -C zstd,3 {borg}::{{now:%s%f}} {absolute} && sync -f {borg}", borg, new_borg)

    block = Block("limits: codec and hashes in memory on all cores, plus reading to nowhere")
    tar = WORK / f"{name}.tar"
    once(f"tar -C / -cf {tar} {relative}")
    limit = lambda *a: min(float(subprocess.run([BIN / "backup-bench-limit", *map(str, a)], check=True, capture_output=True, text=True).stdout.split()[0]) for _ in range(REPEAT))
    reading = sum(limit("read", p) for p in paths if p.is_dir())
    for method, level, taken in (("gzip", 5, ours), ("zstd", 3, fast)):
        codec = limit("codec", tar, method, level)
        print(f"     {method} {level}: {codec:.2f} s + {reading:.2f} s; ours takes {taken / (codec + reading):.2f} x of that", flush=True)
    tar.unlink()

    block = Block("a run with nothing changed (this program makes a full archive each time)")
    block.row("backupctl, zstd 3", backupctl("run", f"{name}-zstd"), cold=False)
    block.row("restic", ["restic", "-q", "-r", restic, "backup", *paths], cold=False)
    block.row("borg, zstd 3", f"borg create -C zstd,3 {borg}::{{now:%s%f}} {absolute}", cold=False)

    block = Block("verify every byte")
    block.row("backupctl verify --deep, gzip", backupctl("verify", f"{name}-gzip@latest", "--deep"))
    block.row("gzip -t", ["gzip", "-t", tgz])
    block = Block("verify every byte")
    block.row("backupctl verify --deep, zstd", backupctl("verify", f"{name}-zstd@latest", "--deep"))
    block.row("zstd -t", ["zstd", "-tq", tzst])
    block.row("restic check --read-data", ["restic", "-q", "-r", restic, "check", "--read-data"], cold=False)
    block.row("borg check --verify-data", ["borg", "check", "--verify-data", borg], cold=False)

    ours_to = f"{BIN}/backupctl --home {HOME} restore {name}-"
    block = Block("restore everything")
    block.row("backupctl, gzip", into(ours_to + "gzip --to {out}"))
    block.row("tar -xzf", into(f"tar -xzf {tgz} -C {{out}}"))
    block = Block("restore everything")
    block.row("backupctl, zstd", into(ours_to + "zstd --to {out}"))
    block.row("tar | zstd -d", into(f"zstd -dqc {tzst} | tar -xf - -C {{out}}"))
    block.row("restic", into(f"restic -q -r {restic} restore latest --target {{out}}"), cold=False)
    last = f"$(borg list --last 1 --format '{{{{archive}}}}' {borg})"
    block.row("borg", into(f"cd {{out}} && borg extract {borg}::{last}"), cold=False)

    one = sorted(files, key=lambda f: abs(f.stat().st_size - 10_000))[0]
    block = Block(f"restore one file of {one.stat().st_size} bytes")
    block.row("backupctl, gzip", into(ours_to + f"gzip --to {{out}} --path '{one}'"))
    block.row("tar -xzf", into(f"tar -xzf {tgz} -C {{out}} '{str(one)[1:]}'"))
    block.row("restic", into(f"restic -q -r {restic} restore latest --target {{out}} --include '{one}'"), cold=False)
    for path in (tgz, tzst):
        path.unlink()


def small_tree():
    """Source text in many small files."""
    folder, count = WORK / "small", 0
    tops = [Path.home() / ".cargo/registry/src", Path("/usr/include"), Path("/usr/lib/python3"), Path("/usr/share/perl")]
    for top in tops:
        for path in sorted(top.rglob("*")) if top.is_dir() else []:
            if path.is_symlink() or not path.is_file() or not 0 < path.stat().st_size <= 16_384:
                continue
            out = folder / str(count // 200)
            out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out / f"{count}-{path.name[:100]}")
            count += 1
            if count == 30_000:
                return folder
    return folder


def text_file():
    """Log lines, all different."""
    path = WORK / "text/daemon.log"
    path.parent.mkdir()
    state = 1
    with path.open("w") as out:
        for n in range(4_000_000):
            state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
            out.write(f"2026-11-{n % 28 + 1:02}T{n % 24:02}:{n % 60:02}:{state % 60:02} host{state >> 60} daemon[{state >> 48}]: "
                      f"request {state >> 20:x} of user{state >> 55} took {state >> 50} ms\n")
    return path.parent


def random_bytes(path, megabytes):
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(1 << 20))


def one_in_two_gigabytes():
    folder = WORK / "large"
    for n in range(20):
        random_bytes(folder / f"{n:02}", 100)
    random_bytes(folder / "09-small", 1)
    os.truncate(folder / "09-small", 10_000)
    print("== one file of 10 kB out of an archive of 2 GB", flush=True)
    once(backupctl("create", "large", "--source", folder, "--manual"))
    once(backupctl("run", "large"))
    archive = newest("large", ".tar.gz")

    block = Block(f"{archive.stat().st_size / 1e6:.0f} MB")
    name = str(folder / "09-small")
    block.row("backupctl", into(f"{BIN}/backupctl --home {HOME} restore large --to {{out}} --path {name}"))
    block.row("tar -xzf", into(f"tar -xzf {archive} -C {{out}} {name[1:]}"))


def memory():
    print("== peak memory", flush=True)
    folder = WORK / "million"
    for n in range(1_000_000):
        # Half of them in one folder.
        out = folder / "one" if n % 2 else folder / str(n // 200_000) / str(n // 200)
        if n < 2 or n % 200 == 0:
            out.mkdir(parents=True, exist_ok=True)
        (out / f"file number {n}").write_bytes(b"%d" % n)
    large = WORK / "large-file/file"
    large.parent.mkdir()
    with large.open("wb") as out:
        for n in range(10_000):
            out.write((b"%d " % n * 200_000)[:1_000_000])
    for name, source, method in (("million", folder, "gzip"), ("large-file", large.parent, "zstd")):
        once(backupctl("create", name, "--source", source, "--manual", "--compression", method))
        for what, command in (("run", ("run", name)), ("verify --deep", ("verify", f"{name}@latest", "--deep")), ("restore", ("restore", name, "--to", fresh("out")))):
            wall, cpu, peak = once(backupctl(*command))
            print(f"     {name:12} {what:14} {wall:8.2f} s {cpu:8.2f} CPU-s {peak:6.0f} MB", flush=True)


def main():
    parts = sys.argv[1:] or ["small", "mixed", "random", "text", "one"]
    HOME.mkdir(mode=0o755)
    once(backupctl("init"))
    versions(["tar", "--version"], ["gzip", "--version"], ["zstd", "--version"], ["restic", "version"], ["borg", "--version"])
    if "small" in parts:
        compare("many small files", "small", [small_tree()])
    if "mixed" in parts:
        compare("a mixed system tree", "mixed", [Path(p) for p in ("/usr/include", "/usr/sbin", "/usr/share")])
    if "random" in parts:
        random_bytes(WORK / "random/file", 300)
        compare("one large incompressible file", "random", [WORK / "random"])
    if "text" in parts:
        compare("one large text file", "text", [text_file()])
    if "one" in parts:
        one_in_two_gigabytes()
    if "memory" in parts:
        memory()


try:
    main()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
