import { TextInput } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { useText } from "../i18n";
import { changed, entryCommand, given, type Fields } from "../lib/entry";
import { CommandLine, useToast } from "./basics";
import { FormModal } from "./FormModal";
import { useAction } from "./hooks";

/** Adds a database, destination or notifier, or changes one: its name, its fields, the command that does the same. */
export function EntryForm({
  opened,
  close,
  word,
  old,
  add,
  added,
  was,
  now,
  need,
  send,
  reset,
  children,
}: {
  opened: boolean;
  close: () => void;
  word: "database" | "destination" | "notifier";
  /** The name of the one that is changed. */
  old: string | undefined;
  /** What adding is called, and what is said afterwards. */
  add: string;
  added: (name: string) => [string, string];
  /** Its keys as they were, and as they are to be. */
  was: Fields;
  now: Fields;
  /** Words in the command for what is still missing. */
  need: Fields;
  send: (name: string, body: Fields) => Promise<{ name: string }>;
  /** Empties the fields of a new one. */
  reset: () => void;
  children: ReactNode;
}) {
  const { t } = useText();
  const toast = useToast();
  const [name, setName] = useState(old ?? "");
  const body = old ? changed(was, now) : given(now);
  const save = useAction(
    () => send(name, body),
    (made) => {
      if (old) toast.success(t("entry.changed", { name: made.name }));
      else {
        toast.success(...added(made.name));
        setName("");
        reset();
      }
      close();
    },
  );
  return (
    <FormModal
      opened={opened}
      close={close}
      title={old ? t("entry.edit", { name: old }) : add}
      action={old ? t("form.save") : add}
      busy={save.isPending}
      error={save.error}
      submit={() => (old && Object.keys(body).length === 0 ? close() : save.mutate(undefined))}
    >
      {!old && (
        <TextInput
          label={t("form.name")}
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
          data-autofocus
          required
        />
      )}
      {children}
      <CommandLine
        line={entryCommand(word, old ? "edit" : "add", name, old ? body : { ...need, ...body })}
        note={t("cli.secrets")}
      />
    </FormModal>
  );
}
