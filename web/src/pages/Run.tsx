import { Said } from "../sentences";
import { Alert, Badge, Button, Card, Group, Select, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
import { IconDownload, IconPlayerStop, IconRestore } from "@tabler/icons-react";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useParams } from "@tanstack/react-router";
import { useEffect, useMemo, useRef, useState } from "react";
import { http, take, type Progress as Figures, type Note, type Run as RunView, type RunEvent } from "../api/client";
import { queries } from "../api/queries";
import {
  CommandLine,
  Copy,
  Facts,
  Loaded,
  PageTitle,
  StatusBadge,
  useFormat,
  useToast,
  When,
} from "../components/basics";
import { useAction, useMay, useOperation, useStart, useWord } from "../components/hooks";
import { Link, LinkButton } from "../components/Link";
import { Progress } from "../components/Progress";
import { useText, type Key } from "../i18n";
import { command, curl } from "../lib/cli";

/** The figures of a run as they come; its end goes into the cache, from where everything shows it. */
function useEvents(id: string, open: boolean): Figures | null {
  const client = useQueryClient();
  const [progress, setProgress] = useState<Figures | null>(null);
  useEffect(() => {
    if (!open) return;
    const source = new EventSource(`/api/v1/runs/${encodeURIComponent(id)}/events`);
    const hear = (event: MessageEvent<string>) => {
      const told = JSON.parse(event.data) as RunEvent;
      if (told.type === "progress") setProgress(told.progress);
      if (told.type === "result") {
        source.close();
        client.setQueryData(queries.run(id).queryKey, told.run);
        void client.invalidateQueries();
      }
    };
    for (const name of ["pending", "progress", "result"]) source.addEventListener(name, hear);
    return () => source.close();
  }, [id, open, client]);
  return progress;
}

interface Line {
  at?: string;
  level: string;
  text: string;
}

/** How many notes are shown; the log has the rest. */
const NOTES = 100;

/** What the run has to say of single paths. */
function Notes({ notes }: { notes: Note[] }) {
  const { t } = useText();
  return (
    <Card component="section" aria-labelledby="notes">
      <Title order={2} id="notes" mb="sm">
        {t("run.notes")}
      </Title>
      {notes.slice(0, NOTES).map((n, i) => (
        <Text key={i} size="sm">
          <Badge size="xs" color={n.level === "warning" ? "yellow" : "gray"} mr="xs">
            {t(n.level === "warning" ? "log.Warning" : "log.Info")}
          </Badge>
          <span className="mono">{n.path}</span>: <Said text={n.text} />
        </Text>
      ))}
      {notes.length > NOTES && (
        <Text size="sm" c="dimmed">
          {t("run.notes.more", { count: notes.length - NOTES })}
        </Text>
      )}
    </Card>
  );
}

/** What the daemon's log has of the run's time; the log speaks English, as its files do. */
function Log({ run, open }: { run: RunView; open: boolean }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const [level, setLevel] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [follow, setFollow] = useState(true);
  const box = useRef<HTMLDivElement>(null);
  // Lines carry whole seconds.
  const begun = new Date(new Date(run.created).getTime() - 1000).toISOString();
  const later = run.ended ? new Date(new Date(run.ended).getTime() + 2000).toISOString() : undefined;
  const log = useQuery({
    ...queries.logs({ from: begun, to: later, text: run.name, limit: 2000 }),
    enabled: may.operate,
    refetchInterval: open ? 2_000 : false,
  });
  const lines = useMemo<Line[]>(() => {
    const notes = (run.notes ?? []).map((n) => ({
      level: n.level === "warning" ? "Warning" : "Info",
      text: `${n.path}: ${n.text}`,
    }));
    const told = (log.data ?? []).map((l) => ({ at: l.at, level: l.level, text: l.text }));
    const known = new Set(told.map((l) => l.text));
    return [...told, ...notes.filter((n) => ![...known].some((k) => k.endsWith(n.text)))];
  }, [log.data, run.notes]);
  const shown = lines.filter(
    (l) => (!level || l.level === level) && l.text.toLocaleLowerCase().includes(text.toLocaleLowerCase()),
  );
  useEffect(() => {
    if (follow && open && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [shown.length, follow, open]);
  const plain = shown.map((l) => `${l.at ?? ""} ${l.level} ${l.text}`.trim()).join("\n");
  return (
    <Card component="section" aria-labelledby="log">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="log">
          {t("log.title")}
        </Title>
        <Group gap="xs">
          <TextInput
            size="xs"
            aria-label={t("log.filter")}
            placeholder={t("log.filter")}
            value={text}
            onChange={(e) => setText(e.currentTarget.value)}
          />
          <Select
            size="xs"
            w={130}
            aria-label={t("log.level")}
            placeholder={t("common.all")}
            data={["Error", "Warning", "Info"].map((value) => ({ value, label: t(`log.${value}` as Key) }))}
            value={level}
            onChange={setLevel}
            clearable
            clearButtonProps={{ "aria-label": t("common.clear") }}
          />
          {open && (
            <Switch
              size="sm"
              label={t("log.follow")}
              checked={follow}
              onChange={(e) => setFollow(e.currentTarget.checked)}
            />
          )}
          <Copy text={plain} />
          <Button
            size="xs"
            variant="default"
            component="a"
            href={`data:text/plain;charset=utf-8,${encodeURIComponent(plain)}`}
            download={`${run.name}-${run.id.slice(0, 8)}.log`}
            leftSection={<IconDownload size={14} aria-hidden />}
          >
            {t("action.download")}
          </Button>
        </Group>
      </Group>
      <div className="log" ref={box} tabIndex={0} role="log" aria-label={t("log.title")} lang="en">
        {shown.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("log.empty")}
          </Text>
        )}
        {shown.map((l, i) => (
          <div key={i} data-level={l.level}>
            {l.at && <span>{f.dateTime(l.at, true)} </span>}
            <strong>{l.level}</strong> {l.text}
          </div>
        ))}
      </div>
    </Card>
  );
}

export function Run() {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const word = useWord();
  const operation = useOperation();
  const toast = useToast();
  const start = useStart();
  const { id } = useParams({ from: "/inside/runs/$id" });
  const query = useQuery(queries.run(id));
  const open = query.data?.status === "running" || query.data?.status === "pending";
  const progress = useEvents(id, open) ?? query.data?.progress;
  const cancel = useAction(
    () => take(http.POST("/api/v1/runs/{id}/cancel", { params: { path: { id } } })),
    () => toast.info(t("run.cancelling")),
  );
  return (
    <Loaded query={query} rows={8}>
      {(run) => {
        const good =
          (run.status === "completed" || run.status === "warning") && run.archive && run.operation === "backup";
        return (
          <>
            <PageTitle title={`${operation(run)} · ${run.name}`}>
              <StatusBadge status={run.status} />
              {open && may.operate && (
                <Button
                  color="red"
                  variant="light"
                  leftSection={<IconPlayerStop size={16} aria-hidden />}
                  loading={cancel.isPending}
                  onClick={() => cancel.mutate(undefined)}
                >
                  {t("action.cancelRun")}
                </Button>
              )}
              {run.status === "failed" && run.operation === "backup" && may.operate && (
                <Button loading={start.isPending} onClick={() => start.mutate({ schedule: run.name })}>
                  {t("common.retry")}
                </Button>
              )}
              {good && may.operate && (
                <>
                  <Button
                    component="a"
                    variant="default"
                    href={`/api/v1/archives/${run.archive}/download`}
                    leftSection={<IconDownload size={16} aria-hidden />}
                  >
                    {t("action.download")}
                  </Button>
                  <LinkButton
                    to="/restore/$archive"
                    params={{ archive: run.archive ?? "" }}
                    search={{}}
                    leftSection={<IconRestore size={16} aria-hidden />}
                  >
                    {t("action.restore")}
                  </LinkButton>
                </>
              )}
            </PageTitle>
            <Stack gap="lg">
              {open && (
                <Card>
                  <Stack gap="xs">
                    {progress ? <Progress progress={progress} /> : <Text>{t("run.waiting")}</Text>}
                    <Text size="sm" c="dimmed">
                      {t("run.closeTab")}
                    </Text>
                  </Stack>
                </Card>
              )}
              {run.error && (
                <Alert
                  color={run.status === "failed" ? "red" : "yellow"}
                  title={t(run.status === "failed" ? "run.why" : "run.firstWarning")}
                >
                  <Text size="sm" className="mono">
                    <Said text={run.error} />
                  </Text>
                </Alert>
              )}
              {run.status === "completed" && run.operation === "restore" && (
                <Alert color={run.trial ? "brand" : "green"} title={t(run.trial ? "restore.trial" : "restore.done")}>
                  {run.tables || run.records
                    ? t("restore.done.database", { count: run.tables ?? 0, rows: run.records ?? 0 })
                    : t(run.trial ? "restore.trial.text" : "restore.done.text", { count: run.files })}
                  {!run.trial && run.target && (
                    <Text size="sm" className="mono" mt={4}>
                      {run.target}
                    </Text>
                  )}
                </Alert>
              )}
              <Card component="section" aria-labelledby="details">
                <Title order={2} id="details" mb="md">
                  {t("run.details")}
                </Title>
                <Facts
                  rows={[
                    [
                      t("field.configuration"),
                      <Link to="/configurations/$name" params={{ name: run.name }}>
                        {run.name}
                      </Link>,
                    ],
                    [t("field.trigger"), t(`cause.${run.trigger}` as Key)],
                    [t("field.kind"), run.form === "tar" ? word("kind", run.kind) : word("content", run.content)],
                    [t("field.planned"), run.planned && <When time={run.planned} seconds />],
                    [t("field.started"), run.started && <When time={run.started} seconds />],
                    [t("field.ended"), run.ended && <When time={run.ended} seconds />],
                    [t("field.duration"), run.seconds != null && f.duration(run.seconds)],
                    [t("field.files"), run.files > 0 && f.count(run.files)],
                    [t("field.folders"), run.folders > 0 && f.count(run.folders)],
                    [t("field.tables"), (run.tables ?? 0) > 0 && f.count(run.tables ?? 0)],
                    [t("field.records"), (run.records ?? 0) > 0 && f.count(run.records ?? 0)],
                    [t("field.bytes"), run.bytes > 0 && `${f.size(run.bytes)} (${f.count(run.bytes)})`],
                    [t("field.stored"), run.stored > 0 && `${f.size(run.stored)} (${f.count(run.stored)})`],
                    [t("field.warnings"), run.warnings > 0 && f.count(run.warnings)],
                    [t("field.target"), run.target && <span className="mono">{run.target}</span>],
                    [t("field.path"), run.archive_path && <span className="mono">{run.archive_path}</span>],
                    [t("field.host"), run.host],
                    [t("field.id"), <span className="mono">{run.id}</span>],
                  ]
                    .filter(([, value]) => value !== false)
                    .map(([name, value]) => [name as string, value])}
                />
                {good && run.form === "tar" && (
                  <Link
                    to="/browse/$archive"
                    params={{ archive: run.archive ?? "" }}
                    search={{}}
                    mt="sm"
                    display="inline-block"
                  >
                    {t("action.browse")}
                  </Link>
                )}
              </Card>
              {(run.notes ?? []).length > 0 && <Notes notes={run.notes ?? []} />}
              <Log run={run} open={open} />
              <CommandLine
                line={run.operation === "backup" ? command("run", run.name) : command("history", "--run", run.id)}
                curl={curl("GET", `/api/v1/runs/${run.id}`)}
              />
            </Stack>
          </>
        );
      }}
    </Loaded>
  );
}
