import { Said } from "../sentences";
import {
  Alert,
  Anchor,
  Button,
  Card,
  Code,
  Group,
  PasswordInput,
  PinInput,
  SegmentedControl,
  Stack,
  Text,
  Title,
  useMantineColorScheme,
  type MantineColorScheme,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Confirm, ErrorBox, Facts, Loaded, PageTitle, useToast, When } from "../components/basics";
import { useAction, useMay } from "../components/hooks";
import { LanguageSwitch } from "../components/Shell";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";

function Looks() {
  const { t } = useText();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  return (
    <Card component="section" aria-labelledby="looks">
      <Title order={2} id="looks" mb="md">
        {t("settings.looks")}
      </Title>
      <Group gap="xl">
        <div>
          <Text size="sm" mb={4}>
            {t("settings.language")}
          </Text>
          <LanguageSwitch />
        </div>
        <div>
          <Text size="sm" mb={4}>
            {t("settings.scheme")}
          </Text>
          <SegmentedControl
            aria-label={t("settings.scheme")}
            value={colorScheme}
            onChange={(value) => setColorScheme(value as MantineColorScheme)}
            data={(["auto", "light", "dark"] as const).map((value) => ({ value, label: t(`scheme.${value}`) }))}
          />
        </div>
      </Group>
    </Card>
  );
}

function Password() {
  const { t } = useText();
  const toast = useToast();
  const [present, setPresent] = useState("");
  const [next, setNext] = useState("");
  const change = useAction(
    () => take(http.PUT("/api/v1/session/password", { body: { present, new: next } })),
    () => {
      setPresent("");
      setNext("");
      toast.success(t("settings.passwordChanged"));
    },
  );
  return (
    <Card component="section" aria-labelledby="password">
      <Title order={2} id="password" mb="md">
        {t("settings.password")}
      </Title>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          change.mutate(undefined);
        }}
      >
        <Stack maw={420}>
          <PasswordInput
            label={t("settings.present")}
            value={present}
            onChange={(e) => setPresent(e.currentTarget.value)}
            autoComplete="current-password"
            visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
            required
          />
          <PasswordInput
            label={t("settings.new")}
            description={t("setup.passwordHint", { count: 12 })}
            value={next}
            onChange={(e) => setNext(e.currentTarget.value)}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
            required
          />
          {change.error && <ErrorBox error={change.error} />}
          <Group>
            <Button type="submit" loading={change.isPending}>
              {t("settings.change")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Card>
  );
}

function SecondFactor() {
  const { t } = useText();
  const toast = useToast();
  const [secret, setSecret] = useState<{ secret: string; url: string } | null>(null);
  const [code, setCode] = useState("");
  const begin = useAction(() => take(http.POST("/api/v1/session/second-factor")), setSecret);
  const finish = useAction(
    (given: string) =>
      take(http.PUT("/api/v1/session/second-factor", { body: { secret: secret?.secret ?? "", code: given } })),
    () => {
      setSecret(null);
      setCode("");
      toast.success(t("factor.on"));
    },
  );
  return (
    <Card component="section" aria-labelledby="factor">
      <Title order={2} id="factor">
        {t("factor.title")}
      </Title>
      <Text size="sm" c="dimmed" mb="md">
        {t("factor.text")}
      </Text>
      {secret === null ? (
        <Button variant="default" loading={begin.isPending} onClick={() => begin.mutate(undefined)}>
          {t("factor.begin")}
        </Button>
      ) : (
        <Stack>
          <Text size="sm">{t("factor.secret")}</Text>
          <Code block className="mono">
            {secret.secret}
          </Code>
          <Anchor href={secret.url} size="sm">
            {t("factor.open")}
          </Anchor>
          <div>
            <Text size="sm" fw={500} mb={4}>
              {t("factor.code")}
            </Text>
            <PinInput
              length={6}
              type="number"
              oneTimeCode
              aria-label={t("factor.code")}
              value={code}
              onChange={setCode}
              onComplete={(value) => finish.mutate(value)}
            />
          </div>
          {finish.error && <ErrorBox error={finish.error} />}
        </Stack>
      )}
    </Card>
  );
}

function Daemon() {
  const { t } = useText();
  const may = useMay();
  const toast = useToast();
  const status = useQuery(queries.status());
  const [stopping, setStopping] = useState(false);
  const reload = useAction(
    () => take(http.POST("/api/v1/system/reload")),
    () => toast.success(t("daemon.reloaded")),
  );
  const stop = useAction(
    () => take(http.POST("/api/v1/system/stop", { body: { now: false } })),
    () => {
      setStopping(false);
      toast.info(t("daemon.stopped"));
    },
  );
  return (
    <Card component="section" aria-labelledby="daemon">
      <Title order={2} id="daemon" mb="md">
        {t("daemon.title")}
      </Title>
      <Loaded query={status}>
        {(s) => (
          <Stack>
            {s.config_error && (
              <Alert color="red" title={t("verdict.config")}>
                <Text size="sm" className="mono">
                  <Said text={s.config_error} />
                </Text>
              </Alert>
            )}
            <Facts
              rows={[
                [t("daemon.version"), s.version],
                [t("field.host"), s.host],
                [t("daemon.home"), <span className="mono">{s.home}</span>],
                [t("field.timezone"), s.timezone],
                [t("daemon.since"), <When time={s.started} />],
                [t("daemon.address"), s.web],
                [t("daemon.receiver"), s.receiver ?? t("daemon.noReceiver")],
                [t("daemon.roots"), <span className="mono">{s.restore_roots?.join(", ")}</span>],
              ]}
            />
            <Text size="sm" c="dimmed">
              {t("daemon.file")}
            </Text>
            <Group>
              <Anchor href="/api/docs" size="sm">
                {t("daemon.api")}
              </Anchor>
              {may.admin && (
                <>
                  <Button variant="default" loading={reload.isPending} onClick={() => reload.mutate(undefined)}>
                    {t("daemon.reload")}
                  </Button>
                  <Button variant="light" color="red" onClick={() => setStopping(true)}>
                    {t("daemon.stop")}
                  </Button>
                </>
              )}
            </Group>
            <CommandLine line={command("status")} curl={curl("GET", "/api/v1/system")} />
          </Stack>
        )}
      </Loaded>
      <Confirm
        opened={stopping}
        title={t("daemon.stop")}
        action={t("daemon.stop")}
        busy={stop.isPending}
        error={stop.error}
        close={() => setStopping(false)}
        confirm={() => stop.mutate(undefined)}
      >
        <Text size="sm">{t("daemon.stop.text")}</Text>
      </Confirm>
    </Card>
  );
}

export function Settings() {
  const { t } = useText();
  const session = useQuery(queries.session()).data;
  return (
    <>
      <PageTitle title={t("nav.settings")} />
      <Stack gap="lg">
        <Looks />
        {session?.actor?.startsWith("user:") && (
          <>
            <Password />
            <SecondFactor />
          </>
        )}
        <Daemon />
      </Stack>
    </>
  );
}
