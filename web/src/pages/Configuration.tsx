import { Said } from "../sentences";
import { Alert, Button, Card, Group, Stack, Tabs, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { http, take } from "../api/client";
import { queries } from "../api/queries";
import { ArchiveTable } from "../components/ArchiveTable";
import {
  CommandLine,
  Confirm,
  Empty,
  Facts,
  Loaded,
  PageTitle,
  StatusBadge,
  useFormat,
  useToast,
  When,
} from "../components/basics";
import { DayStrip } from "../components/DayStrip";
import { useAction, useMay, useWord, watch } from "../components/hooks";
import { Link } from "../components/Link";
import { RetentionPreview } from "../components/RetentionPreview";
import { RunTable } from "../components/RunTable";
import { ScheduleActions } from "../components/ScheduleActions";
import { TriggerText, useKeepText } from "../components/TriggerText";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";
import { emptyStrip, strips } from "../lib/verdict";
import { useState } from "react";

/** What retention would do now, and doing it. */
function Retention({ name }: { name: string }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const toast = useToast();
  const schedule = useQuery(queries.schedule(name)).data;
  const [asking, setAsking] = useState(false);
  const keep = JSON.stringify({ manual: true, source: ["/"], keep: schedule?.settings?.keep ?? undefined });
  const preview = useQuery({ ...queries.preview(keep, name), enabled: schedule !== undefined });
  const prune = useAction(
    () => take(http.POST("/api/v1/prune", { body: { schedule: name, dry_run: false } })),
    (page) => {
      setAsking(false);
      const done = page.items[0];
      toast.success(t("retention.done", { count: done?.removed ?? 0 }), f.size(done?.freed ?? 0));
    },
  );
  return (
    <Loaded query={preview}>
      {(data) =>
        data.retention ? (
          <Stack>
            <RetentionPreview plan={data.retention} />
            <Group justify="space-between">
              <CommandLine line={command("prune", name)} curl={curl("POST", "/api/v1/prune", { schedule: name })} />
              {may.admin && data.retention.removed > 0 && (
                <Button color="red" variant="light" onClick={() => setAsking(true)}>
                  {t("retention.apply", { count: data.retention.removed })}
                </Button>
              )}
            </Group>
            <Confirm
              opened={asking}
              title={t("retention.confirm")}
              action={t("retention.apply", { count: data.retention.removed })}
              busy={prune.isPending}
              close={() => setAsking(false)}
              confirm={() => prune.mutate(undefined)}
            >
              <Text size="sm">
                {t("retention.confirm.text", { count: data.retention.removed, freed: f.size(data.retention.freed) })}
              </Text>
            </Confirm>
          </Stack>
        ) : null
      }
    </Loaded>
  );
}

export function Configuration() {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const word = useWord();
  const keep = useKeepText();
  const toast = useToast();
  const navigate = useNavigate();
  const { name } = useParams({ from: "/inside/configurations/$name" });
  const schedule = useQuery({ ...queries.schedule(name), refetchInterval: 10_000 });
  const days = useQuery(queries.days(30));
  const archives = useQuery(queries.archives(name, 50, 0));
  const runs = useQuery({ ...queries.runs({ schedule: name, limit: 20 }), refetchInterval: 10_000 });
  const confirm = useAction(
    () => take(http.POST("/api/v1/schedules/{name}/confirm", { params: { path: { name } } })),
    () => toast.success(t("frozen.confirmed")),
  );
  const consolidate = useAction(
    () => take(http.POST("/api/v1/schedules/{name}/consolidate", { params: { path: { name } } })),
    (run) => {
      watch.add(run);
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
  return (
    <Loaded query={schedule} rows={8}>
      {(s) => (
        <>
          <PageTitle title={s.title ?? s.name} text={s.title ? <span className="mono">{s.name}</span> : undefined}>
            <ScheduleActions schedule={s} gone={() => void navigate({ to: "/configurations" })} />
          </PageTitle>
          <Stack gap="lg">
            {s.frozen && (
              <Alert color="yellow" title={t("frozen.title")}>
                <Stack gap="xs" align="flex-start">
                  <Text size="sm">{t("frozen.text")}</Text>
                  <Text size="sm" className="mono">
                    <Said text={s.frozen} />
                  </Text>
                  {may.operate && (
                    <Button size="xs" loading={confirm.isPending} onClick={() => confirm.mutate(undefined)}>
                      {t("frozen.confirm")}
                    </Button>
                  )}
                </Stack>
              </Alert>
            )}
            <Card>
              <Group justify="space-between" mb="md">
                <Group gap="xs">
                  {s.last ? <StatusBadge status={s.last.status} /> : <Text>{t("common.notYet")}</Text>}
                  {s.last?.ended && (
                    <Link to="/runs/$id" params={{ id: s.last.run }} size="sm">
                      <When time={s.last.ended} />
                    </Link>
                  )}
                </Group>
                <DayStrip
                  days={(days.data ? strips(days.data, 30).get(s.name) : undefined) ?? emptyStrip(30)}
                  schedule={s.name}
                  label={t("strip.label", { name: s.title ?? s.name })}
                />
              </Group>
              {s.last?.error && (
                <Alert color={s.last.status === "failed" ? "red" : "yellow"} mb="md">
                  <Text size="sm" className="mono">
                    <Said text={s.last.error} />
                  </Text>
                </Alert>
              )}
              <Facts
                rows={[
                  [t("field.source"), <span className="mono">{s.database ?? s.source.join(", ")}</span>],
                  [t("field.exclude"), s.exclude.join(", ")],
                  [t("field.frequency"), <TriggerText schedule={s} />],
                  [
                    t("field.next"),
                    s.enabled ? (s.next ? f.weekdayTime(s.next) : t("frequency.manual")) : t("state.disabled"),
                  ],
                  [t("field.timezone"), s.timezone],
                  [t("field.kind"), s.database ? word("content", s.content) : word("kind", s.kind)],
                  [t("form.fullEvery"), s.full_every],
                  [t("form.compression"), s.compression],
                  [t("field.encrypted"), s.encrypted ? t("common.yes") : t("common.no")],
                  [t("field.keep"), keep(s.keep)],
                  [t("nav.destinations"), s.destinations?.join(", ")],
                  [t("field.notify"), s.notify?.join(", ")],
                  [t("field.lastGood"), <When time={s.last_good} />],
                  [t("field.proven"), s.proven ? <When time={s.proven.at} /> : t("field.notProven")],
                ]}
              />
            </Card>
            <Tabs defaultValue="archives" keepMounted={false}>
              <Tabs.List>
                <Tabs.Tab value="archives">{t("nav.archives")}</Tabs.Tab>
                <Tabs.Tab value="runs">{t("nav.history")}</Tabs.Tab>
                <Tabs.Tab value="retention">{t("form.keep")}</Tabs.Tab>
              </Tabs.List>
              <Tabs.Panel value="archives" pt="md">
                <Loaded query={archives}>
                  {(page) =>
                    page.total === 0 ? (
                      <Empty text={t("archives.empty")} />
                    ) : (
                      <Stack>
                        <Card padding="xs">
                          <ArchiveTable archives={page.items} />
                        </Card>
                        <Group justify="space-between">
                          {page.total > page.items.length && (
                            <Link to="/archives" search={{ schedule: name }}>
                              {t("archives.all", { count: page.total })}
                            </Link>
                          )}
                          {may.operate && page.items[0]?.parent && (
                            <Button
                              variant="default"
                              loading={consolidate.isPending}
                              onClick={() => consolidate.mutate(undefined)}
                            >
                              {t("action.consolidate")}
                            </Button>
                          )}
                        </Group>
                      </Stack>
                    )
                  }
                </Loaded>
              </Tabs.Panel>
              <Tabs.Panel value="runs" pt="md">
                <Loaded query={runs}>
                  {(page) => (
                    <Stack>
                      <Card padding="xs">
                        <RunTable runs={page.items} />
                      </Card>
                      <Link to="/history" search={{ schedule: name }}>
                        {t("common.seeAll")}
                      </Link>
                    </Stack>
                  )}
                </Loaded>
              </Tabs.Panel>
              <Tabs.Panel value="retention" pt="md">
                <Card>
                  <Title order={3} mb="xs">
                    {t("retention.title")}
                  </Title>
                  <Retention name={name} />
                </Card>
              </Tabs.Panel>
            </Tabs>
            <CommandLine line={command("show", name)} curl={curl("GET", `/api/v1/schedules/${name}`)} />
          </Stack>
        </>
      )}
    </Loaded>
  );
}
