// A long history and a huge folder: they scroll and are searched without a task that holds the page up, and a folder is
// listed at once. Budgets: 50 ms a task, 100 ms a listing (95 of 100), 1.5 s until the dashboard can be used.
import { closeSync, mkdirSync, openSync } from "node:fs";
import { expect, test as base, type Page } from "@playwright/test";
import { Home } from "./home.js";
import { signIn } from "./fixtures.js";

const test = base.extend<object, { large: Home }>({
  large: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const home = new Home();
      mkdirSync(`${home.path}/huge/all`, { recursive: true });
      for (let i = 0; i < 100_000; i += 1)
        closeSync(openSync(`${home.path}/huge/all/file_${String(i).padStart(6, "0")}.dat`, "w"));
      home.run(["create", "huge", "--source", `${home.path}/huge`, "--manual"]);
      home.run(["run", "huge"]);
      home.admin();
      home.start();
      await use(home);
      home.end();
    },
    { scope: "worker", timeout: 240_000 },
  ],
});

/** Watches for tasks over 50 ms (Long Tasks API) while something is done. */
async function longTasks(page: Page, work: () => Promise<void>): Promise<number[]> {
  await page.evaluate(() => {
    const seen: number[] = [];
    (window as unknown as { seen: number[] }).seen = seen;
    new PerformanceObserver((list) => seen.push(...list.getEntries().map((e) => e.duration))).observe({
      type: "longtask",
    });
  });
  await work();
  await page.waitForTimeout(300);
  return page.evaluate(() => (window as unknown as { seen: number[] }).seen);
}

/** The machine may be busy with something else: the best of three tries counts. */
async function best(page: Page, work: () => Promise<void>) {
  let least: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    const found = await longTasks(page, work);
    if (i === 0 || found.length < least.length) least = found;
    if (least.length === 0) break;
  }
  expect(least.map(Math.round), "tasks over 50 ms").toEqual([]);
}

test("a folder of 100 000 entries", async ({ page, large }) => {
  test.setTimeout(300_000);
  await signIn(page, large);
  const archive = large.json<{ items: { id: string }[] }>(["backups"]).items[0]?.id ?? "";
  const folder = `${large.path.slice(1)}/huge/all`;
  await page.goto(`${large.url}/browse/${archive}?path=${encodeURIComponent(folder)}`);
  await expect(page.getByText("file_000000.dat")).toBeVisible();
  const box = page.getByRole("table");
  await best(page, async () => {
    await box.hover();
    for (let i = 0; i < 40; i += 1) {
      await page.mouse.wheel(0, 4_000);
      await page.waitForTimeout(25);
    }
    await page.mouse.wheel(0, -200_000);
    await page.waitForTimeout(200);
  });
  await box.evaluate((element) => element.scrollTo({ top: element.scrollHeight }));
  await expect(page.getByText("file_099999.dat")).toBeVisible();
  await best(page, async () => {
    await page.getByRole("textbox", { name: /Chercher|Find/ }).fill("file_0777");
    await page.getByText(/file_077700/).waitFor();
    await page.getByRole("textbox", { name: /Chercher|Find/ }).fill("");
    await page.waitForTimeout(400);
  });
  const times: number[] = [];
  for (let i = 0; i < 40; i += 1) {
    const begun = performance.now();
    const answer = await page.request.get(`${large.url}/api/v1/entries`, {
      params: { archive, path: folder, offset: i * 2_500, limit: 200 },
    });
    await answer.body();
    times.push(performance.now() - begun);
  }
  times.sort((a, b) => a - b);
  console.log(
    `listing 200 of 100 000 entries: ${times[20]?.toFixed(0)} ms in the middle, ${times[38]?.toFixed(0)} ms at the 95th percentile`,
  );
  // Unoptimised programs take longer: what counts is measured with the release build.
  if (process.env.BACKUPCTL?.includes("release")) expect(times[38]).toBeLessThan(100);
});

test("a history of 10 000 runs", async ({ page }) => {
  test.setTimeout(120_000);
  const home = new Home();
  try {
    home.run(["sample-data", "--count", "10000"]);
    home.admin();
    home.start();
    await signIn(page, home);
    await page.goto(`${home.url}/history`);
    const last = page.getByRole("button", { name: "Page 400" });
    await expect(last).toBeVisible();
    await best(page, async () => {
      // Without `expect`, which looks through the whole page in a task of its own.
      await last.click();
      await page.waitForURL(/page=400/);
      await page.getByRole("button", { name: "Page 1", exact: true }).click();
      await page.getByLabel(/Nom, machine/).fill("shop");
      await page.waitForURL(/text=shop/);
      await page.waitForTimeout(300);
      await page.mouse.wheel(0, 3000);
      await page.getByLabel(/Nom, machine/).fill("");
      await page.waitForURL((url) => !url.searchParams.has("text"));
    });
    const shown = async () => {
      const begun = performance.now();
      await page.goto(home.url);
      await page
        .getByRole("heading", { name: "État de chaque configuration" })
        .or(page.locator("#verdict"))
        .first()
        .waitFor();
      return performance.now() - begun;
    };
    const times = [await shown(), await shown(), await shown()];
    console.log(`dashboard usable after ${Math.min(...times).toFixed(0)} ms`);
    expect(Math.min(...times)).toBeLessThan(1500);
    const session = await page.context().newCDPSession(page);
    await session.send("Network.enable");
    await session.send("Network.clearBrowserCache");
    await session.send("Network.emulateNetworkConditions", {
      offline: false,
      latency: 150,
      downloadThroughput: (1.6 * 1024 * 1024) / 8,
      uploadThroughput: (750 * 1024) / 8,
    });
    await session.send("Emulation.setCPUThrottlingRate", { rate: 4 });
    const slow = await shown();
    console.log(`dashboard usable after ${slow.toFixed(0)} ms on a slow line and processor`);
    expect(slow).toBeLessThan(3500);
  } finally {
    home.end();
  }
});
