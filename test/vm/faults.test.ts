/** What a program may not do: the fault's kind, its message, and its place in the source. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
// prettier-ignore
import { addrSpaceCast, alu64, call, callKfunc, callLocal, callx, exit, ja, jmp, label, lddw, ldx, mayGoto, mov64, r0, r1, r10, r2, r3, r6, st, tryDecode } from "../../lib/asm/index.ts";
import type { Insn } from "../../lib/isa/index.ts";
import { createMachine, formatFault, runRaw } from "../../lib/vm/index.ts";
import type { EngineName, FaultKind } from "../../lib/vm/index.ts";
import { FILE, ldmap, ldvalue, line, map, object, program } from "../kernel/specs.ts";

type Part = Parameters<typeof program>[2][number];

const MAPS = [
  map("flows", "hash", 4, 12, 8),
  map("counters", "array", 4, 4, 8),
  map("events", "ringbuf", 0, 0, 4096),
  map(".rodata", "array", 4, 8, 1, { flags: 128, frozen: true, initial: new Uint8Array(8) }),
];

type Found = { kind: FaultKind; message: string } | null;

/** What the interpreter says; the JIT must say the same. */
function faultOf(parts: readonly Part[], hook: "xdp" | "tc" | "connect4" | "sock_ops" = "xdp"): Found {
  const found = faultOn("interpreter", parts, hook);
  expect(faultOn("jit", parts, hook)).toEqual(found);
  return found;
}

function faultOn(engine: EngineName, parts: readonly Part[], hook: "xdp" | "tc" | "connect4" | "sock_ops"): Found {
  const packet = hook === "connect4" ? {} : { packet: new Uint8Array(64) };
  const { fault } = createMachine(object([program("p", hook, parts)], MAPS), { engine }).run("p", packet);
  return fault === null ? null : { kind: fault.kind, message: fault.message };
}
// prettier-ignore
const lookup = (name: string): Part[] => [st(4, r10, -4, 1), ldmap(r1, name), mov64(r2, r10), alu64("add", r2, -4), call("map_lookup_elem")];
// prettier-ignore
const insert: Part[] = [st(4, r10, -4, 1), ldmap(r1, "flows"), mov64(r2, r10), alu64("add", r2, -4), mov64(r3, r10), alu64("add", r3, -16), call("map_update_elem")];
const reserve: Part[] = [ldmap(r1, "events"), mov64(r2, 8), mov64(r3, 0), call("ringbuf_reserve")];

describe("faults", () => {
  // prettier-ignore
  test.each<[string, readonly Part[], FaultKind, string]>([
    ["packet, across the end",   [ldx(4, r2, r1, 0), ldx(4, r0, r2, 63), exit()],           "memory", "read of 4 bytes, 3 bytes past the end of packet (offset 63 of 64 bytes)"],
    ["packet, before the start", [ldx(4, r2, r1, 0), ldx(2, r0, r2, -2), exit()],           "memory", "read of 2 bytes, 2 bytes before the start of packet"],
    ["packet, last byte",        [ldx(4, r2, r1, 0), ldx(1, r0, r2, 64), exit()],           "memory", "read of 1 byte, 1 byte past the end of packet (offset 64 of 64 bytes)"],
    ["packet, write",            [ldx(4, r2, r1, 0), st(8, r2, 60, 1), exit()],             "memory", "write of 8 bytes, 4 bytes past the end of packet (offset 60 of 64 bytes)"],
    ["stack, above",             [st(8, r10, 0, 1), exit()],                                "memory", "write of 8 bytes, 8 bytes past the end of the stack (offset 512 of 512 bytes)"],
    ["stack, below",             [st(8, r10, -516, 1), exit()],                             "memory", "write of 8 bytes, 4 bytes before the start of the stack"],
    ["context, past",            [ldx(4, r0, r1, 24), exit()],                              "memory", "read of 4 bytes, 4 bytes past the end of the context (xdp_md) (offset 24 of 24 bytes)"],
    ["context, read-only field", [st(4, r1, 12, 1), exit()],                                "read_only", "write of 4 bytes at offset 12 of the context (xdp_md), which is read-only there"],
    ["hash value, past",         [...insert, ...lookup("flows"), ldx(8, r0, r0, 8), exit()], "memory", "read of 8 bytes, 4 bytes past the end of value of map flows (offset 8 of 12 bytes)"],
    ["array value, past",        [...lookup("counters"), ldx(8, r0, r0, 0), exit()],        "memory", "read of 8 bytes, 4 bytes past the end of value of map counters (offset 0 of 4 bytes)"],
    ["missing null check",       [...lookup("flows"), ldx(8, r0, r0, 8), exit()],           "null", "read of 8 bytes at address 0x8: a null pointer that was not checked"],
    ["before null",              [...lookup("flows"), ldx(8, r0, r0, -8), exit()],          "null", "read of 8 bytes at address 0xfffffffffffffff8: a null pointer that was not checked"],
    ["read-only data",           [ldvalue(r1, ".rodata"), st(8, r1, 0, 1), exit()],         "read_only", "write of 8 bytes at offset 0 of .rodata, which is read-only there"],
    ["read-only map, updated",   [st(4, r10, -4, 0), ldmap(r1, ".rodata"), mov64(r2, r10), alu64("add", r2, -4), mov64(r3, r10), alu64("add", r3, -16), call("map_update_elem"), exit()], "read_only", "map .rodata is read-only for programs (BPF_F_RDONLY_PROG)"],
    ["a map as memory",          [ldmap(r1, "flows"), ldx(8, r0, r1, 0), exit()],           "memory", "read of 8 bytes of map flows: a map is read and written through helpers"],
    ["nowhere",                  [lddw(r2, 0x7fff_0000_0000n), ldx(8, r0, r2, 0), exit()],  "memory", "read of 8 bytes at address 0x7fff00000000, where there is no memory"],
    ["key of a helper",          [ldmap(r1, "flows"), mov64(r2, r10), call("map_lookup_elem"), exit()], "memory", "map_lookup_elem: read of 4 bytes, 4 bytes past the end of the stack (offset 512 of 512 bytes)"],
    ["no map",                   [mov64(r1, 5), mov64(r2, r10), call("map_lookup_elem"), exit()], "argument", "a helper was called with 0x5 where it takes a map"],
    ["another map",              [ldmap(r1, "flows"), mov64(r2, 8), mov64(r3, 0), call("ringbuf_reserve"), exit()], "argument", "the helper takes a ring buffer, not map flows (hash)"],
    ["submit what is none",      [mov64(r1, r10), mov64(r2, 0), call("ringbuf_submit"), exit()], "argument", "is not a reserved ring buffer record"],
    ["submit twice",             [...reserve, mov64(r6, r0), mov64(r1, r0), call("ringbuf_submit"), mov64(r1, r6), call("ringbuf_submit"), exit()], "argument", "is not a reserved ring buffer record"],
    ["write after submit",       [...reserve, mov64(r6, r0), mov64(r1, r0), call("ringbuf_submit"), st(1, r6, 0, 1), exit()], "memory", "write of 1 byte"],
    ["record past its end",      [...reserve, st(8, r0, 1, 1), exit()],                     "memory", "write of 8 bytes, 1 byte past the end of record of ring buffer events (offset 1 of 8 bytes)"],
    ["record forgotten",         [...reserve, mov64(r0, 0), exit()],                        "leak", "the program ended with 1 record of ring buffer events neither submitted nor discarded"],
    ["unknown helper",           [call(9999), exit()],                                      "helper", "helper 9999 is not simulated"],
    ["helper not simulated",     [call("get_branch_snapshot"), exit()],                                         "helper", "helper get_branch_snapshot (176) is not simulated"],
    ["kernel function",          [callKfunc(77), exit()],                                   "helper", "kernel function with BTF id 77 is not simulated"],
    ["r1 after a call",          [call("ktime_get_ns"), ldx(1, r0, r1, 0), exit()],         "memory", "read of 1 byte through a register that a call has overwritten: r1 to r5 hold nothing after it"],
    ["a function as memory",     [lddw(r2, 1n, "func"), ldx(8, r0, r2, 0), exit()],         "memory", "read of 8 bytes of a function's code"],
    ["frame pointer",            [mov64(r10, 1), exit()],                                   "register", "write to r10, the frame pointer, which is read-only"],
    ["past the last",            [mov64(r0, 1)],                                            "jump", "the program ran past its last instruction"],
    ["jump out",                 [ja(7), exit()],                                           "jump", "jump to slot 8, where no instruction starts"],
    ["jump into a 64-bit load",  [mov64(r0, 0), jmp("eq", r0, 0, 1), lddw(r0, 1n), exit()], "jump", "jump to slot 3, where no instruction starts"],
    ["endless",                  [label("again"), ja("again")],                             "budget", "the program did not end within 10000000 instructions"],
    ["endless recursion",        [label("f"), callLocal("f"), exit()],                      "call_depth", "a call chain of more than 8 frames"],
    ["arena",                    [addrSpaceCast(r0, r1, 1, 0), exit()],                     "unsupported", "addr_space_cast: there are no arenas here"],
    ["BTF object",               [lddw(r0, 5n, "btf_id"), exit()],                          "unsupported", "a 64-bit load of kind btf_id, which has no meaning here"],
  ])("%s", (_, parts, kind, message) => {
    expect(faultOf(parts)).toEqual({ kind, message: expect.stringContaining(message) });
  });

  test("hooks differ in what may be written and called", () => {
    expect(faultOf([st(4, r1, 24, 1), mov64(r0, 1), exit()], "connect4")).toBeNull();
    expect(faultOf([st(4, r1, 28, 1), exit()], "connect4")?.kind).toBe("read_only");
    // A write that reaches out of a writable field.
    expect(faultOf([st(8, r1, 4, 1), exit()], "connect4")?.kind).toBe("read_only");
    expect(faultOf([mov64(r2, 0), call("xdp_adjust_head"), exit()], "connect4")?.message).toBe(
      "helper xdp_adjust_head is not for programs of type cgroup_sock_addr (cgroup_inet4_connect): the kernel refuses them",
    );
  });

  test("may_goto leaves the loop when its turns are used up", () => {
    const { fault, r0: result } = runRaw([mov64(r0, 7), mayGoto(1), ja(-2), exit()], { instructionLimit: 20_000_000 });
    expect([fault, result]).toEqual([null, 7n]);
  });

  test("callx takes the helper's number from the register", () => {
    const insns = [mov64(r1, 40), mov64(r2, 5), callx(r2), exit()];
    expect(runRaw(insns, { helpers: { 5: (x) => x + 2n } })).toMatchObject({ r0: 42n, fault: null });
    expect(runRaw(insns).fault?.message).toBe("helper ktime_get_ns (5) is not simulated");
  });
});

test("a fault says slot, program and source line, in a called function and after a tail call too", () => {
  const bad = [
    line(41, "  return ip.ttl;"),
    ldx(4, r2, r1, 0),
    line(42, "  return later;"),
    ldx(1, r0, r2, 99),
    exit(),
  ];
  const jump = [line(7, "  next.tailCall(ctx, 0);"), ldmap(r2, "next"), mov64(r3, 0), call("tail_call"), exit()];
  const machine = createMachine(
    object([program("first", "xdp", jump), program("second", "xdp", bad)], [map("next", "prog_array", 4, 4, 1)]),
  );
  machine.progArray("next").setProgram(0, "second");
  const { fault, returnValue } = machine.run("first", { packet: new Uint8Array(64) });
  expect(returnValue).toBeNull();
  expect(fault).toMatchObject({ slot: 1, program: "second", source: { file: FILE, line: 42, column: 3 } });
  expect(fault && formatFault(fault)).toBe(
    `${FILE}:42:3: read of 1 byte, 36 bytes past the end of packet (offset 99 of 64 bytes); r2 comes from r2 = *(u32 *)(r1 +0) at ${FILE}:41:3`,
  );
});

describe("where the pointer came from", () => {
  const origin = (parts: readonly Part[]): string | null => {
    const { fault } = createMachine(object([program("p", "xdp", parts)], MAPS)).run("p", {
      packet: new Uint8Array(64),
    });
    return fault?.origin === null || fault === null ? null : `${fault.origin.text} at ${fault.origin.slot}`;
  };
  // prettier-ignore
  test.each<[string, readonly Part[], string | null]>([
    ["a helper",             [...lookup("flows"), ldx(8, r0, r0, 8), exit()],                                     "r0 is the result of map_lookup_elem at 5"],
    ["through a move",       [...lookup("flows"), mov64(r6, r0), alu64("add", r6, 4), st(8, r6, 8, 1), exit()],   "r0 is the result of map_lookup_elem at 5"],
    ["a load",               [ldx(4, r2, r1, 0), alu64("add", r2, 99), mov64(r0, 0), ldx(1, r0, r2, 0), exit()],  "r2 comes from r2 = *(u32 *)(r1 +0) at 0"],
    ["arithmetic",           [mov64(r2, 5), alu64("lsh", r2, 20), ldx(1, r0, r2, 0), exit()],                     "r2 comes from r2 <<= 20 at 1"],
    ["lost in a call",       [mov64(r2, r10), call("ktime_get_ns"), ldx(1, r0, r2, 0), exit()],                   "r2 holds nothing after ktime_get_ns at 1"],
    ["past a branch",        [mov64(r2, 5), jmp("eq", r1, 0, 1), ldx(1, r0, r2, 0), exit()],                      "r2 comes from r2 = 5 at 0"],
    ["where paths meet",     [mov64(r2, 5), jmp("eq", r1, 0, 0), ldx(1, r0, r2, 0), exit()],                      null],
    ["after a jump",         [ja(1), exit(), ldx(1, r0, r2, 0), exit()],                                          null],
    ["the start",            [ldx(1, r0, r1, 99), exit()],                                                        null],
    ["no access",            [mov64(r10, 1), exit()],                                                             null],
  ])("%s", (_, parts, text) => {
    expect(origin(parts)).toBe(text);
  });
});

test("a fault without source lines says the slot", () => {
  const { fault } = runRaw([mov64(r0, 0), ldx(8, r0, r0, 0), exit()]);
  expect(fault && formatFault(fault)).toBe(
    "program, slot 1: read of 8 bytes at address 0x0: a null pointer that was not checked; r0 comes from r0 = 0 at slot 0",
  );
});

test("what a run discarded after a leak does not block the ring buffer", () => {
  const machine = createMachine(object([program("p", "xdp", [...reserve, mov64(r0, 0), exit()])], MAPS));
  for (let i = 0; i < 3; i++) expect(machine.run("p").fault?.kind).toBe("leak");
  expect(machine.ringbuf("events").drain()).toEqual([]);
});

test("any bytes that decode run to a result or a fault, never to an exception", () => {
  const slot = fc.tuple(
    fc.constantFrom(
      0x07,
      0x0f,
      0x61,
      0x63,
      0x62,
      0x7b,
      0xb7,
      0xbf,
      0x15,
      0x05,
      0x85,
      0x8d,
      0x95,
      0x18,
      0xdb,
      0xc3,
      0x20,
      0x40,
      0xd4,
      0xe5,
    ),
    fc.nat(255),
    fc.integer({ min: -4, max: 4 }),
    fc.constantFrom(0, 1, 2, 5, 16, -8),
  );
  // prettier-ignore
  fc.assert(
    fc.property(fc.oneof(fc.array(slot, { maxLength: 30 }), fc.array(fc.tuple(fc.nat(255), fc.nat(255), fc.integer({ min: -32768, max: 32767 }), fc.integer()), { maxLength: 30 })), (slots) => {
      const bytes = new Uint8Array(slots.length * 8);
      const view = new DataView(bytes.buffer);
      slots.forEach(([code, registers, off, imm], i) => {
        view.setUint8(i * 8, code);
        view.setUint8(i * 8 + 1, registers);
        view.setInt16(i * 8 + 2, off, true);
        view.setInt32(i * 8 + 4, imm, true);
      });
      const insns: Insn[] = tryDecode(bytes).flatMap((decoded) => (decoded.insn === null ? [] : [decoded.insn]));
      const result = runRaw(insns, { memory: new Uint8Array(16), instructionLimit: 1000 });
      // The limit is looked at where a program may come around again, so it is exceeded by less than its length.
      expect(result.instructions).toBeLessThanOrEqual(1000 + insns.length);
      expect(result.r0).toBe(BigInt.asUintN(64, result.r0));
    }),
    { numRuns: 1000 },
  );
});
