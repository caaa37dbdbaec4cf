/** `verify`, and what `build` does with its answers; needs no privilege and no kernel. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { parse } from "../../lib/asm/index.ts";
import { BtfBuilder, CORE_KINDS, encodeBtf } from "../../lib/btf/index.ts";
import { readSection, writeElf } from "../../lib/elf/index.ts";
import { MANIFEST_SECTION, decodeManifest } from "../../lib/verifier/index.ts";
import { filterObject } from "../elf/samples.ts";
import { withCore } from "../elf/with-core.ts";
import { T, object, program } from "../kernel/specs.ts";
import { documents, example, makeFolder, run } from "./command.ts";

const folder = makeFolder();
afterAll(() => folder.remove());

/** An object of one program in assembly. */
function assembled(name: string, type: Parameters<typeof program>[1], ...lines: string[]): string {
  const file = folder.path(`${name}.o`);
  writeFileSync(file, writeElf(object([program(name, type, parse(lines.join("\n")), T.func)])));
  return file;
}

interface Answer {
  readonly ok: boolean;
  readonly kernel: string;
  readonly programs: readonly {
    readonly name: string;
    readonly verdict: string;
    readonly error: { readonly code: string; readonly slot: number } | null;
    readonly unsupported: string | null;
    readonly statistics: { readonly processed: number };
    readonly firstKernel?: string;
    readonly kernels?: readonly { readonly kernel: string; readonly verdict: string }[];
  }[];
}

describe("verify", () => {
  test("accepts the examples, from source and from the object", async () => {
    const file = folder.path("tcx-policy.o");
    expect(await run("build", example("tcx-policy"), "-o", file)).toMatchObject({ code: EXIT.ok });
    const ran = await run("verify", example("tcx-policy"), file, "--portability", "--json");
    expect(ran.code, ran.stderr).toBe(EXIT.ok);
    const [source, built] = documents<Answer>(ran);
    expect(source?.programs).toEqual(built?.programs);
    expect(built).toMatchObject({ ok: true, kernel: "6.18" });
    const [policy] = built?.programs ?? [];
    expect(policy).toMatchObject({ name: "policy", verdict: "accept", firstKernel: "5.10" });
    expect(policy?.statistics.processed).toBeGreaterThan(100);
    expect(policy?.kernels?.map(({ verdict }) => verdict)).toEqual(Array(6).fill("accept"));
  });

  test("CO-RE relocations are applied for the types in --btf, by all commands", async () => {
    const sample = filterObject();
    const type = sample.btf.types.findIndex((t) => t.kind === "struct" && t.name === "FlowStats");
    const file = folder.path("core.o");
    const relocation = {
      section: "xdp",
      offset: 9 * 8,
      type,
      access: "0:0",
      kind: CORE_KINDS.indexOf("field_byte_offset"),
    };
    writeFileSync(file, withCore(writeElf(sample), [relocation]));
    const btf = (name: string, struct: string): string => {
      const b = new BtfBuilder();
      b.struct(struct, 64, [{ name: "packets", type: b.int("u64", 8), bitOffset: 64 }]);
      writeFileSync(folder.path(name), encodeBtf(b.finish()));
      return folder.path(name);
    };
    const there = await run("verify", file, "--btf", btf("there.btf", "FlowStats"), "--log-level", "2");
    expect(there, there.stderr).toMatchObject({ code: EXIT.ok, stderr: "" });
    expect(there.stdout).toContain("r1 = *(u64 *)(r0 +8)");
    const listed = await run("dis", file, "--btf", folder.path("there.btf"), "--program", "filter");
    expect(listed.stdout).toContain("r1 = *(u64 *)(r0 +8)");
    const packet = `02 0000000001 020000000002 0800 ${"00 ".repeat(50)}`;
    const ran = await run("run", file, "filter", "--btf", folder.path("there.btf"), "--packet", packet, "--trace");
    expect(ran.code, ran.stderr).toBe(EXIT.ok);
    expect((await run("dis", file, "--btf", folder.path("no.btf"))).stderr).toContain("error I001");
    const absent = await run("verify", file, "--btf", btf("absent.btf", "Other"));
    expect(absent.code).toBe(EXIT.input);
    expect(absent.stderr).toContain("195896080");
  });

  test("rejects with code, instruction and remedy", async () => {
    const file = assembled("bad", "xdp", "r0 = r3", "exit");
    const ran = await run("verify", file);
    expect(ran.code).toBe(EXIT.input);
    expect(ran.stderr).toContain('error R101: program "bad" is rejected');
    expect(ran.stderr).toContain("remedy:");
    expect(ran.stdout).toContain("reject (R101)");
    const [answer] = documents<Answer>(await run("verify", file, "--json"));
    expect(answer).toMatchObject({ ok: false, programs: [{ error: { code: "R101", slot: 0 } }] });
  });

  test("what the model does not know is neither", async () => {
    const strange = { section: "strange", type: "unspec", attach: null, flags: 0 } as const;
    const file = folder.path("strange.o");
    const spec = { ...program("strange", "xdp", parse("r0 = 2\nexit"), T.func), ...strange };
    writeFileSync(file, writeElf(object([spec])));
    const ran = await run("verify", file, "--json");
    expect(ran.code).toBe(EXIT.unsupported);
    expect(documents<Answer>(ran)).toMatchObject([{ ok: false, programs: [{ verdict: "unsupported" }] }]);
  });

  test("another kernel, other privileges: another answer", async () => {
    const file = assembled("ring", "xdp", "r1 = 0", "call 5", "r0 = 2", "exit");
    expect((await run("verify", file, "--kernel", "5.10")).code).toBe(EXIT.ok);
    expect((await run("verify", file, "--unprivileged")).code).toBe(EXIT.input);
    const newer = assembled("newer", "xdp", "call 208", "r0 = 2", "exit");
    expect((await run("verify", newer)).code).toBe(EXIT.ok);
    expect((await run("verify", newer, "--kernel", "5.15")).code).toBe(EXIT.input);
  });

  test("the walk in the kernel's notation, and where it goes most", async () => {
    const file = assembled("log", "xdp", "r0 = 2", "exit");
    const logged = await run("verify", file, "--log-level", "2");
    expect(logged.stdout).toContain("0: (b7) r0 = 2                        ; R0=2");
    expect(logged.stdout).toMatch(/processed 2 insns \(limit 1000000\)/);
    const costs = await run("verify", example("xdp-filter"), "--costs");
    expect(costs.stdout).toMatch(/walked +line +source/);
  });

  test.each([
    ["--kernel", "4.4"],
    ["--log-level", "3"],
    ["--program", "nobody"],
  ])("%s %s is told what there is", async (option, value) => {
    const ran = await run("verify", assembled("ok", "xdp", "r0 = 2", "exit"), option, value);
    expect(ran.code).not.toBe(EXIT.ok);
    expect(ran.stderr).not.toContain("    at ");
  });
});

describe("build", () => {
  test("leaves what it found in the object", async () => {
    const file = folder.path("xdp-filter.o");
    const ran = await run("build", example("xdp-filter"), "-o", file);
    expect(ran.stdout).toContain("5.10 and newer");
    const manifest = decodeManifest(readSection(readFileSync(file), MANIFEST_SECTION) ?? new Uint8Array());
    expect(manifest?.programs).toMatchObject([{ name: "filter", firstKernel: "5.10" }]);
    const plain = folder.path("plain.o");
    await run("build", example("xdp-filter"), "-o", plain, "--no-verify");
    expect(readSection(readFileSync(plain), MANIFEST_SECTION)).toBeNull();
  });

  test("refuses what the kernel asked for refuses, and writes nothing", async () => {
    const source = folder.path("looping.ts");
    const file = folder.path("looping.o");
    // A verifier that knows no helper loop() has to see the end of this.
    writeFileSync(
      source,
      `import { Loop, XdpAction, loop, xdp } from "ebpf-ts/std";
@unmanaged @final class Sum { value: u64; }
export const filter = xdp((ctx) => {
  const sum = new Sum();
  loop<Sum>(ctx.rxQueueIndex & 7, sum, (i, sum) => { sum.value += i; return Loop.Continue; });
  return sum.value > 3 ? XdpAction.Pass : XdpAction.Drop;
});
`,
    );
    const refused = await run("build", source, "-o", file, "--kernel", "5.10");
    expect(refused.code, refused.stderr).toBe(EXIT.input);
    expect(refused.stderr).toMatch(/looping\.ts:5:\d+: error R\d{3}/);
    expect(() => readFileSync(file)).toThrow("ENOENT");
    expect(await run("build", source, "-o", file)).toMatchObject({ code: EXIT.ok });
  });
});
