import { type ReactNode, type RefObject, useCallback, useEffect, useState } from "react";
import { classes } from "@/ui/classes";

/**
 * Around what scrolls sideways: a shadow at each edge behind which there is more.
 * @param scroller What scrolls; its own children are as wide as its content.
 */
export function Sideways({
  scroller,
  className,
  children,
}: {
  scroller: RefObject<HTMLElement | null>;
  className?: string;
  children: ReactNode;
}) {
  const [more, setMore] = useState({ left: false, right: false });
  const measure = useCallback(() => {
    const at = scroller.current;
    if (!at) return;
    const left = at.scrollLeft > 1;
    // Widths are rounded, and where it is scrolled to is not.
    const right = at.scrollWidth - at.clientWidth - at.scrollLeft > 1;
    setMore((was) => (was.left === left && was.right === right ? was : { left, right }));
  }, [scroller]);
  useEffect(() => {
    const at = scroller.current;
    if (!at) return;
    const sizes = new ResizeObserver(measure);
    for (const one of [at, ...at.children]) sizes.observe(one);
    at.addEventListener("scroll", measure, { passive: true });
    return () => {
      sizes.disconnect();
      at.removeEventListener("scroll", measure);
    };
  }, [scroller, measure]);
  // What is in it may have become wider without any size that is observed.
  useEffect(measure);
  return (
    <div className={classes("relative min-w-0", className)}>
      {children}
      {more.left && <Edge side="left" />}
      {more.right && <Edge side="right" />}
    </div>
  );
}

function Edge({ side }: { side: "left" | "right" }) {
  return (
    <div
      aria-hidden
      data-more={side}
      className={classes(
        "pointer-events-none absolute inset-y-0 z-20 w-6 from-shade to-transparent",
        side === "left" ? "left-0 bg-linear-to-r" : "right-0 bg-linear-to-l",
      )}
    />
  );
}
