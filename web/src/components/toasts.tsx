import { lazy, Suspense, useReducer, useEffect, type ReactNode } from "react";

export interface Toast {
  kind: "success" | "info" | "warning" | "error";
  title: string;
  message?: ReactNode;
}

const Shown = lazy(() => import("./Notifications"));
const waiting: Toast[] = [];
let wake: () => void = () => {};

/** Tells something in a corner of the page. */
export function tell(toast: Toast) {
  waiting.push(toast);
  wake();
}

/** Where toasts appear; what draws them comes with the first. */
export function Toasts() {
  const [count, more] = useReducer((n: number) => n + 1, 0);
  useEffect(() => {
    wake = more;
    if (waiting.length > 0) more();
  }, []);
  return <Suspense fallback={null}>{count > 0 && <Shown toasts={waiting} />}</Suspense>;
}
