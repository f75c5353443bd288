import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { queries } from "./api/queries";
import { ErrorBox } from "./components/basics";
import { Shell } from "./components/Shell";
import { setZone } from "./lib/format";
import { Dashboard } from "./pages/Dashboard";
import { NotFound } from "./pages/NotFound";

const text = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
const number = (value: unknown) => (typeof value === "number" && value > 0 ? value : undefined);
const texts = (value: unknown) => (Array.isArray(value) ? value.map(String) : undefined);

/** What may stand behind the `?`: every part may be left out. */
type Search<Texts extends string, Numbers extends string = never> = { [K in Texts]?: string } & {
  [K in Numbers]?: number;
};

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  component: Outlet,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => <ErrorBox error={error} retry={reset} />,
});

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  component: lazyRouteComponent(() => import("./pages/SignIn"), "SignIn"),
  validateSearch: (s: Record<string, unknown>): Search<"next"> & { ended?: true } => ({
    next: text(s.next),
    ended: s.ended === true ? true : undefined,
  }),
});
const setup = createRoute({
  getParentRoute: () => root,
  path: "/setup",
  component: lazyRouteComponent(() => import("./pages/SetUp"), "SetUp"),
});

/** Everything else is for those who are signed in. */
const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    const session = await context.client.ensureQueryData(queries.session());
    if (session.actor) {
      setZone((await context.client.ensureQueryData(queries.status())).timezone);
      return;
    }
    if (session.setup_needed) throw redirect({ to: "/setup" });
    throw redirect({ to: "/login", search: { next: location.href === "/" ? undefined : location.href } });
  },
});

const dashboard = createRoute({ getParentRoute: () => inside, path: "/", component: Dashboard });
const configurations = createRoute({
  getParentRoute: () => inside,
  path: "/configurations",
  component: lazyRouteComponent(() => import("./pages/Configurations"), "Configurations"),
  validateSearch: (s: Record<string, unknown>): Search<"text"> => ({ text: text(s.text) }),
});
const newConfiguration = createRoute({
  getParentRoute: () => inside,
  path: "/configurations/new",
  component: lazyRouteComponent(() => import("./pages/ConfigurationForm"), "NewConfiguration"),
  validateSearch: (s: Record<string, unknown>): Search<"database"> => ({ database: text(s.database) }),
});
const configuration = createRoute({
  getParentRoute: () => inside,
  path: "/configurations/$name",
  component: lazyRouteComponent(() => import("./pages/Configuration"), "Configuration"),
});
const editConfiguration = createRoute({
  getParentRoute: () => inside,
  path: "/configurations/$name/edit",
  component: lazyRouteComponent(() => import("./pages/ConfigurationForm"), "EditConfiguration"),
});
export type HistorySearch = Search<
  "text" | "operation" | "status" | "kind" | "content" | "schedule" | "from" | "to" | "sort",
  "page"
>;
const history = createRoute({
  getParentRoute: () => inside,
  path: "/history",
  component: lazyRouteComponent(() => import("./pages/History"), "History"),
  validateSearch: (s: Record<string, unknown>): HistorySearch => ({
    text: text(s.text),
    operation: text(s.operation),
    status: text(s.status),
    kind: text(s.kind),
    content: text(s.content),
    schedule: text(s.schedule),
    from: text(s.from),
    to: text(s.to),
    sort: text(s.sort),
    page: number(s.page),
  }),
});
const run = createRoute({
  getParentRoute: () => inside,
  path: "/runs/$id",
  component: lazyRouteComponent(() => import("./pages/Run"), "Run"),
});
const archives = createRoute({
  getParentRoute: () => inside,
  path: "/archives",
  component: lazyRouteComponent(() => import("./pages/Archives"), "Archives"),
  validateSearch: (s: Record<string, unknown>): Search<"schedule", "page"> => ({
    schedule: text(s.schedule),
    page: number(s.page),
  }),
});
const browse = createRoute({
  getParentRoute: () => inside,
  path: "/browse/$archive",
  component: lazyRouteComponent(() => import("./pages/Browse"), "Browse"),
  validateSearch: (s: Record<string, unknown>): Search<"path" | "b64" | "find"> => ({
    path: text(s.path),
    b64: text(s.b64),
    find: text(s.find),
  }),
});
const restore = createRoute({
  getParentRoute: () => inside,
  path: "/restore/$archive",
  component: lazyRouteComponent(() => import("./pages/Restore"), "Restore"),
  validateSearch: (s: Record<string, unknown>): { paths?: string[]; paths_b64?: string[] } => ({
    paths: texts(s.paths),
    paths_b64: texts(s.paths_b64),
  }),
});
const databases = createRoute({
  getParentRoute: () => inside,
  path: "/databases",
  component: lazyRouteComponent(() => import("./pages/Databases"), "Databases"),
});
const destinations = createRoute({
  getParentRoute: () => inside,
  path: "/destinations",
  component: lazyRouteComponent(() => import("./pages/Destinations"), "Destinations"),
});
const statistics = createRoute({
  getParentRoute: () => inside,
  path: "/statistics",
  component: lazyRouteComponent(() => import("./pages/Statistics"), "Statistics"),
  validateSearch: (s: Record<string, unknown>): Search<"schedule", "days"> => ({
    days: number(s.days),
    schedule: text(s.schedule),
  }),
});
const alerts = createRoute({
  getParentRoute: () => inside,
  path: "/alerts",
  component: lazyRouteComponent(() => import("./pages/Alerts"), "Alerts"),
  validateSearch: (s: Record<string, unknown>): Search<never, "page"> => ({ page: number(s.page) }),
});
const audit = createRoute({
  getParentRoute: () => inside,
  path: "/audit",
  component: lazyRouteComponent(() => import("./pages/Audit"), "Audit"),
  validateSearch: (s: Record<string, unknown>): Search<"text", "page"> => ({
    text: text(s.text),
    page: number(s.page),
  }),
});
const maintenance = createRoute({
  getParentRoute: () => inside,
  path: "/maintenance",
  component: lazyRouteComponent(() => import("./pages/Maintenance"), "Maintenance"),
});
const templates = createRoute({
  getParentRoute: () => inside,
  path: "/templates",
  component: lazyRouteComponent(() => import("./pages/Templates"), "Templates"),
});
const access = createRoute({
  getParentRoute: () => inside,
  path: "/access",
  component: lazyRouteComponent(() => import("./pages/Access"), "Access"),
});
const settings = createRoute({
  getParentRoute: () => inside,
  path: "/settings",
  component: lazyRouteComponent(() => import("./pages/Settings"), "Settings"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    login,
    setup,
    inside.addChildren([
      dashboard,
      configurations,
      newConfiguration,
      configuration,
      editConfiguration,
      history,
      run,
      archives,
      browse,
      restore,
      databases,
      destinations,
      statistics,
      alerts,
      audit,
      maintenance,
      templates,
      access,
      settings,
    ]),
  ]),
  context: { client: undefined as unknown as QueryClient },
  defaultPreload: "intent",
  scrollRestoration: true,
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
