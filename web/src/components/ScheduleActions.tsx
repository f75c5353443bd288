import { ActionIcon, Button, Checkbox, Group, Menu, Modal, Stack, Text, TextInput } from "@mantine/core";
import { IconCopy, IconDots, IconPencil, IconPlayerPlay, IconPower, IconTrash } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { http, take, type Schedule } from "../api/client";
import { useText } from "../i18n";
import { command } from "../lib/cli";
import { CommandLine, Confirm, ErrorBox, useToast } from "./basics";
import { useAction, useMay, useStart } from "./hooks";
import { LinkButton } from "./Link";

/** What can be done with a configuration: run, edit, switch on or off, duplicate, delete. */
export function ScheduleActions({ schedule: s, gone }: { schedule: Schedule; gone?: () => void }) {
  const { t } = useText();
  const may = useMay();
  const toast = useToast();
  const navigate = useNavigate();
  const start = useStart();
  const [copying, setCopying] = useState<string | null>(null);
  const [deleting, setDeleting] = useState(false);
  const [withBackups, setWithBackups] = useState(false);
  const name = { path: { name: s.name } };
  const shown = s.title ?? s.name;
  const toggle = useAction(
    () => take(http.PATCH("/api/v1/schedules/{name}", { params: name, body: { enabled: !s.enabled } as never })),
    () => toast.success(t(s.enabled ? "configuration.disabled" : "configuration.enabled", { name: shown })),
  );
  const duplicate = useAction(
    (copy: string) => take(http.POST("/api/v1/schedules/{name}/duplicate", { params: name, body: { name: copy } })),
    (copy) => {
      setCopying(null);
      toast.success(t("configuration.duplicated", { name: copy.name }), t("configuration.duplicated.text"));
      void navigate({ to: "/configurations/$name/edit", params: { name: copy.name } });
    },
  );
  const remove = useAction(
    () =>
      take(
        http.DELETE("/api/v1/schedules/{name}", {
          params: { ...name, query: { with_backups: withBackups || undefined } },
        }),
      ),
    () => {
      setDeleting(false);
      toast.success(t("configuration.deleted", { name: shown }));
      gone?.();
    },
  );
  return (
    <Group gap="xs">
      {may.operate && (
        <Button
          size="sm"
          leftSection={<IconPlayerPlay size={16} aria-hidden />}
          loading={start.isPending}
          onClick={() => start.mutate({ schedule: s.name })}
        >
          {t("action.runNow")}
        </Button>
      )}
      {may.admin && (
        <>
          <LinkButton
            size="sm"
            variant="default"
            to="/configurations/$name/edit"
            params={{ name: s.name }}
            leftSection={<IconPencil size={16} aria-hidden />}
          >
            {t("action.edit")}
          </LinkButton>
          <Menu withinPortal position="bottom-end">
            <Menu.Target>
              <ActionIcon variant="default" size={36} aria-label={t("action.moreOf", { name: shown })}>
                <IconDots size={18} />
              </ActionIcon>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<IconPower size={16} />} onClick={() => toggle.mutate(undefined)}>
                {t(s.enabled ? "action.disable" : "action.enable")}
              </Menu.Item>
              <Menu.Item leftSection={<IconCopy size={16} />} onClick={() => setCopying(`${s.name}-copy`)}>
                {t("action.duplicate")}
              </Menu.Item>
              <Menu.Divider role="separator" />
              <Menu.Item className="danger" leftSection={<IconTrash size={16} />} onClick={() => setDeleting(true)}>
                {t("action.delete")}
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      )}
      <Modal
        opened={copying !== null}
        onClose={() => setCopying(null)}
        title={t("configuration.duplicate", { name: shown })}
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        <form
          onSubmit={(event) => {
            event.preventDefault();
            duplicate.mutate(copying ?? "");
          }}
        >
          <Stack>
            <TextInput
              label={t("form.name")}
              description={t("configuration.duplicate.text")}
              value={copying ?? ""}
              onChange={(e) => setCopying(e.currentTarget.value)}
              data-autofocus
              required
            />
            {duplicate.error && <ErrorBox error={duplicate.error} />}
            <CommandLine line={command("duplicate", s.name, copying)} />
            <Group justify="flex-end">
              <Button type="submit" loading={duplicate.isPending}>
                {t("action.duplicate")}
              </Button>
            </Group>
          </Stack>
        </form>
      </Modal>
      <Confirm
        opened={deleting}
        title={t("configuration.delete", { name: shown })}
        action={t("action.delete")}
        typed={withBackups ? s.name : undefined}
        busy={remove.isPending}
        error={remove.error}
        close={() => setDeleting(false)}
        confirm={() => remove.mutate(undefined)}
      >
        <Stack gap="sm">
          <Text size="sm">{t(withBackups ? "configuration.delete.all" : "configuration.delete.text")}</Text>
          <Checkbox
            label={t("configuration.delete.withBackups")}
            checked={withBackups}
            onChange={(e) => setWithBackups(e.currentTarget.checked)}
          />
          <CommandLine line={command("delete", s.name, withBackups && "--with-backups")} />
        </Stack>
      </Confirm>
    </Group>
  );
}
