import { QueryCache, QueryClient } from "@tanstack/react-query";
import { isPassing, Problem } from "@/api/client";

const RETRY_MS = 1500;

/** What was asked before. What may pass is asked again until it has passed: the page recovers by itself. */
export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      // A session that ended: the page shows the login.
      if (error instanceof Problem && error.status === 401 && query.queryKey[0] !== "me") {
        queryClient.setQueryData(["me"], null);
      }
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (_failures, error) => isPassing(error),
      retryDelay: (_failures, error) =>
        error instanceof Problem && error.retryAfter ? Math.min(error.retryAfter, 10) * 1000 : RETRY_MS,
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});
