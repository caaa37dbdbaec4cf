import { expect, test } from "vitest";
import { canonical, groupBy, plain, showData } from "./observation.ts";

test("chosen ports and cookies become symbols in the order of their appearance; named ports stay", () => {
  const seen = canonical([
    "ok",
    { address: "127.0.0.1:40000" },
    { peer: "[fd00::1]:8080" },
    {
      events: [
        { localPort: 40000, remotePort: 8080, cookie: 77, mark: 40000 },
        { localPort: 41000, cookie: 0 },
      ],
    },
    { entries: [[{ port: 41000 }, { socketCookie: "9007199254740993" }]] },
    { data: "127.0.0.1:40000", from: "127.0.0.1:41000" },
  ]);
  expect(seen).toEqual([
    "ok",
    { address: "127.0.0.1:port(1)" },
    { peer: "[fd00::1]:8080" },
    {
      events: [
        { localPort: "port(1)", remotePort: 8080, cookie: "cookie(1)", mark: 40000 },
        { localPort: "port(2)", cookie: 0 },
      ],
    },
    { entries: [[{ port: "port(2)" }, { socketCookie: "cookie(2)" }]] },
    { data: "127.0.0.1:40000", from: "127.0.0.1:port(2)" },
  ]);
  expect(canonical(seen)).toEqual(seen);
});

test.each([
  ["hello", "hello"],
  ["", ""],
  ["a\n", "hex:610a"],
  ["x".repeat(300), "300 bytes fnv:970138f5"],
])("%j is shown as %s", (text, shown) => {
  expect(showData(new TextEncoder().encode(text))).toBe(shown);
});

test("values of maps become JSON", () => {
  const value = { a: 1n, b: 2n ** 60n, c: [Uint8Array.of(1, 255), true] };
  expect(plain(value)).toEqual({ a: 1, b: "1152921504606846976", c: ["hex:01ff", true] });
});

test("events are grouped by a member, in the order of the first of each group", () => {
  const of = (...list: readonly [string, number][]) => list.map(([name, n]) => ({ name, n }));
  expect(groupBy(of(["b", 1], ["a", 2], ["b", 3], ["a", 4]), "name")).toEqual(
    of(["b", 1], ["b", 3], ["a", 2], ["a", 4]),
  );
});
