import { useMemo } from "react";
import { useTranslation } from "react-i18next";

/** Numbers, times and sizes as the chosen language writes them. */
export function useFormat() {
  const { i18n } = useTranslation();
  return useMemo(() => formats(i18n.language), [i18n.language]);
}

export function formats(language: string) {
  const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
  const metric = new Intl.NumberFormat(language, { minimumFractionDigits: 4, maximumFractionDigits: 4 });
  const short = new Intl.NumberFormat(language, { maximumSignificantDigits: 3 });
  const part = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
  const moment = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  const places = (digits: number) =>
    new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const two = new Intl.NumberFormat(language, { maximumSignificantDigits: 2 });
  const date = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
  const clock = new Intl.DateTimeFormat(language, { timeStyle: "medium" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  const unit = (value: number, of: string, display: "short" | "narrow" = "short") =>
    new Intl.NumberFormat(language, {
      style: "unit",
      unit: of,
      unitDisplay: display,
      maximumFractionDigits: value < 10 && of !== "second" ? 1 : 0,
    }).format(value);

  return {
    /** 12,345 */
    whole: (value: number) => whole.format(value),
    /** A metric's value: 0.1234; a dash where there is none. */
    metric: (value: number | null | undefined) => (value == null ? "–" : metric.format(value)),
    /** Three digits: 12.3 */
    short: (value: number | null | undefined) => (value == null ? "–" : short.format(value)),
    /** So many decimal places: 0.120 */
    decimals: (value: number, digits: number) => places(digits).format(value),
    /** A probability with its sign: <0.001, =0.012, =1 */
    p: (value: number) =>
      value < 0.001 ? `<${short.format(0.001)}` : `=${value < 0.995 ? two.format(value) : whole.format(1)}`,
    /** 0.5 -> 50% */
    percent: (value: number) => part.format(value),
    /** A day and a time. */
    moment: (value: string | number | Date) => moment.format(new Date(value)),
    /** A day. */
    day: (value: string | number | Date) => date.format(new Date(value)),
    /** A time of day with seconds. */
    clock: (value: string | number | Date) => clock.format(new Date(value)),
    /** 1.2 GB from bytes. */
    bytes: (value: number) => {
      const names = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"] as const;
      const step = value < 1000 ? 0 : Math.min(Math.floor(Math.log10(value) / 3), names.length - 1);
      return unit(value / 1000 ** step, names[step] ?? "byte");
    },
    /** Memory in GiB, as devices and settings are told: 1.5 from bytes. */
    gib: (value: number) => short.format(value / 2 ** 30),
    /** 1 h 5 min from seconds. */
    duration: (seconds: number) => {
      const s = Math.max(0, Math.round(seconds));
      if (s < 60) return unit(s, "second");
      const parts: [number, string][] =
        s < 3600
          ? [
              [Math.floor(s / 60), "minute"],
              [s % 60, "second"],
            ]
          : [
              [Math.floor(s / 3600), "hour"],
              [Math.floor((s % 3600) / 60), "minute"],
            ];
      return parts
        .filter(([value]) => value > 0)
        .map(([value, of]) => unit(value, of))
        .join(" ");
    },
    /** "5 minutes ago" */
    ago: (value: string | number | Date, now = Date.now()) => {
      const seconds = (new Date(value).getTime() - now) / 1000;
      const steps: [number, Intl.RelativeTimeFormatUnit][] = [
        [86400, "day"],
        [3600, "hour"],
        [60, "minute"],
        [1, "second"],
      ];
      const [size, of] = steps.find(([step]) => Math.abs(seconds) >= step) ?? [1, "second"];
      return relative.format(Math.round(seconds / size), of as Intl.RelativeTimeFormatUnit);
    },
  };
}
