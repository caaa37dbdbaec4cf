/**
 * Options in TCP headers: found in a segment that came in (or in the SYN that was kept), room asked for, and written.
 *
 * The run's packet is the segment from its TCP header on. What is asked for and written is in the run's effects; how much
 * room there is comes with the event (`RunInput.optionRoom`).
 * Source: bpf-helpers(7), what Linux 6.18 answers.
 */
import { ERRNO } from "../errno.ts";
import { Trap } from "../fault.ts";
import type { Host } from "../host.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

const EOL = 0;
const NOP = 1;
/** Experimental kinds, told apart by the two or four bytes behind the length (RFC 6994). */
const EXPERIMENTAL = [253, 254];
const TCP_HEADER = 20;
/** BPF_SOCK_OPS_HDR_OPT_LEN_CB, BPF_SOCK_OPS_WRITE_HDR_OPT_CB. */
const OP = { length: 14, write: 15 };
/** BPF_LOAD_HDR_OPT_TCP_SYN; TCP_BPF_SYN of getsockopt. */
const FROM_SYN = 1n;
const SAVED_SYN = { level: 6, name: 1005, longest: 60 };

export const HEADER_OPTION_HELPERS = {
  load_hdr_opt: (host, _ctx, r2, r3, r4) => {
    const search = host.bytes(r2, u32(r3), true);
    if ((r4 & ~FROM_SYN) !== 0n || search.length < 2) return result(-ERRNO.EINVAL);
    const [kind = 0, length = 0] = search;
    const experimental = EXPERIMENTAL.includes(kind);
    const well = experimental ? length === 4 || length === 6 : length === 0;
    if (kind === EOL || kind === NOP || !well || length > search.length) return result(-ERRNO.EINVAL);
    const options = (r4 & FROM_SYN) !== 0n ? savedSyn(host) : segmentOptions(host);
    if (typeof options === "number") return result(options);
    const found = findOption(options, kind, experimental ? search.slice(2, length) : new Uint8Array(0));
    if (typeof found === "number") return result(found);
    search.set(found.subarray(0, search.length));
    return result(found.length > search.length ? -ERRNO.ENOSPC : found.length);
  },
  store_hdr_opt: (host, _ctx, r2, r3, r4) => {
    const { run } = host;
    const given = host.bytes(r2, u32(r3));
    if (op(host) !== OP.write) return result(-ERRNO.EPERM);
    if (given.length < 2 || r4 !== 0n) return result(-ERRNO.EINVAL);
    const [kind = 0, length = 0] = given;
    // A length below 2 makes no option, but the kernel takes it.
    if (length > given.length || kind === EOL || kind === NOP) return result(-ERRNO.EINVAL);
    if (length > run.optionRoom) return result(-ERRNO.ENOSPC);
    const magic = EXPERIMENTAL.includes(kind) ? 2 : 0;
    if (magic > 0 && length < 4) return result(-ERRNO.EINVAL);
    const written = run.effects.flatMap((effect) => (effect.kind === "header_option" ? [effect.option] : []));
    const existing = segmentOptions(host);
    const before = typeof existing === "number" ? written : [existing, ...written];
    const double = before.some((some) => typeof findOption(some, kind, given.slice(2, 2 + magic)) !== "number");
    if (double) return result(-ERRNO.EEXIST);
    run.effects.push({ kind: "header_option", option: given.slice(0, length) });
    run.optionRoom -= length;
    return 0n;
  },
  reserve_hdr_opt: (host, _ctx, r2, r3) => {
    const { run } = host;
    const length = u32(r2);
    if (r3 !== 0n || length < 2) return result(-ERRNO.EINVAL);
    if (op(host) !== OP.length) return result(-ERRNO.EPERM);
    if (length > run.optionRoom) return result(-ERRNO.ENOSPC);
    run.optionRoom -= length;
    run.effects.push({ kind: "reserve_options", bytes: length });
    return 0n;
  },
} satisfies Implementations;

function op(host: Host): number {
  const { context } = host.run;
  if (context.kind !== "bpf_sock_ops") throw new Trap("helper", `header options are for sock_ops, not ${context.kind}`);
  return context.number("op");
}

/** The option bytes of the run's segment; -EPERM at callbacks that have none. */
function segmentOptions(host: Host): Uint8Array | number {
  const { packet } = host.run;
  if (packet === null || packet.length < TCP_HEADER || op(host) === OP.length) return -ERRNO.EPERM;
  const bytes = packet.contents();
  return bytes.slice(TCP_HEADER, ((bytes[12] ?? 0) >> 4) * 4);
}

function savedSyn(host: Host): Uint8Array | number {
  const { socket } = host.run;
  if (socket === null) return -ERRNO.ENOENT;
  const syn = host.world.sockets.option(socket, SAVED_SYN.level, SAVED_SYN.name, SAVED_SYN.longest);
  if (typeof syn === "number") return syn;
  return syn.length < TCP_HEADER ? -ERRNO.ENOENT : syn.subarray(TCP_HEADER);
}

/** The whole option of a kind that starts with `magic`; -ENOMSG when there is none, -EFAULT when one is malformed. */
function findOption(options: Uint8Array, kind: number, magic: Uint8Array): Uint8Array | number {
  for (let at = 0; at < options.length;) {
    const found = options[at] ?? EOL;
    if (found === EOL) return -ERRNO.ENOMSG;
    if (found === NOP) {
      at++;
      continue;
    }
    const length = options[at + 1];
    if (length === undefined || length < 2 || at + length > options.length) return -ERRNO.EFAULT;
    const option = options.slice(at, at + length);
    if (found === kind && magic.every((byte, i) => option[2 + i] === byte)) return option;
    at += length;
  }
  return -ERRNO.ENOMSG;
}
