import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { useMay } from "@/app/session";
import { Empty, Page, Panel } from "@/ui/page";
import { Tabs } from "@/ui/tabs";

/** What is around every view of the settings. Most are for administrators. */
export function Frame({
  admin = false,
  actions,
  children,
}: {
  admin?: boolean;
  actions?: ReactNode;
  children: ReactNode;
}) {
  const { t } = useTranslation("settings");
  const may = useMay("admin");
  const tabs = [
    { to: "/settings", text: t("tab.you"), end: true },
    ...(may
      ? [
          { to: "/settings/tokens", text: t("tab.tokens") },
          { to: "/settings/webhooks", text: t("tab.webhooks") },
          { to: "/settings/audit", text: t("tab.audit") },
        ]
      : []),
  ];
  return (
    <Page title={t("title")} actions={may ? actions : undefined}>
      <Tabs label={t("title")} tabs={tabs} />
      {admin && !may ? (
        <Panel>
          <Empty title={t("notYours")}>{t("askAdmin")}</Empty>
        </Panel>
      ) : (
        children
      )}
    </Page>
  );
}
