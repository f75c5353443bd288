import { Badge, Group, Stack, Table, Text } from "@mantine/core";
import type { Prune } from "../api/client";
import { useText, type Key } from "../i18n";
import { useFormat, When, Wide } from "./basics";

/** What rules of retention would keep and remove, and which rule keeps each archive. */
export function RetentionPreview({ plan }: { plan: Prune }) {
  const { t, maybe } = useText();
  const f = useFormat();
  if (plan.archives.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t("retention.none")}
      </Text>
    );
  }
  return (
    <Stack gap="xs">
      <Text size="sm" fw={600}>
        {t("retention.summary", {
          kept: plan.archives.length - plan.removed,
          removed: plan.removed,
          freed: f.size(plan.freed),
        })}
      </Text>
      {plan.frozen && (
        <Text size="sm" c="dimmed">
          {t("retention.frozen")}
        </Text>
      )}
      <div style={{ maxHeight: 320, overflowY: "auto" }} tabIndex={0} role="region" aria-label={t("retention.title")}>
        <Wide label={t("retention.title")}>
          <Table verticalSpacing={4}>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("field.time")}</Table.Th>
                <Table.Th>{t("retention.fate")}</Table.Th>
                <Table.Th>{t("retention.why")}</Table.Th>
                <Table.Th ta="right">{t("field.size")}</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {plan.archives.slice(0, 200).map(({ archive, kept, reasons }) => (
                <Table.Tr key={archive.id}>
                  <Table.Td style={{ whiteSpace: "nowrap" }}>
                    <When time={archive.started} />
                  </Table.Td>
                  <Table.Td>
                    <Badge color={kept ? "green" : "red"}>{t(kept ? "retention.kept" : "retention.removed")}</Badge>
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4}>
                      {reasons.map((reason) => (
                        <Text key={reason} size="sm">
                          {maybe(`reason.${reason}` as Key, reason)}
                        </Text>
                      ))}
                    </Group>
                  </Table.Td>
                  <Table.Td ta="right">{f.size(archive.size)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      </div>
    </Stack>
  );
}
