import {
  Alert,
  Badge,
  Button,
  Card,
  Code,
  FileButton,
  Group,
  SimpleGrid,
  Stack,
  Text,
  Textarea,
  Title,
} from "@mantine/core";
import { IconDownload, IconUpload } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, ErrorBox, Loaded, PageTitle, useToast } from "../components/basics";
import { useAction, useMay } from "../components/hooks";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";

interface Imported {
  items: { kind: string; name: string; added: boolean }[];
  dry_run: boolean;
}

/** What taking something in adds, or would add. */
function Taken({ result }: { result: Imported }) {
  const { t, maybe } = useText();
  return (
    <Alert
      color={result.dry_run ? "brand" : "green"}
      title={t(result.dry_run ? "import.would" : "import.done", { count: result.items.filter((i) => i.added).length })}
    >
      <Stack gap={4}>
        {result.items.map((item) => (
          <Group key={item.kind + item.name} gap="xs">
            <Badge color={item.added ? "green" : "gray"}>{t(item.added ? "import.new" : "import.there")}</Badge>
            <Text size="sm">
              {maybe(`import.${item.kind}`, item.kind)} {item.name}
            </Text>
          </Group>
        ))}
      </Stack>
    </Alert>
  );
}

function TemplateCard({ name, text }: { name: string; text: string }) {
  const { t, maybe } = useText();
  const may = useMay();
  const toast = useToast();
  const apply = useAction(
    (dry_run: boolean) =>
      take(http.POST("/api/v1/templates/{name}/apply", { params: { path: { name } }, body: { dry_run } })).then(
        (page) => ({
          ...page,
          dry_run,
        }),
      ),
    (done) => {
      if (!done.dry_run) toast.success(t("import.done", { count: done.items.filter((i) => i.added).length }));
    },
  );
  return (
    <Card component="article" aria-label={name}>
      <Stack justify="space-between" h="100%">
        <div>
          <Title order={3}>{maybe(`template.${name}`, name)}</Title>
          <Text size="sm" c="dimmed">
            {maybe(`template.${name}.text`, text)}
          </Text>
        </div>
        {apply.error && <ErrorBox error={apply.error} />}
        {apply.data && <Taken result={apply.data} />}
        <Group>
          <Button variant="default" loading={apply.isPending} disabled={!may.admin} onClick={() => apply.mutate(true)}>
            {t("common.preview")}
          </Button>
          <Button loading={apply.isPending} disabled={!may.admin} onClick={() => apply.mutate(false)}>
            {t("templates.apply")}
          </Button>
        </Group>
        <CommandLine
          line={command("template", "apply", name)}
          curl={curl("POST", `/api/v1/templates/${name}/apply`, {})}
        />
      </Stack>
    </Card>
  );
}

/** Lines of the form `path;hh:mm;name`; null where something else stands among them. */
export function oneLiners(text: string): { path: string; at: string; name: string }[] | null {
  const lines = text.split("\n").map((line) => line.trim());
  const real = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const parts = real.map((line) => /^([^;]+);([0-2]\d:[0-5]\d);([^;]+)$/.exec(line));
  if (real.length === 0 || parts.some((p) => p === null)) return null;
  return parts.map((p) => ({ path: p?.[1] ?? "", at: p?.[2] ?? "", name: p?.[3] ?? "" }));
}

function Import() {
  const { t } = useText();
  const may = useMay();
  const [text, setText] = useState("");
  const takeIn = useAction(async (dry_run: boolean) => {
    const lines = oneLiners(text);
    if (lines === null) {
      const page = await take(http.POST("/api/v1/import", { body: { text, dry_run } }));
      return { items: page.items, dry_run };
    }
    const known = new Set((await take(http.GET("/api/v1/schedules"))).items.map((s) => s.name));
    const items = lines.map(({ name }) => ({ kind: "schedule", name, added: !known.has(name) }));
    for (const { name, path, at } of lines.filter((l) => !dry_run && !known.has(l.name))) {
      const settings = { source: [path], at } as never;
      await take(http.POST("/api/v1/schedules", { body: { name, settings, allow_missing: true } }));
    }
    return { items, dry_run };
  });
  return (
    <Card component="section" aria-labelledby="import">
      <Title order={2} id="import">
        {t("import.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("import.text")}
      </Text>
      <Stack>
        <Textarea
          label={t("import.content")}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
          autosize
          minRows={4}
          maxRows={16}
          className="mono"
          placeholder="documents;09:00;docs_morning"
        />
        <Group>
          <FileButton accept=".toml,.txt,text/plain" onChange={(file) => void file?.text().then(setText)}>
            {(props) => (
              <Button {...props} variant="default" leftSection={<IconUpload size={16} aria-hidden />}>
                {t("import.file")}
              </Button>
            )}
          </FileButton>
          <Button
            variant="default"
            disabled={!may.admin || !text}
            loading={takeIn.isPending}
            onClick={() => takeIn.mutate(true)}
          >
            {t("common.preview")}
          </Button>
          <Button disabled={!may.admin || !text} loading={takeIn.isPending} onClick={() => takeIn.mutate(false)}>
            {t("import.action")}
          </Button>
        </Group>
        <div aria-live="polite">
          {takeIn.error && <ErrorBox error={takeIn.error} />}
          {takeIn.data && <Taken result={takeIn.data} />}
        </div>
        <CommandLine line={command("import", "FILE")} />
      </Stack>
    </Card>
  );
}

function Export() {
  const { t } = useText();
  const may = useMay();
  const [shown, setShown] = useState<string | null>(null);
  const look = useAction(
    () => take(http.GET("/api/v1/export", { parseAs: "text" })),
    (text) => setShown(text as string),
  );
  return (
    <Card component="section" aria-labelledby="export">
      <Title order={2} id="export">
        {t("export.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("export.text")}
      </Text>
      <Stack>
        <Group>
          <Button
            component="a"
            href="/api/v1/export"
            download="schedules.toml"
            disabled={!may.admin}
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            {t("export.action")}
          </Button>
          <Button
            variant="default"
            disabled={!may.admin}
            loading={look.isPending}
            onClick={() => look.mutate(undefined)}
          >
            {t("export.show")}
          </Button>
        </Group>
        {shown !== null && (
          <Code block className="mono" mah={320} style={{ overflow: "auto" }} tabIndex={0}>
            {shown}
          </Code>
        )}
        <CommandLine line={command("export")} curl={curl("GET", "/api/v1/export")} />
      </Stack>
    </Card>
  );
}

export function Templates() {
  const { t } = useText();
  const templates = useQuery(queries.templates());
  return (
    <>
      <PageTitle title={t("nav.templates")} text={t("templates.text")} />
      <Stack gap="lg">
        <Loaded query={templates}>
          {(list) => (
            <SimpleGrid cols={{ base: 1, md: 2 }}>
              {list.map((one) => (
                <TemplateCard key={one.name} name={one.name} text={one.text} />
              ))}
            </SimpleGrid>
          )}
        </Loaded>
        <Import />
        <Export />
      </Stack>
    </>
  );
}
