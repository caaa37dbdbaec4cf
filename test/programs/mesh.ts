/** What the tests of programs/mesh share: addresses as the tables have them, a node with one pod, and its policies. */
import { parseAddress } from "../../lib/bytes/index.ts";
import { loadObject } from "../../testing/index.ts";
import type { LoadOptions, TestObject, TestResult } from "../../testing/index.ts";
import { pathOf } from "./example.ts";

const POD = pathOf("mesh/pod");

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

/** The mesh's programs on a machine, and its tables as a test fills them. */
export class Node implements Disposable {
  readonly object: TestObject;
  private nextTable = 1;

  constructor(object: TestObject) {
    this.object = object;
  }

  static async load(options: LoadOptions): Promise<Node> {
    const node = new Node(await loadObject(POD, options));
    node.settings({});
    return node;
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
        .set({ bits: 40 + bits, ports, protocol, portHigh: port >> 8, portLow: port & 255, reserved: 0 }, verdict);
  }

  toPod(packet: Uint8Array, context: Record<string, number> = {}): TestResult {
    return this.object.program("to_pod").run({ packet, context });
  }

  fromPod(packet: Uint8Array, context: Record<string, number> = {}): TestResult {
    return this.object.program("from_pod").run({ packet, context });
  }

  events(): Record<string, unknown>[] {
    return this.object.events<Record<string, unknown>>("events");
  }

  [Symbol.dispose](): void {
    this.object.close();
  }
}
