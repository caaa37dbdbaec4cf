// Two pods of one node for benchmarks: namespaces of the bed, the mesh's object loaded, its maps filled so that everything is
// allowed by a rule, programs attached as the caller says. And what measures in them: compiled C, pinned to a CPU.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DIST = new URL("../../../dist/", import.meta.url);
const POLICY = 1;
const RULE = 7;

export async function createPods() {
  const [{ readElf }, loader, { createBed }, { parseAddress }] = await Promise.all(
    ["lib/elf/index.js", "loader/index.js", "mesh/index.js", "lib/packet/index.js"].map(
      (file) => import(new URL(file, DIST)),
    ),
  );
  const words = (ipv4) => {
    const view = new DataView(new ArrayBuffer(16));
    view.setUint16(10, 0xffff);
    new Uint8Array(view.buffer).set(parseAddress(ipv4, "ipv4"), 12);
    return { hi: view.getBigUint64(0, true), lo: view.getBigUint64(8, true) };
  };
  const pod = (name, address) => ({ namespace: "bench", name, addresses: [address], hostNetwork: false, node: "n" });
  const plan = {
    nodes: [{ name: "n", addresses: ["10.87.0.1"] }],
    pods: [pod("a", "10.88.0.1"), pod("b", "10.88.0.2")],
  };
  const bed = await createBed({ ...plan, outside: [] });
  const object = await loader.load(readElf(readFileSync(new URL("programs/mesh.o", DIST))));
  const pods = [bed.pod("bench/a"), bed.pod("bench/b")];
  const set = (flags) => object.map("settings").set(0, { identities: 1, flags, waypointPort: 0, reserved: 0 });
  set(0);
  for (const direction of [0, 1]) {
    const allowed = { ports: 0, rule: RULE, action: 1, flags: 0, l7: 0, reserved: 0 };
    object.map("judgements").set({ policy: POLICY, identity: 0, direction }, allowed);
  }
  pods.forEach((place, i) => {
    const { hi, lo } = words(place.pod.addresses[0]);
    const row = { id: i + 1, identity: 300 + i, generation: 1, flags: 0, policy: POLICY, reserved: 0 };
    object.map("endpoints").set(place.nodeDevice.index, { hi4: hi, lo4: lo, hi6: 0n, lo6: 0n, ...row });
    object.map("hosts").set({ hi, lo }, { identity: row.identity, endpoint: row.id, flags: 0, reserved: 0 });
    object.map("namespaces").set(loader.netnsCookie(place.netns), { value: place.nodeDevice.index });
  });
  return {
    pods,
    object,
    words,
    /** Sets SettingsFlag bits. */
    set,
    /** Attaches programs to the pods' groups, devices and sockets; the function takes them off again. */
    attach({ cgroup = [], police = false, shortcut = false }) {
      const links = [];
      for (const place of pods) {
        for (const name of cgroup) links.push(loader.attachCgroup(object.program(name), place.cgroup));
        if (!police) continue;
        const target = { netns: place.node.netns, interface: place.nodeDevice.name };
        links.push(loader.attachTcx(object.program("from_pod"), { ...target, direction: "ingress" }));
        links.push(loader.attachTcx(object.program("to_pod"), { ...target, direction: "egress" }));
      }
      if (shortcut) links.push(loader.attachSockmap(object.program("sock_msg"), object.map("sockets")));
      return () => links.forEach((link) => link.close());
    },
    /** Arguments for spawn: the command in the pod's group and on a CPU. To be started within `withNetns(place.netns)`. */
    enter: (place, cpu, command, ...args) => [
      "/bin/sh",
      [
        "-c",
        'echo $$ > "$0/cgroup.procs" && exec taskset -c "$@"',
        place.cgroup,
        String(cpu),
        command,
        ...args.map(String),
      ],
    ],
    netnsCookie: loader.netnsCookie,
    withNetns: loader.withNetns,
    close() {
      object.close();
      bed.close();
    },
  };
}

/** Compiles a C file of scripts/bench-mesh; gives the path and what removes it. */
export function compileC(name) {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-ts-bench-"));
  const path = join(folder, name);
  execFileSync("cc", ["-O2", "-o", path, new URL(`../${name}.c`, import.meta.url).pathname]);
  return { path, remove: () => rmSync(folder, { recursive: true }) };
}

export const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
