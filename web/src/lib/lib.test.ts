import { describe, expect, it } from "vitest";
import type { Schedule, Status } from "../api/client";
import { pairs, textsOf } from "../i18n/pairs";
import { tongueOf } from "../i18n";
import { roundUp } from "../components/Bars";
import { command, curl, quote, quoteBytes, scheduleCommand, shownBytes } from "./cli";
import { changed, entryCommand } from "./entry";
import { duration, size } from "./format";
import { pages } from "./paging";
import { changes, empty, formOf, mistakes, sentence, settingsOf, words } from "./schedule";
import { strips, verdict } from "./verdict";

const fr = tongueOf("fr", textsOf(1));
const en = tongueOf("en", textsOf(0));

describe("texts", () => {
  it("take the form of their number", () => {
    expect(fr.t("run.files", { count: 0 })).toBe("0 fichier");
    expect(fr.t("run.files", { count: 1 })).toBe("1 fichier");
    expect(fr.t("run.files", { count: 1_000_000 })).toMatch(/^1.000.000 fichiers$/);
    expect(en.t("run.files", { count: 0 })).toBe("0 files");
    expect(fr.has("run.files") && !fr.has("run.nothing")).toBe(true);
  });
  it("have both languages, the same blanks and both forms of a plural", () => {
    const blanks = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort();
    for (const [key, [english, french]] of Object.entries(pairs)) {
      expect(english.trim() && french.trim(), key).toBeTruthy();
      expect(blanks(french), key).toEqual(blanks(english));
      if (key.endsWith("_one")) expect(key.replace(/_one$/, "_other") in pairs, key).toBe(true);
    }
  });
});

it("French has no line break before its double punctuation", () => {
  const texts = textsOf(1);
  expect(texts["confirm.type"]).toBe("Saisissez «\u00a0{{name}}\u00a0» pour confirmer");
  expect(Object.values(texts).filter((text) => / [;:!?»]/.test(text))).toEqual([]);
});

describe("figures", () => {
  it("are written as the language writes them", () => {
    expect(size(0, "en")).toBe("0\u202fB");
    expect(size(1023, "fr")).toMatch(/^1.023\u202fo$/);
    expect(size(1536, "fr")).toBe("1,5\u202fKo");
    expect(size(5 * 1024 ** 3, "en")).toBe("5.0\u202fGB");
    expect(duration(0.034, "fr")).toBe("0,03\u202fs");
    expect(duration(200, "en")).toBe("3\u202fmin 20\u202fs");
    expect(duration(90_000, "fr")).toBe("1\u202fj 1\u202fh");
  });
  it("have round tops", () => {
    expect([0, 3, 7, 11, 99].map((n) => roundUp(n))).toEqual([1, 5, 10, 20, 100]);
    expect(roundUp(1500, true)).toBe(2048);
  });
});

it("pages have ellipses that hide more than one", () => {
  expect(pages(1, 1)).toEqual([1]);
  expect(pages(1, 5)).toEqual([1, 2, null, 5]);
  expect(pages(3, 5)).toEqual([1, 2, 3, 4, 5]);
  expect(pages(50, 100)).toEqual([1, null, 49, 50, 51, null, 100]);
  expect(pages(100, 100)).toEqual([1, null, 99, 100]);
});

describe("command lines", () => {
  it("quote what a shell would take apart", () => {
    expect(quote("plain/path-1.txt")).toBe("plain/path-1.txt");
    expect(quote("it's $HOME")).toBe("'it'\\''s $HOME'");
    expect(quote("")).toBe("''");
    expect(command("run", null, false, "a b")).toBe("backupctl run 'a b'");
    expect(curl("POST", "/x", { a: "é'" })).toContain(`-d '{"a":"é'\\''"}'`);
  });
  it("say the settings of a form", () => {
    const { line, rest } = scheduleCommand("create", "docs", {
      source: ["/a b"],
      at: ["09:00", "18:00"],
      keep: { days: 30, last: 3 },
      before: [["systemctl", "stop", "app"]],
      enabled: false,
      sqlite: true,
    });
    expect(line).toBe(
      `backupctl create docs --source '/a b' --at 09:00 --at 18:00 --keep-days 30 --keep-last 3 --before '["systemctl","stop","app"]' --disabled --sqlite`,
    );
    expect(rest).toEqual([]);
    expect(scheduleCommand("edit", "docs", { title: null, one_file_system: false, enabled: true })).toEqual({
      line: "backupctl edit docs --unset title --unset one_file_system",
      rest: ["enabled"],
    });
  });
});

describe("the form of a configuration", () => {
  const samples: Record<string, unknown>[] = [
    {
      source: ["/home", "/etc"],
      exclude: ["*.tmp"],
      cron: "30 2 * * *",
      kind: "incremental",
      full_every: "weekly",
      compression: "zstd",
    },
    {
      source: ["/x"],
      at: ["09:00", "18:00"],
      keep: { daily: 7, weekly: 4 },
      destinations: ["local", "offsite"],
      notify: ["ops"],
    },
    { database: "shop", content: "metadata", every: "hourly", enabled: false, timezone: "Europe/Paris" },
    { source: ["/x"], manual: true, encrypt: { to: ["/key.asc"] }, before: [["sh", "-c", "a b"]], drill: "monthly" },
    { source: ["/x"], every: "15m", encrypt: { passphrase: { file: "/p" } }, catch_up: false, jitter: "5m" },
    { source: ["/x"], every: "weekly", at: "04:00", full_every: 7, kind: "differential" },
  ];
  it("gives back what the file says", () => {
    for (const sample of samples) {
      expect(changes(sample, settingsOf(formOf("x", sample))), JSON.stringify(sample)).toEqual({});
    }
  });
  it("leaves alone what it does not show", () => {
    const sample = {
      source: ["/x"],
      manual: true,
      nice: 10,
      encrypt: { passphrase: { env: "P" } },
      limit: [{ rate: "1MB/s" }],
    };
    expect(changes(sample, settingsOf(formOf("x", sample)))).toEqual({});
    const form = { ...formOf("x", sample), title: "New" };
    expect(changes(sample, settingsOf(form))).toEqual({ title: "New" });
  });
  it("takes keys out that are emptied", () => {
    const sample = { source: ["/x"], at: "09:00", title: "Old", keep: { days: 3 } };
    const form = { ...formOf("x", sample), title: "", keep: {}, frequency: "manual" as const };
    expect(changes(sample, settingsOf(form))).toEqual({ manual: true, at: null, title: null, keep: null });
  });
  it("names mistakes before the server must", () => {
    const wrong = mistakes({ ...empty, name: "é", keep: { days: 400 } }, true, fr.t);
    expect(Object.keys(wrong).sort()).toEqual(["keep", "name", "source"]);
    expect(mistakes({ ...empty, name: "docs", source: ["/x"] }, true, fr.t)).toEqual({});
    expect(mistakes({ ...empty, name: "42", source: ["/x"] }, true, fr.t).name).toBe(fr.t("form.nameDigits"));
  });
  it("splits commands as people type them", () => {
    expect(words(`pg_ctl -D "/var/lib/my data" stop 'a b' ""`)).toEqual([
      "pg_ctl",
      "-D",
      "/var/lib/my data",
      "stop",
      "a b",
      "",
    ]);
  });
  it("says when in a sentence", async () => {
    expect(await sentence({ cron: "30 2 * * 1-5" }, fr.t, "fr")).toBe("À 02:30, de lundi à vendredi.");
    expect(await sentence({ at: ["09:00", "18:00"] }, fr.t, "fr")).toBe("Chaque jour à 09:00 et 18:00.");
    expect(await sentence({ every: "weekly" }, en.t, "en")).toBe("Every Monday at midnight.");
    expect(await sentence({ cron: "nonsense" }, en.t, "en")).toBe("");
  });
});

describe("the verdict", () => {
  const schedule = (change: Partial<Schedule>) =>
    ({
      name: "a",
      enabled: true,
      last: { run: "r", status: "completed" },
      last_good: "2026-11-21T00:00:00Z",
      ...change,
    }) as Schedule;
  const status = {} as Status;
  it("is that of the worst", () => {
    expect(verdict([], status).level).toBe("none");
    expect(verdict([schedule({})], status).level).toBe("good");
    expect(verdict([schedule({}), schedule({ frozen: "half the files are gone" })], status).level).toBe("warning");
    const bad = verdict(
      [schedule({ frozen: "x" }), schedule({ name: "b", last: { run: "r", status: "failed", error: "disk" } })],
      status,
    );
    expect(bad.level).toBe("bad");
    expect(bad.problems[0]).toMatchObject({ schedule: "b", code: "failed", detail: "disk" });
    expect(verdict([schedule({ stale: "2026-11-22T00:00:00Z" })], status).problems[0]?.code).toBe("stale");
    expect(verdict([schedule({})], { config_error: "line 3" } as Status).level).toBe("bad");
  });
  it("has a cell for each day, the worst of it", () => {
    const now = new Date("2026-11-22T10:00:00Z");
    const strip = strips(
      [
        { schedule: "a", date: "2026-11-22", status: "completed", count: 3 },
        { schedule: "a", date: "2026-11-22", status: "failed", count: 1 },
        { schedule: "a", date: "2026-11-20", status: "pending", count: 1 },
        { schedule: "a", date: "2026-01-01", status: "failed", count: 1 },
      ],
      30,
      now,
    ).get("a");
    expect(strip).toHaveLength(30);
    expect(strip?.at(-1)).toMatchObject({ date: "2026-11-22", state: "failed", counts: { completed: 3, failed: 1 } });
    expect(strip?.at(-3)?.state).toBe("running");
    expect(strip?.filter((d) => d.state !== "none")).toHaveLength(2);
  });
});

describe("entries", () => {
  it("send what changed and take away what was emptied", () => {
    const was = { url: "a", limit: "5MB/s", ca: "", on: ["failure"], lock_days: 3, allow_private: true };
    expect(changed(was, was)).toEqual({});
    const now = { url: "b", limit: "", ca: "", on: [], lock_days: undefined, allow_private: false, secret: "" };
    const body = changed(was, now);
    expect(body).toEqual({ url: "b", allow_private: false, unset: ["limit", "on", "lock_days"] });
    expect(entryCommand("destination", "edit", "far", body)).toBe(
      "backupctl destination edit far --url b --unset allow_private --unset limit --unset on --unset lock_days",
    );
  });
  it("never write a secret into a command", () => {
    const fields = { to: ["a@b.c", "d@e.f"], password: "s3cr3t", on: ["failure"] };
    expect(entryCommand("notifier", "add", "", fields)).toBe(
      "backupctl notifier add NAME --email a@b.c --email d@e.f --password-stdin --on failure",
    );
    const hook = entryCommand("notifier", "add", "hook", { url: "https://x", token: "t0ken", allow_private: true });
    expect(hook).toBe("backupctl notifier add hook --webhook https://x --token-file FILE --allow-private");
  });
});

it("names of any bytes are written to the byte", () => {
  const b64 = btoa("caf\xe9/it's");
  expect(quoteBytes(b64)).toBe("$'caf\\xe9/it\\x27s'");
  expect(shownBytes(b64)).toBe("caf\ufffd/it's");
});
