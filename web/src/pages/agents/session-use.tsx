import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Sparkline } from "@/ui/sparkline";
import type { SessionUse } from "./overview";

/** What a backend session used over the last minutes. */
export function SessionCharts({ use }: { use: SessionUse }) {
  const { t } = useTranslation("agents");
  const format = useFormat();
  const last = use.points.at(-1);
  if (!last) return null;
  const memory =
    last.memory_used === null
      ? "–"
      : last.memory_total
        ? t("use.of", { used: format.bytes(last.memory_used), total: format.bytes(last.memory_total) })
        : format.bytes(last.memory_used);
  const busy = last.device_use === null ? "–" : format.percent(last.device_use);
  const rate = t("use.perSecond", { rate: format.short(last.requests_per_s) });
  const of = use.devices > 0 ? "gpuMemory" : "memory";
  return (
    <ul className="grid gap-x-6 gap-y-3 sm:grid-cols-3">
      {last.memory_used !== null && (
        <One name={t(`use.${of}`)} value={memory}>
          <Sparkline
            label={`${t(`use.${of}`)}: ${memory}`}
            max={last.memory_total}
            points={use.points.map((point) => [point.at, point.memory_used])}
          />
        </One>
      )}
      {use.devices > 0 && (
        <One name={t("use.gpu")} value={busy}>
          <Sparkline
            label={`${t("use.gpu")}: ${busy}`}
            max={1}
            points={use.points.map((point) => [point.at, point.device_use])}
          />
        </One>
      )}
      <One name={t("use.rate")} value={rate}>
        <Sparkline
          label={`${t("use.rate")}: ${rate}`}
          points={use.points.map((point) => [point.at, point.requests_per_s])}
        />
      </One>
    </ul>
  );
}

function One({ name, value, children }: { name: string; value: string; children: React.ReactNode }) {
  return (
    <li className="min-w-0">
      <p className="mb-1 flex flex-wrap justify-between gap-x-2 text-xs">
        <span className="text-muted">{name}</span>
        <span className="tabular-nums">{value}</span>
      </p>
      {children}
    </li>
  );
}
