import { Breadcrumbs, Button, Group, Modal, ScrollArea, Stack, Text, UnstyledButton } from "@mantine/core";
import { IconFile, IconFolder } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import { useText } from "../i18n";
import { Loaded } from "./basics";

/** Chooses a folder or file of the daemon's machine. */
export function FolderPicker({
  choose,
  close,
  opened,
}: {
  opened: boolean;
  close: () => void;
  choose: (path: string) => void;
}) {
  const { t } = useText();
  const [path, setPath] = useState("/");
  const folder = useQuery({ ...queries.folders(path), enabled: opened });
  const join = (name: string) => (path === "/" ? `/${name}` : `${path}/${name}`);
  const parts = path.split("/").filter(Boolean);
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={t("picker.title")}
      size="lg"
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <Stack>
        <Breadcrumbs separatorMargin={4}>
          <button type="button" className="linklike" onClick={() => setPath("/")}>
            /
          </button>
          {parts.map((part, i) => (
            <button
              key={i}
              type="button"
              className="linklike"
              onClick={() => setPath(`/${parts.slice(0, i + 1).join("/")}`)}
            >
              {part}
            </button>
          ))}
        </Breadcrumbs>
        <ScrollArea
          h={320}
          type="auto"
          offsetScrollbars="y"
          viewportProps={{ tabIndex: 0, "aria-label": t("picker.title"), role: "region" }}
        >
          <Loaded query={folder}>
            {(entries) => (
              <Stack gap={0}>
                {entries.length === 0 && <Text c="dimmed">{t("browse.empty")}</Text>}
                {entries.map((entry) => (
                  <Group key={entry.name} justify="space-between" wrap="nowrap" py={2}>
                    {entry.folder ? (
                      <UnstyledButton onClick={() => setPath(join(entry.name))} flex={1} py={4}>
                        <Group gap="xs" wrap="nowrap">
                          <IconFolder size={18} aria-hidden />
                          <Text size="sm">{entry.name}</Text>
                        </Group>
                      </UnstyledButton>
                    ) : (
                      <Group gap="xs" wrap="nowrap">
                        <IconFile size={18} aria-hidden />
                        <Text size="sm">{entry.name}</Text>
                      </Group>
                    )}
                    <Button
                      size="compact-sm"
                      variant="light"
                      aria-label={t("picker.chooseOf", { name: entry.name })}
                      onClick={() => choose(join(entry.name))}
                    >
                      {t("picker.choose")}
                    </Button>
                  </Group>
                ))}
              </Stack>
            )}
          </Loaded>
        </ScrollArea>
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t("common.cancel")}
          </Button>
          <Button disabled={path === "/"} onClick={() => choose(path)}>
            {t("picker.chooseThis", { name: path })}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
