import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Page } from "@/ui/page";
import { Tabs } from "@/ui/tabs";

/** What is around each view of Explore. */
export function Frame({ title, actions, children }: { title: string; actions?: ReactNode; children: ReactNode }) {
  const { t } = useTranslation("explore");
  return (
    <Page title={title} actions={actions}>
      <Tabs
        label={t("tabs.label")}
        tabs={[
          { to: "/explore", text: t("tabs.views"), end: true },
          { to: "/explore/sql", text: t("tabs.sql") },
          { to: "/explore/baselines", text: t("tabs.baselines") },
        ]}
      />
      {children}
    </Page>
  );
}
