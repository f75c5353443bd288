import "@mantine/core/styles.css";
import "./app.css";
import { MantineProvider } from "@mantine/core";
import { Toasts } from "./components/toasts";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, onSessionEnd } from "./api/client";
import { setLanguage } from "./i18n";
import { router } from "./router";
import { cssVariablesResolver, theme } from "./theme";

const nonce = document.querySelector<HTMLMetaElement>('meta[name="nonce"]')?.content ?? "";
setNonce(nonce);

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1_000,
      // What was refused stays refused; a daemon that is away may come back.
      retry: (failures, error) => error instanceof ApiError && error.code === "offline" && failures < 1,
    },
  },
});

onSessionEnd(() => {
  const at = router.state.location;
  if (at.pathname === "/login" || at.pathname === "/setup") return;
  client.removeQueries();
  void router.navigate({ to: "/login", search: { next: at.href, ended: true } });
});

await setLanguage(document.documentElement.lang === "fr" ? "fr" : "en");
const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={cssVariablesResolver}
        defaultColorScheme="auto"
        getStyleNonce={() => nonce}
      >
        <Toasts />
        <QueryClientProvider client={client}>
          <RouterProvider router={router} context={{ client }} />
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
