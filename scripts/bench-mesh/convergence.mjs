// How long a changed policy takes from its file into the kernel, on 100 pods that 1,000 rules select: as 1,000 policies in files of
// their own, one of which is replaced, and as one policy. Seen from outside: this process watches the entries of all 100
// endpoints in the pinned map, from before the file is moved into place.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { openMap } from "../../dist/loader/index.js";
import { podsOf, startNode } from "./lib/node.mjs";

export const title = "a changed policy in the kernel";

const PODS = 100;
const RULES = 1_000;
const GROUPS = 10;
/** Byte offset in the value of `endpoints`: Endpoint.generation of programs/mesh/tables.ts. */
const GENERATION = 40;
const PATIENCE_MS = 10_000;
const PAUSE_MS = 25;
const WARM_UP = 10;

export async function run({ quick }) {
  const rounds = quick ? 30 : 300;
  const many = await measure(rounds, {
    start: (write) => {
      for (let i = 0; i < RULES; i++) write(`policy-${i}.yaml`, policy(`policy-${i}`, [rule(i, 1_000 + i)]));
    },
    change: (write, round) => write("policy-7.yaml", policy("policy-7", [rule(7, 30_000 + round)])),
  });
  const whole = (round) =>
    policy(
      "policy",
      Array.from({ length: RULES }, (_, i) => rule(i, i === 7 ? 30_000 + round : 1_000 + i)),
    );
  const one = await measure(rounds, {
    start: (write) => write("policy.yaml", whole(0)),
    change: (write, round) => write("policy.yaml", whole(round)),
  });
  return {
    rows: [...rowsOf("one of 1,000 policies", many), ...rowsOf("one policy of 1,000 rules", one)],
    notes: [
      `${rounds} changes; ${PODS} pods of ${GROUPS} label sets; the one policy is ${(whole(0).length / 1024).toFixed(0)} KiB of YAML`,
    ],
  };
}

function rowsOf(what, times) {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)];
  return [
    { figure: `${what}, median`, value: at(0.5), unit: "ms" },
    { figure: `${what}, p99`, value: at(0.99), unit: "ms", goal: "at most 10", met: at(0.99) <= 10 },
  ];
}

/** Milliseconds of each round, from the moment before the file is moved until all endpoints have the new policy. */
async function measure(rounds, { start, change }) {
  const pods = podsOf(PODS);
  const { bed, folder, agent, cni } = await startNode({ pods, policies: 0, remote: 0 });
  const write = (name, text) => folder.write(name, text);
  try {
    await bed.addPods(pods, cni);
    start(write);
    await agent.client.refresh();
    const maps = join(bed.node("n1").pins, "maps");
    const endpoints = openMap(
      join(
        maps,
        readdirSync(maps).find((name) => name.startsWith("endpoints-")),
      ),
    );
    const times = [];
    for (let round = 1; round <= WARM_UP + rounds; round++) {
      await sleep(PAUSE_MS);
      const before = generations(endpoints);
      const began = performance.now();
      change(write, round);
      while (!allRaised(before, generations(endpoints))) {
        if (performance.now() - began > PATIENCE_MS) throw new Error(`round ${round}: nothing changed`);
      }
      times.push(performance.now() - began);
    }
    endpoints.close();
    return times.slice(WARM_UP);
  } finally {
    bed.close();
  }
}

const rule = (i, port) => `  - fromEndpoints: [{ matchLabels: { app: app-${i % GROUPS} } }]
    toPorts: [{ ports: [{ port: "${port}", protocol: TCP }] }]
`;

const policy = (name, rules) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name}, namespace: default }
spec:
  endpointSelector: {}
  ingress:
${rules.join("")}`;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function generations(endpoints) {
  return new Map(
    [...endpoints.entriesRaw()].map(([key, value]) => [
      Buffer.from(key).readUInt32LE(0),
      Buffer.from(value).readUInt32LE(GENERATION),
    ]),
  );
}

function allRaised(before, now) {
  return [...before].every(([key, generation]) => (now.get(key) ?? 0) > generation);
}
