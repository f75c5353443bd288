import {
  ActionIcon,
  Alert,
  Badge,
  Button,
  Card,
  Code,
  Group,
  Modal,
  PasswordInput,
  Select,
  Stack,
  Table,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconKey, IconPlus, IconTrash } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Confirm, Copy, Empty, Loaded, PageTitle, useToast, When, Wide } from "../components/basics";
import { FormModal } from "../components/FormModal";
import { useAction } from "../components/hooks";
import { useText, type Key } from "../i18n";
import { command, curl } from "../lib/cli";

const ROLES = ["viewer", "operator", "admin"] as const;
const SCOPES = ["read", "operate", "admin", "upload"] as const;

function NewUser({ opened, close }: { opened: boolean; close: () => void }) {
  const { t } = useText();
  const toast = useToast();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<string>("viewer");
  const add = useAction(
    () => take(http.POST("/api/v1/users", { body: { name, password, role } })),
    (user) => {
      toast.success(t("users.added", { name: user.name }));
      setName("");
      setPassword("");
      close();
    },
  );
  return (
    <FormModal
      opened={opened}
      close={close}
      title={t("users.add")}
      action={t("users.add")}
      busy={add.isPending}
      error={add.error}
      submit={() => add.mutate(undefined)}
    >
      <TextInput
        label={t("login.name")}
        value={name}
        onChange={(e) => setName(e.currentTarget.value)}
        autoComplete="off"
        data-autofocus
        required
      />
      <PasswordInput
        label={t("login.password")}
        description={t("setup.passwordHint", { count: 12 })}
        value={password}
        onChange={(e) => setPassword(e.currentTarget.value)}
        autoComplete="new-password"
        visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
        required
      />
      <Select
        label={t("users.role")}
        description={t(`users.role.${role}` as Key)}
        data={ROLES.map((value) => ({ value, label: t(`role.${value}`) }))}
        value={role}
        onChange={(value) => setRole(value ?? "viewer")}
        allowDeselect={false}
      />
      <CommandLine line={command("user", "add", name || "NAME", "--role", role)} />
    </FormModal>
  );
}

function Users() {
  const { t } = useText();
  const toast = useToast();
  const [adding, add] = useDisclosure();
  const [doomed, setDoomed] = useState<string | null>(null);
  const [renew, setRenew] = useState<string | null>(null);
  const [password, setPassword] = useState("");
  const users = useQuery(queries.users());
  const remove = useAction(
    (name: string) => take(http.DELETE("/api/v1/users/{name}", { params: { path: { name } } })),
    () => {
      setDoomed(null);
      toast.success(t("users.deleted"));
    },
  );
  const give = useAction(
    (name: string) =>
      take(http.PUT("/api/v1/users/{name}/password", { params: { path: { name } }, body: { password } })),
    () => {
      setRenew(null);
      setPassword("");
      toast.success(t("users.passwordSet"));
    },
  );
  const drop = useAction(
    (name: string) => take(http.DELETE("/api/v1/users/{name}/second-factor", { params: { path: { name } } })),
    () => toast.success(t("users.factorDropped")),
  );
  return (
    <Card component="section" aria-labelledby="users">
      <Group justify="space-between" mb="sm">
        <Title order={2} id="users">
          {t("users.title")}
        </Title>
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={add.open}>
          {t("users.add")}
        </Button>
      </Group>
      <Loaded query={users}>
        {(list) => (
          <Wide label={t("users.title")}>
            <Table verticalSpacing="xs">
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t("login.name")}</Table.Th>
                  <Table.Th>{t("users.role")}</Table.Th>
                  <Table.Th>{t("users.factor")}</Table.Th>
                  <Table.Th>{t("users.lastSeen")}</Table.Th>
                  <Table.Th>
                    <span className="unseen">{t("field.actions")}</span>
                  </Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {list.map((user) => (
                  <Table.Tr key={user.name}>
                    <Table.Td>{user.name}</Table.Td>
                    <Table.Td>
                      <Badge>{t(`role.${user.role}` as Key)}</Badge>
                    </Table.Td>
                    <Table.Td>{user.second_factor ? t("common.yes") : t("common.no")}</Table.Td>
                    <Table.Td>
                      <When time={user.last_seen} />
                    </Table.Td>
                    <Table.Td>
                      <Group gap={4} justify="flex-end" wrap="nowrap">
                        {user.second_factor && (
                          <Button size="compact-sm" variant="subtle" onClick={() => drop.mutate(user.name)}>
                            {t("users.dropFactor")}
                          </Button>
                        )}
                        <Button
                          size="compact-sm"
                          variant="subtle"
                          leftSection={<IconKey size={15} aria-hidden />}
                          onClick={() => setRenew(user.name)}
                        >
                          {t("users.newPassword")}
                        </Button>
                        <ActionIcon
                          variant="subtle"
                          color="red"
                          size="lg"
                          aria-label={t("action.deleteOf", { name: user.name })}
                          onClick={() => setDoomed(user.name)}
                        >
                          <IconTrash size={17} />
                        </ActionIcon>
                      </Group>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Wide>
        )}
      </Loaded>
      <CommandLine line={command("user", "list")} curl={curl("GET", "/api/v1/users")} />
      <NewUser opened={adding} close={add.close} />
      <FormModal
        opened={renew !== null}
        close={() => setRenew(null)}
        title={t("users.newPasswordOf", { name: renew ?? "" })}
        action={t("users.newPassword")}
        busy={give.isPending}
        error={give.error}
        submit={() => give.mutate(renew ?? "")}
        size="md"
      >
        <PasswordInput
          label={t("login.password")}
          description={t("setup.passwordHint", { count: 12 })}
          value={password}
          onChange={(e) => setPassword(e.currentTarget.value)}
          autoComplete="new-password"
          visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
          data-autofocus
          required
        />
        <CommandLine line={command("user", "passwd", renew)} />
      </FormModal>
      <Confirm
        opened={doomed !== null}
        title={t("users.delete", { name: doomed ?? "" })}
        action={t("action.delete")}
        busy={remove.isPending}
        error={remove.error}
        close={() => setDoomed(null)}
        confirm={() => remove.mutate(doomed ?? "")}
      >
        <Text size="sm">{t("users.delete.text")}</Text>
        <CommandLine line={command("user", "delete", doomed)} />
      </Confirm>
    </Card>
  );
}

const SPANS = [
  ["30", 30 * 86_400],
  ["90", 90 * 86_400],
  ["365", 365 * 86_400],
] as const;

function Tokens() {
  const { t } = useText();
  const toast = useToast();
  const [adding, add] = useDisclosure();
  const [name, setName] = useState("");
  const [scope, setScope] = useState<string>("read");
  const [machine, setMachine] = useState("");
  const [span, setSpan] = useState<string | null>("90");
  const [secret, setSecret] = useState<string | null>(null);
  const [doomed, setDoomed] = useState<string | null>(null);
  const tokens = useQuery(queries.tokens());
  const seconds = SPANS.find(([days]) => days === span)?.[1];
  const make = useAction(
    () => take(http.POST("/api/v1/tokens", { body: { name, scope, seconds, machine: machine || undefined } })),
    (made) => {
      add.close();
      setName("");
      setSecret(made.token);
    },
  );
  const revoke = useAction(
    (token: string) => take(http.DELETE("/api/v1/tokens/{name}", { params: { path: { name: token } } })),
    () => {
      setDoomed(null);
      toast.success(t("tokens.revoked"));
    },
  );
  return (
    <Card component="section" aria-labelledby="tokens">
      <Group justify="space-between">
        <Title order={2} id="tokens">
          {t("tokens.title")}
        </Title>
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={add.open}>
          {t("tokens.add")}
        </Button>
      </Group>
      <Text size="sm" c="dimmed" mb="sm">
        {t("tokens.text")}
      </Text>
      <Loaded query={tokens}>
        {(list) =>
          list.length === 0 ? (
            <Empty text={t("tokens.empty")} />
          ) : (
            <Wide label={t("tokens.title")}>
              <Table verticalSpacing="xs">
                <Table.Thead>
                  <Table.Tr>
                    <Table.Th>{t("field.name")}</Table.Th>
                    <Table.Th>{t("tokens.scope")}</Table.Th>
                    <Table.Th>{t("tokens.expires")}</Table.Th>
                    <Table.Th>{t("tokens.lastUsed")}</Table.Th>
                    <Table.Th>
                      <span className="unseen">{t("field.actions")}</span>
                    </Table.Th>
                  </Table.Tr>
                </Table.Thead>
                <Table.Tbody>
                  {list.map((token) => (
                    <Table.Tr key={token.id}>
                      <Table.Td>
                        {token.name}
                        {token.machine && (
                          <Text size="xs" c="dimmed">
                            {t("tokens.of", { machine: token.machine })}
                          </Text>
                        )}
                      </Table.Td>
                      <Table.Td>
                        <Badge>{t(`scope.${token.scope}` as Key)}</Badge>
                      </Table.Td>
                      <Table.Td>
                        {token.expired ? (
                          <Badge color="red">{t("tokens.expired")}</Badge>
                        ) : token.expires ? (
                          <When time={token.expires} />
                        ) : (
                          t("common.never")
                        )}
                      </Table.Td>
                      <Table.Td>
                        <When time={token.last_used} />
                      </Table.Td>
                      <Table.Td ta="right">
                        <Button size="compact-sm" variant="subtle" color="red" onClick={() => setDoomed(token.name)}>
                          {t("tokens.revoke")}
                        </Button>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Table>
            </Wide>
          )
        }
      </Loaded>
      <FormModal
        opened={adding}
        close={add.close}
        title={t("tokens.add")}
        action={t("tokens.add")}
        busy={make.isPending}
        error={make.error}
        submit={() => make.mutate(undefined)}
      >
        <TextInput
          label={t("field.name")}
          description={t("tokens.nameHint")}
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
          data-autofocus
          required
        />
        <Select
          label={t("tokens.scope")}
          description={t(`tokens.scope.${scope}` as Key)}
          data={SCOPES.map((value) => ({ value, label: t(`scope.${value}`) }))}
          value={scope}
          onChange={(value) => setScope(value ?? "read")}
          allowDeselect={false}
        />
        <TextInput
          label={t("tokens.machine")}
          description={t("tokens.machineHint")}
          value={machine}
          onChange={(e) => setMachine(e.currentTarget.value)}
        />
        <Select
          label={t("tokens.expires")}
          placeholder={t("common.never")}
          data={SPANS.map(([days]) => ({ value: days, label: t("stats.days", { count: Number(days) }) }))}
          value={span}
          onChange={setSpan}
          clearable
          clearButtonProps={{ "aria-label": t("common.clear") }}
        />
        <CommandLine
          line={command("token", "create", name || "NAME", "--scope", scope, span && "--expires", span && `${span}d`)}
        />
      </FormModal>
      <Modal
        opened={secret !== null}
        onClose={() => setSecret(null)}
        title={t("tokens.made")}
        closeOnClickOutside={false}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        <Stack>
          <Alert color="yellow">{t("tokens.once")}</Alert>
          <Code block className="mono">
            {secret}
          </Code>
          <Group justify="flex-end">
            <Copy text={secret ?? ""} />
            <Button onClick={() => setSecret(null)}>{t("tokens.kept")}</Button>
          </Group>
        </Stack>
      </Modal>
      <Confirm
        opened={doomed !== null}
        title={t("tokens.revokeOf", { name: doomed ?? "" })}
        action={t("tokens.revoke")}
        busy={revoke.isPending}
        error={revoke.error}
        close={() => setDoomed(null)}
        confirm={() => revoke.mutate(doomed ?? "")}
      >
        <Text size="sm">{t("tokens.revoke.text")}</Text>
        <CommandLine line={command("token", "revoke", doomed)} />
      </Confirm>
    </Card>
  );
}

export function Access() {
  const { t } = useText();
  return (
    <>
      <PageTitle title={t("nav.access")} text={t("access.text")} />
      <Stack gap="lg">
        <Users />
        <Tokens />
      </Stack>
    </>
  );
}
