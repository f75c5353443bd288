import { access } from "./access.ts";
import { common } from "./common.ts";
import { runs } from "./runs.ts";
import { schedules } from "./schedules.ts";
import { system } from "./system.ts";

/** Every text of the page, English and French side by side: neither can be forgotten. The build makes one piece of each. */
export const pairs = { ...common, ...schedules, ...runs, ...access, ...system };

/** The texts of one language. French sets a space that does not break before its double punctuation, and inside its quotes. */
export function textsOf(place: 0 | 1): Record<string, string> {
  const set = (text: string) =>
    place === 1 ? text.replace(/ (?=[;:!?»])/g, "\u00a0").replace(/« /g, "«\u00a0") : text;
  return Object.fromEntries(Object.entries(pairs).map(([key, pair]) => [key, set(pair[place])]));
}
