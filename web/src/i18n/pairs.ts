import { access } from "./access";
import { common } from "./common";
import { runs } from "./runs";
import { schedules } from "./schedules";
import { system } from "./system";

/** Every text of the page, English and French side by side: neither can be forgotten. The build makes one piece of each. */
export const pairs = { ...common, ...schedules, ...runs, ...access, ...system };

/** The texts of one language. */
export function textsOf(place: 0 | 1): Record<string, string> {
  return Object.fromEntries(Object.entries(pairs).map(([key, pair]) => [key, pair[place]]));
}
