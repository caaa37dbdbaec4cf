/** The field tables of lib/kernel against the kernel's header, by clang's static assertions (an oracle; skipped without). */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { CONTEXTS, CONTEXT_FIELDS, SOCKET_FIELDS, SOCKET_SIZE } from "../../lib/kernel/index.ts";
import type { ContextField } from "../../lib/kernel/index.ts";

function compile(source: string): { ok: boolean; errors: string } {
  const { status, stderr } = spawnSync("clang", ["-fsyntax-only", "-x", "c", "-"], { input: source, encoding: "utf8" });
  return { ok: status === 0, errors: stderr ?? "" };
}
const HEADERS = "#include <stddef.h>\n#include <linux/bpf.h>\n";
const oracle = compile(`${HEADERS}struct bpf_sk_lookup x;`);
if (!oracle.ok) process.stderr.write("skipped: context layouts: clang or linux/bpf.h is missing\n");

// IPv6 addresses and `cb` are arrays; `args` is the first member of a nameless union.
function assertions(struct: string, size: number, fields: readonly ContextField[]): string {
  const lines = fields.map(({ name, offset, size: bytes }) => {
    const member = `((struct ${struct} *)0)->${name}`;
    return `_Static_assert(offsetof(struct ${struct}, ${name}) == ${offset} && sizeof(${member}) == ${bytes}, "${struct}.${name}");`;
  });
  return `${HEADERS}_Static_assert(sizeof(struct ${struct}) == ${size}, "${struct}");\n${lines.join("\n")}`;
}

// prettier-ignore
const STRUCTS = Object.entries(CONTEXTS).map(([kind, { size }]) => [kind, size, CONTEXT_FIELDS[kind as keyof typeof CONTEXTS]] as const);

// The last member of bpf_sock_ops is of Linux 6.2; an older header ends before it.
const older = oracle.ok && !compile(`${HEADERS}int x = sizeof(((struct bpf_sock_ops *)0)->skb_hwtstamp);`).ok;
type Struct = readonly [string, number, readonly ContextField[]];
const inHeader = ([name, size, fields]: Struct): Struct =>
  older && name === "bpf_sock_ops" ? [name, size - 8, fields.slice(0, -1)] : [name, size, fields];

describe.skipIf(!oracle.ok)("layouts", () => {
  test.each<Struct>([...STRUCTS.map(inHeader), ["bpf_sock", SOCKET_SIZE, SOCKET_FIELDS]])(
    "struct %s",
    (struct, size, fields) => {
      expect(compile(assertions(struct, size, fields)).errors).toBe("");
      // The oracle does object to a wrong table.
      expect(compile(assertions(struct, size + 1, fields)).ok).toBe(false);
    },
  );
});

test("fields are ascending, inside the structure, and do not overlap", () => {
  for (const [kind, size, fields] of STRUCTS) {
    const ends = fields.map((field) => field.offset + field.size);
    fields.forEach((field, i) => expect([kind, field.offset >= (ends[i - 1] ?? 0)]).toEqual([kind, true]));
    expect(Math.max(...ends)).toBeLessThanOrEqual(size);
  }
});
