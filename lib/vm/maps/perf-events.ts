/**
 * perf_event_array: events from programs to the host, in a buffer for each CPU.
 *
 * An entry is a perf event that was opened for one CPU; a program may write to it only from there. A buffer has a fixed
 * size; an event that does not fit is lost and counted, and the host learns of it with the next one. Source: bpf-helpers(7),
 * perf_event_open(2) (PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW).
 */
import { ERRNO } from "../errno.ts";
import { IndexedMap } from "./indexed.ts";

interface PerfBuffer {
  readonly cpu: number;
  /** Bytes of the buffer. */
  readonly size: number;
  used: number;
  lost: number;
  events: Uint8Array[];
}

const INDEX_MASK = 0xffff_ffffn; // BPF_F_INDEX_MASK
const CURRENT_CPU = INDEX_MASK; // BPF_F_CURRENT_CPU
const CONTEXT_LENGTH = 0xf_ffffn << 32n; // BPF_F_CTXLEN_MASK
const PAGE = 4096;
const DEFAULT_PAGES = 64;
const HEADER = 8;
const RAW_SIZE = 4;

export class PerfEventArray extends IndexedMap<PerfBuffer> {
  /**
   * Opens a buffer at each index, for the CPU of that number; `pages`: size of each in pages of 4 KiB. Until this is done
   * programs get -ENOENT, as in the kernel.
   */
  openAll(cpus: number, pages = DEFAULT_PAGES): void {
    for (let cpu = 0; cpu < Math.min(cpus, this.spec.maxEntries); cpu++) this.open(cpu, cpu, pages);
  }

  /** Opens a buffer at one index for one CPU. Throws MapError (E2BIG). */
  open(index: number, cpu: number, pages = DEFAULT_PAGES): void {
    this.put(index, { cpu, size: pages * PAGE, used: 0, lost: 0, events: [] });
  }

  /** perf_event_output on `cpu`: 0 or a negative errno. `flags`: the index, or BPF_F_CURRENT_CPU. */
  output(cpu: number, flags: bigint, data: Uint8Array): number {
    if ((flags & ~(INDEX_MASK | CONTEXT_LENGTH)) !== 0n) return -ERRNO.EINVAL;
    const asked = flags & INDEX_MASK;
    const index = asked === CURRENT_CPU ? cpu : Number(asked);
    if (index >= this.spec.maxEntries) return -ERRNO.E2BIG;
    const buffer = this.at(index);
    if (buffer === null) return -ERRNO.ENOENT;
    if (buffer.cpu !== cpu) return -ERRNO.EOPNOTSUPP;
    const room = HEADER + Math.ceil((RAW_SIZE + data.length) / 8) * 8;
    if (buffer.used + room > buffer.size) {
      buffer.lost++;
      return -ERRNO.ENOSPC;
    }
    buffer.used += room;
    buffer.events.push(data.slice());
    return 0;
  }

  /** The events of one buffer since the last call, and how many were lost in that time. Makes their room free. */
  drain(index: number): { readonly events: readonly Uint8Array[]; readonly lost: number } {
    const buffer = this.at(index);
    if (buffer === null) return { events: [], lost: 0 };
    const { events, lost } = buffer;
    Object.assign(buffer, { events: [], lost: 0, used: 0 });
    return { events, lost };
  }
}
