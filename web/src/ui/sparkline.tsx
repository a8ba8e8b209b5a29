/** A line of a few numbers over time, without axes; its label says what it shows, with the latest number. */
export function Sparkline({
  points,
  max,
  label,
  width = 160,
  height = 32,
}: {
  /** [when, how much], oldest first; null: not measured. */
  points: readonly (readonly [number, number | null])[];
  /** The top; the greatest number by default. */
  max?: number | null;
  label: string;
  width?: number;
  height?: number;
}) {
  const measured = points.filter((point): point is readonly [number, number] => point[1] !== null);
  const first = measured[0];
  const last = measured.at(-1);
  if (!first || !last) return null;
  const top = max ?? Math.max(...measured.map(([, value]) => value), Number.MIN_VALUE);
  const span = Math.max(1, last[0] - first[0]);
  const path = measured
    .map(([at, value], index) => {
      const x = ((at - first[0]) / span) * (width - 2) + 1;
      const y = height - 1 - (Math.min(value, top) / top) * (height - 2);
      return `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    })
    .join(" ");
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      className="h-8 w-full min-w-24 rounded bg-raised text-info"
    >
      <path d={path} fill="none" stroke="currentColor" strokeWidth={1.5} vectorEffect="non-scaling-stroke" />
    </svg>
  );
}
