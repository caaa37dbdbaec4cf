/** What the tests use of elfy, an ELF reader that shares no code with ours. */
declare module "elfy" {
  interface Section {
    readonly name: string;
    readonly type: string;
    readonly size: number;
    readonly data: Uint8Array;
    readonly link: number;
    readonly info: number;
  }
  export function parse(bytes: Uint8Array): {
    readonly class: string;
    readonly endian: string;
    readonly type: string;
    readonly machine: string | number;
    readonly body: { readonly sections: readonly Section[] };
  };
}
