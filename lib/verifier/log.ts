/** Where the walk writes what it does, at the kernel's log levels: 0 nothing, 1 the path that fails, 2 everything. */
export interface WalkLog {
  readonly level: 0 | 1 | 2;
  /** One line. Called only where `level` wants it: making the text costs more than walking. */
  line(text: string): void;
}

export const SILENT: WalkLog = { level: 0, line() {} };
