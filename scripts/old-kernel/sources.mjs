// What an older kernel is asked: the same list of cases on both sides of the serial line, from the same files and numbers. The
// guest has the kernel judge them; the host has the model judge them.
//
// A source is {kind: "corpus", records, btfs} (names of files), {kind: "fuzz", seed, count}, {kind: "objects", files} or
// {kind: "helpers" | "contexts"}. A case is {id, request} or {id, unsupported}.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readElf } from "../../dist/lib/elf/index.js";
import { requestOf } from "../../dist/lib/verifier/request.js";
import { readBtfs, readJsonLines } from "../corpus-verifier/read.mjs";
import { requestOfRecord } from "../corpus-verifier/record.mjs";
import { bytesOf } from "../fuzz-verifier/code.mjs";
import { LOADERS } from "../fuzz-verifier/privileges.mjs";
import { programOf } from "../fuzz-verifier/program.mjs";
import { requestFor } from "../fuzz-verifier/world.mjs";
import { contextCases, helperCases } from "./probes.mjs";
import { plainTypes } from "./plain-types.mjs";
import { rebase } from "./rebase.mjs";

/** The cases of a source whose files are in `folder`, as a kernel of a release (6001) with such types sees them. */
export function* casesOf(source, folder, { types, version }) {
  for (const { id, request, unsupported } of rawCases(source, folder, types)) {
    yield unsupported === undefined ? { id, request: plainTypes(request, version) } : { id, unsupported };
  }
}

function rawCases(source, folder, types) {
  switch (source.kind) {
    case "corpus":
      return corpusCases(join(folder, source.records), join(folder, source.btfs), types);
    case "fuzz":
      return fuzzCases(source.seed, source.count, types);
    case "objects":
      return source.files.flatMap((file) => objectCases(file, readFileSync(join(folder, file)), types));
    case "contexts":
      return contextCases(types);
    default:
      return helperCases(types);
  }
}

function* corpusCases(records, btfFile, types) {
  const btfs = readBtfs(btfFile);
  const ids = rebase(types);
  for (const record of readJsonLines(records)) {
    if (record.insns) yield { id: record.id, ...requestOfRecord(ids(record), btfs, types) };
  }
}

function* fuzzCases(seed, count, types) {
  const ids = new Map(types.types.flatMap((type, id) => (type.kind === "func" ? [[type.name, id]] : [])));
  for (let index = 0; index < count; index++) {
    const { hook, slots, references, functions } = programOf(seed, index, ids, LOADERS.root);
    yield { id: `fuzz/${seed}/${index}`, request: requestFor(hook, bytesOf(slots), references, functions, types) };
  }
}

function objectCases(file, bytes, kernel) {
  const object = readElf(bytes, file);
  return object.programs.map(({ name }) => ({ id: `${file}/${name}`, request: requestOf(object, name, { kernel }) }));
}
