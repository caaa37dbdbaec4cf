// Small questions to a kernel: who may call which helper, and what of a context may be read and written. One program for each
// answer, as plain as it can be.
import { ldx, mov64, assemble, call, encode, exit, r0, r1, r2, st } from "../../dist/lib/asm/index.js";
import { ATTACH_TYPES, CONTEXTS, HELPER_NAMES, HOOKS, TABLED_TYPES } from "../../dist/lib/kernel/index.js";

const WIDTHS = [1, 2, 4, 8];
/** Programs of type syscall always sleep. */
const SLEEPABLE = 1 << 4;
const ADDRESSES = /^cgroup_(inet[46]_(bind|connect|get)|udp)/;

/** Program types with each way to attach that the kernel tells apart. */
const PLACES = TABLED_TYPES.flatMap((type) => {
  const ways = [...new Set(Object.values(HOOKS).flatMap((hook) => (hook.type === type ? [hook.attach] : [])))];
  return (ways.length === 0 ? waysOf(type) : ways).map((attach) => ({ type, attach }));
});

function waysOf(type) {
  if (type === "cgroup_sock_addr") return Object.keys(ATTACH_TYPES).filter((name) => ADDRESSES.test(name));
  return [type !== "perf_event" && Object.hasOwn(ATTACH_TYPES, type) ? type : null];
}

/** A call of each helper; whether it may be made is looked at before its arguments. */
export function* helperCases(kernel) {
  for (const place of PLACES) {
    for (const [number, name] of [...HELPER_NAMES.entries()].slice(1)) {
      yield probe(`helper/${place.type}/${place.attach}/${name}`, place, [call(number)], kernel);
    }
  }
}

/** A load and a store of each width at each offset of the hooks' contexts. */
export function* contextCases(kernel) {
  const seen = new Set();
  for (const { type, attach, context } of Object.values(HOOKS)) {
    if (seen.has(`${type}/${attach}`)) continue;
    seen.add(`${type}/${attach}`);
    for (const width of WIDTHS) {
      for (let at = 0; at + width <= CONTEXTS[context].size; at += width) {
        const id = (what) => `context/${type}/${attach}/${what}${width}/${at}`;
        yield probe(id("load"), { type, attach }, [ldx(width, r0, r1, at)], kernel);
        yield probe(id("store"), { type, attach }, [mov64(r2, 0), st(width, r1, at, r2)], kernel);
      }
    }
  }
}

function probe(id, { type, attach }, body, kernel) {
  return {
    id,
    request: {
      name: "probe",
      type,
      attach,
      flags: type === "syscall" ? SLEEPABLE : 0,
      license: "GPL",
      code: encode(assemble([...body, mov64(r0, 1), exit()])),
      maps: [],
      mapReferences: new Map(),
      btf: null,
      functions: [],
      lines: [],
      kernel,
      target: null,
    },
  };
}

/** A helper that may sleep is not given to programs that may not by some kernels, and refused to them by others. */
const REFUSED = {
  kernel:
    /^(unknown func|invalid func|program of this type cannot use helper|helper call (might sleep|is not allowed)|func \S+ not supported for program type)/,
  model: /^R(30[124]|091) /,
};

/** What verdicts say of the question whether a helper may be called at all: accept is that it may. */
export const mayCall = {
  kernel: ({ message }) => (REFUSED.kernel.test(message ?? "") ? "reject" : "accept"),
  model: ({ verdict, reason }) => (verdict === "reject" && !REFUSED.model.test(reason) ? "accept" : verdict),
};
