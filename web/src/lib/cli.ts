import type { Settings } from "../api/client";

/** A word as a POSIX shell takes it. */
export function quote(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

const bytesOf = (b64: string) => Uint8Array.from(atob(b64), (c) => c.charCodeAt(0));

/** A name that is not UTF-8, as text for people. */
export const shownBytes = (b64: string) => new TextDecoder().decode(bytesOf(b64));

/** The same as bash, zsh and ksh take it, to the byte. */
export function quoteBytes(b64: string): string {
  const word = [...bytesOf(b64)].map((byte) =>
    byte < 32 || byte > 126 || byte === 39 || byte === 92
      ? `\\x${byte.toString(16).padStart(2, "0")}`
      : String.fromCharCode(byte),
  );
  return `$'${word.join("")}'`;
}

/** A command line from its words; what is null or empty is left out. */
export function command(...words: (string | null | undefined | false)[]): string {
  const real = words.filter((word): word is string => typeof word === "string");
  return ["backupctl", ...real.map(quote)].join(" ");
}

/** The same as a call of the API. */
export function curl(method: string, path: string, body?: unknown): string {
  const words = ["curl", "-X", method, "-H", "Authorization: Bearer $BACKUP_TOKEN"].map((w) =>
    w.includes("$") ? `"${w}"` : quote(w),
  );
  if (body !== undefined) words.push("-H", quote("Content-Type: application/json"), "-d", quote(JSON.stringify(body)));
  words.push(quote(`${window.location.origin}${path}`));
  return words.join(" ");
}

const KEEP: Record<string, string> = {
  last: "--keep-last",
  hourly: "--keep-hourly",
  daily: "--keep-daily",
  weekly: "--keep-weekly",
  monthly: "--keep-monthly",
  yearly: "--keep-yearly",
  days: "--keep-days",
  within: "--keep-within",
};

const list = (value: unknown): string[] => (Array.isArray(value) ? value.map(String) : [String(value)]);

const PLAIN = new Set(
  "title database content cron every timezone kind full_every compression timeout jitter max_file_size drill scrub catch_up nice ionice limit".split(
    " ",
  ),
);
const REPEATED: Record<string, string> = {
  source: "--source",
  exclude: "--exclude",
  at: "--at",
  destinations: "--destination",
  notify: "--notify",
  exclude_presets: "--exclude-preset",
  ignore_files: "--ignore-file",
  accept_unreadable: "--accept-unreadable",
  detect: "--detect",
};
const SWITCHES = new Set(["manual", "consolidate", "checksum", "one_file_system", "exclude_caches", "sqlite"]);
const HOOKS = new Set(["before", "after", "on_failure"]);
const flag = (key: string) => `--${key.replaceAll("_", "-")}`;

/** The words for one key, or null where only the file can say it. */
function wordsOf(key: string, value: unknown, verb: "create" | "edit"): string[] | null {
  if (value === null) return verb === "edit" ? ["--unset", key] : [];
  if (PLAIN.has(key) && typeof value !== "object") return [flag(key), String(value)];
  const repeated = REPEATED[key];
  if (repeated) return list(value).flatMap((one) => [repeated, one]);
  if (SWITCHES.has(key)) return value ? [flag(key)] : verb === "edit" ? ["--unset", key] : [];
  if (HOOKS.has(key)) return (value as unknown[]).flatMap((argv) => [flag(key), JSON.stringify(argv)]);
  if (key === "enabled" && verb === "create") return value ? [] : ["--disabled"];
  if (key === "keep") {
    const rules = Object.entries(value as Settings).filter(([, n]) => n !== null && n !== undefined);
    return rules.every(([rule]) => KEEP[rule]) ? rules.flatMap(([rule, n]) => [KEEP[rule] ?? "", String(n)]) : null;
  }
  if (key === "encrypt") {
    const how = value as { to?: string[]; passphrase?: { file?: string } };
    if (how.to) return how.to.flatMap((path) => ["--encrypt-to", path]);
    if (how.passphrase?.file) return ["--encrypt-passphrase-file", how.passphrase.file];
  }
  return null;
}

/** `create` or `edit` with the settings of a form. What only the file can say is named, not passed over. */
export function scheduleCommand(
  verb: "create" | "edit",
  name: string,
  settings: Settings,
): { line: string; rest: string[] } {
  const words: string[] = [verb, name || "NAME"];
  const rest: string[] = [];
  for (const [key, value] of Object.entries(settings)) {
    if (value === undefined) continue;
    const some = wordsOf(key, value, verb);
    if (some) words.push(...some);
    else rest.push(key);
  }
  return { line: command(...words), rest };
}
