import { Group, Progress as Bar, Stack, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import type { Progress as Figures } from "../api/client";
import { useText } from "../i18n";
import { useFormat } from "./basics";

/** How far a run has come: the daemon's own figures, as the terminal shows them, and the time that is left at this rate. */
export function Progress({ progress, compact }: { progress: Figures; compact?: boolean }) {
  const { t } = useText();
  const f = useFormat();
  const total = progress.total_bytes ?? 0;
  const part = total > 0 ? Math.min(progress.bytes / total, 1) : null;
  const rate = progress.seconds > 0 ? progress.bytes / progress.seconds : 0;
  const left = part !== null && rate > 0 ? (total - progress.bytes) / rate : null;
  // A screen reader hears of it now and then, not five times a second.
  const [told, setTold] = useState("");
  const last = useRef(0);
  const words = `${f.size(progress.bytes)}${total ? ` / ${f.size(total)}` : ""} · ${t("run.files", { count: progress.files })}`;
  useEffect(() => {
    if (Date.now() - last.current > 5000) {
      last.current = Date.now();
      setTold(words);
    }
  }, [words]);
  return (
    <Stack gap={4}>
      <Bar.Root size={compact ? "sm" : "lg"}>
        <Bar.Section
          value={part === null ? 100 : part * 100}
          animated
          striped={part === null}
          aria-label={t("run.progress")}
          aria-valuetext={part === null ? words : f.percent(part)}
        />
      </Bar.Root>
      <Group justify="space-between" gap="xs">
        <Text size="sm">{words}</Text>
        <Text size="sm" c="dimmed">
          {[
            part !== null ? f.percent(part) : null,
            rate > 0 ? `${f.size(rate)}/s` : null,
            left !== null && left > 1 ? t("run.left", { time: f.duration(left) }) : null,
          ]
            .filter(Boolean)
            .join(" · ")}
        </Text>
      </Group>
      {!compact && progress.current && (
        <Text size="xs" c="dimmed" className="mono" truncate>
          {progress.current}
        </Text>
      )}
      <span role="status" aria-live="polite" className="unseen">
        {told}
      </span>
    </Stack>
  );
}
