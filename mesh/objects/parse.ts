/**
 * From YAML text (JSON is YAML too) to objects.
 *
 * Documents are judged one by one: a bad one is refused as a whole, with all that is wrong with it, and the others stand. What
 * is refused is told by name, so that who keeps the last good state keeps it for just that object.
 */
import { readCidrGroup, readCiliumPolicy } from "./cilium.ts";
import type { InputDiagnostic } from "./diagnostics.ts";
import { readLabels, readName, readNamespaceName } from "./names.ts";
import { Lines } from "./node.ts";
import type { YamlDocument } from "./node.ts";
import { readNetworkPolicy } from "./network-policy.ts";
import { readEndpointSlice, readService } from "./services.ts";
import type { MeshObject, ObjectRef, Place } from "./types.ts";
import { Reader, Value } from "./value.ts";
import type { FieldTable, Fields } from "./value.ts";
import { readNamespace, readNode, readPod } from "./workloads.ts";
import type { Metadata } from "./workloads.ts";
import { readYaml } from "./yaml.ts";

export interface ParsedObject {
  readonly ref: ObjectRef;
  readonly place: Place;
  readonly object: MeshObject;
}

export interface ParsedText {
  /** In the order of the text. */
  readonly objects: readonly ParsedObject[];
  /** Objects that could be told by name and were refused. */
  readonly refused: readonly ObjectRef[];
  /** False: something could not even be told by name, so that nothing follows from what is not here. */
  readonly complete: boolean;
  readonly diagnostics: readonly InputDiagnostic[];
}

interface Kind {
  readonly apiVersions: readonly string[];
  readonly namespaced: boolean;
  readonly fields: FieldTable;
  readonly read: (root: Value, fields: Fields, object: ObjectRef, metadata: Metadata) => MeshObject;
}

const CILIUM = ["cilium.io/v2"];
const strict = (...read: string[]): FieldTable => ({
  read,
  skipped: ["apiVersion", "kind", "metadata", "status"],
  others: "refused",
});
const lax = (...read: string[]): FieldTable => ({ read, others: "skipped" });

const CILIUM_POLICY: Omit<Kind, "namespaced"> = {
  apiVersions: CILIUM,
  fields: strict("spec", "specs"),
  read: (root, fields, object) => ({ kind: "Policy", object, value: readCiliumPolicy(root, fields, object) }),
};

const KINDS: Readonly<Record<string, Kind>> = {
  CiliumNetworkPolicy: { ...CILIUM_POLICY, namespaced: true },
  CiliumClusterwideNetworkPolicy: { ...CILIUM_POLICY, namespaced: false },
  CiliumCIDRGroup: {
    apiVersions: ["cilium.io/v2", "cilium.io/v2alpha1"],
    namespaced: false,
    fields: strict("spec"),
    read: (root, fields, object, { labels }) => {
      return { kind: "CidrGroup", value: readCidrGroup(root, fields, object, labels) };
    },
  },
  NetworkPolicy: {
    apiVersions: ["networking.k8s.io/v1"],
    namespaced: true,
    fields: strict("spec"),
    read: (root, fields, object) => ({ kind: "Policy", object, value: readNetworkPolicy(root, fields, object) }),
  },
  Pod: {
    apiVersions: ["v1"],
    namespaced: true,
    fields: lax("spec", "status"),
    read: (root, fields, object, metadata) => ({ kind: "Pod", value: readPod(root, fields, object, metadata) }),
  },
  Namespace: {
    apiVersions: ["v1"],
    namespaced: false,
    fields: lax(),
    read: (_root, _fields, object, metadata) => ({ kind: "Namespace", value: readNamespace(object, metadata) }),
  },
  Node: {
    apiVersions: ["v1"],
    namespaced: false,
    fields: lax("status"),
    read: (_root, fields, object, metadata) => ({ kind: "Node", value: readNode(fields, object, metadata) }),
  },
  Service: {
    apiVersions: ["v1"],
    namespaced: true,
    fields: lax("spec"),
    read: (root, fields, object, metadata) => ({ kind: "Service", value: readService(root, fields, object, metadata) }),
  },
  EndpointSlice: {
    apiVersions: ["discovery.k8s.io/v1"],
    namespaced: true,
    fields: lax("addressType", "endpoints", "ports"),
    read: (_root, fields, object, metadata) => {
      return { kind: "EndpointSlice", value: readEndpointSlice(fields, object, metadata) };
    },
  },
};

const TYPE = lax("apiVersion", "kind", "metadata", "items");
const METADATA = lax("name", "namespace", "labels", "annotations", "deletionTimestamp");

interface Collected {
  readonly objects: ParsedObject[];
  readonly refused: ObjectRef[];
  readonly diagnostics: InputDiagnostic[];
  complete: boolean;
}

/** Never throws: what is wrong is in `diagnostics`. `file` is the name that places have. */
export function parseObjects(text: string, file: string): ParsedText {
  return joinParts(splitDocuments(text).map((part) => parsePart(part, file)));
}

/**
 * Reads one file again and again: documents that stayed as they were, at the same line, are not read anew, and their objects are
 * the same values as before.
 */
export class FileParser {
  private readonly file: string;
  /** Null: there is nothing to gain by remembering. */
  private last: Map<string, { readonly line: number; readonly parsed: ParsedText }> | null = null;

  constructor(file: string) {
    this.file = file;
  }

  parse(text: string): ParsedText {
    const parts = splitDocuments(text).map((part) => {
      const known = this.last?.get(part.text);
      return { ...part, parsed: known?.line === part.line ? known.parsed : parsePart(part, this.file) };
    });
    this.last =
      parts.length === 1 ? null : new Map(parts.map(({ line, parsed, ...part }) => [part.text, { line, parsed }]));
    return joinParts(parts.map(({ parsed }) => parsed));
  }
}

/** A piece of a text, and its first line's number in it. */
interface Part {
  readonly text: string;
  readonly line: number;
}

/**
 * At each `---`, which is a document's start wherever a line begins with it (YAML 1.2 §9.1.2, c-forbidden). A text with directives
 * stays whole: they are in front of it.
 */
function splitDocuments(text: string): readonly Part[] {
  if (/^%/m.test(text)) return [{ text, line: 1 }];
  const parts: Part[] = [];
  let line = 1;
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    parts.push({ text: part, line });
    line += part.split("\n").length - 1;
  }
  return parts;
}

function joinParts(parts: readonly ParsedText[]): ParsedText {
  return {
    objects: parts.flatMap((part) => part.objects),
    refused: parts.flatMap((part) => part.refused),
    complete: parts.every((part) => part.complete),
    diagnostics: parts.flatMap((part) => part.diagnostics),
  };
}

function parsePart(part: Part, file: string): ParsedText {
  const into: Collected = { objects: [], refused: [], diagnostics: [], complete: true };
  const lines = new Lines(part.text);
  for (const document of readYaml(part.text)) {
    readDocument(document, new Reader(part.text, lines, part.line - 1, file), into);
  }
  const { objects, refused, diagnostics, complete } = into;
  return { objects: trim(objects), refused: trim(refused), diagnostics: trim(diagnostics), complete };
}

const NOTHING: readonly never[] = [];

/** An array that was pushed to has room for sixteen more; results are kept by the ten thousand. */
function trim<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NOTHING : list.slice();
}

function readDocument({ root, problems }: YamlDocument, reader: Reader, into: Collected): void {
  for (const { message, offset } of problems) reader.report("Y001", message, offset, "");
  if (problems.length > 0) into.complete = false;
  const value = new Value(reader, root ?? undefined, 0, null, "");
  if (problems.length === 0 && root !== null && !value.isNull) readTyped(value, reader, into);
  into.diagnostics.push(...reader.diagnostics);
}

interface Type {
  readonly apiVersion: string;
  readonly kind: string;
}

/** An object, or a list of them. `item`: what an entry of a list is where it does not say so itself. */
function readTyped(root: Value, reader: Reader, into: Collected, item: Partial<Type> | null = null): void {
  const known = reader.errors;
  const fields = root.fields(TYPE);
  const kind =
    fields["kind"] === undefined && item?.kind !== undefined ? item.kind : root.required(fields, "kind").string();
  const apiVersion =
    fields["apiVersion"] === undefined && item?.apiVersion !== undefined
      ? item.apiVersion
      : root.required(fields, "apiVersion").string();
  if (reader.errors > known) {
    into.complete = false;
  } else if (item === null && kind.endsWith("List")) {
    const items = root.required(fields, "items");
    const type = kind === "List" ? {} : { apiVersion, kind: kind.slice(0, -"List".length) };
    for (const entry of items.list()) readTyped(entry, reader, into, type);
    if (items.isMissing) into.complete = false;
  } else {
    readObject(root, fields, { apiVersion, kind }, reader, into);
  }
}

function readObject(root: Value, type: Fields, { apiVersion, kind }: Type, reader: Reader, into: Collected): void {
  const row = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (row === undefined || !row.apiVersions.includes(apiVersion)) {
    // It is nothing that the mesh could have known before, so the rest of the file is complete without it.
    (row === undefined ? type["kind"] : type["apiVersion"])?.report(
      "Y002",
      `the mesh does not read ${apiVersion} ${kind}`,
      {
        expected: row === undefined ? Object.keys(KINDS).join(", ") : row.apiVersions.join(" or "),
        found: row === undefined ? kind : apiVersion,
      },
    );
    return;
  }
  const known = reader.errors;
  const at = root.required(type, "metadata");
  const { name, namespace, labels, annotations, deletionTimestamp } = at.fields(METADATA);
  const ref: ObjectRef = {
    kind,
    namespace: row.namespaced ? (namespace === undefined ? "default" : readNamespaceName(namespace)) : null,
    name:
      name === undefined
        ? at.required({}, "name").string()
        : kind === "Namespace"
          ? readNamespaceName(name)
          : readName(name),
  };
  if (reader.errors > known) {
    into.complete = false;
    return;
  }
  const metadata: Metadata = {
    labels: readLabels(labels),
    annotations: Object.fromEntries((annotations?.map() ?? []).map(([key, value]) => [key, value])),
    deleted: deletionTimestamp !== undefined,
  };
  const object = row.read(root, root.fields(row.fields), ref, metadata);
  if (reader.errors > known) into.refused.push(ref);
  else into.objects.push({ ref, place: root.place, object });
}
