/**
 * Names that the kernel takes. Source: the checks of BPF_BTF_LOAD (kernel/bpf/btf.c); newer kernels allow dots and 511
 * characters, this is what every kernel since 5.2 takes.
 */
import type { Diagnostic } from "../diag/index.ts";
import { btfProblem } from "./diagnostics.ts";
import type { Btf, BtfType } from "./types.ts";

/** KSYM_NAME_LEN without the zero byte. */
const MAX_NAME = 127;
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const SECTION = /^[A-Za-z_.][A-Za-z0-9_.]*$/;

/** A C identifier that the kernel takes. */
export function isIdentifier(name: string): boolean {
  return IDENTIFIER.test(name) && name.length <= MAX_NAME;
}

/** `name` with what a C identifier may not have replaced by underscores: `Map<u32>` becomes `Map_u32_`. */
export function toIdentifier(name: string): string {
  const replaced = name.replaceAll(/[^A-Za-z0-9_]/g, "_").slice(0, MAX_NAME);
  return IDENTIFIER.test(replaced) ? replaced : `_${replaced}`.slice(0, MAX_NAME);
}

/** What a type's own name must be: none, an identifier, an identifier or none, a section's name, any text but none. */
type NameRule = "none" | "identifier" | "optional" | "section" | "text";

// prettier-ignore
const NAME_RULES = {
  void: "none", int: "text", ptr: "none", array: "none", struct: "optional", union: "optional", enum: "optional",
  enum64: "optional", fwd: "identifier", typedef: "identifier", volatile: "none", const: "none", restrict: "none",
  func: "identifier", func_proto: "none", var: "identifier", datasec: "section", float: "text", decl_tag: "text",
  type_tag: "text",
} as const satisfies Record<BtfType["kind"], NameRule>;

function obeys(name: string, rule: NameRule): boolean {
  switch (rule) {
    case "none":
      return name === "";
    case "identifier":
      return isIdentifier(name);
    case "optional":
      return name === "" || isIdentifier(name);
    case "section":
      return SECTION.test(name) && name.length <= MAX_NAME;
    case "text":
      return name !== "";
  }
}

/** Every name that the kernel would refuse, as B007 with its path. */
export function checkNames(btf: Btf): Diagnostic[] {
  return btf.types.flatMap((type, id) =>
    namesOf(type)
      .filter(({ name, rule }) => !obeys(name, rule))
      .map(({ name, rule, path }) =>
        btfProblem(
          "B007",
          `the kernel refuses the name ${JSON.stringify(name)} of a ${type.kind}`,
          { kind: "path", file: "BTF", path: `types[${id}]${path}` },
          { expected: EXPECTED[rule], found: JSON.stringify(name) },
        ),
      ),
  );
}

const EXPECTED: Record<NameRule, string> = {
  none: "no name",
  identifier: "a C identifier",
  optional: "a C identifier or none",
  section: "letters, digits, dots and underscores, no digit first",
  text: "some text",
};

interface Named {
  readonly name: string;
  readonly rule: NameRule;
  readonly path: string;
}

function namesOf(type: BtfType): Named[] {
  const own: Named = { name: "name" in type ? type.name : "", rule: NAME_RULES[type.kind], path: "" };
  const parts = (list: string, rule: NameRule, items: readonly { readonly name: string }[]): Named[] =>
    items.map((item, i) => ({ name: item.name, rule, path: `.${list}[${i}]` }));
  switch (type.kind) {
    case "struct":
    case "union":
      return [own, ...parts("members", "optional", type.members)];
    case "enum":
    case "enum64":
      return [own, ...parts("values", "identifier", type.values)];
    case "func_proto":
      return [own, ...parts("params", "optional", type.params)];
    default:
      return [own];
  }
}
