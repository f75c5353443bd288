import { describe, expect, test } from "vitest";
import table from "./sentences.fr.json";
import { operationsFr, systemFr } from "./system";
import { translator } from "./translate";

const say = translator(operationsFr, table as Record<string, string | null>, systemFr);
/** Without the thin and hard spaces of French. */
const plain = (text: string | null) => text?.replace(/\u00a0/g, " ");

describe("sentences of the daemon in French", () => {
  test.each([
    ["name, password or code is wrong", "le nom, le mot de passe ou le code est faux"],
    [
      "the source /srv/x cannot be read: No such file or directory (os error 2); nothing was backed up",
      "la source /srv/x est illisible : fichier ou dossier inexistant ; rien n’a été sauvegardé",
    ],
    // What an alert is about, before the same sentence.
    [
      "backup: the source /srv/x cannot be read: No such file or directory (os error 2); nothing was backed up",
      "sauvegarde : la source /srv/x est illisible : fichier ou dossier inexistant ; rien n’a été sauvegardé",
    ],
    ["backup: 12 files, 3.4 MB", "sauvegarde : 12 fichiers, 3.4 MB"],
    // The verb inside, with a vowel behind "de".
    ["cannot look at /srv/b 2: Permission denied (os error 13)", "impossible d’examiner /srv/b 2 : permission refusée"],
    [
      "cannot sync the folder /b: Input/output error (os error 5)",
      "impossible de synchroniser le dossier /b : erreur d’entrée-sortie",
    ],
    [
      "cannot open the index /b/x: stream did not contain valid UTF-8",
      "impossible d’ouvrir l’index /b/x : ce n’est pas du texte UTF-8",
    ],
    [
      "cannot write /b/x: No space left on device (os error 28)",
      "impossible d’écrire /b/x : plus de place sur le disque",
    ],
    // A path before a sentence, and what is only put behind one.
    ["docs/a.txt: vanished before it could be read", "docs/a.txt : a disparu avant d’être lu"],
    ["signed in on db:5432 as a superuser", "connecté à db:5432 en tant que superutilisateur"],
    // Two sentences in one, of which a value comes first.
    [
      "only 3 files, the last time there were 200; retention of docs is frozen until `backupctl confirm docs`",
      "seulement 3 fichiers, il y en avait 200 la dernière fois ; la rétention de docs est gelée jusqu’à `backupctl confirm docs`",
    ],
    // The one with more words of its own is meant.
    [
      "unknown key `sorce` in [schedule]; did you mean `source`?",
      "clé inconnue `sorce` dans [schedule] ; vouliez-vous dire `source` ?",
    ],
  ])("%s", (english, french) => expect(plain(say(english))).toBe(french));

  test("what is no sentence of the daemon stays as it is", () => {
    for (const text of ["", "ERROR 1045 from here to there", "a of b", "x is y", "read me", "in {} and {}", "日本語"])
      expect(say(text)).toBeNull();
  });

  test("long output of others takes no time", () => {
    const begun = performance.now();
    expect(say("a: ".repeat(100_000))).toBeNull();
    say("cannot : ; ".repeat(300));
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
