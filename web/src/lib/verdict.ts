import type { DayState, Schedule, Status } from "../api/client";

export type Level = "good" | "warning" | "bad" | "none";

export interface Problem {
  level: "warning" | "bad";
  /** Which text tells of it: `verdict.CODE`. */
  code: "failed" | "missing" | "stale" | "frozen" | "warned" | "config" | "never";
  schedule?: string;
  run?: string;
  detail?: string;
}

/** How one schedule stands. */
export function stateOf(s: Schedule): Level {
  if (s.last?.status === "failed" || s.stale) return "bad";
  if (s.frozen || s.last?.status === "warning" || s.last?.status === "cancelled") return "warning";
  return s.last_good ? "good" : "none";
}

/** One verdict over everything: the worst state wins, each problem names its schedule. */
export function verdict(schedules: Schedule[], status: Status | undefined): { level: Level; problems: Problem[] } {
  const problems: Problem[] = [];
  if (status?.config_error) problems.push({ level: "bad", code: "config", detail: status.config_error });
  for (const s of schedules) {
    const at = { schedule: s.name, run: s.last?.run };
    if (s.last?.status === "failed")
      problems.push({ level: "bad", code: "failed", detail: s.last.error ?? undefined, ...at });
    else if (s.stale) problems.push({ level: "bad", code: s.last_good ? "stale" : "missing", ...at });
    if (s.frozen) problems.push({ level: "warning", code: "frozen", detail: s.frozen, ...at });
    else if (s.last?.status === "warning")
      problems.push({ level: "warning", code: "warned", detail: s.last.error ?? undefined, ...at });
  }
  problems.sort((a, b) => Number(b.level === "bad") - Number(a.level === "bad"));
  const active = schedules.filter((s) => s.enabled);
  if (problems.length > 0) return { level: problems[0]?.level ?? "warning", problems };
  if (active.length === 0 || active.every((s) => !s.last_good)) return { level: "none", problems };
  return { level: "good", problems };
}

export interface Day {
  date: string;
  /** The worst that happened on it; `none` where nothing ran. */
  state: "completed" | "warning" | "failed" | "cancelled" | "running" | "none";
  counts: Partial<Record<string, number>>;
}

const WORST: Day["state"][] = ["failed", "warning", "cancelled", "running", "completed"];

/** The last days of each schedule, oldest first, today last. Days are UTC, as the server counts them. */
export function strips(states: DayState[], days: number, now = new Date()): Map<string, Day[]> {
  const dates = Array.from({ length: days }, (_, i) => {
    const day = new Date(now.getTime() - (days - 1 - i) * 86_400_000);
    return day.toISOString().slice(0, 10);
  });
  const place = new Map(dates.map((d, i) => [d, i]));
  const out = new Map<string, Day[]>();
  for (const one of states) {
    const index = place.get(one.date);
    if (index === undefined) continue;
    let strip = out.get(one.schedule);
    if (!strip) {
      strip = dates.map((date) => ({ date, state: "none", counts: {} }));
      out.set(one.schedule, strip);
    }
    const day = strip[index];
    if (day) day.counts[one.status] = (day.counts[one.status] ?? 0) + one.count;
  }
  for (const strip of out.values()) {
    for (const day of strip) {
      if (day.counts.pending) day.counts.running = (day.counts.running ?? 0) + day.counts.pending;
      day.state = WORST.find((state) => day.counts[state]) ?? "none";
    }
  }
  return out;
}

export function emptyStrip(days: number, now = new Date()): Day[] {
  return Array.from({ length: days }, (_, i) => ({
    date: new Date(now.getTime() - (days - 1 - i) * 86_400_000).toISOString().slice(0, 10),
    state: "none",
    counts: {},
  }));
}
