// As somebody new, in French: from the set-up to a restored file and a restored database, in the browser alone.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test as base } from "@playwright/test";
import { Home, PASSWORD, Postgres } from "./home.js";

const test = base.extend<{ home: Home; postgres: Postgres }>({
  // eslint-disable-next-line no-empty-pattern
  postgres: async ({}, use) => {
    const postgres = new Postgres();
    postgres.sql("postgres", "CREATE DATABASE boutique");
    postgres.sql(
      "boutique",
      "CREATE TABLE commandes (id int PRIMARY KEY); INSERT INTO commandes SELECT generate_series(1, 1234)",
    );
    await use(postgres);
    postgres.end();
  },
  // eslint-disable-next-line no-empty-pattern
  home: async ({}, use) => {
    const home = new Home();
    home.write("mes documents/lettre à Zoé.txt", "Chère Zoé\n");
    home.write("mes documents/budget.csv", "poste;montant\nloyer;700\n");
    home.start();
    await use(home);
    home.end();
  },
});

test("de l’installation à un fichier et une base restaurés", async ({ page, home, postgres }) => {
  test.setTimeout(120_000);
  const foreign: string[] = [];
  page.on("request", (r) => !r.url().startsWith(home.url) && foreign.push(r.url()));

  // The set-up: without a token it says how to get one; behind the # it is taken from the address.
  await page.goto(home.url);
  await expect(page.getByRole("heading", { name: "Bienvenue" })).toBeVisible();
  await expect(page.getByText("backupctl user setup-token")).toBeVisible();
  const token = home.json<{ token: string }>(["user", "setup-token"]).token;
  await page.goto("about:blank");
  await page.goto(`${home.url}/setup#${token}`);
  await page.getByLabel("Nom").fill("ada");
  await page.getByLabel(/^Mot de passe( \*)?$/).fill("court");
  await expect(page.getByText("Il faut au moins 12 caractères.")).toBeVisible();
  await page.getByLabel(/^Mot de passe( \*)?$/).fill(PASSWORD);
  await page.getByLabel("Mot de passe, encore une fois").fill(PASSWORD);
  await page.getByRole("button", { name: "Créer l’administrateur" }).click();
  await expect(page.getByText("Rien n’a encore été sauvegardé")).toBeVisible();
  expect(page.url()).not.toContain(token);

  // The first backup of a folder, chosen by looking through the machine.
  await page.getByRole("link", { name: "Configurer la première sauvegarde" }).click();
  await page.getByRole("textbox", { name: "Nom", exact: true }).fill("mes documents");
  await page.getByRole("button", { name: "Créer la configuration" }).click();
  await expect(page.getByText("Lettres sans accents").first()).toBeVisible();
  await expect(page.getByText("Indiquez au moins un dossier ou fichier.").first()).toBeVisible();
  await page.getByRole("textbox", { name: "Nom", exact: true }).fill("documents");
  await page.getByRole("button", { name: "Choisir…" }).click();
  for (const part of join(home.path).split("/").filter(Boolean)) {
    await page.getByRole("dialog").getByRole("button", { name: part, exact: true }).click();
  }
  await page.getByRole("button", { name: "Choisir mes documents" }).click();
  await expect(page.getByText("Chaque jour à 02:00.")).toBeVisible();
  await expect(page.getByText("Prochaines exécutions (Europe/Paris)")).toBeVisible();
  await page.getByRole("button", { name: "Créer la configuration" }).click();
  await expect(page.getByText("documents a été créée")).toBeVisible();
  await page.getByRole("button", { name: "Sauvegarder maintenant" }).click();
  await expect(page.getByText("Terminée").first()).toBeVisible();
  await expect(page.getByText("Sauvegarde de documents : terminée")).toBeVisible();

  // One file out of the archive.
  await page.getByRole("link", { name: "Parcourir" }).click();
  await page.getByRole("checkbox", { name: "Choisir lettre à Zoé.txt" }).check();
  await page.getByRole("link", { name: "Restaurer 1 élément" }).click();
  await page.getByRole("button", { name: "Continuer" }).click();
  const target = await page.getByLabel("Dossier sur la machine").inputValue();
  await page.getByRole("button", { name: "Continuer" }).click();
  await page.getByRole("button", { name: "Voir ce qui serait fait" }).click();
  await expect(page.getByText("1 fichier serait écrit")).toBeVisible();
  expect(existsSync(target), "nothing is written by the trial").toBe(false);
  await page.getByRole("button", { name: "Restaurer 1 élément" }).click();
  await expect(page.getByText("1 fichier a été écrit et vérifié.")).toBeVisible();
  await expect(page.getByText(target).first(), "the run says where to").toBeVisible();
  expect(readFileSync(join(target, home.path, "mes documents/lettre à Zoé.txt"), "utf8")).toBe("Chère Zoé\n");
  expect(existsSync(join(target, home.path, "mes documents/budget.csv"))).toBe(false);

  // What only looked is not taken for a restore.
  await page.getByRole("link", { name: "Historique" }).click();
  await expect(page.getByText("Restauration simulée").first()).toBeVisible();

  // A database by its connection string: added, tested, backed up, restored beside the one in use.
  await page.getByRole("link", { name: "Bases de données" }).click();
  await page.getByRole("button", { name: "Ajouter une base" }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Nom").fill("boutique");
  await dialog.getByLabel("Connexion").fill(postgres.url("boutiqe"));
  await dialog.getByRole("button", { name: "Ajouter une base" }).click();
  await expect(page.getByText("boutique a été ajoutée")).toBeVisible();
  // A slip of the pen is told, and mended where it stands.
  await page.getByRole("button", { name: "Tester" }).click();
  await expect(page.getByText("vérifiez le nom de la base ou de l’utilisateur dans l’URL")).toBeVisible();
  await page.getByRole("button", { name: "Modifier" }).click();
  await dialog.getByLabel("Connexion").fill(postgres.url("boutique"));
  await dialog.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(page.getByText("boutique : modifications enregistrées")).toBeVisible();
  await page.getByRole("button", { name: "Tester" }).click();
  await expect(page.getByText("boutique : tout fonctionne")).toBeVisible();
  await page.getByRole("link", { name: "Nouvelle configuration pour elle" }).click();
  await page.getByRole("button", { name: "Créer la configuration" }).click();
  await expect(page.getByRole("heading", { name: "boutique" })).toBeVisible();
  await page.getByRole("button", { name: "Sauvegarder maintenant" }).click();
  await expect(page.getByText("Sauvegarde de boutique : terminée")).toBeVisible();
  await page.getByRole("link", { name: "Restaurer" }).click();
  await page.getByRole("button", { name: "Continuer" }).click();
  await page.getByLabel("Nom de la nouvelle base").fill("boutique_revenue");
  await page.getByRole("button", { name: "Continuer" }).click();
  await page.getByRole("button", { name: "Restaurer dans boutique_revenue" }).click();
  await expect(page.getByText("Restauration de boutique : terminée")).toBeVisible({ timeout: 30_000 });
  await expect(page.getByText(/1 table de 1.?234 lignes a été restaurée et comparée/)).toBeVisible();
  expect(postgres.sql("boutique_revenue", "SELECT count(*) FROM commandes")).toBe("1234");
  expect(foreign).toEqual([]);
});
