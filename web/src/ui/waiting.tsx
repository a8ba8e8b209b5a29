import { LoaderCircle } from "lucide-react";
import { useTranslation } from "react-i18next";

/** Something is on its way. */
export function Waiting({ label }: { label?: string }) {
  const { t } = useTranslation();
  return (
    <p role="status" className="flex items-center justify-center gap-2 p-8 text-muted">
      <LoaderCircle aria-hidden className="size-5 animate-spin" />
      {label ?? t("waiting")}
    </p>
  );
}
