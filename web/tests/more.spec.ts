// The pages that administer: destinations, alerts, users, tokens, templates, maintenance, audit, settings.
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { expect, test } from "./fixtures.js";
import { PASSWORD } from "./home.js";

test("a destination is added, tested step by step, deleted", async ({ app, home }) => {
  mkdirSync(`${home.path}/second`);
  await app.goto(`${home.url}/destinations`);
  await app.getByRole("button", { name: "Ajouter une destination" }).first().click();
  const dialog = app.getByRole("dialog");
  await dialog.getByRole("combobox", { name: "Type" }).click();
  await app.getByRole("option", { name: "Dossier ou disque" }).click();
  await dialog.getByLabel("Nom").fill("second");
  await dialog.getByLabel(/^Dossier/).fill("/nowhere/at/all");
  await dialog.getByRole("button", { name: "Ajouter une destination" }).click();
  const card = app.getByRole("article", { name: "second" });
  await card.getByRole("button", { name: "Tester" }).click();
  await expect(card.getByText("montez-le, ou créez-le")).toBeVisible();
  await card.getByRole("button", { name: "Modifier" }).click();
  await dialog.getByLabel(/^Dossier/).fill(`${home.path}/second`);
  await dialog.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(card.getByText(`${home.path}/second`)).toBeVisible();
  // What is emptied goes away, and the command says so.
  await card.getByRole("button", { name: "Modifier" }).click();
  await dialog.getByLabel(/^Débit/).fill("5MB/s");
  await dialog.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(dialog).toHaveCount(0);
  expect(readFileSync(`${home.path}/schedules.toml`, "utf8")).toContain("5MB/s");
  await card.getByRole("button", { name: "Modifier" }).click();
  await expect(dialog.getByLabel(/^Débit/)).toHaveValue("5MB/s");
  await dialog.getByLabel(/^Débit/).fill("");
  await dialog.getByRole("button", { name: "Commande équivalente" }).click();
  await expect(dialog.getByText("backupctl destination edit second --unset limit")).toBeVisible();
  await dialog.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(dialog).toHaveCount(0);
  expect(readFileSync(`${home.path}/schedules.toml`, "utf8")).not.toContain("5MB/s");
  await card.getByRole("button", { name: "Supprimer" }).click();
  await app.getByRole("dialog").getByRole("button", { name: "Supprimer" }).click();
  await expect(card).toHaveCount(0);
  const usb = app.getByRole("article", { name: "usb" });
  await usb.getByRole("button", { name: "Tester" }).click();
  await expect(app.getByText("usb : tout fonctionne")).toBeVisible();
  await expect(usb.getByText("Écriture")).toBeVisible();
});

test("a webhook is added, hears a test message, and hears of a failure", async ({ app, home }) => {
  const heard: string[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => (body += part.toString()));
    request.on("end", () => (heard.push(body), response.end("ok")));
  }).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  const { port } = server.address() as { port: number };
  await app.goto(`${home.url}/alerts`);
  await expect(app.getByText("Personne n’est prévenu quand une sauvegarde échoue.")).toBeVisible();
  await app.getByRole("button", { name: "Ajouter un destinataire" }).first().click();
  const dialog = app.getByRole("dialog");
  await dialog.getByText("Webhook").click();
  await dialog.getByLabel("Nom").fill("ops");
  await dialog.getByLabel("Adresse").fill(`http://127.0.0.1:${port}/hook`);
  await dialog.getByLabel("Elle est dans un réseau privé").check();
  await dialog.getByRole("button", { name: "Ajouter un destinataire" }).click();
  await app.getByRole("button", { name: "Envoyer un message d’essai" }).click();
  await expect(app.getByText("ops : tout fonctionne")).toBeVisible();
  expect(heard).toHaveLength(1);
  // Of what it hears is changed; its secret address stays.
  await app.getByRole("article", { name: "ops" }).getByRole("button", { name: "Modifier" }).click();
  await dialog.getByRole("combobox", { name: "Annonce" }).press("ArrowDown");
  await app.getByRole("option", { name: "Réussite" }).click();
  await dialog.getByRole("combobox", { name: "Annonce" }).press("Tab");
  await dialog.getByRole("button", { name: "Enregistrer les modifications" }).click();
  await expect(app.getByText("ops : modifications enregistrées")).toBeVisible();
  home.run(["edit", "lost", "--notify", "ops"]);
  home.run(["run", "lost"], undefined, [1]);
  await expect.poll(() => heard.length, { timeout: 20_000 }).toBe(2);
  await app.goto(`${home.url}/alerts`);
  await expect(app.getByRole("cell", { name: "Échec" }).first()).toBeVisible();
  server.close();
});

test("users and tokens: made, shown once, revoked", async ({ app, home }) => {
  await app.goto(`${home.url}/access`);
  await app.getByRole("button", { name: "Ajouter un utilisateur" }).click();
  let dialog = app.getByRole("dialog");
  await dialog.getByLabel("Nom").fill("olga");
  await dialog.getByLabel(/^Mot de passe( \*)?$/).fill("trop court");
  await dialog.getByRole("button", { name: "Ajouter un utilisateur" }).click();
  await expect(dialog.getByText("il en faut au moins 12")).toBeVisible();
  await dialog.getByLabel(/^Mot de passe( \*)?$/).fill(PASSWORD);
  await dialog.getByRole("button", { name: "Ajouter un utilisateur" }).click();
  await expect(app.getByRole("cell", { name: "olga", exact: true })).toBeVisible();
  await app.getByRole("button", { name: "Supprimer olga" }).click();
  await app.getByRole("dialog").getByRole("button", { name: "Supprimer" }).click();
  await expect(app.getByRole("cell", { name: "olga", exact: true })).toHaveCount(0);

  await app.getByRole("button", { name: "Créer un jeton" }).click();
  dialog = app.getByRole("dialog");
  await dialog.getByLabel("Nom").fill("surveillance");
  await dialog.getByRole("button", { name: "Créer un jeton" }).click();
  const token = (await app.getByText(/^bkp_/).textContent()) ?? "";
  const ask = () =>
    app.request.fetch(`${home.url}/metrics`, { headers: { Authorization: `Bearer ${token}`, Cookie: "" } });
  expect((await ask()).status()).toBe(200);
  await app.getByRole("button", { name: "Je l’ai conservé" }).click();
  await expect(app.getByText(token)).toHaveCount(0);
  await app.getByRole("button", { name: "Révoquer" }).click();
  await app.getByRole("dialog").getByRole("button", { name: "Révoquer" }).click();
  await expect(app.getByText("Le jeton a été révoqué")).toBeVisible();
  expect((await ask()).status()).toBe(401);
});

test("templates and imports: what would be added, then added", async ({ app, home }) => {
  await app.goto(`${home.url}/templates`);
  const card = app.getByRole("article", { name: "machine" });
  await card.getByRole("button", { name: "Prévisualiser" }).click();
  await expect(card.getByText(/serai(en)?t ajoutée/)).toBeVisible();
  await app.getByRole("textbox", { name: "Contenu" }).fill(`${home.path}/config;07:30;ancienne\n`);
  const part = app.getByRole("region", { name: "Importer" });
  await part.getByRole("button", { name: "Prévisualiser" }).click();
  await expect(part.getByText("1 entrée serait ajoutée")).toBeVisible();
  home.run(["show", "ancienne"], undefined, [5]);
  await part.getByRole("button", { name: "Importer" }).click();
  await expect(part.getByText("1 entrée ajoutée")).toBeVisible();
  expect(home.run(["list"])).toContain(";07:30;ancienne");
  home.run(["delete", "ancienne", "--yes"]);
  await app.getByRole("textbox", { name: "Contenu" }).fill("nonsense = [");
  await part.getByRole("button", { name: "Importer" }).click();
  await expect(part.getByText("Une valeur n’est pas correcte")).toBeVisible();
  await app.getByRole("button", { name: "L’afficher" }).click();
  await expect(app.getByText("[[schedule]]").first()).toBeVisible();
});

test("the check names what is wrong; the audit log is whole and knows who did it", async ({ app, home }) => {
  home.write("backups/documents/.full_2020-01-01_00-00-00.tar.gz.part", "left over");
  await app.goto(`${home.url}/maintenance`);
  await app.getByRole("button", { name: "Contrôler maintenant" }).click();
  await expect(app.getByText("/srv/nowhere").first()).toBeVisible({ timeout: 20_000 });
  await app.getByRole("button", { name: "Prévisualiser" }).first().click();
  await expect(app.getByText(/élément(s)? serai(en)?t nettoyé/)).toBeVisible();
  await app.getByRole("button", { name: "Relire", exact: true }).click();
  await expect(app.getByText(/Relecture/).first()).toBeVisible();
  await app.goto(`${home.url}/audit`);
  await expect(app.getByRole("cell", { name: "user:ada" }).first()).toBeVisible();
  await app.getByRole("button", { name: "Vérifier la chaîne" }).click();
  await expect(app.getByText("Le journal est intact")).toBeVisible();
});

test("settings: language and colours last, the password is changed with the present one only", async ({
  app,
  home,
}) => {
  await app.goto(`${home.url}/settings`);
  await app.getByRole("radiogroup", { name: "Langue" }).first().getByText("EN").click();
  await expect(app.getByRole("heading", { name: "Settings" })).toBeVisible();
  await app.reload();
  await expect(app.getByRole("heading", { name: "Settings" })).toBeVisible();
  await app.getByRole("radiogroup", { name: "Colours" }).getByText("Dark").click();
  await expect(app.locator("html")).toHaveAttribute("data-mantine-color-scheme", "dark");
  await app.getByLabel("Present password").fill("not the password");
  await app.getByLabel("New password").fill("another long password");
  await app.getByRole("button", { name: "Change the password" }).click();
  await expect(app.getByRole("alert")).toBeVisible();
  await app.getByRole("radiogroup", { name: "Language" }).first().getByText("FR").click();
});
