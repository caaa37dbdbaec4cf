/** The demo's flows, judged by the policy engine: what each of the agents would decide. Needs no privilege. */
import { applyChanges, clusterOf } from "../../mesh/objects/cluster.ts";
import { parseObjects } from "../../mesh/objects/parse.ts";
import type { MeshObject } from "../../mesh/objects/types.ts";
import { createPolicyEngine } from "../../mesh/policy/engine.ts";
import type { Explanation, PolicyEngine } from "../../mesh/policy/types.ts";
import type { Story } from "../demo/story.ts";
import { BACKEND, CLUSTER, FLOWS, HTTP_PORT, OUTSIDE, POLICY_FILE, SECURE_ACCESS } from "./cluster.ts";
import type { DemoFlow, Outcome } from "./cluster.ts";

export async function runOnEngine(story: Story): Promise<void> {
  const read = (file: string, yaml: string): MeshObject[] => parseObjects(yaml, file).objects.map((one) => one.object);
  const cluster = await story.step(
    "read the cluster",
    () => clusterOf(Object.entries(CLUSTER).flatMap(([file, yaml]) => read(file, yaml))),
    ({ nodes, pods, services }) => `${nodes.size} nodes, ${pods.size} pods, ${services.size} service`,
  );
  const engines = await story.step(`compile ${POLICY_FILE}, on each node`, () => {
    const policies = read(POLICY_FILE, SECURE_ACCESS).map((object) => ({ kind: "set", object }) as const);
    const whole = applyChanges(cluster, policies);
    return [...cluster.nodes.keys()].map((node) => {
      const engine = createPolicyEngine({ node });
      engine.update(whole);
      return engine;
    });
  });
  const addressOf = (name: string): string =>
    cluster.pods.get(`default/${name}`)?.addresses[0] ?? OUTSIDE.find((host) => host.name === name)?.addresses[0] ?? "";
  const rows = FLOWS.map((flow) => {
    const ends = judge(engines, flow, addressOf(flow.source));
    story.check(flow.what, flow.expected, outcomeOf(ends, flow));
    return { flow: flow.what, why: ends.map(whyOf).join("; ") };
  });
  story.show("why", rows);
}

/** Services are translated before policy is asked. */
function judge(engines: readonly PolicyEngine[], { request, port }: DemoFlow, source: string): readonly Explanation[] {
  const http = request === null ? null : { method: request.method, path: request.path, host: BACKEND, headers: [] };
  const to = { source, destination: BACKEND, protocol: "TCP", port: request === null ? port : HTTP_PORT } as const;
  return engines.flatMap((engine) => engine.explain(http === null ? to : { ...to, http }));
}

function outcomeOf(ends: readonly Explanation[], { request }: DemoFlow): Outcome {
  const verdicts = new Set(ends.map((end) => end.verdict));
  if (verdicts.has("deny")) return "no connection";
  if (verdicts.has("http403")) return "403";
  return request === null ? "connected" : "200";
}

function whyOf({ direction, verdict, reason, rule }: Explanation): string {
  const by = rule === null ? "" : `: ${rule.object.namespace}/${rule.object.name} ${rule.section}[${rule.index}]`;
  return `${direction} ${verdict}, ${reason}${by}`;
}
