/** A program in the kernel: loading it, running it on a test packet. Attaching is in link/. */
import { ATTACH_TYPES, PROGRAM_TYPES } from "../lib/kernel/index.ts";
import type { AttachType, ProgramType } from "../lib/kernel/index.ts";
import type { LinkedProgram } from "../lib/object/index.ts";
import { check, kernelError, loaderError } from "./errors.ts";
import { Handle, openPin } from "./handle.ts";
import { buildAttr, encodeText, readField } from "./sys/attr.ts";
import type { Attr } from "./sys/attr.ts";
import { bpf, getInfo, runAttr, runPatiently } from "./sys/calls.ts";
import { failedWith } from "./sys/errno.ts";
import { VerifierError } from "./verifier.ts";

export class Program extends Handle {
  readonly name: string;
  readonly type: ProgramType;
  readonly attach: AttachType | null;
  /** The verifier's log when `load` was asked for one, else empty. */
  readonly log: string;

  constructor(fd: number, linked: Pick<LinkedProgram, "name" | "type" | "attach">, log: string) {
    super(fd, `program ${JSON.stringify(linked.name)}`);
    this.name = linked.name;
    this.type = linked.type;
    this.attach = linked.attach;
    this.log = log;
  }

  /** The kernel's id, as `bpftool prog` shows it. Field `id` of struct bpf_prog_info. */
  get id(): number {
    return getInfo(this.fd, 8).getUint32(4, true);
  }

  /** Hash of the instructions, without what differs between two loads of them: the same program has the same tag. */
  get tag(): string {
    return tagOf(this.fd);
  }

  /** As the function `testRun`. */
  testRun(run: TestRun): TestResult {
    return testRun(this, run);
  }
}

/**
 * Opens a pinned program. What it is called and where it attaches is the caller's knowledge (its ProgramSpec); a program of another
 * type is an error (L004). Its maps are those that it was loaded with.
 */
export function openProgram(path: string, spec: Pick<LinkedProgram, "name" | "type" | "attach">): Program {
  const program = new Program(openPin(path), spec, "");
  const found = getInfo(program.fd, 4).getUint32(0, true);
  if (found === PROGRAM_TYPES[spec.type]) return program;
  program.close();
  throw loaderError("L004", `${path} is no program of type ${spec.type}`);
}

/** The tag of whatever program has this id (`LinkInfo.program`); null: there is none any more. */
export function tagOfProgram(id: number): string | null {
  const fd = bpf("prog_get_fd_by_id", { prog_id: id });
  if (failedWith(fd, "ENOENT")) return null;
  const handle = new Handle(check(fd, `open program ${id}`), `program ${id}`);
  try {
    return tagOf(handle.fd);
  } finally {
    handle.close();
  }
}

/** Field `tag` of struct bpf_prog_info, in hexadecimal. */
function tagOf(fd: number): string {
  const info = getInfo(fd, 16);
  return Array.from({ length: 8 }, (_, i) =>
    info
      .getUint8(8 + i)
      .toString(16)
      .padStart(2, "0"),
  ).join("");
}

/** A program as the kernel takes it: map references are file descriptors, type information is bytes. */
export interface Image {
  readonly linked: LinkedProgram;
  readonly insns: Uint8Array;
  /** Present where the object has type information and the kernel took it. */
  readonly btf: { readonly fd: number; readonly funcInfo: Uint8Array; readonly lineInfo: Uint8Array } | null;
}

/** struct bpf_func_info and struct bpf_line_info, include/uapi/linux/bpf.h. */
const FUNC_INFO_RECORD = 8;
const LINE_INFO_RECORD = 16;
/** The verifier's log buffer grows from here, to what the kernel says that the log needs (Linux 6.4), else by fours... */
const FIRST_LOG = 1 << 16;
/** ...to here: UINT_MAX >> 2 is the kernel's limit (kernel/bpf/log.c); 256 MB have always been enough. */
const LAST_LOG = 1 << 28;

/**
 * Loads a program. Without a log first, which is faster; on rejection again with one, for the reason.
 * @param logLevel - 0: no log of accepted programs. 1: branches, 2: every instruction; 4 adds statistics. Bits.
 */
export function loadProgram(image: Image, logLevel: number): Program {
  if (logLevel === 0) {
    const result = runPatiently(programAttr(image, {}));
    if (result >= 0) return new Program(result, image.linked, "");
  }
  const { result, log } = loadWithLog(image, logLevel === 0 ? 1 : logLevel);
  if (result >= 0) return new Program(result, image.linked, log);
  // The verifier always says something; silence means that the request never reached it (privilege, bad attribute).
  if (log.trim() === "") throw kernelError(`load program ${JSON.stringify(image.linked.name)}`, result);
  throw new VerifierError(image.linked, -result, log);
}

function loadWithLog(image: Image, level: number): { result: number; log: string } {
  for (let size = FIRST_LOG; ;) {
    const buffer = new Uint8Array(size);
    const attr = programAttr(image, { log_level: level, log_size: size, log_buf: buffer });
    const result = runPatiently(attr);
    if (!failedWith(result, "ENOSPC") || size >= LAST_LOG) return { result, log: textOf(buffer) };
    // each try verifies the program anew
    const needed: number = readField("prog_load", attr, "log_true_size");
    size = Math.min(Math.max(needed, size * 4), LAST_LOG);
  }
}

function programAttr(
  { linked, insns, btf }: Image,
  log: { log_level?: number; log_size?: number; log_buf?: Uint8Array },
): Attr {
  // prettier-ignore
  const types = btf === null ? {} : {
    prog_btf_fd: btf.fd,
    ...(btf.funcInfo.length === 0 ? {} : { func_info: btf.funcInfo, func_info_rec_size: FUNC_INFO_RECORD, func_info_cnt: btf.funcInfo.length / FUNC_INFO_RECORD }),
    ...(btf.lineInfo.length === 0 ? {} : { line_info: btf.lineInfo, line_info_rec_size: LINE_INFO_RECORD, line_info_cnt: btf.lineInfo.length / LINE_INFO_RECORD }),
  };
  return buildAttr("prog_load", {
    prog_type: PROGRAM_TYPES[linked.type],
    insn_cnt: insns.length / 8,
    insns,
    license: encodeText(linked.license),
    prog_flags: linked.flags,
    prog_name: linked.name,
    expected_attach_type: linked.attach === null ? 0 : ATTACH_TYPES[linked.attach],
    ...types,
    ...log,
  });
}

/** The text before the first zero byte. */
export function textOf(buffer: Uint8Array): string {
  const end = buffer.indexOf(0);
  return new TextDecoder().decode(end < 0 ? buffer : buffer.subarray(0, end));
}

// ---- BPF_PROG_TEST_RUN

export interface TestRun {
  /** The packet, from its Ethernet header. At least 14 bytes for xdp and sched_cls. */
  readonly data?: Uint8Array;
  /** The context structure (`struct __sk_buff`, `struct xdp_md`...), where the program type takes one. */
  readonly ctx?: Uint8Array;
  /**
   * Runs; the duration is their mean. Changes of a packet by one run are seen by the next.
   * For XDP anything above 1 costs about 16 ms once, because the kernel enters the program into its XDP dispatcher.
   */
  readonly repeat?: number;
}

export interface TestResult {
  /** What the program returned, as an unsigned 32-bit number. */
  readonly returnValue: number;
  /** The packet afterwards. */
  readonly data: Uint8Array;
  readonly ctx: Uint8Array;
  /** Mean of one run, in nanoseconds. */
  readonly durationNs: number;
}

/** Programs may make the packet longer by this much (headers they add). */
const HEADROOM = 1024;

/**
 * Runs a program on a packet without attaching it (BPF_PROG_TEST_RUN).
 * Not for sock_addr, sockopt, sock_ops, sk_msg, sk_skb: the kernel has no test run for them (ENOTSUPP).
 */
export function testRun(program: Program, { data, ctx, repeat = 1 }: TestRun): TestResult {
  if (!Number.isInteger(repeat) || repeat < 1) throw loaderError("L004", "repeat must be a positive integer");
  const dataOut = new Uint8Array(data === undefined ? 0 : data.length + HEADROOM);
  const ctxOut = new Uint8Array(ctx === undefined ? 0 : ctx.length);
  const attr = buildAttr("prog_test_run", {
    prog_fd: program.fd,
    repeat,
    ...(data === undefined
      ? {}
      : { data_in: data, data_size_in: data.length, data_out: dataOut, data_size_out: dataOut.length }),
    ...(ctx === undefined
      ? {}
      : { ctx_in: ctx, ctx_size_in: ctx.length, ctx_out: ctxOut, ctx_size_out: ctxOut.length }),
  });
  check(runAttr(attr), `run program ${JSON.stringify(program.name)} on test data`);
  const field = (name: "retval" | "duration" | "data_size_out" | "ctx_size_out"): number =>
    readField("prog_test_run", attr, name);
  return {
    returnValue: field("retval"),
    data: dataOut.slice(0, field("data_size_out")),
    ctx: ctxOut.slice(0, field("ctx_size_out")),
    durationNs: field("duration"),
  };
}
