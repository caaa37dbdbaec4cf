/** Programs on the machine: hooks, helpers and their effects. Faults: faults.test.ts; agreement with Linux: kernel.test.ts. */
import { describe, expect, test } from "vitest";
// prettier-ignore
import { alu64, atomic, call, callLocal, exit, jmp, label, ldabs, ldx, mov64, r0, r1, r10, r2, r3, r4, r5, r6, r7, r8, st } from "../../lib/asm/index.ts";
import type { Item } from "../../lib/asm/index.ts";
import { ArrayOfMaps, createMachine, formatFault } from "../../lib/vm/index.ts";
import type { Machine, MachineOptions, RunInput, RunResult } from "../../lib/vm/index.ts";
import type { HookName, ProgramType } from "../../lib/kernel/index.ts";
import type { MapSpec, ObjectSpec } from "../../lib/object/index.ts";
import { ldmap, ldvalue, map, object, program } from "../kernel/specs.ts";
import { numberOf, u32, u64 } from "./bytes.ts";

type Part = Parameters<typeof program>[2][number];

// prettier-ignore
const machineFor = (hook: HookName, parts: readonly Part[], maps: readonly MapSpec[] = [], env: MachineOptions = {}): Machine => createMachine(object([program("p", hook, parts)], maps), env);
function run(hook: HookName, parts: readonly Part[], input: RunInput = {}, env: MachineOptions = {}): RunResult {
  const result = machineFor(hook, parts, [], env).run("p", input);
  expect(result.fault === null ? "" : formatFault(result.fault)).toBe("");
  return result;
}
/** Pointer to the stack at r10 + offset. */
const stackAt = (register: typeof r1, offset: number): Item[] => [mov64(register, r10), alu64("add", register, offset)];

describe("contexts", () => {
  test("xdp: packet between data and data_end, fields by name", () => {
    const parts = [
      ldx(4, r2, r1, 0),
      ldx(4, r3, r1, 4),
      alu64("sub", r3, r2),
      ldx(4, r0, r1, 12),
      alu64("lsh", r0, 8),
      alu64("add", r0, r3),
      st(1, r2, 1, 0xee),
      exit(),
    ];
    const result = run("xdp", parts, { packet: new Uint8Array(60), context: { ingress_ifindex: 3 } });
    expect(result.returnValue).toBe(3 * 256 + 60);
    expect(result.packet?.[1]).toBe(0xee);
    expect(result.instructions).toBe(8);
  });

  test("connect4: the address is rewritten; ports are numbers, addresses text", () => {
    // prettier-ignore
    const parts = [
      ldx(4, r2, r1, 4), st(4, r1, 4, 0x0200_000a), // 10.0.0.2 in network order
      st(4, r1, 24, 0x901f), // 8080 in network order
      mov64(r0, r2), exit(),
    ];
    const context = { user_ip4: "10.96.0.10", user_port: 80 };
    const result = run("connect4", parts, { context });
    expect(result.returnValue).toBe(0x0a00_600a);
    expect(result.context).toMatchObject({ user_ip4: "10.0.0.2", user_port: 8080, family: 2, type: 1, protocol: 6 });
    expect(result.packet).toBeNull();
  });

  // prettier-ignore
  test.each<[HookName, Record<string, unknown>]>([
    ["connect6",     { user_family: 10, family: 10, type: 1, protocol: 6,  user_ip6: "fd00::1", user_port: 443 }],
    ["sendmsg4",     { user_family: 2,  family: 2,  type: 2, protocol: 17, user_ip6: "fd00::1", user_port: 443 }],
    ["getpeername6", { user_family: 10, family: 10, type: 1, protocol: 6,  user_ip6: "fd00::1", user_port: 443 }],
  ])("%s: defaults fit the hook", (hook, expected) => {
    const result = run(hook, [mov64(r0, 1), exit()], { context: { user_ip6: "fd00::1", user_port: 443 } });
    expect(result.context).toMatchObject(expected);
  });

  // The kernel's odd byte orders: be32 of a port, host order of another, a u16 in a structure of u32s.
  // prettier-ignore
  test.each<[HookName, RunInput, number, number, number]>([
    ["sock_ops",  { context: { remote_port: 443 } },           64, 4, 0xbb01_0000 | 0],
    ["sock_ops",  { context: { local_port: 8080 } },           68, 4, 8080],
    ["sock_ops",  { context: { args: [1, 2, 3, 4] } },         12, 4, 3],
    ["sk_msg",    { packet: new Uint8Array(5) },               68, 4, 5],
    ["sk_msg",    { context: { remote_port: 443 } },           60, 4, 0xbb01_0000 | 0],
    ["sk_lookup", { context: { remote_port: 443 } },           36, 2, 0xbb01],
    ["sk_lookup", { context: { local_ip4: "1.2.3.4" } },       40, 4, 0x0403_0201],
    ["tc",        { context: { protocol: 0x0806 } },           16, 4, 0x0608],
    ["tc",        { packet: new Uint8Array(20).fill(8) },      16, 4, 0x0808],
    ["tc",        { packet: new Uint8Array(20) },              0,  4, 20],
    ["tc",        { context: { cb: [7, 8] } },                 52, 4, 8],
    ["sk_lookup", { context: { local_ip6: "fd00::1:2" } },     56, 4, 0x0200_0100],
  ])("%s %o: field at %i", (hook, input, offset, size, expected) => {
    expect(run(hook, [ldx(size as 2 | 4, r0, r1, offset), exit()], input).returnValue).toBe(expected);
  });

  test("tc: what the program writes to its context is seen", () => {
    const result = run("tc", [st(4, r1, 8, 7), st(4, r1, 48, 1), mov64(r0, -1), exit()]);
    expect(result.returnValue).toBe(-1);
    expect(result.context).toMatchObject({ mark: 7, cb: [1, 0, 0, 0, 0] });
  });

  // prettier-ignore
  test.each<[string, HookName, RunInput, string]>([
    ["an unknown field",         "xdp",      { context: { mark: 1 } },                      "xdp_md has no field mark"],
    ["a pointer",                "xdp",      { context: { data: 1 } },                      "xdp_md has no field data"],
    ["a port too big",           "connect4", { context: { user_port: 65536 } },             "the field user_port cannot be set to this"],
    ["a number for an address",  "connect4", { context: { user_ip4: 1 } },                  "the field user_ip4 cannot be set to this"],
    ["half an address",          "connect4", { context: { user_ip4: "10.0.0" } },           '"10.0.0" is not an IPv4 address'],
    ["a packet without packets", "connect4", { packet: new Uint8Array(1) },                 "bpf_sock_addr has no packet"],
    ["a CPU that is not there",  "xdp",      { cpu: 1 },                                    "there is no CPU 1"],
  ])("refused input: %s", (_, hook, input, message) => {
    expect(() => run(hook, [mov64(r0, 0), exit()], input)).toThrow(message);
  });

  test("a program type that is not simulated is refused by name", () => {
    const p = { ...program("p", "xdp", [mov64(r0, 0), exit()]), type: "kprobe" as ProgramType, attach: null };
    expect(() => createMachine(object([p])).run("p")).toThrow("program p is of type kprobe, which is not simulated");
    expect(() => createMachine(object([p])).run("q")).toThrow("no program q");
  });
});

describe("maps from programs", () => {
  const key = (value: number): Item => st(4, r10, -4, value);
  const withMap = (name = "m"): Part[] => [ldmap(r1, name), ...stackAt(r2, -4)];

  test("count in place: values have stable addresses and outlive runs", () => {
    const count = [
      key(5),
      ...withMap(),
      call("map_lookup_elem"),
      jmp("eq", r0, 0, "new"),
      mov64(r1, 1),
      atomic("add", 8, r0, 0, r1),
      exit(),
      label("new"),
      st(8, r10, -16, 1),
      ...withMap(),
      ...stackAt(r3, -16),
      mov64(r4, 0),
      call("map_update_elem"),
      exit(),
    ];
    const machine = machineFor("xdp", count, [map("m", "hash", 4, 8, 10)]);
    for (let i = 0; i < 3; i++) expect(machine.run("p").fault).toBeNull();
    expect([...machine.map("m").entries()]).toEqual([[u32(5), u64(3)]]);
  });

  test("global data: an address inside the only value, initial bytes, other maps' too", () => {
    const parts = [ldvalue(r1, ".data", 8), ldx(8, r0, r1, 0), st(8, r1, 0, 99), exit()];
    const initial = Uint8Array.from([...u64(1), ...u64(42)]);
    const machine = machineFor("xdp", parts, [map(".data", "array", 4, 16, 1, { initial })]);
    expect(machine.run("p").returnValue).toBe(42);
    expect(machine.run("p").returnValue).toBe(99);
    expect(numberOf(machine.map(".data").get(u32(0)))).toBe((99n << 64n) | 1n);
  });

  test("a per-CPU value is the CPU's own", () => {
    const parts = [
      key(0),
      ...withMap(),
      call("map_lookup_elem"),
      jmp("eq", r0, 0, "out"),
      st(8, r0, 0, 7),
      label("out"),
      exit(),
    ];
    const machine = machineFor("xdp", parts, [map("m", "percpu_array", 4, 8, 1)], { cpus: 2 });
    expect(machine.run("p", { cpu: 1 }).fault).toBeNull();
    expect(machine.map("m").get(u32(0))).toEqual(Uint8Array.from([...u64(0), ...u64(7)]));
  });

  test("ring buffer: reserve, submit, discard, output, in order", () => {
    // prettier-ignore
    const reserve = (value: number, end: "ringbuf_submit" | "ringbuf_discard"): Part[] => [
      ldmap(r1, "events"), mov64(r2, 4), mov64(r3, 0), call("ringbuf_reserve"), jmp("ne", r0, 0, 2), mov64(r0, 1), exit(),
      st(4, r0, 0, value), mov64(r1, r0), mov64(r2, 0), call(end),
    ];
    const output = [
      st(8, r10, -8, 3),
      ldmap(r1, "events"),
      ...stackAt(r2, -8),
      mov64(r3, 8),
      mov64(r4, 0),
      call("ringbuf_output"),
      exit(),
    ];
    const machine = machineFor(
      "xdp",
      [...reserve(1, "ringbuf_submit"), ...reserve(2, "ringbuf_discard"), ...output],
      [map("events", "ringbuf", 0, 0, 4096)],
    );
    expect(machine.run("p")).toMatchObject({ returnValue: 0, fault: null });
    expect(machine.ringbuf("events").drain()).toEqual([u32(1), u64(3)]);
    expect(machine.ringbuf("events").drain()).toEqual([]);
  });

  test("a full ring buffer has room again when it is drained", () => {
    const output = [
      ldmap(r1, "events"),
      ...stackAt(r2, -512),
      mov64(r3, 512),
      mov64(r4, 0),
      call("ringbuf_output"),
      exit(),
    ];
    const machine = machineFor("xdp", output, [map("events", "ringbuf", 0, 0, 4096)]);
    const results = (): unknown[] => Array.from({ length: 9 }, () => machine.run("p").returnValue);
    expect(results()).toEqual([0, 0, 0, 0, 0, 0, 0, -11, -11]);
    expect(machine.ringbuf("events").drain()).toHaveLength(7);
    expect(results().slice(0, 2)).toEqual([0, 0]);
  });

  test("maps by the wrong name or type", () => {
    const machine = machineFor("xdp", [exit()], [map("m", "hash", 4, 8, 10)]);
    expect(() => machine.map("n")).toThrow("the object has no map n");
    expect(() => machine.ringbuf("m")).toThrow("map m is not a ring buffer");
  });
});

describe("calls", () => {
  test("local: own stack, r6 to r9 kept, arguments and result", () => {
    // prettier-ignore
    const parts = [
      mov64(r6, 6), st(8, r10, -8, 11), ...stackAt(r1, -8), mov64(r2, 5), callLocal("f"),
      ldx(8, r2, r10, -8), alu64("add", r0, r2), alu64("add", r0, r6), exit(),
      label("f"), mov64(r6, 60), st(8, r10, -8, 1000), ldx(8, r0, r1, 0), st(8, r1, 0, 100), alu64("add", r0, r2), exit(),
    ];
    expect(run("xdp", parts).returnValue).toBe(11 + 5 + 100 + 6);
  });

  const tail = (name: string, index: number, after: number): ReturnType<typeof program> =>
    program(name, "xdp", [ldmap(r2, "jumps"), mov64(r3, index), call("tail_call"), mov64(r0, after), exit()]);
  const jumps = map("jumps", "prog_array", 4, 4, 4);

  test("tail: goes on in the other program with the context; falls through when there is none", () => {
    const reader = program("reader", "xdp", [ldx(4, r0, r1, 12), exit()]);
    const machine = createMachine(object([tail("main", 2, 55), reader], [jumps]));
    expect(machine.run("main").returnValue).toBe(55);
    machine.progArray("jumps").setProgram(2, "reader");
    expect(machine.run("main", { context: { ingress_ifindex: 9 } }).returnValue).toBe(9);
    machine.progArray("jumps").setProgram(2, null);
    expect(machine.run("main").returnValue).toBe(55);
    expect(() => machine.progArray("jumps").setProgram(4, "reader")).toThrow("E2BIG");
  });

  test("maps hold programs and maps from the start", () => {
    const reader = program("reader", "xdp", [mov64(r0, 9), exit()]);
    const held = map("held", "array", 4, 8, 1);
    const outer = { ...map("outer", "array_of_maps", 4, 4, 2), inner: held, entries: [{ index: 1, name: "held" }] };
    const filled = { ...jumps, entries: [{ index: 2, name: "reader" }] };
    const machine = createMachine(object([tail("main", 2, 55), reader], [filled, held, outer]));
    expect(machine.run("main").returnValue).toBe(9);
    expect(machine.mapOf("outer", ArrayOfMaps).getInner(Uint8Array.of(1, 0, 0, 0))).toBe(machine.map("held"));
  });

  test("tail calls stop at the kernel's limit", () => {
    const machine = createMachine(object([tail("main", 0, 7)], [jumps]));
    machine.progArray("jumps").setProgram(0, "main");
    const result = machine.run("main");
    expect(result).toMatchObject({ returnValue: 7, fault: null });
    // 33 rounds of load, index, call; the 34th falls through two more.
    expect(result.instructions).toBe(33 * 3 + 5);
  });
});

describe("helpers", () => {
  test("redirects are recorded", () => {
    const result = run("tc", [
      mov64(r1, 4),
      mov64(r2, 1),
      call("redirect"),
      mov64(r1, 5),
      mov64(r2, 0),
      call("redirect_peer"),
      exit(),
    ]);
    expect(result.returnValue).toBe(7);
    expect(result.redirects).toEqual([
      { kind: "interface", ifindex: 4, flags: 1n },
      { kind: "peer", ifindex: 5, flags: 0n },
    ]);
  });

  test("sock_ops puts its socket into a sockhash, sk_msg sends to it", () => {
    const maps = [map("socks", "sockhash", 4, 8, 4)];
    const put = program("put", "sock_ops", [
      mov64(r6, r1),
      st(4, r10, -4, 80),
      ldmap(r2, "socks"),
      mov64(r1, r6),
      ...stackAt(r3, -4),
      mov64(r4, 0),
      call("sock_hash_update"),
      exit(),
    ]);
    const send = program("send", "sk_msg", [
      mov64(r6, r1),
      st(4, r10, -4, 80),
      ldmap(r2, "socks"),
      mov64(r1, r6),
      ...stackAt(r3, -4),
      mov64(r4, 1),
      call("msg_redirect_hash"),
      exit(),
    ]);
    const machine = createMachine(object([put, send], maps));
    expect(machine.run("send", { packet: u32(1) })).toMatchObject({ returnValue: 0, redirects: [] });
    const socket = machine.createSocket({ src_port: 80 });
    expect(machine.run("put", { socket, context: { op: 4 } }).returnValue).toBe(0);
    const key = u32(80);
    const sent = machine.run("send", { packet: u32(1) });
    expect(sent.returnValue).toBe(1);
    expect(sent.redirects).toEqual([{ kind: "socket", map: "socks", key, socket, ingress: true }]);
    expect(machine.socketMap("socks").getSocket(key)).toBe(socket);
    expect(numberOf(machine.map("socks").get(key))).toBe(socket.cookie);
    expect([machine.map("socks").delete(key), machine.map("socks").delete(key)]).toEqual([true, false]);
  });

  test("sk_lookup: a socket of a sockmap gets the connection", () => {
    // prettier-ignore
    const parts = [
      mov64(r6, r1), st(4, r10, -4, 0), ldmap(r1, "socks"), ...stackAt(r2, -4), call("map_lookup_elem"),
      mov64(r7, r0), jmp("eq", r7, 0, "out"),
      ldx(4, r8, r7, 8),
      mov64(r1, r6), mov64(r2, r7), mov64(r3, 0), call("sk_assign"), mov64(r6, r0),
      mov64(r1, r7), call("sk_release"), jmp("ne", r6, 0, "out"),
      label("out"), mov64(r0, r8), exit(),
    ];
    const machine = machineFor("sk_lookup", parts, [map("socks", "sockmap", 4, 8, 4)]);
    const socket = machine.createSocket({ state: 10 });
    machine.socketMap("socks").setSocket(u32(0), socket);
    const result = machine.run("p", { context: { local_port: 80 } });
    expect(result).toMatchObject({ fault: null, returnValue: 1, redirects: [{ kind: "assign", socket }] });
    // A datagram does not go to a stream socket.
    expect(machine.run("p", { context: { protocol: 17 } }).redirects).toEqual([]);
  });

  test("trace_printk formats as printk does", () => {
    const formatted = (format: string, ...values: number[]): RunResult => {
      const text = new TextEncoder().encode(`${format}\0`);
      const words = Array.from({ length: Math.ceil(text.length / 8) * 8 }, (_, i) => text[i] ?? 0);
      const stores = words.map((byte, i) => st(1, r10, -64 + i, byte));
      const args = [r3, r4, r5].map((register, i) => mov64(register, values[i] ?? 0));
      return run("xdp", [
        ...stores,
        ...args,
        ...stackAt(r1, -64),
        mov64(r2, text.length),
        call("trace_printk"),
        exit(),
      ]);
    };
    const cases: [string, number[], string][] = [
      ["plain 100%%", [], "plain 100%"],
      ["%d %u %x", [-1, -1, 255], "-1 4294967295 ff"],
      ["%lld %llu", [-1, -1], "-1 18446744073709551615"],
      ["[%5d][%-5d][%05d]", [42, 42, 42], "[   42][42   ][00042]"],
      ["%c%x", [65, 16], "A10"],
    ];
    for (const [format, values, text] of cases) {
      expect(formatted(format, ...values)).toMatchObject({ trace: [text], returnValue: text.length });
    }
    expect(formatted("%f")).toMatchObject({ trace: [], returnValue: -22 });
    expect(formatted("%d%d%d%d")).toMatchObject({ trace: [], returnValue: -22 });
  });

  test("time, randomness, CPU, process and cookies are injected; the defaults repeat", () => {
    const ask = (helper: Parameters<typeof call>[0], env: MachineOptions = {}): unknown =>
      run("connect4", [call(helper), exit()], {}, env).returnValue;
    expect(ask("ktime_get_ns", { now: () => 77n })).toBe(77);
    expect(ask("ktime_get_boot_ns", { now: () => 78n })).toBe(78);
    expect(ask("get_prandom_u32", { random: () => 5 })).toBe(5);
    expect(ask("get_current_pid_tgid", { world: { task: { tgid: 9, pid: 4 } } })).toBe(4);
    expect(ask("get_netns_cookie", { world: { netnsCookie: 12n } })).toBe(12);
    expect(ask("get_socket_cookie")).toBe(1);
    for (const helper of ["ktime_get_ns", "get_prandom_u32"] as const) {
      const twice = machineFor("xdp", [call(helper), exit()]);
      const [first, second] = [twice.run("p").returnValue, twice.run("p").returnValue];
      expect(first).not.toBe(second);
      expect(ask(helper)).toBe(first);
    }
  });

  test("sock_ops_cb_flags_set sets what there is and gives back what there is not", () => {
    const result = run("sock_ops", [mov64(r2, 0x184), call("sock_ops_cb_flags_set"), exit()]);
    expect(result.returnValue).toBe(0x180);
    expect(result.context["bpf_sock_ops_cb_flags"]).toBe(4);
  });
});

test("legacy packet loads are big-endian and end the program where there are no bytes", () => {
  const packet = Uint8Array.of(1, 2, 3, 4);
  expect(run("tc", [mov64(r6, r1), ldabs(2, 1), exit()], { packet }).returnValue).toBe(0x0203);
  expect(run("tc", [mov64(r6, r1), ldabs(4, 1), mov64(r0, 5), exit()], { packet }).returnValue).toBe(0);
});

test("runs do not see each other's registers, stack, packet or context", () => {
  const parts = [
    ldx(8, r3, r10, -8),
    ldx(4, r0, r1, 8),
    alu64("add", r0, r3),
    st(8, r10, -8, 5),
    st(4, r1, 8, 6),
    exit(),
  ];
  const machine = machineFor("tc", parts);
  const [first, second] = [machine.run("p"), machine.run("p")];
  expect(second).toEqual(first);
  expect(first.returnValue).toBe(0);
});

test("one object, two machines: nothing is shared", () => {
  const shared: ObjectSpec = object([program("p", "xdp", [exit()])], [map("m", "hash", 4, 8, 4)]);
  const [a, b] = [createMachine(shared), createMachine(shared)];
  a.map("m").set(u32(1), u64(1));
  expect([...b.map("m").entries()]).toEqual([]);
});
