/**
 * Programs of a few instructions with what Linux 6.18 says of them: `accept`, or the reason of ours that is the kernel's.
 * test/verifier/kernel/memory.test.ts asks the running kernel again.
 *
 * Instructions are in the assembler's notation, `;` between them. `map[id:N]` is number N of `MAPS`.
 */
import type { AttachType, ProgramType } from "../../../lib/kernel/index.ts";
import { MAP_FLAGS, PROGRAM_FLAGS } from "../../../lib/kernel/index.ts";
import type { MapSpec } from "../../../lib/object/index.ts";
import { map } from "../../kernel/specs.ts";

export interface Case {
  readonly name: string;
  readonly says: string;
  readonly code: string;
  /** Default: xdp. */
  readonly type?: ProgramType;
  readonly attach?: AttachType;
  readonly flags?: number;
}

const CONTENTS = new Uint8Array(16);
CONTENTS.set([0x80, 0xff, 0xff, 0xff, 3, 0, 0, 0, 8]);

export const MAPS: readonly MapSpec[] = [
  map("values", "array", 4, 48, 4),
  map("hash", "hash", 8, 16, 4),
  map("readonly", "array", 4, 16, 1, { flags: MAP_FLAGS.rdonly_prog }),
  map(".rodata", "array", 4, 16, 1, { flags: MAP_FLAGS.rdonly_prog, initial: CONTENTS, frozen: true }),
  map("writeonly", "array", 4, 16, 1, { flags: MAP_FLAGS.wronly_prog }),
  map("ring", "ringbuf", 0, 0, 4096),
  map("frozen", "array", 4, 16, 4, { flags: MAP_FLAGS.rdonly_prog, frozen: true }),
];

const END = "r0 = 0; exit";
/** r0 = a value of map 0 (48 bytes), not null; r6 = the context. */
const VALUE = `r6 = r1; *(u32 *)(r10 -4) = 0; r2 = r10; r2 += -4; r1 = map[id:0]; call 1; if r0 == 0 goto out`;
/** Jumps of VALUE end here. */
const OUT = `out: r0 = 0; exit`;
/** r2 = packet, r3 = its end. */
const PACKET = "r2 = *(u32 *)(r1 +0); r3 = *(u32 *)(r1 +4)";
/** r7: an unknown number 0 to `max`, a power of two less one. */
const small = (max: number) => `call 7; r7 = r0; r7 &= ${max}`;

function group(
  common: Partial<Case>,
  rows: readonly (readonly [name: string, says: string, code: string, more?: Partial<Case>])[],
): Case[] {
  return rows.map(([name, says, code, more]) => ({ name, says, code, ...common, ...more }));
}

// prettier-ignore
const STACK = group({}, [
  ["a pointer spilled and filled is the pointer", "accept", `*(u64 *)(r10 -8) = r1; r2 = *(u64 *)(r10 -8); r0 = *(u32 *)(r2 +16); ${END}`],
  ["half of a spilled pointer", "partial_fill", `*(u64 *)(r10 -8) = r1; r2 = *(u32 *)(r10 -8); ${END}`],
  ["the upper half of a spilled pointer", "partial_fill", `*(u64 *)(r10 -8) = r1; r2 = *(u32 *)(r10 -4); ${END}`],
  ["half of a pointer stored", "partial_fill", `*(u32 *)(r10 -8) = r1; ${END}`],
  ["a pointer stored to the upper half", "partial_fill", `*(u32 *)(r10 -4) = r1; ${END}`],
  ["a spilled pointer written over in part is a number", "number_access", `*(u64 *)(r10 -8) = r1; *(u8 *)(r10 -8) = 1; r2 = *(u64 *)(r10 -8); r0 = *(u32 *)(r2 +0); ${END}`],
  ["its upper byte written over", "number_access", `*(u64 *)(r10 -8) = r1; *(u8 *)(r10 -1) = 1; r2 = *(u64 *)(r10 -8); r0 = *(u32 *)(r2 +0); ${END}`],
  ["a bounded number keeps its bounds on the stack", "accept", `${VALUE}; r8 = r0; ${small(31)}; *(u64 *)(r10 -16) = r7; r7 = *(u64 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["spilled with 4 bytes", "accept", `${VALUE}; r8 = r0; ${small(31)}; *(u32 *)(r10 -16) = r7; r7 = *(u32 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["spilled with 1 byte", "accept", `${VALUE}; r8 = r0; ${small(31)}; *(u8 *)(r10 -16) = r7; r7 = *(u8 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["4 of 8 spilled bytes", "accept", `${VALUE}; r8 = r0; ${small(31)}; *(u64 *)(r10 -16) = r7; r7 = *(u32 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["8 bytes of a spill of 4", "unbounded_access", `${VALUE}; r8 = r0; ${small(31)}; *(u32 *)(r10 -16) = r7; r7 = *(u64 *)(r10 -16); if r7 s< 0 goto out; r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["the upper 4 of 8 spilled bytes are not the number", "out_of_map_value", `${VALUE}; r8 = r0; ${small(31)}; *(u64 *)(r10 -16) = r7; r7 = *(u16 *)(r10 -14); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["spilled to the upper half it is not kept", "out_of_map_value", `${VALUE}; r8 = r0; ${small(31)}; *(u16 *)(r10 -12) = r7; r7 = *(u16 *)(r10 -12); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["a number too wide for the spill", "out_of_map_value", `${VALUE}; r8 = r0; ${small(0x1ff)}; *(u8 *)(r10 -16) = r7; r7 = *(u8 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["what is learnt of the copy is known of the spill", "accept", `${VALUE}; r8 = r0; ${small(255)}; *(u64 *)(r10 -16) = r7; if r7 > 31 goto out; r7 = *(u64 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["also of a spill that is narrower but holds all", "accept", `${VALUE}; r8 = r0; ${small(255)}; *(u32 *)(r10 -16) = r7; if r7 > 31 goto out; r7 = *(u32 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["not of one that cuts", "out_of_map_value", `${VALUE}; r8 = r0; ${small(0x1ff)}; *(u8 *)(r10 -16) = r7; if r7 > 31 goto out; r7 = *(u8 *)(r10 -16); r8 += r7; r0 = *(u8 *)(r8 +16); ${OUT}`],
  ["a stored constant is known", "accept", `${VALUE}; *(u64 *)(r10 -16) = 40; r7 = *(u64 *)(r10 -16); r0 += r7; r0 = *(u64 *)(r0 +0); ${OUT}`],
  ["a stored constant, 2 of its bytes", "accept", `${VALUE}; *(u64 *)(r10 -16) = 0x10028; r7 = *(u16 *)(r10 -16); r0 += r7; r0 = *(u64 *)(r0 +0); ${OUT}`],
  ["zeros in pieces are zero", "accept", `${VALUE}; *(u32 *)(r10 -12) = 0; *(u16 *)(r10 -14) = 0; *(u8 *)(r10 -15) = 0; *(u8 *)(r10 -16) = 0; r7 = *(u8 *)(r10 -15); r0 += r7; r0 = *(u64 *)(r0 +40); ${OUT}`],
  ["a spilled zero and zero bytes are any number together", "offset_unbounded", `${VALUE}; *(u32 *)(r10 -12) = 0; *(u32 *)(r10 -16) = 0; r7 = *(u64 *)(r10 -16); r0 += r7; r0 = *(u64 *)(r0 +40); ${OUT}`],
  ["zero bytes next to others", "accept", `${VALUE}; *(u16 *)(r10 -12) = 0; *(u16 *)(r10 -10) = 7; r7 = *(u16 *)(r10 -12); r0 += r7; r0 = *(u64 *)(r0 +40); ${OUT}`],
  ["uninitialised stack may be read by root", "accept", `r2 = *(u64 *)(r10 -8); ${END}`],
  ["below the stack", "out_of_stack", `*(u64 *)(r10 -520) = 1; ${END}`],
  ["the lowest bytes", "accept", `*(u64 *)(r10 -512) = 1; ${END}`],
  ["above the stack", "out_of_stack", `*(u64 *)(r10 +0) = 1; ${END}`],
  ["across the frame pointer", "out_of_stack", `r2 = r10; r2 += -4; *(u64 *)(r2 +0) = 1; ${END}`, { says: "misaligned" }],
  ["a misaligned store", "misaligned", `*(u64 *)(r10 -12) = 1; ${END}`],
  ["a misaligned load", "misaligned", `r2 = *(u32 *)(r10 -6); ${END}`],
  ["a variable load of an initialised array", "accept", `*(u64 *)(r10 -8) = 0; *(u64 *)(r10 -16) = 0; ${small(15)}; r2 = r10; r2 += -16; r2 += r7; r3 = *(u8 *)(r2 +0); ${END}`],
  ["zeros at a variable offset are zero", "accept", `${VALUE}; r8 = r0; *(u32 *)(r10 -12) = 0; ${small(3)}; r2 = r10; r2 += -12; r2 += r7; r3 = *(u8 *)(r2 +0); r8 += r3; r0 = *(u64 *)(r8 +40); ${OUT}`],
  ["a spilled zero at a variable offset is any number", "out_of_map_value", `${VALUE}; r8 = r0; *(u64 *)(r10 -16) = 0; ${small(7)}; r2 = r10; r2 += -16; r2 += r7; r3 = *(u8 *)(r2 +0); r8 += r3; r0 = *(u64 *)(r8 +40); ${OUT}`],
  ["a variable load that may be misaligned", "misaligned", `*(u64 *)(r10 -8) = 0; *(u64 *)(r10 -16) = 0; ${small(7)}; r2 = r10; r2 += -16; r2 += r7; r3 = *(u16 *)(r2 +0); ${END}`],
  ["a variable load beyond the frame pointer", "stack_variable", `*(u64 *)(r10 -8) = 0; ${small(15)}; r2 = r10; r2 += -8; r2 += r7; r3 = *(u8 *)(r2 +0); ${END}`],
  ["a variable load below the stack", "stack_variable", `${small(15)}; r2 = r10; r2 += -520; r2 += r7; r3 = *(u8 *)(r2 +0); ${END}`],
  ["an unbounded load", "offset_unbounded", `call 7; r7 = r0; r2 = r10; r2 += -16; r2 += r7; r3 = *(u8 *)(r2 +0); ${END}`],
  ["a variable store makes bytes numbers", "accept", `${small(7)}; r2 = r10; r2 += -8; r2 += r7; *(u8 *)(r2 +0) = 5; r3 = *(u64 *)(r10 -8); ${END}`],
  ["a variable store over a pointer destroys it", "number_access", `*(u64 *)(r10 -8) = r1; ${small(7)}; r2 = r10; r2 += -8; r2 += r7; *(u8 *)(r2 +0) = 5; r3 = *(u64 *)(r10 -8); r0 = *(u32 *)(r3 +0); ${END}`],
  ["a variable store that may hit part of a pointer destroys all of it", "number_access", `*(u64 *)(r10 -8) = r1; ${small(3)}; r2 = r10; r2 += -4; r2 += r7; *(u8 *)(r2 +0) = 5; r3 = *(u64 *)(r10 -8); r0 = *(u32 *)(r3 +0); ${END}`],
  ["then the slot can be read as a number", "accept", `*(u64 *)(r10 -8) = r1; ${small(3)}; r2 = r10; r2 += -4; r2 += r7; *(u8 *)(r2 +0) = 5; r3 = *(u64 *)(r10 -8); r3 = *(u32 *)(r10 -8); ${END}`],
  ["a variable zero over zeros stays zero", "accept", `${VALUE}; r8 = r0; *(u32 *)(r10 -12) = 0; ${small(3)}; r2 = r10; r2 += -12; r2 += r7; *(u8 *)(r2 +0) = 0; r3 = *(u32 *)(r10 -12); r8 += r3; r0 = *(u64 *)(r8 +40); ${OUT}`],
  ["a variable zero over a spilled zero stays zero", "accept", `${VALUE}; r8 = r0; *(u64 *)(r10 -16) = 0; ${small(7)}; r2 = r10; r2 += -16; r2 += r7; *(u8 *)(r2 +0) = 0; r3 = *(u64 *)(r10 -16); r8 += r3; r0 = *(u64 *)(r8 +40); ${OUT}`],
  ["a variable store of a pointer", "accept", `r6 = r1; ${small(0)}; r2 = r10; r2 += -8; r2 += r7; *(u64 *)(r2 +0) = r6; ${END}`],
  ["a variable store of a pointer, truly variable", "accept", `r6 = r1; ${small(8)}; r2 = r10; r2 += -16; r2 += r7; *(u64 *)(r2 +0) = r6; r3 = *(u64 *)(r10 -8); ${END}`],
  ["a sign-extended fill", "accept", `${VALUE}; *(u64 *)(r10 -16) = 0xf8; r7 = *(s8 *)(r10 -16); r0 += 8; r0 += r7; r0 = *(u64 *)(r0 +40); ${OUT}`],
  ["the zero-extended one is too big", "out_of_map_value", `${VALUE}; *(u64 *)(r10 -16) = 0xf8; r7 = *(u8 *)(r10 -16); r0 += 8; r0 += r7; r0 = *(u64 *)(r0 +40); ${OUT}`],
  ["the caller's stack", "accept", `r1 = r10; r1 += -8; *(u64 *)(r10 -8) = 1; call pc+2; r0 = *(u64 *)(r10 -8); exit; *(u64 *)(r1 +0) = 2; ${END}`],
  ["a pointer to the caller", "pointer_to_caller", `r1 = r10; r1 += -8; call pc+2; r0 = 0; exit; *(u64 *)(r1 +0) = r10; ${END}`],
  ["another pointer to the caller", "accept", `r2 = r1; r1 = r10; r1 += -8; call pc+4; r1 = *(u64 *)(r10 -8); r0 = *(u32 *)(r1 +16); r0 = 0; exit; *(u64 *)(r1 +0) = r2; ${END}`],
  ["512 bytes altogether", "accept", `*(u64 *)(r10 -256) = 1; call pc+2; r0 = 0; exit; *(u64 *)(r10 -256) = 1; ${END}`],
]);

// prettier-ignore
const PACKETS = group({}, [
  ["within what was checked", "accept", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; r0 = *(u16 *)(r2 +12); ${OUT}`],
  ["one byte too far", "out_of_packet", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; r0 = *(u16 *)(r2 +13); ${OUT}`],
  ["before it", "out_of_packet", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; r0 = *(u16 *)(r2 -2); ${OUT}`],
  ["unchecked", "out_of_packet", `${PACKET}; r0 = *(u8 *)(r2 +0); ${END}`],
  ["the end of the packet cannot be read", "kind_access", `${PACKET}; r0 = *(u8 *)(r3 +0); ${END}`],
  ["a store", "accept", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; *(u16 *)(r2 +12) = 7; ${OUT}`],
  ["a pointer stored by root", "accept", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; *(u64 *)(r2 +0) = r1; ${OUT}`],
  ["an atomic operation", "atomic_target", `${PACKET}; r4 = r2; r4 += 16; if r4 > r3 goto out; r5 = 1; lock *(u64 *)(r2 +0) += r5; ${OUT}`],
  ["unaligned is fine", "accept", `${PACKET}; r4 = r2; r4 += 16; if r4 > r3 goto out; r0 = *(u64 *)(r2 +3); ${OUT}`],
  ["unless strictness is asked for", "misaligned", `${PACKET}; r4 = r2; r4 += 16; if r4 > r3 goto out; r0 = *(u32 *)(r2 +4); ${OUT}`, { flags: PROGRAM_FLAGS.strict_alignment }],
  ["then the IP header is aligned", "accept", `${PACKET}; r4 = r2; r4 += 18; if r4 > r3 goto out; r0 = *(u32 *)(r2 +14); ${OUT}`, { flags: PROGRAM_FLAGS.strict_alignment }],
  ["variable offset, checked after it was added", "accept", `r9 = r1; ${small(63)}; r1 = r9; ${PACKET}; r2 += r7; r4 = r2; r4 += 4; if r4 > r3 goto out; r0 = *(u32 *)(r2 +0); ${OUT}`],
  ["variable offset, checked before", "out_of_packet", `r9 = r1; ${small(63)}; r1 = r9; ${PACKET}; r4 = r2; r4 += 4; if r4 > r3 goto out; r2 += r7; r0 = *(u32 *)(r2 +0); ${OUT}`],
  ["offset of 16 bits", "accept", `r9 = r1; ${small(0x7fff)}; r1 = r9; ${PACKET}; r2 += r7; r4 = r2; r4 += 4; if r4 > r3 goto out; r0 = *(u32 *)(r2 +0); ${OUT}`],
  ["offset of more", "out_of_packet", `r9 = r1; ${small(0x1ffff)}; r1 = r9; ${PACKET}; r2 += r7; r4 = r2; r4 += 4; if r4 > r3 goto out; r0 = *(u32 *)(r2 +0); ${OUT}`],
  ["metadata", "accept", `r2 = *(u32 *)(r1 +8); r3 = *(u32 *)(r1 +0); r4 = r2; r4 += 4; if r4 > r3 goto out; r0 = *(u32 *)(r2 +0); *(u32 *)(r2 +0) = 1; ${OUT}`],
  ["after the packet was moved", "number_access", `r6 = r1; r2 = 0; call 44; r1 = r6; ${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; r8 = r2; r1 = r6; r2 = 0; call 44; r0 = *(u8 *)(r8 +0); ${OUT}`],
]);

const CONTROL = "r2 = *(u32 *)(r1 +76); r3 = *(u32 *)(r1 +80); r4 = r2; r4 += 14; if r4 > r3 goto out";
// prettier-ignore
const PACKET_RIGHTS = group({}, [
  ["tc may write", "accept", `${CONTROL}; *(u8 *)(r2 +0) = 1; ${OUT}`, { type: "sched_cls" }],
  ["cgroup_skb may not", "packet_write", `${CONTROL}; *(u8 *)(r2 +0) = 1; ${OUT}`, { type: "cgroup_skb", attach: "cgroup_inet_ingress" }],
  ["cgroup_skb may read", "accept", `${CONTROL}; r0 = *(u8 *)(r2 +0); ${OUT}`, { type: "cgroup_skb", attach: "cgroup_inet_ingress" }],
  ["lwt_in may not write", "packet_write", `${CONTROL}; *(u8 *)(r2 +0) = 1; ${OUT}`, { type: "lwt_in" }],
  ["lwt_xmit may", "accept", `${CONTROL}; *(u8 *)(r2 +0) = 1; ${OUT}`, { type: "lwt_xmit" }],
  ["sk_skb may", "accept", `${CONTROL}; *(u8 *)(r2 +0) = 1; ${OUT}`, { type: "sk_skb" }],
  ["flow_dissector may not", "packet_write", `${CONTROL}; *(u8 *)(r2 +0) = 1; ${OUT}`, { type: "flow_dissector" }],
  ["flow keys may be written", "accept", `r2 = *(u64 *)(r1 +144); *(u16 *)(r2 +0) = 1; r3 = *(u32 *)(r2 +52); ${END}`, { type: "flow_dissector" }],
  ["not behind their end", "out_of_flow_keys", `r2 = *(u64 *)(r1 +144); r3 = *(u64 *)(r2 +52); ${END}`, { type: "flow_dissector" }],
  ["nor with atomics", "atomic_target", `r2 = *(u64 *)(r1 +144); r3 = 1; lock *(u32 *)(r2 +0) += r3; ${END}`, { type: "flow_dissector" }],
  ["the option's bytes", "accept", `r2 = *(u64 *)(r1 +8); r3 = *(u64 *)(r1 +16); r4 = r2; r4 += 4; if r4 > r3 goto out; *(u8 *)(r2 +0) = 1; out: r0 = 1; exit`, { type: "cgroup_sockopt", attach: "cgroup_setsockopt" }],
]);

// prettier-ignore
const VALUES = group({}, [
  ["the last bytes", "accept", `${VALUE}; r1 = *(u64 *)(r0 +40); ${OUT}`],
  ["behind them", "out_of_map_value", `${VALUE}; r1 = *(u64 *)(r0 +41); ${OUT}`],
  ["before the value", "out_of_map_value", `${VALUE}; r1 = *(u8 *)(r0 -1); ${OUT}`, { says: "out_of_map_value" }],
  ["not checked for null", "null_access", `*(u64 *)(r10 -8) = 0; r2 = r10; r2 += -8; r1 = map[id:1]; call 1; r1 = *(u64 *)(r0 +0); ${END}`],
  ["a bounded index", "accept", `${VALUE}; r8 = r0; ${small(31)}; r8 += r7; r1 = *(u64 *)(r8 +9); ${OUT}`],
  ["a bounded index too far", "out_of_map_value", `${VALUE}; r8 = r0; ${small(31)}; r8 += r7; r1 = *(u64 *)(r8 +10); ${OUT}`],
  ["an index without bounds", "unbounded_access", `${VALUE}; r8 = r0; call 7; r7 = r0; r8 += r7; r1 = *(u8 *)(r8 +0); ${OUT}`, { says: "offset_unbounded" }],
  ["an index that may be negative", "negative_offset", `${VALUE}; r8 = r0; call 7; r7 = r0; if r7 s> 10 goto out; r8 += r7; r1 = *(u8 *)(r8 +0); ${OUT}`, { says: "offset_unbounded" }],
  ["signed bounds", "accept", `${VALUE}; r8 = r0; ${small(31)}; r7 += -8; r8 += r7; r1 = *(u8 *)(r8 +8); ${OUT}`, { says: "unbounded_access" }],
  ["a pointer stored by root", "accept", `${VALUE}; *(u64 *)(r0 +0) = r6; ${OUT}`],
  ["atomics", "accept", `${VALUE}; r1 = 1; lock *(u64 *)(r0 +0) += r1; lock *(u32 *)(r0 +8) += r1; r1 = atomic64_fetch_add((u64 *)(r0 +0), r1); ${OUT}`],
  ["misaligned atomics", "misaligned", `${VALUE}; r1 = 1; lock *(u64 *)(r0 +4) += r1; ${OUT}`],
  ["compare and exchange needs r0", "uninitialised_register", `r1 = 1; r2 = 2; *(u64 *)(r10 -8) = 0; r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r1); ${END}`],
  ["compare and exchange", "accept", `r0 = 1; r2 = 2; *(u64 *)(r10 -8) = 0; r0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2); ${END}`],
  ["exchange with its own base", "misaligned", `*(u64 *)(r10 -8) = 0; r2 = r10; r2 += -8; r2 = atomic64_xchg((u64 *)(r2 +0), r2); ${END}`],
  ["a number fetched from a map is unknown", "out_of_map_value", `${VALUE}; r1 = 2; r1 = atomic64_fetch_add((u64 *)(r0 +0), r1); r1 &= 63; r0 += r1; r0 = *(u8 *)(r0 +0); ${OUT}`],
  ["fetched from a spilled constant", "accept", `${VALUE}; *(u64 *)(r10 -16) = 1; r1 = 2; r1 = atomic64_fetch_add((u64 *)(r10 -16), r1); r0 += r1; r0 = *(u8 *)(r0 +46); ${OUT}`],
  ["the stack after an atomic is unknown", "out_of_map_value", `${VALUE}; *(u64 *)(r10 -16) = 1; r1 = 2; lock *(u64 *)(r10 -16) += r1; r1 = *(u64 *)(r10 -16); r1 &= 63; r0 += r1; r0 = *(u8 *)(r0 +0); ${OUT}`],
  ["atomics on the context", "atomic_target", `r2 = 1; lock *(u32 *)(r1 +16) += r2; ${END}`],
  ["read-only for programs", "map_write_forbidden", `r1 = map[id:2][0]+0; *(u8 *)(r1 +0) = 1; ${END}`],
  ["read of it", "accept", `r1 = map[id:2][0]+8; r0 = *(u64 *)(r1 +0); ${END}`],
  ["write-only for programs", "map_read_forbidden", `r1 = map[id:4][0]+0; r0 = *(u8 *)(r1 +0); ${END}`],
  ["write of it", "accept", `r1 = map[id:4][0]+0; *(u8 *)(r1 +0) = 1; ${END}`],
  ["atomics read too", "map_read_forbidden", `r1 = map[id:4][0]+0; r2 = 1; lock *(u64 *)(r1 +0) += r2; ${END}`],
  ["frozen contents are constants", "accept", `${VALUE}; r1 = map[id:3][0]+8; r1 = *(u8 *)(r1 +0); r0 += r1; r0 = *(u64 *)(r0 +32); ${OUT}`],
  ["frozen contents, too far", "out_of_map_value", `${VALUE}; r1 = map[id:3][0]+8; r1 = *(u8 *)(r1 +0); r0 += r1; r0 = *(u64 *)(r0 +33); ${OUT}`],
  ["frozen contents with a sign", "accept", `${VALUE}; r1 = map[id:3][0]+0; r1 = *(s32 *)(r1 +0); r0 += 40; r1 += 128; r0 += r1; r0 = *(u64 *)(r0 +0); ${OUT}`],
  ["frozen contents of more than one entry", "frozen_array_entries", `*(u32 *)(r10 -4) = 1; r2 = r10; r2 += -4; r1 = map[id:6]; call 1; if r0 == 0 goto out; r0 = *(u8 *)(r0 +0); ${OUT}`],
  ["not frozen: any number", "out_of_map_value", `${VALUE}; r1 = map[id:2][0]+8; r1 = *(u8 *)(r1 +0); r0 += r1; r0 = *(u64 *)(r0 +0); ${OUT}`],
  ["two loads of one instruction from context and map", "two_pointers_one_access", `r6 = r1; ${VALUE}; r7 = r0; call 7; if r0 == 0 goto one; r6 = r7; one: r0 = *(u32 *)(r6 +16); ${OUT}`],
  ["two loads of one instruction from stack and map", "accept", `${VALUE}; r6 = r10; r6 += -4; r7 = r0; call 7; if r0 == 0 goto one; r6 = r7; one: r0 = *(u32 *)(r6 +0); ${OUT}`],
  ["the map itself is no memory of the program", "map_internals", `r1 = map[id:0]; *(u32 *)(r1 +0) = 1; ${END}`],
  ["load acquire", "accept", `${VALUE}; r1 = load_acquire((u64 *)(r0 +0)); ${OUT}`],
  ["load acquire misaligned", "misaligned", `${VALUE}; r1 = load_acquire((u64 *)(r0 +4)); ${OUT}`],
  ["load acquire from the packet", "atomic_target", `${PACKET}; r4 = r2; r4 += 16; if r4 > r3 goto out; r0 = load_acquire((u8 *)(r2 +0)); ${OUT}`],
  ["load acquire over its own base", "accept", `${PACKET}; r4 = r2; r4 += 16; if r4 > r3 goto out; r2 = load_acquire((u8 *)(r2 +0)); ${OUT}`],
  ["store release", "accept", `${VALUE}; r1 = 7; store_release((u64 *)(r0 +0), r1); ${OUT}`],
  ["store release to the context", "atomic_target", `r2 = 7; store_release((u32 *)(r1 +8), r2); ${END}`, { type: "sched_cls" }],
]);

/** bpf_ringbuf_output(ring, data, size, 0): reads a region; bpf_skb_load_bytes(skb, off, to, len): fills one. */
const OUTPUT = "r1 = map[id:5]; r4 = 0; call 130";
const SUM = "r3 = 0; r4 = 0; r5 = 0; call 28";
// prettier-ignore
const REGIONS = group({}, [
  ["all of a variable", "accept", `*(u64 *)(r10 -8) = 1; r2 = r10; r2 += -8; r3 = 8; ${OUTPUT}; ${END}`],
  ["beyond the frame pointer", "out_of_stack", `*(u64 *)(r10 -8) = 1; r2 = r10; r2 += -8; r3 = 9; ${OUTPUT}; ${END}`],
  ["uninitialised, for root", "accept", `r2 = r10; r2 += -64; r3 = 64; ${OUTPUT}; ${END}`],
  ["size may be 0", "accept", `r2 = r10; r2 += -8; r3 = 0; ${OUTPUT}; ${END}`],
  ["a size with bounds", "accept", `${small(63)}; r3 = r7; r2 = r10; r2 += -64; ${OUTPUT}; ${END}`],
  ["a size that may be too big", "out_of_stack", `${small(127)}; r3 = r7; r2 = r10; r2 += -64; ${OUTPUT}; ${END}`],
  ["a size without bounds", "unbounded_size", `call 7; r3 = r0; r3 >>= 1; r2 = r10; r2 += -64; ${OUTPUT}; ${END}`, { says: "unbounded_size" }],
  ["a size that may be negative", "negative_size", `call 5; r3 = r0; if r3 s> 8 goto out; r2 = r10; r2 += -64; ${OUTPUT}; ${OUT}`],
  ["of a map value", "accept", `${VALUE}; r2 = r0; r3 = 48; ${OUTPUT}; ${OUT}`],
  ["beyond a map value", "out_of_map_value", `${VALUE}; r2 = r0; r3 = 49; ${OUTPUT}; ${OUT}`],
  ["the packet is not for this helper", "packet_argument", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; r3 = 14; ${OUTPUT}; ${OUT}`],
  ["of the packet", "accept", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; r1 = r2; r2 = 12; ${SUM}; ${OUT}`],
  ["beyond the packet", "out_of_packet", `${PACKET}; r4 = r2; r4 += 14; if r4 > r3 goto out; r1 = r2; r2 = 16; ${SUM}; ${OUT}`],
  ["the context is no memory", "argument_type", `r2 = r1; r3 = 8; ${OUTPUT}; ${END}`],
  ["a number is no memory", "argument_type", `r2 = 77; r3 = 8; ${OUTPUT}; ${END}`],
  ["a read leaves a spilled pointer", "accept", `r6 = r1; *(u64 *)(r10 -8) = r1; r2 = r10; r2 += -8; r3 = 8; ${OUTPUT}; r1 = *(u64 *)(r10 -8); r0 = *(u32 *)(r1 +16); ${END}`],
]);
const LOAD = "call 26";
// prettier-ignore
const FILLS = group({ type: "sched_cls" }, [
  ["fills a variable", "accept", `r2 = 0; r3 = r10; r3 += -8; r4 = 8; ${LOAD}; r0 = *(u64 *)(r10 -8); ${END}`],
  ["what was a number is unknown", "out_of_map_value", `${VALUE}; r8 = r0; *(u64 *)(r10 -16) = 1; r1 = r6; r2 = 0; r3 = r10; r3 += -16; r4 = 8; ${LOAD}; r0 = r8; r1 = *(u64 *)(r10 -16); r1 &= 63; r0 += r1; r0 = *(u8 *)(r0 +0); ${OUT}`],
  ["part of it filled", "number_access", `*(u64 *)(r10 -8) = r1; r2 = 0; r3 = r10; r3 += -8; r4 = 4; ${LOAD}; r1 = *(u64 *)(r10 -8); r0 = *(u32 *)(r1 +0); ${END}`],
  ["size 0", "zero_sized", `r2 = 0; r3 = r10; r3 += -8; r4 = 0; ${LOAD}; ${END}`],
  ["a size with bounds", "accept", `r9 = r1; ${small(31)}; r7 += 1; r1 = r9; r2 = 0; r3 = r10; r3 += -32; r4 = r7; ${LOAD}; r0 = *(u64 *)(r10 -32); ${END}`],
  ["into the packet", "accept", `r6 = r1; ${CONTROL}; r1 = r6; r3 = r2; r2 = 0; r4 = 4; ${LOAD}; ${OUT}`, { says: "packet_argument" }],
  ["into a read-only map", "map_write_forbidden", `r2 = 0; r3 = map[id:2][0]+0; r4 = 8; ${LOAD}; ${END}`],
]);

// prettier-ignore
const LOADS = group({ type: "socket_filter" }, [
  ["bytes by offset", "accept", `r6 = r1; r0 = *(u8 *)skb[12]; ${END}`],
  ["by variable offset", "accept", `r6 = r1; r7 = *(u32 *)(r1 +0); r0 = *(u32 *)skb[r7 + 2]; ${END}`],
  ["r6 is not the context", "legacy_packet_load", `r6 = 1; r0 = *(u8 *)skb[12]; ${END}`],
  ["r6 has no value", "uninitialised_register", `r0 = *(u8 *)skb[12]; ${END}`],
  ["r1 to r5 are gone", "uninitialised_register", `r6 = r1; r0 = *(u8 *)skb[12]; r0 = r1; ${END}`],
  ["moved context", "modified_pointer", `r6 = r1; r6 += 4; r0 = *(u8 *)skb[12]; ${END}`],
  ["not in xdp", "legacy_packet_load", `r6 = r1; r0 = *(u8 *)skb[12]; ${END}`, { type: "xdp" }],
  ["a byte is a byte", "accept", `r6 = r1; r0 = *(u8 *)skb[12]; r2 = r10; r2 += -256; ${END}`],
]);

/** All, by name of the group. */
export const CASES: Readonly<Record<string, readonly Case[]>> = {
  stack: STACK,
  packet: PACKETS,
  "packet rights": PACKET_RIGHTS,
  "map value": VALUES,
  "regions that are read": REGIONS,
  "regions that are filled": FILLS,
  "packet loads": LOADS,
};
