import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { ForeignText } from "@/ui/foreign-text";
import { Panel } from "@/ui/page";
import { type Column, Table } from "@/ui/table";

type Metric = components["schemas"]["MetricDefinition"];
type Option = components["schemas"]["MetricOption"];

/** What a metric measures, and what can be chosen about it. */
export function MetricPanels({ metric }: { metric: Metric }) {
  const { t } = useTranslation("registries");
  const facts: [string, string][] = [
    [t("metric.summary"), metric.summary],
    [t("metric.better"), t(`metric.${metric.direction === "lower" ? "lower" : "higher"}`)],
    [t("metric.groups"), t(metric.pooled ? "metric.pooled" : "metric.mean")],
    [t("metric.normalisation"), metric.normalisation],
    [t("metric.profiles"), metric.profiles.join(", ") || t("metric.noProfiles")],
    [t("metric.version"), metric.version],
    [t("metric.source"), metric.source],
  ];
  const columns: Column<Option>[] = [
    { key: "name", header: t("option.name"), width: "minmax(9rem, 1fr)", cell: (one) => <code>{one.name}</code> },
    {
      key: "default",
      header: t("option.default"),
      width: "minmax(10rem, 2fr)",
      cell: (one) =>
        one.default === null ? t("option.required") : <ForeignText mono first={300} text={one.default} />,
    },
    {
      key: "description",
      header: t("column.description"),
      width: "minmax(16rem, 3fr)",
      cell: (one) => <ForeignText text={one.description} />,
    },
  ];
  return (
    <>
      <Panel title={t("definition")}>
        <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-[auto_1fr]">
          {facts.map(([name, value]) => (
            <div key={name} className="contents">
              <dt className="text-muted">{name}</dt>
              <dd>
                <ForeignText text={value} />
              </dd>
            </div>
          ))}
        </dl>
        {metric.details && (
          <ForeignText
            className="mt-4 max-w-prose border-t border-line pt-4"
            text={flowing(metric.details)}
            first={8000}
          />
        )}
      </Panel>
      {metric.options.length > 0 && (
        <Panel flush title={t("options")}>
          <Table label={t("options")} columns={columns} rows={metric.options} rowKey={(one) => one.name} />
        </Panel>
      )}
    </>
  );
}

/** A docstring without the line breaks of its source; lists and blank lines stay. */
function flowing(text: string): string {
  return text.replace(/(\S)\n(?=[^\s*-])/g, "$1 ");
}
