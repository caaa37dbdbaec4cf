/** What the test bed says about machines that cannot carry it; needs no privilege. */
import { describe, expect, test } from "vitest";
import { isLeftover, nextRunId, runIdOf } from "../../../mesh/bed/run-id.ts";
import { TOOLS, findTool } from "../../../mesh/bed/tools.ts";
import type { Tool } from "../../../mesh/bed/tools.ts";

describe("missing commands", () => {
  test.each(Object.entries(TOOLS))("%s names its package, %s", (tool, debian) => {
    expect(() => findTool(tool as Tool, "/nonexistent:")).toThrow(`apt-get install ${debian}`);
  });
});

describe("run ids", () => {
  test("ours is alive, names lead back to it", () => {
    const id = nextRunId();
    expect(id).not.toBe(nextRunId());
    expect(isLeftover(id)).toBe(false);
    expect(runIdOf(`${id}-frontend`)).toBe(id);
  });
  test.each([
    ["dead process", "ebpf-ts-4194305-1-1"],
    ["pid used again by a process that started later", `ebpf-ts-${process.pid}-1-1`],
  ])("%s: leftover", (_name, id) => expect(isLeftover(id)).toBe(true));
  test.each(["cni-1234", "ebpf-ts-", "ebpf-ts-x-1-1", "my-ebpf-ts-1-1-1"])("%s is not ours", (name) => {
    expect(runIdOf(name)).toBeNull();
  });
});
