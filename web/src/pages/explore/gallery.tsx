import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import {
  ArrowRightLeft,
  ChartLine,
  ChartNoAxesColumn,
  Code,
  Grid3x3,
  Handshake,
  type LucideIcon,
  Mountain,
  Scale,
  Trash2,
} from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { api, ok } from "@/api/client";
import { useMay, useMe } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { ForeignText, Visible } from "@/ui/foreign-text";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { Waiting } from "@/ui/waiting";
import type { Saved } from "./asking";
import { Frame } from "./frame";
import { useViewText } from "./texts";

const ICONS: Record<string, LucideIcon> = {
  leaderboard: ChartNoAxesColumn,
  history: ChartLine,
  "by-class": Grid3x3,
  "trade-offs": Scale,
  agreement: Handshake,
  hardest: Mountain,
  drift: ArrowRightLeft,
};
/** As a person asks them: first who is best, then why. */
const ORDER = Object.keys(ICONS);

/** Everything that can be looked at: the views that come with the service, and queries that people keep. */
export default function Gallery() {
  const { t } = useTranslation("explore");
  const { data, error, refetch } = useQuery({
    queryKey: ["queries"],
    queryFn: () => ok(api.GET("/api/v1/queries")),
  });
  const own = data?.filter((each) => each.saved_by === null) ?? [];
  const kept = data?.filter((each) => each.saved_by !== null) ?? [];
  const place = (name: string) => (ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length);
  return (
    <Frame title={t("title")}>
      {error && <ProblemNote error={error} again={() => void refetch()} />}
      {!data && !error && <Waiting />}
      {data && (
        <>
          <ul className="grid gap-3 sm:grid-cols-2 xl:grid-cols-3">
            {own
              .toSorted((a, b) => place(a.name) - place(b.name))
              .map((each) => (
                <Card key={each.name} query={each} />
              ))}
          </ul>
          <Panel title={t("kept.title")} flush>
            {kept.length === 0 ? (
              <Empty title={t("kept.none")}>
                <Link className="text-accent underline" to="/explore/sql">
                  {t("kept.write")}
                </Link>
              </Empty>
            ) : (
              <ul className="divide-y divide-line">
                {kept.map((each) => (
                  <Kept key={each.name} query={each} />
                ))}
              </ul>
            )}
          </Panel>
        </>
      )}
    </Frame>
  );
}

function Card({ query }: { query: Saved }) {
  const text = useViewText();
  const Icon = ICONS[query.name] ?? Code;
  return (
    <li>
      <Link
        to={`/explore/view/${query.name}`}
        className="flex h-full gap-3 rounded-lg border border-line bg-panel p-4 no-underline hover:bg-raised"
      >
        <Icon aria-hidden className="mt-0.5 size-5 shrink-0 text-accent" />
        <span className="min-w-0 space-y-1">
          <span className="block font-semibold">{text.title(query)}</span>
          <span className="block text-muted">{text.description(query)}</span>
        </span>
      </Link>
    </li>
  );
}

function Kept({ query }: { query: Saved }) {
  const { t } = useTranslation("explore");
  const format = useFormat();
  const me = useMe().data;
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const admin = useMay("admin");
  const writes = useMay("submitter");
  const mine = admin || (writes && me?.name === query.saved_by);
  const remove = useMutation({
    mutationFn: () => ok(api.DELETE("/api/v1/queries/{name}", { params: { path: { name: query.name } } })),
    onSuccess: () => {
      setAsking(false);
      void client.invalidateQueries({ queryKey: ["queries"] });
    },
  });
  return (
    <li className="flex flex-wrap items-start justify-between gap-3 px-4 py-3">
      <div className="min-w-0 space-y-1">
        <Link className="font-medium text-accent underline" to={`/explore/view/${query.name}`}>
          {query.name}
        </Link>
        {query.description && <ForeignText text={query.description} first={300} />}
        <p className="text-xs text-muted">
          <span className="foreign">
            <Visible text={query.saved_by ?? ""} />
          </span>
          {query.saved_at && ` · ${format.moment(query.saved_at)}`}
        </p>
      </div>
      {mine && (
        <Button small kind="quiet" onClick={() => setAsking(true)}>
          <Trash2 aria-hidden className="size-4" />
          {t("kept.remove")}
        </Button>
      )}
      <Dialog
        title={t("kept.removeTitle", { name: query.name })}
        open={asking}
        onClose={() => setAsking(false)}
        actions={
          <>
            <Button onClick={() => setAsking(false)}>{t("common:dialog.cancel")}</Button>
            <Button kind="danger" busy={remove.isPending} onClick={() => remove.mutate()}>
              {t("kept.remove")}
            </Button>
          </>
        }
      >
        <p>{t("kept.removeText")}</p>
        {remove.error && <ProblemNote error={remove.error} />}
      </Dialog>
    </li>
  );
}
