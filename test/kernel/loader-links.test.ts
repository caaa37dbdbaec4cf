/** Attaching, with real packets and connections: each hook does what its program says, and stops when detached. */
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  add64,
  atomic,
  call,
  exit,
  ja,
  jmp,
  label,
  ldx,
  mov64,
  r0,
  r1,
  r2,
  r3,
  r4,
  r6,
  r7,
  r10,
  st,
  swap,
} from "../../lib/asm/index.ts";
import type { Item } from "../../lib/asm/index.ts";
import type { ProgramSpec } from "../../lib/object/index.ts";
import {
  attach,
  attachCgroup,
  attachNetns,
  attachSockmap,
  attachTcx,
  attachXdp,
  indexOfInterface,
  linkInfo,
  listTcx,
  load,
  openLink,
  openMap,
  openProgram,
  tagOfProgram,
  withNetns,
} from "../../loader/index.ts";
import type { Attachment } from "../../loader/index.ts";
import { Bed, noKernel } from "./bed.ts";
import type { Running } from "./bed.ts";
import { ldmap, map, object, program, T } from "./specs.ts";

const openFds = () => readdirSync("/proc/self/fd").length;
const COUNTS = map("counts", "array", 4, 8, 1, { keyType: T.u32, valueType: T.u64 });
const network16 = (port: number) => ((port & 0xff) << 8) | (port >> 8);

/** counts[0] += 1. Uses r0 to r2. */
const countUp = [
  st(4, r10, -4, 0),
  mov64(r2, r10),
  add64(r2, -4),
  ldmap(r1, "counts"),
  call("map_lookup_elem"),
  jmp("eq", r0, 0, "counted"),
  mov64(r1, 1),
  atomic("add", 8, r0, 0, r1),
  label("counted"),
] as const;

/** Drops and counts UDP packets to a port, passes others. */
function dropUdp(name: string, hook: "xdp" | "tcx_ingress" | "tcx_egress", port: number): ProgramSpec {
  const [data, end, pass, drop] = hook === "xdp" ? ([0, 4, 2, 1] as const) : ([76, 80, 0, 2] as const);
  return program(name, hook, [
    ldx(4, r2, r1, data),
    ldx(4, r3, r1, end),
    mov64(r4, r2),
    add64(r4, 42),
    jmp("gt", r4, r3, "pass"),
    ldx(2, r4, r2, 12),
    jmp("ne", r4, network16(0x0800), "pass"),
    ldx(1, r4, r2, 23),
    jmp("ne", r4, 17, "pass"),
    ldx(2, r4, r2, 36),
    jmp("ne", r4, network16(port), "pass"),
    ...countUp,
    mov64(r0, drop),
    exit(),
    label("pass"),
    mov64(r0, pass),
    exit(),
  ]);
}

const verdict = (name: string, hook: "xdp" | "tcx_ingress", value: number) =>
  program(name, hook, [mov64(r0, value), exit()]);

let bed: Bed;
let before: number;
beforeEach(() => {
  before = openFds();
  bed = new Bed();
});
afterEach(() => bed.close());

/** Two namespaces joined by veth0, and a process in the second that reports the ports that UDP packets come to. */
async function udpPair(): Promise<{ from: string; to: string; receiver: Running; send: (...ports: number[]) => void }> {
  const [from, to] = [bed.netns("a"), bed.netns("b")];
  bed.veth(from, "10.77.0.1/24", to, "10.77.0.2/24");
  const receiver = await bed.start(
    `const dgram = require("dgram"); let left = 2;
     for (const port of [7000, 7001]) dgram.createSocket("udp4").on("message", (m) => console.log(port, String(m))).bind(port, () => { if (--left === 0) console.log("ready"); });`,
    { netns: to },
  );
  let round = 0;
  const send = (...ports: number[]) => {
    round++;
    bed.run(
      `const s = require("dgram").createSocket("udp4"); const ports = ${JSON.stringify(ports)};
       (function next() { const port = ports.shift(); if (port === undefined) return s.close(); s.send("round ${round}", port, "10.77.0.2", next); })();`,
      { netns: from },
    );
  };
  return { from, to, receiver, send };
}

describe.skipIf(noKernel)("packets", () => {
  test.each([
    ["xdp", "generic"],
    ["xdp", "native"],
    ["xdp", "auto"],
  ] as const)("%s (%s) on veth drops real packets, until replaced", async (_, mode) => {
    const { to, receiver, send } = await udpPair();
    await using loaded = await load(object([dropUdp("drop", "xdp", 7001), verdict("pass", "xdp", 2)], [COUNTS]));
    const link = attachXdp(loaded.program("drop"), { interface: "veth0", netns: to, mode });
    send(7001, 7000);
    expect(await receiver.line()).toBe("7000 round 1");
    expect(loaded.map<number, bigint>("counts").get(0)).toBe(1n);
    expect(() => attachXdp(loaded.program("pass"), { interface: "veth0", netns: to })).toThrow(
      /attach program "pass" as xdp on veth0.*(EBUSY|EEXIST)[^]*another program is attached/,
    );
    link.update(loaded.program("pass"));
    send(7001);
    expect(await receiver.line()).toBe("7001 round 2");
    link.update(loaded.program("drop"));
    link.detach();
    link.detach();
    send(7001);
    expect(await receiver.line()).toBe("7001 round 3");
  });

  test("tcx ingress and egress drop real packets; two programs on one hook", async () => {
    const { from, to, receiver, send } = await udpPair();
    const spec = object(
      [dropUdp("in", "tcx_ingress", 7001), dropUdp("out", "tcx_egress", 7000), verdict("next", "tcx_ingress", -1)],
      [COUNTS],
    );
    await using loaded = await load(spec);
    const links: Attachment[] = [
      attachTcx(loaded.program("next"), { interface: "veth0", netns: to }),
      attachTcx(loaded.program("in"), { interface: "veth0", netns: to }),
    ];
    send(7001, 7000);
    expect(await receiver.line()).toBe("7000 round 1");
    links.push(attachTcx(loaded.program("out"), { interface: "veth0", netns: from }));
    for (const link of links.splice(0, 2)) link.detach();
    send(7000, 7001);
    expect(await receiver.line()).toBe("7001 round 2");
    expect(loaded.map<number, bigint>("counts").get(0)).toBe(2n);
    for (const link of links) link.close();
    send(7000);
    expect(await receiver.line()).toBe("7000 round 3");
  });

  test("a tcx program that is put first decides first", async () => {
    const { to, receiver, send } = await udpPair();
    await using loaded = await load(
      object([verdict("pass", "tcx_ingress", 0), dropUdp("drop", "tcx_ingress", 7001)], [COUNTS]),
    );
    await using pass = attachTcx(loaded.program("pass"), { interface: "veth0", netns: to });
    const late = attachTcx(loaded.program("drop"), { interface: "veth0", netns: to });
    send(7001);
    expect(await receiver.line()).toBe("7001 round 1");
    late.detach();
    await using first = attachTcx(loaded.program("drop"), { interface: "veth0", netns: to, position: "first" });
    send(7001, 7000);
    expect(await receiver.line()).toBe("7000 round 2");
    expect([pass.where, first.where]).toEqual(["tcx ingress on veth0", "tcx ingress on veth0"]);
  });

  test("a wrong target says what is wrong, and nothing leaks", async () => {
    const netns = bed.netns("a");
    const fds = openFds();
    const loaded = await load(object([verdict("x", "xdp", 2), verdict("t", "tcx_ingress", 0)]));
    const [x, t] = [loaded.program("x"), loaded.program("t")];
    expect(() => attachXdp(x, { interface: "nope0", netns })).toThrow(/find interface "nope0".*ENODEV/);
    expect(() => attachXdp(x, { interface: "lo", netns: "/run/netns/no-such" })).toThrow(
      /cannot open network namespace[^]*ip netns add/,
    );
    expect(() => attachXdp(t, { interface: "lo", netns })).toThrow(/type xdp[^]*sched_cls/);
    expect(() => attach(x, {})).toThrow(/"x" \(xdp\) needs an interface/);
    expect(() => attachCgroup(x, "/")).toThrow(/cannot be attached there/);
    expect(() => attachSockmap(x, loaded.map("none" as string))).toThrow(/no map "none"/);
    expect(() => withNetns(netns, async () => 1)).toThrow(/synchronous/);
    for (let i = 0; i < 50; i++) {
      attachXdp(x, { interface: "lo", netns }).detach();
      attachTcx(t, { interface: "lo", netns }).close();
    }
    loaded.close();
    expect(openFds()).toBe(fds);
  });

  test("pins outlive the process's hold; detach through a pin", async () => {
    const [fs, netns] = [bed.bpffs(), bed.netns("a")];
    const fds = openFds();
    const loaded = await load(object([verdict("x", "xdp", 1)], [COUNTS]));
    loaded.map("counts").set(0, 42n);
    loaded.map("counts").pin(`${fs}/sub/counts`);
    const link = attachXdp(loaded.program("x"), { interface: "lo", netns });
    link.pin(`${fs}/link`);
    link.close();
    loaded.close();

    using counts = openMap<number, bigint>(`${fs}/sub/counts`, COUNTS, loaded.spec.btf);
    expect(counts.get(0)).toBe(42n);
    expect(() => openMap(`${fs}/sub/counts`, { ...COUNTS, valueSize: 4, maxEntries: 2 })).toThrow(
      /L005[^]*valueSize 4, maxEntries 2[^]*valueSize 8, maxEntries 1/,
    );
    expect(() => openMap(`${fs}/none`)).toThrow(/ENOENT/);
    using again = openLink(`${fs}/link`);
    using other = await load(object([verdict("x", "xdp", 1)]));
    expect(() => attachXdp(other.program("x"), { interface: "lo", netns })).toThrow(/EBUSY/);
    again.detach();
    attachXdp(other.program("x"), { interface: "lo", netns }).detach();
    counts.close();
    other.close();
    expect(openFds()).toBe(fds);
  });
});

/** A TCP server that greets; in the namespace, listening at once. */
async function greeter(netns?: string): Promise<{ server: Server; port: number; fd: number }> {
  const server = createServer((socket) => socket.end("hello"));
  // Without a host, listen() binds before it returns; so the socket is made inside.
  withNetns(netns, () => server.listen(0));
  const { port } = server.address() as AddressInfo;
  const handle: unknown = Reflect.get(server, "_handle");
  return { server, port, fd: (handle as { fd: number }).fd };
}

/** Connects and prints what came and from whom. */
const CONNECT = (host: string, port: number) =>
  `const s = require("net").connect(${port}, ${JSON.stringify(host)}); s.setTimeout(3000, () => { console.log("timeout"); s.destroy(); });
   s.on("data", (d) => console.log(String(d), s.remoteAddress)).on("error", (e) => console.log(e.code));`;

describe.skipIf(noKernel)("connections", () => {
  /** Runs a script without blocking this process, whose server must answer. */
  const ask = async (script: string, at: { netns?: string; cgroup?: string }) => (await bed.start(script, at)).first;

  test.each([
    ["/proc", "/proc is not a cgroup of the unified hierarchy"],
    ["/no-such-folder", "cannot open cgroup /no-such-folder"],
  ])("%s is no cgroup, and the error says where they are", async (path, message) => {
    await using loaded = await load(object([program("redirect", "connect4", [mov64(r0, 1), exit()])]));
    const attach = (): unknown => attachCgroup(loaded.program("redirect"), path);
    expect(attach).toThrow(message);
    expect(attach).toThrow("cgroups are folders below");
  });

  test("connect4 in a cgroup sends a real connection elsewhere", async () => {
    const { server, port } = await greeter();
    const cgroup = bed.cgroup();
    const body: Item[] = [st(4, r1, 4, 0x0100007f), st(4, r1, 24, network16(port)), mov64(r0, 1), exit()];
    await using loaded = await load(
      object([program("redirect", "connect4", body), program("refuse", "connect4", [mov64(r0, 0), exit()])]),
    );
    await using link = attachCgroup(loaded.program("redirect"), cgroup);
    expect(await ask(CONNECT("10.99.99.99", 80), { cgroup })).toBe("hello 127.0.0.1");
    link.update(loaded.program("refuse"));
    expect(await ask(CONNECT("127.0.0.1", port), { cgroup })).toBe("EPERM");
    link.detach();
    expect(await ask(CONNECT("127.0.0.1", port), { cgroup })).toBe("hello 127.0.0.1");
    server.close();
  });

  test("sk_lookup hands a range of ports to one socket", async () => {
    const netns = bed.netns("a");
    const { server, fd } = await greeter(netns);
    const steer = program("steer", "sk_lookup", [
      mov64(r6, r1),
      ldx(4, r2, r1, 60),
      jmp("lt", r2, 8000, "out"),
      jmp("gt", r2, 8010, "out"),
      st(4, r10, -4, 0),
      mov64(r2, r10),
      add64(r2, -4),
      ldmap(r1, "socket"),
      call("map_lookup_elem"),
      jmp("eq", r0, 0, "out"),
      mov64(r7, r0),
      mov64(r1, r6),
      mov64(r2, r0),
      mov64(r3, 0),
      call("sk_assign"),
      mov64(r1, r7),
      call("sk_release"),
      label("out"),
      mov64(r0, 1),
      exit(),
    ]);
    await using loaded = await load(object([steer], [map("socket", "sockmap", 4, 8, 1)]));
    const value = new Uint8Array(8);
    new DataView(value.buffer).setUint32(0, fd, true);
    loaded.map<number, Uint8Array>("socket").set(0, value);
    await using link = attachNetns(loaded.program("steer"), netns);
    expect(await ask(CONNECT("127.0.0.1", 8005), { netns })).toBe("hello 127.0.0.1");
    expect(await ask(CONNECT("127.0.0.1", 8011), { netns })).toBe("ECONNREFUSED");
    link.detach();
    expect(await ask(CONNECT("127.0.0.1", 8005), { netns })).toBe("ECONNREFUSED");
    server.close();
  });

  test("sock_ops and sk_msg carry local data past the loopback interface", async () => {
    const [netns, cgroup] = [bed.netns("a"), bed.cgroup()];
    // Key: own port, peer's port. The context has the peer's in network order.
    const remember = program("remember", "sock_ops", [
      ldx(4, r2, r1, 0),
      jmp("eq", r2, 4, "established"),
      jmp("ne", r2, 5, "out"),
      label("established"),
      ldx(4, r2, r1, 68),
      st(4, r10, -8, r2),
      ldx(4, r2, r1, 64),
      swap("be", 32, r2),
      st(4, r10, -4, r2),
      ldmap(r2, "sockets"),
      mov64(r3, r10),
      add64(r3, -8),
      mov64(r4, 0),
      call("sock_hash_update"),
      label("out"),
      mov64(r0, 1),
      exit(),
    ]);
    const shortcut = program("shortcut", "sk_msg", [
      ldx(4, r2, r1, 60),
      swap("be", 32, r2),
      st(4, r10, -8, r2),
      ldx(4, r2, r1, 64),
      st(4, r10, -4, r2),
      ldmap(r2, "sockets"),
      mov64(r3, r10),
      add64(r3, -8),
      mov64(r4, 1),
      call("msg_redirect_hash"),
      ja("out"),
      label("out"),
      mov64(r0, 1),
      exit(),
    ]);
    await using loaded = await load(object([remember, shortcut], [map("sockets", "sockhash", 8, 4, 100)]));
    // Sends a megabyte to itself and prints how much arrived.
    const transfer = `const net = require("net"); const size = 1 << 20; let got = 0;
      const server = net.createServer((s) => s.on("data", (d) => { got += d.length; if (got >= size) { console.log(got); process.exit(); } }));
      server.listen(7000, "127.0.0.1", () => { const s = net.connect(7000, "127.0.0.1", () => setTimeout(() => s.write(Buffer.alloc(size)), 50)); });`;
    const loopbackBytes = () =>
      withNetns(netns, () => Number(/lo:\s*(\d+)/.exec(readFileSync("/proc/thread-self/net/dev", "utf8"))?.[1]));
    const transferred = async () => {
      const start = loopbackBytes();
      expect(await ask(transfer, { netns, cgroup })).toBe(String(1 << 20));
      return loopbackBytes() - start;
    };
    expect(await transferred()).toBeGreaterThan(1 << 20);
    const links: Attachment[] = [
      attachSockmap(loaded.program("shortcut"), loaded.map("sockets")),
      attach(loaded.program("remember"), { cgroup }),
    ];
    expect(await transferred()).toBeLessThan(20_000);
    for (const link of links) link.detach();
    expect(await transferred()).toBeGreaterThan(1 << 20);
  });

  test("a link says which program is attached and to what, and the tag whether it is the same", async () => {
    const netns = bed.netns("a");
    const other = bed.netns("b");
    bed.veth(netns, "10.77.0.1/24", other, "10.77.0.2/24");
    const at = { interface: "veth0", netns };
    const [one, two] = [verdict("one", "tcx_ingress", 0), verdict("two", "tcx_ingress", 2)];
    await using loaded = await load(object([one, two]));
    await using again = await load(object([one]));
    const [first, second] = [loaded.program("one"), loaded.program("two")];
    await using link = attachTcx(first, at);
    expect(linkInfo(link)).toMatchObject({ kind: "tcx", program: first.id, target: indexOfInterface(at) });
    expect(listTcx(at, "ingress")).toEqual([first.id]);
    expect(tagOfProgram(first.id)).toBe(again.program("one").tag);
    link.update(second);
    expect(linkInfo(link).program).toBe(second.id);
    expect(second.tag).not.toBe(first.tag);
    expect(tagOfProgram(2 ** 31)).toBeNull();
    bed.close();
    expect(linkInfo(link).target).toBe(0);
    expect(() => indexOfInterface({ interface: "nowhere" })).toThrow(/ENODEV/);
  });

  test("a pinned program is the same program", async () => {
    const folder = bed.bpffs();
    const spec = verdict("one", "tcx_ingress", 0);
    await using loaded = await load(object([spec]));
    const [path, program] = [`${folder}/one`, loaded.program("one")];
    program.pin(path);
    using opened = openProgram(path, spec);
    expect([opened.id, opened.tag, opened.type, opened.attach]).toEqual([
      program.id,
      program.tag,
      "sched_cls",
      "tcx_ingress",
    ]);
    expect(() => openProgram(path, { ...spec, type: "xdp" })).toThrow(/no program of type xdp/);
  });

  test("nothing is left open", () => {
    bed.close();
    expect(openFds()).toBe(before);
  });
});
