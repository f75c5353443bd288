import { Button, Group, Text } from "@mantine/core";
import { IconChevronLeft, IconChevronRight } from "@tabler/icons-react";
import { useText } from "../i18n";
import { pages } from "../lib/paging";
import { useFormat } from "./basics";

/** Pages near the present one, the first and the last, ellipses between. */
export function Paging({
  total,
  size,
  page,
  go,
}: {
  total: number;
  size: number;
  page: number;
  go: (page: number) => void;
}) {
  const { t } = useText();
  const f = useFormat();
  const last = Math.max(1, Math.ceil(total / size));
  const from = total === 0 ? 0 : (page - 1) * size + 1;
  return (
    <Group justify="space-between" component="nav" aria-label={t("paging.label")}>
      <Text size="sm" c="dimmed">
        {t("paging.range", { from: f.count(from), to: f.count(Math.min(page * size, total)), total: f.count(total) })}
      </Text>
      {last > 1 && (
        <Group gap={4}>
          <Button
            size="compact-md"
            variant="default"
            disabled={page <= 1}
            onClick={() => go(page - 1)}
            aria-label={t("paging.before")}
          >
            <IconChevronLeft size={16} aria-hidden />
          </Button>
          {pages(page, last).map((one, i) =>
            one === null ? (
              <Text key={`gap${i}`} px={4}>
                …
              </Text>
            ) : (
              <Button
                key={one}
                size="compact-md"
                variant={one === page ? "filled" : "default"}
                aria-current={one === page ? "page" : undefined}
                aria-label={t("paging.page", { page: one })}
                onClick={() => go(one)}
              >
                {f.count(one)}
              </Button>
            ),
          )}
          <Button
            size="compact-md"
            variant="default"
            disabled={page >= last}
            onClick={() => go(page + 1)}
            aria-label={t("paging.after")}
          >
            <IconChevronRight size={16} aria-hidden />
          </Button>
        </Group>
      )}
    </Group>
  );
}
