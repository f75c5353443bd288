"""What the comparisons share: timed runs, rows of figures, a home for this program."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "target/release"
REPEAT = int(os.environ.get("REPEAT", "3"))
WORK = Path(tempfile.mkdtemp(prefix="bench-", dir=os.environ.get("BENCH_DIR")))
HOME = WORK / "home"
ENV = dict(
    os.environ,
    RESTIC_PASSWORD="x",
    RESTIC_CACHE_DIR=str(WORK / "restic-cache"),
    BORG_BASE_DIR=str(WORK / "borg-base"),
    BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK="yes",
    BORG_RELOCATED_REPO_ACCESS_IS_OK="yes",
)
counter = 0


def fresh(name):
    """A path that was never used."""
    global counter
    counter += 1
    return WORK / f"{name}-{counter}"


def drop_caches():
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
        return True
    except OSError:
        return False


def once(command, before=None):
    """Runs a command; wall and CPU seconds and peak memory in MB."""
    if before:
        before()
    if callable(command):
        command = command()
    command = [str(c) for c in command] if isinstance(command, list) else ["bash", "-o", "pipefail", "-c", command]
    usage = WORK / "usage"
    begun = time.monotonic()
    # Through time(1): a child's peak memory begins with that of its parent, and this one is large.
    done = subprocess.run(
        ["/usr/bin/time", "-q", "-f", "%U %S %M", "-o", usage, *command], stdin=subprocess.DEVNULL, capture_output=True, env=ENV, cwd="/"
    )
    wall = time.monotonic() - begun
    if done.returncode not in (0, 3):
        sys.exit(f"{command} failed: {(done.stdout + done.stderr)[-2000:].decode(errors='replace')}")
    user, system, peak = usage.read_text().split()
    return wall, float(user) + float(system), int(peak) / 1024


def size(path):
    if path is None:
        return None
    path = Path(path)
    if path.is_file():
        return path.stat().st_size
    return sum(f.lstat().st_size for f in path.rglob("*") if f.is_file() and not f.is_symlink())


class Block:
    """Programs that do the same."""

    def __init__(self, title):
        self.ours = None
        print(f"  -- {title}", flush=True)

    def row(self, name, command, result=None, before=None, cold=True, cold_before=None):
        best = min(once(command, before) for _ in range(REPEAT))
        out = size(result() if callable(result) else result)
        frozen = None
        if cold and drop_caches():
            # What prepares a run must not warm the cache again.
            if before:
                before()
                drop_caches()
            frozen = once(command)
        if self.ours is None:
            self.ours = (best[0], frozen[0] if frozen else None)
        text = f"     {name:34} {best[0]:8.2f} s {best[1]:8.2f} CPU-s {best[2]:6.0f} MB"
        text += f" {out / 1e6:9.1f} MB" if out is not None else " " * 13
        text += f"  {best[0] / self.ours[0]:6.2f} x"
        if frozen and self.ours[1]:
            text += f"   cold {frozen[0]:7.2f} s {frozen[0] / self.ours[1]:6.2f} x"
        print(text, flush=True)
        return best[0]


def backupctl(*args):
    return [BIN / "backupctl", "--home", HOME, *args]


def newest(schedule, suffix):
    return max((HOME / "backups" / schedule).glob(f"*{suffix}"), key=lambda p: p.stat().st_mtime)


def into(pattern):
    """A command with `{out}` for a new folder, which is synced within its time."""

    def command():
        out = fresh("out")
        out.mkdir()
        return pattern.format(out=out) + f" && sync -f {out}"

    return command


def versions(*commands):
    lines = [subprocess.run(c, capture_output=True, text=True).stdout.split("\n")[0] for c in commands]
    print(f"{os.cpu_count()} cores, best of {REPEAT}; " + "; ".join(v.strip("* ") for v in lines), flush=True)
