/** `ebpf-ts load` on the real kernel: attaches, prints events of real packets until Ctrl-C, and tells refusals. */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT } from "../../cli/exit.ts";
import { exit, ldx, r0, r1 } from "../../lib/asm/index.ts";
import { writeElf } from "../../lib/elf/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { example, makeFolder, ROOT, run } from "../cli/command.ts";
import { Bed, noKernel } from "./bed.ts";

const folder = makeFolder();
afterAll(() => folder.remove());

// Tries to connect to a port, in vain.
const KNOCK = (port: number): string =>
  `const s = require("node:net").connect({ host: "10.1.0.1", port: ${port} });
   s.on("error", () => undefined); setTimeout(() => { console.log(s.readyState); process.exit(); }, 300);`;

describe.skipIf(noKernel)("load", () => {
  let bed: Bed;
  let [near, far] = ["", ""];
  beforeAll(() => {
    bed = new Bed();
    [near, far] = [bed.netns("a"), bed.netns("b")];
    bed.veth(near, "10.1.0.1/24", far, "10.1.0.2/24");
  });
  afterAll(() => bed?.close());

  test("follows events until Ctrl-C, then the program is detached", async () => {
    const argv = ["load", example("tcx-policy"), "--dev", "veth0", "--netns", far, "--json"];
    const child = spawn(process.execPath, [join(ROOT, "dist/cli/main.js"), ...argv], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines: Record<string, unknown>[] = [];
    const wait = async (count: number): Promise<void> => {
      while (lines.length < count && child.exitCode === null) await new Promise((done) => setTimeout(done, 20));
    };
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      lines.push(
        ...text
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line) as Record<string, unknown>),
      );
    });
    const closed = new Promise<number | null>((done) => child.on("close", (code) => done(code)));
    await wait(1);
    expect(lines).toEqual([{ attached: "policy", section: "tcx/egress", where: "tcx egress on veth0" }]);
    expect(bed.run(KNOCK(99), { netns: far })).toBe("opening");
    await wait(2);
    expect(lines[1]).toMatchObject({
      event: "denials",
      value: { saddr: 0x0a01_0002, daddr: 0x0a01_0001, identity: 0, dport: 99 },
    });
    child.kill("SIGINT");
    expect(await closed).toBe(EXIT.ok);
    // Nobody drops now: the port is closed, which the other side says.
    expect(bed.run(KNOCK(99), { netns: far })).toBe("closed");
  });

  test("an object file, for a limited time", async () => {
    const file = folder.path("filter.o");
    expect(await run("build", example("xdp-filter"), "-o", file)).toMatchObject({ code: EXIT.ok });
    const ran = await run("load", file, "--dev", "veth0", "--netns", near, "--mode", "generic", "--duration", "0.2");
    expect(ran).toMatchObject({ code: EXIT.ok, stdout: "attached filter: xdp on veth0\n" });
  });

  test("what the verifier refuses is told by its reason", async () => {
    const insns = [ldx(8, r0, r1, 200), exit()];
    const program = {
      name: "p",
      insns,
      relocations: [],
      lines: [],
      btfId: 0,
      linkage: "global",
      section: "xdp",
      type: "xdp",
      attach: "xdp",
      flags: 0,
    } as const;
    const object: ObjectSpec = {
      license: "GPL",
      programs: [program],
      subprograms: [],
      maps: [],
      btf: { types: [{ kind: "void" }] },
    };
    writeFileSync(folder.path("bad.o"), writeElf(object));
    const ran = await run("load", folder.path("bad.o"), "--dev", "veth0", "--netns", near);
    expect(ran).toMatchObject({ code: EXIT.input, stdout: "" });
    expect(ran.stderr).toContain("invalid bpf_context access off=200 size=8");
  });

  // prettier-ignore
  const WRONG: readonly [name: string, argv: readonly string[], code: number, says: string][] = [
    ["no device",                   [],                                             EXIT.usage, "needs --dev"],
    ["no such device",              ["--dev", "nobody0"],                           EXIT.input, "nobody0"],
    ["no such namespace",           ["--dev", "veth0", "--netns", "/run/netns/-"],  EXIT.input, "/run/netns/-"],
    ["no such program",             ["--dev", "veth0", "--program", "nobody"],      EXIT.input, "I002"],
  ];
  test.each(WRONG)("%s", async (_name, argv, code, says) => {
    const ran = await run("load", example("tcx-policy"), ...argv);
    expect(ran).toMatchObject({ code, stdout: "" });
    expect(ran.stderr).toContain(says);
  });
});
