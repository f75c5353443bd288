import { PasswordInput } from "@mantine/core";
import { useText } from "../i18n";

/** A secret of an entry: it is sent, kept, and never shown again. */
export function SecretInput({
  label,
  kept,
  value,
  onChange,
}: {
  label: string;
  /** There may be one already, which stays if this is left empty. */
  kept: boolean;
  value: string;
  onChange: (value: string) => void;
}) {
  const { t } = useText();
  return (
    <PasswordInput
      label={label}
      description={t(kept ? "entry.unchanged" : "secret.kept")}
      value={value}
      onChange={(e) => onChange(e.currentTarget.value)}
      autoComplete="new-password"
      visibilityToggleButtonProps={{ "aria-label": t("login.showPassword"), tabIndex: 0 }}
    />
  );
}
