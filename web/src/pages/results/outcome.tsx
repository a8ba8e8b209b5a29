import { useTranslation } from "react-i18next";
import { Badge, type Tone } from "@/ui/badge";

const TONES: Record<string, Tone> = {
  answered: "good",
  empty: "info",
  truncated: "warn",
  refused: "warn",
  failed: "bad",
  withdrawn: "muted",
};

/** How a sample ended. */
export function Outcome({ outcome }: { outcome: string }) {
  const { t } = useTranslation();
  return <Badge tone={TONES[outcome] ?? "muted"}>{t(`outcome.${outcome}`, outcome)}</Badge>;
}
