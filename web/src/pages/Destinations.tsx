import { Said } from "../sentences";
import { Alert, Badge, Button, NumberInput, PasswordInput, Select, SimpleGrid, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCloudUpload, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take, type Destination } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Empty, Facts, Loaded, PageTitle, useFormat, useToast, When } from "../components/basics";
import { EntryCard } from "../components/EntryCard";
import { FormModal } from "../components/FormModal";
import { useAction, useMay } from "../components/hooks";
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

interface Wish {
  name: string;
  url: string;
  access_key: string;
  secret: string;
  read_token: string;
  identity: string;
  known_hosts: string;
  ca: string;
  limit: string;
  lock_days: number | undefined;
}

const NOTHING: Wish = {
  name: "",
  url: "",
  access_key: "",
  secret: "",
  read_token: "",
  identity: "",
  known_hosts: "",
  ca: "",
  limit: "",
  lock_days: undefined,
};

/** Adds a destination, or changes one; what is left empty then stays as it is. */
function DestinationForm({ opened, close, old }: { opened: boolean; close: () => void; old?: Destination }) {
  const { t } = useText();
  const toast = useToast();
  const [kind, setKind] = useState<Kind>((old?.kind as Kind | undefined) ?? "s3");
  const [wish, setWish] = useState(old ? { ...NOTHING, name: old.name, url: old.url } : NOTHING);
  const set = (change: Partial<Wish>) => setWish((old) => ({ ...old, ...change }));
  const save = useAction(
    () => {
      const given = Object.entries(wish).filter(([, value]) => value !== "" && value !== undefined);
      const body = Object.fromEntries(given.filter(([key, value]) => !old || (key !== "name" && value !== old.url)));
      return old
        ? take(http.PATCH("/api/v1/destinations/{name}", { params: { path: { name: old.name } }, body }))
        : take(http.POST("/api/v1/destinations", { body }));
    },
    (made) => {
      if (old) toast.success(t("entry.changed", { name: made.name }));
      else {
        toast.success(t("destinations.added", { name: made.name }), t("destinations.added.text"));
        setWish(NOTHING);
      }
      close();
    },
  );
  const field = (key: "access_key" | "identity" | "known_hosts" | "ca" | "limit", hint?: Key) => (
    <TextInput
      label={t(`destinations.${key}`)}
      description={old ? t("entry.unchanged") : hint && t(hint)}
      value={wish[key]}
      onChange={(e) => set({ [key]: e.currentTarget.value })}
    />
  );
  const secret = (key: "secret" | "read_token", label: Key) => (
    <PasswordInput
      label={t(label)}
      description={t(old ? "entry.unchanged" : "secret.kept")}
      value={wish[key]}
      onChange={(e) => set({ [key]: e.currentTarget.value })}
      autoComplete="new-password"
      visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
    />
  );
  return (
    <FormModal
      opened={opened}
      close={close}
      title={old ? t("entry.edit", { name: old.name }) : t("destinations.add")}
      action={t(old ? "form.save" : "destinations.add")}
      busy={save.isPending}
      error={save.error}
      submit={() => save.mutate(undefined)}
    >
      <Select
        label={t("destinations.kind")}
        data={KINDS.map((value) => ({ value, label: t(`store.${value}`) }))}
        value={kind}
        onChange={(value) => setKind((value ?? "s3") as Kind)}
        allowDeselect={false}
        disabled={Boolean(old)}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        {!old && (
          <TextInput
            label={t("form.name")}
            value={wish.name}
            onChange={(e) => set({ name: e.currentTarget.value })}
            data-autofocus
            required
          />
        )}
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
          {field("access_key")}
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
      <CommandLine
        line={command("destination", old ? "edit" : "add", wish.name || "NAME", "--url", wish.url || "URL")}
        note={t("cli.secrets")}
      />
    </FormModal>
  );
}

function DestinationCard({ destination: d }: { destination: Destination }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const [editing, edit] = useDisclosure();
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
      {editing && <DestinationForm opened close={edit.close} old={d} />}
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
