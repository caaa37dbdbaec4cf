/** Which addresses pods are connected to, by rows that the compiled programs' own type encodes. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { readElf } from "../../../lib/elf/index.ts";
import { codecOf } from "../../../lib/object/index.ts";
import { addressesInUse } from "../../../mesh/datapath/flows.ts";
import { encodeFlowKey } from "../../../mesh/waypoint/layouts.ts";

const object = readElf(readFileSync(resolve(import.meta.dirname, "../../../dist/programs/mesh.o")));
const FLOW = codecOf(object.btf, object.maps.find(({ name }) => name === "flows")?.valueType ?? 0);
const NOW = 10_000_000_000_000n;

// prettier-ignore
test.each([
  ["a connection",           "TCP", 1, 1, 1, 7000, true],
  ["one that ends",          "TCP", 1, 1, 2, 1,    false],
  ["one that is denied now", "TCP", 1, 0, 1, 1,    false],
  ["one to the pod",         "TCP", 0, 1, 1, 1,    false],
  ["one of long ago",        "TCP", 1, 1, 1, 9000, false],
  ["through the waypoint",   "TCP", 1, 2, 1, 1,    true],
  ["datagrams",              "UDP", 1, 1, 1, 59,   true],
  ["datagrams a while ago",  "UDP", 1, 1, 1, 61,   false],
] as const)("%s", (_what, protocol, direction, action, state, seconds, used) => {
  const seen = NOW - BigInt(seconds) * 1_000_000_000n;
  const empty = FLOW.decode(new Uint8Array(FLOW.size)) as object;
  const flow = FLOW.encode({ ...empty, direction, action, state, seen });
  for (const address of ["192.0.2.1", "2001:db8::1"]) {
    const pod = { address: address.includes(":") ? "fd00::2" : "10.0.0.2", port: 4000 };
    const key = encodeFlowKey(pod, { address, port: 443 }, protocol);
    const asked = new Set([address, "192.0.2.2", pod.address]);
    expect([...addressesInUse([[key, flow]], asked, NOW)]).toEqual(used ? [address] : []);
  }
});
