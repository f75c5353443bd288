import { Button, Group, Table, Text } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useState } from "react";
import { useText } from "../i18n";
import { Wide } from "./basics";

export interface Series {
  name: string;
  color: string;
  values: number[];
}

/** The lowest "round" number that is not below: 1, 2 or 5 times a power of ten; of bytes, of a unit. */
export function roundUp(value: number, bytes = false): number {
  if (value <= 0) return 1;
  const unit = bytes ? 1024 ** Math.floor(Math.log(value) / Math.log(1024)) : 1;
  const power = 10 ** Math.floor(Math.log10(value / unit));
  return ([1, 2, 5, 10].find((n) => n * power * unit >= value) ?? 10) * power * unit;
}

/** Stacked bars with an axis, and the same as a table. */
export function Bars({
  title,
  labels,
  series,
  show,
  height = 180,
  bytes,
}: {
  title: string;
  labels: string[];
  series: Series[];
  show: (value: number) => string;
  height?: number;
  bytes?: boolean;
}) {
  const { t } = useText();
  const { ref, width } = useElementSize();
  const [table, setTable] = useState(false);
  const sums = labels.map((_, i) => series.reduce((sum, s) => sum + (s.values[i] ?? 0), 0));
  const top = roundUp(Math.max(...sums, 0), bytes);
  const [left, bottom] = [64, 22];
  const [plotWidth, plotHeight] = [Math.max(width - left, 0), height - bottom - 8];
  const step = plotWidth / Math.max(labels.length, 1);
  const every = Math.max(1, Math.ceil(64 / Math.max(step, 1)));
  const y = (value: number) => 8 + plotHeight * (1 - value / top);
  return (
    <div>
      <Group justify="space-between" mb="xs">
        <Text fw={600}>{title}</Text>
        <Button variant="subtle" size="compact-sm" onClick={() => setTable(!table)} aria-pressed={table}>
          {table ? t("chart.asChart") : t("chart.asTable")}
        </Button>
      </Group>
      {table ? (
        <Wide label={title}>
          <Table striped>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>{t("chart.what")}</Table.Th>
                {series.map((s) => (
                  <Table.Th key={s.name}>{s.name}</Table.Th>
                ))}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {labels.map((label, i) => (
                <Table.Tr key={label}>
                  <Table.Td>{label}</Table.Td>
                  {series.map((s) => (
                    <Table.Td key={s.name}>{show(s.values[i] ?? 0)}</Table.Td>
                  ))}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      ) : (
        <div ref={ref}>
          <svg width="100%" height={height} role="img" aria-label={`${title}. ${t("chart.hint")}`} className="bars">
            {[0, 0.5, 1].map((part) => (
              <g key={part}>
                <line x1={left} x2={width} y1={y(top * part)} y2={y(top * part)} stroke="var(--line)" />
                <text x={left - 8} y={y(top * part) + 4} textAnchor="end">
                  {show(top * part)}
                </text>
              </g>
            ))}
            {labels.map((label, i) => {
              let from = 0;
              return (
                <g key={label}>
                  <title>{`${label} · ${series.map((s) => `${s.name} ${show(s.values[i] ?? 0)}`).join(" · ")}`}</title>
                  <rect x={left + i * step} y={8} width={step} height={plotHeight} fill="transparent" />
                  {series.map((s) => {
                    const value = s.values[i] ?? 0;
                    const at = from;
                    from += value;
                    return (
                      <rect
                        key={s.name}
                        x={left + i * step + step * 0.14}
                        width={Math.max(step * 0.72, 1)}
                        y={y(at + value)}
                        height={Math.max(y(at) - y(at + value), 0)}
                        fill={s.color}
                      />
                    );
                  })}
                  {i % every === 0 && (
                    <text x={left + i * step + step / 2} y={height - 6} textAnchor="middle">
                      {label}
                    </text>
                  )}
                </g>
              );
            })}
          </svg>
          {series.length > 1 && (
            <Group gap="md" mt={4}>
              {series.map((s) => (
                <Group key={s.name} gap={6}>
                  <span style={{ width: 12, height: 12, borderRadius: 3, background: s.color }} aria-hidden />
                  <Text size="sm">{s.name}</Text>
                </Group>
              ))}
            </Group>
          )}
        </div>
      )}
    </div>
  );
}
