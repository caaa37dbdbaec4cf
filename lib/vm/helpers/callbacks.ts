/** Helpers that call functions of the program back, now: loop; and drain, of samples from the host. Source: bpf-helpers(7). */
import { ERRNO } from "../errno.ts";
import type { Host } from "../host.ts";
import { UserRingbuf } from "../maps/index.ts";
import { DYNPTR_SIZE, writeDynptr } from "../dynptr.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** BPF_MAX_LOOPS */
const MOST_TURNS = 8 * 1024 * 1024;

export const CALLBACK_HELPERS = {
  /** callback(index, context) until it gives something else than 0; how many calls there were. */
  loop: (host, r1, callback, context, flags) => {
    const turns = u32(r1);
    if (flags !== 0n) return result(-ERRNO.EINVAL);
    if (turns > MOST_TURNS) return result(-ERRNO.E2BIG);
    const { engine } = host.run;
    for (let i = 0; i < turns; i++) {
      if (engine.call(callback, BigInt(i), context, 0n, 0n, 0n) !== 0n) return result(i + 1);
    }
    return result(turns);
  },
  /** callback(dynptr of the sample, context) until it gives something else than 0. */
  user_ringbuf_drain: (host, r1, callback, context, flags) => {
    const map = host.mapOf(r1, UserRingbuf, "user ring buffer");
    const visit = (sample: Uint8Array): boolean => withSample(host, sample, callback, context);
    return result(map.drain(flags, visit));
  },
} satisfies Implementations;

function withSample(host: Host, sample: Uint8Array, callback: bigint, context: bigint): boolean {
  const data = host.memory.map("a sample of a user ring buffer", sample.length, { writable: false });
  const pointer = host.memory.map("a dynptr", DYNPTR_SIZE, { writable: false });
  data.bytes.set(sample);
  writeDynptr(pointer.bytes, { kind: "local", base: data.start, offset: 0, size: sample.length, readOnly: true });
  try {
    return host.run.engine.call(callback, BigInt(pointer.start), context, 0n, 0n, 0n) === 0n;
  } finally {
    host.memory.unmap(pointer);
    host.memory.unmap(data);
  }
}
