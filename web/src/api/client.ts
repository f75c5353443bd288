import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Schemas = components["schemas"];
export type Schedule = Schemas["ScheduleView"];
export type Run = Schemas["RunView"];
export type Note = Schemas["NoteView"];
export type Archive = Schemas["ArchiveView"];
export type Entry = Schemas["EntryView"];
export type Status = Schemas["StatusView"];
export type Session = Schemas["SessionView"];
export type Stats = Schemas["StatsView"];
export type Group = Schemas["GroupView"];
export type DayState = Schemas["DayStateView"];
export type Preview = Schemas["PreviewView"];
export type Prune = Schemas["PruneView"];
export type Database = Schemas["DatabaseView"];
export type Destination = Schemas["DestinationView"];
export type Notifier = Schemas["NotifierView"];
export type TestStep = Schemas["TestStep"];
export type Finding = Schemas["FindingView"];
export type Audit = Schemas["AuditView"];
export type Progress = Schemas["ProgressView"];
export type Found = Schemas["FoundView"];
export type RunEvent = Schemas["RunEvent"];
export type Settings = Record<string, unknown>;

/** An answer that is no success: the server's problem (RFC 9457), or that there was no answer. */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
  readonly at = new Date();
  readonly path: string;
  /** The number of the request, which the daemon's log names too. */
  readonly request: string | undefined;

  constructor(code: string, status: number, detail: string, path: string, request?: string) {
    super(detail);
    this.code = code;
    this.status = status;
    this.detail = detail;
    this.path = path;
    this.request = request;
  }
}

/** Told whenever the daemon answers or stops answering: since when it does not, or null. */
type Listener = (since: Date | null) => void;
const listeners = new Set<Listener>();
let offline: Date | null = null;

function tell(since: Date | null) {
  if ((since === null) === (offline === null)) return;
  offline = since;
  listeners.forEach((l) => l(since));
}

export const connection = {
  since: () => offline,
  subscribe(listener: Listener) {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  },
};

/** Called when a session has ended. */
let ended: () => void = () => {};
export function onSessionEnd(then: () => void) {
  ended = then;
}

async function reach(request: Request): Promise<Response> {
  try {
    const response = await fetch(request);
    tell(null);
    return response;
  } catch (cause) {
    if (!(cause instanceof DOMException && cause.name === "AbortError")) tell(new Date());
    throw cause;
  }
}

const http = createClient<paths>({ baseUrl: window.location.origin, fetch: reach });

type Problem = { code?: string; detail?: string; request_id?: string };

/** The body of an answer, or an {@link ApiError}. */
async function take<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let got;
  try {
    got = await asked;
  } catch (cause) {
    if (cause instanceof DOMException && cause.name === "AbortError") throw cause;
    throw new ApiError("offline", 0, cause instanceof Error ? cause.message : String(cause), "");
  }
  const { data, error, response } = got;
  if (response.ok) return data as T;
  const problem = (typeof error === "object" && error !== null ? error : {}) as Problem;
  const path = new URL(response.url).pathname;
  const code = problem.code ?? "failed";
  if (response.status === 401 && code !== "code_needed" && !path.endsWith("/session") && !path.endsWith("/setup"))
    ended();
  throw new ApiError(code, response.status, problem.detail ?? response.statusText, path, problem.request_id);
}

export { http, take };
