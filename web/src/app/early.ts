import { matchRoutes } from "react-router";
import { queryClient } from "@/api/queries";
import { PAGES } from "@/app/pages";
import { meQuery } from "@/app/session";

/**
 * Asks at once for the code and the data of the page that the address names: one after the other, who is there, then the
 * code, then the data, would be three waits. Who may not see it is answered so, and shown the login.
 */
export function startEarly(pathname = location.pathname, hash = location.hash): void {
  // A link that logs in does so first.
  const asking = !hash.includes("code=");
  if (asking) void queryClient.prefetchQuery(meQuery);
  const matched = matchRoutes(
    PAGES.map((page) => ({ path: page.path, handle: page })),
    pathname === "/" ? "/jobs" : pathname,
  )?.at(-1);
  if (!matched) return;
  // Where it does not arrive, whoever shows the page is told.
  matched.route.handle.load().catch(() => undefined);
  if (asking) matched.route.handle.early?.(matched.params);
}
