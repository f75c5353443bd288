import type { Home } from "./home.js";

interface List<T> {
  items: T[];
}

/** Every page of the program, with real things behind those that need some. */
export function pages(home: Home): Record<string, string> {
  const archives = home.json<List<{ id: string; schedule: string; name: string }>>(["backups"]).items;
  const runs = home.json<List<{ id: string; status: string }>>(["history"]).items;
  const of = (schedule: string) =>
    archives.find((a) => a.schedule === schedule && !a.name.includes(".roles."))?.id ?? "";
  return {
    dashboard: "/",
    configurations: "/configurations",
    "configuration-new": "/configurations/new",
    configuration: "/configurations/documents",
    "configuration-edit": "/configurations/documents/edit",
    history: "/history",
    run: `/runs/${runs.find((r) => r.status === "completed")?.id ?? ""}`,
    "run-failed": `/runs/${runs.find((r) => r.status === "failed")?.id ?? ""}`,
    archives: "/archives",
    browse: `/browse/${of("documents")}`,
    restore: `/restore/${of("documents")}`,
    "restore-database": `/restore/${of("shop")}`,
    databases: "/databases",
    destinations: "/destinations",
    statistics: "/statistics",
    alerts: "/alerts",
    audit: "/audit",
    maintenance: "/maintenance",
    templates: "/templates",
    access: "/access",
    settings: "/settings",
  };
}

export const SCHEMES = ["light", "dark"] as const;
