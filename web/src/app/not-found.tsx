import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Page } from "@/ui/page";

export function NotFound() {
  const { t } = useTranslation();
  return (
    <Page title={t("notFound.title")}>
      <p>
        {t("notFound.text")}{" "}
        <Link to="/" className="text-accent underline">
          {t("notFound.back")}
        </Link>
      </p>
    </Page>
  );
}
