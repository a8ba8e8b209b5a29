import type { ComponentType } from "react";
import { Hardest, Leaderboard } from "./bars";
import { Drift } from "./drift";
import { Agreement, ByClass } from "./heat";
import { History } from "./history";
import type { ChartOf } from "./reading";
import { TradeOffs } from "./trade-offs";

/** The chart of each view that comes with the service. */
export const VIEWS: Record<string, ComponentType<ChartOf>> = {
  leaderboard: Leaderboard,
  history: History,
  "by-class": ByClass,
  "trade-offs": TradeOffs,
  agreement: Agreement,
  hardest: Hardest,
  drift: Drift,
};
