import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import type { Saved } from "./asking";

/** Titles and descriptions of views: of those that come with the service in the person's language, else as saved. */
export function useViewText() {
  const { t, i18n } = useTranslation("explore");
  return useMemo(() => {
    const said = (key: string, otherwise: string) => (i18n.exists(`explore:${key}`) ? t(key) : otherwise);
    const own = (query: Saved) => query.saved_by === null;
    return {
      title: (query: Saved) => (own(query) ? said(`views.${query.name}.title`, query.name) : query.name),
      description: (query: Saved) =>
        own(query) ? said(`views.${query.name}.text`, query.description) : query.description,
      parameter: (query: Saved, name: string) => (own(query) ? said(`parameters.${name}`, name) : name),
      /** A key that ends in `_one` would be a plural. */
      column: (name: string) => said(`columns.${name.replaceAll("_", "-")}`, name),
    };
  }, [t, i18n]);
}
