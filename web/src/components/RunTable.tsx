import { ActionIcon, Group, Table, Text, Tooltip } from "@mantine/core";
import { IconDownload, IconRestore, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { http, take, type Run } from "../api/client";
import { useText, type Key } from "../i18n";
import { curl } from "../lib/cli";
import { CommandLine, Confirm, StatusBadge, useFormat, useToast, When, Wide } from "./basics";
import { useAction, useMay, useWord } from "./hooks";
import { Link } from "./Link";

/** Runs, with what can be done with the archive of each. */
export function RunTable({ runs }: { runs: Run[] }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const word = useWord();
  const toast = useToast();
  const [doomed, setDoomed] = useState<Run | null>(null);
  const remove = useAction(
    (run: Run) => take(http.DELETE("/api/v1/archives/{archive}", { params: { path: { archive: run.archive ?? "" } } })),
    () => {
      setDoomed(null);
      toast.success(t("archive.deleted", { name: doomed?.name ?? "" }));
    },
  );
  return (
    <>
      <Wide label={t("nav.history")}>
        <Table verticalSpacing="xs" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("field.status")}</Table.Th>
              <Table.Th>{t("field.what")}</Table.Th>
              <Table.Th>{t("field.kind")}</Table.Th>
              <Table.Th>{t("field.time")}</Table.Th>
              <Table.Th ta="right">{t("field.duration")}</Table.Th>
              <Table.Th ta="right">{t("field.size")}</Table.Th>
              <Table.Th>
                <span className="unseen">{t("field.actions")}</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {runs.map((run) => {
              const good = run.operation === "backup" && (run.status === "completed" || run.status === "warning") && run.archive;
              return (
                <Table.Tr key={run.id}>
                  <Table.Td>
                    <StatusBadge status={run.status} />
                  </Table.Td>
                  <Table.Td>
                    <Link to="/runs/$id" params={{ id: run.id }} fw={500}>
                      {run.name}
                    </Link>
                    <Text size="xs" c="dimmed" lineClamp={1} maw={420} lang={run.error ? "en" : undefined}>
                      {run.error ?? t(`operation.${run.operation}` as Key)}
                    </Text>
                  </Table.Td>
                  <Table.Td style={{ whiteSpace: "nowrap" }}>
                    {run.operation === "backup"
                      ? run.form === "tar"
                        ? word("kind", run.kind)
                        : word("content", run.content)
                      : t(`operation.${run.operation}` as Key)}
                  </Table.Td>
                  <Table.Td style={{ whiteSpace: "nowrap" }}>
                    <When time={run.started ?? run.created} />
                  </Table.Td>
                  <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                    {run.seconds == null ? "–" : f.duration(run.seconds)}
                  </Table.Td>
                  <Table.Td ta="right" style={{ whiteSpace: "nowrap" }}>
                    {run.stored > 0 ? f.size(run.stored) : run.bytes > 0 ? f.size(run.bytes) : "–"}
                  </Table.Td>
                  <Table.Td>
                    <Group gap={4} wrap="nowrap" justify="flex-end">
                      {good && may.operate && (
                        <>
                          <Tooltip label={t("action.download")}>
                            <ActionIcon
                              component="a"
                              href={`/api/v1/archives/${run.archive}/download`}
                              variant="subtle"
                              size="lg"
                              aria-label={t("action.downloadOf", { name: run.name })}
                            >
                              <IconDownload size={17} />
                            </ActionIcon>
                          </Tooltip>
                          <Link
                            to="/restore/$archive"
                            params={{ archive: run.archive ?? "" }}
                            search={{}}
                            aria-label={t("action.restoreOf", { name: run.name })}
                            p={6}
                          >
                            <IconRestore size={18} aria-hidden />
                          </Link>
                        </>
                      )}
                      {good && may.admin && (
                        <Tooltip label={t("action.delete")}>
                          <ActionIcon
                            variant="subtle"
                            color="red"
                            size="lg"
                            aria-label={t("action.deleteOf", { name: run.name })}
                            onClick={() => setDoomed(run)}
                          >
                            <IconTrash size={17} />
                          </ActionIcon>
                        </Tooltip>
                      )}
                    </Group>
                  </Table.Td>
                </Table.Tr>
              );
            })}
          </Table.Tbody>
        </Table>
      </Wide>
      <Confirm
        opened={doomed !== null}
        title={t("archive.delete")}
        action={t("action.delete")}
        busy={remove.isPending}
        error={remove.error}
        close={() => setDoomed(null)}
        confirm={() => doomed && remove.mutate(doomed)}
      >
        <Text size="sm">
          {t("archive.delete.text", {
            name: doomed?.archive_path?.split("/").pop() ?? "",
            schedule: doomed?.name ?? "",
            size: f.size(doomed?.stored ?? 0),
          })}
        </Text>
        <CommandLine line={curl("DELETE", `/api/v1/archives/${doomed?.archive ?? ""}`)} />
      </Confirm>
    </>
  );
}
