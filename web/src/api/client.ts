import createClient from "openapi-fetch";
import { answered, unanswered } from "@/api/connection";
import type { components, paths } from "@/api/schema";

type Mistake = components["schemas"]["Problem"];

/** The REST interface, typed by its OpenAPI document. The session's cookie goes with each request by itself. */
export const api = createClient<paths>({ baseUrl: "", credentials: "same-origin" });

/** What the service answered instead of what was asked for (RFC 9457), or that it did not answer (status 0). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly mistakes: Mistake[] = [],
    readonly retryAfter: number | null = null,
  ) {
    super(detail);
  }
}

/** Whether it may go away by itself. */
export function isPassing(error: unknown): boolean {
  return error instanceof Problem && [0, 502, 503, 504].includes(error.status);
}

/** The data of an answer.
 * @throws Problem */
export async function ok<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let result: Awaited<typeof asked>;
  try {
    result = await asked;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    unanswered();
    throw new Problem(0, "");
  }
  const { data, error, response } = result;
  if (!response.ok) throw problemOf(error, response);
  answered();
  return data as T;
}

/** For what the typed client does not do: bodies that are files, addresses that are put together.
 * @throws Problem */
export async function ask(address: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    unanswered();
    throw new Problem(0, "");
  }
  if (!response.ok) throw problemOf(await response.json().catch(() => null), response);
  answered();
  return response;
}

function problemOf(body: unknown, response: Response): Problem {
  const said = (typeof body === "object" && body !== null ? body : {}) as { detail?: string; problems?: Mistake[] };
  if ([502, 503, 504].includes(response.status)) unanswered();
  else answered();
  const after = Number(response.headers.get("Retry-After"));
  return new Problem(response.status, said.detail ?? response.statusText, said.problems ?? [], after || null);
}
