import { Tooltip } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useRef } from "react";
import { useText, type Key } from "../i18n";
import type { Day } from "../lib/verdict";
import { useFormat } from "./basics";

/** A sign beside the colour, for who cannot tell the colours apart. */
const SIGN: Record<Day["state"], string> = {
  completed: "",
  warning: "!",
  failed: "×",
  cancelled: "–",
  running: "•",
  none: "",
};

/** The last days of a schedule, one cell each. Tab reaches the strip, the arrows go along it. */
export function DayStrip({ days, schedule, label }: { days: Day[]; schedule?: string; label: string }) {
  const { t, language } = useText();
  const f = useFormat();
  const navigate = useNavigate();
  const list = useRef<HTMLUListElement>(null);
  const words = (day: Day) => {
    const counts = Object.entries(day.counts)
      .filter(([status, n]) => n && status !== "pending")
      .map(([status, n]) => `${n} ${t(`status.${status}` as Key).toLocaleLowerCase(language)}`);
    return `${f.date(day.date)} : ${counts.join(", ") || t("strip.none")}`.replace(
      " :",
      language === "fr" ? " :" : ":",
    );
  };
  const move = (index: number) => list.current?.querySelectorAll("button")[index]?.focus();
  return (
    <ul className="strip" ref={list} aria-label={label}>
      {days.map((day, i) => (
        <li key={day.date} style={{ display: "contents" }}>
          <Tooltip label={words(day)} openDelay={100}>
            <button
              type="button"
              data-state={day.state}
              aria-label={words(day)}
              tabIndex={i === days.length - 1 ? 0 : -1}
              onKeyDown={(event) => {
                if (event.key === "ArrowLeft") move(Math.max(i - 1, 0));
                else if (event.key === "ArrowRight") move(Math.min(i + 1, days.length - 1));
                else if (event.key === "Home") move(0);
                else if (event.key === "End") move(days.length - 1);
                else return;
                event.preventDefault();
              }}
              onClick={() =>
                void navigate({
                  to: "/history",
                  search: { schedule, operation: "backup", from: day.date, to: day.date },
                })
              }
            >
              <span aria-hidden>{SIGN[day.state]}</span>
            </button>
          </Tooltip>
        </li>
      ))}
    </ul>
  );
}
