// The waypoint between a client and a server that cost next to nothing (waypoint/http.c, compiled with gcc -O2 at run time): rules of
// method, path and header, access records sent to the parent process, kept connections.
//
// Added time: client, server and waypoint on one CPU, one connection, direct and through the waypoint by turns; the median of the
// rounds' differences of the medians. Once on loopback with the kernel's side injected (what the process costs), once between
// namespaces with the mesh's programs (waypoint/steered.mjs; what a request costs: it takes the way to the pod twice). Rate of a core: 32 connections; requests per second of processor time that the waypoint's
// process used, all threads (so garbage collection counts), client and server on the other CPUs.
// Patterns: one request with a path of 64 KB, parsed and judged; each pattern made anew, so that nothing is remembered.
import { execFileSync, fork, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { canLoad } from "ebpf-ts/loader";
import { requireTool } from "../arguments.mjs";
import { HTTP_PORT, PLAIN_PORT, POD, startSteeredPod } from "./waypoint/steered.mjs";
import { RequestHead } from "../../dist/mesh/waypoint/http1/head.js";
import { HTTP_LIMITS } from "../../dist/mesh/waypoint/http1/refusals.js";
import { makeJudge } from "../../dist/mesh/waypoint/judge.js";

export const title = "waypoint (HTTP/1.1, method + path + header rules)";

const here = (file) => fileURLToPath(new URL(`./waypoint/${file}`, import.meta.url));
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const rule = (number, http) => ({ rule: number, http: { method: null, path: null, host: null, headers: [], ...http } });
const header = { name: "x-team", value: "payments", mismatch: null };

/** The request meets the last of the rules, so each is asked. */
const RULES = [
  rule(1, { method: "POST", path: "/public/.*", headers: [header] }),
  rule(2, { method: "(GET|HEAD)", path: "/(static|assets)/.+\\.(js|css|png)", headers: [] }),
  rule(3, { method: "GET", path: "/api/v[0-9]+/users/[^/]+", headers: [header] }),
  rule(4, { method: "GET", path: "/public/.*", headers: [header] }),
];
/** Requests before any counts. */
const WARM_UP = 20_000;
const PATHS = ["/public/x?id=123", "/public/y/z", "/public/a?b=c&d=e"];

/** Nanoseconds on a processor of all threads of a process. */
function processorTime(pid) {
  return readdirSync(`/proc/${pid}/task`)
    .map((task) => Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]))
    .reduce((sum, one) => sum + one, 0);
}

const onCpu = (cpu, command, args) => ["taskset", "-c", String(cpu), command, ...args];

/** `prefix`: a command that runs another one in a namespace. */
function start(prefix, words) {
  const [command, ...args] = [...prefix, ...words];
  return spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
}

async function startServer(program, cpu, { prefix = [], address = "127.0.0.1", port: wanted = 0 } = {}) {
  const child = start(prefix, onCpu(cpu, program, ["serve", address, String(wanted)]));
  const port = await new Promise((resolve) => child.stdout.once("data", (text) => resolve(Number(String(text)))));
  return { child, port };
}

/** The process pinned, and the number of records that came from it. */
async function startWaypoint(server, cpu) {
  const child = fork(here("waypoint.mjs"), { serialization: "advanced" });
  execFileSync("taskset", ["-acp", String(cpu), String(child.pid)], { stdio: "pipe" });
  const state = { child, port: 0, records: 0 };
  const published = new Promise((resolve) => {
    child.on("message", (message) => {
      if (message.kind === "records") state.records += message.records.length;
      if (message.kind === "published") resolve(message.port);
    });
  });
  child.send({ kind: "server", port: server });
  child.send({ kind: "configure", maps: {}, egressPort: 0, netns: null });
  child.send({ kind: "rules", set: [{ number: 1, rules: RULES, dns: [] }], deleted: [] });
  const endpoint = { id: 1, netns: "/proc/self/ns/net", addresses: [], ingress: true, egress: false };
  child.send({ kind: "endpoint", endpoint });
  state.port = await published;
  return state;
}

/** In a process that is waited for: this one must go on taking records. */
async function load(program, cpu, port, connections, requests, { prefix = [], address = "127.0.0.1" } = {}) {
  const args = ["load", address, port, connections, requests, ...PATHS].map(String);
  const child = start(prefix, onCpu(cpu, program, args));
  let text = "";
  child.stdout.on("data", (part) => (text += part));
  await new Promise((resolve) => child.on("close", resolve));
  const [p50, p99, rate] = text.trim().split(" ").map(Number);
  if (!(rate > 0)) throw new Error("the load generator failed");
  return { p50, p99, rate };
}

async function measureLatency(program, cpu, rounds, requests) {
  const server = await startServer(program, cpu);
  const waypoint = await startWaypoint(server.port, cpu);
  try {
    return await compare(rounds, {
      direct: (count = requests) => load(program, cpu, server.port, 1, count),
      through: (count = requests) => load(program, cpu, waypoint.port, 1, count),
    });
  } finally {
    waypoint.child.kill();
    server.child.kill();
  }
}

/** Between namespaces, through the mesh's programs; null where they cannot be loaded. */
async function measureSteered(program, cpu, rounds, requests) {
  const loadable = canLoad();
  if (!loadable.ok) return null;
  const pod = await startSteeredPod(RULES, cpu);
  const servers = [];
  try {
    for (const port of [PLAIN_PORT, HTTP_PORT]) {
      servers.push(await startServer(program, cpu, { prefix: pod.inPod, address: "0.0.0.0", port }));
    }
    const at = { prefix: pod.inClient, address: POD };
    return await compare(rounds, {
      direct: (count = requests) => load(program, cpu, PLAIN_PORT, 1, count, at),
      through: (count = requests) => load(program, cpu, HTTP_PORT, 1, count, at),
    });
  } finally {
    for (const { child } of servers) child.kill();
    await pod.close();
  }
}

async function compare(rounds, { direct, through }) {
  await through(WARM_UP);
  const found = [];
  for (let i = 0; i < rounds; i++) found.push({ direct: await direct(), through: await through() });
  return {
    direct: median(found.map((one) => one.direct.p50)),
    through: median(found.map((one) => one.through.p50)),
    added: median(found.map((one) => one.through.p50 - one.direct.p50)),
    added99: median(found.map((one) => one.through.p99 - one.direct.p99)),
  };
}

async function measureRate(program, cpu, others, rounds, requests) {
  const server = await startServer(program, others);
  const waypoint = await startWaypoint(server.port, cpu);
  try {
    await load(program, others, waypoint.port, 32, requests);
    const found = [];
    for (let i = 0; i < rounds; i++) {
      const before = processorTime(waypoint.child.pid);
      const { rate } = await load(program, others, waypoint.port, 32, requests);
      found.push({ rate, core: requests / ((processorTime(waypoint.child.pid) - before) / 1e9) });
    }
    const memory = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${waypoint.child.pid}/status`, "utf8"));
    return {
      core: median(found.map(({ core }) => core)),
      wall: median(found.map(({ rate }) => rate)),
      records: waypoint.records,
      memory: Number(memory?.[1]) / 1024,
    };
  } finally {
    waypoint.child.kill();
    server.child.kill();
  }
}

// prettier-ignore
const PATTERNS = [
  ["a literal of 64 KB",           () => `/${"a".repeat(65_000)}`],
  ["(a+)+b",                       () => "/(a+)+b"],
  ["(a|aa)+b",                     () => "/(a|aa)+b"],
  [".* a thousand times",          () => "/" + ".*".repeat(1000)],
  [".*a.{12}b",                    () => "/.*a.{12}b"],
  ["(.*a){20}b",                   () => "/(.*a){20}b"],
  ["a?^n a^n",                     () => `/${"a?".repeat(500)}${"a".repeat(500)}`],
  ["1,000 alternatives",           () => `/(${Array.from({ length: 1000 }, (_, i) => `a{${1 + (i % 100)}}${i}`).join("|")})`],
  ["classes of 16 KB",             () => `/(${"[a-z][b-y]?".repeat(1000)})*`],
  ["words of 16 KB",               () => `/(${Array.from({ length: 2500 }, (_, i) => i.toString(36)).join("|")})*`],
];

/** Milliseconds of the slowest pattern, and its name. Of ten attempts the least: others use the machine too. */
function measurePatterns() {
  const texts = ["a".repeat(65_000), "ab".repeat(32_500), randomLetters(65_000)];
  const found = PATTERNS.flatMap(([name, make]) => {
    if (judgeOf(make()) === null) return [];
    return texts.map((text) => ({ name, ms: Math.min(...Array.from({ length: 10 }, () => timeOf(make(), text))) }));
  });
  return found.toSorted((a, b) => b.ms - a.ms)[0];
}

function timeOf(pattern, path) {
  const bytes = Buffer.from(`GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  const head = new RequestHead(HTTP_LIMITS);
  const judge = judgeOf(pattern);
  const start = performance.now();
  head.parse(bytes, 0, bytes.length);
  judge.judge(head);
  return performance.now() - start;
}

/** Null: too large, which validation refuses. */
function judgeOf(path) {
  try {
    return makeJudge({ rules: [rule(1, { path })] });
  } catch {
    return null;
  }
}

function randomLetters(length) {
  let state = 1;
  return Array.from({ length }, () => "abcd"[(state = (state * 48_271) % 2_147_483_647) % 4]).join("");
}

function rowsOfSteered({ direct, through, added, added99 }) {
  return [
    { figure: "namespaces: p50 direct, L4 policy", value: direct, unit: "us" },
    { figure: "namespaces: p50 through the waypoint", value: through, unit: "us" },
    { figure: "namespaces: added p50, same CPU", value: added, unit: "us", goal: "<= 60", met: added <= 60 },
    { figure: "namespaces: added p99, same CPU", value: added99, unit: "us" },
  ];
}

export async function run({ cpu, quick }) {
  for (const [tool, pack] of [
    ["gcc", "gcc"],
    ["taskset", "util-linux"],
  ])
    requireTool(tool, pack);
  const folder = mkdtempSync(join(tmpdir(), "bench-waypoint-"));
  try {
    const program = join(folder, "http");
    execFileSync("gcc", ["-O2", "-o", program, here("http.c")]);
    const others = cpu === 0 && availableParallelism() > 1 ? 1 : 0;
    // This process takes the records; it must not do so on the CPU that is measured.
    execFileSync("taskset", ["-acp", String(others), String(process.pid)], { stdio: "pipe" });
    const slowest = measurePatterns();
    const latency = await measureLatency(program, cpu, quick ? 3 : 9, quick ? 3000 : 10_000);
    const steered = await measureSteered(program, cpu, quick ? 3 : 9, quick ? 3000 : 10_000);
    const rate = await measureRate(program, cpu, others, quick ? 2 : 5, quick ? 20_000 : 60_000);
    return {
      rows: [
        { figure: "p50 direct, same CPU", value: latency.direct, unit: "us" },
        { figure: "p50 through the waypoint", value: latency.through, unit: "us" },
        { figure: "added p50, same CPU", value: latency.added, unit: "us", goal: "<= 60", met: latency.added <= 60 },
        { figure: "added p99, same CPU", value: latency.added99, unit: "us" },
        ...(steered === null ? [] : rowsOfSteered(steered)),
        {
          figure: "rate of a core",
          value: Math.round(rate.core),
          unit: "req/s",
          goal: ">= 12,000",
          met: rate.core >= 12_000,
        },
        { figure: "rate as the clock has it", value: Math.round(rate.wall), unit: "req/s" },
        { figure: "memory after that", value: rate.memory, unit: "MB" },
        {
          figure: "64 KB path, slowest pattern",
          value: slowest.ms,
          unit: "ms",
          goal: "<= 10",
          met: slowest.ms <= 10,
        },
      ],
      notes: [`the slowest pattern: ${slowest.name}; ${rate.records} access records came`],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
