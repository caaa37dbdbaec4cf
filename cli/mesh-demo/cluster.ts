/** The cluster of the mesh demo, as the YAML that its agents read, and the flows that are tried in it. */
import type { HttpRequest } from "../../mesh/bed/hand.ts";
import type { OutsideHost } from "../../mesh/bed/plan.ts";

const NODES = [
  { name: "n1", address: "172.18.0.11" },
  { name: "n2", address: "172.18.0.12" },
];
const PODS = [
  { name: "frontend", app: "frontend", node: "n1", address: "10.244.1.10" },
  { name: "backend", app: "backend", node: "n1", address: "10.244.1.11" },
  { name: "other", app: "other", node: "n1", address: "10.244.1.12" },
  { name: "frontend-2", app: "frontend", node: "n2", address: "10.244.2.10" },
];
export const BACKEND = "10.244.1.11";
export const SERVICE = { address: "10.96.0.10", port: 8000 };
export const OUTSIDE: readonly OutsideHost[] = [{ name: "outside", addresses: ["203.0.113.10"] }];
/** What the backend serves: HTTP, and an echo. */
export const HTTP_PORT = 80;
export const ECHO_PORT = 7;

/** File names and their YAML. */
export const CLUSTER: Readonly<Record<string, string>> = {
  "nodes.yaml": NODES.map(
    ({ name, address }) => `apiVersion: v1
kind: Node
metadata: { name: ${name} }
status: { addresses: [ { type: InternalIP, address: ${address} } ] }
`,
  ).join("---\n"),
  "pods.yaml": PODS.map(
    ({ name, app, node, address }) => `apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${app} } }
spec: { nodeName: ${node} }
status: { podIP: ${address} }
`,
  ).join("---\n"),
  "services.yaml": `apiVersion: v1
kind: Service
metadata: { name: backend }
spec:
  clusterIP: ${SERVICE.address}
  selector: { app: backend }
  ports: [ { port: ${SERVICE.port}, targetPort: ${HTTP_PORT} } ]
`,
};

export const POLICY_FILE = "secure-access.yaml";

/** `also`: further lines, as the demo edits them in. */
const securePolicy = (also = ""): string => `apiVersion: "cilium.io/v2"
kind: CiliumNetworkPolicy
metadata: { name: "secure-access" }
spec:
  endpointSelector: { matchLabels: { app: backend } }
  ingress:
  - fromEndpoints: [ { matchLabels: { app: frontend } } ]
    toPorts:
    - ports: [ { port: "80", protocol: TCP } ]
      rules: { http: [ { method: "GET", path: "/public/.*" } ] }
${also}`;

const POSTING = `    - ports: [ { port: "80", protocol: TCP } ]
      rules: { http: [ { method: "POST", path: "/public/.*" } ] }
`;
const ECHOING = `    - ports: [ { port: "${ECHO_PORT}", protocol: TCP } ]
`;

/** The policy as it is first, and after each edit. */
export const SECURE_ACCESS = securePolicy();
export const WITH_POST = securePolicy(POSTING);
export const WITH_ECHO = securePolicy(POSTING + ECHOING);

/** Something that somebody in the cluster tries. */
export interface DemoFlow {
  readonly what: string;
  /** Pod (of the namespace `default`), node, or outside host. */
  readonly source: string;
  /** Pod or service. */
  readonly destination: "backend" | "service";
  readonly port: number;
  /** Null: a connection, and nothing on it. */
  readonly request: HttpRequest | null;
  readonly expected: Outcome;
  /** What the flow log says about it. */
  readonly why: string;
}

/** `200`: the server answered; `403`: the waypoint did. */
export type Outcome = "200" | "403" | "connected" | "no connection";

const get = (path: string): HttpRequest => ({ method: "GET", path });
const post = (path: string): HttpRequest => ({ method: "POST", path, body: "x=1" });
const RULE = "default/secure-access ingress[0]";
const ALLOWED = `FORWARDED by ${RULE}`;
const REFUSED = `DROPPED, no HTTP rule of ${RULE} matches`;
const DENIED = "DROPPED, Policy denied: no rule of default/secure-access allows it";

// prettier-ignore
export const FLOWS: readonly DemoFlow[] = [
  { what: "frontend GET /public/x",               source: "frontend",   destination: "backend", port: HTTP_PORT,    request: get("/public/x"),  expected: "200",           why: ALLOWED },
  { what: "frontend GET /admin",                  source: "frontend",   destination: "backend", port: HTTP_PORT,    request: get("/admin"),     expected: "403",           why: REFUSED },
  { what: "frontend POST /public/x",              source: "frontend",   destination: "backend", port: HTTP_PORT,    request: post("/public/x"), expected: "403",           why: REFUSED },
  { what: "frontend-2, on another node, GET /public/y", source: "frontend-2", destination: "backend", port: HTTP_PORT, request: get("/public/y"), expected: "200",          why: ALLOWED },
  { what: "frontend GET service/public/z",        source: "frontend",   destination: "service", port: SERVICE.port, request: get("/public/z"),  expected: "200",           why: ALLOWED },
  { what: "other -> backend:80",                  source: "other",      destination: "backend", port: HTTP_PORT,    request: null,              expected: "no connection", why: DENIED },
  { what: "outside host -> backend:80",           source: "outside",    destination: "backend", port: HTTP_PORT,    request: null,              expected: "no connection", why: DENIED },
  { what: "frontend -> backend:7",                source: "frontend",   destination: "backend", port: ECHO_PORT,    request: null,              expected: "no connection", why: DENIED },
];
