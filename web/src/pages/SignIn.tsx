import {
  Alert,
  Box,
  Button,
  Card,
  Center,
  Group,
  PasswordInput,
  PinInput,
  Stack,
  Text,
  TextInput,
  Title,
} from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useState, type ReactNode } from "react";
import { ApiError, http, take } from "../api/client";
import { ErrorBox } from "../components/basics";
import { LanguageSwitch, Logo, SchemeSwitch } from "../components/Shell";
import { useText } from "../i18n";

/** The frame of the pages before one is signed in. */
export function Door({ title, text, children }: { title: string; text?: ReactNode; children: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · backupd`;
  }, [title]);
  return (
    <Box mih="100vh" component="main">
      <Group justify="space-between" p="md">
        <Logo />
        <Group gap="xs">
          <LanguageSwitch />
          <SchemeSwitch />
        </Group>
      </Group>
      <Center p="md" pt="xl">
        <Card w="100%" maw={460} padding="xl">
          <Stack>
            <Title order={1}>{title}</Title>
            {text && <Text c="dimmed">{text}</Text>}
            {children}
          </Stack>
        </Card>
      </Center>
    </Box>
  );
}

export function SignIn() {
  const { t } = useText();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { next, ended } = useSearch({ from: "/login" });
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const signIn = useMutation({
    mutationFn: (given?: string) =>
      take(http.POST("/api/v1/session", { body: { name, password, code: given || code || undefined } })),
    onSuccess: async (session) => {
      client.clear();
      client.setQueryData(["session"], session);
      // Only a path of this page: an address from elsewhere is not followed.
      if (next && /^\/(?![/\\])/.test(next)) await navigate({ href: next });
      else await navigate({ to: "/" });
    },
  });
  const needsCode = signIn.error instanceof ApiError && signIn.error.code === "code_needed";
  const [asksCode, setAsksCode] = useState(false);
  useEffect(() => {
    if (needsCode) setAsksCode(true);
  }, [needsCode]);
  return (
    <Door title={t("login.title")}>
      {ended && <Alert color="yellow">{t("login.ended")}</Alert>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          signIn.mutate(undefined);
        }}
      >
        <Stack>
          <TextInput
            label={t("login.name")}
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            autoComplete="username"
            autoFocus
            required
          />
          <PasswordInput
            label={t("login.password")}
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
            autoComplete="current-password"
            visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
            required
          />
          {asksCode && (
            <div>
              <Text size="sm" fw={500} mb={4}>
                {t("login.code")}
              </Text>
              <PinInput
                length={6}
                type="number"
                oneTimeCode
                autoFocus
                aria-label={t("login.code")}
                value={code}
                onChange={setCode}
                onComplete={(value) => signIn.mutate(value)}
              />
            </div>
          )}
          {signIn.error && !needsCode && (
            <ErrorBox
              error={signIn.error}
              title={signIn.error instanceof ApiError && signIn.error.status === 401 ? t("login.wrong") : undefined}
            />
          )}
          <Button type="submit" loading={signIn.isPending}>
            {t("login.action")}
          </Button>
        </Stack>
      </form>
    </Door>
  );
}
