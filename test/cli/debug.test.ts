/** `debug`: sessions through a pipe, as golden texts, and what ends them. */
import { PassThrough } from "node:stream";
import { writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { converse } from "../../cli/conversation.ts";
import { EXIT } from "../../cli/exit.ts";
import { INTERRUPTED } from "../../cli/output.ts";
// prettier-ignore
import { alu64, call, callLocal, exit, jmp, label, ldx, mov64, r0, r1, r10, r2, r6, st } from "../../lib/asm/index.ts";
import { writeElf } from "../../lib/elf/index.ts";
import type { ObjectSpec } from "../../lib/object/index.ts";
import { writePcap } from "../../lib/packet/index.ts";
import { ldmap, line, map, object, program } from "../kernel/specs.ts";
import { makeFolder, run, talk } from "./command.ts";

const folder = makeFolder();
afterAll(() => folder.remove());
const file = folder.path("sample.o");
const PACKET = "000102030405060708090a0b0c0d0e0f10111213";

// prettier-ignore
const MAIN = program("p", "xdp", [
  line(1, "let sum = ctx.first();"),    ldx(4, r6, r1, 0), ldx(1, r0, r6, 3),
  line(2, "sum = add(sum, 2);"),        mov64(r1, r0), callLocal(-1),
  line(3, "const n = seen.get(sum);"),  st(4, r10, -4, 1), ldmap(r1, "seen"), mov64(r2, r10), alu64("add", r2, -4), call("map_lookup_elem"),
  line(4, "if (n) return 7;"),          jmp("eq", r0, 0, "none"),
  line(5, "n.value = 9;"),              st(8, r0, 0, 9), label("none"), mov64(r0, 2), exit(),
]);
// prettier-ignore
const ADD = program("add", "xdp", [line(10, "return a + 2;"), st(8, r10, -8, 3), mov64(r0, r1), alu64("add", r0, 2), exit()]);
const OBJECT: ObjectSpec = {
  ...object([{ ...MAIN, relocations: [...MAIN.relocations, { kind: "call", slot: 3, func: "add" }] }]),
  subprograms: [{ name: "add", insns: ADD.insns, relocations: [], lines: ADD.lines, btfId: 0, linkage: "static" }],
  maps: [map("seen", "array", 4, 8, 4)],
};
writeFileSync(file, writeElf(OBJECT));

// prettier-ignore
const SESSION = [
  "list", "break 10", "b sample.ts:4", "b *13", "b", "delete 3", "continue", "backtrace", "print registers", "p stack", "p packet", "p 16 r6+2", "p 4 0x10",
  "p nonsense", "finish", "p r0", "c", "p 8 r0", "next", "", "print maps", "stepi", "run", "step 2", "stepi", "", "p stack", "bogus", "c", "c", "c", "help", "quit",
];

test("a session", async () => {
  const { code, stdout, stderr } = await talk(SESSION, "debug", file, "p", "--packet", PACKET);
  expect([code, stderr]).toEqual([EXIT.ok, ""]);
  // Where regions lie is no promise.
  const text = stdout.replaceAll(/^(r\d+ +0x)\S+(  [a-z])/gm, "$1…$2");
  await expect(text).toMatchFileSnapshot("../files/cli/debug-session.txt");
});

test("the end of the input ends the session, whatever the run has come to", async () => {
  expect(await talk([], "debug", file, "p", "--packet", "00")).toMatchObject({ code: EXIT.ok });
});

test("a packet of a capture", async () => {
  writeFileSync(folder.path("x.pcap"), writePcap([new Uint8Array(14), Uint8Array.from({ length: 14 }, (_, i) => i)]));
  const ran = await talk(["p packet"], "debug", file, "p", "--pcap", folder.path("x.pcap"), "--number", "2");
  expect(ran.stdout).toContain("    0  00 01 02 03");
  expect(await talk([], "debug", file, "p", "--pcap", folder.path("x.pcap"), "--number", "3")).toMatchObject({
    code: EXIT.usage,
    stderr: expect.stringContaining("the input has 2 packets") as string,
  });
});

test("without an input there is no session", async () => {
  expect(await run("debug", file, "p", "--packet", "00")).toMatchObject({ code: EXIT.usage });
});

test("Ctrl-C at the prompt ends a session at a terminal", async () => {
  const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => undefined });
  const output = Object.assign(new PassThrough(), { isTTY: true });
  const conversation = converse(input, output);
  expect(conversation.interactive).toBe(true);
  const asked = conversation.ask("(debug) ");
  input.write("\u0003");
  expect(await asked).toBe(INTERRUPTED);
  conversation.close();
  expect(await conversation.ask("(debug) ")).toBeNull();
});
