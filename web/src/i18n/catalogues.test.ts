import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LANGUAGES } from "./languages";

const FOLDER = import.meta.dirname;
const PLURAL = /_(zero|one|two|few|many|other)$/;
/** Which plural forms a language has for whole numbers. */
const FORMS = { en: ["one", "other"], ru: ["few", "many", "one"] };

function texts(language: string, file: string): Map<string, string> {
  const found = new Map<string, string>();
  const walk = (value: unknown, path: string) => {
    if (typeof value === "string") found.set(path, value);
    else for (const [key, below] of Object.entries(value as object)) walk(below, path ? `${path}.${key}` : key);
  };
  walk(JSON.parse(readFileSync(join(FOLDER, language, file), "utf-8")), "");
  return found;
}

const files = readdirSync(join(FOLDER, "en"));
const names = (found: Map<string, string>) =>
  [...new Set([...found.keys()].map((key) => key.replace(PLURAL, "")))].sort();
const gaps = (text: string) => [...text.matchAll(/{{(\w+)/g)].map((match) => match[1]).sort();

test("every language has the same catalogues", () => {
  for (const language of Object.keys(LANGUAGES))
    expect(readdirSync(join(FOLDER, language)).sort()).toEqual(files.sort());
});

test.each(files)("%s says the same things in every language", (file) => {
  const english = texts("en", file);
  for (const language of Object.keys(LANGUAGES) as (keyof typeof LANGUAGES)[]) {
    const theirs = texts(language, file);
    expect(names(theirs)).toEqual(names(english));
    for (const [key, text] of theirs) {
      expect(text.trim(), `${language}/${file}: ${key}`).not.toBe("");
      const same = english.get(key) ?? english.get(key.replace(PLURAL, "_other"));
      if (same !== undefined && !PLURAL.test(key))
        expect(gaps(text), `${language}/${file}: ${key}`).toEqual(gaps(same));
      if (PLURAL.test(key)) {
        const forms = [...theirs.keys()]
          .filter((other) => other.replace(PLURAL, "") === key.replace(PLURAL, ""))
          .map((other) => PLURAL.exec(other)?.[1]);
        expect(forms, `${language}/${file}: ${key}`).toEqual(expect.arrayContaining(FORMS[language]));
      }
    }
  }
});

test("every text that the page names is in a catalogue", () => {
  const source = join(FOLDER, "..");
  const sources = readdirSync(source, { recursive: true, encoding: "utf-8" }).filter(
    (name) => /\.tsx?$/.test(name) && !name.includes(".test."),
  );
  const missing: string[] = [];
  for (const name of sources) {
    const text = readFileSync(join(source, name), "utf-8");
    // Where a file uses one namespace, each literal key is looked up there; `ns:key` names another.
    const used = new Set([...text.matchAll(/useTranslation\((?:"([\w-]+)")?\)/g)].map((match) => match[1] ?? "common"));
    for (const match of text.matchAll(/\bt\("([^"]+)"/g)) {
      const [space, key] = match[1]?.includes(":") ? (match[1].split(":") as [string, string]) : [null, match[1] ?? ""];
      const spaces = space ? [space] : [...used];
      const known = spaces.some(
        (one) => files.includes(`${one}.json`) && names(texts("en", `${one}.json`)).includes(key),
      );
      if (spaces.length > 0 && !known) missing.push(`${name}: ${match[1]}`);
    }
  }
  expect(missing).toEqual([]);
});

test("what services explain is said in every language", () => {
  const schema = JSON.parse(readFileSync(join(FOLDER, "..", "api", "openapi.json"), "utf-8"));
  const codes: string[] = schema.components.schemas.Part.properties.code.enum;
  expect(codes.length).toBeGreaterThan(30);
  expect(names(texts("ru", "explained.json"))).toEqual([...codes].sort());
});
