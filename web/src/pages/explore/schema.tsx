import { useTranslation } from "react-i18next";
import type { components } from "@/api/schema";
import { Panel } from "@/ui/page";

type QueryTable = components["schemas"]["QueryTable"];

/** The tables and their columns; a click writes a name into the query. */
export function Schema({ tables, onPick }: { tables: QueryTable[]; onPick: (name: string) => void }) {
  const { t } = useTranslation("explore");
  const quoted = (name: string) => (/^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : `"${name}"`);
  return (
    <Panel title={t("schema.title")} flush>
      <div className="max-h-[70dvh] divide-y divide-line overflow-auto" tabIndex={-1}>
        {tables.map((table) => (
          <details key={table.name} className="px-4 py-2">
            <summary className="font-mono text-xs font-semibold">
              {table.name} <span className="font-sans font-normal text-muted">{t(`schema.${table.source}`)}</span>
            </summary>
            <ul className="mt-1 space-y-0.5">
              {table.columns.map((column) => (
                <li key={column.name} className="flex items-baseline justify-between gap-2">
                  <button
                    type="button"
                    className="min-w-0 text-left font-mono text-xs break-all hover:text-accent"
                    title={t("schema.insert")}
                    onClick={() => onPick(quoted(column.name))}
                  >
                    {column.name}
                  </button>
                  <span className="text-xs text-muted">{column.type.toLowerCase()}</span>
                </li>
              ))}
            </ul>
          </details>
        ))}
      </div>
    </Panel>
  );
}

const RESERVED = new Set(["group", "order", "select", "table", "where", "index", "level", "value"]);
