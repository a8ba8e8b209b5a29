import { renderHook } from "@testing-library/react";
import { expect, test } from "vitest";
import type { components } from "@/api/schema";
import { useExplained } from "@/i18n/explained";
import type { Language } from "@/i18n/languages";
import { setLanguage } from "@/i18n/setup";

type Part = components["schemas"]["Part"];

const needs: Part[] = [
  { code: "waiting", given: {}, before: "; " },
  { code: "needs_gpus_of", given: { count: 2, gib: 40.5 }, before: ": " },
  { code: "and_memory", given: { gib: 8 }, before: " " },
  { code: "online", given: { count: 3 }, before: "; " },
  { code: "largest_gpu", given: { gib: 24 }, before: ", " },
];

async function said(language: Language, parts: readonly Part[]) {
  await setLanguage(language);
  return renderHook(useExplained).result.current({ words: "in English", parts });
}

test("why something waits is said in the chosen language", async () => {
  expect(await said("en", needs)).toBe(
    "waiting: needs 2 GPUs with 40.5 GiB each and 8 GiB of host memory; 3 agents online, the largest has 24 GiB",
  );
  expect(await said("ru", needs)).toBe(
    "ждёт: нужно 2 GPU по 40,5 ГиБ и 8 ГиБ памяти машины; 3 агента в сети, у самого большого 24 ГиБ",
  );
});

test("what a newer service says is told in its own words", async () => {
  const newer = { code: "something_new", given: {}, before: "; " } as unknown as Part;
  expect(await said("ru", [...needs, newer])).toBe("in English");
});

test("what is filled in is no template", async () => {
  const reason = "{{count}} $t(explained:waiting) <b>";
  expect(await said("ru", [{ code: "failed", given: { reason }, before: "; " }])).toBe(`ошибка: ${reason}`);
});
