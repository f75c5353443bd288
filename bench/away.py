#!/usr/bin/env python3
"""The receiver under 16 uploads of 200 MB at once, and one file out of an archive of 1 GB on S3.

Method: a home with a receiver in a folder of /dev/shm or --work; 16 curl processes send 200 MB of random bytes (packed by tar and gzip) each.
The rate is compared with that of md5sum and sha256sum of the same bytes, both at once (the receiver computes both), and of dd with fsync to
the same place; the daemon's peak memory is VmHWM. For the range read, 1 GB in 10,000 random files is backed up to SeaweedFS
(target/servers/seaweedfs) and one file restored; the bytes that came are those that the run says.
"""
import json, os, random, re, shutil, subprocess, sys, tempfile, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CTL = os.path.join(ROOT, "target/release/backupctl")


def run(*argv, **more):
    return subprocess.run([str(a) for a in argv], check=True, capture_output=True, text=True, **more).stdout


def receiver(work):
    home = os.path.join(work, "vault")
    os.makedirs(home)
    with open(os.path.join(home, "schedules.toml"), "w") as f:
        f.write('version = 1\n[daemon]\nlisten = ""\n[receiver]\nlisten = "127.0.0.1:0"\n')
    ctl = lambda *a: run(CTL, "--home", home, *a)
    ctl("start")
    try:
        url = None
        while not url:
            url = json.loads(ctl("status", "--json"))["receiver"]
        token = ctl("token", "create", "bench", "--scope", "upload").strip()
        source = os.path.join(work, "source")
        os.makedirs(source)
        with open(os.path.join(source, "noise"), "wb") as f:
            for _ in range(200):
                f.write(random.randbytes(1_000_000))
        archive = os.path.join(work, "a.tar.gz")
        run("sh", "-c", f"tar -c -C {source} noise | gzip -1 > {archive}")
        size = os.path.getsize(archive)
        begun = time.time()
        hashing = [subprocess.Popen([tool, archive], stdout=subprocess.DEVNULL) for tool in ("md5sum", "sha256sum")]
        [h.wait() for h in hashing]
        hash_rate = size / (time.time() - begun)
        begun = time.time()
        run("dd", f"if={archive}", f"of={work}/dd", "bs=1M", "conv=fsync")
        disk_rate = size / (time.time() - begun)
        os.remove(f"{work}/dd")
        begun = time.time()
        argv = ["curl", "-sS", "-f", "-o", "/dev/null", "-H", f"Authorization: Bearer {token}", "-F", "type=FULL", "-F", "profile=p"]
        sends = [subprocess.Popen(argv + ["-F", f"file=@{archive};filename=full_{n}.tar.gz", url + "/upload"]) for n in range(16)]
        assert all(s.wait() == 0 for s in sends)
        rate = 16 * size / (time.time() - begun)
        pid = open(os.path.join(home, "backupd.pid")).read().strip()
        peak = int(re.search(r"VmHWM:\s+(\d+)", open(f"/proc/{pid}/status").read())[1]) / 1024
        slower = min(hash_rate, disk_rate)
        print(f"  16 x {size / 1e6:.0f} MB: {rate / 1e6:.0f} MB/s, {rate / slower:.2f} of the slower of hashing ({hash_rate / 1e6:.0f}) and disk ({disk_rate / 1e6:.0f}); peak {peak:.0f} MB of 64")
    finally:
        ctl("stop", "--now")


def s3(work):
    weed = os.path.join(ROOT, "target/servers/seaweedfs/weed")
    if not os.path.exists(weed):
        return print("  no S3 server in target/servers: left out")
    ports = random.sample(range(20000, 50000), 8)
    names = ["master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port", "s3.port.grpc"]
    data = os.path.join(work, "weed")
    os.makedirs(data)
    key = {"name": "t", "credentials": [{"accessKey": "k", "secretKey": "secret-of-bench"}], "actions": ["Admin", "Read", "Write", "List"]}
    json.dump({"identities": [key]}, open(f"{work}/s3.json", "w"))
    server = subprocess.Popen([weed, "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={data}", "-filer", "-s3", "-s3.port.iceberg=0", "-s3.port.lance=0",
        f"-s3.config={work}/s3.json", "-volume.max=100", "-master.volumeSizeLimitMB=256"] + [f"-{n}={p}" for n, p in zip(names, ports)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = f"http://127.0.0.1:{ports[6]}"
        curl = ["curl", "-sf", "-o", "/dev/null", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "k:secret-of-bench"]
        for _ in range(100):
            made = subprocess.run(curl + ["-X", "PUT", f"{end}/bench"]).returncode == 0
            if made or subprocess.run(curl + ["-T", f"{work}/s3.json", f"{end}/bench/probe"]).returncode == 0:
                break
            time.sleep(0.3)
        time.sleep(5)
        home, source = os.path.join(work, "home"), os.path.join(work, "tree")
        os.makedirs(home)
        for folder in range(100):
            os.makedirs(f"{source}/{folder}")
            for n in range(100):
                open(f"{source}/{folder}/{n}", "wb").write(random.randbytes(100_000))
        open(f"{home}/schedules.toml", "w").write('version = 1\n[daemon]\nlisten = ""\n')
        open(f"{work}/secret", "w").write("secret-of-bench\n")
        ctl = lambda *a: run(CTL, "--home", home, *a)
        ctl("destination", "add", "s3", "--url", f"s3://bench/x?endpoint={end}", "--access-key", "k", "--secret-file", f"{work}/secret")
        ctl("create", "tree", "--source", source, "--manual", "--destination", "local,s3")
        begun = time.time()
        ctl("run", "tree")
        took = time.time() - begun
        size = sum(a["size"] for a in json.loads(ctl("--json", "backups"))["items"])
        begun = time.time()
        out = ctl("--json", "restore", "tree", "--to", f"{work}/back", "--path", f"{source}/42/42".lstrip("/"), "--destination", "s3")
        back = time.time() - begun
        notes = json.loads(out.splitlines()[-1])["run"]["notes"]
        said = next(n["text"] for n in notes if n["text"].startswith("fetched"))
        assert open(f"{work}/back{source}/42/42", "rb").read() == open(f"{source}/42/42", "rb").read()
        print(f"  {size / 1e6:.0f} MB in 10,000 files, made and sent in {took:.1f} s; one file: {said}, {back:.2f} s")
    finally:
        server.kill()
        server.wait()


work = tempfile.mkdtemp(dir=sys.argv[1] if len(sys.argv) > 1 else "/dev/shm")
try:
    print("== The receiver")
    receiver(work)
    print("== One file from S3")
    s3(work)
finally:
    shutil.rmtree(work, ignore_errors=True)
