/** A LoadRequest made of an object: what is linked, which maps come along, ids of the kernel's functions and targets. */
import { describe, expect, test } from "vitest";
import { decode, parse } from "../../lib/asm/index.ts";
import { BtfBuilder } from "../../lib/btf/index.ts";
import type { Btf } from "../../lib/btf/index.ts";
import type { ObjectSpec, ProgramSpec } from "../../lib/object/index.ts";
import { requestOf } from "../../lib/verifier/index.ts";
import { filterObject } from "../elf/samples.ts";

describe("an object with maps, data and a subprogram", () => {
  const object = filterObject();
  const request = requestOf(object, "filter");

  test("the program with the functions that it calls", () => {
    expect(request).toMatchObject({
      name: "filter",
      type: "xdp",
      attach: "xdp",
      license: "Dual MIT/GPL",
      btf: object.btf,
    });
    expect(request.functions).toEqual([
      { slot: 0, type: object.programs[0]?.btfId },
      { slot: expect.any(Number) as number, type: object.subprograms[0]?.btfId },
    ]);
    expect(decode(request.code).length).toBeGreaterThan(0);
    expect(request.lines.length).toBeGreaterThan(0);
  });

  test("only maps that are referred to; read-only data has contents", () => {
    const names = request.maps.map(({ spec }) => spec.name);
    expect(names.length).toBeLessThan(object.maps.length);
    for (const { spec, btf, contents } of request.maps) {
      expect(contents).toEqual(spec.name === ".rodata" ? spec.initial : null);
      expect(btf).toBe(object.btf);
    }
    for (const { map } of request.mapReferences.values()) expect(names[map]).toBeDefined();
    const constant = [...request.mapReferences.values()].find(({ map }) => names[map] === ".rodata");
    expect(constant).toMatchObject({ kind: "map_value", offset: 8 });
  });
});

describe("names of the kernel", () => {
  const builder = new BtfBuilder();
  const proto = builder.funcProto(builder.int("int", 4, "signed"), []);
  const kfunc = builder.func("bpf_rcu_read_lock", proto, "global");
  const target = builder.typedef("btf_trace_sched_switch", builder.ptr(proto));
  const kernel: Btf = builder.finish();

  const program: ProgramSpec = {
    name: "trace",
    section: "tp_btf/sched_switch",
    type: "tracing",
    attach: "trace_raw_tp",
    flags: 0,
    btfId: 0,
    linkage: "global",
    lines: [],
    insns: parse("call 1\nr0 = 0\nexit"),
    relocations: [{ kind: "kfunc", slot: 0, kfunc: "bpf_rcu_read_lock" }],
  };
  const object: ObjectSpec = {
    license: "GPL",
    programs: [program],
    subprograms: [],
    maps: [],
    btf: { types: [{ kind: "void" }] },
  };

  test("functions and the target get their ids", () => {
    const request = requestOf(object, "trace", { kernel });
    expect(decode(request.code)[0]).toEqual({ kind: "call", target: { kind: "kfunc", btfId: kfunc, off: 0 } });
    expect(request).toMatchObject({ target: { type: target, member: null }, kernel, btf: null, functions: [] });
  });

  test("without the kernel's types there are none; a given target goes first", () => {
    expect(requestOf(object, "trace")).toMatchObject({ target: null, kernel: null });
    const given = { type: 7, member: 1 };
    expect(requestOf(object, "trace", { kernel, target: given }).target).toEqual(given);
  });

  test("a function that the kernel does not have is number 0", () => {
    const { code } = requestOf(object, "trace", { kernel: { types: [{ kind: "void" }] } });
    expect(decode(code)[0]).toEqual({ kind: "call", target: { kind: "kfunc", btfId: 0, off: 0 } });
  });
});
