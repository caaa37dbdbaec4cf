/** Bytes on their way out: neighbouring ones are written at once, so that a head and its body are one write. */
export class Run {
  private readonly write: (bytes: Buffer, from: number, to: number) => void;
  private bytes: Buffer | null = null;
  private from = 0;
  private to = 0;

  constructor(write: (bytes: Buffer, from: number, to: number) => void) {
    this.write = write;
  }

  add(bytes: Buffer, from: number, to: number): void {
    if (this.bytes === bytes && this.to === from) {
      this.to = to;
      return;
    }
    this.flush();
    this.bytes = bytes;
    this.from = from;
    this.to = to;
  }

  flush(): void {
    const { bytes, from, to } = this;
    this.clear();
    if (bytes !== null && to > from) this.write(bytes, from, to);
  }

  clear(): void {
    this.bytes = null;
    this.from = this.to = 0;
  }
}
