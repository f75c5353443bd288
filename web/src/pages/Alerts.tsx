import {
  Badge,
  Button,
  Card,
  Checkbox,
  Group,
  MultiSelect,
  PasswordInput,
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
import { IconBell, IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { http, take, type Notifier } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Confirm, Empty, Facts, Loaded, PageTitle, useToast, When, Wide } from "../components/basics";
import { FormModal } from "../components/FormModal";
import { useAction, useMay } from "../components/hooks";
import { Link } from "../components/Link";
import { Paging } from "../components/Paging";
import { Test } from "../components/Test";
import { useText, type Key } from "../i18n";
import { command, curl } from "../lib/cli";

const SIZE = 25;
const CONDITIONS = ["failure", "warning", "recovery", "success", "missed", "stale", "disk"] as const;
const FORMS = ["json", "slack", "discord", "teams", "ntfy", "gotify", "healthchecks"] as const;

function Add({ opened, close }: { opened: boolean; close: () => void }) {
  const { t, language } = useText();
  const toast = useToast();
  const [way, setWay] = useState<"email" | "webhook">("email");
  const [name, setName] = useState("");
  const [to, setTo] = useState<string[]>([]);
  const [smtp, setSmtp] = useState("");
  const [from, setFrom] = useState("");
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [url, setUrl] = useState("");
  const [form, setForm] = useState<string>("json");
  const [token, setToken] = useState("");
  const [isPrivate, setPrivate] = useState(false);
  const [on, setOn] = useState<string[]>(["failure", "recovery", "missed", "stale", "disk"]);
  const given = (text: string) => text || undefined;
  const body =
    way === "email"
      ? { name, on, language, to, smtp: given(smtp), from: given(from), user: given(user), password: given(password) }
      : { name, on, language, url: given(url), form, token: given(token), allow_private: isPrivate };
  const add = useAction(
    () => take(http.POST("/api/v1/notifiers", { body })),
    (made) => {
      toast.success(t("alerts.added", { name: made.name }), t("alerts.added.text"));
      setName("");
      setPassword("");
      setToken("");
      close();
    },
  );
  return (
    <FormModal
      opened={opened}
      close={close}
      title={t("alerts.add")}
      action={t("alerts.add")}
      busy={add.isPending}
      error={add.error}
      submit={() => add.mutate(undefined)}
    >
      <SegmentedControl
        aria-label={t("alerts.way")}
        value={way}
        onChange={(value) => setWay(value as typeof way)}
        data={[
          { value: "email", label: t("alerts.email") },
          { value: "webhook", label: t("alerts.webhook") },
        ]}
      />
      <TextInput
        label={t("form.name")}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        data-autofocus
        required
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
          <PasswordInput
            label={t("login.password")}
            description={t("secret.kept")}
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
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
            placeholder="https://…"
            value={url}
            onChange={(e) => setUrl(e.currentTarget.value)}
            required
          />
          <PasswordInput
            label={t("alerts.token")}
            description={t("secret.kept")}
            value={token}
            onChange={(e) => setToken(e.currentTarget.value)}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
          />
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
        data={CONDITIONS.map((value) => ({ value, label: t(`condition.${value}`) }))}
        value={on}
        onChange={setOn}
        clearButtonProps={{ "aria-label": t("common.clear") }}
      />
      <CommandLine
        line={
          way === "email"
            ? command(
                "notifier",
                "add",
                name || "NAME",
                ...to.flatMap((x) => ["--email", x]),
                "--smtp",
                smtp || "SERVER",
              )
            : command("notifier", "add", name || "NAME", "--webhook", url || "URL", "--form", form)
        }
        note={t("cli.secrets")}
      />
    </FormModal>
  );
}

function NotifierCard({ notifier: n }: { notifier: Notifier }) {
  const { t } = useText();
  const may = useMay();
  const toast = useToast();
  const [doomed, setDoomed] = useState(false);
  const remove = useAction(
    () => take(http.DELETE("/api/v1/notifiers/{name}", { params: { path: { name: n.name } } })),
    () => {
      setDoomed(false);
      toast.success(t("alerts.deleted", { name: n.name }));
    },
  );
  return (
    <Card component="article" aria-label={n.name}>
      <Stack>
        <Group justify="space-between">
          <Group gap="sm">
            <IconBell size={20} aria-hidden />
            <Title order={3}>{n.name}</Title>
            <Badge color="gray">{n.kind}</Badge>
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
        <Facts
          rows={[
            [t("alerts.target"), n.target],
            [t("alerts.on"), n.on.map((c) => t(`condition.${c}` as Key)).join(", ")],
            [t("alerts.lastSent"), <When time={n.last_sent} />],
            [t("alerts.waiting"), n.waiting > 0 ? String(n.waiting) : null],
            [t("alerts.error"), n.error && <span lang="en">{n.error}</span>],
          ]}
        />
        {may.operate && (
          <Test
            name={n.name}
            label={t("alerts.test")}
            run={() => take(http.POST("/api/v1/notifiers/{name}/test", { params: { path: { name: n.name } } }))}
          />
        )}
        <CommandLine
          line={command("notifier", "test", n.name)}
          curl={curl("POST", `/api/v1/notifiers/${n.name}/test`)}
        />
      </Stack>
      <Confirm
        opened={doomed}
        title={t("alerts.delete", { name: n.name })}
        action={t("action.delete")}
        busy={remove.isPending}
        error={remove.error}
        close={() => setDoomed(false)}
        confirm={() => remove.mutate(undefined)}
      >
        <Text size="sm">{t("alerts.delete.text")}</Text>
        <CommandLine line={command("notifier", "delete", n.name)} />
      </Confirm>
    </Card>
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
                                <Text size="sm" lang="en">
                                  {a.text}
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
      <Add opened={adding} close={add.close} />
    </>
  );
}
