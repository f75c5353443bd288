import { Said } from "../sentences";
import { Table } from "@mantine/core";
import { IconDownload, IconRestore, IconTrash } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { memo, useState } from "react";
import { type Run } from "../api/client";
import { useText } from "../i18n";
import { StatusBadge, useFormat, When, Wide } from "./basics";
import { useMay, useOperation, useWord } from "./hooks";
import { DeleteArchive } from "./DeleteArchive";

/** One run. Plain elements, drawn anew only when something about it changes: a history is paged through quickly. */
const Row = memo(function Row({ run, doom }: { run: Run; doom: (run: Run) => void }) {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const word = useWord();
  const operation = useOperation();
  const good = run.operation === "backup" && (run.status === "completed" || run.status === "warning") && run.archive;
  return (
    <tr>
      <td>
        <StatusBadge status={run.status} />
      </td>
      <td className="what">
        <Link className="link" to="/runs/$id" params={{ id: run.id }}>
          {run.name}
        </Link>
        <span className="below">{run.error ? <Said text={run.error} /> : operation(run)}</span>
      </td>
      <td>
        {run.operation === "backup"
          ? run.form === "tar"
            ? word("kind", run.kind)
            : word("content", run.content)
          : operation(run)}
      </td>
      <td>
        <When time={run.started ?? run.created} />
      </td>
      <td className="number">{run.seconds == null ? "–" : f.duration(run.seconds)}</td>
      <td className="number">{run.stored > 0 ? f.size(run.stored) : run.bytes > 0 ? f.size(run.bytes) : "–"}</td>
      <td>
        <div className="icons">
          {good && may.operate && (
            <>
              <a
                className="icon"
                title={t("action.download")}
                href={`/api/v1/archives/${run.archive}/download`}
                aria-label={t("action.downloadOf", { name: run.name })}
              >
                <IconDownload size={17} aria-hidden />
              </a>
              <Link
                className="icon"
                to="/restore/$archive"
                params={{ archive: run.archive ?? "" }}
                search={{}}
                title={t("action.restore")}
                aria-label={t("action.restoreOf", { name: run.name })}
              >
                <IconRestore size={18} aria-hidden />
              </Link>
            </>
          )}
          {good && may.admin && (
            <button
              type="button"
              className="icon danger"
              title={t("action.delete")}
              aria-label={t("action.deleteOf", { name: run.name })}
              onClick={() => doom(run)}
            >
              <IconTrash size={17} aria-hidden />
            </button>
          )}
        </div>
      </td>
    </tr>
  );
});

/** Runs, with what can be done with the archive of each; drawn anew only when they change. */
export const RunTable = memo(function RunTable({ runs }: { runs: Run[] }) {
  const { t } = useText();
  const [doomed, setDoomed] = useState<Run | null>(null);
  return (
    <>
      <Wide label={t("nav.history")}>
        <Table verticalSpacing="xs" className="plain-rows">
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
            {runs.map((run) => (
              <Row key={run.id} run={run} doom={setDoomed} />
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      <DeleteArchive
        doomed={
          doomed && {
            id: doomed.archive ?? "",
            file: doomed.archive_path?.split("/").pop() ?? "",
            schedule: doomed.name,
            size: doomed.stored,
            told: doomed.name,
          }
        }
        close={() => setDoomed(null)}
      />
    </>
  );
});
