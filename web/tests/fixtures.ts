import { expect, test as base, type Page } from "@playwright/test";
import { furnish, Home, PASSWORD, Postgres } from "./home.js";

interface Shared {
  postgres: Postgres;
  home: Home;
}

/** A furnished home for each file of tests, and a page that is signed in and reaches nothing but the daemon. */
export const test = base.extend<{ app: Page; foreign: string[] }, Shared>({
  postgres: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const postgres = new Postgres();
      await use(postgres);
      postgres.end();
    },
    { scope: "worker" },
  ],
  home: [
    async ({ postgres }, use) => {
      const home = new Home();
      furnish(home, postgres);
      home.admin();
      home.start();
      await use(home);
      home.end();
    },
    { scope: "worker", timeout: 120_000 },
  ],
  foreign: async ({ page, home }, use) => {
    const foreign: string[] = [];
    page.on("request", (request) => {
      if (!request.url().startsWith(home.url) && !/^(data|blob):/.test(request.url())) foreign.push(request.url());
    });
    await use(foreign);
    expect(foreign, "no page reaches outside the daemon's own origin").toEqual([]);
  },
  app: async ({ page, home, foreign: _ }, use) => {
    const mistakes: string[] = [];
    page.on("pageerror", (error) => mistakes.push(error.message));
    page.on("console", (message) => {
      // What the server refuses is told by the page itself; the browser repeats it.
      if (message.type() === "error" && !/Failed to load resource|net::ERR/.test(message.text()))
        mistakes.push(message.text());
    });
    await signIn(page, home);
    await use(page);
    expect(mistakes, "no script fails").toEqual([]);
  },
});

/** Signs in by the API: the cookie is the page's then. */
export async function signIn(page: Page, home: Home) {
  const answer = await page.request.post(`${home.url}/api/v1/session`, { data: { name: "ada", password: PASSWORD } });
  expect(answer.ok(), await answer.text()).toBe(true);
}

export { expect };
