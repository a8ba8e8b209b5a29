import { useQuery } from "@tanstack/react-query";
import { api, ok } from "@/api/client";

/** The part of JSON Schema that the job file's schema is made of. */
export interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  $ref?: string;
  description?: string;
  properties?: Record<string, Schema>;
  $defs?: Record<string, Schema>;
}

/** The parts of a job that a form shows; `Job` is its top. */
export type Definition = "Job" | "ModelEntry" | "TaskEntry";

/** How a value is written: what is neither text, number nor choice is written as YAML. */
export type Kind = "text" | "integer" | "number" | "boolean" | "choice" | "yaml";

export function useJobSchema() {
  return useQuery({
    queryKey: ["schemas", "job"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async () =>
      (await ok(api.GET("/api/v1/schemas/{name}", { params: { path: { name: "job" } } }))) as unknown as Schema,
  });
}

/** What a definition of the schema allows, by name of the field. */
export function fieldsOf(schema: Schema | undefined, definition: string): [string, Schema][] {
  return Object.entries(schema?.$defs?.[definition]?.properties ?? {});
}

export function kindOf(field: Schema): Kind {
  const kinds = (field.anyOf ?? [field]).filter((one) => one.type !== "null");
  const [only] = kinds;
  if (kinds.length !== 1 || !only) return "yaml";
  if (only.enum) return "choice";
  switch (only.type) {
    case "string":
      return "text";
    case "integer":
    case "number":
    case "boolean":
      return only.type;
    default:
      return "yaml";
  }
}

/** What a choice is between. */
export function choicesOf(field: Schema): string[] {
  return (field.anyOf ?? [field]).flatMap((one) => one.enum ?? []).map(String);
}
