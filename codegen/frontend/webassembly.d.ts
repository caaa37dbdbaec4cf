// The part of the WebAssembly JavaScript interface that build-time evaluation uses; @types/node 20 does not declare it.
declare namespace WebAssembly {
  type ImportValue = ((...args: never[]) => unknown) | Memory | Global;
  type Imports = Record<string, Record<string, ImportValue>>;
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Record<string, unknown>;
  }
  class Memory {
    readonly buffer: ArrayBuffer;
  }
  class Global {
    value: unknown;
  }
}
