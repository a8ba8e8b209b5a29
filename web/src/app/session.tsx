import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, ok, Problem } from "@/api/client";
import { queryClient } from "@/api/queries";
import type { components } from "@/api/schema";

export type Me = components["schemas"]["Me"];
export type Role = Me["role"];

const RANKS: Record<Role, number> = { viewer: 0, submitter: 1, admin: 2 };

let usedLink = false;

/** Whether the page was opened by a link that does not log in any more. */
export const hadUsedLink = () => usedLink;

/** Who is logged in; null: nobody. */
export const meQuery = queryOptions<Me | null>({
  queryKey: ["me"],
  staleTime: 60_000,
  queryFn: async () => {
    const code = takeCode();
    try {
      if (code) return await ok(api.POST("/api/v1/session", { body: { code } }));
      return await ok(api.GET("/api/v1/me"));
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        usedLink = code !== null;
        return code ? await already() : null;
      }
      throw error;
    }
  },
});

export const useMe = () => useQuery(meQuery);

/** A link that was used already does no harm to who is logged in. */
async function already(): Promise<Me | null> {
  const { data } = await api.GET("/api/v1/me");
  return data ?? null;
}

/** The login code of the address (`/#code=...`), which is taken out of it. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

/** Whether who is logged in may do what a role may. */
export function useMay(role: Role): boolean {
  const me = useMe().data;
  return !!me && RANKS[me.role] >= RANKS[role];
}

export async function logIn(token: string): Promise<void> {
  become(await ok(api.POST("/api/v1/session", { body: { token } })));
}

export async function logOut(): Promise<void> {
  await ok(api.DELETE("/api/v1/session"));
  become(null);
}

/** Nothing that one person was shown is there for the next. */
function become(me: Me | null) {
  queryClient.removeQueries({ predicate: (query) => query.queryKey[0] !== "me" });
  queryClient.setQueryData(["me"], me);
}
