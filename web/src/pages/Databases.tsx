import { Button, Group, SegmentedControl, SimpleGrid, Text, TextInput } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconDatabase, IconPlus } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { http, take, type Database } from "../api/client";
import { queries } from "../api/queries";
import { ArchiveTable } from "../components/ArchiveTable";
import { CommandLine, Empty, Facts, Loaded, PageTitle } from "../components/basics";
import { EntryCard } from "../components/EntryCard";
import { EntryForm } from "../components/EntryForm";
import { useMay, useStart } from "../components/hooks";
import { Link, LinkButton } from "../components/Link";
import { SecretInput } from "../components/SecretInput";
import { Test } from "../components/Test";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";

const WAYS = ["password", "password_file", "password_env"] as const;
type How = (typeof WAYS)[number] | "none";

/** Adds a database, or changes one. */
function DatabaseForm({ opened, close, old }: { opened: boolean; close: () => void; old?: Database }) {
  const { t } = useText();
  const [url, setUrl] = useState(old?.url ?? "");
  const [how, setHow] = useState<How>("password");
  const [secret, setSecret] = useState("");
  const ways: How[] = old?.password ? [...WAYS, "none"] : [...WAYS];
  return (
    <EntryForm
      opened={opened}
      close={close}
      word="database"
      old={old?.name}
      add={t("databases.add")}
      added={(name) => [t("databases.added", { name }), t("databases.added.text")]}
      was={{ url: old?.url, password: how === "none" ? "kept" : "" }}
      now={{ url, password: "", ...(how !== "none" && { [how]: secret }) }}
      need={{ url: "URL" }}
      send={(name, body) =>
        old
          ? take(http.PATCH("/api/v1/databases/{name}", { params: { path: { name } }, body }))
          : take(http.POST("/api/v1/databases", { body: { name, ...body } }))
      }
      reset={() => {
        setUrl("");
        setSecret("");
      }}
    >
      <TextInput
        label={t("databases.url")}
        description={t("databases.urlHint")}
        placeholder="postgres://backup@127.0.0.1:5432/shop"
        value={url}
        onChange={(e) => setUrl(e.currentTarget.value)}
        classNames={{ input: "mono" }}
        required
      />
      <div>
        <Text size="sm" fw={500} mb={4}>
          {t("login.password")}
        </Text>
        <SegmentedControl
          aria-label={t("secret.how")}
          value={how}
          onChange={(value) => setHow(value as How)}
          data={ways.map((value) => ({ value, label: t(`secret.${value}`) }))}
        />
      </div>
      {how === "password" && (
        <SecretInput label={t("login.password")} kept={Boolean(old?.password)} value={secret} onChange={setSecret} />
      )}
      {(how === "password_file" || how === "password_env") && (
        <TextInput label={t(`secret.${how}`)} value={secret} onChange={(e) => setSecret(e.currentTarget.value)} />
      )}
    </EntryForm>
  );
}

function Versions({ database }: { database: Database }) {
  const { t } = useText();
  const lists = useQuery({
    queryKey: ["archives", "of", database.schedules.join()],
    queryFn: () =>
      Promise.all(
        database.schedules.map((schedule) =>
          take(http.GET("/api/v1/archives", { params: { query: { schedule, limit: 20 } } })).then((p) => p.items),
        ),
      ).then((all) => all.flat().sort((a, b) => b.started.localeCompare(a.started))),
  });
  return (
    <Loaded query={lists}>
      {(archives) =>
        archives.length === 0 ? (
          <Text size="sm" c="dimmed">
            {t("databases.noVersions")}
          </Text>
        ) : (
          <ArchiveTable archives={archives.slice(0, 20)} withSchedule={database.schedules.length > 1} />
        )
      }
    </Loaded>
  );
}

function DatabaseCard({ database: d }: { database: Database }) {
  const { t } = useText();
  const may = useMay();
  const start = useStart();
  const [open, setOpen] = useState(false);
  const [editing, edit] = useDisclosure();
  // What a test said before an edit holds no more.
  const [edits, setEdits] = useState(0);
  const closed = () => {
    edit.close();
    setEdits(edits + 1);
  };
  return (
    <EntryCard
      name={d.name}
      word="database"
      icon={<IconDatabase size={22} aria-hidden />}
      kind={d.engine}
      edit={edit.open}
      remove={() => take(http.DELETE("/api/v1/databases/{name}", { params: { path: { name: d.name } } }))}
      title={t("databases.delete", { name: d.name })}
      text={t("databases.delete.text")}
      removed={t("databases.deleted", { name: d.name })}
    >
      {editing && <DatabaseForm opened close={closed} old={d} />}
      <Facts
        rows={[
          [t("databases.url"), <span className="mono">{d.url}</span>],
          [t("login.password"), d.password ? t("databases.hasPassword") : t("databases.noPassword")],
          [
            t("nav.configurations"),
            d.schedules.length > 0 ? (
              <Group gap="xs">
                {d.schedules.map((name) => (
                  <Link key={name} to="/configurations/$name" params={{ name }} size="sm">
                    {name}
                  </Link>
                ))}
              </Group>
            ) : (
              t("databases.noSchedule")
            ),
          ],
        ]}
      />
      <Group align="flex-start">
        {may.operate && (
          <Test
            key={edits}
            name={d.name}
            run={() => take(http.POST("/api/v1/databases/{name}/test", { params: { path: { name: d.name } } }))}
          />
        )}
        {may.operate && d.schedules[0] && (
          <Button size="sm" loading={start.isPending} onClick={() => start.mutate({ schedule: d.schedules[0] ?? "" })}>
            {t("action.runNow")}
          </Button>
        )}
        {may.admin && (
          <LinkButton
            size="sm"
            variant={d.schedules.length === 0 ? "filled" : "default"}
            to="/configurations/new"
            search={{ database: d.name }}
          >
            {t("databases.schedule")}
          </LinkButton>
        )}
        <Button size="sm" variant="default" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("databases.versions")}
        </Button>
      </Group>
      {open && <Versions database={d} />}
      <CommandLine line={command("database", "test", d.name)} curl={curl("POST", `/api/v1/databases/${d.name}/test`)} />
    </EntryCard>
  );
}

export function Databases() {
  const { t } = useText();
  const may = useMay();
  const [adding, add] = useDisclosure();
  const databases = useQuery(queries.databases());
  const button = may.admin && (
    <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={add.open}>
      {t("databases.add")}
    </Button>
  );
  return (
    <>
      <PageTitle title={t("nav.databases")} text={t("databases.text")}>
        {button}
      </PageTitle>
      <Loaded query={databases}>
        {(list) =>
          list.length === 0 ? (
            <Empty text={t("databases.empty")}>{button}</Empty>
          ) : (
            <SimpleGrid cols={1}>
              {list.map((d) => (
                <DatabaseCard key={d.name} database={d} />
              ))}
            </SimpleGrid>
          )
        }
      </Loaded>
      <DatabaseForm opened={adding} close={add.close} />
    </>
  );
}
