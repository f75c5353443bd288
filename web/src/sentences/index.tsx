import { useSyncExternalStore, type ReactNode } from "react";
import { useText } from "../i18n";

type Say = (text: string) => string | null;

let french: Say | null = null;
let coming: Promise<void> | null = null;
const listeners = new Set<() => void>();

/** Brings the sentences in with the first that has to be said in French. */
async function load() {
  const [{ translator }, { operationsFr, systemFr }, table] = await Promise.all([
    import("./translate"),
    import("./system"),
    import("./sentences.fr.json"),
  ]);
  french = translator(operationsFr, table.default, systemFr);
  listeners.forEach((tell) => tell());
}

const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => void listeners.delete(tell);
};

/** Says a sentence of the daemon in the language that is chosen, and in which language it came out. */
export function useSaid(): (text: string) => { text: string; lang: "en" | undefined } {
  const { language } = useText();
  const say = useSyncExternalStore(subscribe, () => french);
  if (language === "fr" && !say) coming ??= load().catch(() => void (coming = null));
  return (text) => {
    const said = language === "fr" ? say?.(text) : null;
    return { text: said ?? text, lang: said || language === "en" ? undefined : "en" };
  };
}

/** A sentence of the daemon. */
export function Said({ text }: { text: string | null | undefined }): ReactNode {
  const said = useSaid()(text ?? "");
  return <span lang={said.lang}>{said.text}</span>;
}
