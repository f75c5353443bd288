// WCAG 2.2 A and AA on every page, in both themes, both languages, wide and narrow; windows and toasts too.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { Page } from "@playwright/test";
import { expect, test } from "./fixtures.js";
import { pages, SCHEMES } from "./pages.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

interface Violation {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as {
      axe: { run: (what: Document, how: object) => Promise<{ violations: Violation[] }> };
    };
    const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
    return (await axe.run(document, { runOnly: { type: "tag", values: tags } })).violations;
  });
  return found.flatMap((v) =>
    v.nodes.map((n) => `${v.id}: ${n.html.slice(0, 200)} — ${n.failureSummary.replace(/\s+/g, " ").slice(0, 400)}`),
  );
}

for (const scheme of SCHEMES) {
  for (const language of ["fr", "en"] as const) {
    for (const width of [1280, 390]) {
      test(`every page, ${scheme}, ${language}, ${width} px`, async ({ app, home, browser }) => {
        test.setTimeout(240_000);
        const context = await browser.newContext({
          storageState: await app.context().storageState(),
          colorScheme: scheme,
          locale: language === "fr" ? "fr-FR" : "en-GB",
          viewport: { width, height: 900 },
          reducedMotion: "reduce",
          bypassCSP: true,
        });
        const page = await context.newPage();
        const wrong: string[] = [];
        for (const [name, path] of Object.entries(pages(home))) {
          await page.goto(home.url + path);
          await page.waitForLoadState("networkidle");
          wrong.push(...(await violations(page)).map((v) => `${name}: ${v}`));
          // The narrowest phones have 360.
          if (width === 390) await page.setViewportSize({ width: 360, height: 800 });
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          if (wide > 0) wrong.push(`${name}: ${wide} px wider than the screen`);
          await page.setViewportSize({ width, height: 900 });
          expect(await page.locator("html").getAttribute("lang")).toBe(language);
        }
        await context.clearCookies();
        await page.goto(`${home.url}/login`);
        await page.waitForLoadState("networkidle");
        wrong.push(...(await violations(page)).map((v) => `login: ${v}`));
        await context.close();
        expect([...new Set(wrong)]).toEqual([]);
      });
    }
  }
}

test("open windows, menus, the palette, the wizard and toasts", async ({ app, home, browser }) => {
  const context = await browser.newContext({
    storageState: await app.context().storageState(),
    reducedMotion: "reduce",
    locale: "fr-FR",
    bypassCSP: true,
  });
  const page = await context.newPage();
  const wrong: string[] = [];
  const look = async (name: string) => {
    await page.waitForTimeout(300);
    wrong.push(...(await violations(page)).map((v) => `${name}: ${v}`));
  };
  await page.goto(`${home.url}/configurations`);
  await page.getByRole("button", { name: "Autres actions pour system" }).click();
  await look("menu");
  await page.getByRole("menuitem", { name: "Supprimer" }).click();
  await look("confirm");
  await page.keyboard.press("Escape");
  await page.getByRole("article", { name: "system" }).getByRole("switch").click();
  await expect(page.getByText("system est désactivée")).toBeVisible();
  await look("toast");
  await page.getByRole("article", { name: "system" }).getByRole("switch").click();
  await page.keyboard.press("Control+k");
  await look("palette");
  await page.keyboard.press("Escape");
  await page.goto(`${home.url}/databases`);
  await page.getByRole("button", { name: "Ajouter une base" }).first().click();
  await look("form in a window");
  await page.goto(`${home.url}/destinations`);
  await page.getByRole("button", { name: "Ajouter une destination" }).first().click();
  await look("destination");
  await page.goto(`${home.url}/configurations/new`);
  await page.getByRole("button", { name: "Autres réglages" }).click();
  await page.getByRole("button", { name: "Créer la configuration" }).click();
  await look("form with mistakes");
  await page.goto(home.url + (pages(home).restore ?? ""));
  await page.getByRole("button", { name: "Continuer" }).click();
  await look("wizard");
  await page.goto(`${home.url}/statistics`);
  await page.getByRole("button", { name: "En tableau" }).first().click();
  await look("chart as a table");
  await context.close();
  expect([...new Set(wrong)]).toEqual([]);
});
