/** Loading, rejecting and test-running programs on the real kernel. */
import { readdirSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  add64,
  alu64,
  atomic,
  call,
  exit,
  jmp,
  label,
  ldx,
  mov64,
  r0,
  r1,
  r2,
  r3,
  r6,
  r10,
  st,
} from "../../lib/asm/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { KernelError, load, VerifierError } from "../../loader/index.ts";
import { noKernel } from "./bed.ts";
import { FILE, ldmap, ldvalue, line, map, object, program, T } from "./specs.ts";

const openFds = () => readdirSync("/proc/self/fd").length;

/** Counts in `counts[0]` and passes the packet. */
const count = (name = "count") =>
  program(
    name,
    "xdp",
    [
      line(10, "export const count = xdp((ctx) => {"),
      st(4, r10, -4, 0),
      mov64(r2, r10),
      add64(r2, -4),
      line(11, "  const n = counts.get(0);"),
      ldmap(r1, "counts"),
      call("map_lookup_elem"),
      line(12, "  if (n !== null) n.add(1);"),
      jmp("eq", r0, 0, "none"),
      mov64(r1, 1),
      atomic("add", 8, r0, 0, r1),
      label("none"),
      line(13, "  return XDP_PASS;"),
      mov64(r0, 2),
      exit(),
    ],
    T.func,
  );
const COUNTS = map("counts", "array", 4, 8, 1, { keyType: T.u32, valueType: T.u64 });

/** A lookup in a hash map without the null check. (In an array the kernel knows that entry 0 exists.) */
const MISSING_CHECK = program(
  "unchecked",
  "xdp",
  [
    line(20, "export const unchecked = xdp((ctx) => {"),
    st(4, r10, -4, 0),
    mov64(r2, r10),
    add64(r2, -4),
    ldmap(r1, "flows"),
    call("map_lookup_elem"),
    line(22, "  return flows.get(0).value;"),
    ldx(8, r0, r0, 0),
    exit(),
  ],
  T.func,
);

const FLOWS = map("flows", "hash", 4, 8, 10, { keyType: T.u32, valueType: T.u64 });

async function rejection(spec: ObjectSpec): Promise<VerifierError> {
  const failure: unknown = await load(spec).then(
    (loaded) => loaded.close(),
    (error: unknown) => error,
  );
  if (!(failure instanceof VerifierError)) throw failure;
  return failure;
}

describe.skipIf(noKernel)("programs", () => {
  test("loaded, run on test data, with its effect on the map", async () => {
    await using loaded = await load(object([count()], [COUNTS]));
    const prog = loaded.program("count");
    const data = new Uint8Array(64).fill(7);
    const result = prog.testRun({ data, repeat: 100 });
    expect(result).toMatchObject({ returnValue: 2, data });
    expect(result.durationNs).toBeGreaterThanOrEqual(0);
    expect(loaded.map<number, bigint>("counts").get(0)).toBe(100n);
    expect(prog.id).toBeGreaterThan(0);
  });

  test("changed packets come back changed, contexts too", async () => {
    const mark = program("mark", "tcx_ingress", [st(4, r1, 8, 77), mov64(r0, 0), exit()]);
    const write = program("write", "xdp", [
      ldx(4, r2, r1, 0),
      ldx(4, r3, r1, 4),
      mov64(r0, r2),
      add64(r0, 1),
      jmp("gt", r0, r3, "out"),
      st(1, r2, 0, 0xab),
      label("out"),
      mov64(r0, 1),
      exit(),
    ]);
    await using loaded = await load(object([mark, write]));
    const data = new Uint8Array(64);
    expect(loaded.program("write").testRun({ data }).data[0]).toBe(0xab);
    const { ctx } = loaded.program("mark").testRun({ data, ctx: new Uint8Array(192) });
    expect(new DataView(ctx.buffer).getUint32(8, true)).toBe(77);
  });

  test("a rejection's first line is the source line and the cause", async () => {
    const before = openFds();
    const error = await rejection(object([count(), MISSING_CHECK], [COUNTS, FLOWS]));
    const [first, second] = error.message.split("\n");
    expect(first).toBe(
      `${FILE}:22:3: error R210: the verifier rejected program "unchecked": memory is accessed through a pointer that may be null (r0: a value of flows, or null)`,
    );
    expect(second?.trim()).toBe("return flows.get(0).value;");
    expect(error.message).toContain("found:    R0 invalid mem access 'map_value_or_null'");
    expect(error.message).toContain("compare what get() gives at line 20 with null before it is used");
    expect(error).toMatchObject({
      program: "unchecked",
      errno: 13,
      errnoName: "EACCES",
      code: "R210",
      slot: 6,
      at: { file: FILE, line: 22 },
      path: [{ slot: 5, note: "the value is a value of flows, or null, from map_lookup_elem" }],
    });
    // The kernel itself shows the TypeScript line, and the log is whole, down to the statistics.
    expect(error.log).toContain(`return flows.get(0).value; @ ${FILE.split("/").at(-1)}:22`);
    expect(error.log).toMatch(/processed \d+ insns/);
    expect(error.message).not.toMatch(/processed \d+ insns/);
    expect(openFds()).toBe(before);
  });

  // Each row: a bad program and what the kernel says about it.
  test.each([
    ["reads past its context", [ldx(4, r0, r1, 400), exit()], /invalid bpf_context access off=400/],
    ["never ends", [label("again"), mov64(r0, 0), jmp("eq", r0, 0, "again"), exit()], /infinite loop|back-edge/],
    ["uses a number as a pointer", [mov64(r2, 8), ldx(4, r0, r2, 0), exit()], /R2 invalid mem access 'scalar'/],
    ["returns nothing", [exit()], /R0 !read_ok/],
    ["has code that is never reached", [mov64(r0, 0), exit(), mov64(r0, 1), exit()], /unreachable insn 2/],
    [
      "reads a packet unchecked",
      [ldx(4, r2, r1, 0), ldx(1, r0, r2, 14), exit()],
      /invalid access to packet[^]*outside of the packet/,
    ],
    ["falls off the end", [mov64(r0, 0), mov64(r1, 0)], /last insn is not an exit or jmp|fallthrough/],
  ])("a program that %s is rejected at its line", async (_, body, cause) => {
    const error = await rejection(object([program("bad", "xdp", [line(5, "  here();"), ...body], T.func)]));
    expect(error.words).toMatch(cause);
    expect(error.message.split("\n")[0]).toMatch(/^programs\/sample\.ts:5:3: error R\d\d\d/);
  });

  test("a log larger than the first buffer is whole", async () => {
    // 16 branches on unknown values: level 2 describes every path.
    const branches = Array.from({ length: 10 }, (_, i) => [
      call("get_prandom_u32"),
      jmp("gt", r0, i, `b${i}`),
      mov64(r6, i),
      label(`b${i}`),
    ]).flat();
    const many = program("many", "xdp", [...branches, mov64(r0, 2), exit()]);
    await using loaded = await load(object([many]), { logLevel: 2 });
    const { log } = loaded.program("many");
    expect(log).toMatch(/^(func#0|0: R1=ctx)/);
    expect(log.trim().split("\n").at(-1)).toMatch(/processed \d+ insns/);
    const again = await load(
      object([
        program("big", "xdp", [
          ...Array.from({ length: 4000 }, () => alu64("add", r0, 1)).with(0, mov64(r0, 0)),
          exit(),
        ]),
      ]),
      { logLevel: 2 },
    );
    expect(again.program("big").log.length).toBeGreaterThan(1 << 16);
    expect(again.program("big").log).toMatch(/processed 4001 insns/);
    again.close();
  });

  test("global data is shared with the program", async () => {
    const bump = program("bump", "xdp", [
      ldvalue(r1, ".data", 8),
      ldx(8, r2, r1, 0),
      ldvalue(r3, ".rodata"),
      ldx(4, r3, r3, 0),
      add64(r2, r3),
      st(8, r1, 0, r2),
      mov64(r0, 2),
      exit(),
    ]);
    const data = map(".data", "array", 4, 16, 1, { valueType: T.data, initial: new Uint8Array(16) });
    const rodata = map(".rodata", "array", 4, 4, 1, {
      valueType: T.rodata,
      initial: Uint8Array.of(5, 0, 0, 0),
      frozen: true,
      flags: 1 << 7,
    });
    await using loaded = await load(object([bump], [data, rodata]));
    loaded.program("bump").testRun({ data: new Uint8Array(64), repeat: 3 });
    expect(loaded.map(".data").get(0)).toEqual({ limit: 0, total: 15n });
  });

  test("a program array calls on", async () => {
    const dispatch = program("dispatch", "xdp", [
      ldmap(r2, "table"),
      mov64(r3, 1),
      call("tail_call"),
      mov64(r0, 0),
      exit(),
    ]);
    const target = program("target", "xdp", [mov64(r0, 3), exit()]);
    await using loaded = await load(object([dispatch, target], [map("table", "prog_array", 4, 4, 2)]));
    const run = () => loaded.program("dispatch").testRun({ data: new Uint8Array(64) }).returnValue;
    expect(run()).toBe(0);
    loaded.map<number, number>("table").set(1, loaded.program("target").fd);
    expect(run()).toBe(3);
  });

  test("objects share maps; only some programs are loaded", async () => {
    await using first = await load(object([], [COUNTS]));
    await using second = await load(object([count("a"), count("b")], [COUNTS]), {
      maps: { counts: first.map("counts") },
      programs: ["b"],
    });
    expect([...second.programs.keys()]).toEqual(["b"]);
    second.program("b").testRun({ data: new Uint8Array(64) });
    second.close();
    expect(first.map<number, bigint>("counts").get(0)).toBe(1n);
    await expect(load(object([count()], [COUNTS]), { programs: ["nope"] })).rejects.toThrow(
      /no program "nope"[^]*expected: count/,
    );
  });

  test("what the kernel refuses before the verifier is an error of its own", async () => {
    const connect = { ...program("odd", "connect4", [mov64(r0, 1), exit()]), attach: null };
    const failure: unknown = await load(object([connect])).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(KernelError);
    expect(String(failure)).toMatch(/L002: cannot load program "odd".*EINVAL/);
    await using loaded = await load(object([program("sock", "connect4", [mov64(r0, 1), exit()])]));
    expect(() => loaded.program("sock").testRun({})).toThrow(/ENOTSUPP/);
  });

  test("nothing leaks: 200 loads, half of them failing, leave no descriptor", async () => {
    await load(object([count()], [COUNTS])).then((loaded) => loaded.close());
    const before = openFds();
    for (let i = 0; i < 100; i++) {
      const loaded = await load(object([count()], [COUNTS, FLOWS]));
      loaded.close();
      await expect(load(object([count(), MISSING_CHECK], [COUNTS, FLOWS]))).rejects.toThrow(VerifierError);
    }
    expect(openFds()).toBe(before);
  });
});
