// Every example program, compiled: byte-identical each time, loaded by our loader with TypeScript lines in the verifier's
// log, and by others' loaders (bpftool, iproute2). Needs root; pins and devices are removed, also on failure.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readElf, writeElf } from "../../lib/elf/index.ts";
import { canonicalize } from "../../lib/object/index.ts";
import { load } from "../../loader/index.ts";
import { compiled } from "../differential/engines.ts";
import { Bed, noKernel } from "./bed.ts";

const root = new URL("../../", import.meta.url).pathname;
const EXAMPLES = ["xdp-filter", "tcx-policy", "service-redirect", "socket-shortcut"];
const noBpftool = noKernel || spawnSync("bpftool", ["version"]).status !== 0;
if (!noKernel && noBpftool) process.stderr.write("skipped: bpftool is not installed\n");

let work = "";
let pins = "";
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), "ebpf-ts-examples-"));
  pins = `/sys/fs/bpf/ebpf-ts-examples-${process.pid}-${Date.now()}`;
});
afterEach(() => {
  rmSync(pins, { recursive: true, force: true });
  rmSync(work, { recursive: true, force: true });
});

const compileExample = (name: string) => compiled(`${root}programs/examples/${name}.ts`);

describe.each(EXAMPLES)("%s", (name) => {
  test("identical input gives identical bytes, which read back as the same object", async () => {
    const first = await compileExample(name);
    const bytes = writeElf(first);
    expect(Buffer.compare(bytes, writeElf(await compileExample(name)))).toBe(0);
    expect(readElf(bytes)).toEqual(canonicalize(first));
  });

  test.skipIf(noKernel)("the verifier's log shows TypeScript lines", async () => {
    await using loaded = await load(await compileExample(name), { logLevel: 2 });
    for (const program of loaded.programs.values()) {
      const lines = [...program.log.matchAll(/^\d*:? ?; (.+?) @ (\S+\.ts):(\d+)$/gm)].map((m) => m[2]);
      expect(lines.filter((file) => file === `${name}.ts`).length, program.name).toBeGreaterThan(2);
      // Library functions are inlined under the line that calls them.
      expect(
        lines.filter((file) => file !== `${name}.ts`),
        program.name,
      ).toEqual([]);
    }
  });

  test.skipIf(noBpftool)("bpftool prog loadall takes the object, and its dump shows TypeScript", async () => {
    const object = await compileExample(name);
    const file = join(work, `${name}.o`);
    writeFileSync(file, writeElf(object));
    // libbpf before 1.3 does not know the section names tcx/…; the type says the same.
    const type = object.programs.some((p) => p.section.startsWith("tcx/")) ? ["type", "classifier"] : [];
    const ran = spawnSync("bpftool", ["prog", "loadall", file, pins, ...type], { encoding: "utf8" });
    expect(ran.stderr + ran.stdout).toBe("");
    expect(ran.status).toBe(0);
    for (const program of object.programs) {
      const dump = spawnSync("bpftool", ["prog", "dump", "xlated", "pinned", `${pins}/${program.name}`, "linum"], {
        encoding: "utf8",
      });
      expect(dump.stdout, program.name).toContain(`[file:${name}.ts line_num:`);
    }
  });
});

test.skipIf(noKernel)("ip link set dev ... xdp obj takes the XDP filter", async () => {
  const file = join(work, "xdp-filter.o");
  writeFileSync(file, writeElf(await compileExample("xdp-filter")));
  await using bed = new Bed();
  const left = bed.netns("a");
  const right = bed.netns("b");
  bed.veth(left, "10.99.0.1/24", right, "10.99.0.2/24");
  const netns = left.slice("/run/netns/".length);
  const ip = (...args: string[]): { status: number | null; text: string } => {
    const { status, stdout, stderr } = spawnSync("ip", ["-n", netns, ...args], { encoding: "utf8" });
    return { status, text: stdout + stderr };
  };
  expect(ip("link", "set", "dev", "veth0", "xdp", "obj", file, "sec", "xdp")).toEqual({ status: 0, text: "" });
  expect(ip("link", "show", "dev", "veth0").text).toContain("prog/xdp");
  expect(ip("link", "set", "dev", "veth0", "xdp", "off").status).toBe(0);
});
