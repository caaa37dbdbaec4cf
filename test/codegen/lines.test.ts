/** The line table of compiled programs: what a statement becomes has that statement's line, also where little is left of it. */
import { beforeAll, describe, expect, test } from "vitest";
import { compileSources } from "../../codegen/index.ts";
import { link } from "../../lib/asm/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { slotsOf } from "../../lib/isa/index.ts";
import type { LinkedProgram, ObjectSpec } from "../../lib/object/index.ts";

const SOURCE = `import { Cell, HashMap, Loop, Verdict, XdpAction, connect4, loop, random, xdp } from "ebpf-ts/std";
@unmanaged @final
class Sum { total: u64; }
export const flows = new HashMap<u32, Cell<u64>>(64);

export const each = xdp((ctx) => {
  const sum = new Sum();
  flows.forEach<Sum>(sum, (key, flow, s) => {
    s.total += flow.value;
    return Loop.Break;
  });
  return sum.total > 50 ? XdpAction.Pass : XdpAction.Drop;
});

export const turns = xdp((ctx) => {
  const sum = new Sum();
  loop<Sum>(100, sum, (i, s) => {
    s.total += i;
    return Loop.Break;
  });
  return sum.total > 50 ? XdpAction.Pass : XdpAction.Drop;
});

function verdict(port: u32): Verdict {
  flows.delete(port);
  return Verdict.Deny;
}

export const called = connect4((ctx) => verdict(ctx.port));

export const endless = xdp((ctx) => {
  for (let x: u32 = 0; x < 6; ) {
    for (let y: u32 = 0; y < 6; y++) {
      random();
    }
  }
  return XdpAction.Pass;
});

export const skipping = xdp((ctx) => {
  let found: u32 = 0;
  for (let x: u32 = 0; x < 6; ) {
    if (random() == 5) continue;
    found++;
  }
  return found > 0 ? XdpAction.Pass : XdpAction.Drop;
});
`;

let object: ObjectSpec;

beforeAll(async () => {
  const compiled = await compileSources({ "lines.ts": SOURCE }, "lines.ts");
  expect(compiled.diagnostics).toEqual([]);
  object = compiled.object as ObjectSpec;
});

/** Texts of the lines that instructions of a kind have, in the program's order. */
function textsOf(name: string, wanted: (insn: Insn) => boolean): string[] {
  const { insns, lines }: LinkedProgram = link(object, name);
  let slot = 0;
  return insns.flatMap((insn) => {
    const at = slot;
    slot += slotsOf(insn);
    return wanted(insn) ? [lines.findLast((line) => line.slot <= at)?.text.trim() ?? ""] : [];
  });
}

const setsResult = (insn: Insn): boolean => insn.kind === "alu" && insn.op === "mov" && insn.dst === 0;
const jumpsBack = (insn: Insn): boolean => insn.kind === "jump" && insn.delta < 0;

describe("a constant that is returned", () => {
  test.each(["each", "turns"])("by a callback (%s)", (name) => {
    expect(textsOf(name, setsResult)).toContain("return Loop.Break;");
  });

  test("by a function that is inlined", () => {
    expect(textsOf("called", setsResult)).toEqual(["return Verdict.Deny;"]);
  });
});

describe("a loop whose condition is gone", () => {
  test("around another one", () => {
    expect(textsOf("endless", jumpsBack)).toEqual(["for (let x: u32 = 0; x < 6; ) {"]);
  });

  test("with rounds that end early", () => {
    expect(new Set(textsOf("skipping", jumpsBack))).toEqual(new Set(["for (let x: u32 = 0; x < 6; ) {"]));
  });
});
