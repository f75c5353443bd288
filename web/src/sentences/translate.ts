/**
 * The daemon speaks English: errors, findings, notes and steps are the same sentences on the command line, in the
 * logs, in the API and here. A sentence is made of a template and its values, so the page finds the template again
 * and says the same in another language; values that are sentences or parts of one themselves are translated too.
 */

/** Template of a sentence, with `{}` for each value, and its translation; null where there is none to show. */
export type Table = Record<string, string | null>;

interface Template {
  /** What stands between the values. */
  literals: string[];
  translation: string;
  /** Letters that must be there: the more, the surer the template. */
  letters: number;
  /** Whether it may be the whole of what is said, or a part of something that was recognised. */
  sure: "alone" | "within" | "never";
}

/** Fewer letters than this are by chance in any sentence. */
const ENOUGH = 8;
/** What is longer than this is somebody else's output. */
const MAX_LENGTH = 4000;
const MAX_DEPTH = 8;
/** So many sentences are remembered. */
const MAX_KNOWN = 1000;

const letters = (text: string) => text.replace(/[^\p{L}]/gu, "").length;

function compile(key: string, translation: string): Template {
  // Something that is only put behind another sentence begins with a space or a sign.
  const suffix = /^[\s;,]/.test(key);
  const literals = (suffix ? `{}${key}` : key).split("{}");
  const count = letters(literals.join(""));
  return {
    literals,
    translation: suffix ? `{}${translation}` : translation,
    letters: count,
    sure:
      count >= ENOUGH || letters(literals[0] ?? "") >= 6
        ? "alone"
        : literals[0] !== "" && literals.at(-1) === "" && count >= 3
          ? "within"
          : "never",
  };
}

/** The values of a sentence, if it is of this template. */
function values(text: string, literals: string[]): string[] | null {
  const [first = "", ...rest] = literals;
  const last = rest.pop() ?? "";
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return null;
  const end = text.length - last.length;
  const found: string[] = [];
  let from = first.length;
  for (const literal of rest) {
    const at = text.indexOf(literal, from);
    if (at < 0 || at + literal.length > end) return null;
    found.push(text.slice(from, at));
    from = at + literal.length;
  }
  found.push(text.slice(from, end));
  return found;
}

/** French leaves the vowel of "de" out before another one. */
const elide = (text: string) => text.replace(/\b(impossible d)e (?=[aeiouyéèêh])/gi, "$1’");

/**
 * Makes what translates a sentence of the daemon; null means that no template fits. `heads` are words that stand
 * before a sentence and a colon.
 */
export function translator(heads: Record<string, string>, ...tables: Table[]): (text: string) => string | null {
  const whole = new Map<string, string>();
  const templates: Template[] = [];
  const beginnings: [string, string][] = [];
  for (const [key, translation] of tables.flatMap((table) => Object.entries(table))) {
    if (translation === null) continue;
    if (key.includes("{}") || /^[\s;,]/.test(key)) templates.push(compile(key, translation));
    else {
      whole.set(key, translation);
      beginnings.push([`${key} `, translation]);
    }
  }
  templates.sort((a, b) => b.letters - a.letters);
  beginnings.sort((a, b) => b[0].length - a[0].length);

  const fill = (template: Template, text: string, depth: number): string | null => {
    const given = values(text, template.literals)?.map((value) => say(value, depth + 1) ?? value);
    if (!given) return null;
    let next = 0;
    return elide(
      template.translation.replace(/\{(\d*)\}/g, (_, number: string) => {
        next += 1;
        return given[(number ? Number(number) : next) - 1] ?? "";
      }),
    );
  };

  function say(text: string, depth: number, headed = false): string | null {
    if (depth > MAX_DEPTH || text.length > MAX_LENGTH || text === "") return null;
    // The number says nothing that the words before it do not.
    const bare = text.replace(/ \(os error \d+\)$/, "");
    if (bare !== text) return say(bare, depth);
    const [, head = "", rest = ""] = /^([a-z]+): (.+)$/s.exec(text) ?? [];
    if (heads[head]) return `${heads[head]}\u00a0: ${say(rest, depth + 1, true) ?? rest}`;
    const same = whole.get(text);
    if (same !== undefined) return same;
    for (const template of templates) {
      // Behind a word that was recognised a few letters are no chance.
      if (template.sure === "never" && !(headed && template.letters >= 5)) continue;
      if (template.sure === "within" && depth === 0) continue;
      const said = fill(template, text, depth);
      if (said !== null) return said;
    }
    if (depth > 0) {
      // "open the archive", "read": what was tried, with a path behind it.
      const beginning = beginnings.find(([key]) => text.startsWith(key));
      if (beginning) return `${beginning[1]} ${text.slice(beginning[0].length)}`;
    }
    // Two sentences in one, or a path before a sentence.
    for (const mark of [";", ":"]) {
      const at = text.indexOf(`${mark} `);
      if (at < 0) continue;
      const [left, right] = [text.slice(0, at), text.slice(at + 2)];
      const [before, after] = [say(left, depth + 1), say(right, depth + 1)];
      if (before !== null || after !== null) return `${before ?? left}\u00a0${mark} ${after ?? right}`;
    }
    return null;
  }
  // Long lists say the same again and again.
  const known = new Map<string, string | null>();
  return (text) => {
    const sentence = text.trim();
    let said = known.get(sentence);
    if (said === undefined) {
      if (known.size >= MAX_KNOWN) known.clear();
      said = say(sentence, 0);
      known.set(sentence, said);
    }
    return said;
  };
}
