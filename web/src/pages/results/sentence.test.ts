import { createInstance } from "i18next";
import { expect, test } from "vitest";
import en from "@/i18n/en/results.json";
import { formats } from "@/i18n/format";
import ru from "@/i18n/ru/results.json";
import { type Judged, sentence } from "./sentence";

const PLAIN = { detectable_digits: 0, failed: 0, failed_digits: 0, documents: 0, samples: 0 };
const BEATS: Judged = {
  ...PLAIN,
  code: "beats",
  first: "b",
  second: "a",
  metric: "cer",
  lead: 0.042,
  low: 0.031,
  high: 0.052,
  digits: 3,
  p_value: 0.0001,
  p_holm: 0.012,
  test: "permutation",
  documents: 50,
  samples: 1500,
};

async function said(language: "en" | "ru", judged: Judged): Promise<string> {
  const i18n = createInstance();
  await i18n.init({
    lng: language,
    resources: { en: { results: en }, ru: { results: ru } },
    interpolation: { escapeValue: false },
  });
  return sentence(judged, i18n.getFixedT(language, "results"), formats(language), (name) => name).replaceAll(
    "\u00a0",
    " ",
  );
}

test("a verdict is a sentence in every language, its numbers too", async () => {
  expect(await said("en", BEATS)).toBe(
    "b beats a on cer by 0.042 (0.031 to 0.052), corrected p=0.012 (p<0.001 without the correction), " +
      "n=50 documents (1,500 samples)",
  );
  expect(await said("ru", BEATS)).toBe(
    "b лучше a по cer на 0,042 (от 0,031 до 0,052), p с поправкой=0,012 (без поправки p<0,001), " +
      "n=50 документов (1 500 примеров)",
  );
});

test("where nobody is ahead the difference has its sign, and what could have been missed is said", async () => {
  const open: Judged = {
    ...BEATS,
    code: "not_shown",
    level: "doc_class",
    group: "invoice",
    p_holm: 0.3,
    samples: 50,
    detectable: 0.02,
    detectable_digits: 3,
    failed: 3,
    failed_low: -0.02,
    failed_high: 0.06,
    failed_digits: 2,
  };
  expect(await said("en", open)).toBe(
    "no difference shown between b and a on cer (doc_class: invoice): +0.042 (0.031 to 0.052), corrected p=0.3 " +
      "(p<0.001 without the correction), n=50 documents; the smallest difference this many documents would show is " +
      "0.020; 3 failed, with them the difference could be anything from -0.02 to 0.06",
  );
});

test("every code of a verdict has a sentence", async () => {
  for (const code of ["beats", "higher", "lower", "equal", "same", "untested", "not_shown", "unpaired"] as const)
    for (const language of ["en", "ru"] as const) {
      const text = await said(language, { ...PLAIN, code, first: "b", second: "a", metric: "cer" });
      expect(text, `${language} ${code}`).toContain("cer");
      expect(text).not.toContain("verdict.");
    }
});
