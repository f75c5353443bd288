import { Said } from "../sentences";
import {
  Alert,
  Button,
  Card,
  Checkbox,
  Code,
  Group,
  List,
  Radio,
  Select,
  Stack,
  Stepper,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { IconDownload, IconFolderOpen } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useEffect, useState, type ReactNode } from "react";
import { http, take, type Archive, type Run } from "../api/client";
import { queries } from "../api/queries";
import { rolesOnly } from "../components/ArchiveTable";
import { CommandLine, ErrorBox, Facts, Loaded, PageTitle, useFormat, When } from "../components/basics";
import { useAction, useMay, useWord, watch } from "../components/hooks";
import { Link, LinkButton } from "../components/Link";
import { useText, type Key } from "../i18n";
import { command, curl, quoteBytes, shownBytes } from "../lib/cli";
import { contentsUrl } from "./Browse";

export function Restore() {
  const { t } = useText();
  const { archive: id } = useParams({ from: "/inside/restore/$archive" });
  const archive = useQuery(queries.archive(id));
  return (
    <>
      <PageTitle title={t("restore.title")} text={t("restore.text")} />
      <Loaded query={archive} rows={6}>
        {(a) => (a.database ? <RestoreDatabase archive={a} /> : <RestoreFiles archive={a} />)}
      </Loaded>
    </>
  );
}

/** Which version: others of the same configuration are one choice away. */
function Version({ archive }: { archive: Archive }) {
  const { t } = useText();
  const f = useFormat();
  const word = useWord();
  const navigate = useNavigate();
  const search = useSearch({ from: "/inside/restore/$archive" });
  const all = useQuery(queries.archives(archive.schedule, 200, 0)).data?.items ?? [archive];
  return (
    <Select
      label={t("browse.version")}
      description={t("restore.versionHint")}
      data={all
        .filter((a) => !rolesOnly(a))
        .map((a) => ({
          value: a.id,
          label: `${f.dateTime(a.started, true)} · ${a.database ? `${a.database.database ?? ""} · ${word("content", a.content)}` : word("kind", a.kind)} · ${f.size(a.size)}`,
        }))}
      value={archive.id}
      onChange={(id) => id && void navigate({ to: "/restore/$archive", params: { archive: id }, search })}
      allowDeselect={false}
      searchable
    />
  );
}

/** The steps of a restore; one that is behind can be gone back to. */
function Steps({ step, go, children }: { step: number; go: (step: number) => void; children: ReactNode }) {
  const { t } = useText();
  return (
    <Card>
      <Stepper
        active={step}
        onStepClick={(to) => to < step && go(to)}
        size="sm"
        mb="lg"
        aria-label={t("restore.steps")}
      >
        {children}
      </Stepper>
    </Card>
  );
}

/** What leads on from a step, and back. */
function Ways({ back, children }: { back?: () => void; children: ReactNode }) {
  const { t } = useText();
  return (
    <Group justify={back ? "space-between" : "flex-end"}>
      {back && (
        <Button variant="default" onClick={back}>
          {t("common.back")}
        </Button>
      )}
      {children}
    </Group>
  );
}

/** Waits for a run, and answers it when it has ended. */
function useEnd(id: string | null): Run | null {
  const run = useQuery({
    ...queries.run(id ?? ""),
    enabled: id !== null,
    refetchInterval: (query) => (query.state.data?.ended ? false : 400),
  });
  return run.data?.ended ? run.data : null;
}

function RestoreFiles({ archive: a }: { archive: Archive }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const navigate = useNavigate();
  const { paths, paths_b64 } = useSearch({ from: "/inside/restore/$archive" });
  const roots = useQuery(queries.status()).data?.restore_roots ?? [];
  const [step, setStep] = useState(0);
  const [where, setWhere] = useState<"folder" | "original" | "download">("folder");
  const [target, setTarget] = useState("");
  const [overwrite, setOverwrite] = useState("never");
  const [dry, setDry] = useState<string | null>(null);
  const root = roots[0];
  useEffect(() => {
    // A folder of its own for each restore, so that nothing meets what is there.
    if (root && target === "") setTarget(`${root}/${a.schedule}-${a.started.slice(0, 10)}`);
  }, [root, target, a.schedule, a.started]);
  const count = (paths?.length ?? 0) + (paths_b64?.length ?? 0);
  const mayInPlace = roots.includes("/");
  const body = {
    archive: a.id,
    target: where === "original" ? "/" : target,
    paths: paths ?? [],
    paths_b64: paths_b64 ?? [],
    overwrite,
  };
  const rehearse = useAction(
    () => take(http.POST("/api/v1/restores", { body: { ...body, dry_run: true } })),
    (run) => {
      setDry(run.id);
      setStep(3);
    },
  );
  const tried = useEnd(dry);
  const good = tried?.status === "completed" || tried?.status === "warning";
  const restore = useAction(
    () => take(http.POST("/api/v1/restores", { body })),
    (run) => {
      watch.add(run);
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
  const what = count > 0 ? t("restore.chosen", { count }) : t("restore.everything", { count: a.files });
  const chosen = [
    ...(paths ?? []).map((path) => ({ path, size: 0 })),
    ...(paths_b64 ?? []).map((b) => ({ path: b, path_b64: b, size: 0 })),
  ];
  const everything = useQuery({
    ...queries.entries(a.id, "", undefined, 0, 200),
    enabled: where === "download" && count === 0,
  });
  const all = chosen.length > 0 ? chosen : (everything.data?.items ?? []);
  const place = where === "original" ? ["--in-place"] : ["--to", target];
  const named = (paths ?? []).flatMap((p) => ["--path", p]);
  const odd = (paths_b64 ?? []).map((b) => ` --path ${quoteBytes(b)}`).join("");
  const cli = command("restore", a.id, ...named, ...place, "--overwrite", overwrite) + odd;
  if (!may.operate) return <Alert color="yellow">{t("restore.mayNot")}</Alert>;
  return (
    <Steps step={step} go={setStep}>
      <Stepper.Step label={t("restore.what")}>
        <Stack>
          <Version archive={a} />
          <Text>{what}</Text>
          {count > 0 && (
            <List size="sm" spacing={2}>
              {[...(paths ?? []), ...(paths_b64 ?? []).map(shownBytes)].slice(0, 12).map((path) => (
                <List.Item key={path}>
                  <span className="mono">{path}</span>
                </List.Item>
              ))}
              {count > 12 && <List.Item>{t("restore.more", { count: count - 12 })}</List.Item>}
            </List>
          )}
          <Group>
            <Link to="/browse/$archive" params={{ archive: a.id }} search={{}}>
              <Group gap={6}>
                <IconFolderOpen size={16} aria-hidden />
                {t("restore.choose")}
              </Group>
            </Link>
          </Group>
          <Ways>
            <Button onClick={() => setStep(1)}>{t("common.next")}</Button>
          </Ways>
        </Stack>
      </Stepper.Step>
      <Stepper.Step label={t("restore.where")}>
        <Stack>
          <Radio.Group label={t("restore.whereTo")} value={where} onChange={(value) => setWhere(value as typeof where)}>
            <Stack gap="sm" mt="xs">
              <Radio value="folder" label={t("restore.folder")} description={t("restore.folderHint")} />
              <Radio
                value="original"
                label={t("restore.original")}
                description={mayInPlace ? t("restore.originalHint") : t("restore.originalClosed")}
                disabled={!mayInPlace}
              />
              <Radio value="download" label={t("restore.download")} description={t("restore.downloadHint")} />
            </Stack>
          </Radio.Group>
          {where === "folder" && (
            <TextInput
              label={t("restore.target")}
              description={t("restore.targetHint", { roots: roots.join(", ") })}
              value={target}
              onChange={(e) => setTarget(e.currentTarget.value)}
              error={
                target !== "" && !roots.some((r) => r === "/" || target === r || target.startsWith(`${r}/`))
                  ? t("restore.targetWrong", { roots: roots.join(", ") })
                  : undefined
              }
            />
          )}
          {!mayInPlace && where !== "download" && (
            <Text size="sm" c="dimmed">
              {t("restore.originalCli")} <Code>{command("restore", a.id, "--in-place")}</Code>
            </Text>
          )}
          <Ways back={() => setStep(0)}>
            {where === "download" ? (
              <Button
                component="a"
                href={contentsUrl(a.id, all)}
                disabled={all.length === 0}
                leftSection={<IconDownload size={16} aria-hidden />}
              >
                {t("restore.downloadNow")}
              </Button>
            ) : (
              <Button onClick={() => setStep(2)}>{t("common.next")}</Button>
            )}
          </Ways>
        </Stack>
      </Stepper.Step>
      <Stepper.Step label={t("restore.conflicts")}>
        <Stack>
          <Radio.Group label={t("restore.exists")} value={overwrite} onChange={setOverwrite}>
            <Stack gap="sm" mt="xs">
              {(["never", "older", "always"] as const).map((policy) => (
                <Radio
                  key={policy}
                  value={policy}
                  label={t(`overwrite.${policy}`)}
                  description={t(`overwrite.${policy}.text`)}
                />
              ))}
            </Stack>
          </Radio.Group>
          {rehearse.error && <ErrorBox error={rehearse.error} />}
          <Ways back={() => setStep(1)}>
            <Button loading={rehearse.isPending} onClick={() => rehearse.mutate(undefined)}>
              {t("restore.rehearse")}
            </Button>
          </Ways>
        </Stack>
      </Stepper.Step>
      <Stepper.Step label={t("restore.summary")}>
        <Stack>
          <Title order={2}>{t("restore.summaryTitle")}</Title>
          <Facts
            rows={[
              [t("field.configuration"), a.schedule],
              [t("browse.version"), <When time={a.started} seconds />],
              [t("restore.what"), what],
              [
                t("restore.where"),
                where === "original" ? t("restore.original") : <span className="mono">{target}</span>,
              ],
              [t("restore.conflicts"), t(`overwrite.${overwrite}` as Key)],
            ]}
          />
          {!tried && <Text role="status">{t("restore.trying")}</Text>}
          {good && (
            <Alert
              color={tried.status === "warning" ? "yellow" : "brand"}
              title={t("restore.dry", { count: tried.files, size: f.size(tried.bytes) })}
            >
              <Text size="sm">{t("restore.dryText")}</Text>
              {(tried.notes ?? []).slice(0, 20).map((n) => (
                <Text key={n.path + n.text} size="sm" className="mono">
                  {n.path}: <Said text={n.text} />
                </Text>
              ))}
            </Alert>
          )}
          {tried && !good && <ErrorBox error={tried.error} title={t("restore.dryFailed")} />}
          {restore.error && <ErrorBox error={restore.error} />}
          <CommandLine line={cli} curl={curl("POST", "/api/v1/restores", body)} />
          <Ways back={() => setStep(2)}>
            <Button disabled={!good} loading={restore.isPending} onClick={() => restore.mutate(undefined)}>
              {count > 0 ? t("browse.restore", { count }) : t("browse.restoreAll")}
            </Button>
          </Ways>
        </Stack>
      </Stepper.Step>
    </Steps>
  );
}

function RestoreDatabase({ archive: a }: { archive: Archive }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const word = useWord();
  const navigate = useNavigate();
  const original = a.database?.database ?? a.schedule;
  const [step, setStep] = useState(0);
  const [where, setWhere] = useState<"new" | "same">("new");
  const [name, setName] = useState(`${original}_${a.started.slice(0, 10).replaceAll("-", "")}`);
  const [metadataOnly, setMetadataOnly] = useState(false);
  const [noOwner, setNoOwner] = useState(false);
  const [keepOld, setKeepOld] = useState(false);
  const [typed, setTyped] = useState("");
  const into = where === "same" ? original : name;
  const body = {
    archive: a.id,
    into,
    overwrite: where === "same",
    metadata_only: metadataOnly,
    no_owner: noOwner,
    keep_old: keepOld && where === "same",
  };
  const restore = useAction(
    () => take(http.POST("/api/v1/database-restores", { body })),
    (run) => {
      watch.add(run);
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
  if (!may.operate) return <Alert color="yellow">{t("restore.mayNot")}</Alert>;
  const cli = command(
    "restore",
    a.id,
    "--into",
    into,
    where === "same" && "--overwrite",
    metadataOnly && "--metadata-only",
    noOwner && "--no-owner",
    keepOld && where === "same" && "--keep-old",
  );
  return (
    <Steps step={step} go={setStep}>
      <Stepper.Step label={t("restore.what")}>
        <Stack>
          <Version archive={a} />
          <Facts
            rows={[
              [t("form.databaseName"), original],
              [t("field.content"), word("content", a.content)],
              [t("field.tables"), f.count(a.database?.tables_count ?? 0)],
              [t("field.records"), f.count(a.database?.records_count ?? 0)],
              [t("databases.server"), `${a.database?.engine ?? ""} ${a.database?.server_version ?? ""}`],
            ]}
          />
          {a.content === "full" && (
            <Checkbox
              label={t("restore.metadataOnly")}
              checked={metadataOnly}
              onChange={(e) => setMetadataOnly(e.currentTarget.checked)}
            />
          )}
          <Ways>
            <Button onClick={() => setStep(1)}>{t("common.next")}</Button>
          </Ways>
        </Stack>
      </Stepper.Step>
      <Stepper.Step label={t("restore.where")}>
        <Stack>
          <Radio.Group label={t("restore.whereTo")} value={where} onChange={(value) => setWhere(value as typeof where)}>
            <Stack gap="sm" mt="xs">
              <Radio value="new" label={t("restore.newDatabase")} description={t("restore.newDatabaseHint")} />
              <Radio
                value="same"
                label={t("restore.sameDatabase", { name: original })}
                description={t("restore.sameDatabaseHint")}
              />
            </Stack>
          </Radio.Group>
          {where === "new" && (
            <TextInput
              label={t("restore.databaseTarget")}
              value={name}
              onChange={(e) => setName(e.currentTarget.value)}
              required
            />
          )}
          {where === "same" && (
            <Checkbox
              label={t("restore.keepOld")}
              checked={keepOld}
              onChange={(e) => setKeepOld(e.currentTarget.checked)}
            />
          )}
          <Checkbox
            label={t("restore.noOwner")}
            checked={noOwner}
            onChange={(e) => setNoOwner(e.currentTarget.checked)}
          />
          <Ways back={() => setStep(0)}>
            <Button disabled={into.trim() === ""} onClick={() => setStep(2)}>
              {t("common.next")}
            </Button>
          </Ways>
        </Stack>
      </Stepper.Step>
      <Stepper.Step label={t("restore.summary")}>
        <Stack>
          <Title order={2}>{t("restore.summaryTitle")}</Title>
          <Facts
            rows={[
              [t("browse.version"), <When time={a.started} seconds />],
              [t("restore.where"), <strong>{into}</strong>],
              [
                t("restore.what"),
                `${t("archive.tables", { count: a.database?.tables_count ?? 0, rows: f.count(a.database?.records_count ?? 0) })}${metadataOnly ? ` · ${t("content.metadata")}` : ""}`,
              ],
            ]}
          />
          {where === "same" ? (
            <Alert color="red" title={t("restore.replaces", { name: original })}>
              <Text size="sm">{t("restore.replaces.text")}</Text>
              <TextInput
                mt="sm"
                label={t("confirm.type", { name: original })}
                value={typed}
                onChange={(e) => setTyped(e.currentTarget.value)}
                autoComplete="off"
              />
            </Alert>
          ) : (
            <Alert color="brand">{t("restore.newText")}</Alert>
          )}
          {restore.error && <ErrorBox error={restore.error} />}
          <CommandLine line={cli} curl={curl("POST", "/api/v1/database-restores", body)} />
          <Ways back={() => setStep(1)}>
            <Group>
              <LinkButton variant="subtle" to="/configurations/$name" params={{ name: a.schedule }}>
                {t("common.cancel")}
              </LinkButton>
              <Button
                color={where === "same" ? "red" : undefined}
                disabled={where === "same" && typed !== original}
                loading={restore.isPending}
                onClick={() => restore.mutate(undefined)}
              >
                {t("restore.database", { name: into })}
              </Button>
            </Group>
          </Ways>
        </Stack>
      </Stepper.Step>
    </Steps>
  );
}
