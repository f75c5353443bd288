import { Said } from "../sentences";
import {
  ActionIcon,
  Box,
  Button,
  Card,
  Group,
  Menu,
  SimpleGrid,
  Stack,
  Table,
  Text,
  Title,
  Tooltip,
} from "@mantine/core";
import {
  IconCircleCheck,
  IconCircleX,
  IconAlertTriangle,
  IconInfoCircle,
  IconPlayerPlay,
  IconPlus,
  IconRefresh,
} from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take, type Schedule, type Stats } from "../api/client";
import { queries } from "../api/queries";
import {
  Confirm,
  Empty,
  ErrorBox,
  Loading,
  PageTitle,
  StatusBadge,
  useFormat,
  useToast,
  When,
  Wide,
} from "../components/basics";
import { DayStrip } from "../components/DayStrip";
import { useAction, useMay, useOperation, useStart, watch } from "../components/hooks";
import { Link, LinkButton } from "../components/Link";
import { Progress } from "../components/Progress";
import { useText, type Key } from "../i18n";
import { emptyStrip, strips, verdict, type Problem } from "../lib/verdict";

const DAYS = 30;

const SIGNS = { good: IconCircleCheck, warning: IconAlertTriangle, bad: IconCircleX, none: IconInfoCircle };
const COLORS = { good: "green.8", warning: "yellow.8", bad: "red.8", none: "gray.7" };

function ProblemLine({ problem, title }: { problem: Problem; title: string }) {
  const { t } = useText();
  const may = useMay();
  const start = useStart();
  return (
    <Group gap="xs" justify="space-between">
      <div>
        <Text size="sm">
          {problem.schedule ? (
            <>
              <Link to="/configurations/$name" params={{ name: problem.schedule }} fw={600}>
                {title}
              </Link>
              {" — "}
            </>
          ) : null}
          {t(`verdict.${problem.code}` as Key)}
        </Text>
        {problem.detail && (
          <Text size="xs" c="dimmed" className="mono">
            <Said text={problem.detail} />
          </Text>
        )}
      </div>
      <Group gap="xs">
        {problem.run && (
          <LinkButton size="xs" variant="default" to="/runs/$id" params={{ id: problem.run }}>
            {t("verdict.cause")}
          </LinkButton>
        )}
        {may.operate && problem.schedule && problem.level === "bad" && (
          <Button
            size="xs"
            loading={start.isPending}
            onClick={() => start.mutate({ schedule: problem.schedule ?? "" })}
          >
            {t("common.retry")}
          </Button>
        )}
      </Group>
    </Group>
  );
}

function Figure({ title, value, text }: { title: string; value: string; text?: string }) {
  return (
    <Card padding="md">
      <Text size="sm" c="dimmed">
        {title}
      </Text>
      <Text fz={26} fw={700} lh={1.25}>
        {value}
      </Text>
      {text && (
        <Text size="xs" c="dimmed">
          {text}
        </Text>
      )}
    </Card>
  );
}

/** The figures of the dashboard and of the statistics: the same words for the same numbers. */
export function Figures({ stats }: { stats: Stats }) {
  const { t } = useText();
  const f = useFormat();
  const change = stats.trend.change;
  return (
    <SimpleGrid cols={{ base: 1, xs: 2, lg: 4 }} spacing="md">
      <Figure
        title={t("stats.rate")}
        value={stats.total.success_rate == null ? "–" : f.percent(stats.total.success_rate, 1)}
        text={t("stats.rate.text", { good: f.count(stats.total.good), count: stats.total.good + stats.total.failed })}
      />
      <Figure
        title={t("stats.space")}
        value={f.size(stats.space)}
        text={t("stats.archives", { count: stats.archives })}
      />
      <Figure
        title={t("stats.mean")}
        value={stats.total.mean_seconds == null ? "–" : f.duration(stats.total.mean_seconds)}
        text={t("stats.mean.text")}
      />
      <Figure
        title={t("stats.trend")}
        value={change == null ? "–" : `${change > 0 ? "+" : ""}${f.percent(change)}`}
        text={t("stats.trend.text", { count: stats.trend.last.count, before: stats.trend.before.count })}
      />
    </SimpleGrid>
  );
}

/** Quick actions: all that are enabled, or all of one content. */
function RunMany({ schedules }: { schedules: Schedule[] }) {
  const { t } = useText();
  const toast = useToast();
  const [chosen, setChosen] = useState<{ label: string; names: string[] } | null>(null);
  const run = useAction(
    async (names: string[]) => {
      const done = await Promise.allSettled(
        names.map((schedule) => take(http.POST("/api/v1/runs", { body: { schedule } }))),
      );
      done.forEach((d) => d.status === "fulfilled" && watch.add(d.value));
      const refused = done.find((d): d is PromiseRejectedResult => d.status === "rejected");
      if (refused) toast.error(refused.reason);
      return done.filter((d) => d.status === "fulfilled").length;
    },
    (count) => {
      setChosen(null);
      if (count > 0) toast.info(t("dashboard.started", { count }));
    },
  );
  const groups: [Key, Schedule[]][] = [
    ["dashboard.runAll", schedules.filter((s) => s.enabled)],
    ["dashboard.runFiles", schedules.filter((s) => s.enabled && !s.database)],
    ["dashboard.runDatabases", schedules.filter((s) => s.enabled && s.database)],
    ["dashboard.runFull", schedules.filter((s) => s.enabled && s.database && s.content === "full")],
    ["dashboard.runMetadata", schedules.filter((s) => s.enabled && s.content === "metadata")],
    ["dashboard.runData", schedules.filter((s) => s.enabled && s.content === "data")],
  ];
  return (
    <>
      <Menu withinPortal>
        <Menu.Target>
          <Button variant="default" leftSection={<IconPlayerPlay size={16} aria-hidden />}>
            {t("dashboard.runMany")}
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          {groups
            .filter(([, list]) => list.length > 0)
            .map(([key, list]) => (
              <Menu.Item key={key} onClick={() => setChosen({ label: t(key), names: list.map((s) => s.name) })}>
                {t(key)} ({list.length})
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
      <Confirm
        opened={chosen !== null}
        title={chosen?.label ?? ""}
        action={t("dashboard.runMany")}
        busy={run.isPending}
        close={() => setChosen(null)}
        confirm={() => run.mutate(chosen?.names ?? [])}
      >
        <Text size="sm">{t("dashboard.runMany.text", { names: chosen?.names.join(", ") ?? "" })}</Text>
      </Confirm>
    </>
  );
}

export function Dashboard() {
  const { t } = useText();
  const operation = useOperation();
  const may = useMay();
  const f = useFormat();
  const start = useStart();
  const schedules = useQuery(queries.schedules());
  const status = useQuery(queries.status());
  const days = useQuery(queries.days(DAYS));
  const stats = useQuery(queries.stats(DAYS));
  const recent = useQuery({ ...queries.runs({ limit: 6 }), refetchInterval: 5_000 });
  const list = schedules.data ?? [];
  const { level, problems } = verdict(list, status.data);
  const byName = days.data ? strips(days.data, DAYS) : null;
  const Sign = SIGNS[level];
  const titleOf = (name: string | undefined) => list.find((s) => s.name === name)?.title ?? name ?? "";
  return (
    <>
      <PageTitle title={t("nav.dashboard")}>
        {may.operate && list.length > 0 && <RunMany schedules={list} />}
        {may.admin && (
          <LinkButton to="/configurations/new" leftSection={<IconPlus size={16} aria-hidden />}>
            {t("configurations.new")}
          </LinkButton>
        )}
      </PageTitle>
      <Stack gap="lg">
        {schedules.error && list.length === 0 && (
          <ErrorBox error={schedules.error} retry={() => void schedules.refetch()} />
        )}
        {!schedules.data && !schedules.error && <Loading rows={6} />}
        {schedules.data && (
          <Card className="verdict" data-level={level} component="section" aria-labelledby="verdict">
            <Stack gap="sm">
              <Group gap="sm" wrap="nowrap" align="flex-start">
                <Sign size={30} color={`var(--mantine-color-${COLORS[level].replace(".", "-")})`} aria-hidden />
                <div>
                  <Title order={2} id="verdict" fz="h3">
                    {t(`verdict.${level}.title` as Key, { count: problems.length })}
                  </Title>
                  <Text size="sm" c="dimmed">
                    {status.data?.next && status.data.next_schedule
                      ? t("verdict.next", {
                          name: titleOf(status.data.next_schedule),
                          time: f.weekdayTime(status.data.next),
                        })
                      : t(list.length ? "verdict.noNext" : "verdict.nothing")}
                  </Text>
                </div>
              </Group>
              {problems.slice(0, 6).map((p) => (
                <ProblemLine key={`${p.schedule}${p.code}`} problem={p} title={titleOf(p.schedule)} />
              ))}
              {problems.length > 6 && <Text size="sm">{t("verdict.more", { count: problems.length - 6 })}</Text>}
            </Stack>
          </Card>
        )}
        {schedules.data?.length === 0 && (
          <Empty text={t("configurations.empty")}>
            {may.admin && <LinkButton to="/configurations/new">{t("configurations.first")}</LinkButton>}
          </Empty>
        )}
        {status.data?.runs.map((run) => (
          <Card key={run.id} padding="md">
            <Group justify="space-between" mb="xs">
              <Link to="/runs/$id" params={{ id: run.id }} fw={600}>
                {operation(run)} · {titleOf(run.name)}
              </Link>
              <StatusBadge status={run.status} />
            </Group>
            {run.progress && <Progress progress={run.progress} compact />}
          </Card>
        ))}
        {list.length > 0 && (
          <Card component="section" aria-labelledby="states">
            <Group justify="space-between" mb="sm">
              <Title order={2} id="states">
                {t("dashboard.states")}
              </Title>
              <Link to="/configurations" size="sm">
                {t("common.seeAll")}
              </Link>
            </Group>
            <Box visibleFrom="sm">
              <Wide label={t("dashboard.states")}>
                <Table verticalSpacing="xs">
                  <Table.Thead>
                    <Table.Tr>
                      <Table.Th>{t("field.configuration")}</Table.Th>
                      <Table.Th>{t("field.last")}</Table.Th>
                      <Table.Th>{t("dashboard.days", { count: DAYS })}</Table.Th>
                      <Table.Th>{t("field.next")}</Table.Th>
                      <Table.Th>
                        <span className="unseen">{t("field.actions")}</span>
                      </Table.Th>
                    </Table.Tr>
                  </Table.Thead>
                  <Table.Tbody>
                    {list.slice(0, 50).map((s) => (
                      <Table.Tr key={s.name}>
                        <Table.Td>
                          <Link to="/configurations/$name" params={{ name: s.name }} fw={500}>
                            {s.title ?? s.name}
                          </Link>
                        </Table.Td>
                        <Table.Td>
                          {s.last ? (
                            <StatusBadge status={s.last.status} />
                          ) : (
                            <Text size="sm">{t("common.notYet")}</Text>
                          )}
                          {s.last_good && (
                            <Text size="xs" c="dimmed" title={f.dateTime(s.last_good)} style={{ whiteSpace: "nowrap" }}>
                              {t("dashboard.lastGood")} {f.relative(s.last_good)}
                            </Text>
                          )}
                        </Table.Td>
                        <Table.Td>
                          <DayStrip
                            days={byName?.get(s.name) ?? emptyStrip(DAYS)}
                            schedule={s.name}
                            label={t("strip.label", { name: s.title ?? s.name })}
                          />
                        </Table.Td>
                        <Table.Td style={{ whiteSpace: "nowrap" }}>
                          {s.enabled ? s.next ? <When time={s.next} /> : t("frequency.manual") : t("state.disabled")}
                        </Table.Td>
                        <Table.Td>
                          {may.operate && (
                            <Tooltip label={t("action.runNow")}>
                              <ActionIcon
                                variant="light"
                                size="lg"
                                aria-label={t("action.runNowOf", { name: s.title ?? s.name })}
                                loading={start.isPending && start.variables.schedule === s.name}
                                onClick={() => start.mutate({ schedule: s.name, stay: true })}
                              >
                                <IconPlayerPlay size={17} />
                              </ActionIcon>
                            </Tooltip>
                          )}
                        </Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Table>
              </Wide>
            </Box>
            <Stack hiddenFrom="sm" gap="md">
              {list.slice(0, 50).map((s) => (
                <div key={s.name}>
                  <Group justify="space-between" wrap="nowrap">
                    <Link to="/configurations/$name" params={{ name: s.name }} fw={500}>
                      {s.title ?? s.name}
                    </Link>
                    {s.last ? <StatusBadge status={s.last.status} /> : <Text size="sm">{t("common.notYet")}</Text>}
                  </Group>
                  <Box my={6}>
                    <DayStrip
                      days={byName?.get(s.name) ?? emptyStrip(DAYS)}
                      schedule={s.name}
                      label={t("strip.label", { name: s.title ?? s.name })}
                    />
                  </Box>
                  <Group justify="space-between" wrap="nowrap">
                    <Text size="sm" c="dimmed">
                      {s.enabled ? (s.next ? f.weekdayTime(s.next) : t("frequency.manual")) : t("state.disabled")}
                    </Text>
                    {may.operate && (
                      <Button
                        size="compact-sm"
                        variant="light"
                        aria-label={t("action.runNowOf", { name: s.title ?? s.name })}
                        onClick={() => start.mutate({ schedule: s.name, stay: true })}
                      >
                        {t("action.runNow")}
                      </Button>
                    )}
                  </Group>
                </div>
              ))}
            </Stack>
          </Card>
        )}
        {stats.data && stats.data.total.count > 0 && (
          <section aria-labelledby="figures">
            <Group justify="space-between" mb="sm">
              <Title order={2} id="figures">
                {t("dashboard.figures", { count: DAYS })}
              </Title>
              <Link to="/statistics" size="sm">
                {t("common.seeAll")}
              </Link>
            </Group>
            <Figures stats={stats.data} />
          </section>
        )}
        {recent.data && recent.data.items.length > 0 && (
          <Card component="section" aria-labelledby="recent">
            <Group justify="space-between" mb="sm">
              <Title order={2} id="recent">
                {t("dashboard.recent")}
              </Title>
              <Group gap="xs">
                <ActionIcon
                  variant="subtle"
                  size="lg"
                  aria-label={t("common.refresh")}
                  onClick={() => void recent.refetch()}
                >
                  <IconRefresh size={17} />
                </ActionIcon>
                <Link to="/history" size="sm">
                  {t("common.seeAll")}
                </Link>
              </Group>
            </Group>
            <Stack gap="xs">
              {recent.data.items.map((run) => (
                <Group key={run.id} justify="space-between" gap="xs">
                  <Group gap="xs">
                    <StatusBadge status={run.status} />
                    <Link to="/runs/$id" params={{ id: run.id }} size="sm">
                      {operation(run)} · {titleOf(run.name)}
                    </Link>
                  </Group>
                  <Text size="sm" c="dimmed">
                    {run.stored > 0 && `${f.size(run.stored)} · `}
                    {run.seconds != null && `${f.duration(run.seconds)} · `}
                    <When time={run.created} />
                  </Text>
                </Group>
              ))}
            </Stack>
          </Card>
        )}
      </Stack>
    </>
  );
}
