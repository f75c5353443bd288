/** The package has no types for its languages: importing one makes it known. */
declare module "cronstrue/locales/fr";
/** The texts of one language, made by the build from `src/i18n`. */
declare module "virtual:texts/*" {
  const texts: Record<string, string>;
  export default texts;
}
