/** The cases of memory, judged by the verifier: the verdict of Linux 6.18, and why. */
import { describe, expect, test } from "vitest";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import { requestOf, verify } from "../../../lib/verifier/index.ts";
import { objectOf, packetLoadInFunction } from "./build.ts";
import { CASES } from "./cases.ts";

const kernel = profileOf("6.18");

describe("memory", () => {
  for (const [group, rows] of Object.entries(CASES)) {
    test.each(rows)(`${group}: $name: $says`, (row) => {
      if (kernel === null) throw new Error("no profile");
      const { verdict, error, unsupported } = verify(requestOf(objectOf(row), "probe"), { kernel });
      expect(error?.name ?? unsupported ?? verdict).toBe(row.says);
    });
  }
});

test("a packet load leaves its function with 0 when the packet is too short", () => {
  if (kernel === null) throw new Error("no profile");
  const { error } = verify(requestOf(packetLoadInFunction(), "probe"), { kernel });
  expect(error).toMatchObject({ name: "number_access", slot: 2 });
});
