import {
  Anchor,
  Badge,
  Button,
  Card,
  createTheme,
  Menu,
  defaultVariantColorsResolver,
  type CSSVariablesResolver,
  type MantineColorsTuple,
  type VariantColorsResolver,
} from "@mantine/core";

const brand: MantineColorsTuple = [
  "#eef4fd",
  "#dbe7f8",
  "#b7d0f2",
  "#8fb6ea",
  "#6b9fe3",
  "#548fde",
  "#4585dc",
  "#3370c4",
  "#2763b3",
  "#15529c",
];

/** Light variants with enough contrast for small text (WCAG 2.2, 1.4.3), in both schemes. */
const variantColorResolver: VariantColorsResolver = (input) => {
  const usual = defaultVariantColorsResolver(input);
  const color = input.color ?? "brand";
  if ((input.variant !== "light" && input.variant !== "subtle") || !(color in input.theme.colors)) return usual;
  const shade = (n: number) => `var(--mantine-color-${color}-${n})`;
  const light = `light-dark(${shade(0)}, color-mix(in srgb, ${shade(8)} 32%, var(--mantine-color-body)))`;
  const hover = `light-dark(${shade(1)}, color-mix(in srgb, ${shade(8)} 45%, var(--mantine-color-body)))`;
  return {
    ...usual,
    background: input.variant === "light" ? light : "transparent",
    hover: input.variant === "light" ? hover : light,
    color: `light-dark(color-mix(in srgb, ${shade(9)} 78%, black), color-mix(in srgb, ${shade(2)} 88%, white))`,
  };
};

export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    "--mantine-color-body": "#f6f7f9",
    "--mantine-color-dimmed": "#565d66",
    "--mantine-color-placeholder": "#666d76",
    "--mantine-color-error": "#b42318",
    "--surface": "#ffffff",
    "--line": "#dfe3e8",
  },
  dark: {
    "--mantine-color-body": "#15181d",
    "--mantine-color-dimmed": "#a9b0ba",
    "--mantine-color-placeholder": "#98a0ab",
    "--mantine-color-error": "#ff9d94",
    "--mantine-color-anchor": "#8fb6ea",
    "--surface": "#1c2027",
    "--line": "#323944",
  },
});

export const theme = createTheme({
  primaryColor: "brand",
  colors: { brand },
  primaryShade: { light: 8, dark: 8 },
  defaultRadius: "md",
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif",
  fontFamilyMonospace: "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace",
  headings: {
    fontWeight: "650",
    sizes: { h1: { fontSize: "1.5rem" }, h2: { fontSize: "1.1rem" }, h3: { fontSize: "0.98rem" } },
  },
  variantColorResolver,
  respectReducedMotion: true,
  components: {
    // Links are as large as what they stand in.
    Anchor: Anchor.extend({ defaultProps: { inherit: true } }),
    Badge: Badge.extend({
      defaultProps: { tt: "none", radius: "sm", fw: 600, variant: "light" },
      styles: { root: { flexShrink: 0, width: "max-content", maxWidth: "100%" } },
    }),
    // A menu holds nothing but its items (ARIA 1.2, menu).
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }),
    Card: Card.extend({ defaultProps: { withBorder: true, padding: "lg", radius: "md" } }),
    Button: Button.extend({ defaultProps: { radius: "md" } }),
  },
});
