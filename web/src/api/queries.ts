import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { http, take } from "./client";
import type { paths } from "./schema";

export type HistoryQuery = NonNullable<paths["/api/v1/runs"]["get"]["parameters"]["query"]>;

/** While something runs its figures change; otherwise a look now and then is enough. */
const OFTEN = 2_000;
const SELDOM = 15_000;

export const queries = {
  session: () =>
    queryOptions({
      queryKey: ["session"],
      queryFn: () => take(http.GET("/api/v1/session")),
      staleTime: 60_000,
      retry: 2,
    }),
  status: () =>
    queryOptions({
      queryKey: ["status"],
      queryFn: () => take(http.GET("/api/v1/system")),
      refetchInterval: (query) => (query.state.data?.runs.length ? OFTEN : 5_000),
    }),
  schedules: () =>
    queryOptions({
      queryKey: ["schedules"],
      queryFn: () =>
        take(http.GET("/api/v1/schedules", { params: { query: { settings: true } } })).then((p) => p.items),
      refetchInterval: SELDOM,
    }),
  schedule: (name: string) =>
    queryOptions({
      queryKey: ["schedules", name],
      queryFn: () => take(http.GET("/api/v1/schedules/{name}", { params: { path: { name } } })),
    }),
  days: (days: number) =>
    queryOptions({
      queryKey: ["days", days],
      queryFn: () => take(http.GET("/api/v1/days", { params: { query: { days } } })).then((p) => p.items),
      refetchInterval: SELDOM,
    }),
  stats: (days: number, schedule?: string) =>
    queryOptions({
      queryKey: ["stats", days, schedule ?? ""],
      queryFn: () => take(http.GET("/api/v1/stats", { params: { query: { days, schedule } } })),
      placeholderData: keepPreviousData,
    }),
  runs: (query: HistoryQuery) =>
    queryOptions({
      queryKey: ["runs", query],
      queryFn: () => take(http.GET("/api/v1/runs", { params: { query } })),
      placeholderData: keepPreviousData,
    }),
  run: (id: string) =>
    queryOptions({
      queryKey: ["run", id],
      queryFn: () => take(http.GET("/api/v1/runs/{id}", { params: { path: { id } } })),
    }),
  archives: (schedule?: string, limit?: number, offset?: number) =>
    queryOptions({
      queryKey: ["archives", schedule ?? "", limit ?? 0, offset ?? 0],
      queryFn: () => take(http.GET("/api/v1/archives", { params: { query: { schedule, limit, offset } } })),
      placeholderData: keepPreviousData,
    }),
  archive: (archive: string) =>
    queryOptions({
      queryKey: ["archive", archive],
      queryFn: () => take(http.GET("/api/v1/archives/{archive}", { params: { path: { archive } } })),
    }),
  entries: (archive: string, path: string, path_b64: string | undefined, offset: number, limit: number) =>
    queryOptions({
      queryKey: ["entries", archive, path, path_b64 ?? "", offset, limit],
      queryFn: () =>
        take(http.GET("/api/v1/entries", { params: { query: { archive, path, path_b64, offset, limit } } })),
      staleTime: Infinity,
    }),
  find: (pattern: string, schedule: string | undefined) =>
    queryOptions({
      queryKey: ["find", pattern, schedule ?? ""],
      queryFn: ({ signal }) =>
        take(
          http.GET("/api/v1/find", { params: { query: { pattern, schedule, any_case: true, limit: 500 } }, signal }),
        ),
      enabled: pattern.length > 1,
      placeholderData: keepPreviousData,
    }),
  diff: (a: string, b: string) =>
    queryOptions({
      queryKey: ["diff", a, b],
      queryFn: () => take(http.GET("/api/v1/diff", { params: { query: { a, b, limit: 5000 } } })),
      staleTime: Infinity,
    }),
  preview: (settings: string, schedule?: string) =>
    queryOptions({
      queryKey: ["preview", settings, schedule ?? ""],
      queryFn: ({ signal }) =>
        take(http.GET("/api/v1/previews", { params: { query: { settings, schedule } }, signal })),
      placeholderData: keepPreviousData,
      retry: false,
    }),
  folders: (path: string) =>
    queryOptions({
      queryKey: ["folders", path],
      queryFn: () => take(http.GET("/api/v1/folders", { params: { query: { path } } })).then((p) => p.items),
      retry: false,
    }),
  logs: (query: NonNullable<paths["/api/v1/logs"]["get"]["parameters"]["query"]>) =>
    queryOptions({
      queryKey: ["logs", query],
      queryFn: () => take(http.GET("/api/v1/logs", { params: { query } })).then((p) => p.items),
    }),
  databases: () =>
    queryOptions({ queryKey: ["databases"], queryFn: () => take(http.GET("/api/v1/databases")).then((p) => p.items) }),
  destinations: () =>
    queryOptions({
      queryKey: ["destinations"],
      queryFn: () => take(http.GET("/api/v1/destinations")).then((p) => p.items),
    }),
  notifiers: () =>
    queryOptions({ queryKey: ["notifiers"], queryFn: () => take(http.GET("/api/v1/notifiers")).then((p) => p.items) }),
  alerts: (offset: number, limit: number) =>
    queryOptions({
      queryKey: ["alerts", offset, limit],
      queryFn: () => take(http.GET("/api/v1/alerts", { params: { query: { offset, limit } } })),
      placeholderData: keepPreviousData,
    }),
  audit: (text: string, offset: number, limit: number) =>
    queryOptions({
      queryKey: ["audit", text, offset, limit],
      queryFn: () => take(http.GET("/api/v1/audit", { params: { query: { text: text || undefined, offset, limit } } })),
      placeholderData: keepPreviousData,
    }),
  users: () =>
    queryOptions({ queryKey: ["users"], queryFn: () => take(http.GET("/api/v1/users")).then((p) => p.items) }),
  tokens: () =>
    queryOptions({ queryKey: ["tokens"], queryFn: () => take(http.GET("/api/v1/tokens")).then((p) => p.items) }),
  templates: () =>
    queryOptions({ queryKey: ["templates"], queryFn: () => take(http.GET("/api/v1/templates")).then((p) => p.items) }),
};
