/**
 * cgroup_sockopt: programs before an option is set, which may change the call, and after one has been read, which may
 * change the answer. They see the value in a buffer of their own. Source: kernel/bpf/cgroup.c, Linux 6.18.
 */
import { ERRNO, errnoName, errnoNumber } from "../errno.ts";
import type { Errno } from "../errno.ts";
import type { Outcome } from "./attach.ts";
import { runCgroup } from "./run-cgroup.ts";
import type { Sock } from "./sock.ts";
import { readOption, writeOption } from "./socket-options.ts";

/** Programs see at most a page of the value. */
const PAGE = 4096;
/** A program that sets an option has room for at least a congestion control's name. */
const LEAST = 16;
/** The length by which a program says that the kernel is not to set the option. */
const BYPASS = -1;

/** What programs have made of an option's value. */
interface Judged {
  readonly retval: number;
  readonly level: number;
  readonly option: number;
  readonly length: number;
  readonly bytes: Uint8Array;
}

function judge(
  sock: Sock,
  hook: "cgroup_getsockopt" | "cgroup_setsockopt",
  call: { level: number; option: number; length: number; bytes: Uint8Array; retval: number },
): Judged {
  let { level, option, length, bytes } = call;
  const retval = runCgroup(
    sock,
    hook,
    call.retval,
    (value) => ({
      socket: sock.publish(),
      packet: bytes,
      context: { level, optname: option, optlen: length, retval: value },
    }),
    ({ context, packet }) => {
      level = Number(context["level"]);
      option = Number(context["optname"]);
      length = Number(context["optlen"]);
      bytes = packet ?? bytes;
    },
  );
  return { retval, level, option, length, bytes };
}

/** setsockopt with its programs. */
export function judgeSetOption(sock: Sock, level: number, option: number, value: Uint8Array): Outcome {
  if (sock.cgroup.effective("cgroup_setsockopt").length === 0) return setOption(sock, level, option, value);
  const bytes = bufferOf(value, Math.min(Math.max(value.length, LEAST), PAGE));
  const judged = judge(sock, "cgroup_setsockopt", { level, option, length: value.length, bytes, retval: 0 });
  if (judged.retval !== 0) return judged.retval < 0 ? errnoName(-judged.retval) : "ok";
  if (judged.length === BYPASS) return "ok";
  if (judged.length > bytes.length || judged.length < 0) {
    // A longer value than programs see, which they left alone, is set as it is.
    return value.length > PAGE && judged.length >= 0 ? setOption(sock, level, option, value) : "EFAULT";
  }
  const changed = judged.length === 0 ? value : judged.bytes.subarray(0, judged.length);
  return setOption(sock, judged.level, judged.option, changed);
}

function setOption(sock: Sock, level: number, option: number, value: Uint8Array): Outcome {
  return writeOption(sock, level, option, value) ?? "ok";
}

/** getsockopt with its programs; `length` is that of the caller's buffer. */
export function judgeGetOption(sock: Sock, level: number, option: number, length: number): Uint8Array | Errno {
  const read = readOption(sock, level, option, length);
  if (sock.cgroup.effective("cgroup_getsockopt").length === 0) return read;
  const found = typeof read === "string" ? new Uint8Array(0) : read;
  const kernel = typeof read === "string" ? -errnoNumber(read) : 0;
  const bytes = bufferOf(found, Math.min(length, PAGE));
  const seen = typeof read === "string" ? length : read.length;
  const judged = judge(sock, "cgroup_getsockopt", { level, option, length: seen, bytes, retval: kernel });
  if (judged.retval < 0) return errnoName(-judged.retval);
  if (judged.length > bytes.length || judged.length < 0)
    return seen > PAGE && judged.length >= 0 ? read : errnoName(ERRNO.EFAULT);
  return judged.length === 0 ? read : judged.bytes.slice(0, judged.length);
}

function bufferOf(value: Uint8Array, length: number): Uint8Array {
  const buffer = new Uint8Array(length);
  buffer.set(value.subarray(0, length));
  return buffer;
}
