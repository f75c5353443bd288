import { Alert, Breadcrumbs, Button, Card, Checkbox, Group, Modal, Select, Skeleton, Stack, Text } from "@mantine/core";
import { IconDownload, IconEye, IconFile, IconFolder, IconLink, IconRestore, IconVersions } from "@tabler/icons-react";
import { useQueries, useQuery } from "@tanstack/react-query";
import { useNavigate, useParams, useSearch } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { memo, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { Archive, Entry } from "../api/client";
import { queries } from "../api/queries";
import { CommandLine, Empty, ErrorBox, Loaded, Loading, PageTitle, useFormat, When } from "../components/basics";
import { FileFinder } from "../components/FileFinder";
import { useMay, useWord } from "../components/hooks";
import { Link, LinkButton } from "../components/Link";
import { useText } from "../i18n";
import { command, curl } from "../lib/cli";

/** So many entries come with one request, as the list is scrolled to them. */
const PIECE = 200;
const ROW = 42;
/** Larger files are not shown, only downloaded. */
const SHOWN_MOST = 512 * 1024;

interface Chosen {
  path: string;
  path_b64?: string | null;
  size: number;
}

/** The address of a download: one file as it is, several entries as one tar.gz. */
export function contentsUrl(archive: string, chosen: Chosen[]): string {
  const search = new URLSearchParams({ archive });
  const plain = chosen.filter((c) => !c.path_b64).map((c) => c.path);
  const odd = chosen.flatMap((c) => (c.path_b64 ? [c.path_b64] : []));
  if (plain.length > 0) search.set("paths", JSON.stringify(plain));
  if (odd.length > 0) search.set("paths_b64", JSON.stringify(odd));
  return `/api/v1/contents?${search}`;
}

function useFolder(archive: string, path: string, b64: string | undefined, pieces: number[]) {
  const first = useQuery(queries.entries(archive, path, b64, 0, PIECE));
  const rest = useQueries({
    queries: pieces.filter((p) => p > 0).map((p) => queries.entries(archive, path, b64, p * PIECE, PIECE)),
  });
  const found = new Map<number, Entry[]>();
  if (first.data) found.set(0, first.data.items);
  pieces
    .filter((p) => p > 0)
    .forEach((p, i) => {
      const items = rest[i]?.data?.items;
      if (items) found.set(p, items);
    });
  const error = first.error ?? rest.find((r) => r.error)?.error;
  return {
    total: first.data?.total,
    at: (index: number) => found.get(Math.floor(index / PIECE))?.[index % PIECE],
    error,
    first,
  };
}

/** Text of a small file, to look at before anything is restored. */
function TextPreview({ archive, entry, close }: { archive: string; entry: Entry | null; close: () => void }) {
  const { t } = useText();
  const content = useQuery({
    queryKey: ["content", archive, entry?.path ?? ""],
    enabled: entry !== null,
    staleTime: Infinity,
    queryFn: async () => {
      const response = await fetch(contentsUrl(archive, entry ? [entry] : []));
      if (!response.ok) throw new Error(((await response.json()) as { detail?: string }).detail ?? response.statusText);
      const bytes = new Uint8Array(await response.arrayBuffer());
      if (bytes.includes(0)) return null;
      return new TextDecoder().decode(bytes);
    },
  });
  return (
    <Modal
      opened={entry !== null}
      onClose={close}
      title={entry?.name}
      size="xl"
      closeButtonProps={{ "aria-label": t("common.close") }}
    >
      <Loaded query={content}>
        {(text) =>
          text === null ? (
            <Text>{t("browse.noText")}</Text>
          ) : (
            <pre className="preview-text mono" tabIndex={0}>
              {text || t("browse.emptyFile")}
            </pre>
          )
        }
      </Loaded>
    </Modal>
  );
}

const keyOf = (entry: { path: string; path_b64?: string | null }) => entry.path_b64 ?? entry.path;

/** One entry. Plain elements, drawn anew only when it changes: a folder may be scrolled through by the thousand. */
const Row = memo(function Row({
  archive,
  entry,
  index,
  start,
  chosen,
  mayRead,
  open,
  show,
  toggle,
}: {
  archive: string;
  entry: Entry;
  index: number;
  start: number;
  chosen: boolean;
  mayRead: boolean;
  open: (entry: Entry) => void;
  show: (entry: Entry) => void;
  toggle: (entries: Entry[], on: boolean) => void;
}) {
  const { t } = useText();
  const f = useFormat();
  const isFolder = entry.kind === "folder";
  const Icon = isFolder ? IconFolder : entry.kind === "symlink" ? IconLink : IconFile;
  const readable = mayRead && (entry.kind === "file" || entry.kind === "hard_link");
  return (
    <div
      className="row"
      role="row"
      aria-rowindex={index + 2}
      data-chosen={chosen}
      style={{ position: "absolute", top: 0, left: 0, right: 0, height: ROW, transform: `translateY(${start}px)` }}
    >
      <span role="cell">
        <input
          type="checkbox"
          aria-label={t("browse.choose", { name: entry.name })}
          checked={chosen}
          onChange={(e) => toggle([entry], e.currentTarget.checked)}
        />
      </span>
      <span role="cell" className="entry">
        <Icon size={18} aria-hidden />
        {isFolder ? (
          <button type="button" className="name" onClick={() => open(entry)} title={entry.name}>
            {entry.name}
          </button>
        ) : (
          <span className="name" title={entry.name}>
            {entry.link ? `${entry.name} → ${entry.link}` : entry.name}
          </span>
        )}
      </span>
      <span role="cell" className="size">
        {isFolder ? "" : f.size(entry.size)}
      </span>
      <span role="cell" className="when">
        {entry.mtime ? f.dateTime(entry.mtime) : ""}
      </span>
      <span role="cell">
        {readable && entry.size <= SHOWN_MOST ? (
          <button
            type="button"
            className="icon"
            aria-label={t("browse.show", { name: entry.name })}
            onClick={() => show(entry)}
          >
            <IconEye size={17} aria-hidden />
          </button>
        ) : readable ? (
          <a
            className="icon"
            href={contentsUrl(archive, [entry])}
            aria-label={t("action.downloadOf", { name: entry.name })}
          >
            <IconDownload size={17} aria-hidden />
          </a>
        ) : null}
      </span>
    </div>
  );
});

function Folder({
  archive,
  path,
  b64,
  chosen,
  toggle,
}: {
  archive: string;
  path: string;
  b64?: string;
  chosen: Map<string, Chosen>;
  toggle: (entries: Entry[], on: boolean) => void;
}) {
  const { t } = useText();
  const may = useMay();
  const navigate = useNavigate();
  const box = useRef<HTMLDivElement>(null);
  const [shown, setShown] = useState<Entry | null>(null);
  const [pieces, setPieces] = useState<number[]>([0]);
  const folder = useFolder(archive, path, b64, pieces);
  const total = folder.total ?? 0;
  const rows = useVirtualizer({
    count: total,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 12,
  });
  const items = rows.getVirtualItems();
  const from = Math.floor((items[0]?.index ?? 0) / PIECE);
  const to = Math.floor((items[items.length - 1]?.index ?? 0) / PIECE);
  useEffect(() => {
    // The pieces that are seen now; what was seen stays in the cache.
    const wanted = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    setPieces((old) => (old.join() === wanted.join() ? old : wanted));
  }, [from, to]);
  useEffect(() => {
    box.current?.scrollTo({ top: 0 });
    rows.scrollToOffset(0);
    // eslint-disable-next-line react-hooks/exhaustive-deps -- only when the folder changes
  }, [archive, path, b64]);
  const open = useCallback(
    (entry: Entry) =>
      void navigate({
        to: "/browse/$archive",
        params: { archive },
        search: { path: entry.path, b64: entry.path_b64 ?? undefined },
      }),
    [archive, navigate],
  );

  if (folder.error) return <ErrorBox error={folder.error} retry={() => void folder.first.refetch()} />;
  if (folder.total === undefined) return <Loading rows={8} />;
  if (folder.total === 0) return <Empty text={t("browse.empty")} />;
  const loaded = Array.from({ length: Math.min(total, PIECE) }, (_, i) => folder.at(i)).filter(
    (e): e is Entry => e !== undefined,
  );
  const all = total > 0 && total <= PIECE && loaded.every((e) => chosen.has(keyOf(e)));
  return (
    <>
      <div
        ref={box}
        className="rows"
        role="table"
        aria-label={t("browse.contents")}
        aria-rowcount={total + 1}
        tabIndex={0}
        style={{ height: Math.min(total * ROW + ROW + 4, 720), maxHeight: "62vh" }}
      >
        <div className="row head" role="row" style={{ height: ROW }}>
          <span role="columnheader">
            {total <= PIECE && (
              <Checkbox
                aria-label={t("browse.chooseAll")}
                checked={all}
                indeterminate={!all && loaded.some((e) => chosen.has(keyOf(e)))}
                onChange={(e) => toggle(loaded, e.currentTarget.checked)}
              />
            )}
          </span>
          <span role="columnheader">{t("field.name")}</span>
          <span role="columnheader" style={{ textAlign: "right" }}>
            {t("field.size")}
          </span>
          <span role="columnheader" className="when">
            {t("field.changed")}
          </span>
          <span role="columnheader">
            <span className="unseen">{t("field.actions")}</span>
          </span>
        </div>
        <div role="rowgroup" style={{ height: rows.getTotalSize(), position: "relative" }}>
          {items.map((item) => {
            const entry = folder.at(item.index);
            const place = {
              position: "absolute" as const,
              top: 0,
              left: 0,
              right: 0,
              height: ROW,
              transform: `translateY(${item.start}px)`,
            };
            if (!entry) {
              return (
                <div key={item.key} style={{ ...place, padding: 10 }} role="row" aria-rowindex={item.index + 2}>
                  <Skeleton height={18} />
                </div>
              );
            }
            return (
              <Row
                key={item.key}
                archive={archive}
                entry={entry}
                index={item.index}
                start={item.start}
                chosen={chosen.has(keyOf(entry))}
                mayRead={may.operate}
                open={open}
                show={setShown}
                toggle={toggle}
              />
            );
          })}
        </div>
      </div>
      <TextPreview archive={archive} entry={shown} close={() => setShown(null)} />
    </>
  );
}

/** Folders that hold nothing but one folder are passed through, as long as nobody came there on purpose. */
function useSingleChild(archive: string, path: string, b64: string | undefined) {
  const navigate = useNavigate();
  const entries = useQuery({ ...queries.entries(archive, path, b64, 0, PIECE), enabled: path === "" && !b64 });
  const first = useRef(true);
  const [walk, setWalk] = useState<string | null>(null);
  const next = useQuery({ ...queries.entries(archive, walk ?? "", undefined, 0, PIECE), enabled: walk !== null });
  const single = (page: { total: number; items: Entry[] } | undefined) => {
    const only = page?.total === 1 ? page.items[0] : undefined;
    return only?.kind === "folder" && !only.path_b64 ? only.path : null;
  };
  const top = single(entries.data);
  const deeper = single(next.data);
  useEffect(() => {
    if (!first.current || path !== "") return;
    if (walk === null) {
      if (top) setWalk(top);
    } else if (next.data) {
      if (deeper && deeper !== walk) setWalk(deeper);
      else {
        first.current = false;
        void navigate({ to: "/browse/$archive", params: { archive }, search: { path: walk }, replace: true });
      }
    }
  }, [top, walk, deeper, next.data, archive, path, navigate]);
}

/** The other versions of the same schedule, and what changed between two of them. */
function Versions({ archive, path }: { archive: Archive; path: string }) {
  const { t } = useText();
  const f = useFormat();
  const word = useWord();
  const navigate = useNavigate();
  const [other, setOther] = useState<string | null>(null);
  const all = useQuery(queries.archives(archive.schedule, 200, 0)).data?.items ?? [];
  const diff = useQuery({ ...queries.diff(other ?? "", archive.id), enabled: other !== null });
  const data = all.map((a) => ({ value: a.id, label: `${f.dateTime(a.started, true)} · ${word("kind", a.kind)}` }));
  return (
    <>
      <Group align="flex-end" gap="xs">
        <Select
          label={t("browse.version")}
          data={data}
          value={archive.id}
          onChange={(id) =>
            id &&
            void navigate({ to: "/browse/$archive", params: { archive: id }, search: { path: path || undefined } })
          }
          allowDeselect={false}
          w={300}
          maw="100%"
          searchable
        />
        <Button
          variant="default"
          leftSection={<IconVersions size={16} aria-hidden />}
          disabled={all.length < 2}
          onClick={() => setOther(archive.parent ?? all.find((a) => a.id !== archive.id)?.id ?? null)}
        >
          {t("browse.compare")}
        </Button>
      </Group>
      <Modal
        opened={other !== null}
        onClose={() => setOther(null)}
        title={t("diff.title")}
        size="xl"
        closeButtonProps={{ "aria-label": t("common.close") }}
      >
        <Stack>
          <Select
            label={t("diff.with")}
            data={data.filter((d) => d.value !== archive.id)}
            value={other}
            onChange={setOther}
            allowDeselect={false}
          />
          <Loaded query={diff}>
            {(page) => (
              <>
                <Text size="sm">{t("diff.count", { count: page.total })}</Text>
                <div
                  style={{ maxHeight: "50vh", overflow: "auto" }}
                  tabIndex={0}
                  role="region"
                  aria-label={t("diff.title")}
                >
                  {page.items.slice(0, 1000).map((change) => (
                    <Group key={`${change.change}${change.path}`} gap="xs" wrap="nowrap" align="flex-start">
                      <Text size="sm" w={90} flex="none" fw={600}>
                        {t(`change.${change.change}` as "change.added")}
                      </Text>
                      <Text size="sm" className="mono">
                        {change.path}
                      </Text>
                    </Group>
                  ))}
                </div>
                <CommandLine line={command("diff", other, archive.id)} />
              </>
            )}
          </Loaded>
        </Stack>
      </Modal>
    </>
  );
}

export function Browse() {
  const { t } = useText();
  const f = useFormat();
  const may = useMay();
  const { archive: id } = useParams({ from: "/inside/browse/$archive" });
  const { path = "", b64, find } = useSearch({ from: "/inside/browse/$archive" });
  const archive = useQuery(queries.archive(id));
  const [chosen, setChosen] = useState<Map<string, Chosen>>(new Map());
  useEffect(() => setChosen(new Map()), [id]);
  useSingleChild(id, path, b64);
  const toggle = useCallback(
    (entries: Entry[], on: boolean) =>
      setChosen((old) => {
        const next = new Map(old);
        for (const e of entries) {
          if (on) next.set(keyOf(e), { path: e.path, path_b64: e.path_b64, size: e.size });
          else next.delete(keyOf(e));
        }
        return next;
      }),
    [],
  );
  const list = useMemo(() => [...chosen.values()], [chosen]);
  const parts = path.split("/").filter(Boolean);
  return (
    <Loaded query={archive} rows={8}>
      {(a) => (
        <>
          <PageTitle
            title={t("browse.title", { name: a.schedule })}
            text={
              <>
                <When time={a.started} /> · {t("run.files", { count: a.files })} · {f.size(a.bytes)}
              </>
            }
          >
            <Versions archive={a} path={path} />
          </PageTitle>
          <Stack>
            {a.encrypted && <Alert color="teal">{t("browse.encrypted")}</Alert>}
            <FileFinder schedule={a.schedule} start={find} />
            <Card padding="sm">
              <Group justify="space-between">
                <nav aria-label={t("browse.where")}>
                  <Breadcrumbs separatorMargin={4} styles={{ root: { flexWrap: "wrap" } }}>
                    <Link to="/browse/$archive" params={{ archive: id }} search={{ path: "/" }}>
                      {t("browse.top")}
                    </Link>
                    {parts.map((part, i) => (
                      <Link
                        key={i}
                        to="/browse/$archive"
                        params={{ archive: id }}
                        search={{ path: parts.slice(0, i + 1).join("/") }}
                        aria-current={i === parts.length - 1 ? "page" : undefined}
                      >
                        {part}
                      </Link>
                    ))}
                  </Breadcrumbs>
                </nav>
                {may.operate && (
                  <Group gap="xs">
                    {list.length > 0 && (
                      <>
                        <Text size="sm" role="status">
                          {t("browse.chosen", { count: list.length })}
                        </Text>
                        <Button size="sm" variant="subtle" onClick={() => setChosen(new Map())}>
                          {t("common.clear")}
                        </Button>
                        <Button
                          size="sm"
                          variant="default"
                          component="a"
                          href={contentsUrl(id, list)}
                          leftSection={<IconDownload size={16} aria-hidden />}
                        >
                          {t("action.download")}
                        </Button>
                      </>
                    )}
                    <LinkButton
                      size="sm"
                      to="/restore/$archive"
                      params={{ archive: id }}
                      search={{
                        paths: list.some((c) => !c.path_b64)
                          ? list.filter((c) => !c.path_b64).map((c) => c.path)
                          : undefined,
                        paths_b64: list.some((c) => c.path_b64) ? list.flatMap((c) => c.path_b64 ?? []) : undefined,
                      }}
                      leftSection={<IconRestore size={16} aria-hidden />}
                    >
                      {list.length > 0 ? t("browse.restore", { count: list.length }) : t("browse.restoreAll")}
                    </LinkButton>
                  </Group>
                )}
              </Group>
            </Card>
            <Folder archive={id} path={path === "/" ? "" : path} b64={b64} chosen={chosen} toggle={toggle} />
            <CommandLine
              line={command("browse", id, path || null)}
              curl={curl("GET", `/api/v1/entries?archive=${id}&path=${encodeURIComponent(path)}`)}
            />
          </Stack>
        </>
      )}
    </Loaded>
  );
}
