import type { Config, Data, Layout } from "plotly.js";
import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useTheme } from "@/app/theme";
import { pageNonce } from "@/ui/nonce";
import { plotlyLocale } from "@/ui/plotly-locale";
import { Waiting } from "@/ui/waiting";

/** Colours that are told apart with any sight (Okabe and Ito), on both grounds. */
export const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#a08d00", "#7f7f7f"];

// Without its bar of buttons, which would add a style sheet that the page's policy does not allow.
const CONFIG: Partial<Config> = { responsive: true, displayModeBar: false };

/** Plotly, whose rules go to a style sheet that is there already, as the page's policy wants it. */
async function loaded() {
  const id = "plotly.js-style-global";
  if (!document.getElementById(id)) {
    const sheet = document.createElement("style");
    sheet.id = id;
    sheet.nonce = pageNonce();
    document.head.append(sheet);
  }
  return (await import("plotly.js-cartesian-dist-min")).default;
}

/**
 * A Plotly chart in the page's colours. Plotly is loaded when the first chart is shown.
 * @param label What it shows, for who does not see it: say the finding, or where the numbers are.
 */
export function Chart({
  label,
  data,
  layout = {},
  height = 360,
  onPoint,
}: {
  label: string;
  data: Data[];
  layout?: Partial<Layout>;
  height?: number;
  /** A point that was clicked: its trace and its place there. */
  onPoint?: (trace: number, point: number) => void;
}) {
  const ref = useRef<HTMLDivElement>(null);
  const [ready, setReady] = useState(false);
  const [theme] = useTheme();
  const { t, i18n } = useTranslation();
  const { language } = i18n;
  const clicked = useRef(onPoint);
  clicked.current = onPoint;

  // One drawing after the other: two at once in the same place mix their parts.
  const drawing = useRef<Promise<void>>(Promise.resolve());

  // biome-ignore lint/correctness/useExhaustiveDependencies: the theme changes the colours that are read from the page
  useEffect(() => {
    let gone = false;
    async function draw() {
      const Plotly = await loaded();
      const element = ref.current;
      if (gone || !element) return;
      // English is its own, and what it takes from where another language says nothing.
      if (language !== "en") Plotly.register(plotlyLocale(language, t) as never);
      const plot = await Plotly.react(element, data, themed(element, layout, height), { ...CONFIG, locale: language });
      setReady(true);
      plot.removeAllListeners("plotly_click");
      plot.on("plotly_click", ({ points }) => {
        const point = points[0];
        if (point) clicked.current?.(point.curveNumber, point.pointNumber);
      });
    }
    drawing.current = drawing.current.then(draw, draw);
    return () => {
      gone = true;
    };
  }, [data, layout, height, theme, language, t]);

  useEffect(() => {
    const element = ref.current;
    return () => {
      void loaded().then((Plotly) => element && Plotly.purge(element));
    };
  }, []);

  return (
    <figure aria-label={label} className="min-w-0">
      {!ready && <Waiting />}
      <div ref={ref} style={{ minHeight: ready ? height : 0 }} />
    </figure>
  );
}

function themed(element: HTMLElement, layout: Partial<Layout>, height: number): Partial<Layout> {
  const of = (name: string) => getComputedStyle(element).getPropertyValue(name).trim();
  const axis = { gridcolor: of("--line"), zerolinecolor: of("--muted"), linecolor: of("--line"), automargin: true };
  return {
    autosize: true,
    height,
    margin: { l: 48, r: 16, t: 16, b: 40 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { color: of("--ink"), family: getComputedStyle(element).fontFamily, size: 12 },
    colorway: COLOURS,
    // Intervals are seen on both grounds.
    template: {
      data: {
        // Told apart with any sight, too.
        heatmap: [{ type: "heatmap", colorscale: "Cividis" }],
        bar: [{ type: "bar", error_x: { color: of("--ink") }, error_y: { color: of("--ink") } }],
      },
    } as unknown as Layout["template"],
    hoverlabel: { bgcolor: of("--panel"), bordercolor: of("--line"), font: { color: of("--ink") } },
    ...layout,
    xaxis: { ...axis, ...layout.xaxis },
    yaxis: { ...axis, ...layout.yaxis },
  };
}
