/** What the tests of programs/mesh share: addresses as the tables have them, a node with one pod, and its policies. */
import { parseAddress } from "../../lib/bytes/index.ts";
import { loadObject } from "../../testing/index.ts";
import type { Event, LoadOptions, TestObject, TestResult } from "../../testing/index.ts";
import { pathOf } from "./example.ts";

/** A file of programs/mesh, as an object of its own. */
export const pathOfMesh = (name: string): string => pathOf(`mesh/${name}`);

/** 16 bytes, IPv4 as ::ffff:a.b.c.d. */
export function addressBytes(address: string): Uint8Array {
  const v4 = parseAddress(address, "ipv4");
  if (v4 === null) return parseAddress(address, "ipv6") ?? new Uint8Array(16);
  const bytes = new Uint8Array(16);
  bytes.set([0xff, 0xff], 10);
  bytes.set(v4, 12);
  return bytes;
}

/** An Address, its words read raw. */
export function words(address: string): { hi: bigint; lo: bigint } {
  const view = new DataView(addressBytes(address).buffer);
  return { hi: view.getBigUint64(0, true), lo: view.getBigUint64(8, true) };
}

/** A Prefix; the length as it is written. */
export function prefix(cidr: string): { bits: number; a: number; b: number; c: number; d: number } {
  const [address = "", length = "0"] = cidr.split("/");
  const view = new DataView(addressBytes(address).buffer);
  const [a = 0, b = 0, c = 0, d = 0] = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
  return { bits: Number(length) + (address.includes(":") ? 0 : 96), a, b, c, d };
}

export const DENY = 0;
export const ALLOW = 1;
export const REDIRECT = 2;
export const INGRESS = 0;
export const EGRESS = 1;
export const ICMP_TYPE = 0x8000;
export const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const;

// prettier-ignore
export const REASON = {
  invalidSource: 132, policyDenied: 133, invalidPacket: 134, unsupportedL3: 139, flowTableFull: 155, invalidExtension: 156,
  fragmentNotFound: 175, policyDeny: 181, waypointDown: 220, lockedDown: 221, unknownEndpoint: 222, prefilter: 223,
} as const;
export const KIND = { forwarded: 1, dropped: 2, redirected: 3, audited: 4, closed: 5 } as const;
/** Of hosts; of endpoints; of the settings. */
export const FLAG = { local: 1, lockedDown: 1, waypointUp: 2, flowEvents: 1, audit: 2 } as const;

/** A verdict: `[action, rule, l7]`. */
export type Says = readonly [action: number, rule: number, l7?: number];

/** A port table's entry: `port / bits` of a protocol (16 bits: one port, 0: any). */
export interface PortSays {
  readonly protocol: number;
  readonly port: number;
  readonly bits?: number;
  readonly says: Says;
}

/** What a policy says of an identity (0: any other) in a direction. */
export interface Judges {
  readonly identity: number;
  readonly direction: number;
  readonly says: Says;
  readonly ports?: readonly PortSays[];
}

export interface EndpointFields {
  readonly ifindex?: number;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly id?: number;
  readonly identity?: number;
  readonly generation?: number;
  readonly flags?: number;
  readonly policy?: number;
}

// A type alias, because interfaces have no index signature and map keys want one.
export type FlowKey = Readonly<
  Record<"localHi" | "localLo" | "remoteHi" | "remoteLo", bigint> &
    Record<"localPort" | "remotePort" | "protocol" | "reserved" | "reserved2", number>
>;

/** The key of a flow between the pod and `remote`, both `address:port`. */
export function flowKey(
  local: readonly [string, number],
  remote: readonly [string, number],
  protocol: number,
): FlowKey {
  const [here, there] = [words(local[0]), words(remote[0])];
  return {
    localHi: here.hi,
    localLo: here.lo,
    remoteHi: there.hi,
    remoteLo: there.lo,
    localPort: local[1],
    remotePort: remote[1],
    protocol,
    reserved: 0,
    reserved2: 0,
  };
}

/** The same value with zeros for its numbers. */
function zeroed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(zeroed);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, zeroed(member)]));
  return typeof value === "bigint" ? 0n : 0;
}

/** The mesh's programs on a machine, and its tables as a test fills them. */
export class Node implements Disposable {
  readonly object: TestObject;
  private nextTable = 1;

  constructor(object: TestObject) {
    this.object = object;
  }

  static async load(options: LoadOptions, { source = pathOfMesh("pod"), settings = true } = {}): Promise<Node> {
    const node = new Node(await loadObject(source, options));
    if (settings) node.settings({});
    return node;
  }

  /** Empties the tables, so that a test starts anew; loading costs more than all that a test does. */
  reset(): void {
    for (const { name, type } of this.object.spec.maps) {
      const map = this.object.map<unknown, unknown>(name);
      if (/hash|lpm/.test(type) && type !== "hash_of_maps") for (const [key] of [...map.entries()]) map.delete(key);
      if (type === "ringbuf") this.object.events(name);
    }
    for (const direction of [INGRESS, EGRESS]) {
      for (const reason of [0, ...Object.values(REASON)]) {
        const counters = this.object.map<number, unknown>("counters");
        const at = (direction << 8) | reason;
        counters.set(at, zeroed(counters.get(at)));
      }
    }
    this.settings({});
  }

  settings(fields: { identities?: number; flags?: number; waypointPort?: number }): void {
    this.object.map("settings").set(0, { identities: 0, flags: 0, waypointPort: 0, reserved: 0, ...fields });
  }

  endpoint(fields: EndpointFields = {}): void {
    const {
      ifindex = 1,
      ipv4 = "10.0.0.2",
      ipv6 = "fd00::2",
      id = 1,
      identity = 1000,
      generation = 1,
      flags = 0,
      policy = 1,
    } = fields;
    const [v4, v6] = [words(ipv4), words(ipv6)];
    const value = {
      hi4: v4.hi,
      lo4: v4.lo,
      hi6: v6.hi,
      lo6: v6.lo,
      id,
      identity,
      generation,
      flags,
      policy,
      reserved: 0,
    };
    this.object.map("endpoints").set(ifindex, value);
    for (const address of [ipv4, ipv6]) this.host(address, identity, { endpoint: id });
  }

  host(address: string, identity: number, { endpoint = 0, flags = 0 } = {}): void {
    this.object.map("hosts").set(words(address), { identity, endpoint, flags, reserved: 0 });
  }

  prefix(cidr: string, identity: number): void {
    this.object.map("prefixes").set(prefix(cidr), { identity, endpoint: 0, flags: 0, reserved: 0 });
  }

  policy(number: number, judgements: readonly Judges[]): void {
    for (const { identity, direction, says, ports = [] } of judgements) {
      const table = ports.length === 0 ? 0 : this.nextTable++;
      const [action, rule, l7 = 0] = says;
      const flags = ports.reduce((f, { bits = 16 }) => f | (bits === 16 ? 1 : bits === 0 ? 4 : 2), 0);
      this.object
        .map("judgements")
        .set({ policy: number, identity, direction }, { ports: table, rule, action, flags, l7, reserved: 0 });
      for (const entry of ports) this.port(table, entry);
    }
  }

  private port(ports: number, { protocol, port, bits = 16, says: [action, rule, l7 = 0] }: PortSays): void {
    const verdict = { rule, action, reserved: 0, l7 };
    if (bits === 16 || bits === 0) this.object.map("verdicts").set({ ports, port, protocol, reserved: 0 }, verdict);
    else
      this.object
        .map("portRanges")
        .set(
          { bits: 40 + bits, ports: swap32(ports), protocol, portHigh: port >> 8, portLow: port & 255, reserved: 0 },
          verdict,
        );
  }

  toPod(packet: Uint8Array, more: Omit<Event, "packet"> = {}): TestResult {
    return this.object.program("to_pod").run({ packet, ...more });
  }

  fromPod(packet: Uint8Array, more: Omit<Event, "packet"> = {}): TestResult {
    return this.object.program("from_pod").run({ packet, ...more });
  }

  events(): Record<string, unknown>[] {
    return this.object.events<Record<string, unknown>>("events");
  }

  /** `[packets, bytes]` of what became of packets; reason 0: passed. */
  counted(direction: number, reason: number): readonly [bigint, bigint] {
    return this.traffic("counters", (direction << 8) | reason);
  }

  ruleTraffic(rule: number): readonly [bigint, bigint] {
    return this.traffic("ruleTraffic", rule);
  }

  pair(identity: number, direction: number, action: number, endpoint = 1): readonly [bigint, bigint] {
    return this.traffic("pairTraffic", { endpoint, identity, direction, action, reserved: 0 });
  }

  private traffic(map: string, key: unknown): readonly [bigint, bigint] {
    const each = this.object.map<unknown, { packets: bigint; bytes: bigint }[]>(map).get(key) ?? [];
    return [each.reduce((sum, t) => sum + t.packets, 0n), each.reduce((sum, t) => sum + t.bytes, 0n)];
  }

  flow(map: "flows" | "halfOpen", key: FlowKey): Record<string, unknown> | undefined {
    return this.object.map<FlowKey, Record<string, unknown>>(map).get(key) ?? undefined;
  }

  changeFlow(map: "flows" | "halfOpen", key: FlowKey, fields: Record<string, unknown>): void {
    this.object.map<FlowKey, Record<string, unknown>>(map).set(key, { ...this.flow(map, key), ...fields });
  }

  /** Makes a flow's last packet that much older. */
  age(map: "flows" | "halfOpen", key: FlowKey, seconds: number): void {
    const seen = this.flow(map, key)?.["seen"] as bigint;
    this.changeFlow(map, key, { seen: BigInt.asUintN(64, seen - BigInt(seconds) * 1_000_000_000n) });
  }

  [Symbol.dispose](): void {
    this.object.close();
  }
}

/** Network order, as a prefix's bits are counted. */
function swap32(value: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return view.getUint32(0, true);
}
