/** What a pass of the optimiser is. Passes do not import each other; codegen/passes/index.ts orders them. */
import type { IrFunction, IrModule } from "./ir.ts";

/** Before `provenance` addresses are i32; after it pointers have type "ptr" and an origin. */
export type Stage = "scalar" | "pointers";

/** Works on one function. */
export interface FunctionPass {
  readonly name: string;
  /** True when it changed the function. */
  run(fn: IrFunction, context: PassContext): boolean;
}

export interface PassContext {
  readonly stage: Stage;
  /** For questions about callees; a function pass changes only its function. */
  readonly module: IrModule;
  /** Bytes of a map's keys and values, when known: what helpers read of a stack object. */
  readonly mapSizes?: ((map: string) => { readonly key: number; readonly value: number } | null) | undefined;
}

/** Works on all functions at once. */
export interface ModulePass {
  readonly name: string;
  runModule(module: IrModule): boolean;
}
