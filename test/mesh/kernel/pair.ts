/**
 * Two pods of one node with the mesh's programs in place and the maps written by hand: everything is allowed until `deny`.
 * For what is tried on sockets; who compiles policies and writes maps for real is tested elsewhere.
 */
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readElf } from "ebpf-ts/elf";
import { attachCgroup, attachSockmap, attachTcx, load, netnsCookie, withNetns } from "ebpf-ts/loader";
import type { Attachment, LoadedObject } from "ebpf-ts/loader";
import { createBed } from "ebpf-ts/mesh";
import type { Bed, PodPlace } from "ebpf-ts/mesh";
import { parseAddress } from "ebpf-ts/packet";

const OBJECT = new URL("../../../dist/programs/mesh.o", import.meta.url).pathname;
const FOLDER = new URL(".", import.meta.url).pathname;

export const ALLOW_ALL = 1;
export const DENY_ALL = 2;
/** SettingsFlag.Shortcut. */
export const SHORTCUT = 4;
/** EndpointFlag.NoShortcut. */
export const NO_SHORTCUT = 4;

/** The words of an address as programs read them. */
export function words(address: string): { hi: bigint; lo: bigint } {
  const v4 = parseAddress(address, "ipv4");
  const bytes =
    v4 === null
      ? parseAddress(address, "ipv6")
      : Uint8Array.of(...Array.from({ length: 10 }, () => 0), 255, 255, ...v4);
  if (bytes === null) throw new TypeError(address);
  const view = new DataView(bytes.buffer);
  return { hi: view.getBigUint64(0, true), lo: view.getBigUint64(8, true) };
}

/** Compiles a C file of this folder, once for each process; null without a compiler. */
export function compileC(name: string): string | null {
  const target = join(tmpdir(), `ebpf-ts-${process.pid}-${name}`);
  try {
    execFileSync("cc", ["-O2", "-pthread", "-o", target, join(FOLDER, `${name}.c`)], { stdio: "pipe" });
    return target;
  } catch (failure) {
    process.stderr.write(`skipped: ${name}.c does not compile here: ${String(failure)}\n`);
    return null;
  }
}

export interface Ran {
  readonly code: number | null;
  readonly lines: readonly string[];
}

/** A command in a pod, in its namespace and cgroup. `first` resolves with its first line, `ended` when it is over. */
export function runIn(
  pod: PodPlace,
  command: string,
  args: readonly string[],
): { first: Promise<string>; ended: Promise<Ran>; kill(): void } {
  // The shell enters the group and becomes the command, so that no socket of it is made outside.
  const enter = ["-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', pod.cgroup, command, ...args];
  const child = withNetns(pod.netns, () => spawn("/bin/sh", enter, { stdio: ["ignore", "pipe", "inherit"] }));
  const lines: string[] = [];
  let rest = "";
  const first = new Promise<string>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      if (lines[0] !== undefined) resolve(lines[0]);
    });
    child.on("close", () => resolve(lines[0] ?? ""));
  });
  const ended = new Promise<Ran>((resolve) => child.on("close", (code) => resolve({ code, lines })));
  return { first, ended, kill: () => void child.kill("SIGKILL") };
}

interface EndpointRow {
  hi4: bigint;
  lo4: bigint;
  hi6: bigint;
  lo6: bigint;
  id: number;
  identity: number;
  generation: number;
  flags: number;
  policy: number;
  reserved: number;
}

export interface Pair {
  readonly bed: Bed;
  readonly object: LoadedObject;
  readonly a: PodPlace;
  readonly b: PodPlace;
  /** What `settings` has: SettingsFlag bits. */
  set(flags: number, waypointPort?: number): void;
  /** Gives a pod another policy, ALLOW_ALL or DENY_ALL, and the next generation. */
  give(pod: PodPlace, policy: number): void;
  /** Sets a pod's EndpointFlag bits. */
  flag(pod: PodPlace, flags: number): void;
  /** Some address got another identity. */
  renewIdentities(): void;
  close(): void;
}

export interface PairOptions {
  /** Without any of the mesh's programs. */
  readonly bare?: boolean;
  /** Programs at the pods' cgroups; sock_ops and sock_msg when nothing is said. */
  readonly cgroup?: readonly string[];
}

export async function createPair({ bare = false, cgroup = ["sock_ops"] }: PairOptions = {}): Promise<Pair> {
  const pod = (name: string, i: number) => ({
    namespace: "t",
    name,
    addresses: [`10.88.0.${i}`, `fd88::${i}`],
    hostNetwork: false,
    node: "n",
  });
  const bed = await createBed({
    nodes: [{ name: "n", addresses: ["10.87.0.1", "fd87::1"] }],
    pods: [pod("a", 1), pod("b", 2)],
    outside: [],
  });
  const links: Attachment[] = [];
  const object = await load(readElf(readFileSync(OBJECT)), { programs: ["from_pod", "to_pod", "sock_msg", ...cgroup] });
  const close = (): void => {
    for (const link of links) link.close();
    object.close();
    bed.close();
  };
  const [a, b] = [bed.pod("t/a"), bed.pod("t/b")];
  const settings = { identities: 1, flags: 0, waypointPort: 0, reserved: 0 };
  const endpoints = object.map<number, EndpointRow>("endpoints");
  try {
    for (const [i, place] of [a, b].entries()) {
      const device = place.nodeDevice?.index ?? 0;
      const [four = "", six = ""] = place.pod.addresses;
      const id = i + 1;
      const identity = 300 + i;
      endpoints.set(device, {
        hi4: words(four).hi,
        lo4: words(four).lo,
        hi6: words(six).hi,
        lo6: words(six).lo,
        id,
        identity,
        generation: 1,
        flags: 0,
        policy: ALLOW_ALL,
        reserved: 0,
      });
      for (const address of place.pod.addresses)
        object.map("hosts").set(words(address), { identity, endpoint: id, flags: 0, reserved: 0 });
      object.map<bigint, { value: number }>("namespaces").set(netnsCookie(place.netns), { value: device });
      if (bare) continue;
      for (const name of cgroup) links.push(attachCgroup(object.program(name), place.cgroup));
      const target = { netns: place.node.netns, interface: place.nodeDevice?.name ?? "" };
      links.push(attachTcx(object.program("from_pod"), { ...target, direction: "ingress" }));
      links.push(attachTcx(object.program("to_pod"), { ...target, direction: "egress" }));
    }
    if (!bare) links.push(attachSockmap(object.program("sock_msg"), object.map("sockets")));
    for (const direction of [0, 1]) {
      const value = { ports: 0, rule: 7, action: 1, flags: 0, l7: 0, reserved: 0 };
      object.map("judgements").set({ policy: ALLOW_ALL, identity: 0, direction }, value);
    }
  } catch (failure) {
    close();
    throw failure;
  }
  const put = (): void => object.map<number, typeof settings>("settings").set(0, settings);
  put();
  return {
    bed,
    object,
    a,
    b,
    set(flags, waypointPort = 0) {
      settings.flags = flags;
      settings.waypointPort = waypointPort;
      put();
    },
    give(place, policy) {
      const device = place.nodeDevice?.index ?? 0;
      const row = endpoints.get(device);
      if (row !== undefined) endpoints.set(device, { ...row, policy, generation: row.generation + 1 });
    },
    flag(place, flags) {
      const device = place.nodeDevice?.index ?? 0;
      const row = endpoints.get(device);
      if (row !== undefined) endpoints.set(device, { ...row, flags });
    },
    renewIdentities() {
      settings.identities += 1;
      put();
    },
    close,
  };
}
