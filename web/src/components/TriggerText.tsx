import { useEffect, useState } from "react";
import type { Schedule, Settings } from "../api/client";
import { useText, type Key } from "../i18n";
import { keepRules, sentence } from "../lib/schedule";

/** When a schedule runs, as a sentence in the language of the page. */
export function useSentence(settings: Settings, otherwise = "") {
  const { t, language } = useText();
  const [words, setWords] = useState("");
  const key = JSON.stringify([settings.manual, settings.cron, settings.every, settings.at]);
  useEffect(() => {
    let current = true;
    void sentence(settings, t, language).then((w) => current && setWords(w));
    return () => {
      current = false;
    };
    // eslint-disable-next-line react-hooks/exhaustive-deps -- the key holds what the sentence is made of
  }, [key, language]);
  return words || otherwise;
}

export function TriggerText({ schedule: s }: { schedule: Schedule }) {
  const words = useSentence(s.settings ?? {}, s.trigger);
  return <>{words}</>;
}

/** Rules of retention in words. */
export function useKeepText() {
  const { t } = useText();
  return (keep: Schedule["keep"]) => {
    const parts = keepRules
      .filter((rule) => keep[rule] != null)
      .map((rule) => t(`keep.${rule}` as Key, { count: keep[rule] ?? 0 }));
    if (keep.within_seconds != null) parts.push(t("keep.within", { count: Math.round(keep.within_seconds / 86_400) }));
    return parts.length > 0 ? parts.join(", ") : t("keep.all");
  };
}
