/**
 * Tables of functions that programs implement for the kernel: each variable of `.struct_ops` (or `.struct_ops.link`, for those that
 * are attached by a link) is a map of one entry, the members that are functions are programs.
 *
 * Source: docs.kernel.org/bpf/libbpf/program_types.html.
 */
import { resolveType } from "../btf/index.ts";
import type { Btf } from "../btf/index.ts";
import { MAP_FLAGS } from "../kernel/index.ts";
import type { InitialEntry, MapSpec } from "../object/index.ts";
import type { Container } from "./container.ts";
import { elfError } from "./diagnostics.ts";
import { readEntries } from "./initial-entries.ts";
import type { Words } from "./initial-entries.ts";

/** A question mark first: not loaded unless it is asked for. */
const SECTION = /^\??\.struct_ops(\.link)?$/;

/** One map for each variable. Throws E004 for one that is no structure, or whose members are no programs; B004 for bad types. */
export function readStructOps(container: Container, btf: Btf, nameAt: Words["nameAt"]): MapSpec[] {
  return container.sections
    .filter(({ name }) => SECTION.test(name))
    .flatMap((section) => {
      const types = btf.types.find((type) => type.kind === "datasec" && type.name === section.name);
      if (types?.kind !== "datasec") return [];
      return types.variables.map(({ type, offset }): MapSpec => {
        const variable = btf.types[type];
        const { id, type: struct } = resolveType(btf, variable?.kind === "var" ? variable.type : 0);
        if (variable?.kind !== "var" || struct.kind !== "struct" || offset + struct.size > section.bytes.length) {
          throw elfError("E004", `${section.name} has something that is no structure`, container.file, section.offset);
        }
        const words = { container, section, start: offset, end: offset + struct.size, nameAt };
        const entries = readEntries(words, "E004", `the map ${variable.name}`).map(({ index, name }): InitialEntry => {
          const member = struct.members.findIndex(({ bitOffset }) => bitOffset === index * 64);
          return { index: member, name };
        });
        // prettier-ignore
        return {
          name: variable.name, type: "struct_ops", keySize: 4, valueSize: struct.size, maxEntries: 1,
          flags: section.name.endsWith(".link") ? MAP_FLAGS.link : 0, keyType: 0, valueType: id,
          initial: section.bytes.slice(offset, offset + struct.size), frozen: false, inner: null,
          ...(entries.length === 0 ? {} : { entries }),
        };
      });
    });
}
