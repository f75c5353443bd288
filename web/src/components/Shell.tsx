import { Said } from "../sentences";
import {
  ActionIcon,
  Alert,
  AppShell,
  Badge,
  Burger,
  Group,
  Kbd,
  Menu,
  NavLink,
  ScrollArea,
  SegmentedControl,
  Stack,
  Text,
  Tooltip,
  UnstyledButton,
  useMantineColorScheme,
} from "@mantine/core";
import { useDisclosure, useHotkeys } from "@mantine/hooks";
import {
  IconArchive,
  IconBell,
  IconCalendarTime,
  IconChartBar,
  IconCloudUpload,
  IconDatabase,
  IconHistory,
  IconHome,
  IconKey,
  IconKeyboard,
  IconListCheck,
  IconLogout,
  IconMoon,
  IconPlugOff,
  IconSearch,
  IconSettings,
  IconStethoscope,
  IconSun,
  IconTemplate,
  IconUser,
} from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link, Outlet, useLocation, useNavigate } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useState } from "react";
import { http, take } from "../api/client";
import { queries } from "../api/queries";
import { languages, setLanguage, useText, type Key, type Language } from "../i18n";
import { useToast, useFormat } from "./basics";
import { useMay, useOffline, useOperation, watch } from "./hooks";

type Place =
  | "/"
  | "/history"
  | "/statistics"
  | "/configurations"
  | "/archives"
  | "/databases"
  | "/destinations"
  | "/alerts"
  | "/maintenance"
  | "/audit"
  | "/templates"
  | "/access"
  | "/settings";

/** All pages by section; some are for admins. */
export const SECTIONS: { title: Key; items: { to: Place; text: Key; icon: typeof IconHome; admin: boolean }[] }[] = [
  {
    title: "nav.look",
    items: [
      { to: "/", text: "nav.dashboard", icon: IconHome, admin: false },
      { to: "/history", text: "nav.history", icon: IconHistory, admin: false },
      { to: "/statistics", text: "nav.statistics", icon: IconChartBar, admin: false },
    ],
  },
  {
    title: "nav.backups",
    items: [
      { to: "/configurations", text: "nav.configurations", icon: IconCalendarTime, admin: false },
      { to: "/archives", text: "nav.archives", icon: IconArchive, admin: false },
      { to: "/databases", text: "nav.databases", icon: IconDatabase, admin: false },
      { to: "/destinations", text: "nav.destinations", icon: IconCloudUpload, admin: false },
    ],
  },
  {
    title: "nav.watch",
    items: [
      { to: "/alerts", text: "nav.alerts", icon: IconBell, admin: false },
      { to: "/maintenance", text: "nav.maintenance", icon: IconStethoscope, admin: false },
      { to: "/audit", text: "nav.audit", icon: IconListCheck, admin: true },
    ],
  },
  {
    title: "nav.administration",
    items: [
      { to: "/templates", text: "nav.templates", icon: IconTemplate, admin: false },
      { to: "/access", text: "nav.access", icon: IconKey, admin: true },
      { to: "/settings", text: "nav.settings", icon: IconSettings, admin: false },
    ],
  },
];

/** Under which entry of the navigation a path belongs. */
function placeOf(path: string): Place | undefined {
  if (path === "/") return "/";
  if (path.startsWith("/runs/")) return "/history";
  if (path.startsWith("/browse/") || path.startsWith("/restore/")) return "/archives";
  return SECTIONS.flatMap((s) => s.items).find((item) => item.to !== "/" && path.startsWith(item.to))?.to;
}

const Shortcuts = lazy(() => import("./Shortcuts"));
const palettePiece = () => import("./Palette");
const Palette = lazy(palettePiece);

/** Two keys one after the other: G, then where to. */
function useGo(go: (to: "/" | "/configurations" | "/history" | "/archives") => void) {
  useEffect(() => {
    const places = { d: "/", c: "/configurations", h: "/history", a: "/archives" } as const;
    let pressed = 0;
    const listen = (event: KeyboardEvent) => {
      const typing =
        event.target instanceof HTMLElement && event.target.matches("input, textarea, select, [contenteditable]");
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      const key = event.key.toLowerCase();
      const to = places[key as keyof typeof places];
      if (to && Date.now() - pressed < 1000) go(to);
      pressed = key === "g" ? Date.now() : 0;
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, [go]);
}

/** Tells the ends of runs that were started from this page. */
function useRunEnds() {
  const { t } = useText();
  const operation = useOperation();
  const toast = useToast();
  const client = useQueryClient();
  const open = useQuery(queries.status()).data?.runs;
  useEffect(() => {
    if (!open) return;
    for (const id of watch.all()) {
      if (open.some((r) => r.id === id)) continue;
      void client.fetchQuery({ ...queries.run(id), staleTime: 0 }).then((run) => {
        if (!run.ended || !watch.all().includes(id)) return;
        watch.remove(id);
        const what = t(`ended.${run.status}` as Key, {
          operation: operation(run),
          name: run.name,
        });
        if (run.status === "completed") toast.success(what);
        else if (run.status === "warning") toast.warning(what, <Said text={run.error} />);
        else if (run.status === "failed") toast.error(new Error(run.error ?? ""), what);
        else toast.info(what);
        void client.invalidateQueries();
      });
    }
  }, [open, client, t, toast]);
}

export function LanguageSwitch() {
  const { t, language } = useText();
  return (
    <SegmentedControl
      size="xs"
      aria-label={t("settings.language")}
      value={language}
      onChange={(value) => void setLanguage(value as Language)}
      data={languages.map((l) => ({ value: l, label: l.toUpperCase() }))}
    />
  );
}

export function SchemeSwitch() {
  const { t } = useText();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const dark = colorScheme === "dark" || (colorScheme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  const label = t(dark ? "settings.light" : "settings.dark");
  return (
    <Tooltip label={label}>
      <ActionIcon
        variant="default"
        size="lg"
        aria-label={label}
        onClick={() => setColorScheme(dark ? "light" : "dark")}
      >
        {dark ? <IconSun size={18} /> : <IconMoon size={18} />}
      </ActionIcon>
    </Tooltip>
  );
}

export function Logo() {
  return (
    <Group gap={8} wrap="nowrap">
      <img src="/icon.svg" alt="" width={28} height={28} />
      <Text fw={700} size="lg" visibleFrom="xs">
        backupd
      </Text>
    </Group>
  );
}

export function Shell() {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const navigate = useNavigate();
  const client = useQueryClient();
  const [menu, { toggle, close }] = useDisclosure();
  const [help, helping] = useDisclosure();
  // The palette comes when it is first asked for.
  const [palette, setPalette] = useState(0);
  const openPalette = () => setPalette((n) => n + 1);
  const session = useQuery(queries.session()).data;
  const status = useQuery(queries.status()).data;
  const offline = useOffline();
  const path = useLocation({ select: (l) => l.pathname });
  const here = placeOf(path);
  useRunEnds();
  useEffect(() => {
    // Fetched once the page has come to rest, so that it opens at the first key.
    const timer = setTimeout(() => void palettePiece(), 1500);
    return () => clearTimeout(timer);
  }, []);
  useEffect(close, [path, close]);
  useHotkeys([
    ["mod+K", openPalette],
    ["?", helping.open],
    ["shift+?", helping.open],
    ["N", () => may.admin && void navigate({ to: "/configurations/new" })],
  ]);
  useGo((to) => void navigate({ to }));

  const leave = async () => {
    await take(http.DELETE("/api/v1/session"));
    client.clear();
    void navigate({ to: "/login" });
  };

  return (
    <AppShell
      header={{ height: 56 }}
      navbar={{ width: 248, breakpoint: "md", collapsed: { mobile: !menu } }}
      padding={{ base: "sm", sm: "lg" }}
    >
      <a className="skip" href="#main">
        {t("nav.skip")}
      </a>
      <AppShell.Header>
        <Group h="100%" px="md" justify="space-between" wrap="nowrap" gap="xs">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={menu} onClick={toggle} hiddenFrom="md" size="sm" aria-label={t("nav.menu")} />
            <Link to="/" className="plain" aria-label="backupd">
              <Logo />
            </Link>
            {status && (
              <Badge variant="default" visibleFrom="sm">
                {status.host}
              </Badge>
            )}
            {Boolean(status?.runs.length) && (
              <Badge color="brand" visibleFrom="xs">
                {t("run.running", { count: status?.runs.length ?? 0 })}
              </Badge>
            )}
          </Group>
          <Group gap="xs" wrap="nowrap">
            <UnstyledButton
              onClick={openPalette}
              visibleFrom="sm"
              style={{ border: "1px solid var(--line)", borderRadius: 8, padding: "5px 10px" }}
            >
              <Group gap={8} wrap="nowrap">
                <IconSearch size={15} aria-hidden />
                <Text size="sm" c="dimmed">
                  {t("palette.hint")}
                </Text>
                <Kbd size="xs">Ctrl K</Kbd>
              </Group>
            </UnstyledButton>
            <ActionIcon
              variant="default"
              size="lg"
              hiddenFrom="sm"
              aria-label={t("shortcut.palette")}
              onClick={openPalette}
            >
              <IconSearch size={18} />
            </ActionIcon>
            <LanguageSwitch />
            <SchemeSwitch />
            <Menu position="bottom-end" withinPortal>
              <Menu.Target>
                <ActionIcon variant="default" size="lg" aria-label={t("nav.account")}>
                  <IconUser size={18} />
                </ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Label>
                  {session?.actor?.replace(/^user:/, "")} · {t(`role.${session?.scope ?? "read"}` as Key)}
                </Menu.Label>
                <Menu.Item leftSection={<IconSettings size={16} />} onClick={() => void navigate({ to: "/settings" })}>
                  {t("nav.settings")}
                </Menu.Item>
                <Menu.Item leftSection={<IconKeyboard size={16} />} onClick={helping.open}>
                  {t("shortcut.list")}
                </Menu.Item>
                <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave()}>
                  {t("nav.signOut")}
                </Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t("nav.main")}>
        <ScrollArea type="hover" scrollbarSize={6}>
          {SECTIONS.map((section) => (
            <div key={section.title}>
              <div className="nav-title">{t(section.title)}</div>
              {section.items
                .filter((item) => !item.admin || may.admin)
                .map((item) => (
                  <NavLink
                    key={item.to}
                    component={Link}
                    to={item.to}
                    label={t(item.text)}
                    leftSection={<item.icon size={18} stroke={1.7} aria-hidden />}
                    active={item.to === here}
                    aria-current={item.to === here ? "page" : undefined}
                    style={{ borderRadius: 8 }}
                  />
                ))}
            </div>
          ))}
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="main" tabIndex={-1}>
        <Stack gap="md" maw={1280} mx="auto">
          {offline && (
            <Alert color="red" icon={<IconPlugOff aria-hidden />} title={t("offline.title")} role="alert">
              {t("offline.text", { time: f.relative(offline.toISOString()) })}
            </Alert>
          )}
          {status?.stopping && <Alert color="yellow">{t("offline.stopping")}</Alert>}
          <div>
            <Outlet />
          </div>
        </Stack>
      </AppShell.Main>
      <Suspense fallback={null}>{palette > 0 && <Palette asked={palette} />}</Suspense>
      <Suspense fallback={null}>{help && <Shortcuts close={helping.close} />}</Suspense>
    </AppShell>
  );
}
