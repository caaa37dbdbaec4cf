/** The log of flows: its bound, its filters, its followers. */
import { describe, expect, test } from "vitest";
import { EVENT_KIND } from "../../../mesh/observe/event.ts";
import type { FlowFilter } from "../../../mesh/observe/filter.ts";
import { FlowLog } from "../../../mesh/observe/log.ts";
import type { Followed } from "../../../mesh/observe/log.ts";
import { CONTEXT, DENIED as DENIED_REQUEST, eventBytes, REQUEST } from "./events.ts";
import type { EventFields } from "./events.ts";

const ALLOWED: EventFields = {
  kind: EVENT_KIND.forwarded,
  rule: 7,
  endpoint: 5,
  protocol: 6,
  sourcePort: 1,
  destinationPort: 80,
  sourceIdentity: 1001,
  destinationIdentity: 1002,
};
const DENIED: EventFields = {
  ...ALLOWED,
  kind: EVENT_KIND.dropped,
  rule: 0,
  reason: 133,
  source: "10.0.0.9",
  sourceIdentity: 2,
  sourcePort: 2,
};
const DNS: EventFields = {
  ...ALLOWED,
  protocol: 17,
  rule: 0,
  sourcePort: 3,
  destination: "fd00:0:0:0:0:0:0:53",
  destinationPort: 53,
  destinationIdentity: 2,
};

/** Flows 0 to 3 of this log: ALLOWED, DENIED, DNS, and a request answered 403. */
function logOfFour(): FlowLog {
  const log = new FlowLog(CONTEXT);
  for (const event of [ALLOWED, DENIED, DNS]) log.add(eventBytes(event));
  log.addAccess({
    ...REQUEST,
    ...DENIED_REQUEST,
    time: 5000,
    origin: { ...REQUEST.origin, destination: { address: "10.0.0.2", port: 8080 } },
    method: "POST",
    path: "/admin/x?y",
  });
  return log;
}

// prettier-ignore
const FILTERS: readonly [filter: FlowFilter, found: readonly number[]][] = [
  [{},                                          [0, 1, 2, 3]],
  [{ pod: ["frontend"] },                       [0, 2, 3]],
  [{ pod: ["default/front*"] },                 [0, 2, 3]],
  [{ pod: ["other/frontend"] },                 []],
  [{ pod: ["f*o*d"] },                          [0, 2, 3]],
  [{ pod: ["frontend", "backend"] },            [0, 1, 2, 3]],
  [{ namespace: ["default"], port: ["80"] },    [0, 1]],
  [{ from: ["default/frontend"] },              [0, 2, 3]],
  [{ from: ["10.0.0.9"] },                      [1]],
  [{ from: ["10.0.0.8/30"] },                   [1]],
  [{ from: ["app=frontend"] },                  [0, 2, 3]],
  [{ from: ["k8s:app=frontend"] },              [0, 2, 3]],
  [{ to: ["fd00::/64"] },                       [2]],
  [{ to: ["0.0.0.0/0"] },                       [0, 1, 3]],
  [{ to: ["reserved:world"] },                  []],
  [{ verdict: ["dropped"] },                    [1, 3]],
  [{ verdict: ["DROPPED", "FORWARDED"] },       [0, 1, 2, 3]],
  [{ protocol: ["udp"] },                       [2]],
  [{ protocol: ["http"] },                      [3]],
  [{ port: ["53"] },                            [2]],
  [{ reason: ["133"] },                         [1, 3]],
  [{ reason: ["policy denied"] },               [1, 3]],
  [{ reason: ["INVALID_SOURCE_IP"] },           []],
  [{ policy: ["secure-access"] },               [0, 1, 3]],
  [{ policy: ["other/secure-access"] },         []],
  [{ rule: ["ingress[0]"] },                    [0, 3]],
  [{ httpMethod: ["post"] },                    [3]],
  [{ httpPath: ["/admin/x"] },                  [3]],
  [{ httpPath: ["/adm*"] },                     [3]],
  [{ httpPath: ["/admin"] },                    []],
  [{ httpStatus: ["4xx"] },                     [3]],
  [{ httpStatus: ["40"] },                      []],
  [{ verdict: ["DROPPED"], from: ["10.0.0.9"] }, [1]],
];

describe("filters", () => {
  const log = logOfFour();
  test.each(FILTERS)("%j finds %j", (filter, found) => {
    expect(log.recent(filter).map((f) => f.sequence)).toEqual(found);
  });

  test("since", () => {
    expect(log.recent({ since: 5000 }).map((f) => f.sequence)).toContain(3);
    expect(log.recent({ since: 5001 }).map((f) => f.sequence)).not.toContain(3);
  });

  test("last", () => {
    expect(log.recent({ verdict: ["DROPPED"] }, 1).map((f) => f.sequence)).toEqual([3]);
    expect(log.recent({}, 0)).toEqual([]);
  });
});

test("the ring keeps the newest", () => {
  const log = new FlowLog(CONTEXT, { capacity: 3 });
  for (let port = 1; port <= 8; port++) log.add(eventBytes({ ...ALLOWED, sourcePort: port }));
  expect(log.recent().map((f) => f.source.port)).toEqual([6, 7, 8]);
  expect(log.seen).toBe(8);
});

test("bytes that are no event are counted", () => {
  const log = new FlowLog(CONTEXT);
  log.add(new Uint8Array(10));
  expect([log.seen, log.lost.malformed]).toEqual([0, 1]);
});

describe("followers", () => {
  test("old ones first, then those that come, until the signal", async () => {
    const log = logOfFour();
    const stop = new AbortController();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const next of log.follow({ filter: { verdict: ["DROPPED"] }, last: 1, signal: stop.signal })) {
        if ("flow" in next) seen.push(next.flow.sequence);
        if (seen.length === 1) for (const event of [ALLOWED, DENIED]) log.add(eventBytes(event));
        if (seen.length === 2) stop.abort();
      }
    })();
    await reading;
    expect(seen).toEqual([3, 5]);
  });

  test("a slow one is told what it lost, and others are not held up", async () => {
    const log = new FlowLog(CONTEXT, { queue: 2 });
    const stop = new AbortController();
    const following = log.follow({ signal: stop.signal });
    const first = following.next();
    for (let i = 0; i < 5; i++) log.add(eventBytes(ALLOWED));
    const seen: Followed[] = [(await first).value as Followed];
    for (let i = 0; i < 2; i++) seen.push((await following.next()).value as Followed);
    expect(seen.map((s) => ("flow" in s ? s.flow.sequence : { lost: s.lost }))).toEqual([0, 1, { lost: 3 }]);
    expect(log.lost.followers).toBe(3);
    stop.abort();
    expect((await following.next()).done).toBe(true);
  });

  test("one that goes leaves nothing behind", async () => {
    const log = new FlowLog(CONTEXT);
    const following = log.follow();
    const first = following.next();
    log.add(eventBytes(ALLOWED));
    await first;
    await following.return(undefined);
    log.add(eventBytes(ALLOWED));
    expect(log.lost.followers).toBe(0);
  });
});
