import { command } from "./cli";

/** What a form of an entry of the file holds; an empty text or list is a key that is not set. */
export type Fields = Record<string, string | string[] | number | boolean | undefined>;

const isEmpty = (value: Fields[string]) =>
  value === undefined || value === "" || (Array.isArray(value) && value.length === 0);

/** What is set. */
export function given(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}

/** What a form changed: the keys that are set anew, and those that were emptied. */
export function changed(was: Fields, now: Fields): Fields {
  const differs = (key: string) => JSON.stringify(was[key]) !== JSON.stringify(now[key]);
  const set = Object.entries(given(now)).filter(([key]) => differs(key));
  const unset = Object.keys(now).filter((key) => isEmpty(now[key]) && !isEmpty(was[key]));
  return { ...Object.fromEntries(set), ...(unset.length > 0 ? { unset } : {}) };
}

/** Flags that are not called as their keys; secrets come by a pipe or from a file, never in the command. */
const FLAGS: Record<string, string[]> = {
  to: ["--email"],
  password: ["--password-stdin"],
  secret: ["--secret-stdin"],
  token: ["--token-file", "FILE"],
  read_token: ["--read-token-file", "FILE"],
};

/** The command that does the same as a form of an entry. */
export function entryCommand(word: string, verb: "add" | "edit", name: string, fields: Fields): string {
  const words = Object.entries(fields).flatMap(([key, value]) => {
    const flag = word === "notifier" && key === "url" ? "--webhook" : `--${key.replaceAll("_", "-")}`;
    const [first = flag, ...rest] = FLAGS[key] ?? [];
    if (value === true) return [first];
    if (value === false) return verb === "edit" ? ["--unset", key] : [];
    if (Array.isArray(value)) return value.flatMap((one) => [first, one]);
    return rest.length > 0 || first.endsWith("-stdin") ? [first, ...rest] : [first, String(value)];
  });
  return command(word, verb, name || "NAME", ...words);
}
