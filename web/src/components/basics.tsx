import { Said } from "../sentences";
import { Alert, Badge, Button, Card, Code, CopyButton, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import {
  IconAlertTriangle,
  IconBan,
  IconCircleCheck,
  IconCircleX,
  IconClock,
  IconCopy,
  IconLoader2,
  IconTerminal2,
} from "@tabler/icons-react";
import { lazy, Suspense, useEffect, useRef, useState, type ReactNode } from "react";
import { ApiError } from "../api/client";
import { useText, type Key } from "../i18n";
import * as format from "../lib/format";
import type { ConfirmProps } from "./Confirm";
import { tell } from "./toasts";

export const STATUS: Record<string, { color: string; icon: typeof IconClock }> = {
  completed: { color: "green", icon: IconCircleCheck },
  warning: { color: "yellow", icon: IconAlertTriangle },
  failed: { color: "red", icon: IconCircleX },
  cancelled: { color: "gray", icon: IconBan },
  running: { color: "brand", icon: IconLoader2 },
  pending: { color: "gray", icon: IconClock },
};

/** A status: colour, sign and word. */
export function StatusBadge({ status }: { status: string }) {
  const { t } = useText();
  const { color, icon: Icon } = STATUS[status] ?? { color: "gray", icon: IconClock };
  return (
    <Badge color={color} leftSection={<Icon size={13} aria-hidden />}>
      {t(`status.${status}` as Key)}
    </Badge>
  );
}

/** Sizes, dates and the like in the language that is chosen. */
export function useFormat() {
  const { language } = useText();
  return {
    size: (bytes: number) => format.size(bytes, language),
    count: (n: number) => format.count(n, language),
    percent: (n: number, digits = 0) => format.percent(n, language, digits),
    duration: (seconds: number) => format.duration(seconds, language),
    dateTime: (time: string, seconds = false) => format.dateTime(time, language, seconds),
    weekdayTime: (time: string) => format.weekdayTime(time, language),
    date: (day: string) => format.date(day, language),
    shortDate: (day: string) => format.shortDate(day, language),
    relative: (time: string) => format.relative(time, language),
  };
}

/** A time, and how far it is from now. */
export function When({ time, seconds }: { time: string | null | undefined; seconds?: boolean }) {
  const { t } = useText();
  const f = useFormat();
  if (!time) return <>{t("common.never")}</>;
  return (
    <time dateTime={time} title={f.relative(time)}>
      {f.dateTime(time, seconds)}
    </time>
  );
}

export function PageTitle({ title, text, children }: { title: string; text?: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · backupd`;
  }, [title]);
  return (
    <Group justify="space-between" align="flex-start" mb="lg" gap="sm">
      <div>
        <Title order={1}>{title}</Title>
        {text && (
          <Text c="dimmed" size="sm" mt={2} maw={720}>
            {text}
          </Text>
        )}
      </div>
      {children && <Group gap="xs">{children}</Group>}
    </Group>
  );
}

/** Errors that a box on the page shows. */
export const boxed = new WeakSet<object>();

/** What went wrong: what, why, what to do, and everything somebody who helps will ask for. */
export function ErrorBox({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  const { t } = useText();
  const words = useErrorWords();
  const { headline, detail, next } = words(error);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (typeof error === "object" && error !== null) boxed.add(error);
    box.current?.scrollIntoView({ block: "nearest" });
  }, [error]);
  const report =
    error instanceof ApiError
      ? [error.at.toISOString(), error.path, error.status, error.code, error.request, error.detail]
          .filter(Boolean)
          .join(" ")
      : String(error);
  return (
    <Alert ref={box} color="red" icon={<IconCircleX aria-hidden />} title={title ?? headline} role="alert">
      <Stack gap="xs">
        {title && <Text size="sm">{headline}</Text>}
        {detail && (
          <Text size="sm" className="mono">
            <Said text={detail} />
          </Text>
        )}
        {next && <Text size="sm">{next}</Text>}
        <Group gap="xs">
          {retry && (
            <Button size="xs" color="red" onClick={retry}>
              {t("common.retry")}
            </Button>
          )}
          <Copy text={report} label={t("error.copy")} />
          {error instanceof ApiError && error.request && (
            <Text size="xs" c="dimmed">
              {t("error.request")} <span className="mono">{error.request}</span>
            </Text>
          )}
        </Group>
      </Stack>
    </Alert>
  );
}

/** An error in words: the code of the problem translated, the server's own words beside it. */
export function useErrorWords() {
  const { t, maybe } = useText();
  return (error: unknown) => {
    if (!(error instanceof ApiError))
      return { headline: t("error.failed"), detail: error instanceof Error ? error.message : String(error), next: "" };
    if (error.code === "offline") return { headline: t("error.offline"), detail: "", next: t("error.offline.next") };
    return {
      headline: maybe(`error.${error.code}`, t("error.failed")),
      detail: error.detail,
      next: maybe(`error.${error.code}.next`, ""),
    };
  };
}

/** Toasts: one for every action, of four kinds. */
export function useToast() {
  const words = useErrorWords();
  return {
    success: (title: string, message?: ReactNode) => tell({ kind: "success", title, message }),
    info: (title: string, message?: ReactNode) => tell({ kind: "info", title, message }),
    warning: (title: string, message?: ReactNode) => tell({ kind: "warning", title, message }),
    error: (error: unknown, title?: string) => {
      const { headline, detail } = words(error);
      tell({
        kind: "error",
        title: title ?? headline,
        message: detail ? <Said text={detail} /> : title ? headline : undefined,
      });
    },
  };
}

export function Copy({ text, label }: { text: string; label?: string }) {
  const { t } = useText();
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Button size="xs" variant="default" leftSection={<IconCopy size={14} aria-hidden />} onClick={copy}>
          {copied ? t("common.copied") : (label ?? t("common.copy"))}
        </Button>
      )}
    </CopyButton>
  );
}

/** Grey shapes while something loads, shown only if it takes a while. */
export function Loading({ rows = 4 }: { rows?: number }) {
  const { t } = useText();
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 150);
    return () => clearTimeout(timer);
  }, []);
  if (!late) return null;
  return (
    <Stack gap="sm" role="status" aria-label={t("common.loading")}>
      {Array.from({ length: rows }, (_, i) => (
        <Skeleton key={i} height={36} />
      ))}
    </Stack>
  );
}

/** Nothing is there: one sentence, and what to do about it. */
export function Empty({ text, children }: { text: string; children?: ReactNode }) {
  return (
    <Card>
      <Stack align="center" gap="sm" py="lg">
        <Text ta="center" c="dimmed" maw={520}>
          {text}
        </Text>
        {children}
      </Stack>
    </Card>
  );
}

/** What a query stands at: loading, in error with nothing to show, or its data. Old data stays visible. */
export function Loaded<T>({
  query,
  children,
  rows,
}: {
  query: { data: T | undefined; error: unknown; isPending: boolean; refetch: () => unknown };
  children: (data: T) => ReactNode;
  rows?: number;
}) {
  if (query.data !== undefined) return <>{children(query.data)}</>;
  if (query.error) return <ErrorBox error={query.error} retry={() => void query.refetch()} />;
  return <Loading rows={rows} />;
}

/** The command line, and the call of the API, that do the same. */
export function CommandLine({ line, curl, note }: { line: string; curl?: string; note?: string }) {
  const { t } = useText();
  const [open, setOpen] = useState(false);
  return (
    <div>
      <Button
        variant="subtle"
        size="compact-sm"
        leftSection={<IconTerminal2 size={15} aria-hidden />}
        onClick={() => setOpen(!open)}
        aria-expanded={open}
      >
        {t("cli.show")}
      </Button>
      {open && (
        <Stack gap="xs" mt="xs">
          {[line, curl].map(
            (text) =>
              text && (
                <Group key={text} gap="xs" wrap="nowrap" align="flex-start">
                  <Code block flex={1} className="mono" style={{ whiteSpace: "pre-wrap" }}>
                    {text}
                  </Code>
                  <Copy text={text} />
                </Group>
              ),
          )}
          {note && (
            <Text size="xs" c="dimmed">
              {note}
            </Text>
          )}
        </Stack>
      )}
    </div>
  );
}

const LazyConfirm = lazy(() => import("./Confirm"));

/** Asks before something is done that takes something away; it comes with the first question. */
export function Confirm(props: ConfirmProps) {
  const [asked, setAsked] = useState(false);
  useEffect(() => {
    if (props.opened) setAsked(true);
  }, [props.opened]);
  return <Suspense fallback={null}>{(asked || props.opened) && <LazyConfirm {...props} />}</Suspense>;
}

/** A table that may be wider than the screen: it scrolls by itself, by keyboard too. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={label}>
      {children}
    </div>
  );
}

export function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {rows
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => (
          <div key={name} style={{ display: "contents" }}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
