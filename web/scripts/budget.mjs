// What the page may weigh, compressed: the first load, and any piece that comes later. Fails if it weighs more.
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";

const BUDGET = { "first JavaScript": 230, "first CSS": 40, "a later piece": 125 };
const dist = new URL("../dist", import.meta.url).pathname;
const html = readFileSync(join(dist, "index.html"), "utf8");
const weigh = (name) => {
  try {
    return statSync(join(dist, `${name}.gz`)).size / 1000;
  } catch {
    return statSync(join(dist, name)).size / 1000;
  }
};
const named = [...html.matchAll(/(?:src|href)="\/([^"]+\.(?:js|css))"/g)].map((m) => m[1]);
const sum = (end) => named.filter((n) => n.endsWith(end)).reduce((total, n) => total + weigh(n), 0);
const later = readdirSync(join(dist, "assets"))
  .filter((n) => /\.(js|css)$/.test(n) && !named.includes(`assets/${n}`))
  .map((n) => weigh(`assets/${n}`));
// One language is part of the first load, though it is asked for a moment later.
const language = Math.max(
  ...readdirSync(join(dist, "assets"))
    .filter((n) => /^(en|fr)-.*\.js$/.test(n))
    .map((n) => weigh(`assets/${n}`)),
  0,
);
const found = {
  "first JavaScript": sum(".js") + language,
  "first CSS": sum(".css"),
  "a later piece": Math.max(0, ...later),
};
let over = false;
for (const [what, most] of Object.entries(BUDGET)) {
  console.log(`${what}: ${found[what].toFixed(1)} of ${most} kB`);
  over ||= found[what] > most;
}
if (over) {
  console.error("The page weighs more than its budget.");
  process.exit(1);
}
