/** The running kernel's verifier and ours, asked the same: requests without maps, walked at log level 2. */
import { closeSync, readFileSync } from "node:fs";
import { decodeBtf } from "../../../lib/btf/index.ts";
import type { Btf } from "../../../lib/btf/index.ts";
import { ATTACH_TYPES, PROGRAM_TYPES } from "../../../lib/kernel/index.ts";
import { encodeObjectInfo } from "../../../lib/object/index.ts";
import { profileOf } from "../../../lib/verifier/profiles/index.ts";
import { verify } from "../../../lib/verifier/index.ts";
import type { LoadRequest } from "../../../lib/verifier/index.ts";
import { buildAttr, encodeText } from "../../../loader/sys/attr.ts";
import { mustBpf, runPatiently } from "../../../loader/sys/calls.ts";
import { textOf } from "../../../loader/program.ts";

const LOG_LEVEL = 2;
const LOG_SIZE = 1 << 20;

export interface Answer {
  readonly verdict: "accept" | "reject" | "unsupported";
  readonly log: string;
}

/** The running kernel's types. */
export function kernelTypes(): Btf {
  return decodeBtf(readFileSync("/sys/kernel/btf/vmlinux"), "vmlinux");
}

/** What the running kernel says; null where it does not take the program's types. */
export function askKernel(request: LoadRequest): Answer | null {
  const types = request.btf === null ? null : loadTypes(request);
  if (request.btf !== null && types === null) return null;
  const log = new Uint8Array(LOG_SIZE);
  const { type, attach, target } = request;
  const result = runPatiently(
    buildAttr("prog_load", {
      prog_type: PROGRAM_TYPES[type],
      insn_cnt: request.code.length / 8,
      insns: request.code,
      license: encodeText(request.license),
      prog_flags: request.flags,
      prog_name: request.name,
      expected_attach_type: target?.member ?? (attach === null ? 0 : ATTACH_TYPES[attach]),
      attach_btf_id: target?.type ?? 0,
      log_level: LOG_LEVEL,
      log_size: LOG_SIZE,
      log_buf: log,
      ...types?.attributes,
    }),
  );
  if (types !== null) closeSync(types.fd);
  if (result >= 0) closeSync(result);
  return { verdict: result >= 0 ? "accept" : "reject", log: textOf(log) };
}

function loadTypes({ btf, functions }: LoadRequest): { fd: number; attributes: object } | null {
  if (btf === null) return null;
  const described = { functions: functions.map(({ slot, type }) => ({ slot, name: "", btfId: type })), lines: [] };
  const { btf: bytes, records } = encodeObjectInfo(btf, [described]);
  const fd = tryBtf(bytes);
  if (fd === null) return null;
  const funcInfo = records[0]?.funcInfo ?? new Uint8Array();
  return {
    fd,
    attributes: { prog_btf_fd: fd, func_info: funcInfo, func_info_rec_size: 8, func_info_cnt: functions.length },
  };
}

/** A BTF loaded, or null where the kernel refuses it. */
export function tryBtf(bytes: Uint8Array): number | null {
  try {
    return mustBpf("load types", "btf_load", { btf: bytes, btf_size: bytes.length });
  } catch {
    return null;
  }
}

/** What our model says. */
export function askModel(request: LoadRequest): Answer {
  const kernel = profileOf("6.18");
  if (kernel === null) throw new Error("there is no profile 6.18");
  const lines: string[] = [];
  const { verdict } = verify(request, { kernel, log: { level: LOG_LEVEL, line: (text) => lines.push(text) } });
  return { verdict, log: lines.join("\n") };
}

/** How a log prints a register when it is first set: `trusted_ptr_sock()`. */
export function registerIn(log: string, register: number): string | null {
  return new RegExp(`R${register}(?:_w)?=(\\S+)`).exec(log)?.[1] ?? null;
}
