import type { TFunction } from "i18next";

/** A locale as Plotly registers it; what it lacks is that of English. */
export interface PlotlyLocale {
  moduleType: "locale";
  name: string;
  dictionary: Record<string, string>;
  format: {
    days: string[];
    shortDays: string[];
    months: string[];
    shortMonths: string[];
    decimal: string;
    thousands: string;
    date: string;
  };
}

/**
 * A language for Plotly. Its own files of locales are of another version than the part of it that is used here, and are
 * files to fetch; a browser knows the same, so that charts write numbers and days as tables do.
 */
export function plotlyLocale(language: string, t: TFunction): PlotlyLocale {
  const parts = new Intl.NumberFormat(language, { useGrouping: true }).formatToParts(-1234567.5);
  const part = (type: string, otherwise: string) => parts.find((each) => each.type === type)?.value ?? otherwise;
  const names = (count: number, at: (place: number) => Date, options: Intl.DateTimeFormatOptions) => {
    const format = new Intl.DateTimeFormat(language, { ...options, timeZone: "UTC" });
    return Array.from({ length: count }, (_each, place) => format.format(at(place)));
  };
  // The fourth of January 1970 was a Sunday.
  const day = (place: number) => new Date(Date.UTC(1970, 0, 4 + place));
  const month = (place: number) => new Date(Date.UTC(1970, place, 1));
  const date = new Intl.DateTimeFormat(language).formatToParts(day(0));
  const places: Partial<Record<Intl.DateTimeFormatPartTypes, string>> = { day: "%d", month: "%m", year: "%Y" };
  return {
    moduleType: "locale",
    name: language,
    dictionary: {
      "Double-click to zoom back out": t("chart.zoomOut"),
      "Double-click on legend to isolate one trace": t("chart.isolate"),
    },
    format: {
      days: names(7, day, { weekday: "long" }),
      shortDays: names(7, day, { weekday: "short" }),
      months: names(12, month, { month: "long" }),
      shortMonths: names(12, month, { month: "short" }),
      decimal: part("decimal", "."),
      thousands: part("group", ","),
      date: date.map((each) => places[each.type] ?? each.value).join(""),
    },
  };
}
