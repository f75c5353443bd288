import type { Settings } from "../api/client";
import type { Language, Translate } from "../i18n";

export type Frequency = "manual" | "hourly" | "daily" | "weekly" | "monthly" | "interval" | "cron";
export const frequencies: Frequency[] = ["manual", "hourly", "daily", "weekly", "monthly", "interval", "cron"];
export const keepRules = ["days", "last", "hourly", "daily", "weekly", "monthly", "yearly"] as const;
export type KeepRule = (typeof keepRules)[number];
export type Keep = Partial<Record<KeepRule, number>>;

/** What the form holds: one field for each control. */
export interface Form {
  name: string;
  title: string;
  what: "files" | "database";
  source: string[];
  exclude: string[];
  database: string;
  content: string;
  frequency: Frequency;
  at: string[];
  interval: string;
  cron: string;
  timezone: string;
  kind: string;
  full_every: string;
  compression: string;
  encryption: "default" | "public" | "passphrase";
  encrypt_to: string[];
  passphrase_file: string;
  keep: Keep;
  destinations: string[];
  notify: string[];
  enabled: boolean;
  catch_up: boolean;
  jitter: string;
  timeout: string;
  limit: string;
  max_file_size: string;
  one_file_system: boolean;
  exclude_caches: boolean;
  drill: string;
  scrub: string;
  before: string[];
  after: string[];
  on_failure: string[];
}

export const empty: Form = {
  name: "",
  title: "",
  what: "files",
  source: [],
  exclude: [],
  database: "",
  content: "full",
  frequency: "daily",
  at: ["02:00"],
  interval: "4h",
  cron: "0 2 * * *",
  timezone: "",
  kind: "full",
  full_every: "",
  compression: "gzip",
  encryption: "default",
  encrypt_to: [],
  passphrase_file: "",
  keep: { days: 30, last: 3 },
  destinations: [],
  notify: [],
  enabled: true,
  catch_up: true,
  jitter: "",
  timeout: "",
  limit: "",
  max_file_size: "",
  one_file_system: false,
  exclude_caches: false,
  drill: "",
  scrub: "",
  before: [],
  after: [],
  on_failure: [],
};

/** The words of a command line as people type it: spaces part them, quotes hold them together. No shell is involved. */
export function words(line: string): string[] {
  const out: string[] = [];
  for (const match of line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)) out.push(match[1] ?? match[2] ?? match[3] ?? "");
  return out;
}

const unwords = (argv: unknown) =>
  (Array.isArray(argv) ? argv : [])
    .map((w) => (/\s/.test(String(w)) || w === "" ? `"${String(w)}"` : String(w)))
    .join(" ");

const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.map(String) : typeof value === "string" ? [value] : [];
const text = (value: unknown) => (typeof value === "string" || typeof value === "number" ? String(value) : "");

/** The form for a schedule whose keys are these. */
export function formOf(name: string, s: Settings): Form {
  const every = text(s.every);
  const named = (["hourly", "daily", "weekly", "monthly"] as Frequency[]).find((f) => f === every);
  const frequency: Frequency = s.cron ? "cron" : s.manual ? "manual" : (named ?? (every ? "interval" : "daily"));
  const encrypt = s.encrypt as { to?: string[]; passphrase?: { file?: string } } | undefined;
  const keep: Keep = {};
  for (const rule of keepRules) {
    const n = (s.keep as Settings | undefined)?.[rule];
    if (typeof n === "number") keep[rule] = n;
  }
  return {
    ...empty,
    name,
    title: text(s.title),
    what: s.database === undefined ? "files" : "database",
    source: texts(s.source),
    exclude: texts(s.exclude),
    database: text(s.database),
    content: text(s.content) || "full",
    frequency,
    at: texts(s.at),
    interval: named || !every ? empty.interval : every,
    cron: text(s.cron) || empty.cron,
    timezone: text(s.timezone),
    kind: text(s.kind) || "full",
    full_every: text(s.full_every),
    compression: text(s.compression) || "gzip",
    encryption: encrypt?.to ? "public" : encrypt?.passphrase?.file ? "passphrase" : "default",
    encrypt_to: encrypt?.to ?? [],
    passphrase_file: encrypt?.passphrase?.file ?? "",
    keep,
    destinations: texts(s.destinations),
    notify: texts(s.notify),
    enabled: s.enabled !== false,
    catch_up: s.catch_up !== false,
    jitter: text(s.jitter),
    timeout: text(s.timeout),
    limit: text(s.limit),
    max_file_size: text(s.max_file_size),
    one_file_system: s.one_file_system === true,
    exclude_caches: s.exclude_caches === true,
    drill: text(s.drill),
    scrub: text(s.scrub),
    before: Array.isArray(s.before) ? s.before.map(unwords) : [],
    after: Array.isArray(s.after) ? s.after.map(unwords) : [],
    on_failure: Array.isArray(s.on_failure) ? s.on_failure.map(unwords) : [],
  };
}

/** The keys that a form means; what stands at its default is left out. */
export function settingsOf(f: Form): Settings {
  const s: Settings = {};
  const put = (key: string, value: unknown, usual?: unknown) => {
    if (value !== "" && value !== usual && !(Array.isArray(value) && value.length === 0)) s[key] = value;
  };
  put("title", f.title.trim());
  if (f.what === "files") {
    s.source = f.source;
    put("exclude", f.exclude);
    put("one_file_system", f.one_file_system, false);
    put("exclude_caches", f.exclude_caches, false);
    put("max_file_size", f.max_file_size.trim());
    put("kind", f.kind, "full");
    if (f.kind !== "full") put("full_every", /^\d+$/.test(f.full_every) ? Number(f.full_every) : f.full_every.trim());
  } else {
    s.database = f.database;
    put("content", f.content, "full");
  }
  const at = f.at.map((t) => t.trim()).filter(Boolean);
  if (f.frequency === "manual") s.manual = true;
  else if (f.frequency === "cron") s.cron = f.cron.trim();
  else if (f.frequency === "interval") s.every = f.interval.trim();
  else if (f.frequency === "hourly") s.every = "hourly";
  else {
    if (f.frequency !== "daily" || at.length === 0) s.every = f.frequency;
    if (at.length === 1) s.at = at[0];
    else if (at.length > 1) s.at = at;
  }
  put("timezone", f.timezone);
  put("compression", f.compression, "gzip");
  if (f.encryption === "public" && f.encrypt_to.length > 0) s.encrypt = { to: f.encrypt_to };
  if (f.encryption === "passphrase" && f.passphrase_file.trim())
    s.encrypt = { passphrase: { file: f.passphrase_file.trim() } };
  const keep = Object.fromEntries(Object.entries(f.keep).filter(([, n]) => typeof n === "number"));
  if (Object.keys(keep).length > 0) s.keep = keep;
  put("destinations", f.destinations);
  put("notify", f.notify);
  put("enabled", f.enabled, true);
  put("catch_up", f.catch_up, true);
  for (const key of ["jitter", "timeout", "limit", "drill", "scrub"] as const) put(key, f[key].trim());
  for (const key of ["before", "after", "on_failure"] as const)
    put(
      key,
      f[key].map(words).filter((argv) => argv.length > 0),
    );
  return s;
}

/** Keys of the file that the form knows; the others are left as they are. */
const KNOWN = new Set(
  "title source database content exclude at cron every manual timezone enabled kind full_every compression encrypt keep catch_up jitter timeout one_file_system max_file_size exclude_caches limit before after on_failure drill scrub notify destinations".split(
    " ",
  ),
);

/** What a changed form changes in the file: new values, null for keys that go. */
export function changes(before: Settings, after: Settings): Settings {
  const out: Settings = {};
  for (const [key, value] of Object.entries(after)) {
    if (JSON.stringify(before[key]) !== JSON.stringify(value) && !sameAt(key, before[key], value)) out[key] = value;
  }
  for (const [key, value] of Object.entries(before)) {
    if (KNOWN.has(key) && !(key in after) && !sayUsual(key, value) && !unformed(key, value)) out[key] = null;
  }
  return out;
}

const sameAt = (key: string, a: unknown, b: unknown) =>
  key === "at" && JSON.stringify(texts(a)) === JSON.stringify(texts(b));
/** A key that says what holds without it. */
const sayUsual = (key: string, value: unknown) =>
  ({
    kind: "full",
    content: "full",
    compression: "gzip",
    enabled: true,
    catch_up: true,
    one_file_system: false,
    exclude_caches: false,
  })[key] === value;
/** What the form cannot show stays: a passphrase by variable or command, limits by the hour. */
const unformed = (key: string, value: unknown) =>
  (key === "encrypt" &&
    !(value as { to?: unknown }).to &&
    !(value as { passphrase?: { file?: string } }).passphrase?.file) ||
  (key === "limit" && typeof value === "object");

/** Mistakes that show before the server is asked, by field. */
export function mistakes(f: Form, isNew: boolean, t: Translate): Partial<Record<keyof Form, string>> {
  const out: Partial<Record<keyof Form, string>> = {};
  if (isNew) {
    if (!f.name.trim()) out.name = t("form.nameNeeded");
    else if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(f.name)) out.name = t("form.nameForm");
    else if (/^\d+$/.test(f.name)) out.name = t("form.nameDigits");
  }
  if (f.what === "files" && f.source.length === 0) out.source = t("form.sourceNeeded");
  if (f.what === "database" && !f.database) out.database = t("form.databaseNeeded");
  if (f.keep.days !== undefined && (f.keep.days < 1 || f.keep.days > 365)) out.keep = t("form.keepDays");
  if (f.encryption === "public" && f.encrypt_to.length === 0) out.encrypt_to = t("form.keyNeeded");
  if (f.encryption === "passphrase" && !f.passphrase_file.trim()) out.passphrase_file = t("form.passphraseNeeded");
  return out;
}

/** When a schedule runs, as a sentence. */
export async function sentence(settings: Settings, t: Translate, language: Language): Promise<string> {
  const at = texts(settings.at);
  const times = new Intl.ListFormat(language, { type: "conjunction" }).format(at);
  if (settings.manual) return t("trigger.manual");
  if (settings.cron) {
    const cronstrue = (await Promise.all([import("cronstrue"), import("cronstrue/locales/fr")]))[0].default;
    try {
      return `${cronstrue.toString(String(settings.cron), { locale: language, use24HourTimeFormat: true })}.`;
    } catch {
      return "";
    }
  }
  const every = text(settings.every);
  if (every === "hourly") return t("trigger.hourly");
  if (every === "weekly") return at.length ? t("trigger.weeklyAt", { times }) : t("trigger.weekly");
  if (every === "monthly") return at.length ? t("trigger.monthlyAt", { times }) : t("trigger.monthly");
  if (every && every !== "daily") return t("trigger.every", { span: every });
  return at.length ? t("trigger.dailyAt", { times }) : t("trigger.daily");
}
