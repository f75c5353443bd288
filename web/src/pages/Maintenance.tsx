import { Said } from "../sentences";
import { Alert, Badge, Button, Card, Checkbox, Group, NumberInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { IconStethoscope, IconTool } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { http, take, type Finding } from "../api/client";
import { CommandLine, Confirm, ErrorBox, PageTitle, useFormat, useToast } from "../components/basics";
import { useAction, useMay, watch } from "../components/hooks";
import { useText, type Key } from "../i18n";
import { command, curl } from "../lib/cli";

const LEVELS: Record<string, string> = { ok: "green", info: "brand", warning: "yellow", error: "red" };

function Check() {
  const { t, maybe } = useText();
  const may = useMay();
  const toast = useToast();
  const [deep, setDeep] = useState(false);
  const check = useMutation({
    mutationFn: (wish: boolean) => take(http.GET("/api/v1/check", { params: { query: { deep: wish || undefined } } })),
  });
  const fix = useAction(
    (ids: string[]) => take(http.POST("/api/v1/check/fixes", { body: { ids } })),
    (done) => {
      const mended = done.items.filter((f) => f.fixed).length;
      if (mended > 0) toast.success(t("check.fixed", { count: mended }));
      check.mutate(deep);
    },
  );
  const found = check.data?.items ?? [];
  const fixable = found.filter((f: Finding) => f.fixable && f.fixed !== true);
  return (
    <Card component="section" aria-labelledby="check">
      <Title order={2} id="check">
        {t("check.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("check.text")}
      </Text>
      <Stack>
        <Group>
          <Button
            leftSection={<IconStethoscope size={16} aria-hidden />}
            loading={check.isPending}
            disabled={!may.operate}
            onClick={() => check.mutate(deep)}
          >
            {t("check.action")}
          </Button>
          <Checkbox label={t("check.deep")} checked={deep} onChange={(e) => setDeep(e.currentTarget.checked)} />
          {may.admin && fixable.length > 0 && (
            <Button
              variant="default"
              leftSection={<IconTool size={16} aria-hidden />}
              loading={fix.isPending}
              onClick={() => fix.mutate(fixable.map((f) => f.id))}
            >
              {t("check.fixAll", { count: fixable.length })}
            </Button>
          )}
        </Group>
        <div aria-live="polite">
          {check.error && <ErrorBox error={check.error} />}
          {check.data && found.length === 0 && <Alert color="green">{t("check.well")}</Alert>}
          <Stack gap="sm">
            {found.map((finding) => (
              <Card key={finding.id} padding="sm">
                <Group justify="space-between" align="flex-start">
                  <div style={{ flex: 1, minWidth: 0 }}>
                    <Group gap="xs">
                      <Badge color={LEVELS[finding.level] ?? "gray"}>
                        {maybe(`level.${finding.level}`, finding.level)}
                      </Badge>
                      <Text fw={600}>{maybe(`finding.${finding.code}` as Key, finding.code)}</Text>
                    </Group>
                    <Text size="sm" className="mono" mt={4}>
                      {finding.subject}: <Said text={finding.text} />
                    </Text>
                    {finding.remedy && (
                      <Text size="sm" mt={4}>
                        → <Said text={finding.remedy} />
                      </Text>
                    )}
                    {finding.fix_error && (
                      <Text size="sm" c="red">
                        <Said text={finding.fix_error} />
                      </Text>
                    )}
                  </div>
                  {may.admin && finding.fixable && !finding.fixed && (
                    <Button size="xs" variant="light" loading={fix.isPending} onClick={() => fix.mutate([finding.id])}>
                      {t("check.fix")}
                    </Button>
                  )}
                  {finding.fixed && <Badge color="green">{t("check.isFixed")}</Badge>}
                </Group>
              </Card>
            ))}
          </Stack>
        </div>
        <CommandLine
          line={command("check", deep && "--deep")}
          curl={curl("GET", `/api/v1/check${deep ? "?deep=true" : ""}`)}
        />
      </Stack>
    </Card>
  );
}

function Cleanup() {
  const { t, maybe } = useText();
  const f = useFormat();
  const may = useMay();
  const [hours, setHours] = useState<number>(6);
  const [force, setForce] = useState(false);
  const clean = useAction((dry_run: boolean) =>
    take(http.POST("/api/v1/cleanup", { body: { hours, force, dry_run } })).then((page) => ({ ...page, dry_run })),
  );
  return (
    <Card component="section" aria-labelledby="cleanup">
      <Title order={2} id="cleanup">
        {t("cleanup.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("cleanup.text")}
      </Text>
      <Stack>
        <Group align="flex-end">
          <NumberInput
            label={t("cleanup.hours")}
            value={hours}
            onChange={(value) => setHours(typeof value === "number" ? value : 6)}
            min={0}
            w={180}
            hideControls
          />
          <Checkbox
            label={t("cleanup.force")}
            checked={force}
            onChange={(e) => setForce(e.currentTarget.checked)}
            pb={8}
          />
        </Group>
        <Group>
          <Button variant="default" loading={clean.isPending} disabled={!may.admin} onClick={() => clean.mutate(true)}>
            {t("common.preview")}
          </Button>
          <Button loading={clean.isPending} disabled={!may.admin} onClick={() => clean.mutate(false)}>
            {t("cleanup.action")}
          </Button>
        </Group>
        <div aria-live="polite">
          {clean.data && (
            <Alert
              color={clean.data.dry_run ? "brand" : "green"}
              title={t(clean.data.dry_run ? "cleanup.would" : "cleanup.done", { count: clean.data.total })}
            >
              {clean.data.items.map((item) => (
                <Text key={item.subject} size="sm">
                  {maybe(`cleanup.${item.what}`, item.what)}:{" "}
                  <span className="mono">
                    {item.subject} <Said text={item.text} />
                  </span>
                  {item.bytes > 0 && ` (${f.size(item.bytes)})`}
                </Text>
              ))}
            </Alert>
          )}
        </div>
        <CommandLine
          line={command("cleanup", "--hours", String(hours), force && "--force")}
          curl={curl("POST", "/api/v1/cleanup", { hours, force })}
        />
      </Stack>
    </Card>
  );
}

function Rebuild() {
  const { t } = useText();
  const may = useMay();
  const navigate = useNavigate();
  const [scan, setScan] = useState("");
  const [missing, setMissing] = useState(false);
  const rescue = useAction((dry_run: boolean) =>
    take(http.POST("/api/v1/rescue", { body: { scan: scan || undefined, fix_missing: missing, dry_run } })).then(
      (page) => ({
        ...page,
        dry_run,
      }),
    ),
  );
  const rebuild = useAction(
    () => take(http.POST("/api/v1/rebuilds", { body: {} })),
    (run) => {
      watch.add(run);
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
  return (
    <Card component="section" aria-labelledby="rebuild">
      <Title order={2} id="rebuild">
        {t("rebuild.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("rebuild.text")}
      </Text>
      <Stack>
        <TextInput
          label={t("rebuild.scan")}
          description={t("rebuild.scanHint")}
          value={scan}
          onChange={(e) => setScan(e.currentTarget.value)}
          maw={480}
        />
        <Checkbox
          label={t("rebuild.missing")}
          checked={missing}
          onChange={(e) => setMissing(e.currentTarget.checked)}
        />
        <Group>
          <Button
            variant="default"
            loading={rescue.isPending}
            disabled={!may.admin || (!scan && !missing)}
            onClick={() => rescue.mutate(true)}
          >
            {t("common.preview")}
          </Button>
          <Button
            loading={rescue.isPending}
            disabled={!may.admin || (!scan && !missing)}
            onClick={() => rescue.mutate(false)}
          >
            {t("rebuild.action")}
          </Button>
          <Button
            variant="default"
            loading={rebuild.isPending}
            disabled={!may.operate}
            onClick={() => rebuild.mutate(undefined)}
          >
            {t("rebuild.indexes")}
          </Button>
        </Group>
        <div aria-live="polite">
          {rescue.data && (
            <Alert
              color={rescue.data.dry_run ? "brand" : "green"}
              title={t(rescue.data.dry_run ? "rebuild.would" : "rebuild.done", { count: rescue.data.total })}
            >
              {rescue.data.items.map((item) => (
                <Text key={item.path} size="sm" className="mono">
                  {item.what}: {item.path} <Said text={item.text} />
                </Text>
              ))}
            </Alert>
          )}
        </div>
        <CommandLine line={command("rebuild", scan && "--scan", scan || null, missing && "--fix-missing")} />
      </Stack>
    </Card>
  );
}

function Proofs() {
  const { t } = useText();
  const may = useMay();
  const toast = useToast();
  const navigate = useNavigate();
  const [percent, setPercent] = useState(5);
  const [asking, setAsking] = useState(false);
  const scrub = useAction(
    () => take(http.POST("/api/v1/scrubs", { body: { percent } })),
    (run) => {
      watch.add(run);
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
  const verify = useAction(
    () => take(http.POST("/api/v1/verifications", { body: { all: true } })),
    (page) => {
      setAsking(false);
      page.items.forEach(watch.add);
      toast.info(t("proofs.verifying", { count: page.total }));
    },
  );
  return (
    <Card component="section" aria-labelledby="proofs">
      <Title order={2} id="proofs">
        {t("proofs.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("proofs.text")}
      </Text>
      <Stack>
        <Group align="flex-end">
          <NumberInput
            label={t("proofs.percent")}
            value={percent}
            onChange={(value) => setPercent(typeof value === "number" ? value : 5)}
            min={1}
            max={100}
            suffix=" %"
            w={180}
            hideControls
          />
          <Button
            variant="default"
            loading={scrub.isPending}
            disabled={!may.operate}
            onClick={() => scrub.mutate(undefined)}
          >
            {t("proofs.scrub")}
          </Button>
          <Button variant="default" disabled={!may.operate} onClick={() => setAsking(true)}>
            {t("proofs.verifyAll")}
          </Button>
        </Group>
        <CommandLine
          line={command("scrub", "--percent", String(percent))}
          curl={curl("POST", "/api/v1/scrubs", { percent })}
        />
      </Stack>
      <Confirm
        opened={asking}
        title={t("proofs.verifyAll")}
        action={t("proofs.verifyAll")}
        busy={verify.isPending}
        close={() => setAsking(false)}
        confirm={() => verify.mutate(undefined)}
      >
        <Text size="sm">{t("proofs.verifyAll.text")}</Text>
      </Confirm>
    </Card>
  );
}

export function Maintenance() {
  const { t } = useText();
  return (
    <>
      <PageTitle title={t("nav.maintenance")} text={t("maintenance.text")} />
      <Stack gap="lg">
        <Check />
        <Proofs />
        <Cleanup />
        <Rebuild />
      </Stack>
    </>
  );
}
