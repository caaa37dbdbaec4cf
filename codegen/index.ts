/** The compiler: TypeScript in, ObjectSpec or diagnostics out. */
export { compileFile, compileSources } from "./compile.ts";
export type { CompileOptions, CompileResult, Cpu } from "./compile.ts";
export { COMPILER_DIAGNOSTICS } from "./diagnostics.ts";
export type { CompilerCode } from "./diagnostics.ts";
export type { ReadSource } from "./frontend/index.ts";
