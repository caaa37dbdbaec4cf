/** Which options programs may read and set: all numbers of all levels, asked on a real socket and on the machine's. */
import { afterAll, describe, expect, test } from "vitest";
import { alu64, call, exit, mov64, r0, r1, r10, r2, r3, r4, r5, r6, r9, st } from "../../../lib/asm/index.ts";
import { createMachine } from "../../../lib/vm/index.ts";
import { attachCgroup, load } from "../../../loader/index.ts";
import { Bed, noKernel } from "../../kernel/bed.ts";
import { ldvalue, map, object, program } from "../../kernel/specs.ts";
import { u32 } from "../bytes.ts";

type Part = Parameters<typeof program>[2][number];
/** IP, SOCKET, TCP, IPV6. */
const LEVELS = [0, 1, 6, 41];
/** SK_BPF_CB_FLAGS and TCP_BPF_* lie beyond the others. */
const NAMES = [
  ...Array.from({ length: 90 }, (_, i) => i),
  1000,
  1001,
  1002,
  1003,
  1004,
  1005,
  1006,
  1007,
  1008,
  1009,
  1010,
];
const EINVAL = -22;
/** What refuses the values asked here, not the option: flags and numbers that are out of range, or not now. */
const PICKY = new Set([
  "set 1/1009",
  "set 6/1008",
  "set 6/2",
  "set 6/10",
  "set 6/27",
  "set 6/44",
  "set 6/1001",
  "set 6/1003",
  "set 6/1004",
  "get 6/28",
  "set 6/28",
  "set 1/25",
  "set 6/13",
]);

type Way = "getsockopt" | "setsockopt";
const ASKED = LEVELS.flatMap((level) =>
  NAMES.flatMap((name) => (["getsockopt", "setsockopt"] as Way[]).map((way) => ({ level, name, way }))),
);

/** One call after the other, straight on; results one behind the other. */
function spec(length: number): ReturnType<typeof object> {
  const ask = ({ level, name, way }: (typeof ASKED)[number], i: number): Part[] => [
    st(8, r10, -8, 0), st(8, r10, -16, 1),
    mov64(r1, r6), mov64(r2, level), mov64(r3, name), mov64(r4, r10), alu64("add", r4, -16), mov64(r5, length), call(way),
    st(4, r9, 4 * i, r0),
  ]; // prettier-ignore
  const parts: Part[] = [mov64(r6, r1), ldvalue(r9, "out"), ...ASKED.flatMap(ask), mov64(r0, 1), exit()];
  return object([program("p", "connect4", parts)], [map("out", "array", 4, ASKED.length * 4, 1)]);
}

/** The calls that were refused as such. */
function refused(out: Uint8Array | null | undefined): string[] {
  const view = new DataView((out ?? new Uint8Array(ASKED.length * 4)).buffer, out?.byteOffset);
  return ASKED.filter((_, i) => view.getInt32(4 * i, true) === EINVAL)
    .map(({ level, name, way }) => `${way.slice(0, 3)} ${level}/${name}`)
    .filter((what) => !PICKY.has(what));
}

describe.skipIf(noKernel)("the machine and the kernel agree", () => {
  const bed = noKernel ? null : new Bed();
  afterAll(() => bed?.close());

  test.each([4, 1, 8])("on options of %i bytes", async (length) => {
    if (bed === null) return;
    const [netns, cgroup] = [bed.netns(`o${length}`), bed.cgroup()];
    using loaded = await load(spec(length));
    const link = attachCgroup(loaded.program("p"), cgroup);
    bed.run(`require("net").connect(9, "127.0.0.1").on("error", () => console.log("done"))`, { netns, cgroup });
    link.close();
    const machine = createMachine(spec(length));
    expect(machine.run("p", { socket: machine.createSocket({ state: 7 }) })).toMatchObject({
      fault: null,
      returnValue: 1,
    });
    expect(refused(machine.map("out").get(u32(0)))).toEqual(refused(loaded.map("out").getRaw(u32(0))));
  });
});
