import { Maximize, Minus, Plus } from "lucide-react";
import { type PointerEvent, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useFormat } from "@/i18n/format";
import { Button } from "@/ui/button";
import type { SampleShown } from "./data";

type Image = SampleShown["images"][number];
type Box = SampleShown["boxes"][number];
const STEPS = [1, 1.5, 2, 3, 4, 6, 8];
/** Enough to read a page that is as wide as its place. */
const FITTING = 1536;

/** The images of a sample: one at a time, larger and smaller, moved by hand, with the places that are spoken of. */
export function Pictures({ images, boxes }: { images: Image[]; boxes: Box[] }) {
  const { t } = useTranslation("results");
  const [chosen, choose] = useState(0);
  const place = Math.min(chosen, images.length - 1);
  const image = images[place];
  if (!image) return <p className="text-muted">{t("picture.none")}</p>;
  return (
    <div className="space-y-2">
      {images.length > 1 && (
        <div className="flex flex-wrap gap-1">
          {images.map((each, number) => (
            <Button
              // biome-ignore lint/suspicious/noArrayIndexKey: one image may be shown twice
              key={`${each.name}${number}`}
              small
              kind={number === place ? "primary" : "plain"}
              aria-pressed={number === place}
              onClick={() => choose(number)}
            >
              {t("picture.number", { number: number + 1 })}
            </Button>
          ))}
        </div>
      )}
      <Picture key={image.name} image={image} number={place + 1} boxes={place === 0 ? boxes : []} />
    </div>
  );
}

function Picture({ image, number, boxes }: { image: Image; number: number; boxes: Box[] }) {
  const { t } = useTranslation("results");
  const format = useFormat();
  const [step, setStep] = useState(0);
  const [broken, setBroken] = useState(false);
  const ref = useRef<HTMLDivElement>(null);
  const zoom = STEPS[step] ?? 1;
  const turn = (by: number) => setStep((now) => Math.max(0, Math.min(STEPS.length - 1, now + by)));
  const hand = useHand(ref);
  useEffect(() => {
    const element = ref.current;
    const wheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      setStep((now) => Math.max(0, Math.min(STEPS.length - 1, now + (event.deltaY < 0 ? 1 : -1))));
    };
    element?.addEventListener("wheel", wheel, { passive: false });
    return () => element?.removeEventListener("wheel", wheel);
  }, []);
  if (broken) return <p className="text-warn">{t("picture.broken")}</p>;
  const source = zoom > 1 ? image.url : `${image.url}?width=${FITTING}`;
  return (
    <div className="space-y-1">
      <div className="flex items-center gap-1">
        <Button small disabled={step === 0} onClick={() => turn(-1)} aria-label={t("picture.smaller")}>
          <Minus aria-hidden className="size-4" />
        </Button>
        <Button small disabled={step === STEPS.length - 1} onClick={() => turn(1)} aria-label={t("picture.larger")}>
          <Plus aria-hidden className="size-4" />
        </Button>
        <Button small disabled={step === 0} onClick={() => setStep(0)} aria-label={t("picture.fit")}>
          <Maximize aria-hidden className="size-4" />
        </Button>
        <span className="ml-1 text-xs text-muted" aria-live="polite">
          {format.percent(zoom)}
        </span>
      </div>
      <section
        ref={ref}
        aria-label={t("picture.label")}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by the keyboard
        tabIndex={0}
        className="max-h-[70dvh] cursor-grab touch-pan-x touch-pan-y overflow-auto rounded border border-line bg-raised active:cursor-grabbing"
        {...hand}
      >
        <div className="relative" style={{ width: `${zoom * 100}%` }}>
          <img
            src={source}
            alt={t("picture.alt", { number })}
            width={image.width ?? undefined}
            height={image.height ?? undefined}
            draggable={false}
            onError={() => setBroken(true)}
            className="block h-auto w-full select-none"
          />
          {image.width && image.height && boxes.length > 0 && (
            <Boxes width={image.width} height={image.height} boxes={boxes} />
          )}
        </div>
      </section>
      {boxes.length > 0 && <p className="text-xs text-muted">{t("picture.boxes")}</p>}
    </div>
  );
}

function Boxes({ width, height, boxes }: { width: number; height: number; boxes: Box[] }) {
  const { t } = useTranslation("results");
  return (
    <svg
      role="img"
      aria-label={t("picture.boxes")}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      className="pointer-events-none absolute inset-0 size-full"
    >
      {boxes.map(({ of, metric, left, top, right, bottom }) => (
        <rect
          key={`${of}${metric}${left},${top},${right},${bottom}`}
          data-of={of}
          x={Math.min(left, right)}
          y={Math.min(top, bottom)}
          width={Math.abs(right - left)}
          height={Math.abs(bottom - top)}
          fill="none"
          stroke={of === "data" ? "#0072b2" : "#d55e00"}
          strokeWidth={3}
          strokeDasharray={of === "data" ? undefined : "8 4"}
          vectorEffect="non-scaling-stroke"
        />
      ))}
    </svg>
  );
}

/** Moves what scrolls by dragging it. */
function useHand(ref: React.RefObject<HTMLDivElement | null>) {
  const start = useRef<{ x: number; y: number; left: number; top: number } | null>(null);
  return {
    onPointerDown: (event: PointerEvent) => {
      const element = ref.current;
      if (!element || event.pointerType !== "mouse" || event.button !== 0) return;
      start.current = { x: event.clientX, y: event.clientY, left: element.scrollLeft, top: element.scrollTop };
      element.setPointerCapture(event.pointerId);
    },
    onPointerMove: (event: PointerEvent) => {
      const from = start.current;
      if (!from || !ref.current) return;
      ref.current.scrollLeft = from.left - (event.clientX - from.x);
      ref.current.scrollTop = from.top - (event.clientY - from.y);
    },
    onPointerUp: () => {
      start.current = null;
    },
    onPointerCancel: () => {
      start.current = null;
    },
  };
}
