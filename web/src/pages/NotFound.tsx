import { Container } from "@mantine/core";
import { Empty } from "../components/basics";
import { LinkButton } from "../components/Link";
import { useText } from "../i18n";

export function NotFound() {
  const { t } = useText();
  return (
    <Container size="sm" py="xl">
      <Empty text={t("notFound.text")}>
        <LinkButton to="/">{t("nav.dashboard")}</LinkButton>
      </Empty>
    </Container>
  );
}
