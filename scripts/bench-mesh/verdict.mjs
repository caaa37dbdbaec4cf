// The policy verdict in BPF_PROG_TEST_RUN: who is the remote end (`hosts`, `prefixes`), and what does policy say of it and the port
// (`judgements`, `verdicts`): the functions `identify` and `judge` of programs/mesh.
//
// Each size of the policy is asked in two ways. "one at a time": many test runs, each of one remote identity again and again,
// the median of all: what the look-ups cost. "each another": every packet comes from another identity, in an order that the
// processor cannot guess, and no two identities share a port table: what they cost when the caches hold none of it, which
// grows as memory is further away. The time of the same program without the two calls is subtracted.
import { execFileSync } from "node:child_process";

export const title = "policy verdict (test run, JIT)";

/** Entries (judgements of identities and ports of their tables) and identities. */
const SIZES = [
  { entries: 10, identities: 10 },
  { entries: 100, identities: 100 },
  { entries: 1_000, identities: 1_000 },
  { entries: 16_000, identities: 10_000 },
];
const FIRST = 0x0a010000;
const POLICY = 1;
const [DENY, ALLOW, TCP] = [0, 1, 6];

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

const words = (ipv4) => {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint16(10, 0xffff);
  view.setUint32(12, ipv4);
  return { hi: view.getBigUint64(0, true), lo: view.getBigUint64(8, true) };
};
const host = (identity, endpoint = 0) => ({ identity, endpoint, flags: 0, reserved: 0 });
const judgement = (fields) => ({ ports: 0, rule: 0, action: DENY, flags: 0, l7: 0, reserved: 0, ...fields });

/** Every identity has an address and a port table of its own: nothing is shared that could be. */
function fill(object, { entries, identities }) {
  for (const name of ["hosts", "judgements", "verdicts"]) {
    const map = object.map(name);
    for (const key of [...map.keys()]) map.delete(key);
  }
  const ports = Math.max(1, Math.round(entries / identities));
  object.map("judgements").set({ policy: POLICY, identity: 0, direction: 0 }, judgement({}));
  for (let i = 0; i < identities; i++) {
    const identity = 1000 + i;
    object.map("hosts").set(words(FIRST + i), host(identity));
    const has = { ports: i + 1, flags: 1 };
    object.map("judgements").set({ policy: POLICY, identity, direction: 0 }, judgement(has));
    for (let p = 0; p < ports; p++) {
      const verdict = { rule: 1 + ((i * ports + p) % 4000), action: ALLOW, reserved: 0, l7: 0 };
      object.map("verdicts").set({ ports: i + 1, port: 80 + p, protocol: TCP, reserved: 0 }, verdict);
    }
  }
}

/** A step that visits all and has no common divisor with the count. */
const stepOf = (count) => {
  const gcd = (a, b) => (b === 0 ? a : gcd(b, a % b));
  let step = Math.max(1, Math.floor(count * 0.618));
  while (gcd(step, count) !== 1) step++;
  return step;
};

export async function run({ cpu, quick }) {
  execFileSync("taskset", ["-cp", String(cpu), String(process.pid)]);
  const [{ compileFile }, { load }, { packet }] = await Promise.all([
    import("../../dist/index.js"),
    import("../../dist/loader/index.js"),
    import("../../dist/testing/index.js"),
  ]);
  const { object: spec } = await compileFile(new URL("../../programs/bench/verdict.ts", import.meta.url).pathname);
  const object = await load(spec);
  try {
    return measure(object, packet, quick ? 1 : 5);
  } finally {
    object.close();
  }
}

function measure(object, packet, scale) {
  const data = packet.tcp({ src: "10.1.0.0:4000", dst: "10.0.0.2:80", flags: "A" });
  const time = (name, repeat) => object.program(name).testRun({ data, repeat }).durationNs;
  const walk = (fields) =>
    object.map("walks").set(0, { first: FIRST, count: 1, step: 0, at: 0, port: 80, policy: POLICY, ...fields });
  const rows = [];
  const times = SIZES.map(() => ({ one: [], each: [] }));
  const spread = 40 * scale;
  SIZES.forEach((size, s) => {
    fill(object, size);
    for (const name of ["bare", "verdict"]) time(name, 200_000);
    for (let i = 0; i < spread; i++) {
      const at = Math.floor((i * size.identities) / spread);
      walk({ first: FIRST + at });
      times[s].one.push(time("verdict", 20_000) - time("bare", 20_000));
      walk({ count: size.identities, step: stepOf(size.identities) });
      times[s].each.push(time("verdict", 20_000) - time("bare", 20_000));
    }
  });
  const of = (way) => times.map((t) => median(t[way]));
  const one = of("one");
  SIZES.forEach(({ entries, identities }, s) =>
    rows.push({
      figure: `${entries} entries, ${identities} identities, one at a time`,
      value: one[s],
      unit: "ns",
      goal: "150 ns",
      met: one[s] <= 150,
    }),
  );
  const ratio = Math.max(...one) / one[0];
  rows.push({ figure: "largest to smallest", value: ratio, unit: "x", goal: "1.2x", met: ratio <= 1.2 });
  const each = of("each");
  SIZES.forEach(({ entries, identities }, s) =>
    rows.push({ figure: `${entries} entries, ${identities} identities, each another`, value: each[s], unit: "ns" }),
  );
  rows.push(...measureWhole(object, time, scale));
  return { rows, notes: ["Times are medians, less those of the same program without identify and judge."] };
}

/** to_pod as it is attached. */
function measureWhole(object, time, scale) {
  const pod = words(0x0a000002);
  object.map("settings").set(0, { identities: 0, flags: 0, waypointPort: 0, reserved: 0 });
  object.map("endpoints").set(1, {
    hi4: pod.hi,
    lo4: pod.lo,
    hi6: 0n,
    lo6: 0n,
    id: 1,
    identity: 999,
    generation: 1,
    flags: 0,
    policy: POLICY,
    reserved: 0,
  });
  object.map("hosts").set(pod, host(999, 1));
  const rounds = { to_pod: [], again: [], nothing: [] };
  for (const name of Object.keys(rounds)) time(name, 200_000);
  for (let i = 0; i < 20 * scale; i++) for (const name of Object.keys(rounds)) rounds[name].push(time(name, 20_000));
  const less = (name) => median(rounds[name]) - median(rounds.nothing);
  return [
    { figure: "whole program, a packet of a known flow", value: less("to_pod"), unit: "ns" },
    { figure: "whole program, a flow that is judged again", value: less("again"), unit: "ns" },
  ];
}
