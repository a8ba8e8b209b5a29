import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import { LANGUAGES, type Language } from "@/i18n/languages";

const KEPT = "vhb.language";
const files = import.meta.glob<Record<string, unknown>>("./*/*.json", { eager: true, import: "default" });

/** `en/jobs.json` is the namespace `jobs` of English. */
const resources: Record<string, Record<string, Record<string, unknown>>> = {};
for (const [file, texts] of Object.entries(files)) {
  const [, language = "", name = ""] = /\.\/(\w+)\/([\w-]+)\.json$/.exec(file) ?? [];
  resources[language] = { ...resources[language], [name]: texts };
}

const kept = localStorage.getItem(KEPT);
const first = kept && kept in LANGUAGES ? kept : navigator.language.startsWith("ru") ? "ru" : "en";

await i18next.use(initReactI18next).init({
  resources: resources as never,
  lng: first,
  fallbackLng: "en",
  defaultNS: "common",
  // React escapes what it shows.
  interpolation: { escapeValue: false },
  returnEmptyString: false,
});
document.documentElement.lang = first;

export async function setLanguage(language: Language): Promise<void> {
  localStorage.setItem(KEPT, language);
  document.documentElement.lang = language;
  await i18next.changeLanguage(language);
}
