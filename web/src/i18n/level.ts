import { useCallback } from "react";
import { useTranslation } from "react-i18next";

/** Levels as tables of results call them, and what the interface calls the same. */
const NAMES: Record<string, string> = {
  general: "all",
  by_doc_type: "doc_class",
  by_question_type: "question_type",
  by_doc_question: "both",
};
const KNOWN = new Set(["all", "doc_class", "question_type", "both", "field"]);

/** What samples are grouped by, in words; a column of the data by its own name. */
export function useLevel(): (level: string) => string {
  const { t } = useTranslation();
  return useCallback(
    (level: string) => {
      const name = NAMES[level] ?? level;
      return KNOWN.has(name) ? t(`level.${name}`) : name.replace(/^column:/, "");
    },
    [t],
  );
}
