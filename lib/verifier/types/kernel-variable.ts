/**
 * Addresses of the kernel's functions and variables that programs load as constants (`__ksym`). A function's address can only
 * be compared, and read without a bound. Whether the kernel gives out a variable's address is in none of its types (it hangs
 * on CONFIG_KALLSYMS_ALL): what refers to one is not judged.
 */
import type { LoadImm64 } from "../../isa/index.ts";
import { unsupported } from "../env.ts";
import type { Env } from "../env.ts";
import { Rejection } from "../outcome.ts";
import { FLAG, pointer } from "../state/index.ts";
import type { Reg } from "../state/index.ts";
import { typeAt } from "./lookup.ts";

const FUNCTION: Reg = pointer("mem", FLAG.rdonly);

/** What a 64-bit immediate that names a type of the kernel stands for, checked for all of a program before the walk. */
export function checkVariables(env: Env): void {
  env.program.insns.forEach((insn, slot) => {
    if (insn?.kind === "load_imm64" && insn.pseudo === "btf_id") variableAt(env, insn, slot);
  });
}

/** The register that the load gives. Throws a Rejection for what is neither a function nor a variable. */
export function variableAt({ request: { kernel } }: Env, { imm }: LoadImm64, slot: number): Reg {
  if (kernel === null) unsupported("kernel variables without the kernel's types");
  if (imm >> 32n !== 0n) unsupported("variables of kernel modules");
  const id = Number(BigInt.asUintN(32, imm));
  const type = typeAt(kernel, id);
  switch (type.kind) {
    case "func":
      return FUNCTION;
    case "var":
      return unsupported("kernel variables");
    default:
      throw new Rejection("kernel_symbol", slot, {
        what: `type ${id} of the kernel is neither a function nor a variable`,
      });
  }
}
