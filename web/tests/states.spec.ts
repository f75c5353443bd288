// What happens when something is wrong: the daemon stops, somebody may not, a session ends, a path does not exist.
import { expect, signIn, test } from "./fixtures.js";
import { PASSWORD } from "./home.js";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";

test("the daemon stops: what is shown stays, errors say what to do, and it comes back", async ({ page, home }) => {
  await signIn(page, home);
  await page.goto(`${home.url}/configurations`);
  await expect(page.getByRole("article", { name: "system" })).toBeVisible();
  home.run(["stop", "--now"]);
  await expect(page.getByText("Le service ne répond pas").first()).toBeVisible({ timeout: 20_000 });
  await expect(page.getByRole("article", { name: "system" }), "old data stays visible").toBeVisible();
  await page.getByRole("button", { name: "Sauvegarder maintenant" }).first().click();
  await expect(page.getByText("backupctl start").first()).toBeVisible();
  home.run(["start"]);
  await expect(page.getByText("Le service ne répond pas").first()).toBeHidden({ timeout: 30_000 });
});

test("who may only look sees no buttons that would be refused", async ({ page, home }) => {
  home.run(["user", "add", "vera", "--role", "viewer", "--password-stdin"], `${PASSWORD}\n`);
  await page.goto(home.url);
  await page.getByLabel("Nom").fill("vera");
  await page.getByLabel(/^Mot de passe( \*)?$/).fill("wrong password here");
  await page.getByRole("button", { name: "Se connecter" }).click();
  await expect(page.getByText("Nom ou mot de passe incorrect")).toBeVisible();
  await page.getByLabel(/^Mot de passe( \*)?$/).fill(PASSWORD);
  await page.getByRole("button", { name: "Se connecter" }).click();
  await page.getByRole("link", { name: "Configurations", exact: true }).click();
  await expect(page.getByRole("article", { name: "system" })).toBeVisible();
  await expect(page.getByRole("button", { name: "Sauvegarder maintenant" })).toHaveCount(0);
  await expect(page.getByRole("link", { name: "Journal d’audit" })).toHaveCount(0);
  // A second window signs out: the next answer leads to the sign-in, and back afterwards.
  await page.context().clearCookies();
  await page.goto(`${home.url}/statistics`);
  await expect(page.getByRole("heading", { name: "Connexion" })).toBeVisible();
  await page.getByLabel("Nom").fill("vera");
  await page.getByLabel(/^Mot de passe( \*)?$/).fill(PASSWORD);
  await page.getByRole("button", { name: "Se connecter" }).click();
  await expect(page.getByRole("heading", { name: "Statistiques" })).toBeVisible();
});

test("what does not exist says so", async ({ app, home }) => {
  await app.goto(`${home.url}/runs/01900000-0000-7000-8000-000000000000`);
  await expect(app.getByText("Introuvable").first()).toBeVisible();
  await app.goto(`${home.url}/nowhere`);
  await expect(app.getByText("Cette page n’existe pas.")).toBeVisible();
  expect((await app.request.get(`${home.url}/assets/gone.js`)).status()).toBe(404);
  expect((await app.request.get(`${home.url}/api/gone`)).status()).toBe(404);
});

test("what the daemon says is said in French, and an error has the number of its request", async ({ app, home }) => {
  const source = `${home.path}/short`;
  mkdirSync(source);
  writeFileSync(`${source}/a`, "a");
  home.run(["create", "short", "--source", source, "--manual"]);
  rmSync(source, { recursive: true });
  await app.goto(`${home.url}/configurations/short`);
  await app.getByRole("button", { name: "Sauvegarder maintenant" }).click();
  const said = `la source ${source} est illisible\u00a0: fichier ou dossier inexistant\u00a0; rien n’a été sauvegardé`;
  await expect(app.getByRole("main").getByText(said)).toBeVisible({ timeout: 20_000 });
  home.run(["delete", "short", "--yes"]);
  await app.goto(`${home.url}/runs/01900000-0000-7000-8000-000000000000`);
  const box = app.getByRole("alert").first();
  await expect(box).toContainText("il n’y a pas d’exécution 01900000-0000-7000-8000-000000000000");
  await expect(box).toContainText(/Requête [0-9a-f]{12}/);
});

test("names of any bytes are shown as text", async ({ app, home }) => {
  home.run(["create", "odd", "--title", "<img src=x onerror=alert(1)>", "--source", `${home.path}/config`, "--manual"]);
  await app.goto(`${home.url}/configurations`);
  await expect(app.getByRole("link", { name: "<img src=x onerror=alert(1)>" })).toBeVisible();
  home.run(["delete", "odd", "--yes"]);
});
