import { useSaid } from "../sentences";
import { ActionIcon, Badge, Group, Menu, Table } from "@mantine/core";
import {
  IconDots,
  IconDownload,
  IconFolderOpen,
  IconPin,
  IconPinnedOff,
  IconRestore,
  IconShieldCheck,
  IconTestPipe,
  IconTrash,
} from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { http, take, type Archive } from "../api/client";
import { useText, type Key } from "../i18n";
import { useFormat, useToast, When, Wide } from "./basics";
import { useAction, useMay, useWord, watch } from "./hooks";
import { DeleteArchive } from "./DeleteArchive";
import { Link, LinkButton } from "./Link";

/** The roles and users of a server: loaded by hand, for they belong to no database. */
export const rolesOnly = (a: Archive) => a.database != null && a.database.database == null;

/** Archives with all that can be done with them. */
export function ArchiveTable({ archives, withSchedule }: { archives: Archive[]; withSchedule?: boolean }) {
  const { t } = useText();
  const said = useSaid();
  const f = useFormat();
  const may = useMay();
  const word = useWord();
  const toast = useToast();
  const navigate = useNavigate();
  const [doomed, setDoomed] = useState<Archive | null>(null);
  const pin = useAction(
    (a: Archive) =>
      a.pinned
        ? take(http.DELETE("/api/v1/archives/{archive}/pin", { params: { path: { archive: a.id } } }))
        : take(http.PUT("/api/v1/archives/{archive}/pin", { params: { path: { archive: a.id } } })),
    (a) => toast.success(t(a.pinned ? "archive.pinned" : "archive.unpinned", { name: a.name })),
  );
  const verify = useAction(
    (wish: { archive: string; deep: boolean }) => take(http.POST("/api/v1/verifications", { body: wish })),
    (page) => {
      const run = page.items[0];
      if (!run) return;
      watch.add(run);
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
  const drill = useAction(
    (archive: string) => take(http.POST("/api/v1/drills", { body: { archive } })),
    (run) => {
      watch.add(run);
      void navigate({ to: "/runs/$id", params: { id: run.id } });
    },
  );
  return (
    <>
      <Wide label={t("nav.archives")}>
        <Table verticalSpacing="xs" highlightOnHover>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>{t("field.time")}</Table.Th>
              {withSchedule && <Table.Th>{t("field.configuration")}</Table.Th>}
              <Table.Th>{t("field.kind")}</Table.Th>
              <Table.Th ta="right">{t("field.size")}</Table.Th>
              <Table.Th ta="right">{t("field.contents")}</Table.Th>
              <Table.Th>{t("field.state")}</Table.Th>
              <Table.Th>
                <span className="unseen">{t("field.actions")}</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {archives.map((a) => (
              <Table.Tr key={a.id}>
                <Table.Td style={{ whiteSpace: "nowrap" }}>
                  {rolesOnly(a) ? (
                    <When time={a.started} />
                  ) : a.database ? (
                    <Link to="/restore/$archive" params={{ archive: a.id }} search={{}}>
                      <When time={a.started} />
                    </Link>
                  ) : (
                    <Link to="/browse/$archive" params={{ archive: a.id }} search={{}}>
                      <When time={a.started} />
                    </Link>
                  )}
                </Table.Td>
                {withSchedule && (
                  <Table.Td>
                    <Link to="/configurations/$name" params={{ name: a.schedule }}>
                      {a.schedule}
                    </Link>
                  </Table.Td>
                )}
                <Table.Td>
                  {rolesOnly(a) ? t("archive.roles") : a.database ? word("content", a.content) : word("kind", a.kind)}
                </Table.Td>
                <Table.Td ta="right">{f.size(a.size)}</Table.Td>
                <Table.Td ta="right">
                  {rolesOnly(a)
                    ? ""
                    : a.database
                      ? t("archive.tables", { count: a.database.tables_count, rows: f.count(a.database.records_count) })
                      : t("run.files", { count: a.files })}
                </Table.Td>
                <Table.Td>
                  <Group gap={4}>
                    {a.warnings > 0 && <Badge color="yellow">{t("archive.warnings", { count: a.warnings })}</Badge>}
                    {a.verified && (
                      <Badge color={a.verified.ok ? "green" : "red"}>
                        {t(a.verified.ok ? "archive.verified" : "archive.damaged")}
                      </Badge>
                    )}
                    {a.encrypted && <Badge color="teal">{t("field.encrypted")}</Badge>}
                    {a.pinned && <Badge color="brand">{t("archive.isPinned")}</Badge>}
                    {a.away && <Badge color="gray">{t("archive.away")}</Badge>}
                    {a.copies?.map((c) => (
                      <Badge
                        key={c.destination}
                        color={c.state === "stored" ? "green" : c.error ? "red" : "gray"}
                        title={c.error ? said(c.error).text : undefined}
                      >
                        {c.destination}: {t(`copy.${c.state}` as Key)}
                      </Badge>
                    ))}
                  </Group>
                </Table.Td>
                <Table.Td>
                  <Group gap={6} wrap="nowrap" justify="flex-end">
                    {may.operate && !rolesOnly(a) && (
                      <LinkButton
                        size="compact-sm"
                        variant="light"
                        to="/restore/$archive"
                        params={{ archive: a.id }}
                        search={{}}
                        leftSection={<IconRestore size={15} aria-hidden />}
                      >
                        {t("action.restore")}
                      </LinkButton>
                    )}
                    <Menu withinPortal position="bottom-end">
                      <Menu.Target>
                        <ActionIcon variant="subtle" size="lg" aria-label={t("action.moreOf", { name: a.name })}>
                          <IconDots size={18} />
                        </ActionIcon>
                      </Menu.Target>
                      <Menu.Dropdown>
                        {!a.database && (
                          <Menu.Item
                            leftSection={<IconFolderOpen size={16} />}
                            onClick={() =>
                              void navigate({ to: "/browse/$archive", params: { archive: a.id }, search: {} })
                            }
                          >
                            {t("action.browse")}
                          </Menu.Item>
                        )}
                        {may.operate && (
                          <>
                            <Menu.Item
                              component="a"
                              href={`/api/v1/archives/${a.id}/download`}
                              leftSection={<IconDownload size={16} />}
                              disabled={a.away}
                            >
                              {t("action.download")}
                            </Menu.Item>
                            <Menu.Item
                              leftSection={<IconShieldCheck size={16} />}
                              onClick={() => verify.mutate({ archive: a.id, deep: true })}
                            >
                              {t("action.verify")}
                            </Menu.Item>
                            <Menu.Item leftSection={<IconTestPipe size={16} />} onClick={() => drill.mutate(a.id)}>
                              {t("action.drill")}
                            </Menu.Item>
                            <Menu.Item
                              leftSection={a.pinned ? <IconPinnedOff size={16} /> : <IconPin size={16} />}
                              onClick={() => pin.mutate(a)}
                            >
                              {t(a.pinned ? "action.unpin" : "action.pin")}
                            </Menu.Item>
                          </>
                        )}
                        {may.admin && (
                          <Menu.Item
                            className="danger"
                            leftSection={<IconTrash size={16} />}
                            onClick={() => setDoomed(a)}
                          >
                            {t("action.delete")}
                          </Menu.Item>
                        )}
                      </Menu.Dropdown>
                    </Menu>
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      <DeleteArchive
        doomed={
          doomed && {
            id: doomed.id,
            file: doomed.name,
            schedule: doomed.schedule,
            size: doomed.size,
            told: doomed.name,
          }
        }
        close={() => setDoomed(null)}
      />
    </>
  );
}
