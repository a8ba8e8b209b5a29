import { Languages, Moon, Sun } from "lucide-react";
import { useTranslation } from "react-i18next";
import { useTheme } from "@/app/theme";
import { LANGUAGES, type Language } from "@/i18n/languages";
import { setLanguage } from "@/i18n/setup";

/** Language and theme. */
export function Preferences() {
  const { t, i18n } = useTranslation();
  const [theme, setTheme] = useTheme();
  return (
    <div className="flex items-center gap-1">
      <label className="flex items-center gap-1 rounded px-1 text-muted">
        <Languages aria-hidden className="size-4" />
        <span className="sr-only">{t("preferences.language")}</span>
        <select
          className="rounded bg-transparent py-1 text-ink [&>option]:bg-panel"
          value={i18n.language}
          onChange={(event) => void setLanguage(event.target.value as Language)}
        >
          {Object.entries(LANGUAGES).map(([code, name]) => (
            <option key={code} value={code} lang={code}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <button
        type="button"
        className="rounded p-2 text-muted hover:bg-raised hover:text-ink"
        aria-label={t(theme === "dark" ? "preferences.light" : "preferences.dark")}
        onClick={() => setTheme(theme === "dark" ? "light" : "dark")}
      >
        {theme === "dark" ? <Sun aria-hidden className="size-4" /> : <Moon aria-hidden className="size-4" />}
      </button>
    </div>
  );
}
