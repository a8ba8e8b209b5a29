import { useVirtualizer } from "@tanstack/react-virtual";
import { useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import { Visible } from "@/ui/foreign-text";
import { ProblemNote } from "@/ui/problem-note";
import type { Cut } from "./data";

/** The service cuts texts there. */
const CUT = 10_000;
const PIECE = 200_000;
const BLOCK = 4_000;
/** Up to here a text stands in the page as a whole. */
const FEW = 12_000;

/**
 * A text of a sample, of any length: its beginning, and the rest when it is asked for. Of a long text only what is in
 * sight is in the page, so that millions of characters do not hold it up.
 */
export function LongText({ runId, row, of, cut }: { runId: string; row: number; of: string; cut: Cut }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const [pieces, setPieces] = useState<string[]>([]);
  const [state, setState] = useState<"still" | "loading" | unknown>("still");
  // The service counts characters, not UTF-16: what was fetched is counted as it was asked for.
  const loaded = Math.min(cut.length, CUT + pieces.length * PIECE);
  const left = cut.length - loaded;
  const more = async (all: boolean) => {
    setState("loading");
    try {
      const fetched = [...pieces];
      do {
        const offset = CUT + fetched.length * PIECE;
        const query = { of, offset, length: PIECE };
        const part = await ok(
          api.GET("/api/v1/runs/{run_id}/samples/{row}/text", { params: { path: { run_id: runId, row }, query } }),
        );
        fetched.push(part.text);
        setPieces([...fetched]);
      } while (all && CUT + fetched.length * PIECE < cut.length);
      setState("still");
    } catch (error) {
      setState(error);
    }
  };
  const text = cut.text + pieces.join("");
  return (
    <div className="space-y-2">
      {text === "" ? (
        <p className="text-muted">{t("text.empty")}</p>
      ) : text.length <= FEW ? (
        <section
          aria-label={t("text.label")}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
          tabIndex={0}
          dir="auto"
          className="foreign max-h-[60dvh] overflow-auto font-mono text-xs"
        >
          <Visible text={text} />
        </section>
      ) : (
        <Blocks text={text} />
      )}
      {state !== "still" && state !== "loading" && <ProblemNote error={state} />}
      {left > 0 && (
        <p className="flex flex-wrap items-center gap-2 text-xs text-muted">
          {t("text.part", { shown: format.whole(loaded), length: format.whole(cut.length) })}
          <Button small busy={state === "loading"} onClick={() => void more(false)}>
            {t("text.more")}
          </Button>
          <Button small busy={state === "loading"} onClick={() => void more(true)}>
            {t("text.all")}
          </Button>
        </p>
      )}
    </div>
  );
}

function Blocks({ text }: { text: string }) {
  const { t } = useTranslation("results");
  const ref = useRef<HTMLDivElement>(null);
  const count = Math.ceil(text.length / BLOCK);
  const virtualizer = useVirtualizer({
    count,
    getScrollElement: () => ref.current,
    estimateSize: () => 600,
    overscan: 1,
  });
  return (
    <section
      ref={ref}
      aria-label={t("text.long")}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
      tabIndex={0}
      className="max-h-[60dvh] overflow-auto rounded border border-line p-2"
    >
      <div className="relative" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map((item) => (
          <div
            key={item.key}
            data-index={item.index}
            ref={virtualizer.measureElement}
            dir="auto"
            className="foreign absolute top-0 left-0 w-full font-mono text-xs"
            style={{ transform: `translateY(${item.start}px)` }}
          >
            <Visible text={text.slice(item.index * BLOCK, (item.index + 1) * BLOCK)} />
          </div>
        ))}
      </div>
    </section>
  );
}
