import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";
import { textsOf } from "./src/i18n/pairs.ts";

/** What only some pages need: it comes with them. */
const LATER = new RegExp(
  "@mantine/(spotlight|notifications)|cronstrue|react-remove-scroll|react-style-singleton|use-sidecar|use-callback-ref|@tanstack/(react-virtual|virtual-core)|react-transition-group|react-number-format|react-textarea-autosize|get-sorted|" +
    "@mantine/core/esm/components/(Accordion|Breadcrumbs|Checkbox|Chip|Code|Combobox|FileButton|Fieldset|Highlight|InlineInput|Input|InputBase|InputsGroupFieldset|List|Mark|Modal|ModalBase|MultiSelect|" +
    "NumberInput|PasswordInput|Pill|PillsInput|PinInput|Radio|Select|Stepper|Switch|Tabs|TagsInput|Textarea|TextInput|ThemeIcon)/",
);

/** One piece for each language, made from the pairs. */
function texts(): Plugin {
  const start = "virtual:texts/";
  return {
    name: "texts",
    resolveId: (id) => (id.startsWith(start) ? `\0${id}` : null),
    load: (id) =>
      id.startsWith(`\0${start}`) ? `export default ${JSON.stringify(textsOf(id.endsWith("/fr") ? 1 : 0))}` : null,
  };
}

export default defineConfig({
  plugins: [react(), texts()],
  build: {
    target: "es2023",
    // What the styles use as it is: light-dark() (CSS Color 5).
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // scripts/budget.mjs says what the pieces may weigh.
    chunkSizeWarningLimit: 1000,
    rolldownOptions: {
      output: {
        // One piece of what every page needs instead of forty small ones.
        codeSplitting: {
          groups: [{ name: "vendor", test: (id) => /node_modules/.test(id) && !LATER.test(id) }],
        },
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8620" } },
  test: { environment: "jsdom", include: ["src/**/*.test.{ts,tsx}"] },
});
