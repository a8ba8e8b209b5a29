import { useSyncExternalStore } from "react";

export type Theme = "light" | "dark";

const KEPT = "vhb.theme";
const listeners = new Set<() => void>();

const current = (): Theme => (document.documentElement.classList.contains("dark") ? "dark" : "light");

function set(theme: Theme) {
  localStorage.setItem(KEPT, theme);
  document.documentElement.classList.toggle("dark", theme === "dark");
  for (const listener of listeners) listener();
}

/** The theme, which `public/theme.js` chose before the first paint, and how to change it. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const theme = useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, current);
  return [theme, set];
}
