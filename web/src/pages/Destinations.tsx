import { Said } from "../sentences";
import { Alert, Badge, Button, NumberInput, Select, SimpleGrid, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCloudUpload, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take, type Destination } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Empty, Facts, Loaded, PageTitle, useFormat, When } from "../components/basics";
import { EntryCard } from "../components/EntryCard";
import { EntryForm } from "../components/EntryForm";
import { useMay } from "../components/hooks";
import { SecretInput } from "../components/SecretInput";
import { Test } from "../components/Test";
import { useText, type Key } from "../i18n";
import { command, curl } from "../lib/cli";

const KINDS = ["folder", "s3", "sftp", "webdav", "receiver"] as const;
type Kind = (typeof KINDS)[number];

const EXAMPLES: Record<Kind, string> = {
  folder: "/mnt/usb/backups",
  s3: "s3://bucket/backups?endpoint=https://s3.example.org&region=eu",
  sftp: "sftp://backup@host.example.org/srv/backups",
  webdav: "webdavs://backup@cloud.example.org/remote.php/dav/files/backup/backups",
  receiver: "receiver+https://backups.example.org:5000",
};

/** The keys of a destination, with secrets empty: those are never shown. */
function fieldsOf(old?: Destination) {
  return {
    url: old?.url ?? "",
    access_key: "",
    secret: "",
    read_token: "",
    identity: old?.identity ?? "",
    known_hosts: old?.known_hosts ?? "",
    ca: old?.ca ?? "",
    limit: old?.limit ?? "",
    lock_days: old?.lock_days ?? undefined,
  };
}
type Wish = ReturnType<typeof fieldsOf>;

/** Adds a destination, or changes one; secrets that are left empty then stay as they are. */
function DestinationForm({ opened, close, old }: { opened: boolean; close: () => void; old?: Destination }) {
  const { t } = useText();
  const [kind, setKind] = useState<Kind>((old?.kind as Kind | undefined) ?? "s3");
  const [wish, setWish] = useState(fieldsOf(old));
  const set = (change: Partial<Wish>) => setWish((old) => ({ ...old, ...change }));
  const field = (key: "identity" | "known_hosts" | "ca" | "limit", hint: Key) => (
    <TextInput
      label={t(`destinations.${key}`)}
      description={t(hint)}
      value={wish[key]}
      onChange={(e) => set({ [key]: e.currentTarget.value })}
    />
  );
  const secret = (key: "secret" | "read_token", label: Key) => (
    <SecretInput label={t(label)} kept={Boolean(old)} value={wish[key]} onChange={(value) => set({ [key]: value })} />
  );
  return (
    <EntryForm
      opened={opened}
      close={close}
      word="destination"
      old={old?.name}
      add={t("destinations.add")}
      added={(name) => [t("destinations.added", { name }), t("destinations.added.text")]}
      was={fieldsOf(old)}
      now={wish}
      need={{ url: "URL" }}
      send={(name, body) =>
        old
          ? take(http.PATCH("/api/v1/destinations/{name}", { params: { path: { name } }, body }))
          : take(http.POST("/api/v1/destinations", { body: { name, ...body } }))
      }
      reset={() => setWish(fieldsOf())}
    >
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <Select
          label={t("destinations.kind")}
          data={KINDS.map((value) => ({ value, label: t(`store.${value}`) }))}
          value={kind}
          onChange={(value) => setKind((value ?? "s3") as Kind)}
          allowDeselect={false}
          disabled={Boolean(old)}
        />
        {field("limit", "destinations.limitHint")}
      </SimpleGrid>
      <TextInput
        label={t(kind === "folder" ? "destinations.folder" : "destinations.url")}
        description={t(`store.${kind}.hint` as Key)}
        placeholder={EXAMPLES[kind]}
        value={wish.url}
        onChange={(e) => set({ url: e.currentTarget.value })}
        classNames={{ input: "mono" }}
        required
      />
      {kind === "s3" && (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TextInput
            label={t("destinations.access_key")}
            description={old && t("entry.unchanged")}
            value={wish.access_key}
            onChange={(e) => set({ access_key: e.currentTarget.value })}
          />
          {secret("secret", "destinations.secret_key")}
          <NumberInput
            label={t("destinations.lock_days")}
            description={t("destinations.lockHint")}
            value={wish.lock_days ?? ""}
            onChange={(value) => set({ lock_days: typeof value === "number" ? value : undefined })}
            min={1}
            hideControls
          />
        </SimpleGrid>
      )}
      {kind === "sftp" && (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          {field("identity", "destinations.identityHint")}
          {field("known_hosts", "destinations.knownHint")}
        </SimpleGrid>
      )}
      {kind === "webdav" && secret("secret", "login.password")}
      {kind === "receiver" && (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          {secret("secret", "destinations.token")}
          {secret("read_token", "destinations.read_token")}
        </SimpleGrid>
      )}
      {kind !== "folder" && kind !== "sftp" && field("ca", "destinations.caHint")}
    </EntryForm>
  );
}

function DestinationCard({ destination: d }: { destination: Destination }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const [editing, edit] = useDisclosure();
  // What a test said before an edit holds no more.
  const [edits, setEdits] = useState(0);
  const closed = () => {
    edit.close();
    setEdits(edits + 1);
  };
  return (
    <EntryCard
      name={d.name}
      word="destination"
      icon={<IconCloudUpload size={22} aria-hidden />}
      kind={t(`store.${d.kind}` as Key)}
      badges={d.waiting > 0 && <Badge color="yellow">{t("destinations.waiting", { count: d.waiting })}</Badge>}
      edit={edit.open}
      remove={() => take(http.DELETE("/api/v1/destinations/{name}", { params: { path: { name: d.name } } }))}
      title={t("destinations.delete", { name: d.name })}
      text={t("destinations.delete.text")}
      removed={t("destinations.deleted", { name: d.name })}
    >
      {editing && <DestinationForm opened close={closed} old={d} />}
      {d.error && (
        <Alert color="red" title={t("destinations.error")}>
          <Text size="sm" className="mono">
            <Said text={d.error} />
          </Text>
        </Alert>
      )}
      <Facts
        rows={[
          [t("destinations.url"), <span className="mono">{d.url}</span>],
          [t("nav.archives"), `${f.count(d.archives)} · ${f.size(d.bytes)}`],
          [t("destinations.last"), <When time={d.last} />],
          [t("nav.configurations"), d.schedules.join(", ") || t("destinations.unused")],
        ]}
      />
      {may.operate && (
        <Test
          key={edits}
          name={d.name}
          run={() => take(http.POST("/api/v1/destinations/{name}/test", { params: { path: { name: d.name } } }))}
        />
      )}
      <CommandLine
        line={command("destination", "test", d.name)}
        curl={curl("POST", `/api/v1/destinations/${d.name}/test`)}
      />
    </EntryCard>
  );
}

export function Destinations() {
  const { t } = useText();
  const may = useMay();
  const [adding, add] = useDisclosure();
  const destinations = useQuery({ ...queries.destinations(), refetchInterval: 15_000 });
  const button = may.admin && (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={add.open}>
      {t("destinations.add")}
    </Button>
  );
  return (
    <>
      <PageTitle title={t("nav.destinations")} text={t("destinations.text")}>
        {button}
      </PageTitle>
      <Loaded query={destinations}>
        {(list) =>
          list.length === 0 ? (
            <Empty text={t("destinations.empty")}>{button}</Empty>
          ) : (
            <SimpleGrid cols={{ base: 1, lg: 2 }}>
              {list.map((d) => (
                <DestinationCard key={d.name} destination={d} />
              ))}
            </SimpleGrid>
          )
        }
      </Loaded>
      <DestinationForm opened={adding} close={add.close} />
    </>
  );
}
