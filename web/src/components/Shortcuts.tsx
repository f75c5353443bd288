import { Group, Kbd, Modal, Table } from "@mantine/core";
import { useText, type Key } from "../i18n";

const SHORTCUTS: [string[], Key][] = [
  [["Ctrl", "K"], "shortcut.palette"],
  [["?"], "shortcut.list"],
  [["G", "D"], "nav.dashboard"],
  [["G", "C"], "nav.configurations"],
  [["G", "H"], "nav.history"],
  [["G", "A"], "nav.archives"],
  [["N"], "shortcut.new"],
];

/** All keyboard shortcuts: `?`. */
export default function Shortcuts({ close }: { close: () => void }) {
  const { t } = useText();
  return (
    <Modal opened onClose={close} title={t("shortcut.list")} closeButtonProps={{ "aria-label": t("common.close") }}>
      <Table>
        <Table.Tbody>
          {SHORTCUTS.map(([keys, text]) => (
            <Table.Tr key={text}>
              <Table.Td>
                <Group gap={4}>
                  {keys.map((k) => (
                    <Kbd key={k}>{k}</Kbd>
                  ))}
                </Group>
              </Table.Td>
              <Table.Td>{t(text)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
