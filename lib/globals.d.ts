// What lib may use of its host beyond ES2023: things that every browser and Node have alike.
// Declared here, so that neither `dom` nor `node:` types come in.
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean });
  decode(input?: Uint8Array): string;
}
declare class TextEncoder {
  encode(input?: string): Uint8Array;
}

// The part of the WebAssembly JavaScript interface that build-time evaluation and the virtual machine use; @types/node 20
// does not declare it.
declare namespace WebAssembly {
  type ImportValue = ((...args: never[]) => unknown) | Memory | Global | Table;
  type Imports = Record<string, Record<string, ImportValue>>;
  /** Sizes in pages of 64 KiB. Growing a shared memory leaves earlier views of its bytes valid. */
  class Memory {
    constructor(descriptor: { initial: number; maximum?: number; shared?: boolean });
    readonly buffer: ArrayBufferLike;
    /** Throws RangeError when there is no room. */
    grow(pages: number): number;
  }
  /** The constructor throws CompileError. */
  class Module {
    constructor(bytes: Uint8Array);
  }
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Record<string, unknown>;
  }
  class Global {
    constructor(descriptor: { value: "i32" | "i64"; mutable?: boolean }, value: number | bigint);
    value: unknown;
  }
  class Table {
    constructor(descriptor: { element: "anyfunc"; initial: number; maximum?: number });
    readonly length: number;
    get(index: number): unknown;
    set(index: number, value: unknown): void;
    grow(by: number): number;
  }
}
