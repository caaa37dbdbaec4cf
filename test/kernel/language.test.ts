// Every hook, context field, header and map kind of the standard library, as the kernel's verifier sees them, for each
// instruction set version; and a service of a running one: sk_lookup written in TypeScript steers real connections.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { attachNetns, load } from "../../loader/index.ts";
import { HOOKS } from "../../lib/kernel/index.ts";
import { compiled } from "../differential/engines.ts";
import { Bed, noKernel } from "./bed.ts";

const folder = new URL("../files/language/", import.meta.url).pathname;

test("hooks.ts has a program for every hook", async () => {
  const object = await compiled(`${folder}hooks.ts`);
  const sections = new Set(object.programs.map((p) => p.section));
  expect([...sections].toSorted()).toEqual(
    Object.values(HOOKS)
      .map((h) => h.section)
      .toSorted(),
  );
});

describe.skipIf(noKernel)("the verifier accepts", () => {
  // Files with a test of their own beside this one are loaded there.
  test.each(["v1", "v2", "v3", "v4"] as const)("test/files/language for cpu %s", async (cpu) => {
    for (const name of ["hooks", "headers", "maps", "integers", "control", "globals", "narrowing"]) {
      await using loaded = await load(await compiled(`${folder}${name}.ts`, cpu));
      expect(loaded.programs.size, name).toBeGreaterThan(0);
    }
  });
});

test.skipIf(noKernel)(
  "sk_lookup in TypeScript: of two listening ports, the one that the program drops is refused",
  async () => {
    await using bed = new Bed();
    const netns = bed.netns("a");
    await using loaded = await load(await compiled(`${folder}hooks.ts`), { programs: ["onLookup"] });
    const script = `
    const net = require("node:net");
    const listen = (port) => new Promise((done) => {
      const server = net.createServer((s) => s.end("hello")).listen(port, "127.0.0.1", () => done(server));
    });
    Promise.all([listen(900), listen(2000)]).then((servers) => {
      const attempt = (port) => new Promise((done) => {
        const s = net.connect(port, "127.0.0.1");
        let text = "";
        s.on("data", (d) => (text += d)).on("end", () => done(text)).on("error", (e) => done(e.code));
      });
      (async () => {
        console.log(JSON.stringify([await attempt(900), await attempt(2000)]));
        for (const server of servers) server.close();
      })();
    });`;
    const connect = async (): Promise<unknown> => {
      const child = spawn("nsenter", [`--net=${netns}`, process.execPath, "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 10_000,
      });
      let text = "";
      child.stdout.on("data", (data: Buffer) => (text += String(data)));
      await once(child, "close");
      return JSON.parse(text);
    };
    expect(await connect()).toEqual(["hello", "hello"]);
    await using link = attachNetns(loaded.program("onLookup"), netns);
    // Below port 1000 the lookup goes on; above it the program wants a socket of its map, and finds none.
    expect(await connect()).toEqual(["hello", "ECONNREFUSED"]);
    expect(link.where).toContain(netns);
    const seen = loaded.map<number, { value: bigint }>("seen");
    expect(seen.get(32)?.value).toBe(2000n);
    expect(seen.get(31)?.value).toBe(0x7f000001n);
  },
);
