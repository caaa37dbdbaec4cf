/** Socket helpers on the machine's plain world: look-ups and references, options, header options, reuseport. */
import { describe, expect, test } from "vitest";
import {
  alu64,
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
  r4,
  r5,
  r6,
  r7,
  r9,
} from "../../../lib/asm/index.ts";
import { ERRNO } from "../../../lib/vm/errno.ts";
import { parseAddress } from "../../../lib/bytes/index.ts";
import { createMachine } from "../../../lib/vm/index.ts";
import type { Machine, RunInput, RunResult, SocketFields } from "../../../lib/vm/index.ts";
import { ldmap, ldvalue, map, object, program } from "../../kernel/specs.ts";
import { u32 } from "../bytes.ts";

type Part = Parameters<typeof program>[2][number];
type Hook = Parameters<typeof program>[1];

/** A machine with one program: r6 = context, r9 = 256 bytes that start with `memory`. */
function machineFor(hook: Hook, parts: readonly Part[], memory: readonly number[] = []): Machine {
  const maps = [map("io", "array", 4, 256, 1), map("socks", "sockmap", 4, 8, 4)];
  const machine = createMachine(object([program("p", hook, [mov64(r6, r1), ldvalue(r9, "io"), ...parts])], maps));
  const io = new Uint8Array(256);
  io.set(memory);
  machine.map("io").set(u32(0), io);
  return machine;
}
const mem = (reg: typeof r1, offset = 0): Part[] => [mov64(reg, r9), alu64("add", reg, offset)];
const ctx: Part = mov64(r1, r6);

/** A tuple as in a packet: from a remote end to a local one. */
const tuple = (from: string, to: string, sport: number, dport: number): number[] => {
  const family = from.includes(":") ? "ipv6" : "ipv4";
  const bytes = (text: string): Uint8Array => parseAddress(text, family) ?? new Uint8Array(0);
  return [...bytes(from), ...bytes(to), sport >> 8, sport & 255, dport >> 8, dport & 255];
};

describe("looking up sockets", () => {
  const CONNECTED: SocketFields = { src_ip4: "10.0.0.1", src_port: 80, dst_ip4: "10.0.0.2", dst_port: 4000 };
  const LISTENING: SocketFields = { src_ip4: "0.0.0.0", src_port: 80, state: 10 };
  const DATAGRAMS: SocketFields = { src_ip4: "10.0.0.1", src_port: 53, type: 2, protocol: 17, state: 7 };
  const V6: SocketFields = { family: 10, src_ip6: "fd00::1", src_port: 443, state: 10 };
  const LATE: SocketFields = { src_ip4: "10.0.0.1", src_port: 81, dst_ip4: "10.0.0.2", dst_port: 4000, state: 6 };
  const ALL = [CONNECTED, LISTENING, DATAGRAMS, V6, LATE];

  const find = (helper: "sk_lookup_tcp" | "sk_lookup_udp" | "skc_lookup_tcp", size: number, netns = -1, flags = 0): Part[] => [
    ctx, ...mem(r2), mov64(r3, size), mov64(r4, netns), mov64(r5, flags), call(helper),
    mov64(r7, r0), jmp("eq", r0, 0, "none"),
    ldx(4, r0, r7, 72), mov64(r6, r0), mov64(r1, r7), call("sk_release"), mov64(r0, r6), exit(),
    label("none"), mov64(r0, -1), exit(),
  ]; // prettier-ignore
  // What is found is known by its state; -1: nothing.
  // prettier-ignore
  const CASES: [string, readonly Part[], readonly number[], state: number][] = [
    ["a connection",                    find("sk_lookup_tcp", 12),       tuple("10.0.0.2", "10.0.0.1", 4000, 80), 1],
    ["a listener for another",          find("sk_lookup_tcp", 12),       tuple("10.0.0.9", "10.0.0.1", 4000, 80), 10],
    ["no UDP socket by TCP",            find("sk_lookup_tcp", 12),       tuple("10.0.0.9", "10.0.0.1", 4000, 53), -1],
    ["a UDP socket",                    find("sk_lookup_udp", 12),       tuple("10.0.0.9", "10.0.0.1", 4000, 53), 7],
    ["IPv6 by the tuple's length",      find("sk_lookup_tcp", 36),       tuple("fd00::9", "fd00::1", 4000, 443), 10],
    ["nothing by a tuple cut short",    find("sk_lookup_tcp", 11),       tuple("10.0.0.2", "10.0.0.1", 4000, 80), -1],
    ["nothing by flags",                find("sk_lookup_tcp", 12, -1, 1), tuple("10.0.0.2", "10.0.0.1", 4000, 80), -1],
    ["no whole socket in TIME_WAIT",    find("sk_lookup_tcp", 12),       tuple("10.0.0.2", "10.0.0.1", 4000, 81), -1],
    ["but what there is of it",         find("skc_lookup_tcp", 12),      tuple("10.0.0.2", "10.0.0.1", 4000, 81), 6],
  ];
  test.each(CASES)("%s", (_, parts, memory, state) => {
    const machine = machineFor("tc", parts, memory);
    for (const fields of ALL) machine.createSocket(fields);
    expect(machine.run("p", { packet: new Uint8Array(64) })).toMatchObject({ fault: null, returnValue: state });
  });

  const acquired: Part[] = [
    ctx, ...mem(r2), mov64(r3, 12), mov64(r4, -1), mov64(r5, 0), call("sk_lookup_tcp"), mov64(r7, r0),
  ]; // prettier-ignore
  const release: Part[] = [mov64(r1, r7), call("sk_release")];
  // prettier-ignore
  const REFERENCES: [string, readonly Part[], fault: object | null][] = [
    ["released once",      [...acquired, ...release, exit()], null],
    ["not released",       [...acquired, exit()], { kind: "leak", message: "the program ended without releasing a socket that it looked up" }],
    ["released twice",     [...acquired, ...release, ...release, exit()], { kind: "argument" }],
    ["found twice, released once", [...acquired, ...acquired, ...release, exit()], { kind: "leak" }],
    ["null released",      [mov64(r1, 0), call("sk_release"), exit()], { kind: "argument" }],
  ];
  test.each(REFERENCES)("a reference %s", (_, parts, fault) => {
    const machine = machineFor("tc", parts, tuple("10.0.0.2", "10.0.0.1", 4000, 80));
    machine.createSocket(CONNECTED);
    const result = machine.run("p", { packet: new Uint8Array(64) });
    if (fault === null) expect(result.fault).toBe(null);
    else expect(result.fault).toMatchObject(fault);
  });

  // prettier-ignore
  const VIEWS: [string, SocketFields, readonly Part[], number][] = [
    ["sk_fullsock of a connection",       CONNECTED, [mov64(r1, r7), call("sk_fullsock"), alu64("sub", r0, r7)], 0],
    ["sk_fullsock in TIME_WAIT",          LATE,      [mov64(r1, r7), call("sk_fullsock")], 0],
    ["tcp_sock shows counters",           CONNECTED, [mov64(r1, r7), call("tcp_sock"), ldx(4, r0, r0, 0)], 0],
    ["tcp_sock of UDP",                   DATAGRAMS, [mov64(r1, r7), call("tcp_sock")], 0],
    ["get_listener_sock of a connection", CONNECTED, [mov64(r1, r7), call("get_listener_sock")], 0],
    ["get_listener_sock of a listener",   LISTENING, [mov64(r1, r7), call("get_listener_sock"), alu64("sub", r0, r7)], 0],
    ["skc_to_tcp_sock of UDP",            DATAGRAMS, [mov64(r1, r7), call("skc_to_tcp_sock")], 0],
    ["cgroup of the root",                CONNECTED, [ctx, call("skb_cgroup_id")], 1],
    ["its ancestor at level 0",           CONNECTED, [ctx, mov64(r2, 0), call("skb_ancestor_cgroup_id")], 1],
    ["no ancestor at level 1",            CONNECTED, [ctx, mov64(r2, 1), call("skb_ancestor_cgroup_id")], 0],
    ["who made it",                       CONNECTED, [ctx, call("get_socket_uid")], 0],
  ];
  test.each(VIEWS)("%s", (_, fields, parts, expected) => {
    const machine = machineFor("tc", [ldx(8, r7, r6, 168), ...parts, exit()]);
    const socket = machine.createSocket(fields);
    expect(machine.run("p", { packet: new Uint8Array(64), socket })).toMatchObject({
      fault: null,
      returnValue: expected,
    });
  });
});

describe("socket options and bind", () => {
  const set = (level: number, name: number, size: number): Part[] => [
    ctx,
    mov64(r2, level),
    mov64(r3, name),
    ...mem(r4),
    mov64(r5, size),
    call("setsockopt"),
  ];
  const get = (level: number, name: number, size: number): Part[] => [
    ctx,
    mov64(r2, level),
    mov64(r3, name),
    ...mem(r4, 8),
    mov64(r5, size),
    call("getsockopt"),
  ];
  // prettier-ignore
  const CASES: [string, SocketFields, readonly Part[], number][] = [
    ["SO_MARK",                     {}, set(1, 36, 4), 0],
    ["SO_MARK as a byte",           {}, set(1, 36, 1), -ERRNO.EINVAL],
    ["an option programs may not",  {}, set(1, 6, 4), -ERRNO.EINVAL],
    ["IP_TOS",                      {}, set(0, 1, 4), 0],
    ["IP_TOS of IPv6",              { family: 10 }, set(0, 1, 4), -ERRNO.EINVAL],
    ["IPV6_TCLASS",                 { family: 10 }, set(41, 67, 4), 0],
    ["TCP_NODELAY",                 {}, set(6, 1, 4), 0],
    ["TCP_NODELAY of UDP",          { type: 2, protocol: 17 }, set(6, 1, 4), -ERRNO.EINVAL],
    ["TCP_CONGESTION, a name",      {}, set(6, 13, 4), 0],
    ["TCP_BPF_IW is not read",      {}, get(6, 1001, 4), -ERRNO.EINVAL],
    ["what was set is read",        {}, [...set(1, 36, 4), ...get(1, 36, 4), ldx(4, r0, r9, 8)], 0x0403_0201],
  ];
  test.each(CASES)("%s", (_, fields, parts, expected) => {
    const machine = machineFor("connect4", [...parts, exit()], [1, 2, 3, 4]);
    const socket = machine.createSocket(fields);
    expect(machine.run("p", { socket })).toMatchObject({ fault: null, returnValue: expected });
  });

  // prettier-ignore
  const BINDS: [string, readonly number[], size: number, number][] = [
    ["IPv4",          [2, 0, 0x1f, 0x90, 10, 0, 0, 1], 16, 0],
    ["too short",     [2, 0, 0x1f, 0x90, 10, 0, 0, 1], 15, -ERRNO.EINVAL],
    ["IPv6",          [10, 0, 0, 0, 0, 0, 0, 0, 0xfd, 0], 28, 0],
    ["IPv6, RFC 2133", [10, 0, 0, 0, 0, 0, 0, 0, 0xfd, 0], 24, 0],
    ["another family", [1, 0], 16, -ERRNO.EAFNOSUPPORT],
    ["no family",     [2], 1, -ERRNO.EINVAL],
  ];
  test.each(BINDS)("bind: %s", (_, memory, size, expected) => {
    const machine = machineFor("connect4", [ctx, ...mem(r2), mov64(r3, size), call("bind"), exit()], memory);
    const { returnValue, effects } = machine.run("p");
    expect(returnValue).toBe(expected);
    expect(effects.map(({ kind }) => kind)).toEqual(expected === 0 ? ["bind"] : []);
  });
});

describe("TCP header options", () => {
  /** A header of 20 bytes and these options. */
  const segment = (...options: number[]): Uint8Array => {
    const packet = new Uint8Array(20 + options.length);
    packet[12] = (packet.length / 4) << 4;
    packet.set(options, 20);
    return packet;
  };
  const load = (size: number, flags = 0): Part[] => [
    ctx,
    ...mem(r2),
    mov64(r3, size),
    mov64(r4, flags),
    call("load_hdr_opt"),
  ];
  const store = (size: number, at = 0): Part[] => [
    ctx,
    ...mem(r2, at),
    mov64(r3, size),
    mov64(r4, 0),
    call("store_hdr_opt"),
  ];
  const reserve = (size: number): Part[] => [ctx, mov64(r2, size), mov64(r3, 0), call("reserve_hdr_opt")];
  const [PARSE, LENGTH, WRITE] = [13, 14, 15];
  const OPTIONS = segment(1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 254, 4, 0xeb, 0x9f, 1, 1, 1, 0);
  // prettier-ignore
  const CASES: [string, op: number, Uint8Array, memory: readonly number[], readonly Part[], number][] = [
    ["found by kind",                 PARSE, OPTIONS, [8, 0], load(10), 10],
    ["found, too long for the room",  PARSE, OPTIONS, [8, 0], load(4), -ERRNO.ENOSPC],
    ["found by magic",                PARSE, OPTIONS, [254, 4, 0xeb, 0x9f], load(8), 4],
    ["another magic",                 PARSE, OPTIONS, [254, 4, 0xeb, 0x9e], load(8), -ERRNO.ENOMSG],
    ["experimental without magic",    PARSE, OPTIONS, [254, 0], load(8), -ERRNO.EINVAL],
    ["not there",                     PARSE, OPTIONS, [5, 0], load(8), -ERRNO.ENOMSG],
    ["no kind to look for",           PARSE, OPTIONS, [1, 0], load(8), -ERRNO.EINVAL],
    ["malformed",                     PARSE, segment(8, 30, 0, 0), [5, 0], load(8), -ERRNO.EFAULT],
    ["no saved SYN",                  PARSE, OPTIONS, [8, 0], load(10, 1), -ERRNO.ENOENT],
    ["at a callback without segment", LENGTH, OPTIONS, [8, 0], load(10), -ERRNO.EPERM],
    ["room reserved",                 LENGTH, OPTIONS, [], reserve(4), 0],
    ["too much room",                 LENGTH, OPTIONS, [], reserve(41), -ERRNO.ENOSPC],
    ["room at another callback",      WRITE, OPTIONS, [], reserve(4), -ERRNO.EPERM],
    ["written",                       WRITE, OPTIONS, [253, 4, 1, 2], store(4), 0],
    ["written twice",                 WRITE, OPTIONS, [253, 4, 1, 2], [...store(4), ...store(4)], -ERRNO.EEXIST],
    ["there already",                 WRITE, OPTIONS, [8, 2], store(2), -ERRNO.EEXIST],
    ["a kind without length",         WRITE, OPTIONS, [1, 2], store(2), -ERRNO.EINVAL],
    ["written at another callback",   LENGTH, OPTIONS, [253, 4, 1, 2], store(4), -ERRNO.EPERM],
  ];
  test.each(CASES)("%s", (_, op, packet, memory, parts, expected) => {
    const machine = machineFor("sock_ops", [...parts, exit()], memory);
    const world: RunInput = { packet, context: { op } };
    expect(machine.run("p", world)).toMatchObject({ fault: null, returnValue: expected });
  });
  test("are effects", () => {
    const run = (op: number, parts: readonly Part[]): RunResult =>
      machineFor("sock_ops", [...parts, exit()], [253, 4, 1, 2, 66, 3, 9]).run("p", {
        packet: OPTIONS,
        context: { op },
        optionRoom: 8,
      });
    expect(run(LENGTH, [...reserve(4), ...reserve(3)]).effects).toEqual([
      { kind: "reserve_options", bytes: 4 },
      { kind: "reserve_options", bytes: 3 },
    ]);
    expect(run(WRITE, [...store(4), ...store(3, 4)]).effects).toEqual([
      { kind: "header_option", option: Uint8Array.of(253, 4, 1, 2) },
      { kind: "header_option", option: Uint8Array.of(66, 3, 9) },
    ]);
  });
});

describe("redirections of messages", () => {
  const redirect = (flags: number): Part[] => [
    ctx,
    ldmap(r2, "socks"),
    mov64(r3, 0),
    mov64(r4, flags),
    call("msg_redirect_map"),
    exit(),
  ];
  // prettier-ignore
  const CASES: [string, SocketFields, flags: number, verdict: number][] = [
    ["out of a connection",    {}, 0, 1],
    ["into a connection",      {}, 1, 1],
    ["by an unknown flag",     {}, 2, 0],
    ["out of a listener",      { state: 10 }, 0, 0],
    ["into a UDP socket",      { type: 2, protocol: 17, state: 1 }, 1, 1],
    ["out of a UDP socket",    { type: 2, protocol: 17, state: 1 }, 0, 0],
    ["into an unconnected one", { type: 2, protocol: 17, state: 7 }, 1, 0],
  ];
  test.each(CASES)("%s", (_, fields, flags, verdict) => {
    const machine = machineFor("sk_msg", redirect(flags));
    machine.socketMap("socks").setSocket(u32(0), machine.createSocket(fields));
    expect(machine.run("p", { packet: new Uint8Array(4) })).toMatchObject({ fault: null, returnValue: verdict });
  });
});
