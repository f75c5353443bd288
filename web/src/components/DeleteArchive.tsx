import { Text } from "@mantine/core";
import { http, take } from "../api/client";
import { useText } from "../i18n";
import { curl } from "../lib/cli";
import { CommandLine, Confirm, useFormat, useToast } from "./basics";
import { useAction } from "./hooks";

/** An archive that somebody wants gone. */
export interface Doomed {
  id: string;
  /** Its file, as the question names it. */
  file: string;
  schedule: string;
  size: number;
  /** What the toast says has gone. */
  told: string;
}

/** Asks before an archive is removed, and removes it. */
export function DeleteArchive({ doomed, close }: { doomed: Doomed | null; close: () => void }) {
  const { t } = useText();
  const f = useFormat();
  const toast = useToast();
  const remove = useAction(
    (a: Doomed) => take(http.DELETE("/api/v1/archives/{archive}", { params: { path: { archive: a.id } } })),
    (_, a) => {
      close();
      toast.success(t("archive.deleted", { name: a.told }));
    },
  );
  return (
    <Confirm
      opened={doomed !== null}
      title={t("archive.delete")}
      action={t("action.delete")}
      busy={remove.isPending}
      error={remove.error}
      close={close}
      confirm={() => doomed && remove.mutate(doomed)}
    >
      <Text size="sm">
        {t("archive.delete.text", {
          name: doomed?.file ?? "",
          schedule: doomed?.schedule ?? "",
          size: f.size(doomed?.size ?? 0),
        })}
      </Text>
      <CommandLine line={curl("DELETE", `/api/v1/archives/${doomed?.id ?? ""}`)} />
    </Confirm>
  );
}
