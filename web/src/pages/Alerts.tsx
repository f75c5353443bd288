import { Said } from "../sentences";
import {
  Badge,
  Button,
  Card,
  Checkbox,
  MultiSelect,
  SegmentedControl,
  Select,
  SimpleGrid,
  Stack,
  Table,
  TagsInput,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconBell, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { http, take, type Notifier } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Empty, Facts, Loaded, PageTitle, When, Wide } from "../components/basics";
import { EntryCard } from "../components/EntryCard";
import { EntryForm } from "../components/EntryForm";
import { useMay } from "../components/hooks";
import { Link } from "../components/Link";
import { Paging } from "../components/Paging";
import { SecretInput } from "../components/SecretInput";
import { Test } from "../components/Test";
import { useText, type Key } from "../i18n";
import { command, curl } from "../lib/cli";

const SIZE = 25;
const CONDITIONS = ["failure", "warning", "recovery", "success", "missed", "stale", "disk"] as const;
const USUAL = ["failure", "recovery", "missed", "stale", "disk"];
const FORMS = ["json", "slack", "discord", "teams", "ntfy", "gotify", "healthchecks"] as const;

/** Adds a notifier, or changes one; secrets that are left empty then stay as they are. */
function NotifierForm({ opened, close, old }: { opened: boolean; close: () => void; old?: Notifier }) {
  const { t, language } = useText();
  const [way, setWay] = useState<"email" | "webhook">(old && old.kind !== "email" ? "webhook" : "email");
  const [to, setTo] = useState<string[]>(old?.to ?? []);
  const [smtp, setSmtp] = useState(old?.smtp ?? "");
  const [from, setFrom] = useState(old?.from ?? "");
  const [user, setUser] = useState(old?.user ?? "");
  const [password, setPassword] = useState("");
  const [url, setUrl] = useState("");
  const [form, setForm] = useState<string>(old && old.kind !== "email" ? old.kind : "json");
  const [token, setToken] = useState("");
  const [isPrivate, setPrivate] = useState(old?.allow_private ?? false);
  const [on, setOn] = useState<string[]>(old?.on ?? USUAL);
  const before = {
    on: old?.on,
    to: old?.to,
    smtp: old?.smtp ?? "",
    from: old?.from ?? "",
    user: old?.user ?? "",
    // Without a user the password goes too.
    password: old?.user && !user ? "kept" : "",
    form: old?.kind,
    allow_private: old?.allow_private ?? false,
  };
  const now =
    way === "email"
      ? { to, smtp, from, user, password, on }
      : { form, url, token, allow_private: isPrivate || (old ? false : undefined), on };
  return (
    <EntryForm
      opened={opened}
      close={close}
      word="notifier"
      old={old?.name}
      add={t("alerts.add")}
      added={(name) => [t("alerts.added", { name }), t("alerts.added.text")]}
      was={before}
      now={now}
      need={way === "email" ? { to: ["ADDRESS"], smtp: "SERVER" } : { url: "URL" }}
      send={(name, body) =>
        old
          ? take(http.PATCH("/api/v1/notifiers/{name}", { params: { path: { name } }, body }))
          : take(http.POST("/api/v1/notifiers", { body: { name, language, ...body } }))
      }
      reset={() => {
        setUrl("");
        setPassword("");
        setToken("");
      }}
    >
      <SegmentedControl
        disabled={Boolean(old)}
        aria-label={t("alerts.way")}
        value={way}
        onChange={(value) => setWay(value as typeof way)}
        data={[
          { value: "email", label: t("alerts.email") },
          { value: "webhook", label: t("alerts.webhook") },
        ]}
      />
      {way === "email" ? (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <TagsInput label={t("alerts.to")} value={to} onChange={setTo} acceptValueOnBlur required />
          <TextInput label={t("alerts.from")} value={from} onChange={(e) => setFrom(e.currentTarget.value)} />
          <TextInput
            label={t("alerts.smtp")}
            description={t("alerts.smtpHint")}
            placeholder="smtps://mail.example.org"
            value={smtp}
            onChange={(e) => setSmtp(e.currentTarget.value)}
            required
          />
          <TextInput
            label={t("alerts.user")}
            description={t("alerts.userHint")}
            value={user}
            onChange={(e) => setUser(e.currentTarget.value)}
          />
          <SecretInput
            label={t("login.password")}
            kept={Boolean(old?.user && user)}
            value={password}
            onChange={setPassword}
          />
        </SimpleGrid>
      ) : (
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Select
            label={t("alerts.form")}
            data={FORMS.map((value) => ({ value, label: value === "json" ? "JSON" : value }))}
            value={form}
            onChange={(value) => setForm(value ?? "json")}
            allowDeselect={false}
          />
          <TextInput
            label={t("alerts.url")}
            description={old && t("entry.unchanged")}
            placeholder="https://…"
            value={url}
            onChange={(e) => setUrl(e.currentTarget.value)}
            required={!old}
          />
          <SecretInput label={t("alerts.token")} kept={Boolean(old)} value={token} onChange={setToken} />
          <Checkbox
            mt="xl"
            label={t("alerts.private")}
            checked={isPrivate}
            onChange={(e) => setPrivate(e.currentTarget.checked)}
          />
        </SimpleGrid>
      )}
      <MultiSelect
        label={t("alerts.on")}
        description={t("alerts.onHint")}
        data={CONDITIONS.map((value) => ({ value, label: t(`condition.${value}`) }))}
        value={on}
        onChange={setOn}
        clearButtonProps={{ "aria-label": t("common.clear") }}
      />
    </EntryForm>
  );
}

function NotifierCard({ notifier: n }: { notifier: Notifier }) {
  const { t } = useText();
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
      name={n.name}
      word="notifier"
      icon={<IconBell size={20} aria-hidden />}
      kind={n.kind}
      edit={edit.open}
      remove={() => take(http.DELETE("/api/v1/notifiers/{name}", { params: { path: { name: n.name } } }))}
      title={t("alerts.delete", { name: n.name })}
      text={t("alerts.delete.text")}
      removed={t("alerts.deleted", { name: n.name })}
    >
      {editing && <NotifierForm opened close={closed} old={n} />}
      <Facts
        rows={[
          [t("alerts.target"), n.target],
          [t("alerts.on"), n.on.map((c) => t(`condition.${c}` as Key)).join(", ")],
          [t("alerts.lastSent"), <When time={n.last_sent} />],
          [t("alerts.waiting"), n.waiting > 0 ? String(n.waiting) : null],
          [t("alerts.error"), n.error && <Said text={n.error} />],
        ]}
      />
      {may.operate && (
        <Test
          key={edits}
          name={n.name}
          label={t("alerts.test")}
          run={() => take(http.POST("/api/v1/notifiers/{name}/test", { params: { path: { name: n.name } } }))}
        />
      )}
      <CommandLine line={command("notifier", "test", n.name)} curl={curl("POST", `/api/v1/notifiers/${n.name}/test`)} />
    </EntryCard>
  );
}

export function Alerts() {
  const { t, maybe } = useText();
  const may = useMay();
  const navigate = useNavigate({ from: "/alerts" });
  const { page = 1 } = useSearch({ from: "/inside/alerts" });
  const [adding, add] = useDisclosure();
  const notifiers = useQuery(queries.notifiers());
  const alerts = useQuery({ ...queries.alerts((page - 1) * SIZE, SIZE), refetchInterval: 15_000 });
  const button = may.admin && (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={add.open}>
      {t("alerts.add")}
    </Button>
  );
  return (
    <>
      <PageTitle title={t("nav.alerts")} text={t("alerts.text")}>
        {button}
      </PageTitle>
      <Stack gap="lg">
        <section aria-labelledby="ways">
          <Title order={2} id="ways" mb="sm">
            {t("alerts.ways")}
          </Title>
          <Loaded query={notifiers}>
            {(list) =>
              list.length === 0 ? (
                <Empty text={t("alerts.noWays")}>{button}</Empty>
              ) : (
                <SimpleGrid cols={{ base: 1, lg: 2 }}>
                  {list.map((n) => (
                    <NotifierCard key={n.name} notifier={n} />
                  ))}
                </SimpleGrid>
              )
            }
          </Loaded>
        </section>
        <section aria-labelledby="told">
          <Title order={2} id="told" mb="sm">
            {t("alerts.told")}
          </Title>
          <Loaded query={alerts}>
            {(data) =>
              data.total === 0 ? (
                <Empty text={t("alerts.none")} />
              ) : (
                <Stack>
                  <Card padding="xs">
                    <Wide label={t("alerts.told")}>
                      <Table verticalSpacing="xs">
                        <Table.Thead>
                          <Table.Tr>
                            <Table.Th>{t("field.time")}</Table.Th>
                            <Table.Th>{t("field.what")}</Table.Th>
                            <Table.Th>{t("field.configuration")}</Table.Th>
                            <Table.Th>{t("field.text")}</Table.Th>
                          </Table.Tr>
                        </Table.Thead>
                        <Table.Tbody>
                          {data.items.map((a) => (
                            <Table.Tr key={a.id}>
                              <Table.Td style={{ whiteSpace: "nowrap" }}>
                                <When time={a.at} />
                              </Table.Td>
                              <Table.Td>
                                <Badge
                                  color={
                                    ["recovery", "success"].includes(a.kind)
                                      ? "green"
                                      : a.kind === "warning"
                                        ? "yellow"
                                        : "red"
                                  }
                                >
                                  {maybe(`condition.${a.kind}`, a.kind)}
                                </Badge>
                              </Table.Td>
                              <Table.Td>
                                {a.run ? (
                                  <Link to="/runs/$id" params={{ id: a.run }}>
                                    {a.name}
                                  </Link>
                                ) : (
                                  a.name
                                )}
                              </Table.Td>
                              <Table.Td>
                                <Text size="sm">
                                  <Said text={a.text} />
                                </Text>
                              </Table.Td>
                            </Table.Tr>
                          ))}
                        </Table.Tbody>
                      </Table>
                    </Wide>
                  </Card>
                  <Paging
                    total={data.total}
                    size={SIZE}
                    page={page}
                    go={(to) => void navigate({ search: { page: to > 1 ? to : undefined } })}
                  />
                </Stack>
              )
            }
          </Loaded>
        </section>
        <CommandLine line={command("alerts")} curl={curl("GET", "/api/v1/alerts")} />
      </Stack>
      <NotifierForm opened={adding} close={add.close} />
    </>
  );
}
