import { Card, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { queries } from "../api/queries";
import { ArchiveTable } from "../components/ArchiveTable";
import { CommandLine, Empty, Loaded, PageTitle } from "../components/basics";
import { FileFinder } from "../components/FileFinder";
import { Paging } from "../components/Paging";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";

const SIZE = 50;

export function Archives() {
  const { t } = useText();
  const navigate = useNavigate({ from: "/archives" });
  const { schedule, page = 1 } = useSearch({ from: "/inside/archives" });
  const schedules = useQuery(queries.schedules()).data ?? [];
  const archives = useQuery(queries.archives(schedule, SIZE, (page - 1) * SIZE));
  return (
    <>
      <PageTitle title={t("nav.archives")} text={t("archives.text")}>
        <Select
          aria-label={t("field.configuration")}
          placeholder={t("common.all")}
          data={schedules.map((s) => ({ value: s.name, label: s.title ?? s.name }))}
          value={schedule ?? null}
          onChange={(value) => void navigate({ search: { schedule: value ?? undefined } })}
          searchable
          clearable
          clearButtonProps={{ "aria-label": t("common.clear") }}
        />
      </PageTitle>
      <Stack>
        <FileFinder schedule={schedule} />
        <Loaded query={archives} rows={8}>
          {(data) =>
            data.total === 0 ? (
              <Empty text={t("archives.empty")} />
            ) : (
              <>
                <Card padding="xs">
                  <ArchiveTable archives={data.items} withSchedule />
                </Card>
                <Paging
                  total={data.total}
                  size={SIZE}
                  page={page}
                  go={(to) => void navigate({ search: { schedule, page: to > 1 ? to : undefined } })}
                />
              </>
            )
          }
        </Loaded>
        <CommandLine
          line={command("backups", schedule)}
          curl={curl("GET", `/api/v1/archives${schedule ? `?schedule=${schedule}` : ""}`)}
        />
      </Stack>
    </>
  );
}
