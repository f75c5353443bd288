// Pictures of every page, to look at: `make screenshots`. They are compared with nothing.
import { mkdirSync } from "node:fs";
import { pages, SCHEMES } from "./pages.js";
import { test } from "./fixtures.js";

const out = new URL("../shots/", import.meta.url).pathname;

test("screenshots of every page", async ({ app, home, browser }) => {
  test.skip(!process.env.SHOTS, "only when asked for: SHOTS=1");
  test.setTimeout(600_000);
  mkdirSync(out, { recursive: true });
  const state = await app.context().storageState();
  for (const scheme of SCHEMES) {
    for (const width of [1280, 390]) {
      const context = await browser.newContext({
        storageState: state,
        colorScheme: scheme,
        locale: scheme === "light" ? "fr-FR" : "en-GB",
        viewport: { width, height: width === 390 ? 844 : 900 },
      });
      const page = await context.newPage();
      for (const [name, path] of Object.entries(pages(home))) {
        await page.goto(home.url + path);
        await page.waitForLoadState("networkidle");
        await page.waitForTimeout(250);
        await page.screenshot({ path: `${out}${name}-${scheme}-${width}.png`, fullPage: true });
      }
      await context.clearCookies();
      await page.goto(`${home.url}/login`);
      await page.waitForLoadState("networkidle");
      await page.screenshot({ path: `${out}login-${scheme}-${width}.png` });
      await context.close();
    }
  }
});
