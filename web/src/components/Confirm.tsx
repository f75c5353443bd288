import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";
import { useText } from "../i18n";
import { ErrorBox } from "./basics";

export interface ConfirmProps {
  opened: boolean;
  title: string;
  children: ReactNode;
  /** The word on the button that does it. */
  action: string;
  /** What must be typed before. */
  typed?: string;
  busy: boolean;
  error?: unknown;
  close: () => void;
  confirm: () => void;
}

/** Asks before something is done that takes something away; where nothing brings it back, its name must be typed. */
export default function Confirm({ opened, title, children, action, typed, busy, error, close, confirm }: ConfirmProps) {
  const { t } = useText();
  const [text, setText] = useState("");
  useEffect(() => {
    if (!opened) setText("");
  }, [opened]);
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={title}
      closeButtonProps={{ "aria-label": t("common.close") }}
      centered
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!typed || text === typed) confirm();
        }}
      >
        <Stack>
          <div>{children}</div>
          {typed && (
            <TextInput
              label={t("confirm.type", { name: typed })}
              value={text}
              onChange={(e) => setText(e.currentTarget.value)}
              autoComplete="off"
              data-autofocus
            />
          )}
          {Boolean(error) && <ErrorBox error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close} data-autofocus={typed ? undefined : true}>
              {t("common.cancel")}
            </Button>
            <Button type="submit" color="red" loading={busy} disabled={Boolean(typed) && text !== typed}>
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
