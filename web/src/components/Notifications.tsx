import "@mantine/notifications/styles.css";
import { notifications, Notifications } from "@mantine/notifications";
import { IconAlertTriangle, IconCircleCheck, IconCircleX, IconClock } from "@tabler/icons-react";
import { useEffect } from "react";
import { useText } from "../i18n";
import type { Toast } from "./toasts";

const LOOKS = {
  success: { color: "green.8", icon: IconCircleCheck },
  info: { color: "brand", icon: IconClock },
  warning: { color: "yellow.9", icon: IconAlertTriangle },
  error: { color: "red", icon: IconCircleX },
};

/** Shows toasts as they come; errors stay longer. */
export default function Shown({ toasts }: { toasts: Toast[] }) {
  const { t } = useText();
  useEffect(() => {
    for (const { kind, title, message } of toasts.splice(0)) {
      const { color, icon: Icon } = LOOKS[kind];
      notifications.show({
        color,
        icon: <Icon size={18} aria-hidden />,
        title,
        message: message ?? "",
        withBorder: true,
        autoClose: kind === "error" ? 12_000 : 6_000,
        closeButtonProps: { "aria-label": t("common.close") },
      });
    }
  });
  return <Notifications position="bottom-right" limit={4} />;
}
