/**
 * Programs with calls of single helpers whose rules are their own, with what Linux 6.18 says of them: `accept`, or the reason of
 * ours that is the kernel's. Maps by number: see test/verifier/kernel/helper-bed.ts.
 */
import type { Place } from "../kernel/helper-bed.ts";

export interface Case {
  readonly name: string;
  readonly says: string;
  readonly code: string;
  readonly place: Place;
}

const XDP: Place = { type: "xdp", attach: null };
const TC: Place = { type: "sched_cls", attach: null };
const SKB: Place = { type: "cgroup_skb", attach: "cgroup_inet_egress" };
const TP: Place = { type: "tracepoint", attach: null };
const SYSCALL: Place = { type: "syscall", attach: null, flags: 16 };

const [VALUES, RODATA, GLOBAL, LOCKS, TIMERS, KPTRS, HASH, PERCPU] = [0, 1, 2, 3, 4, 5, 6, 7];
const [PROGRAMS, RING, USER_RING, OUTER, OUTER_TIMERS, OUTER_LOCKS] = [10, 23, 24, 30, 31, 32];
const END = "r0 = 0; exit";
const OUT = `out: ${END}`;
/** The 4 bytes of the key at fp-4 are 0. */
const KEY = "*(u32 *)(r10 -4) = 0; r2 = r10; r2 += -4";
const lookup = (map: number): string => `${KEY}; r1 = map[id:${map}]; call 1`;
const found = (map: number): string => `${lookup(map)}; if r0 == 0 goto out`;
/** r7: an unknown number 0 to `max`, a power of two less one. */
const small = (max: number): string => `call 7; r7 = r0; r7 &= ${max}`;

function group(place: Place, rows: readonly (readonly [name: string, says: string, code: string])[]): Case[] {
  return rows.map(([name, says, code]) => ({ name, says, code, place }));
}

// prettier-ignore
export const CASES: { readonly [group: string]: readonly Case[] } = {
  lookups: group(XDP, [
    ["a constant key within an array is found", "accept", `${lookup(VALUES)}; r1 = *(u64 *)(r0 +0); ${END}`],
    ["a constant key within a per-CPU array", "accept", `${lookup(PERCPU)}; r1 = *(u64 *)(r0 +0); ${END}`],
    ["a constant key in a hash", "null_access", `${lookup(HASH)}; r1 = *(u64 *)(r0 +0); ${END}`],
    ["a constant key outside of the array", "null_access", `*(u32 *)(r10 -4) = 4; r2 = r10; r2 += -4; r1 = map[id:${VALUES}]; call 1; r1 = *(u64 *)(r0 +0); ${END}`],
    ["the key is spilled with 8 bytes", "null_access", `*(u64 *)(r10 -8) = 0; r2 = r10; r2 += -8; r1 = map[id:${VALUES}]; call 1; r1 = *(u64 *)(r0 +0); ${END}`],
    ["the key is the upper half of zeros", "accept", `*(u64 *)(r10 -8) = 0; r2 = r10; r2 += -4; r1 = map[id:${VALUES}]; call 1; r1 = *(u64 *)(r0 +0); ${END}`],
    ["the key is bytes of zeros", "accept", `*(u8 *)(r10 -4) = 0; *(u8 *)(r10 -3) = 0; *(u8 *)(r10 -2) = 0; *(u8 *)(r10 -1) = 0; r2 = r10; r2 += -4; r1 = map[id:${VALUES}]; call 1; r1 = *(u64 *)(r0 +0); ${END}`],
    ["a known register is the key", "accept", `r3 = 2; *(u32 *)(r10 -8) = r3; r2 = r10; r2 += -8; r1 = map[id:${VALUES}]; call 1; r1 = *(u64 *)(r0 +0); ${END}`],
    ["a bounded register is not a key that is known", "null_access", `${small(3)}; *(u32 *)(r10 -8) = r7; r2 = r10; r2 += -8; r1 = map[id:${VALUES}]; call 1; r1 = *(u64 *)(r0 +0); ${END}`],
    ["an inner map's entries are not known", "accept", `${lookup(OUTER)}; if r0 == 0 goto out; r1 = r0; ${KEY}; call 1; r1 = *(u64 *)(r0 +0); ${OUT}`],
    ["an inner map's entry, checked", "accept", `${lookup(OUTER)}; if r0 == 0 goto out; r1 = r0; ${KEY}; call 1; if r0 == 0 goto out; r1 = *(u64 *)(r0 +56); ${OUT}`],
    ["an inner map is not a value", "map_internals", `${lookup(OUTER)}; if r0 == 0 goto out; *(u64 *)(r0 +0) = 1; ${OUT}`],
    ["an inner map unchecked", "argument_type", `${lookup(OUTER)}; r1 = r0; ${KEY}; call 1; ${END}`],
    ["update of a read-only map", "map_write_forbidden", `${KEY}; *(u64 *)(r10 -72) = 0; r1 = map[id:29]; r3 = r10; r3 += -72; r4 = 0; call 2; ${END}`],
    ["one call, two maps", "accept", `${small(1)}; ${KEY}; r1 = map[id:${VALUES}]; if r7 == 0 goto +2; r1 = map[id:${HASH}]; call 1; if r0 == 0 goto out; r1 = *(u64 *)(r0 +56); ${OUT}`],
  ]),
  "tail calls": [
    ...group(SKB, [
      ["a constant index", "accept", `r2 = map[id:${PROGRAMS}]; r3 = 1; call 12; ${END}`],
      ["an index outside of the map", "accept", `r2 = map[id:${PROGRAMS}]; r3 = 100; call 12; ${END}`],
      ["r0 has no value after it", "uninitialised_register", `r2 = map[id:${PROGRAMS}]; r3 = 1; call 12; exit`],
      ["the context has to be r1", "argument_type", `r1 = r10; r2 = map[id:${PROGRAMS}]; r3 = 1; call 12; ${END}`],
      ["through two maps", "map_kind", `r6 = r1; ${small(1)}; r1 = r6; r2 = map[id:${PROGRAMS}]; r3 = 1; if r7 == 0 goto +2; r2 = map[id:${VALUES}]; call 12; ${END}`],
      ["with a reference", "reference_leak", `r6 = r1; r1 = map[id:${RING}]; r2 = 8; r3 = 0; call 131; if r0 == 0 goto out; r1 = r6; r2 = map[id:${PROGRAMS}]; r3 = 1; call 12; ${OUT}`],
      ["in a function, whose result is then unknown", "return_range", `call +0; exit\n---\nr2 = map[id:${PROGRAMS}]; r3 = 1; call 12; ${END}`],
      ["in a function, the result not used", "accept", `call +0; ${END}\n---\nr2 = map[id:${PROGRAMS}]; r3 = 1; call 12; ${END}`],
      ["in a function, its caller holding a record", "accept", `r6 = r1; r1 = map[id:${RING}]; r2 = 8; r3 = 0; call 131; if r0 == 0 goto out; r8 = r0; r1 = r6; call +0; r1 = r8; r2 = 0; call 132; ${OUT}\n---\nr2 = map[id:${PROGRAMS}]; r3 = 1; call 12; ${END}`],
    ]),
    ...group(TC, [
      ["packet pointers survive one that fails", "accept", `r6 = r1; r7 = *(u32 *)(r1 +76); r8 = *(u32 *)(r1 +80); r2 = r7; r2 += 14; if r2 > r8 goto out; r1 = r6; r2 = map[id:${PROGRAMS}]; r3 = 0; call 12; r0 = *(u8 *)(r7 +0); ${OUT}`],
      ["but not one in a function", "number_access", `r6 = r1; r7 = *(u32 *)(r1 +76); r8 = *(u32 *)(r1 +80); r2 = r7; r2 += 14; if r2 > r8 goto out; r1 = r6; call +0; r0 = *(u8 *)(r7 +0); ${OUT}\n---\nr2 = map[id:${PROGRAMS}]; r3 = 0; call 12; ${END}`],
    ]),
  ],
  callbacks: group(XDP, [
    ["loop", "accept", `r1 = 100; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\n${END}`],
    ["loop, a pointer for the count", "argument_type", `r1 = r10; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\n${END}`],
    ["loop with a context on the stack", "accept", `*(u64 *)(r10 -8) = 0; r1 = 10; r2 = subprog[+0]; r3 = r10; r3 += -8; r4 = 0; call 181; r0 = *(u64 *)(r10 -8); r0 &= 1; exit\n---\nr3 = *(u64 *)(r2 +0); r3 += 1; *(u64 *)(r2 +0) = r3; ${END}`],
    ["the context may be null", "number_access", `r1 = 10; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\nr3 = *(u64 *)(r2 +0); ${END}`],
    ["a callback returns 2", "return_range", `r1 = 10; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\nr0 = 2; exit`],
    ["a callback returns its index", "return_range", `r1 = 10; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\nr0 = r1; exit`],
    ["a callback uses r3", "uninitialised_register", `r1 = 10; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\nr0 = r3; ${END}`],
    ["loop of an unknown count", "accept", `call 7; r1 = r0; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\n${END}`],
    ["loop no times", "accept", `r1 = 0; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\nr0 = 5; exit`],
    ["a record acquired in a callback and kept", "reference_leak", `r1 = 10; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\nr1 = map[id:${RING}]; r2 = 8; r3 = 0; call 131; ${END}`],
    ["a record acquired in a callback and given back", "accept", `r1 = 10; r2 = subprog[+0]; r3 = 0; r4 = 0; call 181; ${END}\n---\nr1 = map[id:${RING}]; r2 = 8; r3 = 0; call 131; if r0 == 0 goto out; r1 = r0; r2 = 0; call 132; ${OUT}`],
    ["for each element: key and value", "accept", `r1 = map[id:${VALUES}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 164; ${END}\n---\nr5 = *(u32 *)(r2 +0); *(u64 *)(r3 +56) = 1; ${END}`],
    ["for each element: behind the value", "out_of_map_value", `r1 = map[id:${VALUES}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 164; ${END}\n---\n*(u64 *)(r3 +64) = 1; ${END}`],
    ["for each element: the key is not written", "read_only", `r1 = map[id:${HASH}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 164; ${END}\n---\n*(u32 *)(r2 +0) = 1; ${END}`],
    ["for each element: delete it", "accept", `r1 = map[id:${HASH}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 164; ${END}\n---\ncall 3; ${END}`],
    ["for each element of a ring buffer", "map_kind", `r1 = map[id:${RING}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 164; ${END}\n---\n${END}`],
    ["user ring buffer: data of the dynptr", "accept", `r1 = map[id:${USER_RING}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 209; ${END}\n---\nr2 = 0; r3 = 8; call 203; if r0 == 0 goto out; r1 = *(u64 *)(r0 +0); ${OUT}`],
    ["user ring buffer: the dynptr is not released", "dynptr_read_only", `r1 = map[id:${USER_RING}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 209; ${END}\n---\nr2 = 0; call 200; ${END}`],
    ["user ring buffer: dynptr read", "accept", `r1 = map[id:${USER_RING}]; r2 = subprog[+0]; r3 = 0; r4 = 0; call 209; ${END}\n---\nr3 = r1; r1 = r10; r1 += -8; r2 = 8; r4 = 0; r5 = 0; call 201; ${END}`],
  ]),
  timers: group(TC, [
    ["init, set_callback, start", "accept", `${found(TIMERS)}; r6 = r0; r1 = r0; r1 += 8; r2 = map[id:${TIMERS}]; r3 = 0; call 169; r1 = r6; r1 += 8; r2 = subprog[+0]; call 170; r1 = r6; r1 += 8; r2 = 1; r3 = 0; call 171; ${OUT}\n---\n*(u64 *)(r3 +0) = 1; ${END}`],
    ["a callback returns 1", "return_range", `${found(TIMERS)}; r1 = r0; r1 += 8; r2 = subprog[+0]; call 170; ${OUT}\n---\nr0 = 1; exit`],
    ["a callback has no context", "uninitialised_register", `${found(TIMERS)}; r1 = r0; r1 += 8; r2 = subprog[+0]; call 170; ${OUT}\n---\nr0 = r4; ${END}`],
    ["a callback may not touch the timer", "special_field_access", `${found(TIMERS)}; r1 = r0; r1 += 8; r2 = subprog[+0]; call 170; ${OUT}\n---\nr0 = *(u64 *)(r3 +8); ${END}`],
    ["a callback may cancel", "accept", `${found(TIMERS)}; r1 = r0; r1 += 8; r2 = subprog[+0]; call 170; ${OUT}\n---\nr1 = r3; r1 += 8; call 172; ${END}`],
    ["another map", "special_argument", `${found(TIMERS)}; r1 = r0; r1 += 8; r2 = map[id:${VALUES}]; r3 = 0; call 169; ${OUT}`],
    ["not the timer's place", "special_argument", `${found(TIMERS)}; r1 = r0; r2 = map[id:${TIMERS}]; r3 = 0; call 169; ${OUT}`],
    ["at a variable place", "special_argument", `${small(8)}; ${found(TIMERS)}; r1 = r0; r1 += r7; r2 = map[id:${TIMERS}]; r3 = 0; call 169; ${OUT}`],
    ["in an inner map", "accept", `${found(OUTER_TIMERS)}; r6 = r0; r1 = r0; ${KEY}; call 1; if r0 == 0 goto out; r1 = r0; r1 += 8; r2 = r6; r3 = 0; call 169; ${OUT}`],
    ["in one inner map, the map another", "special_argument", `${found(OUTER_TIMERS)}; r6 = r0; ${found(OUTER_TIMERS)}; r7 = r0; r1 = r6; ${KEY}; call 1; if r0 == 0 goto out; r1 = r0; r1 += 8; r2 = r7; r3 = 0; call 169; ${OUT}`],
    ["under a lock", "call_under_lock", `${found(LOCKS)}; r8 = r0; ${found(TIMERS)}; r9 = r0; r1 = r8; r1 += 8; call 93; r1 = r9; r1 += 8; call 172; r1 = r8; r1 += 8; call 94; ${OUT}`],
  ]),
  locks: group(TC, [
    ["lock, change, unlock", "accept", `${found(LOCKS)}; r6 = r0; r1 = r0; r1 += 8; call 93; *(u64 *)(r6 +0) = 1; r1 = r6; r1 += 8; call 94; ${OUT}`],
    ["not unlocked", "lock_held", `${found(LOCKS)}; r1 = r0; r1 += 8; call 93; ${OUT}`],
    ["two elements, one lock each", "unlock_other", `${found(LOCKS)}; r6 = r0; ${found(LOCKS)}; r7 = r0; r1 = r6; r1 += 8; call 93; r1 = r7; r1 += 8; call 94; ${OUT}`],
    ["twice", "call_under_lock", `${found(LOCKS)}; r6 = r0; r1 = r0; r1 += 8; call 93; r1 = r6; r1 += 8; call 93; ${OUT}`],
    ["unlock alone", "unlock_without_lock", `${found(LOCKS)}; r1 = r0; r1 += 8; call 94; ${OUT}`],
    ["a helper under the lock", "call_under_lock", `${found(LOCKS)}; r6 = r0; r1 = r0; r1 += 8; call 93; call 5; r1 = r6; r1 += 8; call 94; ${OUT}`],
    ["a function under the lock", "accept", `${found(LOCKS)}; r6 = r0; r1 = r0; r1 += 8; call 93; call +0; r1 = r6; r1 += 8; call 94; ${OUT}\n---\n${END}`],
    ["unlocked in a function", "accept", `${found(LOCKS)}; r6 = r0; r1 = r0; r1 += 8; call 93; r1 = r6; call +0; ${OUT}\n---\nr1 += 8; call 94; ${END}`],
    ["the lock itself is not read", "special_field_access", `${found(LOCKS)}; r1 = *(u32 *)(r0 +8); ${OUT}`],
    ["a tail call under the lock", "call_under_lock", `r9 = r1; ${found(LOCKS)}; r6 = r0; r1 = r0; r1 += 8; call 93; r1 = r9; r2 = map[id:${PROGRAMS}]; r3 = 0; call 12; ${OUT}`],
    ["in an inner map", "accept", `${found(OUTER_LOCKS)}; r6 = r0; r1 = r0; ${KEY}; call 1; if r0 == 0 goto out; r6 = r0; r1 = r0; r1 += 8; call 93; r1 = r6; r1 += 8; call 94; ${OUT}`],
    ["a map value with a lock as a helper's memory", "special_field_access", `${found(LOCKS)}; r1 = r0; r2 = 16; r3 = 0; r4 = 0; r5 = 0; call 28; ${OUT}`],
    ["update from a value with a lock", "special_field_access", `${found(LOCKS)}; r3 = r0; ${KEY}; r1 = map[id:${VALUES}]; r4 = 0; call 2; ${OUT}`],
  ]),
  "ring buffers": group(XDP, [
    ["reserve, write, submit", "accept", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; call 131; if r0 == 0 goto out; *(u64 *)(r0 +8) = 1; r1 = r0; r2 = 0; call 132; ${OUT}`],
    ["behind the record", "out_of_region", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; call 131; if r0 == 0 goto out; *(u64 *)(r0 +16) = 1; r1 = r0; r2 = 0; call 132; ${OUT}`],
    ["used after submit", "number_access", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; call 131; if r0 == 0 goto out; r6 = r0; r1 = r0; r2 = 0; call 132; *(u64 *)(r6 +8) = 1; ${OUT}`],
    ["submitted twice", "argument_type", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; call 131; if r0 == 0 goto out; r6 = r0; r1 = r0; r2 = 0; call 132; r1 = r6; r2 = 0; call 132; ${OUT}`],
    ["submitted from its middle", "argument_offset", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; call 131; if r0 == 0 goto out; r1 = r0; r1 += 8; r2 = 0; call 132; ${OUT}`],
    ["an unknown size", "argument_not_constant", `${small(15)}; r1 = map[id:${RING}]; r2 = r7; r3 = 0; call 131; if r0 == 0 goto out; r1 = r0; r2 = 0; call 132; ${OUT}`],
    ["a record is a helper's memory", "accept", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; call 131; if r0 == 0 goto out; r6 = r0; r1 = r0; r2 = 16; r3 = 0; r4 = 0; r5 = 0; call 28; r1 = r6; r2 = 0; call 133; ${OUT}`],
    ["a record is a key", "accept", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; call 131; if r0 == 0 goto out; r6 = r0; *(u32 *)(r0 +0) = 1; r1 = map[id:${HASH}]; r2 = r6; call 1; r1 = r6; r2 = 0; call 133; ${OUT}`],
    ["output of the stack", "accept", `*(u64 *)(r10 -8) = 0; r1 = map[id:${RING}]; r2 = r10; r2 += -8; r3 = 8; r4 = 0; call 130; ${END}`],
    ["output of no bytes", "accept", `r1 = map[id:${RING}]; r2 = r10; r2 += -8; r3 = 0; r4 = 0; call 130; ${END}`],
  ]),
  dynptrs: group(XDP, [
    ["of a map's value: a slice", "accept", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; r2 = 0; r3 = 8; call 203; if r0 == 0 goto out; *(u64 *)(r0 +0) = 1; ${OUT}`],
    ["behind the slice", "out_of_region", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; r2 = 0; r3 = 8; call 203; if r0 == 0 goto out; *(u64 *)(r0 +8) = 1; ${OUT}`],
    ["a slice of an unknown size", "argument_not_constant", `${small(7)}; r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; r2 = 0; r3 = r7; call 203; ${END}`],
    ["a slice after the dynptr was written over", "number_access", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; r2 = 0; r3 = 8; call 203; if r0 == 0 goto out; *(u64 *)(r10 -8) = 0; *(u64 *)(r0 +0) = 1; ${OUT}`],
    ["used after it was written over", "dynptr_expected", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; *(u8 *)(r10 -1) = 0; r1 = r10; r1 += -16; r2 = 0; r3 = 8; call 203; ${END}`],
    ["read as numbers", "uninitialised_stack", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r0 = *(u64 *)(r10 -8); ${END}`],
    ["a helper writes over it", "dynptr_overwritten", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; r2 = 16; call 16; ${END}`],
    ["made twice in one place", "accept", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; ${END}`],
    ["at an odd place", "dynptr_made_already", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -20; call 197; ${END}`],
    ["at the end of the stack", "dynptr_made_already", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -8; call 197; ${END}`],
    ["of a ring buffer, not submitted", "reference_leak", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; r4 = r10; r4 += -16; call 198; ${END}`],
    ["of a ring buffer, submitted", "accept", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; r4 = r10; r4 += -16; call 198; r1 = r10; r1 += -16; r2 = 0; call 199; ${END}`],
    ["of a ring buffer, written over", "dynptr_overwritten", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; r4 = r10; r4 += -16; call 198; *(u64 *)(r10 -16) = 0; ${END}`],
    ["of a ring buffer, a slice after submit", "number_access", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; r4 = r10; r4 += -16; call 198; r1 = r10; r1 += -16; r2 = 0; r3 = 8; call 203; r6 = r0; r1 = r10; r1 += -16; r2 = 0; call 199; if r6 == 0 goto out; *(u64 *)(r6 +0) = 1; ${OUT}`],
    ["a slice is not submitted", "argument_type", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; r4 = r10; r4 += -16; call 198; r1 = r10; r1 += -16; r2 = 0; r3 = 8; call 203; if r0 == 0 goto out; r1 = r0; r2 = 0; call 132; ${OUT}`],
    ["of a ring buffer, submitted twice", "argument_not_released", `r1 = map[id:${RING}]; r2 = 16; r3 = 0; r4 = r10; r4 += -16; call 198; r1 = r10; r1 += -16; r2 = 0; call 199; r1 = r10; r1 += -16; r2 = 0; call 199; ${END}`],
    ["of a map's value, submitted", "argument_not_released", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; r2 = 0; call 199; ${END}`],
    ["read and written", "accept", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -32; r2 = 8; r3 = r10; r3 += -16; r4 = 0; r5 = 0; call 201; r1 = r10; r1 += -16; r2 = 0; r3 = r10; r3 += -32; r4 = 8; r5 = 0; call 202; ${END}`],
    ["the buffer of read is the dynptr", "dynptr_overwritten", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; r2 = 8; r3 = r10; r3 += -16; r4 = 0; r5 = 0; call 201; ${END}`],
    ["in the caller's frame", "accept", `r1 = map[id:${GLOBAL}][0]+0; r2 = 64; r3 = 0; r4 = r10; r4 += -16; call 197; r1 = r10; r1 += -16; call +0; ${END}\n---\nr2 = 0; r3 = 8; call 203; ${END}`],
  ]),
  strings: group(TC, [
    ["snprintf, one number", "accept", `*(u64 *)(r10 -8) = 7; r1 = r10; r1 += -32; r2 = 16; r3 = map[id:${RODATA}][0]+0; r4 = r10; r4 += -8; r5 = 8; call 165; ${END}`],
    ["snprintf, no data", "format_string", `r1 = r10; r1 += -32; r2 = 16; r3 = map[id:${RODATA}][0]+0; r4 = 0; r5 = 0; call 165; ${END}`],
    ["snprintf, data of 4 bytes", "format_string", `*(u64 *)(r10 -8) = 7; r1 = r10; r1 += -32; r2 = 16; r3 = map[id:${RODATA}][0]+0; r4 = r10; r4 += -8; r5 = 4; call 165; ${END}`],
    ["snprintf, more data than it uses", "accept", `*(u64 *)(r10 -8) = 7; *(u64 *)(r10 -16) = 7; r1 = r10; r1 += -32; r2 = 16; r3 = map[id:${RODATA}][0]+0; r4 = r10; r4 += -16; r5 = 16; call 165; ${END}`],
    ["snprintf, the middle of the string", "accept", `r1 = r10; r1 += -32; r2 = 16; r3 = map[id:${RODATA}][0]+8; r4 = 0; r5 = 0; call 165; ${END}`],
    ["snprintf, the format can change", "constant_string", `r1 = r10; r1 += -32; r2 = 16; r3 = map[id:${GLOBAL}][0]+0; r4 = 0; r5 = 0; call 165; ${END}`],
    ["snprintf, the format is on the stack", "argument_type", `*(u64 *)(r10 -8) = 0; r1 = r10; r1 += -32; r2 = 16; r3 = r10; r3 += -8; r4 = 0; r5 = 0; call 165; ${END}`],
    ["snprintf, the format's place is not known", "constant_string", `${small(7)}; r1 = r10; r1 += -32; r2 = 16; r3 = map[id:${RODATA}][0]+0; r3 += r7; r4 = 0; r5 = 0; call 165; ${END}`],
    ["strncmp", "accept", `*(u64 *)(r10 -8) = 0; r1 = r10; r1 += -8; r2 = 8; r3 = map[id:${RODATA}][0]+0; call 182; ${END}`],
    ["strncmp of a string that can change", "constant_string", `*(u64 *)(r10 -8) = 0; r1 = r10; r1 += -8; r2 = 8; r3 = map[id:${GLOBAL}][0]+0; call 182; ${END}`],
    ["strtol", "accept", `*(u64 *)(r10 -8) = 0; r1 = r10; r1 += -8; r2 = 8; r3 = 10; r4 = r10; r4 += -16; call 105; r0 = *(u64 *)(r10 -16); ${END}`],
    ["strtol, result not aligned", "misaligned", `*(u64 *)(r10 -8) = 0; r1 = r10; r1 += -8; r2 = 8; r3 = 10; r4 = r10; r4 += -20; call 105; ${END}`],
  ]),
  results: [
    ...group(TP, [
      ["probe_read_str gives at most the size", "accept", `r1 = r10; r1 += -16; r2 = 16; r3 = 0; call 45; if r0 s< 0 goto out; if r0 s> 16 goto bad; ${OUT}; bad: r0 = *(u64 *)(r0 +0); exit`],
      ["get_stack gives at least an error number", "accept", `r2 = r10; r2 += -16; r3 = 16; r4 = 0; call 67; if r0 s< -4095 goto bad; ${OUT}; bad: r0 = *(u64 *)(r0 +0); exit`],
      ["probe_read leaves a hole", "accept", `r1 = r10; r1 += -16; r2 = 16; r3 = 0; call 4; r0 = *(u64 *)(r10 -16); ${END}`],
      ["the task's registers", "accept", `call 158; r1 = r0; call 175; r0 = *(u64 *)(r0 +0); ${END}`],
      ["find_vma", "accept", `call 158; r1 = r0; r2 = 0; r3 = subprog[+0]; r4 = 0; r5 = 0; call 180; ${END}\n---\nr0 = *(u64 *)(r2 +0); ${END}`],
      ["task storage, created", "accept", `call 158; r2 = r0; r1 = map[id:26]; r3 = 0; r4 = 1; call 156; if r0 == 0 goto out; *(u64 *)(r0 +56) = 1; ${OUT}`],
      ["task storage of null", "accept", `r2 = 0; r1 = map[id:26]; r3 = 0; r4 = 1; call 156; ${END}`],
    ]),
    ...group(SKB, [
      ["local storage", "accept", `r1 = map[id:20]; r2 = 0; call 81; *(u64 *)(r0 +56) = 1; ${END}`],
      ["local storage with flags", "helper_flags", `r1 = map[id:20]; r2 = 1; call 81; ${END}`],
      ["a socket's fields", "accept", `r1 = *(u64 *)(r1 +168); if r1 == 0 goto out; call 95; if r0 == 0 goto out; r0 = *(u32 *)(r0 +4); ${OUT}`],
      ["a TCP socket's fields", "accept", `r1 = *(u64 *)(r1 +168); if r1 == 0 goto out; call 96; if r0 == 0 goto out; r0 = *(u32 *)(r0 +0); ${OUT}`],
      ["a looked-up socket through a cast is given back", "accept", `r6 = r1; *(u64 *)(r10 -8) = 0; *(u64 *)(r10 -16) = 0; r2 = r10; r2 += -16; r3 = 12; r4 = -1; r5 = 0; call 84; if r0 == 0 goto out; r6 = r0; r1 = r0; call 96; if r0 == 0 goto rel; r1 = r0; call 86; ${END}; rel: r1 = r6; call 86; ${OUT}`],
      ["a looked-up socket, the cast used after release", "number_access", `r6 = r1; *(u64 *)(r10 -8) = 0; *(u64 *)(r10 -16) = 0; r2 = r10; r2 += -16; r3 = 12; r4 = -1; r5 = 0; call 84; if r0 == 0 goto out; r6 = r0; r1 = r0; call 96; r7 = r0; r1 = r6; call 86; if r7 == 0 goto out; r0 = *(u32 *)(r7 +0); ${OUT}`],
      ["skc_to_tcp_sock reads the kernel's struct", "accept", `r1 = *(u64 *)(r1 +168); if r1 == 0 goto out; call 137; if r0 == 0 goto out; r0 = *(u64 *)(r0 +0); ${OUT}`],
    ]),
    ...group(SYSCALL, [
      ["copy_from_user", "accept", `r1 = r10; r1 += -8; r2 = 8; r3 = 0; call 148; ${END}`],
      ["kptr_xchg of null", "reference_leak", `${found(KPTRS)}; r1 = r0; r1 += 8; r2 = 0; call 194; ${OUT}`],
      ["kptr_xchg of a task that is not owned", "argument_not_released", `${found(KPTRS)}; r6 = r0; call 158; r2 = r0; r1 = r6; r1 += 8; call 194; ${OUT}`],
      ["kptr_xchg at another place", "kptr_exchange", `${found(KPTRS)}; r1 = r0; r2 = 0; call 194; ${OUT}`],
    ]),
  ],
};
