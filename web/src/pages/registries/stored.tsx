import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Play } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Link, useParams } from "react-router";
import { api, ok } from "@/api/client";
import type { components } from "@/api/schema";
import { useMay } from "@/app/session";
import { useFormat } from "@/i18n/format";
import { ButtonLink } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { ForeignText } from "@/ui/foreign-text";
import { Page, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";

type Sample = components["schemas"]["DatasetSample"];
const THUMB = 160;

/** A stored data set: its counts and its samples. */
export default function Stored() {
  const { digest = "" } = useParams();
  const { t } = useTranslation("registries");
  const format = useFormat();
  const may = useMay("submitter");
  const { data, error, refetch } = useQuery({
    queryKey: ["datasets", digest],
    queryFn: () => ok(api.GET("/api/v1/datasets/{digest}", { params: { path: { digest } } })),
  });
  const about = data?.description;
  const facts: [string, string][] = about
    ? [
        [t("stored.source"), data.source],
        [t("stored.digest"), `sha256:${digest}`],
        [t("stored.samples"), format.whole(about.samples)],
        [t("stored.images"), format.whole(about.images)],
        [t("stored.badRows"), format.whole(about.bad_rows)],
        ...Object.entries(about.values ?? {}).map(([column, counts]): [string, string] => [
          column,
          Object.entries(counts)
            .map(([value, count]) => `${value} (${format.whole(count)})`)
            .join(", "),
        ]),
      ]
    : [];
  return (
    <Page
      title={data?.name ?? t("stored.one")}
      above={
        <Link className="hover:underline" to="/registries/datasets">
          {t("kind.datasets")}
        </Link>
      }
      actions={
        may && (
          <ButtonLink kind="primary" to={`/start?${new URLSearchParams({ dataset: `sha256:${digest}` })}`}>
            <Play aria-hidden className="size-4" />
            {t("use")}
          </ButtonLink>
        )
      }
    >
      {error && <ProblemNote error={error} again={() => void refetch()} />}
      {!data && !error && <Waiting />}
      {data && (
        <>
          <Panel>
            <dl className="grid gap-x-6 gap-y-2 sm:grid-cols-[auto_1fr]">
              {facts
                .filter(([, value]) => value)
                .map(([name, value]) => (
                  <div key={name} className="contents">
                    <dt className="text-muted">{name}</dt>
                    <dd>
                      <ForeignText text={value} first={600} />
                    </dd>
                  </div>
                ))}
            </dl>
          </Panel>
          <Samples digest={digest} total={about?.samples ?? 0} />
        </>
      )}
    </Page>
  );
}

function Samples({ digest, total }: { digest: string; total: number }) {
  const { t } = useTranslation("registries");
  const [shown, setShown] = useState<Sample["images"][number] | null>(null);
  const found = useInfiniteQuery({
    queryKey: ["datasets", digest, "samples"],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam: cursor }) =>
      ok(api.GET("/api/v1/datasets/{digest}/samples", { params: { path: { digest }, query: { cursor, limit: 60 } } })),
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  const columns: Column<Sample>[] = [
    {
      key: "id",
      header: t("sample.id"),
      width: "minmax(6rem, 0.6fr)",
      cell: (one) => <ForeignText text={one.id} first={80} />,
    },
    {
      key: "images",
      header: t("sample.images"),
      width: "12rem",
      cell: (one) => <Images sample={one} onShow={setShown} />,
    },
    {
      key: "question",
      header: t("sample.question"),
      width: "minmax(14rem, 2fr)",
      cell: (one) => <ForeignText text={one.question ?? "–"} first={300} />,
    },
    {
      key: "references",
      header: t("sample.references"),
      width: "minmax(12rem, 2fr)",
      cell: (one) => <ForeignText text={one.references.join("\n")} first={300} />,
    },
    {
      key: "kind",
      header: t("sample.kind"),
      width: "minmax(8rem, 1fr)",
      cell: (one) => (
        <ForeignText text={[one.doc_class, one.question_type].filter(Boolean).join(" · ") || "–"} first={80} />
      ),
    },
  ];
  return (
    <Panel flush title={t("stored.samples")}>
      {found.error && <ProblemNote error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Waiting />}
      {found.data && (
        <Table
          label={t("stored.samples")}
          columns={columns}
          rows={rows}
          total={total}
          rowKey={(one) => String(one.index)}
          onNearEnd={() => found.hasNextPage && !found.isFetchingNextPage && void found.fetchNextPage()}
        />
      )}
      <Dialog wide title={shown?.name ?? ""} open={shown !== null} onClose={() => setShown(null)}>
        {shown && <img src={`${shown.url}?width=1600`} alt={shown.name} className="mx-auto max-w-full" />}
      </Dialog>
    </Panel>
  );
}

function Images({ sample, onShow }: { sample: Sample; onShow: (image: Sample["images"][number]) => void }) {
  const { t } = useTranslation("registries");
  return (
    <div className="flex flex-wrap gap-1">
      {sample.images.slice(0, 2).map((image) => (
        <button key={image.name} type="button" className="rounded border border-line" onClick={() => onShow(image)}>
          <img
            src={`${image.url}?width=${THUMB}`}
            alt={t("sample.show", { id: sample.id })}
            loading="lazy"
            className="h-16 w-20 object-cover"
          />
        </button>
      ))}
      {sample.images.length > 2 && <span className="self-end text-xs text-muted">+{sample.images.length - 2}</span>}
    </div>
  );
}
