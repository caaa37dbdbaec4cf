/**
 * Binaryen's optimiser, for engines that optimise WebAssembly less than it does. It takes longer than everything else
 * together (tens of milliseconds for a program), so nobody gets it without asking, and it is loaded only then.
 */
/** Rewrites a module into one that does the same faster. */
export interface Optimizer {
  optimize(module: Uint8Array): Uint8Array;
}

/** By name: all features together make binaryen write import encodings that Node 20 refuses. */
const FEATURES = [
  "Atomics",
  "BulkMemory",
  "MutableGlobals",
  "SignExt",
  "SIMD128",
  "Multivalue",
  "ReferenceTypes",
] as const;
/** -O3. */
const LEVEL = { optimize: 3, shrink: 0 };

/** Rejects when binaryen is not installed; it comes with assemblyscript. */
export async function loadOptimizer(): Promise<Optimizer> {
  const { default: binaryen } = await import("binaryen");
  const features = FEATURES.reduce((sum, name) => sum | binaryen.Features[name], 0);
  const optimize = (bytes: Uint8Array): Uint8Array => {
    const module = binaryen.readBinary(bytes);
    try {
      module.setFeatures(features);
      binaryen.setOptimizeLevel(LEVEL.optimize);
      binaryen.setShrinkLevel(LEVEL.shrink);
      module.optimize();
      return module.emitBinary();
    } finally {
      module.dispose();
    }
  };
  return { optimize };
}
