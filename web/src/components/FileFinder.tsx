import { Badge, Card, Group, Stack, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconFileSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { queries } from "../api/queries";
import { useText } from "../i18n";
import { command } from "../lib/cli";
import { CommandLine, ErrorBox, useFormat, When, Wide } from "./basics";
import { Link } from "./Link";

/** File first, then version: finds a file in all versions, deleted ones too. */
export function FileFinder({ schedule, start = "" }: { schedule?: string; start?: string }) {
  const { t } = useText();
  const f = useFormat();
  const [text, setText] = useState(start);
  const [settled] = useDebouncedValue(text.trim(), 300);
  // Who types no pattern means a part of the name.
  const pattern = settled === "" || /[*?[]/.test(settled) ? settled : `*${settled}*`;
  const found = useQuery(queries.find(pattern, schedule));
  return (
    <Card component="section" aria-label={t("find.title")}>
      <TextInput
        label={t("find.title")}
        description={t("find.text")}
        placeholder={t("find.placeholder")}
        leftSection={<IconFileSearch size={17} aria-hidden />}
        value={text}
        onChange={(e) => setText(e.currentTarget.value)}
      />
      <div aria-live="polite">
        {pattern.length > 1 && found.error && <ErrorBox error={found.error} />}
        {pattern.length > 1 && found.data && (
          <Stack gap="xs" mt="sm">
            <Text size="sm" c="dimmed">
              {found.data.more
                ? t("find.more", { count: found.data.items.length })
                : t("find.count", { count: found.data.total })}
            </Text>
            {found.data.items.length > 0 && (
              <div style={{ maxHeight: 360, overflow: "auto" }}>
                <Wide label={t("find.title")}>
                  <Table verticalSpacing={4}>
                    <Table.Thead>
                      <Table.Tr>
                        <Table.Th>{t("field.path")}</Table.Th>
                        <Table.Th>{t("find.versions")}</Table.Th>
                      </Table.Tr>
                    </Table.Thead>
                    <Table.Tbody>
                      {found.data.items.slice(0, 200).map((one) => (
                        <Table.Tr key={`${one.schedule} ${one.path}`}>
                          <Table.Td style={{ verticalAlign: "top" }}>
                            <span className="mono">{one.path}</span>
                            <Group gap={6}>
                              <Text size="xs" c="dimmed">
                                {one.schedule}
                              </Text>
                              {one.deleted && <Badge color="red">{t("find.deleted")}</Badge>}
                            </Group>
                          </Table.Td>
                          <Table.Td>
                            <Stack gap={2}>
                              {one.versions.slice(0, 8).map((v) => (
                                <Link
                                  key={v.archive}
                                  size="sm"
                                  to="/browse/$archive"
                                  params={{ archive: v.archive }}
                                  search={{ path: one.path.split("/").slice(0, -1).join("/") || undefined }}
                                >
                                  <When time={v.mtime ?? v.first_seen} /> · {f.size(v.size)}
                                </Link>
                              ))}
                            </Stack>
                          </Table.Td>
                        </Table.Tr>
                      ))}
                    </Table.Tbody>
                  </Table>
                </Wide>
              </div>
            )}
            {found.data.unread.length > 0 && (
              <Text size="sm" c="dimmed">
                {t("find.unread", { count: found.data.unread.length })}
              </Text>
            )}
          </Stack>
        )}
      </div>
      {pattern.length > 1 && <CommandLine line={command("find", pattern, "-i", schedule && "--schedule", schedule)} />}
    </Card>
  );
}
