// The page from its own container: nginx with packaging/page.conf, the daemon behind it.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "./fixtures.js";
import { freePort, PASSWORD } from "./home.js";

test("nginx serves the page, the daemon its API, one origin for the browser", async ({ page, home }) => {
  const folder = mkdtempSync("/tmp/pageproxy-");
  const port = freePort();
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  const settings = readFileSync(path("../../packaging/page.conf"), "utf8")
    .replaceAll("/tmp/", `${folder}/`)
    .replace("listen 8080", `listen 127.0.0.1:${port}`)
    .replace("http://127.0.0.1:8620", home.url)
    .replace("/usr/share/nginx/html", path("../dist"))
    // Started by root, its workers would be nobody's and could not read the folder of the build.
    .replace(
      "worker_processes 1;",
      process.getuid?.() === 0 ? "worker_processes 1; user root;" : "worker_processes 1;",
    );
  writeFileSync(`${folder}/nginx.conf`, settings);
  const nginx = spawn("/usr/sbin/nginx", ["-e", "stderr", "-c", `${folder}/nginx.conf`, "-g", "daemon off;"], {
    stdio: "inherit",
  });
  try {
    const url = `http://127.0.0.1:${port}`;
    const wrong: string[] = [];
    page.on("console", (m) => m.type() === "error" && /Content Security/.test(m.text()) && wrong.push(m.text()));
    page.on("request", (r) => !r.url().startsWith(url) && wrong.push(r.url()));
    await expect
      .poll(() =>
        fetch(url).then(
          (r) => r.status,
          () => 0,
        ),
      )
      .toBe(200);
    await page.goto(`${url}/history?status=failed`);
    await page.getByLabel("Nom").fill("ada");
    await page.getByLabel(/^Mot de passe( \*)?$/).fill(PASSWORD);
    await page.getByRole("button", { name: "Se connecter" }).click();
    await expect(page.getByText(/^1 à \d+ sur \d+$/)).toBeVisible();
    const answer = await page.request.get(`${url}/configurations`);
    expect(answer.headers()["content-security-policy"]).toContain("script-src 'self'");
    expect(await answer.text()).not.toContain("__NONCE__");
    await page.goto(`${url}/configurations/documents`);
    await page.getByRole("button", { name: "Sauvegarder maintenant" }).click();
    await expect(page.getByText("Sauvegarde de documents : terminée")).toBeVisible();
    expect(wrong).toEqual([]);
  } finally {
    nginx.kill("SIGTERM");
    rmSync(folder, { recursive: true, force: true });
  }
});
