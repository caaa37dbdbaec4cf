/**
 * YAML text to trees, by two readers: a quick one for the plain YAML that people and tools write, and the library for everything
 * that it does not know, errors among it. A policy of ten lines takes the library 200 microseconds and the quick one ten; with a
 * thousand rules or ten thousand pods that is what a change takes into the kernel, and the memory that the agent starts with.
 */
import { isAlias, isMap, isScalar, isSeq, parseAllDocuments } from "yaml";
import type { Node } from "yaml";
import type { YamlDocument, YamlNode, YamlPair, YamlProblem, YamlScalar } from "./node.ts";
import { readPlainYaml } from "./plain-yaml.ts";

/** All documents of the text. Never throws. */
export function readYaml(text: string): readonly YamlDocument[] {
  const root = readPlainYaml(text);
  return root === null ? readAnyYaml(text) : [{ root, problems: [] }];
}

/** By the library alone. */
export function readAnyYaml(text: string): readonly YamlDocument[] {
  // For an empty text there is a mark of that instead of a list.
  const documents = [...parseAllDocuments(text, { prettyErrors: false, logLevel: "silent" })];
  return documents.map(({ contents, errors, warnings }) => {
    // Warnings are about tags that nobody knows: the value may be another one than it seems.
    const problems = [...errors, ...warnings].map(({ message, pos }): YamlProblem => {
      return { message: message.split("\n")[0] ?? "", offset: pos[0] };
    });
    if (problems.length > 0 || contents === null) return { root: null, problems };
    const converter = new Converter();
    const root = converter.convert(contents, 0);
    return { root, problems: converter.problems };
  });
}

class Converter {
  readonly problems: YamlProblem[] = [];
  private readonly anchors = new Map<string, YamlNode>();

  /** `offset` is where the node is when it is not written. */
  convert(node: Node | null, offset: number): YamlNode {
    const at = node?.range?.[0] ?? offset;
    const converted = this.convertBare(node, at);
    // Only after it: what names itself inside of itself would never end.
    if (node !== null && !isAlias(node) && node.anchor !== undefined) this.anchors.set(node.anchor, converted);
    return converted;
  }

  private convertBare(node: Node | null, offset: number): YamlNode {
    if (isAlias(node)) return this.resolve(node.source, offset);
    if (isMap<Node, Node | null>(node)) {
      const pairs = node.items.map(({ key, value }): YamlPair => {
        const name = this.convert(key, offset);
        return { key: name, value: this.convert(value, name.offset) };
      });
      return { kind: "map", offset, pairs };
    }
    if (isSeq<Node>(node)) return { kind: "list", offset, items: node.items.map((item) => this.convert(item, offset)) };
    return isScalar(node) ? scalarOf(node.value, node.source ?? "", node.type === "PLAIN", offset) : nullAt(offset);
  }

  /** The same content, at the place of the alias. */
  private resolve(name: string, offset: number): YamlNode {
    const target = this.anchors.get(name);
    if (target !== undefined) return { ...target, offset };
    this.problems.push({ message: `there is no anchor &${name} before this`, offset });
    return nullAt(offset);
  }
}

function scalarOf(value: unknown, source: string, plain: boolean, offset: number): YamlScalar {
  const known = typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null;
  return { kind: "scalar", offset, value: known, source, plain };
}

function nullAt(offset: number): YamlScalar {
  return { kind: "scalar", offset, value: null, source: "", plain: true };
}
