import { Badge, Button, Card, Group, Stack, Text, Title } from "@mantine/core";
import { IconPencil, IconTrash } from "@tabler/icons-react";
import { useState, type ReactNode } from "react";
import { useText } from "../i18n";
import { command } from "../lib/cli";
import { CommandLine, Confirm, useToast } from "./basics";
import { useAction, useMay } from "./hooks";

/** A database, destination or notifier of the file: what it is, how to change it, how to be rid of it. */
export function EntryCard({
  name,
  word,
  icon,
  kind,
  badges,
  edit,
  remove,
  title,
  text,
  removed,
  children,
}: {
  name: string;
  /** The command that is about it. */
  word: "database" | "destination" | "notifier";
  icon: ReactNode;
  kind: string;
  badges?: ReactNode;
  edit: () => void;
  remove: () => Promise<unknown>;
  /** The question before it goes, what goes with it, and what is said afterwards. */
  title: string;
  text: string;
  removed: string;
  children: ReactNode;
}) {
  const { t } = useText();
  const may = useMay();
  const toast = useToast();
  const [doomed, setDoomed] = useState(false);
  const removal = useAction(remove, () => {
    setDoomed(false);
    toast.success(removed);
  });
  return (
    <Card component="article" aria-label={name}>
      <Stack>
        <Group justify="space-between">
          <Group gap="sm">
            {icon}
            <Title order={2}>{name}</Title>
            <Badge color="gray">{kind}</Badge>
            {badges}
          </Group>
          {may.admin && (
            <Group gap="xs">
              <Button size="sm" variant="subtle" leftSection={<IconPencil size={16} aria-hidden />} onClick={edit}>
                {t("action.edit")}
              </Button>
              <Button
                size="sm"
                variant="subtle"
                color="red"
                leftSection={<IconTrash size={16} aria-hidden />}
                onClick={() => setDoomed(true)}
              >
                {t("action.delete")}
              </Button>
            </Group>
          )}
        </Group>
        {children}
      </Stack>
      <Confirm
        opened={doomed}
        title={title}
        action={t("action.delete")}
        busy={removal.isPending}
        error={removal.error}
        close={() => setDoomed(false)}
        confirm={() => removal.mutate(undefined)}
      >
        <Text size="sm">{text}</Text>
        <CommandLine line={command(word, "delete", name)} />
      </Confirm>
    </Card>
  );
}
