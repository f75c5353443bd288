import { Alert, Button, Code, PasswordInput, Stack, Text, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { http, take } from "../api/client";
import { queries } from "../api/queries";
import { ErrorBox } from "../components/basics";
import { LinkButton } from "../components/Link";
import { useText } from "../i18n";
import { Door } from "./SignIn";

/** The shortest password that the server takes. */
const LEAST = 12;

/** The token may come behind the `#`, which no server and no log sees. */
function tokenOfAddress() {
  const token = decodeURIComponent(window.location.hash.slice(1));
  if (token) window.history.replaceState(null, "", window.location.pathname);
  return token;
}

export function SetUp() {
  const { t } = useText();
  const navigate = useNavigate();
  const client = useQueryClient();
  const session = useQuery(queries.session());
  const [given] = useState(tokenOfAddress);
  const [token, setToken] = useState(given);
  const [name, setName] = useState("admin");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const short = password !== "" && password.length < LEAST;
  const differs = again !== "" && again !== password;
  const setUp = useMutation({
    mutationFn: () => take(http.POST("/api/v1/setup", { body: { token: token.trim(), name, password } })),
    onSuccess: async (made) => {
      client.clear();
      client.setQueryData(["session"], made);
      await navigate({ to: "/" });
    },
  });
  if (session.data && !session.data.setup_needed) {
    return (
      <Door title={t("setup.title")} text={t("setup.done")}>
        <LinkButton to="/login">{t("login.action")}</LinkButton>
      </Door>
    );
  }
  return (
    <Door title={t("setup.title")} text={t("setup.text")}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (password.length >= LEAST && again === password) setUp.mutate();
        }}
      >
        <Stack>
          {!given && (
            <>
              <Alert color="brand">
                <Text size="sm">{t("setup.tokenHow")}</Text>
                <Code block mt="xs">
                  backupctl user setup-token
                </Code>
              </Alert>
              <TextInput
                label={t("setup.token")}
                value={token}
                onChange={(e) => setToken(e.currentTarget.value)}
                autoComplete="off"
                required
              />
            </>
          )}
          <TextInput
            label={t("login.name")}
            description={t("setup.nameHint")}
            value={name}
            onChange={(e) => setName(e.currentTarget.value)}
            autoComplete="username"
            required
          />
          <PasswordInput
            label={t("login.password")}
            description={t("setup.passwordHint", { count: LEAST })}
            error={short ? t("setup.passwordShort", { count: LEAST }) : undefined}
            value={password}
            onChange={(e) => setPassword(e.currentTarget.value)}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
            required
          />
          <PasswordInput
            label={t("setup.again")}
            error={differs ? t("setup.differs") : undefined}
            value={again}
            onChange={(e) => setAgain(e.currentTarget.value)}
            autoComplete="new-password"
            visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
            required
          />
          {setUp.error && <ErrorBox error={setUp.error} />}
          <Button type="submit" loading={setUp.isPending} disabled={short || differs}>
            {t("setup.action")}
          </Button>
        </Stack>
      </form>
    </Door>
  );
}
