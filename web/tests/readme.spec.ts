// The few pictures of the README: README_SHOTS=1 npx playwright test readme, then shrunk by hand.
import { mkdirSync } from "node:fs";
import { test } from "./fixtures.js";
import { pages } from "./pages.js";

test("pictures for the README", async ({ app, home, browser }) => {
  test.skip(!process.env.README_SHOTS, "only when asked for: README_SHOTS=1");
  const out = new URL("../shots/readme/", import.meta.url).pathname;
  mkdirSync(out, { recursive: true });
  home.run(["delete", "lost", "--yes"]);
  home.run(["drill", "documents"]);
  for (const [language, locale] of [
    ["fr", "fr-FR"],
    ["en", "en-GB"],
  ] as const) {
    const context = await browser.newContext({
      storageState: await app.context().storageState(),
      locale,
      viewport: { width: 1180, height: 760 },
    });
    const page = await context.newPage();
    for (const name of ["dashboard", "browse"]) {
      await page.goto(home.url + (pages(home)[name] ?? ""));
      await page.waitForLoadState("networkidle");
      await page.screenshot({ path: `${out}${name}.${language}.png` });
    }
    await context.close();
  }
});
