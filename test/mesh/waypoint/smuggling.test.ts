/**
 * Every shape of shapes.ts through a running waypoint, in front of a server that reads leniently and remembers: a shape is
 * refused, or the server saw exactly the requests that the waypoint matched, with the bodies that were sent.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AccessRecord } from "../../../mesh/waypoint/types.ts";
import { exchange, lenientServer, noShim, rules, running, startRig, until } from "./rig.ts";
import type { Rig, Running } from "./rig.ts";
import { SHAPES } from "./shapes.ts";

describe.skipIf(noShim)("shapes through a running waypoint", () => {
  const seen: string[] = [];
  let server: Running;
  let rig: Rig;

  beforeAll(async () => {
    server = await running(
      lenientServer((request, response) => {
        seen.push(request.url ?? "");
        request.on("data", () => undefined);
        request.on("error", () => undefined);
        request.on("end", () => response.writeHead(200, { "content-length": 4 }).end("fine"));
      }),
    );
    rig = startRig(server.port, { policy: rules({ path: "/ok.*" }) });
  });
  afterAll(async () => {
    await rig[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test.each(SHAPES)("%s", async (_name, bytes, outcome) => {
    const before = rig.records.length;
    seen.length = 0;
    const answers = await exchange(rig.port, bytes);
    await until(() => rig.proxy.connections === 0);
    const records = rig.records.slice(before);
    const refused = records.filter((record) => record.verdict === "refused");
    const passed = records.filter((record) => record.verdict !== "refused");
    if (typeof outcome === "string") expect(refused.map((record) => record.failure)).toEqual([outcome]);
    else expect(records.map(printRecord)).toEqual(outcome);
    expect(passed.every((record) => record.verdict === "forwarded" || record.verdict === "denied")).toBe(true);
    // Of a request that broke off inside of its body, a server may have seen the head.
    const forwarded = passed.filter((record) => record.verdict === "forwarded").map((record) => record.path);
    const begun = refused.filter((record) => record.path !== "").map((record) => record.path);
    expect([forwarded, [...forwarded, ...begun]]).toContainEqual(seen);
    expect(answers.match(/HTTP\/1\.1 200/g) ?? []).toHaveLength(forwarded.length);
  });

  test("there are at least 120", () => {
    expect(SHAPES.filter(([, , outcome]) => typeof outcome === "string").length).toBeGreaterThanOrEqual(120);
    expect(new Set(SHAPES.map(([name]) => name)).size).toBe(SHAPES.length);
  });
});

function printRecord({ status, path }: AccessRecord): string {
  return `${status} ${path}`;
}
