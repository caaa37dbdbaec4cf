/**
 * Objects of ours, and clang's read and written again, in the hands of others: bpftool and iproute2 load them into the
 * running kernel. Needs root; every pin and device is taken away again, also on failure.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inspectElf, readElf, writeElf } from "../../lib/elf/index.ts";
import { HOOKS } from "../../lib/kernel/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { callbackObject, filterObject, nestedObject } from "../elf/samples.ts";
import { CLANG_SOURCE, compileWithClang, whyNoClang } from "../elf/clang.ts";

function whyNot(): string | null {
  if (process.getuid?.() !== 0) return "loading programs needs root";
  return spawnSync("bpftool", ["version"]).status === 0 ? null : "bpftool is not installed";
}

const reason = whyNot();
if (reason !== null) process.stderr.write(`skipped: ${reason}\n`);
const clangReason = whyNoClang();
if (clangReason !== null) process.stderr.write(`skipped: ${clangReason}\n`);

let work = "";
let pins = "";

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "elf-kernel-"));
  pins = `/sys/fs/bpf/ebpf-ts-elf-${process.pid}-${Date.now()}`;
});
afterEach(() => {
  rmSync(pins, { recursive: true, force: true });
  rmSync(work, { recursive: true, force: true });
});

interface Ran {
  readonly status: number | null;
  readonly text: string;
}

function run(command: string, args: readonly string[]): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return { status, text: stdout + stderr };
}

function load(object: ObjectSpec, more: readonly string[] = []): Ran {
  const file = join(work, "object.o");
  // What is not of the object itself is passed over in silence.
  writeFileSync(file, writeElf(object, [{ name: ".ebpf-ts.manifest", bytes: new TextEncoder().encode("{}\n") }]));
  return run("bpftool", ["prog", "loadall", file, pins, ...more]);
}

function dump(name: string): string {
  return execFileSync("bpftool", ["prog", "dump", "xlated", "pinned", `${pins}/${name}`, "linum"], {
    encoding: "utf8",
  });
}

describe.skipIf(reason !== null)("bpftool prog loadall", () => {
  test.each(["static", "global"] as const)(
    "hash map, %s subprogram and global data; the dump shows TypeScript",
    (linkage) => {
      expect(load(filterObject(linkage))).toEqual({ status: 0, text: "" });
      const text = dump("filter");
      expect(text).toContain("; const seen = flows.get(key); [file:programs/filter.ts line_num:2 line_col:3]");
      expect(text).toContain(
        "; return packets > config.most ? XDP_DROP : XDP_PASS; [file:programs/filter.ts line_num:7 line_col:3]",
      );
      expect(text).toMatch(/i32 filter\(struct xdp_md \*\s*ctx\)/);
      expect(text).toContain("i32 limit(u64 packets):");
    },
  );

  test("the maps are there with their BTF, initial values and flags", () => {
    expect(load(filterObject(), ["pinmaps", `${pins}/maps`]).text).toBe("");
    const show = (name: string): { [property: string]: unknown } =>
      JSON.parse(
        execFileSync("bpftool", ["-j", "map", "show", "pinned", `${pins}/maps/${name}`], { encoding: "utf8" }),
      ) as Record<string, unknown>;
    expect(show("flows")).toMatchObject({ type: "hash", bytes_key: 8, bytes_value: 16, max_entries: 1024, flags: 1 });
    execFileSync("bpftool", [
      "map",
      "update",
      "pinned",
      `${pins}/maps/flows`,
      "key",
      "1",
      "0",
      "0",
      "0",
      "2",
      "0",
      "0",
      "0",
      "value",
      "3",
      ...Array<string>(15).fill("0"),
    ]);
    const entries = execFileSync("bpftool", ["map", "dump", "pinned", `${pins}/maps/flows`], { encoding: "utf8" });
    expect(JSON.parse(entries)).toEqual([{ key: { saddr: 1, daddr: 2 }, value: { packets: 3, bytes: 0 } }]);
  });

  test("maps of maps", () => {
    expect(load(nestedObject(), ["pinmaps", `${pins}/maps`])).toMatchObject({ status: 0 });
    const show = (name: string): unknown =>
      JSON.parse(run("bpftool", ["-j", "map", "show", "pinned", `${pins}/maps/${name}`]).text);
    expect(show("tenants")).toMatchObject({ type: "array_of_maps", bytes_key: 4, bytes_value: 4, max_entries: 8 });
    expect(show("rings")).toMatchObject({ type: "hash_of_maps", bytes_key: 4, bytes_value: 4, max_entries: 4 });
  });

  test("a static function's address as a callback", () => {
    expect(load(callbackObject())).toMatchObject({ status: 0 });
    const text = dump("walk");
    expect(text).toContain("r2 = subprog[+6]");
    expect(text).toContain("i64 visit(void * map, void * key, void * value, void * ctx):");
    expect(text).not.toContain("idle");
  });

  test("two programs in two sections, one of them tcx (unknown to libbpf 1.1: its type is told)", () => {
    const { programs, subprograms, ...rest } = filterObject();
    const [filter] = programs;
    if (filter === undefined) throw new Error("the sample has a program");
    const { section, type, attach } = HOOKS.tcx_ingress;
    const types = rest.btf.types.map((t) => (t.kind === "fwd" ? { ...t, name: "__sk_buff" } : t));
    const object = { ...rest, btf: { types }, subprograms, programs: [{ ...filter, section, type, attach }] };
    expect(load(object, ["type", "classifier"])).toMatchObject({ status: 0 });
    expect(dump("filter")).toContain("programs/filter.ts line_num:3");
  });

  test("the verifier's log of a wrong program (null check turned round) shows the TypeScript line", () => {
    const object = filterObject();
    const broken = object.programs.map((p) => ({
      ...p,
      insns: p.insns.map((i) => (i.kind === "jump_if" ? { ...i, op: "eq" as const } : i)),
    }));
    const { status, text } = load({ ...object, programs: broken });
    expect(status).not.toBe(0);
    expect(text).toContain("; if (seen) return limit(seen.packets); @ filter.ts:3");
    expect(text).toContain("R0 invalid mem access 'scalar'");
  });
});

describe.skipIf(reason !== null || run("ip", ["-V"]).status !== 0)("iproute2", () => {
  test("ip link set xdp obj", () => {
    const name = `elf${process.pid % 100000}`;
    const file = join(work, "object.o");
    writeFileSync(file, writeElf(filterObject()));
    try {
      execFileSync("ip", ["link", "add", name, "type", "veth", "peer", "name", `${name}p`]);
      expect(run("ip", ["link", "set", "dev", name, "xdp", "obj", file, "sec", "xdp"])).toEqual({
        status: 0,
        text: "",
      });
      expect(run("ip", ["-d", "link", "show", "dev", name]).text).toMatch(/prog\/xdp id \d+/);
    } finally {
      run("ip", ["link", "del", name]);
    }
  });
});

describe.skipIf(reason !== null || clangReason !== null)("clang's objects", () => {
  test("read and written again, they load", () => {
    const file = compileWithClang(CLANG_SOURCE, work);
    const { object, warnings } = inspectElf(readFileSync(file), "clang.o");
    expect(warnings).toEqual([]);
    expect(load(object)).toEqual({ status: 0, text: "" });
    expect(dump("count")).toContain("line_num:");
    expect(readElf(writeElf(object))).toEqual(object);
  });
});
