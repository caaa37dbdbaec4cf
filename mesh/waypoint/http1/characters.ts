/**
 * Which bytes may stand where (RFC 9110 section 5.6.2, RFC 3986), as a table of bits by byte: one load decides.
 * Bytes are compared as numbers; nothing here makes strings.
 */

/** `tchar`: methods, field names, connection options. */
export const TOKEN = 1;
/** What a request target may have: visible ASCII without `"`, `#`, `<`, `>` and `\`. */
export const TARGET = 2;
/** What a chunk extension and a quoted text may have: visible, space, tab; not obs-text. */
export const TEXT = 4;
/** What a method has: capitals and `-`. */
export const METHOD = 8;
/** A host, and its port: reg-name, IPv4, and IPv6 in brackets, without percent and sub-delims. */
export const HOST = 16;
export const DIGIT = 32;
/** Never in a head, but for CR and LF at the end of a line: controls other than tab. */
export const CONTROL = 64;
/** A field value: visible, space, tab, obs-text. */
export const VALUE = 128;

export const TAB = 9;
export const LF = 10;
export const CR = 13;
export const SPACE = 32;
export const COLON = 58;
export const SLASH = 47;
export const SEMICOLON = 59;

/** The bits of each byte. */
export const CLASSES: Uint8Array = makeClasses();

function makeClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  const isLetter = (byte: number): boolean => (byte | 32) >= 97 && (byte | 32) <= 122;
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte);
    const visible = byte > 32 && byte < 127;
    const digit = char >= "0" && char <= "9";
    const letter = isLetter(byte);
    let bits = 0;
    if (digit || letter || (visible && "!#$%&'*+-.^_`|~".includes(char))) bits |= TOKEN;
    if (visible && !'"#<>\\'.includes(char)) bits |= TARGET;
    if (visible || byte === SPACE || byte === TAB) bits |= TEXT;
    if ((letter && byte < 97) || char === "-") bits |= METHOD;
    if (digit || letter || (visible && "-._~:[]".includes(char))) bits |= HOST;
    if (digit) bits |= DIGIT;
    if ((byte < 32 && byte !== TAB) || byte === 127) bits |= CONTROL;
    if (visible || byte === SPACE || byte === TAB || byte > 127) bits |= VALUE;
    classes[byte] = bits;
  }
  return classes;
}

/** Whether bytes `from` to `to` are `lower` (given in lower case), whatever their case. */
export function equalsIgnoringCase(bytes: Buffer, from: number, to: number, lower: string): boolean {
  if (to - from !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const byte = bytes[from + i] as number;
    const folded = byte >= 65 && byte <= 90 ? byte | 32 : byte;
    if (folded !== lower.charCodeAt(i)) return false;
  }
  return true;
}
