// What services and policy at the socket cost a connect(): the kernel's own statistics of sock_connect4 (time and number of
// runs), while a C client connects by TCP to service addresses in an order that cannot be guessed; and what the client sees,
// against connecting straight to an address without programs. Nobody listens at the backends' addresses, which are the pod's own
// loopback: each connect() is refused, and includes that.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { compileC, createPods, median } from "./lib/pods.mjs";

export const title = "service pick at connect() (kernel, TCP)";

const SIZES = [10, 10_000];
const BACKENDS = 10;
const STATISTICS = "/proc/sys/kernel/bpf_stats_enabled";

export async function run({ cpu, quick }) {
  const client = compileC("connect");
  const pods = await createPods();
  const statistics = readFileSync(STATISTICS, "utf8");
  try {
    return await measure(pods, client.path, cpu, quick ? 5 : 25);
  } finally {
    writeFileSync(STATISTICS, statistics);
    pods.close();
    client.remove();
  }
}

async function measure({ pods, object, attach, enter, netnsCookie, withNetns }, client, cpu, rounds) {
  const [pod] = pods;
  withNetns(pod.netns, () => {
    for (const net of ["10.1.0.0/16", "10.2.0.0/16", "10.96.0.0/16"])
      execFileSync("ip", ["route", "add", "local", net, "dev", "lo"]);
  });
  const connect = (count, services) => {
    const [command, args] = enter(pod, cpu, client, count, services);
    return Number(withNetns(pod.netns, () => execFileSync(command, args, { encoding: "utf8" })));
  };
  const statisticsOf = () => {
    const text = readFileSync(`/proc/self/fdinfo/${object.program("sock_connect4").fd}`, "utf8");
    const [, time, runs] = /run_time_ns:\s*(\d+)\s+run_cnt:\s*(\d+)/.exec(text);
    return { time: Number(time), runs: Number(runs) };
  };
  const cookie = netnsCookie(pod.netns);
  const known = (yes) => {
    if (yes) object.map("namespaces").set(cookie, { value: pod.nodeDevice.index });
    else object.map("namespaces").delete(cookie);
  };
  const runTime = (asked) => {
    writeFileSync(STATISTICS, "1");
    const before = statisticsOf();
    connect(4000, asked);
    const after = statisticsOf();
    writeFileSync(STATISTICS, "0");
    return (after.time - before.time) / (after.runs - before.runs);
  };
  const rows = [];
  const [bare, seen] = [[], []];
  for (const services of SIZES) {
    await fill(object, services);
    const detach = attach({ cgroup: ["sock_connect4"] });
    const [one, each, whole] = [[], [], []];
    connect(2000, services);
    for (let i = 0; i < rounds; i++) {
      known(false);
      one.push(runTime(1));
      each.push(runTime(services));
      known(true);
      whole.push(runTime(1));
      seen.push(connect(2000, services));
    }
    detach();
    for (let i = 0; i < rounds; i++) bare.push(connect(2000, services));
    const value = median(one);
    const of = `${services} services of ${BACKENDS} backends`;
    rows.push({ figure: `${of}, one at a time`, value, unit: "ns", goal: "300 ns", met: value <= 300 });
    rows.push({ figure: `${of}, each another`, value: median(each), unit: "ns" });
    rows.push({ figure: `${of}, one at a time, with the pod's policy`, value: median(whole), unit: "ns" });
  }
  rows.push({ figure: "connect() without the program, refused", value: median(bare), unit: "ns" });
  rows.push({ figure: "connect() with it and policy", value: median(seen), unit: "ns" });
  const notes = [
    "The program's times are the kernel's (bpf_stats) and include its reading of the clock. One at a time: the pick itself; each",
    "another: connect() after connect() to a service that no cache holds, so mostly the way to the memory.",
  ];
  return { rows, notes };
}

/** Services 10.96.0.0 + n, each with ten backends of its own. */
async function fill(object, count) {
  const { applyServices, compileServices, diffServices, NO_SERVICES } = await import("../../dist/mesh/index.js");
  const address = (net, n) => `10.${net}.${n >> 8}.${n & 255}`;
  const services = new Map();
  const endpointSlices = new Map();
  for (let n = 0; n < count; n++) {
    const key = `bench/s${n}`;
    const of = { namespace: "bench", name: `s${n}` };
    const port = { name: "", protocol: "TCP", port: 80 };
    services.set(key, {
      ...of,
      labels: {},
      addresses: [address(96, n)],
      ports: [{ ...port, targetPort: 80 }],
      selector: null,
      affinity: 0,
      algorithm: "random",
    });
    const endpoints = Array.from({ length: BACKENDS }, (_, i) => {
      const at = n * BACKENDS + i;
      return {
        addresses: [address(1 + (at >> 16), at & 0xffff)],
        ready: true,
        serving: true,
        terminating: false,
        node: null,
        weight: 1,
      };
    });
    endpointSlices.set(key, { ...of, service: of.name, ports: [{ ...port, port: 8080 }], endpoints });
  }
  const tables = compileServices({ services, endpointSlices, pods: new Map() }, NO_SERVICES);
  const maps = Object.fromEntries(["services", "slots", "maglevs", "backends"].map((name) => [name, object.map(name)]));
  maps.services.clear();
  applyServices(
    { ...maps, makeMaglev: (length) => object.makeInner("maglevs", length) },
    diffServices(NO_SERVICES, tables),
  );
}
