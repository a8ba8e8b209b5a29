import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { useFormat } from "@/i18n/format";

type Format = ReturnType<typeof useFormat>;

/** What is said in parts, and in English. */
interface Explained {
  words: string;
  parts: readonly components["schemas"]["Part"][];
}

/** Why something waits, in the chosen language; in English where the service says what this page does not know. */
export function useExplained(): (explained: Explained) => string {
  const { t, i18n } = useTranslation("explained");
  const format = useFormat();
  return useCallback(
    ({ words, parts }: Explained) => {
      const texts = parts.map(({ code, given }) => {
        const shown = Object.entries(given).map(([name, value]) => [name, told(name, value, format)]);
        const options = { ...Object.fromEntries(shown), ns: "explained" };
        return i18n.exists(code, options) ? t(code, options) : null;
      });
      if (texts.includes(null)) return words;
      return texts.map((text, place) => `${place > 0 ? parts[place]?.before : ""}${text}`).join("");
    },
    [t, i18n, format],
  );
}

function told(name: string, value: string | number, format: Format): string | number {
  if (typeof value === "string" || name === "count") return value;
  if (name === "seconds") return format.duration(value);
  return name === "gib" || name === "rate" ? format.short(value) : format.whole(value);
}
