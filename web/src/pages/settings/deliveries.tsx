import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Badge } from "@/ui/badge";
import { Button } from "@/ui/button";
import { Field } from "@/ui/field";
import { Visible } from "@/ui/foreign-text";
import { Empty, Panel } from "@/ui/page";
import { ProblemNote } from "@/ui/problem-note";
import { useQueryState } from "@/ui/query-state";
import { type Column, Table } from "@/ui/table";
import { Waiting } from "@/ui/waiting";
import { Confirm } from "./confirm";
import { DeliveryDialog } from "./delivery";
import { type Delivery, TONES } from "./hooks";

const STATES = ["waiting", "delivered", "failed"] as const;
const FRESH_MS = 3000;
const DAYS = [1, 7, 30];

/** What was sent to a webhook, the latest first. */
export function Deliveries({ webhookId }: { webhookId: string }) {
  const { t } = useTranslation("settings");
  const [state, setState] = useQueryState("state");
  const [open, setOpen] = useQueryState("delivery");
  const chosen = STATES.filter((one) => one === state);
  const found = useInfiniteQuery({
    queryKey: ["webhooks", webhookId, "deliveries", chosen],
    initialPageParam: undefined as string | undefined,
    refetchInterval: FRESH_MS,
    queryFn: ({ pageParam: cursor }) =>
      ok(
        api.GET("/api/v1/webhooks/{webhook_id}/deliveries", {
          params: { path: { webhook_id: webhookId }, query: { cursor, state: chosen, limit: 100 } },
        }),
      ),
    getNextPageParam: (last) => last.next ?? undefined,
  });
  const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Panel flush title={t("deliveries.title")} actions={<Replay webhookId={webhookId} />}>
      <div className="border-b border-line p-4">
        <Field label={t("deliveries.state")} className="max-w-56">
          {(control) => (
            <select {...control} value={state} onChange={(event) => setState(event.target.value)}>
              <option value="">{t("deliveries.any")}</option>
              {STATES.map((one) => (
                <option key={one} value={one}>
                  {t(`deliveries.is.${one}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      {found.error && <ProblemNote error={found.error} again={() => void found.refetch()} />}
      {found.isPending && <Waiting />}
      {found.data && rows.length === 0 && (
        <Empty title={t("deliveries.none")}>{t(state ? "deliveries.noneSo" : "deliveries.noneYet")}</Empty>
      )}
      {rows.length > 0 && (
        <List
          rows={rows}
          selected={open}
          onOpen={setOpen}
          onNearEnd={() => found.hasNextPage && !found.isFetchingNextPage && void found.fetchNextPage()}
        />
      )}
      <DeliveryDialog webhookId={webhookId} deliveryId={open || null} onClose={() => setOpen("")} />
    </Panel>
  );
}

function List({
  rows,
  selected,
  onOpen,
  onNearEnd,
}: {
  rows: Delivery[];
  selected: string;
  onOpen: (id: string) => void;
  onNearEnd: () => void;
}) {
  const { t } = useTranslation("settings");
  const format = useFormat();
  const columns: Column<Delivery>[] = [
    {
      key: "time",
      header: t("deliveries.time"),
      width: "minmax(13rem, 1fr)",
      cell: (one) => format.moment(one.created_at),
    },
    {
      key: "what",
      header: t("deliveries.what"),
      width: "minmax(13rem, 1.5fr)",
      cell: (one) => (
        <button
          type="button"
          className="text-left font-mono text-xs text-accent hover:underline"
          onClick={(event) => {
            event.stopPropagation();
            onOpen(one.delivery_id);
          }}
        >
          {one.what}
        </button>
      ),
    },
    {
      key: "job",
      header: t("deliveries.job"),
      width: "minmax(10rem, 1fr)",
      cell: (one) => (
        <span className="foreign">
          <Visible text={one.job_id ?? "–"} />
        </span>
      ),
    },
    {
      key: "state",
      header: t("deliveries.state"),
      width: "minmax(8rem, 0.7fr)",
      cell: (one) => <Badge tone={TONES[one.state]}>{t(`deliveries.is.${one.state}`)}</Badge>,
    },
    {
      key: "attempts",
      header: t("deliveries.attempts"),
      width: "6rem",
      numeric: true,
      cell: (one) => format.whole(one.attempts),
    },
    {
      key: "answer",
      header: t("deliveries.answer"),
      width: "minmax(10rem, 1.5fr)",
      cell: (one) => (
        <span className="foreign line-clamp-2" title={one.error ?? undefined}>
          <Visible text={one.error ?? (one.status === null ? "–" : String(one.status))} />
        </span>
      ),
    },
  ];
  return (
    <Table
      label={t("deliveries.title")}
      columns={columns}
      rows={rows}
      rowKey={(one) => one.delivery_id}
      selected={selected}
      onRow={(one) => onOpen(one.delivery_id)}
      onNearEnd={onNearEnd}
    />
  );
}

function Replay({ webhookId }: { webhookId: string }) {
  const { t } = useTranslation("settings");
  const client = useQueryClient();
  const [asking, setAsking] = useState(false);
  const [days, setDays] = useState(1);
  const replay = useMutation({
    mutationFn: () => {
      const since = new Date(Date.now() - days * 86_400_000).toISOString();
      const params = { path: { webhook_id: webhookId } };
      return ok(api.POST("/api/v1/webhooks/{webhook_id}/replay", { params, body: { since } }));
    },
    onSuccess: () => {
      setAsking(false);
      void client.invalidateQueries({ queryKey: ["webhooks", webhookId] });
    },
  });
  return (
    <>
      <span role="status" className="text-muted">
        {replay.data && t("deliveries.replayed", { count: replay.data.count })}
      </span>
      <Button small onClick={() => setAsking(true)}>
        {t("deliveries.replayFailed")}
      </Button>
      <Confirm
        title={t("deliveries.replayFailed")}
        open={asking}
        action={t("deliveries.replay")}
        busy={replay.isPending}
        error={replay.error}
        onConfirm={() => replay.mutate()}
        onClose={() => setAsking(false)}
      >
        <p className="mb-3">{t("deliveries.replayText")}</p>
        <Field label={t("deliveries.since")}>
          {(control) => (
            <select {...control} value={days} onChange={(event) => setDays(Number(event.target.value))}>
              {DAYS.map((one) => (
                <option key={one} value={one}>
                  {t("deliveries.days", { count: one })}
                </option>
              ))}
            </select>
          )}
        </Field>
      </Confirm>
    </>
  );
}
