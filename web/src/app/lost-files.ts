import { unanswered } from "@/api/connection";

const AGAIN_MS = 1500;
const KEPT = "vhb.reloaded";
/** Loading the page again so soon after the last time did not help. */
const IN_VAIN_MS = 20_000;

let lost = false;

/** Whether a part of the page did not arrive, and the page is about to be loaded again. */
export const isLost = () => lost;

/**
 * The parts of the page are files that are fetched when they are needed. Where one does not arrive, because the service
 * is away, the network changed, or the page was built anew, the page is loaded again as soon as the service answers: what
 * is seen is in its address.
 */
export function recoverLostFiles(): void {
  addEventListener("vite:preloadError", () => {
    if (lost || Date.now() - Number(sessionStorage.getItem(KEPT)) < IN_VAIN_MS) return;
    lost = true;
    unanswered();
    void again();
  });
}

async function again(): Promise<void> {
  for (;;) {
    const answer = await fetch("/healthz").catch(() => null);
    if (answer?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
  sessionStorage.setItem(KEPT, String(Date.now()));
  location.reload();
}
