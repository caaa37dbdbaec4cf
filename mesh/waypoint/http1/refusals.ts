/**
 * What the parser refuses, as data: each shape that two HTTP implementations might read differently has a name, the status
 * that a client gets for it, and the words of the log. Whatever is refused ends the connection, since the parser does not
 * claim to know where the next message would begin.
 *
 * Sections are of RFC 9112 unless another document is named.
 */

// prettier-ignore
export const REFUSALS = {
  // Not HTTP/1.1 at all.
  tls:              { status: null, says: "TLS where cleartext HTTP is expected: a port with HTTP rules cannot be encrypted end to end" },
  http2:            { status: null, says: "an HTTP/2 preface: HTTP rules are enforced on HTTP/1.1 only" },
  notHttp:          { status: 400,  says: "the first byte begins no HTTP request" },
  // Bytes and lines (2.2, 5.2).
  bareLf:           { status: 400,  says: "a line ends in LF without CR" },
  bareCr:           { status: 400,  says: "a CR without LF" },
  control:          { status: 400,  says: "a control character" },
  emptyLine:        { status: 400,  says: "an empty line before the request line" },
  obsFold:          { status: 400,  says: "a folded header field (a line that begins with white space)" },
  headTooLong:      { status: 431,  says: "the head is longer than the limit" },
  tooManyFields:    { status: 431,  says: "more header fields than the limit" },
  // Request line (3).
  method:           { status: 400,  says: "the method is not in capital letters, or too long" },
  target:           { status: 400,  says: "the request target has a character that no URI has" },
  targetForm:       { status: 400,  says: "the request target is neither a path, nor http://..., nor OPTIONS *" },
  targetTooLong:    { status: 414,  says: "the request target is longer than the limit" },
  dotSegment:       { status: 400,  says: "the path has a . or .. segment, which the server would resolve after it was matched" },
  http09:           { status: 400,  says: "no version: HTTP/0.9" },
  version:          { status: 505,  says: "the version is neither HTTP/1.1 nor HTTP/1.0" },
  connect:          { status: 501,  says: "CONNECT: there is no tunnel through HTTP rules" },
  // Header fields (5).
  fieldName:        { status: 400,  says: "a field name is empty, or not a token followed by a colon" },
  hostMissing:      { status: 400,  says: "no Host field" },
  hostTwice:        { status: 400,  says: "more than one Host field" },
  host:             { status: 400,  says: "the Host field is no host with an optional port" },
  hostMismatch:     { status: 400,  says: "Host is not the authority of the request target" },
  connection:       { status: 400,  says: "Connection is no list of tokens, or names a field that frames the message" },
  upgradeBody:      { status: 400,  says: "Upgrade on a request with a body" },
  traceBody:        { status: 400,  says: "TRACE with a body" },
  // Framing (6, 7).
  contentLength:    { status: 400,  says: "Content-Length is not one plain number" },
  contentLengthTwice: { status: 400, says: "more than one Content-Length field" },
  bothLengths:      { status: 400,  says: "Content-Length together with Transfer-Encoding" },
  transferEncoding: { status: 501,  says: "Transfer-Encoding is not exactly chunked" },
  transferEncodingTwice: { status: 400, says: "more than one Transfer-Encoding field" },
  encodingIn10:     { status: 400,  says: "Transfer-Encoding in HTTP/1.0" },
  aliasedField:     { status: 400,  says: "a field that frames the message, spelled with an underscore" },
  chunkSize:        { status: 400,  says: "a chunk size is not a plain hexadecimal number, or too large" },
  chunkExtension:   { status: 400,  says: "a chunk extension has a character that it must not have, or is too long" },
  chunkEnd:         { status: 400,  says: "no CRLF at the end of a chunk" },
  trailer:          { status: 400,  says: "a trailer line is not a field, or too long" },
  trailerField:     { status: 400,  says: "a trailer field that only a head may have" },
  // Responses only.
  statusLine:       { status: 502,  says: "the status line is not HTTP/1.1's" },
  bodyNotAllowed:   { status: 502,  says: "a body where the status allows none" },
  unasked:          { status: 502,  says: "bytes from the server that no request asked for" },
  switched:         { status: 502,  says: "101 without an Upgrade that asked for it" },
  tooManyInterim:   { status: 502,  says: "more interim responses than the limit" },
  truncated:        { status: 400,  says: "the connection ended inside of a message" },
} as const satisfies Record<string, { readonly status: number | null; readonly says: string }>;

export type Refusal = keyof typeof REFUSALS;

/** How much a message may have of anything. */
export interface HttpLimits {
  /** Bytes of a whole head. */
  readonly head: number;
  /** Bytes of the request target. */
  readonly target: number;
  /** Header fields of a head. */
  readonly fields: number;
  /** Bytes of the extensions of one chunk. */
  readonly chunkExtension: number;
  /** Bytes of all trailer fields of a message. */
  readonly trailers: number;
  /** 1xx responses to one request. */
  readonly interim: number;
}

export const HTTP_LIMITS: HttpLimits = {
  head: 131_072,
  target: 65_536,
  fields: 128,
  chunkExtension: 256,
  trailers: 8192,
  interim: 32,
};
