// Functions of the kernel called from TypeScript: their types against the running kernel's, and what they do there.
import { closeSync, openSync, readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { decodeBtf, findFunctions, typeName } from "../../lib/btf/index.ts";
import { readElf, writeElf } from "../../lib/elf/index.ts";
import { KFUNCS } from "../../lib/kernel/index.ts";
import type { KernelFunction } from "../../lib/kernel/index.ts";
import { canonicalize } from "../../lib/object/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { attachCgroup, load } from "../../loader/index.ts";
import { compiled } from "../differential/engines.ts";
import { Bed, noKernel } from "./bed.ts";

let spec: ObjectSpec;
beforeAll(async () => {
  spec = await compiled(new URL("../files/language/kfuncs.ts", import.meta.url).pathname);
});

test("the calls survive ELF; a function's type is extern", () => {
  expect(readElf(writeElf(spec))).toEqual(canonicalize(spec));
  const calls = spec.programs.flatMap((p) => p.relocations.flatMap((r) => (r.kind === "kfunc" ? [r.kfunc] : [])));
  expect(calls).toContain("bpf_cgroup_release");
  const externs = spec.btf.types.flatMap((t) => (t.kind === "func" && t.linkage === "extern" ? [t.name] : []));
  expect(externs.toSorted()).toEqual([...new Set(calls)].toSorted());
});

describe.skipIf(noKernel)("on the kernel", () => {
  const ROWS: readonly (readonly [string, KernelFunction])[] = Object.entries(KFUNCS);

  test("the table's types are the kernel's, and looking up needs no decoding", () => {
    const bytes = new Uint8Array(readFileSync("/sys/kernel/btf/vmlinux"));
    const btf = decodeBtf(bytes);
    const found = findFunctions(bytes, new Set(Object.keys(KFUNCS)));
    const kernel = ROWS.map(([name]) => {
      const func = btf.types[found.get(name) ?? 0];
      const proto = func?.kind === "func" && func.name === name ? btf.types[func.type] : undefined;
      if (proto?.kind !== "func_proto") return [name];
      const spell = (id: number): string => (id === 0 ? "void" : typeName(btf, id));
      return [name, spell(proto.result), ...proto.params.map((p) => `${spell(p.type)} ${p.name}`)];
    });
    expect(kernel).toEqual(ROWS.map(([name, f]) => [name, f.returns, ...f.params.map(([p, type]) => `${type} ${p}`)]));
  });

  test("a cgroup and its root count what is sent, as values of the cgroups", async () => {
    await using bed = new Bed();
    const [netns, cgroup] = [bed.netns("k"), bed.cgroup()];
    await using object = await load(spec, { programs: ["account"] });
    await using link = attachCgroup(object.program("account"), cgroup);
    const script = `const s = require("node:dgram").createSocket("udp4");
      s.send("hello", 9, "127.0.0.1", () => { s.close(); console.log("sent"); });`;
    expect(bed.run(script, { netns, cgroup })).toBe("sent");
    const bytesOf = (path: string): bigint | undefined => {
      const fd = openSync(path, "r");
      try {
        return object.map<number, { value: bigint }>("traffic").get(fd)?.value;
      } finally {
        closeSync(fd);
      }
    };
    expect([bytesOf(cgroup), bytesOf(`${cgroup}/..`)]).toEqual([33n, 33n]);
    expect(object.map<number, { value: bigint }>("seen").get(0)?.value).toBe(1n);
    expect(link.where).toContain(cgroup);
  });

  test("the size of a hash map; a task by its pid", async () => {
    await using object = await load(spec, { programs: ["measure", "find"] });
    const flows = object.map<number, { value: bigint }>("flows");
    for (const key of [1, 2, 3]) flows.set(key, { value: 0n });
    flows.delete(2);
    const { returnValue, data } = object.program("measure").testRun({ data: new Uint8Array(100) });
    expect([returnValue, data[0]]).toEqual([2, 2]);
    expect(object.program("find").testRun({ data: new Uint8Array(100) }).returnValue).toBe(0);
  });

  test("a function that the kernel does not have", async () => {
    const programs = spec.programs
      .filter((p) => p.name === "account")
      .map((p) => ({
        ...p,
        relocations: p.relocations.map((r) => (r.kind === "kfunc" ? { ...r, kfunc: "bpf_no_such" } : r)),
      }));
    await expect(load({ ...spec, programs })).rejects.toThrow(/L004.*no function bpf_no_such/);
  });
});
