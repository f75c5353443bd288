// Every action that the predecessors' pages had, from its page: configurations, history, databases.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "./fixtures.js";

test("configurations: switch, edit with a preview, duplicate, delete", async ({ app, home }) => {
  await app.goto(`${home.url}/configurations`);
  const card = app.getByRole("article", { name: "system" });
  await card.getByRole("switch").click();
  await expect(card.getByText("Inactive")).toBeVisible();
  expect(home.json<{ enabled: boolean }>(["show", "system"]).enabled).toBe(false);
  await card.getByRole("switch").click();
  await expect(card.getByText("Active", { exact: true })).toBeVisible();

  // Fewer kept: the preview says which go, and saving asks with their number.
  await app.goto(`${home.url}/configurations/documents/edit`);
  await app.getByLabel("Jours (1 à 365)").fill("400");
  await app.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(app.getByText("De 1 à 365 jours.").first()).toBeVisible();
  await app.getByLabel("Jours (1 à 365)").fill("");
  await app.getByLabel("Les … dernières").fill("1");
  await expect(app.getByText("3 gardées, 0 supprimées")).toBeVisible();
  await app.getByRole("button", { name: "Commande équivalente" }).click();
  await expect(app.getByText("backupctl edit documents --keep-last 1")).toBeVisible();
  await app.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(app.getByText("Mes documents a été enregistrée")).toBeVisible();
  const kept = home.json<{ keep: { days?: number; last: number } }>(["show", "documents"]).keep;
  expect(kept).toEqual({ last: 1 });

  // Somebody else was faster: nothing is overwritten.
  await app.goto(`${home.url}/configurations/documents/edit`);
  await app.getByLabel("Titre").fill("Autre titre");
  home.run(["edit", "documents", "--keep-last", "5", "--keep-days", "30"]);
  await app.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(app.getByText("Quelqu’un d’autre l’a modifié entre-temps").first()).toBeVisible();

  await app.goto(`${home.url}/configurations`);
  await app.getByRole("button", { name: "Autres actions pour system" }).click();
  await app.getByRole("menuitem", { name: "Dupliquer" }).click();
  await app.getByRole("dialog").getByLabel("Nom").fill("system-bis");
  await app.getByRole("dialog").getByRole("button", { name: "Dupliquer" }).click();
  await expect(app.getByRole("heading", { name: "Modifier system-bis" })).toBeVisible();
  expect(home.json<{ enabled: boolean }>(["show", "system-bis"]).enabled, "a copy starts inactive").toBe(false);

  await app.goto(`${home.url}/configurations`);
  await app.getByRole("button", { name: "Autres actions pour system-bis" }).click();
  await app.getByRole("menuitem", { name: "Supprimer" }).click();
  await app.getByRole("dialog").getByRole("button", { name: "Supprimer" }).click();
  await expect(app.getByText("system-bis a été supprimée")).toBeVisible();
  home.run(["show", "system-bis"], undefined, [5]);
});

test("history: filters stay in the address, details, download, restore, delete", async ({ app, home }) => {
  await app.goto(`${home.url}/history`);
  await app.getByLabel("Nom, machine ou erreur").fill("nowhere");
  await expect(app).toHaveURL(/text=nowhere/);
  await expect(app.getByText("1 à 1 sur 1")).toBeVisible();
  await app.reload();
  await expect(app.getByLabel("Nom, machine ou erreur")).toHaveValue("nowhere");
  await app.getByRole("link", { name: "lost", exact: true }).click();
  await expect(app.getByText("Cause de l’échec")).toBeVisible();
  await expect(app.getByText("/srv/nowhere cannot be read").first()).toBeVisible();
  await app.goBack();
  await app.getByRole("button", { name: "Réinitialiser" }).click();
  await expect(app).toHaveURL(`${home.url}/history`);
  await app.getByRole("combobox", { name: "Statut" }).click();
  await app.getByRole("option", { name: "Terminée", exact: true }).click();
  await expect(app).toHaveURL(/status=completed/);
  await app.getByRole("combobox", { name: "Contenu" }).click();
  await app.getByRole("option", { name: "Métadonnées seules" }).click();
  await expect(app.getByText("Rien ne correspond à ces filtres.")).toBeVisible();

  await app.goto(`${home.url}/history?schedule=system`);
  const [download] = await Promise.all([
    app.waitForEvent("download"),
    app.getByRole("link", { name: "Télécharger system" }).first().click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^full_.*\.tar\.gz$/);
  expect(
    readFileSync(await download.path())
      .subarray(0, 2)
      .toString("hex"),
    "a gzip stream",
  ).toBe("1f8b");
  await app.getByRole("link", { name: "Restaurer system" }).first().click();
  await expect(app.getByRole("heading", { name: "Restaurer" })).toBeVisible();
  await app.goto(`${home.url}/history?schedule=system`);
  await app.getByRole("button", { name: "Supprimer system" }).first().click();
  await expect(app.getByText("sans retour possible")).toBeVisible();
  await app.getByRole("dialog").getByRole("button", { name: "Supprimer" }).click();
  await expect(app.getByText("system a été supprimée")).toBeVisible();
  // The copy at the destination goes in the background.
  await expect.poll(() => home.json<{ total: number }>(["backups", "system"]).total).toBe(0);
  home.run(["run", "system"]);
});

test("archives: browse, look at a file, choose several, search, compare, pin, verify", async ({ app, home }) => {
  await app.goto(`${home.url}/archives?schedule=documents`);
  await expect(app.getByText("1 à 3 sur 3")).toBeVisible();
  await app.getByRole("textbox", { name: "Chercher un fichier" }).fill("img_039");
  await expect(app.getByText("Supprimé depuis")).toBeVisible();
  await app.getByRole("textbox", { name: "Chercher un fichier" }).fill("brouillon");
  await expect(app.getByRole("region", { name: "Chercher un fichier" }).getByRole("row")).toHaveCount(2);

  await app.goto(`${home.url}/archives?schedule=documents`);
  await app.getByRole("table").getByRole("link", { name: /nov/ }).first().click();
  // Folders that hold nothing but one folder are passed through.
  await app.getByRole("button", { name: "lettres" }).click();
  await app.getByRole("button", { name: "Afficher brouillon.txt" }).click();
  await expect(app.getByText("deuxième version, plus longue")).toBeVisible();
  await app.keyboard.press("Escape");
  await app.getByRole("checkbox", { name: "Choisir tout ce dossier" }).check();
  await expect(app.getByText("2 choisis")).toBeVisible();
  const [download] = await Promise.all([
    app.waitForEvent("download"),
    app.getByRole("link", { name: "Télécharger" }).click(),
  ]);
  expect(download.suggestedFilename()).toBe("selection.tar.gz");
  const names = execFileSync("tar", ["-tzf", await download.path(), "--quoting-style=literal"], { encoding: "utf8" });
  expect(names.trim().split("\n").sort()).toEqual(["brouillon.txt", "lettre à Zoé.txt"]);

  await app.getByRole("button", { name: "Comparer" }).click();
  await expect(app.getByText("img_039.raw")).toBeVisible();
  await app.keyboard.press("Escape");

  await app.goto(`${home.url}/archives?schedule=documents`);
  await app
    .getByRole("button", { name: /Autres actions pour inc_/ })
    .first()
    .click();
  await app.getByRole("menuitem", { name: /Épingler/ }).click();
  await expect(app.getByText("Épinglée", { exact: true })).toBeVisible();
  await app
    .getByRole("button", { name: /Autres actions pour inc_/ })
    .first()
    .click();
  await app.getByRole("menuitem", { name: "Vérifier chaque octet" }).click();
  await expect(app.getByText("Vérification de documents : terminée")).toBeVisible();
  await app.goto(`${home.url}/archives?schedule=documents`);
  await expect(app.getByText("Vérifiée", { exact: true })).toBeVisible();
});

test("databases: versions, test restore, restore over itself only after its name is typed", async ({
  app,
  home,
  postgres,
}) => {
  await app.goto(`${home.url}/databases`);
  const card = app.getByRole("article", { name: "shop" });
  await card.getByRole("button", { name: "Tester" }).click();
  await expect(app.getByText("shop : tout fonctionne")).toBeVisible();
  await card.getByRole("button", { name: "Versions" }).click();
  await card
    .getByRole("button", { name: /Autres actions pour full_/ })
    .first()
    .click();
  await app.getByRole("menuitem", { name: "Tester la restauration" }).click();
  await expect(app.getByText("Test de restauration de shop : terminée")).toBeVisible({ timeout: 30_000 });

  postgres.sql("shop", "DROP TABLE orders");
  await app.goto(`${home.url}/archives?schedule=shop`);
  await app.getByRole("link", { name: "Restaurer" }).first().click();
  await app.getByRole("button", { name: "Continuer" }).click();
  await app.getByRole("radio", { name: "Remplacer shop" }).check();
  await app.getByRole("button", { name: "Continuer" }).click();
  const button = app.getByRole("button", { name: "Restaurer dans shop" });
  await expect(button).toBeDisabled();
  await app.getByLabel("Saisissez « shop » pour confirmer").fill("shop");
  await button.click();
  await expect(app.getByText("Restauration de shop : terminée")).toBeVisible({ timeout: 30_000 });
  expect(postgres.sql("shop", "SELECT count(*) FROM orders")).toBe("5000");
});

test("one run shows the same figures here, in the terminal and in the API; closing the tab changes nothing", async ({
  app,
  home,
}) => {
  for (let i = 0; i < 60; i += 1) home.write(`big/part${i}`, String(i).repeat(1_500_000));
  home.run(["create", "big", "--source", `${home.path}/big`, "--manual", "--limit", "40MB/s"]);
  await app.goto(`${home.url}/configurations/big`);
  await app.getByRole("button", { name: "Sauvegarder maintenant" }).click();
  await expect(app.getByRole("progressbar")).toBeVisible();
  await expect(app.getByText("Vous pouvez fermer cet onglet")).toBeVisible();
  const address = app.url();
  await app.goto("about:blank");
  const id = address.split("/").at(-1) ?? "";
  await expect
    .poll(() => home.json<{ status: string }>(["history", "--run", id]).status, { timeout: 30_000 })
    .toBe("completed");
  await app.goto(address);
  const run = home.json<{ bytes: number; stored: number; files: number }>(["history", "--run", id]);
  const api = await (await app.request.get(`${home.url}/api/v1/runs/${id}`)).json();
  expect([api.bytes, api.stored, api.files]).toEqual([run.bytes, run.stored, run.files]);
  // The exact numbers stand on the page, with narrow spaces as French sets them.
  const digits = (n: number) => new Intl.NumberFormat("fr").format(n);
  for (const n of [run.bytes, run.stored]) await expect(app.getByText(`(${digits(n)})`)).toBeVisible();
  const line = home.run(["history", "--run", id]);
  const shown = /[\d.]+ MB/.exec(line)?.[0].replace(".", ",").replace(" MB", "");
  await expect(app.getByText(new RegExp(`${shown}\\sMo`)).first()).toBeVisible();
});

test("a run can be stopped", async ({ app, home }) => {
  home.run(["edit", "big", "--limit", "1MB/s"]);
  await app.goto(`${home.url}/configurations/big`);
  await app.getByRole("button", { name: "Sauvegarder maintenant" }).click();
  await app.getByRole("button", { name: "Arrêter cette opération" }).click();
  await expect(app.getByText("Annulée").first()).toBeVisible({ timeout: 15_000 });
});
