// Programs that the fuzzer found, as files: a LoadRequest and what the kernel said of it, as JSON that shows the program.
import { Buffer } from "node:buffer";
import { textOf, tryDecode } from "../../dist/lib/asm/index.js";
import { decodeBtf, encodeBtf } from "../../dist/lib/btf/index.js";

const SLOT_SIZE = 8;

/**
 * Found by `seed` and `index`; `privileges` of who loads it; `kernel` and `ours` as the two judges said. Kernel functions are named,
 * not numbered.
 */
export function toFixture(request, { found, privileges, kernel, ours }, nameOf = () => null) {
  const { maps, mapReferences, btf, functions } = request;
  return {
    found,
    privileges,
    kernel: { verdict: kernel.verdict, message: kernel.message, processed: kernel.processed },
    ours,
    request: {
      type: request.type,
      attach: request.attach,
      flags: request.flags,
      license: request.license,
      code: linesOf(request.code),
      maps: maps.map(mapToJson),
      mapReferences: [...mapReferences].map(([slot, reference]) => ({ slot, ...reference })),
      btf: btf === null ? null : base64(encodeBtf(btf)),
      functions,
      kernelCalls: kernelCalls(request.code).flatMap(({ slot, id }) => {
        const name = nameOf(id);
        return name === null ? [] : [{ slot, name }];
      }),
    },
  };
}

/** The request of a fixture; `kernel`: the types of the kernel that runs, or null. */
export function fromFixture({ request }, kernel) {
  const btf = request.btf === null ? null : decodeBtf(bytes(request.btf));
  const code = Uint8Array.from(Buffer.from(request.code.map((line) => line.slice(0, 2 * SLOT_SIZE)).join(""), "hex"));
  const view = new DataView(code.buffer);
  for (const { slot, name } of request.kernelCalls) {
    const id = kernel?.types.findIndex((type) => type.kind === "func" && type.name === name) ?? 0;
    view.setInt32(slot * SLOT_SIZE + 4, id, true);
  }
  return {
    name: "fuzz",
    type: request.type,
    attach: request.attach,
    flags: request.flags,
    license: request.license,
    code,
    maps: request.maps.map((map) => mapFromJson(map, btf)),
    mapReferences: new Map(request.mapReferences.map(({ slot, ...reference }) => [slot, reference])),
    btf,
    functions: request.functions,
    lines: [],
    kernel,
    target: null,
  };
}

/** Eight bytes in hexadecimal, then what they mean, for the reader. */
function linesOf(code) {
  const texts = new Map(
    tryDecode(code).map(({ slot, insn }) => [slot, insn === null ? "no instruction" : textOf(insn)]),
  );
  return Array.from({ length: code.length / SLOT_SIZE }, (_, slot) => {
    const hex = Buffer.from(code.subarray(slot * SLOT_SIZE, (slot + 1) * SLOT_SIZE)).toString("hex");
    return `${hex} ${slot}: ${texts.get(slot) ?? ""}`.trimEnd();
  });
}

function kernelCalls(code) {
  const view = new DataView(code.buffer, code.byteOffset, code.byteLength);
  return Array.from({ length: code.length / SLOT_SIZE }, (_, slot) => slot)
    .filter((slot) => code[slot * SLOT_SIZE] === 0x85 && code[slot * SLOT_SIZE + 1] >> 4 === 2)
    .map((slot) => ({ slot, id: view.getInt32(slot * SLOT_SIZE + 4, true) }));
}

function mapToJson({ spec, btf, contents, inner }) {
  const initial = spec.initial === null ? null : base64(spec.initial);
  return {
    spec: { ...spec, initial, inner: null },
    typed: btf !== null,
    constant: contents !== null,
    inner: inner === null ? null : mapToJson(inner),
  };
}

function mapFromJson({ spec, typed, constant, inner }, btf) {
  const initial = spec.initial === null ? null : bytes(spec.initial);
  const innerMap = inner === null ? null : mapFromJson(inner, btf);
  return {
    spec: { ...spec, initial, inner: innerMap?.spec ?? null },
    btf: typed ? btf : null,
    contents: constant ? initial : null,
    inner: innerMap,
  };
}

function base64(data) {
  return Buffer.from(data).toString("base64");
}

function bytes(text) {
  return Uint8Array.from(Buffer.from(text, "base64"));
}
