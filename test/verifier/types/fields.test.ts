/**
 * Special fields of structures: what is found, what is refused. The answers are the kernel's (Linux 6.18), which is asked again
 * where that is possible: it takes a program's types, or not.
 */
import { closeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { encodeBtf, BtfStrings } from "../../../lib/btf/index.ts";
import type { Btf } from "../../../lib/btf/index.ts";
import { Rejection } from "../../../lib/verifier/outcome.ts";
import { fieldAt, recordOf } from "../../../lib/verifier/types/index.ts";
import { noKernel } from "../../kernel/bed.ts";
import { tryBtf } from "../kernel/ask.ts";
import { structures } from "./structures.ts";

/** A kernel with what pointers in these tests refer to. */
const KERNEL: Btf = {
  types: [
    { kind: "void" },
    { kind: "struct", name: "task_struct", size: 8, members: [] },
    { kind: "struct", name: "file", size: 8, members: [] },
    { kind: "func_proto", result: 0, params: [] },
    { kind: "func", name: "bpf_task_release_dtor", type: 3, linkage: "static" },
  ],
};

const ITEM = "list: bpf_list_node; data: u64";
const LOCK = "lock: bpf_spin_lock";

interface Row {
  readonly name: string;
  /** Structures; the last one is looked at. */
  readonly text: Readonly<Record<string, string>>;
  /** `kind@offset`, or `refused`. Of an object that programs allocate. */
  readonly object: string;
}

// prettier-ignore
const ROWS: readonly Row[] = [
  { name: "a lock",                         text: { v: `a: int; ${LOCK}` }, object: "spin_lock@4" },
  { name: "two locks",                      text: { v: `${LOCK}; other: bpf_spin_lock` }, object: "refused" },
  { name: "a lock, and one in a member",    text: { n: `a: u64; ${LOCK}`, v: `${LOCK}; n: n` }, object: "spin_lock@0 spin_lock@16" },
  { name: "two kinds of locks",             text: { v: `${LOCK}; other: bpf_res_spin_lock` }, object: "refused" },
  { name: "a res_spin_lock alone",          text: { v: "lock: bpf_res_spin_lock" }, object: "" },
  { name: "a res_spin_lock and a count",    text: { v: "lock: bpf_res_spin_lock; count: bpf_refcount" }, object: "res_spin_lock@0 refcount@4" },
  { name: "an array of locks",              text: { v: "locks: bpf_spin_lock[2]; one: bpf_refcount" }, object: "refused" },
  { name: "an array of one lock",           text: { v: "locks: bpf_spin_lock[1]; one: bpf_refcount" }, object: "spin_lock@0 refcount@4" },
  { name: "two counts",                     text: { v: "a: bpf_refcount; b: bpf_refcount" }, object: "refcount@0 refcount@4" },
  { name: "a timer, which objects have not", text: { v: "t: bpf_timer; c: bpf_refcount" }, object: "refcount@16" },
  { name: "a list",                         text: { item: ITEM, v: `head: bpf_list_head contains:item:list; ${LOCK}` }, object: "list_head@0 spin_lock@16" },
  { name: "a list without a lock",          text: { item: ITEM, v: "head: bpf_list_head contains:item:list" }, object: "refused" },
  { name: "a list of nothing",              text: { item: ITEM, v: `head: bpf_list_head; ${LOCK}` }, object: "refused" },
  { name: "a list by a member that is not", text: { item: ITEM, v: `head: bpf_list_head contains:item:nope; ${LOCK}` }, object: "refused" },
  { name: "a list by a number",             text: { item: ITEM, v: `head: bpf_list_head contains:item:data; ${LOCK}` }, object: "refused" },
  { name: "lists in an array",              text: { item: ITEM, v: `heads: bpf_list_head contains:item:list [2]; ${LOCK}` }, object: "list_head@0 list_head@16 spin_lock@32" },
  { name: "a node of a list and a tree",    text: { v: "l: bpf_list_node; r: bpf_rb_node" }, object: "refused" },
  { name: "the same, counted",              text: { v: "l: bpf_list_node; r: bpf_rb_node; c: bpf_refcount" }, object: "list_node@0 rb_node@24 refcount@56" },
  { name: "owned, and owns what owns nothing", text: { item: ITEM, v: `l: bpf_list_node; h: bpf_list_head contains:item:list; ${LOCK}` }, object: "list_node@0 list_head@24 spin_lock@40" },
  { name: "owned by its like",              text: { v: `l: bpf_list_node; h: bpf_list_head contains:v:l; ${LOCK}` }, object: "refused" },
  { name: "pointers to kernel objects",     text: { v: "a: kptr task_struct; b: kptr_untrusted file" }, object: "kptr_ref@0 kptr_unref@8" },
  { name: "an owned pointer that nobody releases", text: { v: "a: kptr file" }, object: "refused" },
  { name: "a pointer to a type of its own", text: { item: ITEM, v: "a: kptr item; b: percpu_kptr item" }, object: "kptr_ref@0 kptr_percpu@8" },
  { name: "pointers in an array only",      text: { v: "a: kptr task_struct[2]" }, object: "" },
  { name: "pointers in an array",           text: { v: "a: kptr task_struct[2]; c: bpf_refcount" }, object: "kptr_ref@0 kptr_ref@8 refcount@16" },
  { name: "a tag that means nothing here",  text: { v: "a: user task_struct; c: bpf_refcount" }, object: "refused" },
  { name: "the same tag alone",             text: { v: "a: user task_struct" }, object: "" },
  { name: "twelve pointers",                text: { v: "a: kptr task_struct[12]; c: bpf_refcount" }, object: "refused" },
];

/** `kind@offset ...`, or `refused`. */
function fieldsOf({ types, ids }: ReturnType<typeof structures>, owner: "map" | "object"): string {
  try {
    const record = recordOf({ types }, ids.get("v") ?? 0, KERNEL, owner);
    for (const field of record.fields) expect(fieldAt(record, field.offset)).toBe(field);
    return record.fields.map(({ kind, offset }) => `${kind}@${offset}`).join(" ");
  } catch (error) {
    if (error instanceof Rejection) return "refused";
    throw error;
  }
}

describe("special fields of objects", () => {
  test.each(ROWS)("$name", ({ text, object }) => {
    expect(fieldsOf(structures(text), "object")).toBe(object);
  });
});

describe.skipIf(noKernel)("the running kernel takes the types", () => {
  test.each(ROWS)("$name", ({ text, object }) => {
    const bytes = encodeBtf({ types: structures(text).types }, new BtfStrings());
    const fd = tryBtf(bytes);
    if (fd !== null) closeSync(fd);
    expect(fd === null).toBe(object === "refused");
  });
});

// prettier-ignore
const VALUES: readonly (readonly [name: string, body: string, fields: string])[] = [
  ["timers",           "t: bpf_timer; w: bpf_wq; k: bpf_task_work", "timer@0 workqueue@16 task_work@32"],
  ["two timers",       "t: bpf_timer; u: bpf_timer",                "refused"],
  ["nodes are bytes",  "n: bpf_list_node; a: u64",                  ""],
  ["user memory",      "p: uptr mine",                              "uptr@0"],
];

describe("special fields of map values", () => {
  test.each(VALUES)("%s", (_, body, fields) => {
    expect(fieldsOf(structures({ mine: "a: u64", v: body }), "map")).toBe(fields);
  });
});
