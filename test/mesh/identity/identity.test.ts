/** Label sets, numbers that stay, prefixes inside of each other, and who has an address. */
import { describe, expect, test } from "vitest";
import { AddressTable } from "../../../mesh/identity/addresses.ts";
import { identityKey, IdentityTable } from "../../../mesh/identity/identities.ts";
import { LabelSet, podLabels } from "../../../mesh/identity/labels.ts";
import { NumberTable } from "../../../mesh/identity/numbers.ts";
import { PrefixTable } from "../../../mesh/identity/prefixes.ts";
import { parsePrefix } from "../../../mesh/objects/address.ts";
import type { Pod } from "../../../mesh/objects/types.ts";
import { CLUSTER } from "../policy/clusters.ts";

const claimAll = (table: NumberTable, texts: readonly string[]): number[] => texts.map((text) => table.claim(text));
const TEXTS = Array.from({ length: 40 }, (_, i) => `label=${i}`).toSorted();

describe("numbers", () => {
  test("are the same wherever the same texts are claimed in order", () => {
    const first = claimAll(new NumberTable(256, 300), TEXTS);
    expect(claimAll(new NumberTable(256, 300), TEXTS)).toEqual(first);
    expect(new Set(first).size).toBe(TEXTS.length);
    expect(Math.min(...first)).toBeGreaterThanOrEqual(256);
    expect(Math.max(...first)).toBeLessThanOrEqual(300);
  });

  test("one that is let go is not somebody else's at once, and comes back to its text", () => {
    const table = new NumberTable(1, 100);
    const number = table.claim("a");
    table.free("a");
    expect(claimAll(table, TEXTS)).not.toContain(number);
    expect(table.claim("a")).toBe(number);
  });

  test("a full range takes what rests, and goes on above", () => {
    const table = new NumberTable(1, 4);
    claimAll(table, ["a", "b", "c", "d"]);
    expect(claimAll(table, ["e", "f"])).toEqual([5, 6]);
    table.free("a");
    expect(table.claim("g")).toBe(table.save().find(([text]) => text === "g")![1]);
  });

  test("survive, also those at rest", () => {
    const table = new NumberTable(256, 300);
    const numbers = claimAll(table, TEXTS);
    table.free(TEXTS[0]!);
    const again = new NumberTable(256, 300);
    again.restore(table.save());
    expect(claimAll(again, TEXTS.toReversed())).toEqual(numbers.toReversed());
  });
});

describe("identities", () => {
  const pod = CLUSTER.pods.get("default/be")!;

  test("a pod's labels: its own, its namespace's, its account and cluster", () => {
    expect(podLabels(pod, CLUSTER.namespaces.get("default"), "main").texts).toEqual([
      "k8s:app=be",
      "k8s:env=prod",
      "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=default",
      "k8s:io.cilium.k8s.namespace.labels.team=app",
      "k8s:io.cilium.k8s.policy.cluster=main",
      "k8s:io.cilium.k8s.policy.serviceaccount=be",
      "k8s:io.kubernetes.pod.namespace=default",
      "k8s:tier=api",
    ]);
  });

  test("a pod cannot claim to be of another namespace or account by its labels", () => {
    const liar: Pod = {
      ...pod,
      labels: {
        "io.kubernetes.pod.namespace": "sys",
        "io.cilium.k8s.policy.serviceaccount": "admin",
        "io.cilium.k8s.namespace.labels.team": "ops",
      },
    };
    const texts = podLabels(liar, CLUSTER.namespaces.get("default"), "main").texts;
    expect(texts.filter((text) => /sys|admin|ops/.test(text))).toEqual([]);
  });

  test("one that nobody has stays known until there are many", () => {
    const table = new IdentityTable();
    const claim = (i: number): number => {
      const labels = new LabelSet([{ source: "k8s", key: "n", value: String(i) }]);
      return table.claim("cluster", identityKey(labels), labels).number;
    };
    const first = claim(0);
    for (let i = 1; i <= 300; i++) claim(i);
    for (let i = 0; i <= 200; i++)
      table.release(identityKey(new LabelSet([{ source: "k8s", key: "n", value: String(i) }])));
    expect(table.collect()).toEqual([]);
    expect(table.get(first)).toBeDefined();
    for (let i = 201; i <= 300; i++)
      table.release(identityKey(new LabelSet([{ source: "k8s", key: "n", value: String(i) }])));
    expect(table.collect()[0]?.number).toBe(first);
    expect(table.get(first)).toBeUndefined();
  });
});

describe("prefixes", () => {
  const cidrsOf = (table: PrefixTable, text: string): string[] =>
    (table.get(text)?.labels.labels ?? []).filter(({ source }) => source === "cidr").map(({ key }) => key);

  test("carry every named prefix around them, and follow when one comes or goes", () => {
    const table = new PrefixTable(new IdentityTable());
    table.name("10.1.0.0/16", 1);
    table.name("10.0.0.0/8", 1);
    table.sync();
    expect(cidrsOf(table, "10.1.0.0/16")).toEqual(["10.0.0.0/8", "10.1.0.0/16"]);
    expect(cidrsOf(table, "10.0.0.0/8")).toEqual(["10.0.0.0/8"]);
    table.name("10.0.0.0/8", -1);
    expect(table.sync().map(({ text, identity }) => [text, identity === null])).toEqual([
      ["10.0.0.0/8", true],
      ["10.1.0.0/16", false],
    ]);
    expect(cidrsOf(table, "10.1.0.0/16")).toEqual(["10.1.0.0/16"]);
    expect(table.find(parsePrefix("10.1.2.3/32")!)).toBe(table.get("10.1.0.0/16"));
    expect(table.find(parsePrefix("10.2.0.0/32")!)).toBeNull();
  });

  test("addresses of the same names share an identity", () => {
    const table = new PrefixTable(new IdentityTable());
    const label = { source: "fqdn", key: "name:a.example", value: "" };
    for (const prefix of ["192.0.2.1/32", "192.0.2.2/32"]) table.label(prefix, label, 1);
    table.sync();
    expect(table.get("192.0.2.1/32")).toBe(table.get("192.0.2.2/32"));
    table.name("192.0.2.2/32", 1);
    table.sync();
    expect(table.get("192.0.2.1/32")).not.toBe(table.get("192.0.2.2/32"));
  });
});

describe("addresses", () => {
  const claim = (identity: number, pod: string | null, here = false) => ({ identity, pod, here });

  test("nodes before pods before prefixes; of two pods the one here, then the first by name", () => {
    const table = new AddressTable();
    const at = "10.0.0.1/32";
    const owner = (): number | undefined => {
      table.sync();
      return table.get(at)?.identity;
    };
    table.setPrefix(at, 1 << 24);
    expect(owner()).toBe(1 << 24);
    table.claim("10.0.0.1", "b/pod", claim(301, "b/pod"));
    table.claim("10.0.0.1", "a/pod", claim(300, "a/pod"));
    expect(owner()).toBe(300);
    table.claim("10.0.0.1", "c/pod", claim(302, "c/pod", true));
    expect(owner()).toBe(302);
    table.claim("10.0.0.1", "node n", claim(6, null));
    expect(owner()).toBe(6);
    for (const who of ["node n", "a/pod", "b/pod", "c/pod"]) table.claim("10.0.0.1", who, null);
    expect(owner()).toBe(1 << 24);
    table.setPrefix(at, null);
    expect(table.sync()).toEqual({ set: [], deleted: [at] });
  });

  test("an address that goes from one pod to the next is one change", () => {
    const table = new AddressTable();
    table.claim("10.0.0.1", "a/old", claim(300, "a/old"));
    table.sync();
    table.claim("10.0.0.1", "a/old", null);
    table.claim("10.0.0.1", "a/new", claim(301, "a/new"));
    expect(table.sync()).toEqual({
      set: [{ prefix: "10.0.0.1/32", identity: 301, pod: "a/new", local: false }],
      deleted: [],
    });
  });

  test("knows whether somebody of the cluster is in a prefix", () => {
    const table = new AddressTable();
    const holds = (text: string): boolean => table.holdsAnybody(text, parsePrefix(text)!);
    table.claim("10.0.0.1", "a/pod", claim(300, "a/pod"));
    expect([holds("10.0.0.0/8"), holds("192.0.2.0/24")]).toEqual([true, false]);
    table.claim("192.0.2.1", "a/other", claim(300, "a/other"));
    table.claim("10.0.0.1", "a/pod", null);
    expect([holds("10.0.0.0/8"), holds("192.0.2.0/24")]).toEqual([false, true]);
  });
});
