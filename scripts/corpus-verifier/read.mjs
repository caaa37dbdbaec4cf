// Files of the verifier corpus: JSON lines and BTF, plain or packed by xz. Node has no xz of its own: the command `xz` unpacks,
// and only packed files need it.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { decodeBtf } from "../../dist/lib/btf/index.js";
import { requireTool } from "../arguments.mjs";

const RUNNING_KERNEL = "/sys/kernel/btf/vmlinux";
const MAX_UNPACKED = 2 ** 31;

/** The bytes of a file. */
export function readPacked(file) {
  if (!file.endsWith(".xz")) return readFileSync(file);
  requireTool("xz", "xz-utils");
  const { status, stdout, stderr } = spawnSync("xz", ["-dc", "--", file], { maxBuffer: MAX_UNPACKED });
  if (status !== 0) throw new Error(`xz cannot read ${file}: ${stderr}`);
  return stdout;
}

/** The values of a file of JSON lines. */
export function readJsonLines(file) {
  return readPacked(file)
    .toString("utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line));
}

/** BTFs of programs by their ids, each decoded when it is first asked for. */
export function readBtfs(file) {
  const packed = new Map(readJsonLines(file).map(({ id, data }) => [id, data]));
  const decoded = new Map();
  return {
    get(id) {
      if (!decoded.has(id) && packed.has(id)) {
        decoded.set(id, decodeBtf(Uint8Array.from(Buffer.from(packed.get(id), "base64")), `BTF ${id}`));
      }
      return decoded.get(id);
    },
  };
}

/** The kernel's types: of the file that is named, else of `vmlinux.btf.xz` beside the records, else of the running kernel. */
export function readKernelBtf(named, records) {
  const beside = join(dirname(records), "vmlinux.btf.xz");
  const file = named ?? [beside, RUNNING_KERNEL].find((candidate) => existsSync(candidate)) ?? null;
  return file === null ? null : decodeBtf(Uint8Array.from(readPacked(file)), file);
}
