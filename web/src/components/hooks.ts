import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useSyncExternalStore } from "react";
import { connection, http, take, type Run } from "../api/client";
import { queries } from "../api/queries";
import { useText, type Key } from "../i18n";
import { boxed, useToast } from "./basics";

const RANK = { read: 0, operate: 1, admin: 2 } as const;

/** What whoever is signed in may do. */
export function useMay() {
  const scope = useQuery(queries.session()).data?.scope ?? "read";
  const held = RANK[scope as keyof typeof RANK] ?? 0;
  return { operate: held >= RANK.operate, admin: held >= RANK.admin };
}

/** Since when the daemon has not answered, or null. */
export function useOffline() {
  return useSyncExternalStore(connection.subscribe, connection.since);
}

/** Something that changes the server: told by a toast (an error that no box shows, too), and everything that may show it is asked for again. */
export function useAction<In, Out>(work: (input: In) => Promise<Out>, done?: (out: Out, input: In) => void) {
  const client = useQueryClient();
  const toast = useToast();
  return useMutation({
    mutationFn: work,
    onSuccess: (out, input) => {
      void client.invalidateQueries();
      done?.(out, input);
    },
    // Where the page has a box for it, a toast would only cover that.
    onError: (error) => void setTimeout(() => boxed.has(error) || toast.error(error), 150),
  });
}

/** Runs whose end somebody on this page waits for; the shell tells it by a toast. */
const watched = new Set<string>();
export const watch = {
  add: (run: Run) => void watched.add(run.id),
  all: () => [...watched],
  remove: (id: string) => void watched.delete(id),
};

/** Starts backups of schedules. */
export function useStart() {
  const toast = useToast();
  const navigate = useNavigate();
  const { t } = useText();
  return useAction(
    (wish: { schedule: string; kind?: string; stay?: boolean }) =>
      take(http.POST("/api/v1/runs", { body: { schedule: wish.schedule, kind: wish.kind } })),
    (run, wish) => {
      watch.add(run);
      toast.info(t("run.started", { name: run.name }), t("run.started.text"));
      if (!wish.stay) void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
}

/** What a run does, in a word. */
export function useOperation() {
  const { t } = useText();
  return (run: Pick<Run, "operation" | "trial">) =>
    t(run.trial ? "operation.trial" : (`operation.${run.operation}` as Key));
}

/** A word of the API in the language of the page. */
export function useWord() {
  const { maybe } = useText();
  return (group: string, word: string | null | undefined) => (word ? maybe(`${group}.${word}` as Key, word) : "");
}
