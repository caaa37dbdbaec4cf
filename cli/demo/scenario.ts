/** What the story is about, the same on the kernel and on the interpreter: who there is and who may reach whom. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { formatAddress, parseAddress } from "../../lib/bytes/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { countInstructions } from "../build.ts";
import { readInput } from "../input.ts";
import type { Input } from "../input.ts";
import type { Story } from "./story.ts";

export const PODS = [
  { name: "frontend", address: "10.244.0.1" },
  { name: "backend", address: "10.244.0.2" },
  { name: "other", address: "10.244.0.3" },
] as const;
export const [FRONTEND, BACKEND, OTHER] = PODS;
export type Pod = (typeof PODS)[number];

/** An address that no device has: only the redirect at connect() makes it lead anywhere. */
export const SERVICE = { address: "10.96.0.10", port: 80 } as const;
/** What the backend serves and the policy allows. */
export const WEB = 80;
/** Serves as well, but no rule allows it. */
export const ADMIN = 8080;
/** Blocked on every pod by the packet filter. */
export const TELNET = 23;

/** Numbers that stand for who a pod is, in the policy. */
export const IDENTITIES = { [FRONTEND.name]: 1, [BACKEND.name]: 2, [OTHER.name]: 3 } as const;

export const TCP = 6;
export const MESSAGES = { rounds: 200, size: 1000 } as const;

/** The programs, in the order of the story. */
export const EXAMPLES = ["xdp-filter", "tcx-policy", "service-redirect", "socket-shortcut"] as const;
export type Example = (typeof EXAMPLES)[number];

/** Compiles the examples, one step each. */
export async function compileExamples(story: Story): Promise<Record<Example, ObjectSpec>> {
  const objects: Partial<Record<Example, ObjectSpec>> = {};
  for (const name of EXAMPLES) {
    const compile = (): Promise<Input> => readInput(examplePath(name));
    const { object } = await story.step(
      `compile ${name}.ts`,
      compile,
      (r) => summarise(r.object),
      (r) => r.timings,
    );
    objects[name] = object;
  }
  return objects as Record<Example, ObjectSpec>;
}

function summarise(object: ObjectSpec): string {
  return object.programs
    .map((p) => `${p.name} (${p.section}) ${countInstructions(object, p.name)} instructions`)
    .join(", ");
}

/** programs/ stands at the package's root: two folders above this one, three when this file is built into dist/. */
function examplePath(name: Example): string {
  const roots = ["../..", "../../.."].map((up) => resolve(import.meta.dirname, up, "programs/examples", `${name}.ts`));
  return roots.find(existsSync) ?? roots[0] ?? "";
}

/** An address as the programs' host-order fields have it. */
export function toNumber(address: string): number {
  return bytesOf(address).reduce((sum, byte) => sum * 256 + byte, 0);
}

/** An address as a field in network order reads on a little-endian machine. */
export function toNetworkOrder(address: string): number {
  return bytesOf(address).reduceRight((sum, byte) => sum * 256 + byte, 0);
}

/** The inverse of `toNumber`. */
export function toAddress(value: number): string {
  return formatAddress(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

function bytesOf(address: string): Uint8Array {
  const bytes = parseAddress(address, "ipv4");
  if (bytes === null) throw new RangeError(`not an IPv4 address: ${address}`);
  return bytes;
}

// ---- the values that the examples keep in maps, as programs/examples declares them ----

export interface Cell<T extends number | bigint> {
  readonly value: T;
}
export interface Endpoint {
  readonly ip: number;
  readonly port: number;
  readonly protocol: number;
}
export interface Rule {
  readonly identity: number;
  readonly port: number;
  readonly protocol: number;
}
export interface Prefix {
  readonly prefixLength: number;
  readonly address_be: number;
}
export interface DropEvent {
  readonly time: bigint;
  readonly saddr: number;
  readonly daddr: number;
  readonly sport: number;
  readonly dport: number;
  readonly protocol: number;
  /** 1 prefix, 2 port. */
  readonly reason: number;
  readonly ruleId: number;
}
export interface DenyEvent {
  readonly time: bigint;
  readonly saddr: number;
  readonly daddr: number;
  readonly identity: number;
  readonly sport: number;
  readonly dport: number;
}

export const REASONS: Readonly<Record<number, string>> = { 1: "prefix", 2: "port" };

/** Index of the verdict counters, by the kernel's names. */
export const XDP_VERDICTS = { XDP_DROP: 1, XDP_PASS: 2 } as const;
export const TCX_VERDICTS = { TCX_PASS: 0, TCX_DROP: 2 } as const;
