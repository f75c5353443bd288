import { useSyncExternalStore } from "react";
import type { pairs } from "./pairs";

type Written = keyof typeof pairs;
type Whole<K> = K extends `${infer Base}_one` | `${infer Base}_other` ? Base : K;
/** The name of a text; one with a plural is named without it. */
export type Key = Whole<Written>;
export type Language = "en" | "fr";
export type Values = Record<string, string | number>;
export type Translate = (key: Key, values?: Values) => string;

export const languages: Language[] = ["en", "fr"];

const loaders = { en: () => import("virtual:texts/en"), fr: () => import("virtual:texts/fr") };

interface Tongue {
  language: Language;
  has: (key: string) => boolean;
  t: Translate;
}

/** The texts of a language, made ready to be filled in. */
export function tongueOf(language: Language, texts: Record<string, string>): Tongue {
  const plurals = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  const find = (key: string, values: Values | undefined): string => {
    if (typeof values?.count === "number") {
      const text = plurals.select(values.count) === "one" ? texts[`${key}_one`] : undefined;
      // French has a form of its own for whole millions (CLDR); the usual plural serves.
      return text ?? texts[`${key}_other`] ?? texts[key] ?? key;
    }
    return texts[key] ?? key;
  };
  return {
    language,
    has: (key) => key in texts || `${key}_other` in texts,
    t: (key, values) =>
      find(key, values).replace(/\{\{(\w+)\}\}/g, (_, name: string) => {
        const value = values?.[name];
        return typeof value === "number" ? numbers.format(value) : (value ?? "");
      }),
  };
}

let present: Tongue = tongueOf("en", {});
const listeners = new Set<() => void>();

/** Brings a language in; what is shown changes once it is there. */
export async function setLanguage(language: Language) {
  present = tongueOf(language, (await loaders[language]()).default);
  document.documentElement.lang = language;
  try {
    localStorage.setItem("language", language);
  } catch {
    // Without storage the choice lasts until the page is left.
  }
  listeners.forEach((tell) => tell());
}

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};

/** The texts in the language that is chosen. */
export function useText() {
  const { t, language, has } = useSyncExternalStore(subscribe, () => present);
  return {
    t,
    language,
    /** A text for a word of the server, or what stands in its place. */
    maybe: (key: string, otherwise: string) => (has(key) ? t(key as Key) : otherwise),
  };
}
