import { Button, Card, Group, Select, SimpleGrid, Stack, TextInput } from "@mantine/core";
import { useDebouncedCallback, useMediaQuery } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { memo, useCallback, useEffect, useState } from "react";
import { queries } from "../api/queries";
import { CommandLine, Empty, Loaded, PageTitle } from "../components/basics";
import { Paging } from "../components/Paging";
import { RunTable } from "../components/RunTable";
import { useText, type Key } from "../i18n";
import { command, curl } from "../lib/cli";
import type { HistorySearch } from "../router";

const SIZE = 25;

const CHOICES = {
  operation: ["backup", "restore", "verify", "drill", "prune", "scrub", "consolidate", "rebuild"],
  status: ["completed", "warning", "failed", "running", "pending", "cancelled"],
  kind: ["full", "incremental", "differential"],
  content: ["full", "metadata", "data"],
  sort: ["-seconds", "-stored", "name", "-created"],
} as const;

/** What is looked for. Drawn anew only when that changes: a history is paged through quickly. */
const Filters = memo(
  function Filters({ filters, set }: { filters: Omit<HistorySearch, "page">; set: (change: HistorySearch) => void }) {
    const { t } = useText();
    const schedules = useQuery(queries.schedules()).data ?? [];
    // What is typed shows at once and is looked for a moment later.
    const [typed, setTyped] = useState(filters.text ?? "");
    useEffect(() => setTyped(filters.text ?? ""), [filters.text]);
    const look = useDebouncedCallback((text: string) => set({ text: text || undefined }), 250);
    const choice = (key: keyof typeof CHOICES, label: Key) => (
      <Select
        label={t(label)}
        placeholder={t(key === "sort" ? "sort.usual" : "common.all")}
        data={CHOICES[key].map((value) => ({ value, label: t(`${key}.${value}` as Key) }))}
        value={filters[key] ?? null}
        onChange={(value) => set({ [key]: value ?? undefined })}
        clearable
        clearButtonProps={{ "aria-label": t("common.clear") }}
      />
    );
    const [more, setMore] = useState(false);
    const phone = useMediaQuery("(max-width: 48em)");
    const filtered = Object.values(filters).some(Boolean);
    return (
      <Card
        component="form"
        role="search"
        aria-label={t("history.filters")}
        onSubmit={(e) => (e.preventDefault(), set({ text: typed || undefined }))}
      >
        <SimpleGrid cols={{ base: 1, xs: 2, md: 4 }} spacing="sm">
          <TextInput
            label={t("history.search")}
            leftSection={<IconSearch size={16} aria-hidden />}
            value={typed}
            onChange={(e) => {
              setTyped(e.currentTarget.value);
              look(e.currentTarget.value);
            }}
          />
          {choice("status", "field.status")}
          {phone && !more ? null : (
            <>
              {choice("operation", "field.operation")}
              <Select
                label={t("field.configuration")}
                placeholder={t("common.all")}
                data={schedules.map((s) => ({ value: s.name, label: s.title ?? s.name }))}
                value={filters.schedule ?? null}
                onChange={(value) => set({ schedule: value ?? undefined })}
                searchable
                clearable
                clearButtonProps={{ "aria-label": t("common.clear") }}
              />
              {choice("kind", "field.kind")}
              {choice("content", "field.content")}
              <TextInput
                type="date"
                label={t("history.from")}
                value={filters.from ?? ""}
                max={filters.to}
                onChange={(e) => set({ from: e.currentTarget.value || undefined })}
              />
              <TextInput
                type="date"
                label={t("history.to")}
                value={filters.to ?? ""}
                min={filters.from}
                onChange={(e) => set({ to: e.currentTarget.value || undefined })}
              />
              {choice("sort", "history.sort")}
            </>
          )}
        </SimpleGrid>
        <Group justify="flex-end" mt="sm">
          {phone && (
            <Button variant="subtle" aria-expanded={more} onClick={() => setMore(!more)}>
              {t(more ? "history.fewer" : "history.more")}
            </Button>
          )}
          <Button
            variant="default"
            disabled={!filtered && typed === ""}
            onClick={() => {
              setTyped("");
              set(Object.fromEntries(Object.keys(filters).map((key) => [key, undefined])));
            }}
          >
            {t("history.reset")}
          </Button>
          <Button type="submit" leftSection={<IconSearch size={16} aria-hidden />}>
            {t("history.look")}
          </Button>
        </Group>
      </Card>
    );
  },
  (before, after) => before.set === after.set && JSON.stringify(before.filters) === JSON.stringify(after.filters),
);

export function History() {
  const { t } = useText();
  const navigate = useNavigate({ from: "/history" });
  const search = useSearch({ from: "/inside/history" });
  const { page = 1, ...filters } = search;
  const runs = useQuery({
    ...queries.runs({ ...filters, limit: SIZE, offset: (page - 1) * SIZE }),
    refetchInterval: 10_000,
  });
  const set = useCallback(
    (change: HistorySearch) =>
      void navigate({ search: (old) => ({ ...old, page: undefined, ...change }), replace: true }),
    [navigate],
  );

  const filtered = Object.values(filters).some(Boolean);
  const words = Object.entries(filters).flatMap(([key, value]) =>
    value && !["text", "schedule", "content"].includes(key) ? [`--${key}`, String(value)] : [],
  );
  return (
    <>
      <PageTitle title={t("nav.history")} text={t("history.text")} />
      <Stack>
        <Filters filters={filters} set={set} />
        <Loaded query={runs} rows={8}>
          {(data) =>
            data.total === 0 ? (
              <Empty text={t(filtered ? "common.nothingFound" : "history.empty")} />
            ) : (
              <>
                <Card padding="xs">
                  <RunTable runs={data.items} />
                </Card>
                <Paging
                  total={data.total}
                  size={SIZE}
                  page={page}
                  go={(to) => void navigate({ search: (old) => ({ ...old, page: to > 1 ? to : undefined }) })}
                />
              </>
            )
          }
        </Loaded>
        <CommandLine
          line={command("history", filters.schedule, ...words, filters.text && "--text", filters.text)}
          curl={curl("GET", `/api/v1/runs${window.location.search}`)}
        />
      </Stack>
    </>
  );
}
