/** A YAML document as a tree with offsets: all that the readers of objects see of YAML. Aliases are replaced by what they name. */

export type YamlNode = YamlScalar | YamlMap | YamlList;

export interface YamlScalar {
  readonly kind: "scalar";
  /** In the text, of the first character. */
  readonly offset: number;
  /** By the core schema of YAML 1.2. */
  readonly value: string | number | boolean | null;
  /** As it is written, without quotes. */
  readonly source: string;
  /** Written without quotes, on one line. */
  readonly plain: boolean;
}

export interface YamlMap {
  readonly kind: "map";
  readonly offset: number;
  readonly pairs: readonly YamlPair[];
}

export interface YamlPair {
  readonly key: YamlNode;
  readonly value: YamlNode;
}

export interface YamlList {
  readonly kind: "list";
  readonly offset: number;
  readonly items: readonly YamlNode[];
}

export interface YamlProblem {
  readonly message: string;
  readonly offset: number;
}

export interface YamlDocument {
  /** Null: the document is empty. */
  readonly root: YamlNode | null;
  /** What keeps it from being read at all. */
  readonly problems: readonly YamlProblem[];
}

/** Where lines start, found when it is first asked for. */
export class Lines {
  private readonly text: string;
  private found: number[] | null = null;

  constructor(text: string) {
    this.text = text;
  }

  /** From 1. */
  positionOf(offset: number): { readonly line: number; readonly column: number } {
    const starts = this.starts;
    let low = 0;
    let high = starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  }

  /** Without its end. */
  textOf(line: number): string {
    const start = this.starts[line - 1] ?? 0;
    const end = this.text.indexOf("\n", start);
    return this.text.slice(start, end === -1 ? undefined : end).replace(/\r$/, "");
  }

  private get starts(): readonly number[] {
    if (this.found === null) {
      this.found = [0];
      for (let at = this.text.indexOf("\n"); at !== -1; at = this.text.indexOf("\n", at + 1)) this.found.push(at + 1);
    }
    return this.found;
  }
}
