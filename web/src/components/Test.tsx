import { Said } from "../sentences";
import { Button, Group, List, Stack, Text, ThemeIcon } from "@mantine/core";
import { IconCheck, IconPlugConnected, IconX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import type { TestStep } from "../api/client";
import { useText, type Key } from "../i18n";
import { ErrorBox, useFormat, useToast } from "./basics";

/** A button that tries something out, and every step with what came of it. */
export function Test({
  name,
  run,
  label,
}: {
  name: string;
  run: () => Promise<{ items: TestStep[] }>;
  label?: string;
}) {
  const { t, maybe } = useText();
  const f = useFormat();
  const toast = useToast();
  const test = useMutation({
    mutationFn: run,
    onSuccess: (page) => {
      if (page.items.every((s) => s.ok)) toast.success(t("test.good", { name }));
      else toast.warning(t("test.bad", { name }));
    },
  });
  return (
    <Stack gap="xs">
      <Group>
        <Button
          size="sm"
          variant="default"
          leftSection={<IconPlugConnected size={16} aria-hidden />}
          loading={test.isPending}
          onClick={() => test.mutate()}
        >
          {label ?? t("action.test")}
        </Button>
      </Group>
      <div aria-live="polite">
        {test.error && <ErrorBox error={test.error} />}
        {test.data && (
          <List spacing={6} size="sm" center={false}>
            {test.data.items.map((step, i) => (
              <List.Item
                key={i}
                icon={
                  <ThemeIcon
                    size={20}
                    radius="xl"
                    color={step.ok ? "green" : "red"}
                    aria-label={t(step.ok ? "test.ok" : "test.failed")}
                  >
                    {step.ok ? <IconCheck size={13} /> : <IconX size={13} />}
                  </ThemeIcon>
                }
              >
                <Text size="sm" fw={600} span>
                  {maybe(`step.${step.step}` as Key, step.step)}
                </Text>{" "}
                <Text size="sm" span className="mono">
                  <Said text={step.text} />
                </Text>{" "}
                <Text size="xs" c="dimmed" span style={{ whiteSpace: "nowrap" }}>
                  {f.duration(step.seconds)}
                </Text>
              </List.Item>
            ))}
          </List>
        )}
      </div>
    </Stack>
  );
}
