/** A folder of policies without an agent: is it in order, and what would it decide? Needs no privilege and no kernel. */
import type { Diagnostic } from "../lib/diag/index.ts";
import { explainFlow } from "../mesh/control/explain.ts";
import type { Explained, Question } from "../mesh/control/explain.ts";
import { watchFolder } from "../mesh/control/folder.ts";
import type { Cluster } from "../mesh/objects/types.ts";
import { createPolicyEngine } from "../mesh/policy/engine.ts";
import { compileServices, describeServices } from "../mesh/services/index.ts";

export interface ReadFolder {
  /** Of what is in order. */
  readonly cluster: Cluster;
  readonly diagnostics: readonly Diagnostic[];
}

/** Throws a `DiagnosticError` when there is no such folder. */
export function readFolder(folder: string): ReadFolder {
  const source = watchFolder(folder);
  try {
    const { cluster, diagnostics } = source.state;
    return { cluster, diagnostics: [...diagnostics, ...compileServices(cluster).problems] };
  } finally {
    source.close();
  }
}

/** Pods that nobody scheduled are judged as if they were all on one node. */
const NODE = "offline";

/** Both ends are judged, whatever nodes they are on. */
export function explainOffline(cluster: Cluster, question: Question): Explained {
  const pods = new Map([...cluster.pods].map(([key, pod]) => [key, { ...pod, node: pod.node ?? NODE }]));
  const scheduled = { ...cluster, pods };
  const services = describeServices(compileServices(scheduled));
  const engineOf = (node: string): ReturnType<typeof createPolicyEngine> => {
    const engine = createPolicyEngine({ node });
    engine.update(scheduled);
    return engine;
  };
  return explainFlow(
    { cluster: scheduled, services, engines: (nodes) => (nodes.length === 0 ? [NODE] : nodes).map(engineOf) },
    question,
  );
}
