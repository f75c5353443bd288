// A home with a real daemon, real folders and a real PostgreSQL: what the page is tried against.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
export const BACKUPCTL = process.env.BACKUPCTL ?? join(root, "target/debug/backupctl");
export const PASSWORD = "correct horse battery";

/** A port that nobody listens on: the daemon must be found again after it was stopped. */
export function freePort(): string {
  const ask =
    "const s = require('net').createServer().listen(0, '127.0.0.1', () => { console.log(String(s.address().port)); s.close(); })";
  return execFileSync(process.execPath, ["-e", ask], { encoding: "utf8" }).trim();
}

export class Home {
  readonly path = mkdtempSync(join(tmpdir(), "page-"));
  url = "";

  constructor(settings = "") {
    this.write(
      "schedules.toml",
      `version = 1\n[daemon]\nlisten = "127.0.0.1:${freePort()}"\nmax_runs = 2\n[defaults]\ntimezone = "Europe/Paris"\n${settings}`,
    );
  }

  write(name: string, text: string) {
    const path = join(this.path, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Runs a command; an end that was not expected throws. */
  run(args: string[], input?: string, codes: number[] = [0]): string {
    try {
      return execFileSync(BACKUPCTL, ["--home", this.path, ...args], {
        input,
        encoding: "utf8",
        stdio: ["pipe", "pipe", "pipe"],
        env: { ...process.env, BACKUP_HOME: this.path },
      });
    } catch (error) {
      const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
      if (codes.includes(status)) return stdout;
      throw new Error(`backupctl ${args.join(" ")}: ${status}\n${stdout}${stderr}`);
    }
  }

  json<T>(args: string[]): T {
    return JSON.parse(this.run([...args, "--json"])) as T;
  }

  start() {
    this.run(["start"]);
    for (let i = 0; i < 200; i += 1) {
      const web = this.json<{ web: string | null }>(["status"]).web;
      if (web) {
        this.url = web;
        return;
      }
      execFileSync("sleep", ["0.05"]);
    }
    throw new Error("nothing is served");
  }

  admin() {
    this.run(["user", "add", "ada", "--role", "admin", "--password-stdin"], `${PASSWORD}\n`);
  }

  end() {
    this.run(["stop", "--now"], undefined, [0, 1, 4]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A PostgreSQL of Debian's package on a socket of its own. */
export class Postgres {
  readonly path = mkdtempSync("/tmp/pagedb-");
  private readonly server: ChildProcess;
  private readonly bin: string;

  constructor() {
    const all = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql").sort() : [];
    const version = all.at(-1);
    if (!version) throw new Error("the package postgresql is needed");
    this.bin = `/usr/lib/postgresql/${version}/bin`;
    if (process.getuid?.() === 0) {
      const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
      chownSync(this.path, id("-u"), id("-g"));
    }
    const data = join(this.path, "data");
    execFileSync(
      ...this.command("initdb", [
        "-A",
        "trust",
        "-U",
        "postgres",
        "--no-sync",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "-D",
        data,
      ]),
      {
        stdio: "ignore",
      },
    );
    const log = openSync(join(tmpdir(), "pagedb.log"), "a");
    const settings = ["listen_addresses=", "fsync=off", "synchronous_commit=off"].flatMap((s) => ["-c", s]);
    this.server = spawn(...this.command("postgres", ["-D", data, "-k", this.path, ...settings]), {
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    for (let i = 0; i < 200; i += 1) {
      try {
        this.sql("postgres", "SELECT 1");
        return;
      } catch {
        execFileSync("sleep", ["0.1"]);
      }
    }
    throw new Error("PostgreSQL did not start");
  }

  private command(program: string, args: string[]): [string, string[]] {
    const path = join(this.bin, program);
    if (process.getuid?.() !== 0) return [path, args];
    return ["setpriv", ["--reuid", "postgres", "--regid", "postgres", "--clear-groups", "--", path, ...args]];
  }

  sql(database: string, text: string): string {
    const args = ["-h", this.path, "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1", "-Atq", "-c", text];
    return execFileSync(join(this.bin, "psql"), args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();
  }

  url(database: string) {
    return `postgres://postgres@/${database}?host=${this.path}`;
  }

  end() {
    this.server.kill("SIGQUIT");
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Folders, schedules of both kinds, three versions, a failure: something to look at on every page. */
export function furnish(home: Home, postgres: Postgres) {
  postgres.sql("postgres", "CREATE DATABASE shop");
  postgres.sql(
    "shop",
    "CREATE TABLE orders (id int PRIMARY KEY, what text); INSERT INTO orders SELECT g, 'thing ' || g FROM generate_series(1, 5000) g",
  );
  const documents = join(home.path, "documents");
  home.write("documents/lettres/lettre à Zoé.txt", "Chère Zoé,\n\nles sauvegardes fonctionnent.\n");
  home.write("documents/lettres/brouillon.txt", "première version\n");
  home.write("documents/notes.md", "# Notes\n\n- vérifier la restauration\n");
  for (let i = 0; i < 40; i += 1)
    home.write(`documents/photos/2026/img_${String(i).padStart(3, "0")}.raw`, "x".repeat(20_000 + i * 700));
  home.run([
    "create",
    "documents",
    "--title",
    "Mes documents",
    "--source",
    documents,
    "--at",
    "02:00",
    "--kind",
    "incremental",
    "--keep-days",
    "30",
    "--keep-last",
    "5",
  ]);
  home.write("config/app.toml", "debug = false\n");
  home.run([
    "create",
    "system",
    "--source",
    join(home.path, "config"),
    "--cron",
    "30 3 * * 1-5",
    "--keep-daily",
    "7",
    "--keep-weekly",
    "4",
  ]);
  home.run(["create", "lost", "--source", "/srv/nowhere", "--every", "daily", "--allow-missing"]);
  home.run(["database", "add", "shop", "--url", postgres.url("shop")]);
  home.run(["create", "shop", "--database", "shop", "--every", "hourly", "--keep-last", "24"]);
  home.run(["create", "shop-schema", "--database", "shop", "--content", "metadata", "--every", "weekly", "--disabled"]);
  mkdirSync(join(home.path, "elsewhere"));
  home.run(["destination", "add", "usb", "--url", join(home.path, "elsewhere")]);
  home.run(["edit", "system", "--destination", "local", "--destination", "usb"]);
  home.run(["run", "documents"]);
  home.write("documents/lettres/brouillon.txt", "deuxième version, plus longue\n");
  home.run(["run", "documents"]);
  rmSync(join(documents, "photos/2026/img_039.raw"));
  home.run(["run", "documents"]);
  home.run(["run", "system"]);
  home.run(["run", "shop"]);
  home.run(["run", "lost"], undefined, [1]);
}
