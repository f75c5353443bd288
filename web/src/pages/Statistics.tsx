import { Card, Group, SegmentedControl, Select, SimpleGrid, Stack, Table, Text, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { Group as Sums, Stats } from "../api/client";
import { queries } from "../api/queries";
import { Bars } from "../components/Bars";
import { CommandLine, Empty, Loaded, PageTitle, useFormat, Wide } from "../components/basics";
import { useWord } from "../components/hooks";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";
import { Figures } from "./Dashboard";

const GREEN = "light-dark(#1f8a4c, #2f9e5e)";
const RED = "light-dark(#c9302c, #e0554f)";
const GRAY = "light-dark(#8a929c, #7d8694)";
const BLUE = "light-dark(#2763b3, #548fde)";

/** Every day of the span, also those on which nothing ran. */
function everyDay(stats: Stats): { date: string; sums?: Sums }[] {
  const found = new Map(stats.by_day.map((d) => [d.date, d]));
  const out = [];
  for (let at = Date.parse(stats.from); at <= Date.parse(stats.to); at += 86_400_000) {
    const date = new Date(at).toISOString().slice(0, 10);
    out.push({ date, sums: found.get(date) });
  }
  return out;
}

/** Sums by what of a source is copied: of the schedules that there are now. */
function byContent(rows: Sums[], contents: Map<string, string>): Sums[] {
  const out = new Map<string, Sums & { ms: number }>();
  for (const row of rows) {
    const key = contents.get(row.key);
    if (!key) continue;
    const sum = out.get(key) ?? { key, count: 0, good: 0, failed: 0, stored: 0, ms: 0 };
    sum.count += row.count;
    sum.good += row.good;
    sum.failed += row.failed;
    sum.stored += row.stored;
    sum.ms += (row.mean_seconds ?? 0) * row.good;
    sum.success_rate = sum.good + sum.failed > 0 ? sum.good / (sum.good + sum.failed) : null;
    sum.mean_seconds = sum.good > 0 ? sum.ms / sum.good : null;
    out.set(key, sum);
  }
  return [...out.values()];
}

function Groups({ title, rows, name }: { title: string; rows: Sums[]; name: (key: string) => string }) {
  const { t } = useText();
  const f = useFormat();
  return (
    <Card component="section">
      <Title order={2} mb="sm">
        {title}
      </Title>
      <Wide label={title}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("chart.what")}</Table.Th>
              <Table.Th ta="right">{t("stats.count")}</Table.Th>
              <Table.Th ta="right">{t("stats.rate")}</Table.Th>
              <Table.Th ta="right">{t("stats.mean")}</Table.Th>
              <Table.Th ta="right">{t("stats.written")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {rows.map((row) => (
              <Table.Tr key={row.key}>
                <Table.Td>{name(row.key)}</Table.Td>
                <Table.Td ta="right">{f.count(row.count)}</Table.Td>
                <Table.Td ta="right">{row.success_rate == null ? "–" : f.percent(row.success_rate, 1)}</Table.Td>
                <Table.Td ta="right">{row.mean_seconds == null ? "–" : f.duration(row.mean_seconds)}</Table.Td>
                <Table.Td ta="right">{f.size(row.stored)}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
    </Card>
  );
}

export function Statistics() {
  const { t } = useText();
  const f = useFormat();
  const word = useWord();
  const navigate = useNavigate({ from: "/statistics" });
  const { days = 30, schedule } = useSearch({ from: "/inside/statistics" });
  const stats = useQuery(queries.stats(days, schedule));
  const schedules = useQuery(queries.schedules()).data ?? [];
  return (
    <>
      <PageTitle title={t("nav.statistics")} text={t("stats.text")}>
        <Select
          aria-label={t("field.configuration")}
          placeholder={t("common.all")}
          data={schedules.map((s) => ({ value: s.name, label: s.title ?? s.name }))}
          value={schedule ?? null}
          onChange={(value) => void navigate({ search: { days, schedule: value ?? undefined } })}
          clearable
          searchable
          clearButtonProps={{ "aria-label": t("common.clear") }}
        />
        <SegmentedControl
          aria-label={t("stats.span")}
          value={String(days)}
          onChange={(value) => void navigate({ search: { days: Number(value), schedule } })}
          data={[7, 30, 90, 365].map((n) => ({ value: String(n), label: t("stats.days", { count: n }) }))}
        />
      </PageTitle>
      <Loaded query={stats}>
        {(data) => {
          if (data.total.count === 0) return <Empty text={t("stats.empty")} />;
          const list = everyDay(data);
          const labels = list.map((d) => f.shortDate(d.date));
          let grown = 0;
          return (
            <Stack gap="lg">
              <Figures stats={data} />
              <SimpleGrid cols={{ base: 1, lg: 2 }}>
                <Card>
                  <Bars
                    title={t("stats.perDay")}
                    labels={labels}
                    show={(n) => f.count(Math.round(n))}
                    series={[
                      { name: t("stats.good"), color: GREEN, values: list.map((d) => d.sums?.good ?? 0) },
                      { name: t("status.failed"), color: RED, values: list.map((d) => d.sums?.failed ?? 0) },
                      {
                        name: t("stats.other"),
                        color: GRAY,
                        values: list.map((d) => (d.sums ? d.sums.count - d.sums.good - d.sums.failed : 0)),
                      },
                    ]}
                  />
                </Card>
                <Card>
                  <Bars
                    title={t("stats.growth")}
                    labels={labels}
                    show={f.size}
                    bytes
                    series={[
                      {
                        name: t("stats.written"),
                        color: BLUE,
                        values: list.map((d) => (grown += d.sums?.stored ?? 0)),
                      },
                    ]}
                  />
                </Card>
                <Card>
                  <Bars
                    title={t("stats.duration")}
                    labels={labels}
                    show={f.duration}
                    series={[
                      { name: t("stats.mean"), color: BLUE, values: list.map((d) => d.sums?.mean_seconds ?? 0) },
                    ]}
                  />
                </Card>
                <Card>
                  <Bars
                    title={t("stats.writtenPerDay")}
                    labels={labels}
                    show={f.size}
                    bytes
                    series={[{ name: t("stats.written"), color: BLUE, values: list.map((d) => d.sums?.stored ?? 0) }]}
                  />
                </Card>
              </SimpleGrid>
              <Groups
                title={t("stats.byKind")}
                rows={data.by_kind}
                name={(key) => word("kind", key) || t("kind.full")}
              />
              {data.by_schedule.length > 0 && (
                <Groups
                  title={t("stats.byContent")}
                  rows={byContent(
                    data.by_schedule,
                    new Map(schedules.map((s) => [s.name, s.database ? s.content : "files"])),
                  )}
                  name={(key) => word("content", key)}
                />
              )}
              {data.by_schedule.length > 0 && (
                <Groups
                  title={t("stats.bySchedule")}
                  rows={data.by_schedule}
                  name={(key) => schedules.find((s) => s.name === key)?.title ?? key}
                />
              )}
              <Group>
                <CommandLine
                  line={command("stats", schedule, "--days", String(days))}
                  curl={curl("GET", `/api/v1/stats?days=${days}${schedule ? `&schedule=${schedule}` : ""}`)}
                />
                <Text size="xs" c="dimmed">
                  {t("stats.utc")}
                </Text>
              </Group>
            </Stack>
          );
        }}
      </Loaded>
    </>
  );
}
