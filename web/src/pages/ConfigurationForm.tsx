import {
  Accordion,
  Alert,
  Button,
  Card,
  Checkbox,
  Group,
  MultiSelect,
  NumberInput,
  Radio,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
  Text,
  Textarea,
  TextInput,
  Title,
} from "@mantine/core";
import { useDebouncedValue, useDisclosure } from "@mantine/hooks";
import { IconFolderSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { http, take, type Preview, type Schedule, type Settings } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Confirm, ErrorBox, Loaded, PageTitle, useFormat, useToast } from "../components/basics";
import { FolderPicker } from "../components/FolderPicker";
import { useAction } from "../components/hooks";
import { LinkButton } from "../components/Link";
import { RetentionPreview } from "../components/RetentionPreview";
import { useSentence } from "../components/TriggerText";
import { useText, type Key } from "../i18n";
import { curl, scheduleCommand } from "../lib/cli";
import {
  changes,
  empty,
  formOf,
  frequencies,
  keepRules,
  mistakes,
  settingsOf,
  type Form,
  type Frequency,
} from "../lib/schedule";

export function NewConfiguration() {
  const { t } = useText();
  const { database } = useSearch({ from: "/inside/configurations/new" });
  const first: Form = database ? { ...empty, what: "database", database, name: database } : empty;
  return (
    <>
      <PageTitle title={t("configurations.new")} text={t("form.text")} />
      <Editor first={first} />
    </>
  );
}

export function EditConfiguration() {
  const { t } = useText();
  const { name } = useParams({ from: "/inside/configurations/$name/edit" });
  const schedule = useQuery({ ...queries.schedule(name), refetchOnWindowFocus: false });
  return (
    <>
      <PageTitle title={t("form.edit", { name: schedule.data?.title ?? name })} />
      <Loaded query={schedule} rows={8}>
        {(s) => <Editor key={s.version} first={formOf(s.name, s.settings ?? {})} schedule={s} />}
      </Loaded>
    </>
  );
}

/** The next runs, in the zone of the schedule, with a word where the clocks change between. */
function NextRuns({ preview }: { preview: Preview }) {
  const { t } = useText();
  const f = useFormat();
  if (preview.next.length === 0) return <Text size="sm">{t("form.noNext")}</Text>;
  return (
    <div>
      <Text size="sm" fw={600}>
        {t("form.next", { zone: preview.timezone })}
      </Text>
      <ol style={{ margin: "4px 0 0", paddingLeft: 20 }}>
        {preview.next.map((time, i) => {
          const before = preview.next[i - 1];
          const changed = before !== undefined && before.slice(-6) !== time.slice(-6);
          return (
            <li key={time}>
              <Text size="sm" span>
                {f.weekdayTime(time)}
              </Text>
              {changed && (
                <Text size="xs" c="dimmed" span>
                  {" "}
                  — {t("form.clocks", { offset: time.slice(-6) })}
                </Text>
              )}
            </li>
          );
        })}
      </ol>
    </div>
  );
}

function Editor({ first, schedule }: { first: Form; schedule?: Schedule }) {
  const { t } = useText();
  const f = useFormat();
  const toast = useToast();
  const navigate = useNavigate();
  const isNew = schedule === undefined;
  const [form, setForm] = useState(first);
  const [tried, setTried] = useState(false);
  const [missing, setMissing] = useState(false);
  const [picker, picking] = useDisclosure();
  const [asking, ask] = useDisclosure();
  const databases = useQuery(queries.databases()).data ?? [];
  const destinations = useQuery(queries.destinations()).data ?? [];
  const notifiers = useQuery(queries.notifiers()).data ?? [];
  const set = <K extends keyof Form>(key: K, value: Form[K]) => setForm((old) => ({ ...old, [key]: value }));

  const settings = useMemo(() => settingsOf(form), [form]);
  const changed: Settings = isNew ? settings : changes(schedule.settings ?? {}, settings);
  const words = useSentence(settings);
  const wrong = mistakes(form, isNew, t);
  const shown = tried
    ? wrong
    : Object.fromEntries(Object.entries(wrong).filter(([key]) => key === "name" && form.name));
  // What is not filled in yet is no mistake of the rest: the server judges it with something in its place.
  const judged = JSON.stringify({
    ...settings,
    ...(form.what === "files" && form.source.length === 0 ? { source: ["/"] } : {}),
    ...(form.what === "database" && !form.database ? { source: ["/"], database: undefined, content: undefined } : {}),
  });
  const [settled] = useDebouncedValue(judged, 300);
  const preview = useQuery(queries.preview(settled, schedule?.name));

  const save = useAction(
    async () => {
      if (isNew) {
        return take(
          http.POST("/api/v1/schedules", {
            body: { name: form.name, settings: settings as never, allow_missing: missing },
          }),
        );
      }
      return take(
        http.PATCH("/api/v1/schedules/{name}", {
          params: { path: { name: schedule.name }, header: { "If-Match": `"${schedule.version ?? ""}"` } },
          body: changed as never,
        }),
      );
    },
    (s) => {
      toast.success(t(isNew ? "form.created" : "form.saved", { name: s.title ?? s.name }));
      void navigate({ to: "/configurations/$name", params: { name: s.name } });
    },
  );
  const removes = schedule && "keep" in changed ? (preview.data?.retention?.removed ?? 0) : 0;
  const submit = () => {
    setTried(true);
    if (Object.keys(wrong).length > 0) {
      // The first field that needs a hand gets it.
      setTimeout(() => document.querySelector<HTMLElement>("[aria-invalid=true]")?.focus());
      return;
    }
    if (removes > 0) ask.open();
    else save.mutate(undefined);
  };
  const { line, rest } = scheduleCommand(isNew ? "create" : "edit", form.name, changed);

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      noValidate
    >
      <Stack gap="lg">
        <Card component="section" aria-labelledby="form-what">
          <Title order={2} id="form-what" mb="md">
            {t("form.what")}
          </Title>
          <Stack>
            <SimpleGrid cols={{ base: 1, sm: 2 }}>
              <TextInput
                label={t("form.name")}
                description={t("form.nameHint")}
                value={form.name}
                onChange={(e) => set("name", e.currentTarget.value)}
                error={shown.name}
                disabled={!isNew}
                required
                data-autofocus
              />
              <TextInput
                label={t("form.title")}
                description={t("form.titleHint")}
                value={form.title}
                onChange={(e) => set("title", e.currentTarget.value)}
              />
            </SimpleGrid>
            <Radio.Group
              label={t("form.source")}
              value={form.what}
              onChange={(value) => set("what", value as Form["what"])}
            >
              <Group mt={6}>
                <Radio value="files" label={t("form.files")} />
                <Radio value="database" label={t("form.database")} />
              </Group>
            </Radio.Group>
            {form.what === "files" ? (
              <>
                <Group align="flex-end" gap="xs">
                  <TagsInput
                    flex={1}
                    miw={220}
                    label={t("form.paths")}
                    description={t("form.pathsHint")}
                    value={form.source}
                    onChange={(value) => set("source", value)}
                    error={shown.source}
                    placeholder={form.source.length === 0 ? "/home" : ""}
                    acceptValueOnBlur
                    splitChars={["\n"]}
                    required
                  />
                  <Button
                    variant="default"
                    leftSection={<IconFolderSearch size={16} aria-hidden />}
                    onClick={picking.open}
                  >
                    {t("form.pick")}
                  </Button>
                </Group>
                <TagsInput
                  label={t("form.exclude")}
                  description={t("form.excludeHint")}
                  value={form.exclude}
                  onChange={(value) => set("exclude", value)}
                  placeholder={form.exclude.length === 0 ? "*.tmp" : ""}
                  acceptValueOnBlur
                />
              </>
            ) : (
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <Select
                  label={t("form.databaseName")}
                  data={databases.map((d) => d.name)}
                  value={form.database || null}
                  onChange={(value) => set("database", value ?? "")}
                  error={shown.database}
                  nothingFoundMessage={t("form.noDatabase")}
                  searchable
                  required
                />
                <Select
                  label={t("form.content")}
                  data={(["full", "metadata", "data"] as const).map((c) => ({ value: c, label: t(`content.${c}`) }))}
                  value={form.content}
                  onChange={(value) => set("content", value ?? "full")}
                  allowDeselect={false}
                />
                {databases.length === 0 && (
                  <Alert color="brand">
                    <Stack gap="xs" align="flex-start">
                      <Text size="sm">{t("form.noDatabase")}</Text>
                      <LinkButton size="xs" to="/databases">
                        {t("databases.add")}
                      </LinkButton>
                    </Stack>
                  </Alert>
                )}
              </SimpleGrid>
            )}
            <Switch
              label={t("form.enabled")}
              description={t("form.enabledHint")}
              checked={form.enabled}
              onChange={(e) => set("enabled", e.currentTarget.checked)}
            />
          </Stack>
        </Card>

        <Card component="section" aria-labelledby="form-when">
          <Title order={2} id="form-when" mb="md">
            {t("form.when")}
          </Title>
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
            <Stack>
              <SegmentedControl
                aria-label={t("form.when")}
                value={form.frequency}
                onChange={(value) => set("frequency", value as Frequency)}
                data={frequencies.map((one) => ({ value: one, label: t(`frequency.${one}` as Key) }))}
                orientation="horizontal"
                styles={{ root: { flexWrap: "wrap" }, control: { flex: "1 0 auto" } }}
              />
              {["daily", "weekly", "monthly"].includes(form.frequency) && (
                <TagsInput
                  label={t("form.at")}
                  description={t("form.atHint")}
                  value={form.at}
                  onChange={(value) => set("at", value)}
                  acceptValueOnBlur
                />
              )}
              {form.frequency === "interval" && (
                <TextInput
                  label={t("form.interval")}
                  description={t("form.intervalHint")}
                  value={form.interval}
                  onChange={(e) => set("interval", e.currentTarget.value)}
                />
              )}
              {form.frequency === "cron" && (
                <TextInput
                  label={t("form.cron")}
                  description={t("form.cronHint")}
                  value={form.cron}
                  onChange={(e) => set("cron", e.currentTarget.value)}
                  className="mono"
                />
              )}
              {form.frequency !== "manual" && (
                <TextInput
                  label={t("form.timezone")}
                  description={t("form.timezoneHint")}
                  placeholder={preview.data?.timezone}
                  value={form.timezone}
                  onChange={(e) => set("timezone", e.currentTarget.value)}
                />
              )}
            </Stack>
            <Stack gap="sm" role="status" aria-live="polite">
              {words && <Text fw={600}>{words}</Text>}
              {preview.data && !preview.error && <NextRuns preview={preview.data} />}
              {preview.error && <ErrorBox error={preview.error} title={t("form.notYet")} />}
            </Stack>
          </SimpleGrid>
        </Card>

        <Card component="section" aria-labelledby="form-how">
          <Title order={2} id="form-how" mb="md">
            {t("form.how")}
          </Title>
          <SimpleGrid cols={{ base: 1, sm: 2 }}>
            {form.what === "files" && (
              <Select
                label={t("form.kind")}
                description={t("form.kindHint")}
                data={(["full", "incremental", "differential"] as const).map((k) => ({
                  value: k,
                  label: t(`kind.${k}`),
                }))}
                value={form.kind}
                onChange={(value) => set("kind", value ?? "full")}
                allowDeselect={false}
              />
            )}
            {form.what === "files" && form.kind !== "full" && (
              <TextInput
                label={t("form.fullEvery")}
                description={t("form.fullEveryHint")}
                placeholder="weekly"
                value={form.full_every}
                onChange={(e) => set("full_every", e.currentTarget.value)}
              />
            )}
            <Select
              label={t("form.compression")}
              description={t("form.compressionHint")}
              data={[...new Set(["gzip", "zstd", "none", form.compression])].map((c) => ({
                value: c,
                label: c === "none" ? t("form.uncompressed") : c,
              }))}
              value={form.compression}
              onChange={(value) => set("compression", value ?? "gzip")}
              allowDeselect={false}
            />
            <Select
              label={t("form.encryption")}
              description={t("form.encryptionHint")}
              data={(["default", "public", "passphrase"] as const).map((e) => ({
                value: e,
                label: t(`encryption.${e}`),
              }))}
              value={form.encryption}
              onChange={(value) => set("encryption", (value ?? "default") as Form["encryption"])}
              allowDeselect={false}
            />
            {form.encryption === "public" && (
              <TagsInput
                label={t("form.keys")}
                description={t("form.keysHint")}
                value={form.encrypt_to}
                onChange={(value) => set("encrypt_to", value)}
                error={shown.encrypt_to}
                acceptValueOnBlur
              />
            )}
            {form.encryption === "passphrase" && (
              <TextInput
                label={t("form.passphrase")}
                description={t("form.passphraseHint")}
                value={form.passphrase_file}
                onChange={(e) => set("passphrase_file", e.currentTarget.value)}
                error={shown.passphrase_file}
              />
            )}
            <MultiSelect
              label={t("nav.destinations")}
              description={t("form.destinationsHint")}
              data={[
                { value: "local", label: t("form.local") },
                ...destinations.map((d) => ({ value: d.name, label: d.name })),
              ]}
              value={form.destinations}
              onChange={(value) => set("destinations", value)}
              clearButtonProps={{ "aria-label": t("common.clear") }}
            />
            <MultiSelect
              label={t("form.notify")}
              description={t("form.notifyHint")}
              data={notifiers.map((n) => n.name)}
              value={form.notify}
              onChange={(value) => set("notify", value)}
              clearButtonProps={{ "aria-label": t("common.clear") }}
            />
          </SimpleGrid>
        </Card>

        <Card component="section" aria-labelledby="form-keep">
          <Title order={2} id="form-keep">
            {t("form.keep")}
          </Title>
          <Text size="sm" c="dimmed" mb="md">
            {t("form.keepText")}
          </Text>
          <SimpleGrid cols={{ base: 1, md: 2 }} spacing="xl">
            <SimpleGrid cols={{ base: 2, sm: 2 }} spacing="sm">
              {keepRules.map((rule) => (
                <NumberInput
                  key={rule}
                  label={t(`form.keep.${rule}` as Key)}
                  min={1}
                  max={rule === "days" ? 365 : undefined}
                  value={form.keep[rule] ?? ""}
                  onChange={(value) =>
                    set("keep", { ...form.keep, [rule]: typeof value === "number" ? value : undefined })
                  }
                  error={rule === "days" ? shown.keep : undefined}
                  allowDecimal={false}
                  allowNegative={false}
                  clampBehavior="none"
                  hideControls
                />
              ))}
            </SimpleGrid>
            <div>
              <Stack>
                {preview.data?.retention ? (
                  <RetentionPreview plan={preview.data.retention} />
                ) : (
                  <Text size="sm" c="dimmed">
                    {t(isNew ? "retention.new" : "retention.none")}
                  </Text>
                )}
                {preview.data?.outlook && (
                  <Text size="sm">
                    {t("retention.outlook", {
                      date: f.date(preview.data.outlook.at),
                      runs: preview.data.outlook.runs,
                      count: preview.data.outlook.kept,
                      oldest: f.date(preview.data.outlook.oldest ?? preview.data.outlook.at),
                    })}
                  </Text>
                )}
              </Stack>
            </div>
          </SimpleGrid>
        </Card>

        <Accordion variant="separated" radius="md">
          <Accordion.Item value="more">
            <Accordion.Control>{t("form.more")}</Accordion.Control>
            <Accordion.Panel>
              <SimpleGrid cols={{ base: 1, sm: 2 }}>
                <Switch
                  label={t("form.catchUp")}
                  description={t("form.catchUpHint")}
                  checked={form.catch_up}
                  onChange={(e) => set("catch_up", e.currentTarget.checked)}
                />
                {form.what === "files" && (
                  <Stack gap="xs">
                    <Checkbox
                      label={t("form.oneFileSystem")}
                      checked={form.one_file_system}
                      onChange={(e) => set("one_file_system", e.currentTarget.checked)}
                    />
                    <Checkbox
                      label={t("form.excludeCaches")}
                      checked={form.exclude_caches}
                      onChange={(e) => set("exclude_caches", e.currentTarget.checked)}
                    />
                  </Stack>
                )}
                {(
                  [
                    ["timeout", "4h"],
                    ["jitter", "5m"],
                    ["limit", "20MB/s"],
                    ["max_file_size", "20GB"],
                    ["drill", "monthly"],
                    ["scrub", "5%/week"],
                  ] as const
                )
                  .filter(([key]) => form.what === "files" || !["max_file_size"].includes(key))
                  .map(([key, example]) => (
                    <TextInput
                      key={key}
                      label={t(`form.${key}` as Key)}
                      description={t(`form.${key}Hint` as Key)}
                      placeholder={example}
                      value={form[key]}
                      onChange={(e) => set(key, e.currentTarget.value)}
                    />
                  ))}
                {(["before", "after", "on_failure"] as const).map((key) => (
                  <Textarea
                    key={key}
                    label={t(`form.${key}` as Key)}
                    description={t("form.hookHint")}
                    autosize
                    minRows={2}
                    className="mono"
                    value={form[key].join("\n")}
                    onChange={(e) => set(key, e.currentTarget.value === "" ? [] : e.currentTarget.value.split("\n"))}
                  />
                ))}
              </SimpleGrid>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>

        {save.error && <ErrorBox error={save.error} title={t("form.notSaved")} />}
        {isNew && form.what === "files" && save.error && (
          <Checkbox
            label={t("form.allowMissing")}
            checked={missing}
            onChange={(e) => setMissing(e.currentTarget.checked)}
          />
        )}
        {tried && Object.keys(wrong).length > 0 && (
          <Alert color="red" role="alert">
            {Object.values(wrong).join(" ")}
          </Alert>
        )}
        <Group justify="space-between">
          <CommandLine
            line={line}
            curl={
              isNew
                ? curl("POST", "/api/v1/schedules", { name: form.name, settings })
                : curl("PATCH", `/api/v1/schedules/${form.name}`, changed)
            }
            note={rest.length > 0 ? t("cli.rest", { keys: rest.join(", ") }) : undefined}
          />
          <Group>
            <LinkButton variant="default" to="/configurations">
              {t("common.cancel")}
            </LinkButton>
            <Button type="submit" loading={save.isPending} disabled={!isNew && Object.keys(changed).length === 0}>
              {t(isNew ? "form.create" : "form.save")}
            </Button>
          </Group>
        </Group>
      </Stack>
      <FolderPicker
        opened={picker}
        close={picking.close}
        choose={(path) => {
          set("source", [...new Set([...form.source, path])]);
          picking.close();
        }}
      />
      <Confirm
        opened={asking}
        title={t("retention.confirm")}
        action={t("form.save")}
        busy={save.isPending}
        close={ask.close}
        confirm={() => {
          ask.close();
          save.mutate(undefined);
        }}
      >
        <Text size="sm">
          {t("retention.confirm.text", { count: removes, freed: f.size(preview.data?.retention?.freed ?? 0) })}
        </Text>
      </Confirm>
    </form>
  );
}
