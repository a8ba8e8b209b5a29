import { isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";

/** A place in a job file: `["tasks", 0, "prompt"]`. */
export type Path = (string | number)[];

/** A mistake, as the service says it. */
export interface Mistake {
  message: string;
  line?: number | null;
  column?: number | null;
}

/** A job file that is being written: one text, which the form and the editor both show. */
export interface JobDocument {
  text: string;
  /** What it says; null where it is no YAML, or no mapping. */
  data: Record<string, unknown> | null;
  /** Why it is no YAML. */
  broken: Mistake | null;
}

export function read(text: string): JobDocument {
  const document = parseDocument(text);
  const error = document.errors[0];
  if (error) {
    const [start] = error.linePos ?? [];
    return {
      text,
      data: null,
      broken: { message: error.message.split("\n")[0] ?? "", line: start?.line, column: start?.col },
    };
  }
  const data: unknown = document.toJS({ maxAliasCount: 100 }) ?? {};
  const mapping = typeof data === "object" && !Array.isArray(data);
  return { text, data: mapping ? (data as Record<string, unknown>) : null, broken: null };
}

/** The text with another value at a place; undefined takes it out. What is around it, comments too, stays as it is. */
export function written(text: string, path: Path, value: unknown): string {
  const document = parseDocument(text);
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(value));
  return document.toString({ lineWidth: 110 });
}

/** Which place in the file a mistake is at; [] where that is unknown. */
export function placeOf(text: string, mistake: Mistake): Path {
  if (!mistake.line) return [];
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const start = lines.lineStarts[mistake.line - 1];
  if (start === undefined) return [];
  const line = text.slice(start).split("\n", 1)[0] ?? "";
  const indent = /^[\s-]*/.exec(line)?.[0].length ?? 0;
  return found(document.contents, start + Math.max(indent, (mistake.column ?? 1) - 1), []);
}

function found(node: unknown, offset: number, path: Path): Path {
  if (isMap(node)) {
    for (const pair of node.items) {
      const key = isPair(pair) && isScalar(pair.key) ? pair.key : null;
      const range = [key?.range?.[0], (pair.value as Node | null)?.range?.[2] ?? key?.range?.[2]];
      if (key && holds(range, offset)) return found(pair.value, offset, [...path, String(key.value)]);
    }
  }
  if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) {
      if (holds([(item as Node).range?.[0], (item as Node).range?.[2]], offset))
        return found(item, offset, [...path, index]);
    }
  }
  return path;
}

function holds([start, end]: (number | undefined)[], offset: number): boolean {
  return start !== undefined && end !== undefined && start <= offset && offset < end;
}

/** What is at a place. */
export function at(data: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, key) => (value && typeof value === "object" ? (value as Record<string | number, unknown>)[key] : undefined),
    data,
  );
}

/** Whether a place is another one, or inside of it. */
export function within(place: Path, outer: Path): boolean {
  return outer.every((key, index) => place[index] === key);
}
