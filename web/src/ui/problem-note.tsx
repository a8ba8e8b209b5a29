import { TriangleAlert } from "lucide-react";
import { useTranslation } from "react-i18next";
import { Problem } from "@/api/client";
import { Button } from "@/ui/button";

/** What went wrong, in words a person can act on. */
export function ProblemNote({ error, again }: { error: unknown; again?: () => void }) {
  const { t } = useTranslation();
  const mistakes = error instanceof Problem ? error.mistakes : [];
  const said = error instanceof Problem ? error.detail || t("problem.noAnswer") : t("problem.page");
  return (
    <div role="alert" className="flex gap-3 rounded-md border border-bad bg-panel p-4">
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-bad" />
      <div className="min-w-0 space-y-2">
        <p className="foreign">{said}</p>
        {!(error instanceof Problem) && <p className="foreign font-mono text-xs text-muted">{String(error)}</p>}
        {mistakes.length > 1 && (
          <ul className="list-disc space-y-1 pl-5">
            {mistakes.map((mistake) => (
              <li key={mistake.message} className="foreign">
                {mistake.message}
              </li>
            ))}
          </ul>
        )}
        {again && (
          <Button small onClick={again}>
            {t("problem.again")}
          </Button>
        )}
      </div>
    </div>
  );
}
