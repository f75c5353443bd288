import { Button, Group, Modal, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { useText } from "../i18n";
import { ErrorBox } from "./basics";

/** A form in a window: its fields, the error of the last try, one button that does it. */
export function FormModal({
  opened,
  close,
  title,
  action,
  busy,
  error,
  submit,
  children,
  size = "lg",
}: {
  opened: boolean;
  close: () => void;
  title: string;
  action: string;
  busy: boolean;
  error?: unknown;
  submit: () => void;
  children: ReactNode;
  size?: string;
}) {
  const { t } = useText();
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={title}
      size={size}
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Stack>
          {children}
          {Boolean(error) && <ErrorBox error={error} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t("common.cancel")}
            </Button>
            <Button type="submit" loading={busy}>
              {action}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
