// @vitest-environment node
import { readdirSync, readFileSync } from "node:fs";
import ts from "typescript";
import { expect, it } from "vitest";
import { pairs } from "./pairs";

const root = new URL("..", import.meta.url).pathname;
const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter(
  (f) => /\.tsx?$/.test(f) && !/test|schema/.test(f),
);
const read = (file: string) => readFileSync(root + file, "utf8");

/** Names that are the same in every language. */
const NAMES = /^(backupd|backupctl.*|Ctrl K|JSON|→|…|·|—|\/|:)$/;

it("no text stands in the code: every word comes from the texts", () => {
  const found: string[] = [];
  for (const file of files.filter((f) => f.endsWith(".tsx"))) {
    const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true, ts.ScriptKind.TSX);
    const visit = (node: ts.Node) => {
      const text = ts.isJsxText(node) ? node.text.trim() : "";
      if (/\p{L}{2,}/u.test(text) && !NAMES.test(text)) found.push(`${file}: ${text}`);
      const attribute = ts.isJsxAttribute(node) ? node : null;
      const shown =
        attribute && /^(label|title|placeholder|aria-label|description|alt)$/.test(attribute.name.getText());
      const value = attribute?.initializer;
      if (shown && value && ts.isStringLiteral(value) && /\p{L}{2,} \p{L}{2,}/u.test(value.text))
        found.push(`${file}: ${value.text}`);
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  expect(found).toEqual([]);
});

it("every text is used", () => {
  const code = files
    .filter((f) => !f.startsWith("i18n/"))
    .map(read)
    .join("\n");
  // Names that are put together from a word of the API.
  const starts = [...code.matchAll(/`([a-z]+\.(?:[a-zA-Z]+\.)?)\$\{/g)].map((m) => m[1] ?? "");
  // The history's filters are named by their key.
  starts.push("sort.");
  const groups = [...code.matchAll(/word\("([a-z]+)"/g)].map((m) => `${m[1] ?? ""}.`);
  const unused = Object.keys(pairs)
    .map((key) => key.replace(/_(one|other)$/, ""))
    .filter((key) => !code.includes(`"${key}"`) && ![...starts, ...groups].some((start) => key.startsWith(start)));
  expect([...new Set(unused)]).toEqual([]);
});
