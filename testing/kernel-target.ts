/**
 * Programs in this machine's kernel, one event at a time by BPF_PROG_TEST_RUN, without attaching them.
 *
 * What the test run does not tell is null in the result: instructions, trace, and where a redirect leads. The kernel's
 * verifier has accepted the program, so there is no fault.
 */
import type { ObjectSpec, ProgramSpec } from "../lib/object/index.ts";
import { NETWORK_LAYER_TYPES } from "../lib/kernel/index.ts";
import type { ProgramType } from "../lib/kernel/index.ts";
import { contextKindOf, decodeContext, encodeContext } from "../lib/vm/index.ts";
import type { MapView } from "../lib/vm/index.ts";
import { canLoad, load } from "../loader/index.ts";
import type { LoadedObject, RingBuffer } from "../loader/index.ts";
import { testingError } from "./diagnostics.ts";
import { LINK_HEADER, putBack } from "./link-header.ts";
import type { Event, Outcome } from "./result.ts";
import type { Target } from "./target.ts";

/** Types whose programs the kernel runs on test data, and what they are given. Observed on Linux 6.18. */
// prettier-ignore
const TEST_RUNS: Partial<Record<ProgramType, { readonly packet: boolean; readonly context: boolean }>> = {
  xdp:            { packet: true,  context: true },
  sched_cls:      { packet: true,  context: true },
  sched_act:      { packet: true,  context: true },
  cgroup_skb:     { packet: true,  context: true },
  socket_filter:  { packet: true,  context: true },
  // What comes out is not the packet but struct bpf_flow_keys.
  flow_dissector: { packet: true,  context: false },
  sk_lookup:      { packet: false, context: true },
};

/** Why programs cannot be loaded into this kernel; null when they can. Asked once. */
export function kernelRefusal(): string | null {
  refusal ??= canLoad();
  return refusal.ok ? null : refusal.reason;
}
let refusal: ReturnType<typeof canLoad> | undefined;

/** Can the kernel run programs of this type on test data? */
export function hasTestRun(type: ProgramType): boolean {
  return TEST_RUNS[type] !== undefined;
}

/** Loads the object. Throws T003 where that is not possible at all, else what the loader throws (VerifierError, KernelError). */
export async function loadIntoKernel(object: ObjectSpec): Promise<KernelTarget> {
  const reason = kernelRefusal();
  if (reason !== null) throw testingError("T003", `programs cannot be loaded here: ${reason}`);
  return new KernelTarget(await load(object));
}

export class KernelTarget implements Target {
  readonly name = "kernel";
  readonly loaded: LoadedObject;
  private readonly rings = new Map<string, RingBuffer<unknown>>();

  /** Made by `loadIntoKernel`. Closes `loaded` with itself. */
  constructor(loaded: LoadedObject) {
    this.loaded = loaded;
  }

  run({ name, type }: ProgramSpec, { packet, context = {}, ...others }: Event): Outcome {
    const takes = TEST_RUNS[type];
    if (takes === undefined) throw testingError("T002", `the kernel has no test run for ${name} (${type})`);
    const [other] = Object.keys(others);
    if (other !== undefined) {
      throw testingError("T002", `the kernel's test run of ${name} has no ${other}`, {
        expected: "packet, context",
        found: other,
      });
    }
    const kind = takes.context ? contextKindOf(type) : null;
    const ctx = kind === null ? null : encodeContext(kind, context);
    // An XDP program's context states where the packet ends.
    if (ctx !== null && kind === "xdp_md") new DataView(ctx.buffer).setUint32(4, packet?.length ?? 0, true);
    const data = packet ?? new Uint8Array(LINK_HEADER);
    const result = this.loaded
      .program(name)
      .testRun({ ...(takes.packet ? { data } : {}), ...(ctx === null ? {} : { ctx }) });
    // The kernel puts back an Ethernet header of zeros.
    const after = NETWORK_LAYER_TYPES.has(type) ? putBack(data, result.data.subarray(LINK_HEADER)) : result.data;
    return {
      returnValue: result.returnValue | 0,
      fault: null,
      packet: takes.packet && type !== "flow_dissector" ? after : null,
      context: kind === null ? {} : decodeContext(kind, result.ctx),
      metadata: null,
      redirects: null,
      effects: null,
      retval: null,
      instructions: null,
      trace: null,
      steps: () => [],
    };
  }

  map<K, V>(name: string): MapView<K, V> {
    return this.loaded.map<K, V>(name);
  }

  events<E>(map: string): E[] {
    const ring = this.rings.get(map) ?? this.loaded.ringbuf<unknown>(map);
    this.rings.set(map, ring);
    const events: E[] = [];
    for (let event = ring.read(); event !== undefined; event = ring.read()) events.push(event as E);
    return events;
  }

  close(): void {
    this.loaded.close();
  }
}
