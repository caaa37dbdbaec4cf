/**
 * Open-coded iterators: `new` on a structure on the stack, `next` until it gives null, `destroy`. The numbers' keeps its place
 * in that structure (`struct bpf_iter_num`: s32 current, s32 end), where `next` points to.
 * Source: docs.kernel.org/bpf/bpf_iterators.html, what Linux 6.18 answers.
 */
import { ERRNO } from "../errno.ts";
import { s32 } from "../helpers/helper.ts";
import type { Host } from "../host.ts";
import { int } from "./table.ts";
import type { KernelFunctions } from "./table.ts";

const SIZE = 8;
/** BPF_MAX_LOOPS */
const MOST = 8 * 1024 * 1024;

export const ITERATOR_FUNCTIONS = {
  /** From `start` to before `end`. It must be destroyed even when it could not be made. */
  bpf_iter_num_new: (host, r1, r2, r3) => {
    const [start, end] = [s32(r2), s32(r3)];
    const refused = start > end ? -ERRNO.EINVAL : end - start > MOST ? -ERRNO.E2BIG : 0;
    set(host, r1, refused === 0 ? start - 1 : 0, refused === 0 ? end : 0);
    host.run.references.acquire(Number(r1), "an iterator");
    return int(refused);
  },
  bpf_iter_num_next: (host, r1) => {
    const view = viewOf(host, r1);
    const [current, end] = [view.getInt32(0, true), view.getInt32(4, true)];
    const more = current + 1 < end;
    set(host, r1, more ? current + 1 : 0, more ? end : 0);
    return more ? r1 : 0n;
  },
  bpf_iter_num_destroy: (host, r1) => {
    set(host, r1, 0, 0);
    host.run.references.release(Number(r1), "bpf_iter_num_destroy");
    return 0n;
  },
} satisfies KernelFunctions;

function viewOf(host: Host, register: bigint): DataView {
  const bytes = host.bytes(register, SIZE, true);
  return new DataView(bytes.buffer, bytes.byteOffset);
}

function set(host: Host, register: bigint, current: number, end: number): void {
  const view = viewOf(host, register);
  view.setInt32(0, current, true);
  view.setInt32(4, end, true);
}
