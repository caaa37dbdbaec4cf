/**
 * Inputs that must not be believed. The line that is wrong ends with the code and the field path that have to be reported for
 * it: all of them, at that line, and no others. And none of them changes what was known.
 */
import { describe, expect, test } from "vitest";
import { Inputs } from "../../../mesh/control/inputs.ts";
import { parseObjects } from "../../../mesh/objects/parse.ts";

/** Name of the case, and its text. */
type Case = readonly [name: string, text: string];

const DOCUMENTS: readonly Case[] = [
  ["an unclosed bracket", "apiVersion: [v1\nkind: Node # Y001\n"],
  ["an unclosed quote", 'kind: "Node\n# Y001'],
  ["a tab as indentation", "metadata:\n\tname: x # Y001\n"],
  ["a key given twice", "apiVersion: v1\nkind: Node\nkind: Pod # Y001\n"],
  ["an alias of nothing", "apiVersion: v1\nkind: Node\nmetadata: *none # Y001\n"],
  ["a tag that nobody knows", "apiVersion: v1\nkind: !weird Node # Y001\nmetadata: {name: n}\n"],
  ["text that is no mapping", "just words # Y004 .\n"],
  ["a list of objects", "- apiVersion: v1 # Y004 .\n"],
  ["a list as a key", "[a, b]: c # Y004 .\nkind: Node\napiVersion: v1\nmetadata: {name: n}\n"],
  ["no kind", "apiVersion: v1 # Y005 kind\nmetadata: {name: n}\n"],
  ["no apiVersion", "kind: Node # Y005 apiVersion\nmetadata: {name: n}\n"],
  ["an unknown kind", "apiVersion: v1\nkind: Deployment # Y002 kind\nmetadata: {name: n}\n"],
  [
    "a policy of another product",
    "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy # Y002 kind\nmetadata: {name: n}\n",
  ],
  [
    "another version of a kind",
    "apiVersion: extensions/v1beta1 # Y002 apiVersion\nkind: NetworkPolicy\nmetadata: {name: n}\n",
  ],
  ["a kind that is a number", "apiVersion: v1\nkind: 5 # Y004 kind\nmetadata: {name: n}\n"],
  ["no metadata", "apiVersion: v1 # Y005 metadata\nkind: Node\n"],
  ["no name", "apiVersion: v1\nkind: Node\nmetadata: {labels: {}} # Y005 metadata.name\n"],
  ["a name that is none", "apiVersion: v1\nkind: Node\nmetadata: {name: N_1} # Y011 metadata.name\n"],
  [
    "a namespace with dots",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: a.b} # Y011 metadata.namespace\n",
  ],
  ["a namespace object with dots", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b} # Y011 metadata.name\n"],
  ["a list without items", "apiVersion: v1 # Y005 items\nkind: List\n"],
  [
    "a list in a list",
    "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List # Y002 items[0].kind\n  metadata: {name: x}\n  items: []\n",
  ],
  ["a merge of no mapping", "apiVersion: v1\nkind: Node\nmetadata: {<<: 5, name: n} # Y004 metadata\n"],
];

const CILIUM = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: ns}
`;

const POLICIES: readonly Case[] = [
  ["a field beside spec", "spec: {endpointSelector: {}, ingress: [{}]}\nrules: [] # Y003 rules\n"],
  ["a spec that is a list", "spec: [] # Y004 spec\n"],
  ["no subject", "spec: {ingress: [{}]} # Y005 spec.endpointSelector\n"],
  ["no rules", "spec: {endpointSelector: {}} # Y019 spec\n"],
  ["nodes as subject", "spec: {nodeSelector: {}, ingress: [{}]} # Y007 spec.nodeSelector\n"],
  [
    "two subjects",
    "spec:\n  endpointSelector: {}\n  nodeSelector: {} # Y007 spec.nodeSelector Y008 spec.nodeSelector\n  ingress: [{}]\n",
  ],
  ["a misspelt section", "spec:\n  endpointSelector: {}\n  ingres: [{}] # Y003 spec.ingres\n  egress: [{}]\n"],
  [
    "the second spec is wrong",
    "specs:\n- {endpointSelector: {}, ingress: [{}]}\n- {endpointSelector: {}, egress: [{to: []}]} # Y003 specs[1].egress[0].to\n",
  ],
  ["a null section", "spec:\n  endpointSelector: {}\n  ingress: # Y004 spec.ingress\n  egress: [{}]\n"],
  ["a null selector", "spec:\n  endpointSelector: # Y004 spec.endpointSelector\n  ingress: [{}]\n"],
  ["a tier", "spec:\n  endpointSelector: {}\n  tier: 1 # Y007 spec.tier\n  ingress: [{}]\n"],
  ["a value for the log", "spec:\n  endpointSelector: {}\n  log: {value: x} # Y007 spec.log\n  ingress: [{}]\n"],
  [
    "default deny of a direction that is none",
    "spec:\n  endpointSelector: {}\n  enableDefaultDeny: {in: true} # Y003 spec.enableDefaultDeny.in\n  ingress: [{}]\n",
  ],
  [
    "default deny as text",
    'spec:\n  endpointSelector: {}\n  enableDefaultDeny: {ingress: "no"} # Y004 spec.enableDefaultDeny.ingress\n  ingress: [{}]\n',
  ],
  [
    "HTTP and DNS on one port",
    `spec:
  endpointSelector: {}
  egress:
  - toPorts: [{ports: [{port: "1", endPort: 100, protocol: TCP}], rules: {http: [{}]}}]
  - toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchName: a}]}}] # Y008 spec.egress[1]
`,
  ],
];

const RULES: readonly Case[] = [
  ["a rule that is text", "ingress: [all] # Y004 spec.ingress[0]\n"],
  ["rules that are no list", "ingress: {} # Y004 spec.ingress\n"],
  ["a field of NetworkPolicy", "ingress: [{from: []}] # Y003 spec.ingress[0].from\n"],
  ["a field of the other direction", "ingress: [{toEndpoints: []}] # Y003 spec.ingress[0].toEndpoints\n"],
  [
    "two kinds of peers",
    "ingress: [{fromEndpoints: [{}], fromEntities: [world]}] # Y008 spec.ingress[0].fromEntities\n",
  ],
  [
    "names and prefixes",
    "egress: [{toCIDR: [10.0.0.0/8], toFQDNs: [{matchName: a.b}]}] # Y008 spec.egress[0].toFQDNs\n",
  ],
  ["requirements", "ingress: [{fromRequires: [{}]}] # Y007 spec.ingress[0].fromRequires\n"],
  ["groups of a cloud", "egress: [{toGroups: [{aws: {}}]}] # Y007 spec.egress[0].toGroups\n"],
  [
    "mutual authentication",
    "ingress: [{authentication: {mode: required}}] # Y007 spec.ingress[0].authentication.mode\n",
  ],
  [
    "authentication in a deny rule",
    "ingressDeny: [{authentication: {mode: disabled}}] # Y007 spec.ingressDeny[0].authentication\n",
  ],
  ["names in a deny rule", "egressDeny: [{toFQDNs: [{matchName: a}]}] # Y007 spec.egressDeny[0].toFQDNs\n"],
  ["an unknown entity", "ingress: [{fromEntities: [everyone]}] # Y006 spec.ingress[0].fromEntities[0]\n"],
  ["an entity in capitals", "ingress: [{fromEntities: [World]}] # Y006 spec.ingress[0].fromEntities[0]\n"],
  [
    "an entity that is an inherited name",
    "ingress: [{fromEntities: [constructor]}] # Y006 spec.ingress[0].fromEntities[0]\n",
  ],
  ["a prefix that is too long", "ingress: [{fromCIDR: [10.0.0.0/33]}] # Y012 spec.ingress[0].fromCIDR[0]\n"],
  ["an address with leading zeros", "ingress: [{fromCIDR: [010.0.0.1]}] # Y012 spec.ingress[0].fromCIDR[0]\n"],
  ["IPv4 inside IPv6", 'ingress: [{fromCIDR: ["::ffff:0:0/96"]}] # Y012 spec.ingress[0].fromCIDR[0]\n'],
  ["a zone", 'ingress: [{fromCIDR: ["fe80::1%eth0"]}] # Y012 spec.ingress[0].fromCIDR[0]\n'],
  ["a name for a prefix", "egress: [{toCIDR: [example.com]}] # Y012 spec.egress[0].toCIDR[0]\n"],
  ["an address in a set", "ingress: [{fromCIDRSet: [{cidr: 10.0.0.1}]}] # Y012 spec.ingress[0].fromCIDRSet[0].cidr\n"],
  [
    "an exception outside",
    "ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}] # Y013 spec.ingress[0].fromCIDRSet[0].except[0]\n",
  ],
  [
    "an exception around",
    "ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [0.0.0.0/0]}]}] # Y013 spec.ingress[0].fromCIDRSet[0].except[0]\n",
  ],
  [
    "an exception of the other family",
    'ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: ["fd00::/8"]}]}] # Y013 spec.ingress[0].fromCIDRSet[0].except[0]\n',
  ],
  ["a set of nothing", "ingress: [{fromCIDRSet: [{}]}] # Y005 spec.ingress[0].fromCIDRSet[0]\n"],
  [
    "a set of two things",
    "ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: g}]}] # Y008 spec.ingress[0].fromCIDRSet[0]\n",
  ],
  ["a service by nothing", "egress: [{toServices: [{}]}] # Y005 spec.egress[0].toServices[0]\n"],
  [
    "a service by two ways",
    "egress: [{toServices: [{k8sService: {serviceName: s}, k8sServiceSelector: {selector: {}}}]}] # Y008 spec.egress[0].toServices[0]\n",
  ],
  [
    "a service without name",
    "egress: [{toServices: [{k8sService: {namespace: n}}]}] # Y005 spec.egress[0].toServices[0].k8sService.serviceName\n",
  ],
  ["services in ingress", "ingress: [{fromServices: []}] # Y003 spec.ingress[0].fromServices\n"],
  ["a domain with blanks", 'egress: [{toFQDNs: [{matchName: "a b"}]}] # Y018 spec.egress[0].toFQDNs[0].matchName\n'],
  ["a star in a name", 'egress: [{toFQDNs: [{matchName: "*.a"}]}] # Y018 spec.egress[0].toFQDNs[0].matchName\n'],
  [
    "a name and a pattern",
    "egress: [{toFQDNs: [{matchName: a, matchPattern: b}]}] # Y008 spec.egress[0].toFQDNs[0].matchPattern\n",
  ],
  ["neither", "egress: [{toFQDNs: [{}]}] # Y005 spec.egress[0].toFQDNs[0]\n"],
  [
    "ICMP and ports",
    'ingress: [{icmps: [{fields: [{type: 8}]}], toPorts: [{ports: [{port: "80"}]}]}] # Y008 spec.ingress[0].icmps\n',
  ],
  ["ICMP of no type", "ingress: [{icmps: [{fields: []}]}] # Y005 spec.ingress[0].icmps[0].fields\n"],
  [
    "an ICMP type that is too large",
    "ingress: [{icmps: [{fields: [{type: 256}]}]}] # Y006 spec.ingress[0].icmps[0].fields[0].type\n",
  ],
  [
    "a type of the other family",
    "ingress: [{icmps: [{fields: [{type: PacketTooBig}]}]}] # Y006 spec.ingress[0].icmps[0].fields[0].type\n",
  ],
  [
    "an unknown family",
    "ingress: [{icmps: [{fields: [{type: 8, family: IPv5}]}]}] # Y006 spec.ingress[0].icmps[0].fields[0].family\n",
  ],
  [
    "too many ICMP types",
    `ingress: [{icmps: [{fields: [${"{type: 8}, ".repeat(41)}]}]}] # Y009 spec.ingress[0].icmps[0].fields\n`,
  ],
];

const SELECTORS: readonly Case[] = [
  ["a label of the object instead of a selector", "{app: x} # Y003 app"],
  ["a key with blanks", '{matchLabels: {"a b": x}} # Y011 matchLabels["a b"]'],
  ["a key that is too long", `{matchLabels: {${"a".repeat(64)}: x}} # Y011 matchLabels.${"a".repeat(64)}`],
  ["a prefix that is no domain", '{matchLabels: {"A_/b": x}} # Y011 matchLabels["A_/b"]'],
  ["a value that is a number", "{matchLabels: {version: 1}} # Y004 matchLabels.version"],
  ["a value that is true", "{matchLabels: {app: true}} # Y004 matchLabels.app"],
  ["a value with a slash", "{matchLabels: {app: a/b}} # Y011 matchLabels.app"],
  ["a value that is too long", `{matchLabels: {app: ${"a".repeat(64)}}} # Y011 matchLabels.app`],
  ["labels as a list", "{matchLabels: [app]} # Y004 matchLabels"],
  [
    "an unknown operator",
    "{matchExpressions: [{key: a, operator: Equals, values: [b]}]} # Y010 matchExpressions[0].operator",
  ],
  ["In without values", "{matchExpressions: [{key: a, operator: In}]} # Y010 matchExpressions[0]"],
  ["NotIn with none", "{matchExpressions: [{key: a, operator: NotIn, values: []}]} # Y010 matchExpressions[0]"],
  ["Exists with values", "{matchExpressions: [{key: a, operator: Exists, values: [b]}]} # Y010 matchExpressions[0]"],
  ["no key", "{matchExpressions: [{operator: Exists}]} # Y005 matchExpressions[0].key"],
  ["no operator", "{matchExpressions: [{key: a, values: [b]}]} # Y005 matchExpressions[0].operator"],
  ["another field", "{matchExpressions: [{key: a, operator: Exists, value: b}]} # Y003 matchExpressions[0].value"],
];

const PORTS: readonly Case[] = [
  ["no ports", "[{ports: []}] # Y005 [0].ports"],
  ["an entry of nothing", "[{}] # Y005 [0].ports"],
  ["a port of nothing", "[{ports: [{protocol: TCP}]}] # Y005 [0].ports[0].port"],
  ["two numbers", '[{ports: [{port: "80-90"}]}] # Y014 [0].ports[0].port'],
  ["a list in text", '[{ports: [{port: "80,81"}]}] # Y014 [0].ports[0].port'],
  ["a port that is too large", '[{ports: [{port: "65536"}]}] # Y014 [0].ports[0].port'],
  ["a number that is too large", "[{ports: [{port: 70000}]}] # Y014 [0].ports[0].port"],
  ["a negative port", '[{ports: [{port: "-1"}]}] # Y014 [0].ports[0].port'],
  ["a port in octal", '[{ports: [{port: "010"}]}] # Y014 [0].ports[0].port'],
  ["a number in hexadecimal", "[{ports: [{port: 0x50}]}] # Y004 [0].ports[0].port"],
  ["an empty port", '[{ports: [{port: ""}]}] # Y014 [0].ports[0].port'],
  ["a name that is too long", "[{ports: [{port: a234567890123456}]}] # Y014 [0].ports[0].port"],
  ["a name with two hyphens", "[{ports: [{port: a--b}]}] # Y014 [0].ports[0].port"],
  ["a range that ends before it starts", '[{ports: [{port: "90", endPort: 80}]}] # Y014 [0].ports[0].endPort'],
  ["an end that is text", '[{ports: [{port: "80", endPort: "90"}]}] # Y004 [0].ports[0].endPort'],
  ["an end that is too large", '[{ports: [{port: "80", endPort: 65536}]}] # Y004 [0].ports[0].endPort'],
  ["an unknown protocol", '[{ports: [{port: "80", protocol: HTTP}]}] # Y006 [0].ports[0].protocol'],
  ["ICMP as a protocol of ports", '[{ports: [{port: "8", protocol: ICMP}]}] # Y006 [0].ports[0].protocol'],
  ["too many", `[{ports: [${'{port: "80"}, '.repeat(41)}]}] # Y009 [0].ports`],
  ["TLS that is ended", '[{ports: [{port: "80"}], terminatingTLS: {}}] # Y007 [0].terminatingTLS'],
  ["TLS names", '[{ports: [{port: "80"}], serverNames: [a]}] # Y007 [0].serverNames'],
  ["a listener", '[{ports: [{port: "80"}], listener: {}}] # Y007 [0].listener'],
];

/** Rules of one entry, for TCP port 80. */
const HTTP: readonly Case[] = [
  [
    "HTTP over what has no connections",
    '[{ports: [{port: "80", protocol: UDP}], rules: {http: [{}]}}] # Y015 [0].rules.http',
  ],
  ["HTTP over any protocol", '[{ports: [{port: "80"}], rules: {http: [{}]}}] # Y015 [0].rules.http'],
  ["HTTP on all ports", '[{ports: [{port: "0", protocol: TCP}], rules: {http: [{}]}}] # Y015 [0].rules.http'],
  ["no rules, and still over UDP", '[{ports: [{port: "80", protocol: UDP}], rules: {http: []}}] # Y015 [0].rules.http'],
  [
    "HTTP and DNS",
    '[{ports: [{port: "53", protocol: TCP}], rules: {http: [{}], dns: [{matchName: a}]}}] # Y008 [0].rules.dns',
  ],
  ["Kafka", '[{ports: [{port: "80", protocol: TCP}], rules: {kafka: [{}]}}] # Y007 [0].rules.kafka'],
  [
    "a parser of one's own",
    '[{ports: [{port: "80", protocol: TCP}], rules: {l7proto: x, l7: [{}]}}] # Y007 [0].rules.l7proto Y007 [0].rules.l7',
  ],
  ["rules of no protocol", '[{ports: [{port: "80", protocol: TCP}], rules: [{}]}] # Y004 [0].rules'],
  [
    "an unknown field",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{url: /}]}}] # Y003 [0].rules.http[0].url',
  ],
  [
    "an unclosed group",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{path: "/("}]}}] # Y016 [0].rules.http[0].path',
  ],
  [
    "a backreference",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{path: "(a)\\\\1"}]}}] # Y016 [0].rules.http[0].path',
  ],
  [
    "a lookahead",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{host: "(?=a)b"}]}}] # Y016 [0].rules.http[0].host',
  ],
  [
    "too many repetitions",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{method: "a{1001}"}]}}] # Y016 [0].rules.http[0].method',
  ],
  [
    "a pattern that is a number",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{path: 5}]}}] # Y004 [0].rules.http[0].path',
  ],
  [
    "a header without a name",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headers: [": x"]}]}}] # Y017 [0].rules.http[0].headers[0]',
  ],
  [
    "a header without a blank",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headers: ["X:x"]}]}}] # Y017 [0].rules.http[0].headers[0]',
  ],
  [
    "a header without a value",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headers: ["X:"]}]}}] # Y017 [0].rules.http[0].headers[0]',
  ],
  [
    "a header with blanks in its name",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headers: ["X y"]}]}}] # Y017 [0].rules.http[0].headers[0]',
  ],
  [
    "a header with a line end",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headers: ["X: a\\r\\nY: b"]}]}}] # Y017 [0].rules.http[0].headers[0]',
  ],
  [
    "a header that is a mapping",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headers: [X: y]}]}}] # Y004 [0].rules.http[0].headers[0] Y017 [0].rules.http[0].headers[0]',
  ],
  [
    "a match without a name",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headerMatches: [{value: x}]}]}}] # Y005 [0].rules.http[0].headerMatches[0].name',
  ],
  [
    "a secret",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headerMatches: [{name: X, secret: {name: s}}]}]}}] # Y007 [0].rules.http[0].headerMatches[0].secret',
  ],
  [
    "an unknown action",
    '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{headerMatches: [{name: X, mismatch: DROP}]}]}}] # Y006 [0].rules.http[0].headerMatches[0].mismatch',
  ],
];

const DNS: readonly Case[] = [
  ["another port", '[{ports: [{port: "5353"}], rules: {dns: [{matchName: a}]}}] # Y015 [0].rules.dns'],
  ["a range", '[{ports: [{port: "53", endPort: 54}], rules: {dns: [{matchName: a}]}}] # Y015 [0].rules.dns'],
  ["a named port", "[{ports: [{port: dns}], rules: {dns: [{matchName: a}]}}] # Y015 [0].rules.dns"],
  [
    "a pattern with a slash",
    '[{ports: [{port: "53"}], rules: {dns: [{matchPattern: "a/*"}]}}] # Y018 [0].rules.dns[0].matchPattern',
  ],
];

const KUBERNETES = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: ns}
`;

const NETWORK_POLICIES: readonly Case[] = [
  ["no subject", "spec: {ingress: []} # Y005 spec.podSelector\n"],
  ["Cilium's subject", "spec:\n  endpointSelector: {} # Y003 spec.endpointSelector Y005 spec.podSelector\n"],
  ["an unknown type", "spec: {podSelector: {}, policyTypes: [ingress]} # Y006 spec.policyTypes[0]\n"],
  [
    "Cilium's peers",
    "spec: {podSelector: {}, ingress: [{fromEndpoints: [{}]}]} # Y003 spec.ingress[0].fromEndpoints\n",
  ],
  ["peers of the other direction", "spec: {podSelector: {}, ingress: [{to: []}]} # Y003 spec.ingress[0].to\n"],
  ["an empty peer", "spec: {podSelector: {}, ingress: [{from: [{}]}]} # Y005 spec.ingress[0].from[0]\n"],
  [
    "a peer of two kinds",
    "spec: {podSelector: {}, ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]} # Y008 spec.ingress[0].from[0].ipBlock\n",
  ],
  [
    "a block without a prefix",
    "spec: {podSelector: {}, ingress: [{from: [{ipBlock: {}}]}]} # Y005 spec.ingress[0].from[0].ipBlock.cidr\n",
  ],
  [
    "an address as a block",
    "spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1}}]}]} # Y012 spec.ingress[0].from[0].ipBlock.cidr\n",
  ],
  [
    "an exception of everything",
    "spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]} # Y013 spec.ingress[0].from[0].ipBlock.except[0]\n",
  ],
  [
    "a source in a key",
    'spec: {podSelector: {matchLabels: {"k8s:app": x}}} # Y011 spec.podSelector.matchLabels["k8s:app"]\n',
  ],
  ["port 0", "spec: {podSelector: {}, ingress: [{ports: [{port: 0}]}]} # Y014 spec.ingress[0].ports[0].port\n"],
  [
    "a number in quotes",
    'spec: {podSelector: {}, ingress: [{ports: [{port: "80"}]}]} # Y014 spec.ingress[0].ports[0].port\n',
  ],
  [
    "a range without its start",
    "spec: {podSelector: {}, ingress: [{ports: [{endPort: 80}]}]} # Y005 spec.ingress[0].ports[0].endPort\n",
  ],
  [
    "a range of a name",
    "spec: {podSelector: {}, ingress: [{ports: [{port: http, endPort: 80}]}]} # Y014 spec.ingress[0].ports[0].endPort\n",
  ],
  [
    "a range that ends before it starts",
    "spec: {podSelector: {}, ingress: [{ports: [{port: 90, endPort: 80}]}]} # Y014 spec.ingress[0].ports[0].endPort\n",
  ],
  [
    "a protocol in lower case",
    "spec: {podSelector: {}, ingress: [{ports: [{protocol: tcp}]}]} # Y006 spec.ingress[0].ports[0].protocol\n",
  ],
  [
    "a field of other ports",
    "spec: {podSelector: {}, ingress: [{ports: [{port: 80, targetPort: 80}]}]} # Y003 spec.ingress[0].ports[0].targetPort\n",
  ],
];

const OTHERS: readonly Case[] = [
  [
    "a policy that says nothing",
    "apiVersion: cilium.io/v2 # Y005 .\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nstatus: {}\n",
  ],
  [
    "specs without entries",
    "apiVersion: cilium.io/v2 # Y005 .\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspecs: []\n",
  ],
  [
    "NetworkPolicy without spec",
    "apiVersion: networking.k8s.io/v1 # Y005 spec\nkind: NetworkPolicy\nmetadata: {name: p}\n",
  ],
  ["a label of a pod", "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {a: 1}} # Y004 metadata.labels.a\n"],
  [
    "an address of a pod",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus: {podIP: 10.0.0} # Y012 status.podIP\n",
  ],
  [
    "one of its addresses",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nstatus: {podIPs: [{ip: x}]} # Y012 status.podIPs[0].ip\n",
  ],
  [
    "a port of a pod",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{ports: [{name: a, containerPort: 0}]}]} # Y004 spec.containers[0].ports[0].containerPort\n",
  ],
  [
    "its protocol",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{ports: [{containerPort: 1, protocol: X}]}]} # Y006 spec.containers[0].ports[0].protocol\n",
  ],
  [
    "its name",
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{ports: [{containerPort: 1, name: a_b}]}]} # Y014 spec.containers[0].ports[0].name\n",
  ],
  [
    "whether it takes the shortcut",
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {mesh.ebpf-ts.dev/shortcut: "yes"}} # Y006 metadata.annotations["mesh.ebpf-ts.dev/shortcut"]\n',
  ],
  [
    "its weight",
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p, annotations: {mesh.ebpf-ts.dev/weight: "-1"}} # Y006 metadata.annotations["mesh.ebpf-ts.dev/weight"]\n',
  ],
  [
    "an address of a node",
    "apiVersion: v1\nkind: Node\nmetadata: {name: n}\nstatus: {addresses: [{type: InternalIP, address: n}]} # Y012 status.addresses[0].address\n",
  ],
  ["no spec of a service", "apiVersion: v1 # Y005 spec\nkind: Service\nmetadata: {name: s}\n"],
  [
    "no address of a service",
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: []} # Y005 spec.clusterIP\n",
  ],
  [
    "its address",
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: none} # Y012 spec.clusterIP\n",
  ],
  [
    "its ports have one name",
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: 10.0.0.1, ports: [{port: 1}, {port: 2}]} # Y011 spec.ports\n",
  ],
  [
    "its target",
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: 10.0.0.1, ports: [{port: 1, targetPort: 70000}]} # Y014 spec.ports[0].targetPort\n",
  ],
  [
    "its affinity",
    "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {clusterIP: 10.0.0.1, sessionAffinity: Cookie} # Y006 spec.sessionAffinity\n",
  ],
  [
    "its algorithm",
    'apiVersion: v1\nkind: Service\nmetadata: {name: s, annotations: {mesh.ebpf-ts.dev/algorithm: best}} # Y006 metadata.annotations["mesh.ebpf-ts.dev/algorithm"]\nspec: {clusterIP: None}\n',
  ],
  [
    "names as endpoints",
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e}\naddressType: FQDN # Y007 addressType\n",
  ],
  [
    "an address of an endpoint",
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e}\nendpoints: [{addresses: [a]}] # Y012 endpoints[0].addresses[0]\n",
  ],
  [
    "any port of an endpoint",
    "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: e}\nports: [{name: a}] # Y005 ports[0].port\n",
  ],
  [
    "a group of names",
    "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: g}\nspec: {externalCIDRs: [a]} # Y012 spec.externalCIDRs[0]\n",
  ],
  [
    "a group of nothing",
    "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: g}\nspec: {} # Y005 spec.externalCIDRs\n",
  ],
  [
    "a field of a group",
    "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: g}\nspec: {externalCIDRs: [], cidrs: []} # Y003 spec.cidrs\n",
  ],
];

const CILIUM_SPEC = `${CILIUM}spec:\n  endpointSelector: {}\n`;

/** Puts a value into a text; the paths of its marks start at that of the value. */
function within(before: string, after: string, path: string): (text: string) => string {
  return (text) => {
    const [value = "", marks = ""] = text.split(" # ");
    const full = marks.replaceAll(
      /(Y\d{3}) ((?:[^\s"]|"[^"]*")+)/g,
      (_, code, below: string) => `${code} ${path}${below.startsWith("[") ? "" : "."}${below}`,
    );
    return `${before}${value}${after} # ${full}\n`;
  };
}

const GROUPS: readonly [title: string, cases: readonly Case[], wrap: (text: string) => string][] = [
  ["documents", DOCUMENTS, (text) => text],
  ["CiliumNetworkPolicy", POLICIES, (text) => CILIUM + text],
  ["its rules", RULES, (text) => `${CILIUM_SPEC}  ${text}`],
  [
    "selectors",
    SELECTORS,
    within(`${CILIUM_SPEC}  ingress: [{fromEndpoints: [`, "]}]", "spec.ingress[0].fromEndpoints[0]"),
  ],
  ["subjects", SELECTORS, within(`${CILIUM}spec:\n  ingress: [{}]\n  endpointSelector: `, "", "spec.endpointSelector")],
  ["ports", PORTS, within(`${CILIUM_SPEC}  ingress: [{toPorts: `, "}]", "spec.ingress[0].toPorts")],
  ["HTTP", HTTP, within(`${CILIUM_SPEC}  ingress: [{toPorts: `, "}]", "spec.ingress[0].toPorts")],
  ["DNS", DNS, within(`${CILIUM_SPEC}  egress: [{toPorts: `, "}]", "spec.egress[0].toPorts")],
  [
    "DNS in ingress",
    [["for servers", '[{ports: [{port: "53"}], rules: {dns: [{matchName: a}]}}] # Y015 [0].rules.dns']],
    within(`${CILIUM_SPEC}  ingress: [{toPorts: `, "}]", "spec.ingress[0].toPorts"),
  ],
  [
    "deny rules",
    [["HTTP", '[{ports: [{port: "80", protocol: TCP}], rules: {http: [{}]}}] # Y015 [0].rules']],
    within(`${CILIUM_SPEC}  egressDeny: [{toPorts: `, "}]", "spec.egressDeny[0].toPorts"),
  ],
  ["NetworkPolicy", NETWORK_POLICIES, (text) => KUBERNETES + text],
  ["NetworkPolicy's selectors", SELECTORS, within(`${KUBERNETES}spec: {podSelector: `, "}", "spec.podSelector")],
  ["other objects", OTHERS, (text) => text],
];

/** What the marks of the text ask for. */
function expectedIn(text: string): readonly string[] {
  return text.split("\n").flatMap((line, index) => {
    const marks = / ?# (Y\d{3}.*)$/.exec(line)?.[1] ?? "";
    return [...marks.matchAll(/(Y\d{3})(?: (?!Y\d{3})((?:[^\s"]|"[^"]*")+))?/g)].map(
      ([, code, path = "."]) => `${index + 1}: ${code} ${path}`,
    );
  });
}

describe.each(GROUPS)("%s", (_title, cases, wrap) => {
  test.each(cases.map(([name, text]) => [name, wrap(text)] as const))("%s", (_name, text) => {
    const { objects, diagnostics } = parseObjects(text, "bad.yaml");
    const found = diagnostics.map(({ code, place, path }) => {
      return `${place.kind === "source" ? place.line : "?"}: ${code} ${path === "" ? "." : path}`;
    });
    expect(found.toSorted()).toEqual(expectedIn(text).toSorted());
    expect(objects).toEqual([]);
    for (const { message, place, path, remedy } of diagnostics) {
      expect(message.startsWith(path)).toBe(true);
      expect(remedy).not.toBe("");
      expect(place.kind === "source" && text.split("\n")[place.line - 1]).toBe(place.kind === "source" && place.text);
    }
  });
});

test("none of them changes what was known", () => {
  const good = `${CILIUM_SPEC}  ingress: [{}]\n`;
  const inputs = new Inputs();
  inputs.update("a", parseObjects(good, "a"));
  const before = inputs.cluster;
  for (const [, cases, wrap] of GROUPS) {
    for (const [name, text] of cases) {
      inputs.update("a", parseObjects(`${wrap(text)}\n---\n${good}`, "a"));
      const [policy] = inputs.cluster.policies.values();
      expect({ name, size: inputs.cluster.policies.size, kinds: countOthers(inputs) }).toEqual({
        name,
        size: 1,
        kinds: 0,
      });
      expect(policy?.[0]?.ingress, name).toMatchObject([{ peers: [] }]);
    }
  }
  inputs.update("a", parseObjects(good, "a"));
  expect(inputs.cluster.policies).toEqual(before.policies);
});

function countOthers({ cluster }: Inputs): number {
  return (
    cluster.pods.size +
    cluster.nodes.size +
    cluster.namespaces.size +
    cluster.services.size +
    cluster.endpointSlices.size +
    cluster.cidrGroups.size
  );
}

test("there are more than seventy of them", () => {
  expect(GROUPS.flatMap(([, cases]) => cases).length).toBeGreaterThan(70);
});
