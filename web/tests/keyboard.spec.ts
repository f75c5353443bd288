// Create, run, restore by the keyboard alone.
import { existsSync } from "node:fs";
import { expect, test } from "./fixtures.js";
import type { Locator, Page } from "@playwright/test";

/** Tabs on until something has the focus. */
async function tabTo(page: Page, wanted: Locator) {
  for (let i = 0; i < 120; i += 1) {
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${wanted}`);
}

test("create, run, restore without a mouse", async ({ app, home }) => {
  test.setTimeout(90_000);
  home.write("clavier/mot.txt", "touche\n");
  await app.goto(home.url);
  await expect(app.getByRole("heading", { name: "Tableau de bord" })).toBeVisible();
  await app.keyboard.press("Tab");
  await expect(app.getByText("Aller au contenu")).toBeFocused();

  // The palette finds the page and the action.
  await app.keyboard.press("Control+k");
  await expect(app.getByPlaceholder("Chercher ou lancer…")).toBeFocused();
  await app.keyboard.type("nouvelle conf");
  await expect(app.getByRole("option").or(app.locator(".mantine-Spotlight-action")).first()).toContainText(
    "Nouvelle configuration",
  );
  await app.keyboard.press("Enter");
  await tabTo(app, app.getByRole("textbox", { name: "Nom", exact: true }));
  await app.keyboard.type("clavier");
  await tabTo(app, app.getByLabel("Dossiers ou fichiers").and(app.locator("input")));
  await app.keyboard.type(`${home.path}/clavier`);
  await app.keyboard.press("Enter");
  await tabTo(app, app.getByRole("button", { name: "Créer la configuration" }));
  await app.keyboard.press("Enter");
  await expect(app.getByRole("heading", { name: "clavier" })).toBeVisible();
  await tabTo(app, app.getByRole("button", { name: "Sauvegarder maintenant" }));
  await app.keyboard.press("Enter");
  await expect(app.getByText("Sauvegarde de clavier : terminée")).toBeVisible();
  await tabTo(app, app.getByRole("link", { name: "Restaurer" }));
  await app.keyboard.press("Enter");
  await tabTo(app, app.getByRole("button", { name: "Continuer" }));
  await app.keyboard.press("Enter");
  const target = await app.getByLabel("Dossier sur la machine").inputValue();
  await tabTo(app, app.getByRole("button", { name: "Continuer" }));
  await app.keyboard.press("Enter");
  await tabTo(app, app.getByRole("button", { name: "Voir ce qui serait fait" }));
  await app.keyboard.press("Enter");
  await expect(app.getByText("1 fichier serait écrit")).toBeVisible();
  await tabTo(app, app.getByRole("button", { name: "Tout restaurer" }));
  await app.keyboard.press("Enter");
  await expect(app.getByText("1 fichier a été écrit et vérifié.")).toBeVisible();
  expect(existsSync(`${target}${home.path}/clavier/mot.txt`)).toBe(true);

  // Shortcuts: the list of them, and two keys to a page.
  await app.locator("main").focus();
  await app.keyboard.press("?");
  await expect(app.getByRole("dialog", { name: "Raccourcis clavier" })).toBeVisible();
  await app.keyboard.press("Escape");
  await app.keyboard.press("g");
  await app.keyboard.press("h");
  await expect(app.getByRole("heading", { name: "Historique" })).toBeVisible();
});
