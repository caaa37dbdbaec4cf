// Request and response between two pods of one node, 128 bytes over one TCP connection, client and server in C on the same CPU:
// over plain veth, with policy and counters, and with the shortcut on top. A round of each in turn; of each figure the median.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { compileC, createPods, median } from "./lib/pods.mjs";

export const title = "same-node TCP request/response (128 B, one connection, one CPU)";

const SHORTCUT = 4;
const SOCKETS = ["connect4", "connect6", "sendmsg4", "sendmsg6", "recvmsg4", "recvmsg6", "peername4", "peername6"];
const CGROUP = [...SOCKETS.map((hook) => `sock_${hook}`), "sock_ops"];

const WAYS = [
  { name: "veth", programs: {}, flags: 0 },
  { name: "policy", programs: { police: true, cgroup: CGROUP, shortcut: true }, flags: 0 },
  { name: "shortcut", programs: { police: true, cgroup: CGROUP, shortcut: true }, flags: SHORTCUT },
];

export async function run({ cpu, quick }) {
  const echo = compileC("echo");
  const pods = await createPods();
  try {
    return await measure(pods, echo.path, cpu, quick ? 15 : 101);
  } finally {
    pods.close();
    echo.remove();
  }
}

async function measure({ pods, attach, enter, set, withNetns }, echo, cpu, rounds) {
  const [client, server] = pods;
  const [address] = server.pod.addresses;
  const [command, args] = enter(server, cpu, echo, "listen", address, 7000);
  const listening = withNetns(server.netns, () => spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] }));
  const seen = Object.fromEntries(WAYS.map(({ name }) => [name, []]));
  try {
    await once(listening.stdout, "data");
    for (let i = 0; i < rounds; i++) {
      for (const { name, programs, flags } of WAYS) {
        set(flags);
        const detach = attach(programs);
        const [command, args] = enter(client, cpu, echo, "ask", address, 7000, 4_000);
        const text = withNetns(client.netns, () => execFileSync(command, args, { encoding: "utf8" }));
        detach();
        const [p50, p99, rate] = text.split(" ").map(Number);
        seen[name].push({ p50, p99, rate });
      }
    }
  } finally {
    listening.kill();
  }
  const of = (name, what) => median(seen[name].map((row) => row[what]));
  // Of each round, so that what disturbs the machine disturbs both.
  const ratio = (name, what) => median(seen[name].map((row, i) => row[what] / seen.veth[i][what]));
  const rows = WAYS.flatMap(({ name }) => [
    { figure: `${name}: p50`, value: of(name, "p50") / 1000, unit: "us" },
    { figure: `${name}: p99`, value: of(name, "p99") / 1000, unit: "us" },
    { figure: `${name}: rate`, value: of(name, "rate"), unit: "/s" },
  ]);
  const [cost, p50, rate] = [ratio("policy", "p50"), ratio("shortcut", "p50"), ratio("shortcut", "rate")];
  rows.push({ figure: "policy to veth: p50", value: cost, unit: "x", goal: "1.10x", met: cost <= 1.1 });
  rows.push({ figure: "shortcut to veth: p50", value: p50, unit: "x", goal: "0.55x", met: p50 <= 0.55 });
  rows.push({ figure: "shortcut to veth: rate", value: rate, unit: "x", goal: "1.8x", met: rate >= 1.8 });
  return {
    rows,
    notes: ["policy: tcx on both veths, cgroup programs, sockhash attached and the shortcut switched off."],
  };
}
