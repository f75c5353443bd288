import type { Language } from "../i18n";

const UNITS = {
  en: ["B", "KB", "MB", "GB", "TB", "PB"],
  fr: ["o", "Ko", "Mo", "Go", "To", "Po"],
};

/** Narrow no-break space, as French sets it before units. */
const NARROW = "\u202f";

/** Making a formatter takes longer than using it: each is made once. */
const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat>();
function once<T extends Intl.NumberFormat | Intl.DateTimeFormat>(key: string, make: () => T): T {
  const known = made.get(key) as T | undefined;
  if (known) return known;
  const fresh = make();
  made.set(key, fresh);
  return fresh;
}

function numbers(language: Language, least: number, most: number) {
  return once(
    `n${language}${least}${most}`,
    () => new Intl.NumberFormat(language, { minimumFractionDigits: least, maximumFractionDigits: most }),
  );
}

function times(language: Language, options: Intl.DateTimeFormatOptions) {
  return once(`t${language}${JSON.stringify(options)}`, () => new Intl.DateTimeFormat(language, options));
}

/** Bytes in steps of 1024 with one decimal, as the command line writes them. */
export function size(bytes: number, language: Language): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < 5) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 ? 0 : 1;
  const text = numbers(language, digits, digits).format(value);
  return `${text}${NARROW}${UNITS[language][unit]}`;
}

export function count(value: number, language: Language): string {
  return numbers(language, 0, 3).format(value);
}

export function percent(value: number, language: Language, digits = 0): string {
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: digits }).format(value);
}

/** Seconds as people say them: 0.8 s, 42 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number, language: Language): string {
  const number = (value: number, digits = 0) => numbers(language, 0, digits).format(value);
  if (seconds < 0.005) return `< ${number(0.01, 2)}${NARROW}s`;
  if (seconds < 1) return `${number(seconds, 2)}${NARROW}s`;
  if (seconds < 10) return `${number(seconds, 1)}${NARROW}s`;
  if (seconds < 60) return `${number(seconds)}${NARROW}s`;
  const whole = Math.round(seconds);
  const [days, hours, minutes, rest] = [
    Math.floor(whole / 86_400),
    Math.floor((whole % 86_400) / 3600),
    Math.floor((whole % 3600) / 60),
    whole % 60,
  ];
  const day = language === "fr" ? "j" : "d";
  if (days > 0) return hours > 0 ? `${days}${NARROW}${day} ${hours}${NARROW}h` : `${days}${NARROW}${day}`;
  if (hours > 0) return minutes > 0 ? `${hours}${NARROW}h ${minutes}${NARROW}min` : `${hours}${NARROW}h`;
  return rest > 0 ? `${minutes}${NARROW}min ${rest}${NARROW}s` : `${minutes}${NARROW}min`;
}

/** The zone in which all times are shown: the daemon's, whatever zone the browser is in. */
let zone: string | undefined;
export function setZone(name: string) {
  zone = name;
}

export function dateTime(time: string, language: Language, seconds = false): string {
  return times(language, {
    dateStyle: "medium",
    timeStyle: seconds ? "medium" : "short",
    timeZone: zone,
  }).format(new Date(time));
}

export function weekdayTime(time: string, language: Language): string {
  return times(language, {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    timeZone: zone,
  }).format(new Date(time));
}

export function date(day: string, language: Language): string {
  return times(language, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${day.slice(0, 10)}T00:00:00Z`));
}

export function shortDate(day: string, language: Language): string {
  return times(language, { day: "numeric", month: "short", timeZone: "UTC" }).format(
    new Date(`${day.slice(0, 10)}T00:00:00Z`),
  );
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
];

/** How long ago, or in how long. */
export function relative(time: string, language: Language, now = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1000;
  const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return words.format(Math.round(seconds / length), unit);
  }
  return words.format(Math.round(seconds), "second");
}
