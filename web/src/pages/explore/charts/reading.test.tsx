import { renderHook } from "@testing-library/react";
import { MemoryRouter } from "react-router";
import { expect, test } from "vitest";
import "@/i18n/setup";
import { useGroup } from "./reading";

const columns = ["dataset", "task", "metric", "model", "value", "dataset_digest"].map((name) => ({
  name,
  type: "VARCHAR",
}));
const row = (dataset: string, model: string, digest: string) => [dataset, "read", "cer", model, 0.5, digest];

test("data sets of one name are not put into one chart", () => {
  const rows = [
    row("pages", "a", "0123456789abcdef"),
    row("pages", "b", "0123456789abcdef"),
    row("pages", "a", "fedcba9876543210"),
    row("forms", "a", "00000000000000"),
  ];
  const answer = { columns, rows, more: false, seconds: 0, notes: [] };
  const { result } = renderHook(() => useGroup(answer), { wrapper: MemoryRouter });
  expect(result.current.rows.map((each) => each.model)).toEqual(["a", "b"]);
  expect(result.current.title).toBe("pages · read · cer · 01234567");
  const forms = { ...answer, rows: rows.slice(3) };
  expect(renderHook(() => useGroup(forms), { wrapper: MemoryRouter }).result.current.title).toBe("forms · read · cer");
  const without = { ...answer, columns: columns.slice(0, 5), rows: [row("forms", "a", "").slice(0, 5)] };
  expect(renderHook(() => useGroup(without), { wrapper: MemoryRouter }).result.current.title).toBe(
    "forms · read · cer",
  );
});
