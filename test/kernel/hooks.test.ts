/**
 * The hooks of the standard library at work: each program of test/files/language/effects.ts attached to a cgroup, a sockmap or
 * a group of sockets of its own, and what real sockets then see. Where the kernel has a test run, that is asked instead.
 *
 * The sockets are Python's: Node cannot call setsockopt. One compiled object, loaded anew for each test.
 */
import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, test } from "vitest";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { attach, attachCgroup, attachSockmap, load, withNetns } from "../../loader/index.ts";
import type { BpfMap, LoadedObject } from "../../loader/index.ts";
import { compiled } from "../differential/engines.ts";
import { Bed, noKernel } from "./bed.ts";

const noPython = spawnSync("python3", ["--version"]).status !== 0;
if (noPython) process.stderr.write("skipped: effects of hooks: python3 is missing\n");

let object: ObjectSpec;
beforeAll(async () => {
  object = await compiled(new URL("../files/language/effects.ts", import.meta.url).pathname);
});

const PRELUDE = `
import errno, json, os, socket, sys
from socket import AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM, SOL_SOCKET, SO_REUSEPORT
def attempt(body):
    try: return body()
    except OSError as e: return errno.errorcode.get(e.errno, str(e))
def sock(kind, family=AF_INET):
    s = socket.socket(family, kind)
    s.settimeout(0.3)
    return s
def bound(kind, port, host="127.0.0.1", family=AF_INET):
    s = sock(kind, family)
    s.bind((host, port))
    return s
def received(s):
    try: return s.recv(100).decode()
    except TimeoutError: return None
def show(*values): print(json.dumps(values))
`;

/** Runs Python in a namespace and cgroup, with descriptors 3 and on; what it shows. */
function python(script: string, netns: string, cgroup: string, fds: readonly number[] = []): unknown {
  const enter = 'echo $$ > "$1/cgroup.procs" && exec python3 -c "$2"';
  const run = withNetns(netns, () =>
    spawnSync("/bin/sh", ["-c", enter, "sh", cgroup, PRELUDE + script], {
      encoding: "utf8",
      timeout: 10_000,
      stdio: ["ignore", "pipe", "pipe", ...fds],
    }),
  );
  if (run.status !== 0) throw new Error(`python: ${run.stderr}`);
  return JSON.parse(run.stdout);
}

/** A namespace and a cgroup, and the programs attached to it. */
async function attached(names: readonly string[], body: (at: Site) => void | Promise<void>): Promise<void> {
  await using bed = new Bed();
  const [netns, cgroup] = [bed.netns("h"), bed.cgroup()];
  await using loaded = await load(object, { programs: names });
  const links = names.map((name) => attachCgroup(loaded.program(name), cgroup));
  try {
    await body({
      run: (script, fds) => python(script, netns, cgroup, fds),
      seen: (index) => loaded.map<number, { value: bigint }>("seen").get(index)?.value ?? 0n,
      loaded,
      cgroup,
    });
  } finally {
    for (const link of links) link.close();
  }
}
interface Site {
  readonly run: (script: string, fds?: readonly number[]) => unknown;
  readonly seen: (index: number) => bigint;
  readonly loaded: LoadedObject;
  readonly cgroup: string;
}

/** The maps that programs loaded later work on too. */
function shared(loaded: LoadedObject): { readonly [name: string]: BpfMap<never, never> } {
  return { streams: loaded.map("streams"), seen: loaded.map("seen") };
}

describe.skipIf(noKernel || noPython)("programs at their hooks", () => {
  test("cgroup_skb: what leaves for port 9001 and what comes to port 9002 is lost", () =>
    attached(["leaving", "arriving"], ({ run, seen }) => {
      const script = `
sockets = [bound(SOCK_DGRAM, port) for port in (9000, 9001, 9002)]
for s in sockets: attempt(lambda: sockets[0].sendto(b"hello", s.getsockname()))
show(*[received(s) for s in sockets])`;
      expect(run(script)).toEqual(["hello", null, null]);
      // 20 bytes IPv4, 8 bytes UDP, 5 bytes of data; the packet that egress dropped never arrived.
      expect([seen(0), seen(1)]).toEqual([99n, 66n]);
    }));

  test("sock_create and sock_release: datagrams refused, the others marked until they close", () =>
    attached(["born", "dead"], ({ run, loaded }) => {
      const script = `
s = sock(SOCK_STREAM)
show(attempt(lambda: sock(SOCK_DGRAM)), s.getsockopt(SOL_SOCKET, 36))
s.close()`;
      expect(run(script)).toEqual(["EPERM", 77]);
      const marks = [...loaded.map<bigint, { value: bigint }>("closed").entries()].map(([, { value }]) => value);
      expect(marks).toEqual([77n]);
    }));

  test("bind: another port or address than the process wanted; post_bind: refused", () =>
    attached(["binding4", "binding6", "bound4", "bound6"], ({ run }) => {
      const script = `
show(bound(SOCK_STREAM, 9004).getsockname()[1],
     bound(SOCK_STREAM, 9004, "::", AF_INET6).getsockname()[0],
     attempt(lambda: bound(SOCK_STREAM, 9003)),
     attempt(lambda: bound(SOCK_STREAM, 9003, "::1", AF_INET6)),
     bound(SOCK_DGRAM, 9003, "127.0.0.2").getsockname()[1])`;
      expect(run(script)).toEqual([9005, "::1", "EPERM", "EPERM", 9003]);
    }));

  test.each([
    ["last", 9006],
    ["first", 9005],
  ] as const)("a second bind program, put %s: port %i", async (position, port) => {
    await attached(["binding4"], async ({ run, loaded, cgroup }) => {
      await using programs = await load(object, { programs: ["bindingOn4"], maps: shared(loaded) });
      await using link = attachCgroup(programs.program("bindingOn4"), cgroup, position);
      expect(run("show(bound(SOCK_STREAM, 9004).getsockname()[1])")).toEqual([port]);
      expect(link.where).toContain("bind");
    });
  });

  test("programs that their socket's owner attaches", async () => {
    await using loaded = await load(object, { programs: ["choose", "shorten"] });
    expect(() => attach(loaded.program("choose"), {})).toThrow(/L004[^]*SO_ATTACH_REUSEPORT_EBPF/);
    expect(() => attach(loaded.program("shorten"), {})).toThrow(/L004[^]*SO_ATTACH_BPF/);
  });

  test("getsockopt and setsockopt: options of the program's own, answers changed, values refused", () =>
    attached(["asked", "told"], ({ run, seen }) => {
      const script = `
s = sock(SOCK_STREAM)
show(s.getsockopt(0x1234, 41), s.getsockopt(0, 2), attempt(lambda: s.setsockopt(0, 1, 8)), s.getsockopt(0, 1),
     attempt(lambda: s.setsockopt(0, 1, 16)), s.getsockopt(0, 1), attempt(lambda: s.setsockopt(0x1234, 1, 5)))`;
      expect(run(script)).toEqual([42, 99, "EPERM", 0, null, 16, null]);
      expect(seen(2)).toBe(5n);
    }));

  test("socket storage: the socket itself counts its connects", () =>
    attached(["connecting"], ({ run }) => {
      const script = `
s, other = sock(SOCK_DGRAM), sock(SOCK_DGRAM)
connect = lambda s: attempt(lambda: s.connect(("127.0.0.1", 1)))
show([connect(s) for i in range(4)], connect(other))`;
      expect(run(script)).toEqual([[null, null, "EPERM", "EPERM"], null]);
    }));

  test("sk_skb verdict: a connection that echoes in the kernel", () =>
    attached(["accepted"], async ({ run, loaded }) => {
      await using program = await load(object, {
        programs: ["echo"],
        maps: shared(loaded),
      });
      await using link = attachSockmap(program.program("echo"), loaded.map("streams"));
      const script = `
listener = bound(SOCK_STREAM, 9010)
listener.listen()
client = socket.create_connection(listener.getsockname(), 1)
server, _ = listener.accept()
client.sendall(b"ping")
show(received(client))`;
      expect(run(script)).toEqual(["ping"]);
      expect(link.where).toContain("sk_skb_verdict");
    }));

  test("sk_skb parser: the stream is judged message by message", () =>
    attached(["accepted"], async ({ run, loaded, seen }) => {
      await using programs = await load(object, {
        programs: ["parse", "judge"],
        maps: shared(loaded),
      });
      const map = loaded.map<never, never>("streams");
      await using parser = attachSockmap(programs.program("parse"), map);
      await using verdict = attachSockmap(programs.program("judge"), map);
      const script = `
import time
listener = bound(SOCK_STREAM, 9010)
listener.listen()
client = socket.create_connection(listener.getsockname(), 1)
server, _ = listener.accept()
server.settimeout(0.3)
for part in (b"\\x03\\x01a", b"\\x04\\x00no", b"\\x05\\x01", b"bcd"):
    client.sendall(part)
    time.sleep(0.05)
text = ""
while (part := received(server)): text += part
show(text)`;
      expect(run(script)).toEqual(["\x03\x01a\x05\x01bcd"]);
      expect(seen(4)).toBe(3n);
      expect([parser.where, verdict.where].map((w) => w.split(" ")[0])).toEqual([
        "sk_skb_stream_parser",
        "sk_skb_stream_verdict",
      ]);
    }));

  test("sk_reuseport: the datagram says which socket of the group gets it; a missing one loses it", () =>
    attached(["accepted"], async ({ run }) => {
      await using loaded = await load(object, { programs: ["choose"] });
      const script = `
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
def put(index, s): # BPF_MAP_UPDATE_ELEM
    key, value = ctypes.create_string_buffer(struct.pack("I", index)), ctypes.create_string_buffer(struct.pack("Q", s.fileno()))
    attr = struct.pack("IxxxxQQQ", 4, ctypes.addressof(key), ctypes.addressof(value), 0)
    assert libc.syscall(321, 2, attr, len(attr)) == 0, ctypes.get_errno()
def member():
    s = sock(SOCK_DGRAM)
    s.setsockopt(SOL_SOCKET, SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", 9011))
    return s
sockets = [member() for i in range(3)]
sockets[0].setsockopt(SOL_SOCKET, 52, 3) # SO_ATTACH_REUSEPORT_EBPF
put(0, sockets[0]); put(1, sockets[2])
client = sock(SOCK_DGRAM)
for text in (b"\\x01one", b"\\x00zero", b"\\x02none"): client.sendto(text, ("127.0.0.1", 9011))
show(*[received(s) for s in sockets])`;
      const fds = [loaded.program("choose").fd, loaded.map("group").fd];
      expect(run(script, fds)).toEqual(["\x00zero", null, "\x01one"]);
    }));
});

describe.skipIf(noKernel)("test runs", () => {
  const frame = Uint8Array.from({ length: 64 }, (_, i) => (i === 12 ? 8 : i === 13 ? 0 : i));

  test("socket filter: how many bytes the socket gets", async () => {
    await using loaded = await load(object, { programs: ["shorten"] });
    expect(loaded.program("shorten").testRun({ data: frame }).returnValue).toBe(64 - 14 - 4);
  });

  test("flow dissector: the keys come back as the run's data", async () => {
    await using loaded = await load(object, { programs: ["dissect"] });
    const { returnValue, data } = loaded.program("dissect").testRun({ data: frame });
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    expect([returnValue, data.length]).toEqual([0, 56]);
    expect([view.getUint16(0, true), view.getUint16(2, true), view.getUint16(4, true), data[9]]).toEqual([
      14, 34, 0x0800, 6,
    ]);
    expect([view.getUint16(12), view.getUint16(14), view.getUint32(16), view.getUint32(20)]).toEqual([
      1, 80, 0x0a000001, 0x0a000002,
    ]);
  });

  test("XDP metadata: written in front of the packet, with its own end", async () => {
    await using loaded = await load(object, { programs: ["describeFrame"] });
    // struct xdp_md with data_end 64: the run takes its metadata from it, and gives it back.
    const ctx = new Uint8Array(24);
    new DataView(ctx.buffer).setUint32(4, 64, true);
    const { returnValue } = loaded.program("describeFrame").testRun({ data: frame, ctx });
    expect(returnValue).toBe(2);
  });
});
