import { Said } from "../sentences";
import { Alert, Button, Card, Stack, Table, Text, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch, IconShieldCheck } from "@tabler/icons-react";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { http, take } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Empty, ErrorBox, Loaded, PageTitle, useFormat, When, Wide } from "../components/basics";
import { Paging } from "../components/Paging";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";

const SIZE = 50;

export function Audit() {
  const { t } = useText();
  const f = useFormat();
  const navigate = useNavigate({ from: "/audit" });
  const { text = "", page = 1 } = useSearch({ from: "/inside/audit" });
  const [typed, setTyped] = useState(text);
  const look = useDebouncedCallback(
    (value: string) => void navigate({ search: { text: value || undefined }, replace: true }),
    250,
  );
  const audit = useQuery(queries.audit(text, (page - 1) * SIZE, SIZE));
  const check = useMutation({ mutationFn: () => take(http.GET("/api/v1/audit/check")) });
  return (
    <>
      <PageTitle title={t("nav.audit")} text={t("audit.text")}>
        <Button
          variant="default"
          leftSection={<IconShieldCheck size={16} aria-hidden />}
          loading={check.isPending}
          onClick={() => check.mutate()}
        >
          {t("audit.check")}
        </Button>
      </PageTitle>
      <Stack>
        <div aria-live="polite">
          {check.error && <ErrorBox error={check.error} />}
          {check.data && (
            <Alert
              color={check.data.intact ? "green" : "red"}
              title={t(check.data.intact ? "audit.intact" : "audit.broken")}
            >
              <Text size="sm">{t("audit.entries", { count: f.count(check.data.entries) })}</Text>
              <Text size="xs" className="mono">
                {check.data.reason ? <Said text={check.data.reason} /> : check.data.head}
              </Text>
            </Alert>
          )}
        </div>
        <TextInput
          label={t("audit.search")}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={typed}
          maw={420}
          onChange={(e) => {
            setTyped(e.currentTarget.value);
            look(e.currentTarget.value);
          }}
        />
        <Loaded query={audit} rows={8}>
          {(data) =>
            data.total === 0 ? (
              <Empty text={t("common.nothingFound")} />
            ) : (
              <>
                <Card padding="xs">
                  <Wide label={t("nav.audit")}>
                    <Table verticalSpacing="xs">
                      <Table.Thead>
                        <Table.Tr>
                          <Table.Th>{t("field.time")}</Table.Th>
                          <Table.Th>{t("audit.who")}</Table.Th>
                          <Table.Th>{t("audit.from")}</Table.Th>
                          <Table.Th>{t("audit.action")}</Table.Th>
                          <Table.Th>{t("audit.outcome")}</Table.Th>
                          <Table.Th>{t("audit.detail")}</Table.Th>
                        </Table.Tr>
                      </Table.Thead>
                      <Table.Tbody>
                        {data.items.map((entry) => (
                          <Table.Tr key={entry.seq}>
                            <Table.Td style={{ whiteSpace: "nowrap" }}>
                              <When time={entry.at} seconds />
                            </Table.Td>
                            <Table.Td>{entry.actor}</Table.Td>
                            <Table.Td>{entry.origin}</Table.Td>
                            <Table.Td className="mono">
                              {entry.action}
                              {entry.target && !entry.action.endsWith(entry.target) ? ` · ${entry.target}` : ""}
                            </Table.Td>
                            <Table.Td>{entry.outcome}</Table.Td>
                            <Table.Td>
                              <Said text={entry.detail} />
                            </Table.Td>
                          </Table.Tr>
                        ))}
                      </Table.Tbody>
                    </Table>
                  </Wide>
                </Card>
                <Paging
                  total={data.total}
                  size={SIZE}
                  page={page}
                  go={(to) => void navigate({ search: { text: text || undefined, page: to > 1 ? to : undefined } })}
                />
              </>
            )
          }
        </Loaded>
        <CommandLine line={command("audit", "list")} curl={curl("GET", "/api/v1/audit")} />
      </Stack>
    </>
  );
}
