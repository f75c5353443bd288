import "@mantine/spotlight/styles.css";
import { Spotlight, spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import { IconCalendarTime, IconPlayerPlay, IconPlus, IconSearch } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { queries } from "../api/queries";
import { useText } from "../i18n";
import { useMay, useStart } from "./hooks";
import { SECTIONS } from "./Shell";

/** Everything there is by its name: Ctrl-K. It opens whenever it is asked for once more. */
export default function Palette({ asked }: { asked: number }) {
  const { t } = useText();
  const may = useMay();
  const navigate = useNavigate();
  const start = useStart();
  const schedules = useQuery(queries.schedules()).data ?? [];
  useEffect(() => spotlight.open(), [asked]);
  const groups: SpotlightActionGroupData[] = [
    {
      group: t("palette.pages"),
      actions: SECTIONS.flatMap((s) => s.items)
        .filter((item) => !item.admin || may.admin)
        .map((item) => ({
          id: item.to,
          label: t(item.text),
          leftSection: <item.icon size={18} aria-hidden />,
          onClick: () => void navigate({ to: item.to }),
        })),
    },
    {
      group: t("palette.actions"),
      actions: [
        ...(may.admin
          ? [
              {
                id: "new",
                label: t("configurations.new"),
                leftSection: <IconPlus size={18} aria-hidden />,
                onClick: () => void navigate({ to: "/configurations/new" }),
              },
            ]
          : []),
        ...(may.operate
          ? schedules.map((s) => ({
              id: `run-${s.name}`,
              label: t("palette.run", { name: s.title ?? s.name }),
              leftSection: <IconPlayerPlay size={18} aria-hidden />,
              onClick: () => start.mutate({ schedule: s.name }),
            }))
          : []),
      ],
    },
    {
      group: t("nav.configurations"),
      actions: schedules.map((s) => ({
        id: `show-${s.name}`,
        label: s.title ?? s.name,
        description: s.title ? s.name : undefined,
        leftSection: <IconCalendarTime size={18} aria-hidden />,
        onClick: () => void navigate({ to: "/configurations/$name", params: { name: s.name } }),
      })),
    },
  ];
  return (
    <Spotlight
      actions={groups}
      nothingFound={t("palette.nothing")}
      highlightQuery
      limit={12}
      shortcut={null}
      searchProps={{
        leftSection: <IconSearch size={18} aria-hidden />,
        placeholder: t("palette.hint"),
        "aria-label": t("palette.hint"),
      }}
      scrollable
      maxHeight={420}
    />
  );
}
