/** Random formats of snprintf by our rule and by the running kernel's. */
import { describe, expect, test } from "vitest";
import { HELPER_NAMES, MAP_FLAGS } from "../../../lib/kernel/index.ts";
import { isFormat } from "../../../lib/verifier/calls/strings.ts";
import { KernelVerifier } from "../../../scripts/kernel-verifier/kernel.mjs";
import { noKernel } from "../../kernel/bed.ts";
import { map } from "../../kernel/specs.ts";
import { Random } from "../scalar/random.ts";
import { requestOf as plainRequest } from "../request.ts";

const SEED = Number(process.env["SEED"] ?? 1);
const COUNT = Number(process.env["COUNT"] ?? 60);
const SIZE = 32;
const PARTS = [
  "%",
  "%",
  "%",
  "d",
  "u",
  "x",
  "l",
  "ll",
  "s",
  "p",
  "c",
  "i4",
  "I6",
  "K",
  "ks",
  "us",
  "B",
  " ",
  "5",
  "0",
  "-",
  "a",
  ".",
  "\n",
  "\x01",
  "\xe9",
  "\xa1",
  "%%",
];

describe.skipIf(noKernel)("formats as the running kernel takes them", () => {
  test(`${COUNT} formats of seed ${SEED}`, () => {
    const random = new Random(SEED);
    const wrong: string[] = [];
    for (let i = 0; i < COUNT; i++) {
      const text = Array.from({ length: 1 + random.below(6) }, () => random.pick(PARTS)).join("");
      const bytes = new Uint8Array(SIZE);
      bytes.set([...text].map((c) => c.charCodeAt(0)).slice(0, SIZE - 1));
      const args = random.below(3);
      const code = `*(u64 *)(r10 -8) = 0
        *(u64 *)(r10 -16) = 0
        r1 = r10
        r1 += -32
        r2 = 16
        r3 = map[id:0][0]+0
        r4 = r10
        r4 += -16
        r5 = ${args * 8}
        call ${HELPER_NAMES.indexOf("snprintf")}
        r0 = 0
        exit`;
      const spec = map("text", "array", 4, SIZE, 1, { flags: MAP_FLAGS.rdonly_prog, initial: bytes, frozen: true });
      const request = plainRequest(code, {
        maps: [{ spec, btf: null, contents: bytes, inner: null }],
        mapReferences: new Map([[5, { map: 0, kind: "map_value", offset: 0 }]]),
      });
      const kernel = new KernelVerifier();
      const { verdict } = kernel.load(request);
      kernel.close();
      if (isFormat(bytes, args) !== (verdict === "accept")) wrong.push(`${JSON.stringify(text)} ${args}: ${verdict}`);
    }
    expect(wrong).toEqual([]);
  });
});
