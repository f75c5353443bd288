import { Badge, Card, Group, SimpleGrid, Stack, Switch, Text, TextInput, Title } from "@mantine/core";
import { IconDatabase, IconFolder, IconPlus, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { http, take, type Schedule } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Empty, Facts, Loaded, PageTitle, StatusBadge, useToast, When } from "../components/basics";
import { useAction, useMay, useWord } from "../components/hooks";
import { Link, LinkButton } from "../components/Link";
import { ScheduleActions } from "../components/ScheduleActions";
import { TriggerText, useKeepText } from "../components/TriggerText";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";

function Switched({ schedule: s }: { schedule: Schedule }) {
  const { t } = useText();
  const may = useMay();
  const toast = useToast();
  const toggle = useAction(
    (enabled: boolean) =>
      take(http.PATCH("/api/v1/schedules/{name}", { params: { path: { name: s.name } }, body: { enabled } as never })),
    (_, enabled) =>
      toast.success(t(enabled ? "configuration.enabled" : "configuration.disabled", { name: s.title ?? s.name })),
  );
  return (
    <Switch
      checked={toggle.isPending ? toggle.variables : s.enabled}
      disabled={!may.admin || toggle.isPending}
      onChange={(e) => toggle.mutate(e.currentTarget.checked)}
      aria-label={t("configuration.active", { name: s.title ?? s.name })}
      label={t(s.enabled ? "state.enabled" : "state.disabled")}
    />
  );
}

function ScheduleCard({ schedule: s }: { schedule: Schedule }) {
  const { t } = useText();
  const word = useWord();
  const keep = useKeepText();
  return (
    <Card component="article" aria-label={s.title ?? s.name}>
      <Stack gap="md" h="100%" justify="space-between">
        <Stack gap="sm">
          <Group justify="space-between" wrap="nowrap" align="flex-start">
            <Group gap="sm" wrap="nowrap" align="flex-start">
              {s.database ? <IconDatabase size={22} aria-hidden /> : <IconFolder size={22} aria-hidden />}
              <div>
                <Title order={2}>
                  <Link to="/configurations/$name" params={{ name: s.name }}>
                    {s.title ?? s.name}
                  </Link>
                </Title>
                {s.title && (
                  <Text size="xs" c="dimmed" className="mono">
                    {s.name}
                  </Text>
                )}
              </div>
            </Group>
            <Switched schedule={s} />
          </Group>
          <Group gap={6}>
            {s.last && <StatusBadge status={s.last.status} />}
            <Badge color="gray">{s.database ? word("content", s.content) : word("kind", s.kind)}</Badge>
            {s.encrypted && <Badge color="teal">{t("field.encrypted")}</Badge>}
            {s.compression !== "none" && <Badge color="gray">{s.compression}</Badge>}
            {s.frozen && <Badge color="yellow">{t("state.frozen")}</Badge>}
            {s.stale && <Badge color="red">{t("state.stale")}</Badge>}
          </Group>
          <Facts
            rows={[
              [t("field.source"), <span className="mono">{s.database ?? s.source.join(", ")}</span>],
              [t("field.frequency"), <TriggerText schedule={s} />],
              [t("field.next"), s.enabled && s.next ? <When time={s.next} /> : null],
              [t("field.lastGood"), <When time={s.last_good} />],
              [t("field.keep"), keep(s.keep)],
              [t("field.destinations"), s.destinations?.join(", ")],
              [t("field.notify"), s.notify?.join(", ")],
              [t("field.exclude"), s.exclude.join(", ")],
            ]}
          />
        </Stack>
        <ScheduleActions schedule={s} />
      </Stack>
    </Card>
  );
}

export function Configurations() {
  const { t } = useText();
  const may = useMay();
  const navigate = useNavigate({ from: "/configurations" });
  const { text = "" } = useSearch({ from: "/inside/configurations" });
  const schedules = useQuery(queries.schedules());
  const fits = (s: Schedule) =>
    [s.name, s.title ?? "", s.database ?? "", ...s.source].some((w) =>
      w.toLocaleLowerCase().includes(text.toLocaleLowerCase()),
    );
  return (
    <>
      <PageTitle title={t("nav.configurations")} text={t("configurations.text")}>
        {may.admin && (
          <LinkButton to="/configurations/new" leftSection={<IconPlus size={16} aria-hidden />}>
            {t("configurations.new")}
          </LinkButton>
        )}
      </PageTitle>
      <Loaded query={schedules}>
        {(all) =>
          all.length === 0 ? (
            <Empty text={t("configurations.empty")}>
              {may.admin && (
                <Group>
                  <LinkButton to="/configurations/new">{t("configurations.first")}</LinkButton>
                  <LinkButton variant="default" to="/templates">
                    {t("nav.templates")}
                  </LinkButton>
                </Group>
              )}
            </Empty>
          ) : (
            <Stack>
              {all.length > 4 && (
                <TextInput
                  aria-label={t("configurations.search")}
                  placeholder={t("configurations.search")}
                  leftSection={<IconSearch size={16} aria-hidden />}
                  value={text}
                  onChange={(e) =>
                    void navigate({ search: { text: e.currentTarget.value || undefined }, replace: true })
                  }
                  maw={360}
                />
              )}
              <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }}>
                {all.filter(fits).map((s) => (
                  <ScheduleCard key={s.name} schedule={s} />
                ))}
              </SimpleGrid>
              {!all.some(fits) && <Empty text={t("common.nothingFound")} />}
              <CommandLine line={command("list")} curl={curl("GET", "/api/v1/schedules")} />
            </Stack>
          )
        }
      </Loaded>
    </>
  );
}
