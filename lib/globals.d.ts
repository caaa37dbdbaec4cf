// What lib may use of its host beyond ES2023: things that every browser and Node have alike.
// Declared here, so that neither `dom` nor `node:` types come in.
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean });
  decode(input?: Uint8Array): string;
}
declare class TextEncoder {
  encode(input?: string): Uint8Array;
}
