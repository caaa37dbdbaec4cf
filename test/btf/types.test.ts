/** Building, sizes, names, references and C text of BTF types. */
import { spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import {
  BtfBuilder,
  checkNames,
  isIdentifier,
  printC,
  printDeclaration,
  reachableFrom,
  removeTypes,
  resolveType,
  sizeOf,
  toIdentifier,
  typeName,
} from "../../lib/btf/index.ts";
import type { Btf, BtfType } from "../../lib/btf/index.ts";
import { codeOf } from "./code-of.ts";

const VOID = { kind: "void" } as const;

describe("builder", () => {
  test("equal types have one id, in the order of first use", () => {
    const b = new BtfBuilder();
    const u32 = b.int("u32", 4);
    expect(u32).toBe(1);
    expect(b.int("u32", 4)).toBe(u32);
    expect(b.int("u32", 4, "signed")).toBe(2);
    expect(b.add({ encoding: "unsigned", size: 4, name: "u32", kind: "int" })).toBe(u32);
    const e = b.enum("verdict", [{ name: "PASS", value: 1n }]);
    expect(b.enum("verdict", [{ name: "PASS", value: 1n }])).toBe(e);
    expect(b.enum("verdict", [{ name: "PASS", value: 2n }])).not.toBe(e);
    const key = (): number => b.struct("key", 4, [{ name: "a", type: b.int("u32", 4), bitOffset: 0 }]);
    expect(key()).toBe(key());
  });

  test("starts from another BTF, whose ids stay", () => {
    const first = new BtfBuilder();
    const u32 = first.int("u32", 4);
    const next = new BtfBuilder(first.finish());
    expect(next.ptr(next.int("u32", 4))).toBe(u32 + 1);
    expect(next.finish().types.slice(0, 2)).toEqual(first.finish().types);
  });

  test("types that refer to themselves", () => {
    const b = new BtfBuilder();
    const node = b.reserve();
    b.define(node, {
      kind: "struct",
      name: "node",
      size: 8,
      members: [{ name: "next", type: b.ptr(node), bitOffset: 0 }],
    });
    expect(sizeOf(b.finish(), node)).toBe(8);
    expect(codeOf(() => b.define(node, VOID))).toBe("B004");
    b.reserve();
    expect(codeOf(() => b.finish())).toBe("B004");
  });
});

/** One of everything; ids are the keys' order from 1. */
function zoo(): { btf: Btf; id: (name: string) => number } {
  const b = new BtfBuilder();
  const u32 = b.int("u32", 4);
  const u8 = b.int("u8", 1);
  const ids = new Map<string, number>([
    ["void", 0],
    ["u32", u32],
  ]);
  const name = (text: string, id: number): number => {
    ids.set(text, id);
    return id;
  };
  const array = name("array", b.array(u32, 3));
  name("matrix", b.array(array, 2));
  const key = name(
    "key",
    b.struct("key", 8, [
      { name: "a", type: u32, bitOffset: 0 },
      { name: "b", type: u8, bitOffset: 32, bitfieldSize: 3 },
    ]),
  );
  const pointer = name("pointer", b.ptr(b.const(key)));
  name("constant pointer", b.const(pointer));
  name("array pointer", b.ptr(array));
  const proto = name(
    "proto",
    b.funcProto(u32, [
      { name: "key", type: pointer },
      { name: "", type: 0 },
    ]),
  );
  name("function pointer", b.ptr(proto));
  name("func", b.func("find", proto));
  name("typedef", b.typedef("key_t", key));
  name("var", b.var("most", u32, "static"));
  name("fwd", b.fwd("sock"));
  name("datasec", b.datasec(".data", 12, []));
  name("anonymous", b.union("", 4, [{ name: "x", type: u32, bitOffset: 0 }]));
  name(
    "packed",
    b.struct("packed", 5, [
      { name: "a", type: u8, bitOffset: 0 },
      { name: "b", type: u32, bitOffset: 8 },
    ]),
  );
  name(
    "enum",
    b.enum("verdict", [
      { name: "DROP", value: 1n },
      { name: "PASS", value: 2n },
    ]),
  );
  return { btf: b.finish(), id: (text) => ids.get(text) ?? -1 };
}

// prettier-ignore
const ZOO: readonly [name: string, size: number | "B008" | "B004", text: string][] = [
  ["void",             "B008", "void"],
  ["u32",              4,      "u32"],
  ["array",            12,     "u32 [3]"],
  ["matrix",           24,     "u32 [2][3]"],
  ["key",              8,      "struct key"],
  ["pointer",          8,      "const struct key *"],
  ["constant pointer", 8,      "const struct key *const"],
  ["array pointer",    8,      "u32 (*)[3]"],
  ["proto",            "B008", "u32 (const struct key *key, ...)"],
  ["function pointer", 8,      "u32 (*)(const struct key *key, ...)"],
  ["func",             "B008", "u32 find(const struct key *key, ...)"],
  ["typedef",          8,      "key_t"],
  ["var",              4,      "u32 most"],
  ["fwd",              "B008", "struct sock"],
  ["datasec",          12,     "/* section .data */"],
  ["anonymous",        4,      "union {\n\tu32 x;\n}"],
  ["packed",           5,      "struct packed"],
  ["enum",             4,      "enum verdict"],
];

describe("sizes and text", () => {
  test.each(ZOO)("%s", (name, size, text) => {
    const { btf, id } = zoo();
    if (typeof size === "number") expect(sizeOf(btf, id(name))).toBe(size);
    else expect(codeOf(() => sizeOf(btf, id(name)))).toBe(size);
    expect(typeName(btf, id(name))).toBe(text);
  });

  test("types that contain themselves end in a diagnostic, printing ends", () => {
    const loop: Btf = { types: [VOID, { kind: "const", type: 1 }, { kind: "array", element: 2, index: 2, count: 2 }] };
    expect(codeOf(() => sizeOf(loop, 1))).toBe("B004");
    expect(codeOf(() => sizeOf(loop, 2))).toBe("B004");
    expect(codeOf(() => resolveType(loop, 9))).toBe("B004");
    expect(typeName(loop, 2)).toContain("...");
    expect(printDeclaration(loop, 1, "x")).toContain("...");
  });
});

describe("printC", () => {
  test("definitions in the order that C wants", () => {
    const b = new BtfBuilder();
    const node = b.reserve();
    const u64 = b.int("unsigned long long", 8);
    const list = b.struct("list", 24, [
      { name: "first", type: b.ptr(node), bitOffset: 0 },
      { name: "node", type: node, bitOffset: 64 },
    ]);
    b.define(node, {
      kind: "struct",
      name: "node",
      size: 16,
      members: [
        { name: "next", type: b.ptr(node), bitOffset: 0 },
        { name: "value", type: u64, bitOffset: 64 },
      ],
    });
    b.func("push", b.funcProto(0, [{ name: "list", type: b.ptr(list) }]));
    expect(printC(b.finish(), [list])).toBe(
      "struct node;\nstruct node {\n\tstruct node *next;\n\tunsigned long long value;\n};\nstruct list {\n\tstruct node *first;\n\tstruct node node;\n};\n",
    );
    expect(printC(b.finish())).toContain("void push(struct list *list);\n");
  });

  const clang = spawnSync("clang", ["--version"]).status === 0;
  if (!clang) process.stderr.write("skipped: clang is not installed\n");
  test.skipIf(!clang)("clang takes it, and finds the same sizes", () => {
    const { btf } = zoo();
    const sized = btf.types.flatMap((t, id) =>
      t.kind === "struct" || t.kind === "typedef" ? [[typeName(btf, id), sizeOf(btf, id)]] : [],
    );
    expect(sized.length).toBeGreaterThan(2);
    const checks = sized.map(([name, size]) => `_Static_assert(sizeof(${name}) == ${size}, "${name}");\n`).join("");
    const source = `typedef unsigned int u32; typedef unsigned char u8;\n${printC(btf)}${checks}`;
    const { status, stderr } = spawnSync("clang", ["-target", "bpf", "-fsyntax-only", "-x", "c", "-"], {
      input: source,
      encoding: "utf8",
    });
    expect(stderr.split("\n").filter((l) => l.includes("error"))).toEqual([]);
    expect(status).toBe(0);
  });
});

describe("names", () => {
  // prettier-ignore
  test.each([["flow_key", true], ["_x9", true], ["", false], ["9x", false], ["a-b", false], ["a.b", false], ["é", false], ["a".repeat(127), true], ["a".repeat(128), false]] as const)(
    "isIdentifier(%j) = %s", (name, expected) => {
      expect(isIdentifier(name)).toBe(expected);
      expect(isIdentifier(toIdentifier(name))).toBe(true);
    });

  test("toIdentifier", () => {
    expect([toIdentifier("Map<u32>"), toIdentifier("1st"), toIdentifier("ok")]).toEqual(["Map_u32_", "_1st", "ok"]);
  });

  // prettier-ignore
  const BAD: readonly [type: BtfType, path: string][] = [
    [{ kind: "typedef", name: "", type: 0 }, "types[1]"],
    [{ kind: "struct", name: "a b", size: 0, members: [] }, "types[1]"],
    [{ kind: "struct", name: "", size: 0, members: [{ name: "a-b", type: 0, bitOffset: 0 }] }, "types[1].members[0]"],
    [{ kind: "func_proto", result: 0, params: [{ name: "1", type: 0 }] }, "types[1].params[0]"],
    [{ kind: "enum", name: "", size: 4, signed: false, values: [{ name: "", value: 0n }] }, "types[1].values[0]"],
    [{ kind: "datasec", name: "tcx/ingress", size: 0, variables: [] }, "types[1]"],
    [{ kind: "int", name: "", size: 4, encoding: "bool" }, "types[1]"],
  ];
  test.each(BAD.map(([type, path]) => [type.kind, path, type] as const))(
    "a bad name in a %s is refused at %s",
    (_, path, type) => {
      expect(checkNames({ types: [VOID, type] }).map((d) => [d.code, d.place])).toEqual([
        ["B007", { kind: "path", file: "BTF", path }],
      ]);
    },
  );

  test("what the kernel takes", () => {
    expect(checkNames(zoo().btf)).toEqual([]);
    expect(
      checkNames({
        types: [
          VOID,
          { kind: "int", name: "long unsigned int", size: 8, encoding: "unsigned" },
          { kind: "datasec", name: ".rodata.str1.1", size: 1, variables: [] },
        ],
      }),
    ).toEqual([]);
  });
});

describe("references", () => {
  test("reachableFrom follows everything, removeTypes renumbers", () => {
    const { btf, id } = zoo();
    expect(reachableFrom(btf, [id("pointer")])).toContain(id("key"));
    expect(reachableFrom(btf, [id("pointer")])).not.toContain(id("array"));
    const removed = new Set([id("matrix"), id("enum")]);
    const less = removeTypes(btf, removed);
    expect(less.btf.types.length).toBe(btf.types.length - 2);
    expect(typeName(less.btf, less.idOf(id("func")))).toBe(typeName(btf, id("func")));
    expect(less.idOf(id("matrix"))).toBe(0);
  });
});
