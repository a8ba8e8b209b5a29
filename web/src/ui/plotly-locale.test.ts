import type { TFunction } from "i18next";
import { expect, test } from "vitest";
import { plotlyLocale } from "./plotly-locale";

const said = ((key: string) => key) as unknown as TFunction;

test("charts write numbers and days as the language does", () => {
  const { format, name } = plotlyLocale("ru", said);
  expect(name).toBe("ru");
  expect(format.decimal).toBe(",");
  expect(format.thousands.trim()).toBe("");
  expect(format.days[0]).toBe("воскресенье");
  expect(format.months[11]).toBe("декабрь");
  expect(format.shortMonths).toHaveLength(12);
  expect(format.date).toBe("%d.%m.%Y");
  expect(plotlyLocale("en", said).format).toMatchObject({ decimal: ".", thousands: ",", date: "%m/%d/%Y" });
});
