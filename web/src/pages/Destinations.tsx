import {
  Alert,
  Badge,
  Button,
  Card,
  Group,
  NumberInput,
  PasswordInput,
  Select,
  SimpleGrid,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconCloudUpload, IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take, type Destination } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Confirm, Empty, Facts, Loaded, PageTitle, useFormat, useToast, When } from "../components/basics";
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

function Add({ opened, close }: { opened: boolean; close: () => void }) {
  const { t } = useText();
  const toast = useToast();
  const [kind, setKind] = useState<Kind>("s3");
  const [wish, setWish] = useState(NOTHING);
  const set = (change: Partial<Wish>) => setWish((old) => ({ ...old, ...change }));
  const add = useAction(
    () => {
      const body = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== "" && value !== undefined));
      return take(http.POST("/api/v1/destinations", { body }));
    },
    (made) => {
      toast.success(t("destinations.added", { name: made.name }), t("destinations.added.text"));
      setWish(NOTHING);
      close();
    },
  );
  const field = (key: "access_key" | "identity" | "known_hosts" | "ca" | "limit", hint?: Key) => (
    <TextInput
      label={t(`destinations.${key}`)}
      description={hint && t(hint)}
      value={wish[key]}
      onChange={(e) => set({ [key]: e.currentTarget.value })}
    />
  );
  const secret = (key: "secret" | "read_token", label: Key) => (
    <PasswordInput
      label={t(label)}
      description={t("secret.kept")}
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
      title={t("destinations.add")}
      action={t("destinations.add")}
      busy={add.isPending}
      error={add.error}
      submit={() => add.mutate(undefined)}
    >
      <Select
        label={t("destinations.kind")}
        data={KINDS.map((value) => ({ value, label: t(`store.${value}`) }))}
        value={kind}
        onChange={(value) => setKind((value ?? "s3") as Kind)}
        allowDeselect={false}
      />
      <SimpleGrid cols={{ base: 1, sm: 2 }}>
        <TextInput
          label={t("form.name")}
          value={wish.name}
          onChange={(e) => set({ name: e.currentTarget.value })}
          data-autofocus
          required
        />
        {field("limit", "destinations.limitHint")}
      </SimpleGrid>
      <TextInput
        label={t(kind === "folder" ? "destinations.folder" : "destinations.url")}
        description={t(`store.${kind}.hint` as Key)}
        placeholder={EXAMPLES[kind]}
        value={wish.url}
        onChange={(e) => set({ url: e.currentTarget.value })}
        className="mono"
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
        line={command("destination", "add", wish.name || "NAME", "--url", wish.url || "URL")}
        note={t("cli.secrets")}
      />
    </FormModal>
  );
}

function DestinationCard({ destination: d }: { destination: Destination }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const toast = useToast();
  const [doomed, setDoomed] = useState(false);
  const remove = useAction(
    () => take(http.DELETE("/api/v1/destinations/{name}", { params: { path: { name: d.name } } })),
    () => {
      setDoomed(false);
      toast.success(t("destinations.deleted", { name: d.name }));
    },
  );
  return (
    <Card component="article" aria-label={d.name}>
      <Stack>
        <Group justify="space-between">
          <Group gap="sm">
            <IconCloudUpload size={22} aria-hidden />
            <Title order={2}>{d.name}</Title>
            <Badge color="gray">{t(`store.${d.kind}` as Key)}</Badge>
            {d.waiting > 0 && <Badge color="yellow">{t("destinations.waiting", { count: d.waiting })}</Badge>}
          </Group>
          {may.admin && (
            <Button
              size="sm"
              variant="subtle"
              color="red"
              leftSection={<IconTrash size={16} aria-hidden />}
              onClick={() => setDoomed(true)}
            >
              {t("action.delete")}
            </Button>
          )}
        </Group>
        {d.error && (
          <Alert color="red" title={t("destinations.error")}>
            <Text size="sm" lang="en" className="mono">
              {d.error}
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
      </Stack>
      <Confirm
        opened={doomed}
        title={t("destinations.delete", { name: d.name })}
        action={t("action.delete")}
        busy={remove.isPending}
        error={remove.error}
        close={() => setDoomed(false)}
        confirm={() => remove.mutate(undefined)}
      >
        <Text size="sm">{t("destinations.delete.text")}</Text>
        <CommandLine line={command("destination", "delete", d.name)} />
      </Confirm>
    </Card>
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
      <Add opened={adding} close={add.close} />
    </>
  );
}
