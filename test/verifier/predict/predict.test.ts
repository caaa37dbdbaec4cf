/** Which kernels load a program, what it needs of them, where the walk spends its time, and the manifest of it. */
import { describe, expect, test } from "vitest";
import { decodeManifest, encodeManifest, manifestOf, predict } from "../../../lib/verifier/predict/index.ts";
import type { Prediction } from "../../../lib/verifier/predict/index.ts";
import { Witness } from "../../../lib/verifier/predict/witness.ts";
import { RELEASES, profileOf } from "../../../lib/verifier/profiles/index.ts";
import type { KernelProfile } from "../../../lib/verifier/profiles/index.ts";
import { requestOf } from "../../../lib/verifier/index.ts";
import { objectOf } from "../memory/build.ts";
import type { Case } from "../memory/cases.ts";

function predicted(code: string, more: Partial<Case> = {}): Prediction {
  return predict(requestOf(objectOf({ name: "probe", says: "", code, ...more }), "probe"));
}

// prettier-ignore
const PROGRAMS: readonly (readonly [what: string, first: string | null, needs: readonly string[], code: string, more: Partial<Case>])[] = [
  ["nothing new", "5.10", [], "r0 = 0; exit", {}],
  ["an atomic with a result", "5.15", ["rule atomics"], "*(u64 *)(r10 -8) = 0; r1 = 1; r1 = atomic64_fetch_add((u64 *)(r10 -8), r1); r0 = 0; exit", {}],
  ["signed division", "6.6", ["rule isa_v4"], "r0 = 6; r0 s/= 4; exit", {}],
  ["both", "6.6", ["rule isa_v4", "rule atomics"], "*(u64 *)(r10 -8) = 0; r1 = 1; r1 = atomic64_fetch_add((u64 *)(r10 -8), r1); r0 = 6; r0 s/= 4; exit", {}],
  ["a read of the stack before it was written", "6.1", [], "r0 = *(u64 *)(r10 -8); r0 = 0; exit", {}],
  ["a netfilter program", "6.6", ["program netfilter", "attach netfilter"], "r0 = 1; exit", { type: "netfilter", attach: "netfilter" }],
  ["what no kernel loads", null, [], "r0 = *(u64 *)(r10 +8); exit", {}],
];

describe("prediction", () => {
  test.each(PROGRAMS)("%s: from %s on", (_, first, needs, code, more) => {
    const prediction = predicted(code, more);
    expect(prediction.firstKernel).toBe(first);
    expect(prediction.needs.map(({ feature }) => feature)).toEqual(needs);
  });

  test("a kernel that lacks something says what and since when", () => {
    const { verdicts, needs } = predicted("r0 = 6; r0 s/= 4; exit");
    expect(verdicts.map(({ kernel, verdict }) => `${kernel} ${verdict}`)).toEqual([
      "5.10 reject",
      "5.15 reject",
      "6.1 reject",
      "6.6 accept",
      "6.12 accept",
      "6.18 accept",
    ]);
    expect(verdicts[0]?.error).toMatchObject({ name: "not_in_kernel", slot: 1 });
    expect(verdicts.slice(0, 3).map(({ kernel, error }) => error?.reason.includes(`Linux ${kernel} `))).toEqual([
      true,
      true,
      true,
    ]);
    expect(needs).toEqual([{ feature: "rule isa_v4", since: "6.6", slot: 1 }]);
  });

  test("a helper or a map that is newer than the kernel is what it lacks, at the instruction that uses it", () => {
    const helper = predicted("r1 = r10; r1 += -8; r2 = 8; call bpf_ktime_get_tai_ns; r0 = 0; exit");
    expect(helper.verdicts[0]?.error).toMatchObject({ name: "not_in_kernel", slot: 3 });
    const request = requestOf(
      objectOf({ name: "probe", says: "", code: "r6 = r1; r2 = map[id:5]; r0 = 0; exit" }),
      "probe",
    );
    const maps = request.maps.map((map) => ({ ...map, spec: { ...map.spec, type: "bloom_filter" as const } }));
    expect(predict({ ...request, maps }).verdicts[0]?.error).toMatchObject({ name: "not_in_kernel", slot: 1 });
    const nowhere = predicted("call bpf_get_socket_uid; r0 = 0; exit");
    expect(nowhere.verdicts[0]?.error).toMatchObject({ name: "helper_not_here", slot: 0 });
  });

  test("a gap is no start: the first kernel is that from which on all load it", () => {
    const kernels = ["6.6", "5.10", "6.18"].flatMap((name) => profileOf(name) ?? []);
    const request = requestOf(objectOf({ name: "probe", says: "", code: "r0 = 6; r0 s/= 4; exit" }), "probe");
    expect(predict(request, { kernels }).firstKernel).toBe("6.18");
    expect(() => predict(request, { kernels: [] })).toThrow(RangeError);
  });

  test("a verdict that hangs on nothing new is the same for all kernels, and is walked for once", () => {
    const { verdicts } = predicted("r0 = 0; exit");
    expect(new Set(verdicts.map(({ error }) => error))).toEqual(new Set([null]));
    const asked = new Witness(profileOf("6.18") as KernelProfile);
    expect(asked.profile.mayCall("loop", "xdp", null)).toBe(true);
    expect(asked.profile.has("isa_v4")).toBe(true);
    const like = RELEASES.filter((release) => asked.isLike(profileOf(release) as KernelProfile));
    expect(like).toEqual(["6.6", "6.12", "6.18"]);
  });

  test("costs are those of the walk", () => {
    const { functions, statistics } = predicted("r1 = 3; call pc+2; r0 = 0; exit; *(u64 *)(r10 -16) = 1; r0 = 7; exit");
    expect(statistics.processed).toBe(7);
    expect(functions.map(({ processed, stackDepth }) => [processed, stackDepth])).toEqual([
      [4, 0],
      [3, 16],
    ]);
  });
});

describe("manifest", () => {
  const manifest = manifestOf(new Map([["probe", predicted("r0 = 6; r0 s/= 4; exit")]]));

  test("says it in short", () => {
    expect(manifest.programs).toEqual([
      {
        name: "probe",
        firstKernel: "6.6",
        kernels: { "5.10": "R091", "5.15": "R091", "6.1": "R091", "6.6": "accept", "6.12": "accept", "6.18": "accept" },
        needs: { "rule isa_v4": "6.6" },
        processed: 3,
        peakStates: 0,
        stack: expect.any(Object) as unknown,
      },
    ]);
  });

  test("goes into bytes and back", () => {
    expect(decodeManifest(encodeManifest(manifest))).toEqual(manifest);
    expect(decodeManifest(new TextEncoder().encode("{}"))).toBeNull();
    expect(decodeManifest(new Uint8Array([1, 2, 3]))).toBeNull();
  });
});
