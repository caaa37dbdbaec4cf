/** Rejections of our own walk: the path that failed, the names of the source, and the same words as for a kernel's log. */
import { describe, expect, test } from "vitest";
import { add64, exit, jmp, label, ldx, mov64, r0, r1, r2, r3, r6 } from "../../../lib/asm/index.ts";
import { requestOf, verify } from "../../../lib/verifier/index.ts";
import type { VerifierError } from "../../../lib/verifier/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { line, object, program, T } from "../../kernel/specs.ts";

type Body = Parameters<typeof program>[2];

function rejection(body: Body): VerifierError {
  const spec = object([program("p", "xdp", body, T.func)]);
  const { error, verdict, unsupported } = verify(requestOf(spec, "p"), { kernel: profileOf("6.18") as KernelProfile });
  expect([verdict, unsupported]).toEqual(["reject", null]);
  return error as VerifierError;
}

describe("explanations of a walk", () => {
  test("the path of a packet access: made, checked, used", () => {
    const error = rejection([
      line(1, "const eth = ctx.at<Ethernet>(0);"),
      ldx(4, r2, r1, 0),
      ldx(4, r3, r1, 4),
      mov64(r6, r2),
      add64(r2, 14),
      line(2, "if (!eth) return XdpAction.Pass;"),
      jmp("gt", r2, r3, "out"),
      line(3, "return load<u16>(changetype<usize>(eth) + 20);"),
      ldx(2, r0, r6, 20),
      label("out"),
      mov64(r0, 2),
      exit(),
    ]);
    expect(error).toMatchObject({
      code: "R201",
      name: "out_of_packet",
      at: { kind: "source", line: 3 },
      slot: 5,
      path: [
        { at: { line: 1 }, slot: 0, note: "eth is a pointer into the packet, no bytes proven" },
        { at: { line: 2 }, slot: 4, note: "eth is a pointer into the packet, 14 bytes proven here; goes on at line 3" },
      ],
    });
    expect(error.reason).toContain("2 at offset 20");
  });

  test("a rejection before the walk has a place and no path", () => {
    const error = rejection([line(7, "return XdpAction.Pass;"), mov64(r0, 2), exit(), mov64(r0, 1), exit()]);
    expect(error).toMatchObject({ code: "R013", at: { line: 7 }, slot: 2, path: [] });
  });
});
