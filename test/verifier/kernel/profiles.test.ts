/** The profile made of the running kernel's own types, against the table of its release. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodeBtf } from "../../../lib/btf/index.ts";
import { HELPER_NAMES, MAP_TYPES, PROGRAM_TYPES, TABLED_TYPES } from "../../../lib/kernel/index.ts";
import type { AnyHelperName, MapType, ProgramType } from "../../../lib/kernel/index.ts";
import { profileOf, runningProfile } from "../../../lib/verifier/profiles/index.ts";
import { release } from "node:os";
import { noKernel } from "../../kernel/bed.ts";

const newest = profileOf("6.18");

describe.skipIf(noKernel || !release().startsWith("6.18."))("the running 6.18", () => {
  test("has what the table of 6.18 says", () => {
    const kernel = runningProfile(decodeBtf(readFileSync("/sys/kernel/btf/vmlinux")), release());
    for (const type of TABLED_TYPES) {
      for (const helper of HELPER_NAMES.filter((name): name is AnyHelperName => name !== "unspec"))
        expect([helper, type, kernel.mayCall(helper, type, null)]).toEqual([
          helper,
          type,
          newest?.mayCall(helper, type, null),
        ]);
    }
    for (const type of Object.keys(MAP_TYPES) as MapType[])
      expect([type, kernel.hasMapType(type)]).toEqual([type, newest?.hasMapType(type)]);
    for (const type of Object.keys(PROGRAM_TYPES) as ProgramType[])
      expect([type, kernel.hasProgramType(type, null)]).toEqual([type, newest?.hasProgramType(type, null)]);
  });
});
