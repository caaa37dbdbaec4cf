/**
 * One client connection that speaks HTTP/1.1, as a machine: bytes of both sides in, bytes for both sides out, no sockets.
 *
 * One request is under way at a time. Its head is judged when it is whole; an allowed one is forwarded as the bytes it came
 * as, a denied one is answered here and its body thrown away. Bytes of the next request wait until the response is complete,
 * so answers come in order, a server never sees a request before it was judged, and both sides always agree on which response
 * belongs to which request. What cannot be framed with certainty ends the connection.
 *
 *   client   Head -> Body -> Waiting -> Head ...      (denied: Head -> Discard -> Head)
 *   server   Quiet -> Head -> Body -> Quiet ...       (1xx: stays in Head)
 *   after 101 both are Opaque; Ended takes bytes and drops them
 */
// prettier-ignore
import type { AccessRecord, ConnectionPolicy, Conversation, Failure, Judgement, Origin, Protocol, Wires } from "../types.ts";
import { HeldBytes } from "../held.ts";
import { answer } from "./answers.ts";
import { BodyReader } from "./body.ts";
import { RequestHead, ResponseHead } from "./head.ts";
import { REFUSALS } from "./refusals.ts";
import type { HttpLimits, Refusal } from "./refusals.ts";
import { rewriteClosing, rewriteRequest } from "./rewrite.ts";
import { Run } from "./run.ts";
import { HeadScanner } from "./scan.ts";

type ClientPhase = "Head" | "Body" | "Discard" | "Waiting" | "Opaque" | "Ended";
type ServerPhase = "Quiet" | "Head" | "Body" | "Opaque" | "Ended";

/** Bytes of a denied request's body that are read to keep the connection; a longer one ends it. */
const DISCARD_LIMIT = 65_536;

/** HTTP/1.1 in clear text. */
export class Http1 implements Protocol {
  readonly limits: HttpLimits;
  // Heads are filled anew for each message and not kept: all conversations share them.
  readonly request: RequestHead;
  readonly response: ResponseHead;

  constructor(limits: HttpLimits) {
    this.limits = limits;
    this.request = new RequestHead(limits);
    this.response = new ResponseHead(limits);
  }

  converse(origin: Origin, policy: ConnectionPolicy, wires: Wires): Conversation {
    return new Http1Conversation(this, origin, policy, wires);
  }
}

class Http1Conversation implements Conversation {
  private readonly protocol: Http1;
  private readonly origin: Origin;
  private readonly policy: ConnectionPolicy;
  private readonly wires: Wires;

  private client: ClientPhase = "Head";
  private server: ServerPhase = "Quiet";
  private readonly requestScanner = new HeadScanner();
  private readonly responseScanner = new HeadScanner();
  private readonly requestBody: BodyReader;
  private readonly responseBody: BodyReader;
  private readonly heldRequest = new HeldBytes();
  private readonly heldResponse = new HeldBytes();
  private readonly toServer: Run;
  private readonly toClient: Run;
  /** The client sends no more than what is held. */
  private clientDone = false;
  private holding = false;
  private draining = false;

  // The request under way. Plain members, so that a request costs no object but its record.
  private time = 0;
  private began = 0;
  private method = "";
  private path = "";
  private host = "";
  private rule = 0;
  private asksUpgrade = false;
  /** Either side said that the connection ends with this exchange. */
  private closes = false;
  /** It was forwarded, and its response is not complete. */
  private underWay = false;
  /** The response is complete, and what came with it has not been dealt with. */
  private completed = false;
  /** The response was complete before the request: the record is written when that is too. */
  private unrecorded = false;
  /** Of the final response; 0: none yet. */
  private status = 0;
  private interim = 0;
  private discarded = 0;
  private requestBytes = 0;
  private responseBytes = 0;
  /** Responses that this server connection has completed. */
  private served = 0;

  constructor(protocol: Http1, origin: Origin, policy: ConnectionPolicy, wires: Wires) {
    this.protocol = protocol;
    this.origin = origin;
    this.policy = policy;
    this.wires = wires;
    this.requestBody = new BodyReader(protocol.limits);
    this.responseBody = new BodyReader(protocol.limits);
    this.toServer = new Run((bytes, from, to) => wires.toServer(bytes, from, to));
    this.toClient = new Run((bytes, from, to) => wires.toClient(bytes, from, to));
  }

  get waitsFor(): "head" | "request" | "exchange" | "close" {
    if (this.client === "Head") return this.requestScanner.inside ? "head" : "request";
    return this.client === "Ended" ? "close" : "exchange";
  }

  // ---- from the client -------------------------------------------------------------------------------------------

  fromClient(bytes: Buffer, length: number): void {
    if (this.heldRequest.length > 0) {
      this.heldRequest.append(bytes, length);
      this.advanceHeld();
    } else {
      const used = this.advance(bytes, length);
      if (used < length) this.heldRequest.append(bytes.subarray(used, length), length - used);
    }
    this.holdWhileWaiting();
  }

  clientEnded(): void {
    this.clientDone = true;
    this.followClientEnd();
  }

  private advanceHeld(): void {
    const bytes = this.heldRequest.whole;
    this.heldRequest.drop(this.advance(bytes, bytes.length));
  }

  /** Takes bytes as far as they can be taken now; returns how many. */
  private advance(bytes: Buffer, to: number): number {
    let at = 0;
    while (at < to) {
      const next = this.take(bytes, at, to);
      if (next < 0) break;
      at = next;
    }
    this.toServer.flush();
    return at;
  }

  /** One step; the index after what was taken, or -1 when it has to wait. */
  private take(bytes: Buffer, at: number, to: number): number {
    switch (this.client) {
      case "Head":
        return this.takeHead(bytes, at, to);
      case "Body":
        return this.takeBody(bytes, at, to);
      case "Discard":
        return this.discard(bytes, at, to);
      case "Waiting":
        return -1;
      case "Opaque":
        this.toServer.add(bytes, at, to);
        return to;
      case "Ended":
        return to;
    }
  }

  private takeHead(bytes: Buffer, at: number, to: number): number {
    const end = this.requestScanner.scan(bytes, at, to, this.protocol.limits.head);
    if (end === -1) return -1;
    if (typeof end !== "number") return this.refuse(end, to);
    const head = this.protocol.request;
    const refusal = head.parse(bytes, at, end);
    if (refusal !== null) return this.refuse(refusal, to);
    this.beginRequest(head);
    const { judge } = this.policy;
    if (judge === null) return this.refusePolicyGone(to);
    const judgement = judge.judge(head);
    if (!judgement.allow) return this.deny(head, to);
    this.allow(head, judgement);
    return end;
  }

  private beginRequest(head: RequestHead): void {
    this.beginRecord();
    this.method = head.method;
    this.path = head.path;
    this.host = head.host;
    this.requestBytes = head.end - head.start;
    if (head.chunked) this.requestBody.startChunked();
    else this.requestBody.startLength(Math.max(head.contentLength, 0));
  }

  private allow(head: RequestHead, judgement: Judgement): void {
    this.rule = judgement.rule;
    this.asksUpgrade = head.upgrade && !head.h2c;
    this.closes = !head.persists;
    this.underWay = true;
    this.server = "Head";
    const changed = rewriteRequest(head, judgement.edits);
    if (changed === null) this.toServer.add(head.bytes, head.start, head.end);
    else this.toServer.add(changed, 0, changed.length);
    this.client = this.requestBody.done ? "Waiting" : "Body";
  }

  private deny(head: RequestHead, to: number): number {
    // A client that waits for 100 may or may not send its body after this: only the end of the connection is unambiguous.
    const unsure = head.expectsContinue && head.hasBody;
    const closes = !head.persists || unsure || this.draining || head.contentLength > DISCARD_LIMIT;
    this.reply(403, closes);
    this.write("denied", "denied");
    if (closes) return this.endBoth(to);
    this.discarded = 0;
    if (!this.requestBody.done) this.client = "Discard";
    return head.end;
  }

  private takeBody(bytes: Buffer, at: number, to: number): number {
    const next = this.requestBody.read(bytes, at, to);
    this.requestBytes += next - at;
    if (this.requestBody.refusal !== null) return this.breakOff(this.requestBody.refusal, to);
    this.toServer.add(bytes, at, next);
    if (this.requestBody.done) {
      this.client = "Waiting";
      // The response was early and is complete.
      if (!this.underWay) return this.finishEarly(next, to);
    }
    return next;
  }

  /** The exchange ends inside of `advance`, which goes on with the next request itself. */
  private finishEarly(next: number, to: number): number {
    this.toServer.flush();
    this.write("forwarded", null);
    if (this.closes || this.draining) return this.endBoth(to);
    this.client = "Head";
    return next;
  }

  private discard(bytes: Buffer, at: number, to: number): number {
    const next = this.requestBody.read(bytes, at, to);
    this.discarded += next - at;
    if (this.requestBody.refusal !== null || this.discarded > DISCARD_LIMIT) return this.endBoth(to);
    if (this.requestBody.done) this.client = "Head";
    return next;
  }

  /** A head that is not HTTP/1.1 as it has to be; nothing of it was forwarded. */
  private refuse(refusal: Refusal, to: number): number {
    this.beginRecord();
    const { status } = REFUSALS[refusal];
    if (status !== null) this.reply(status, true);
    this.write("refused", refusal);
    return this.endBoth(to);
  }

  private refusePolicyGone(to: number): number {
    this.write("denied", "policyGone");
    this.abort();
    return to;
  }

  /** A body that cannot be framed: the server must not take what it has got for the whole. */
  private breakOff(refusal: Refusal, to: number): number {
    this.toServer.clear();
    this.wires.abortServer();
    const answered = this.status !== 0;
    if (!answered) this.reply(REFUSALS[refusal].status ?? 400, true);
    this.write("refused", refusal);
    if (answered) this.abort();
    return this.endBoth(to);
  }

  private followClientEnd(): void {
    if (!this.clientDone) return;
    switch (this.client) {
      case "Head":
        if (this.requestScanner.inside) this.refuse("truncated", 0);
        else this.endBoth(0);
        return;
      case "Body":
        this.toServer.clear();
        this.write("refused", "truncated");
        this.abort();
        return;
      case "Discard":
        this.endBoth(0);
        return;
      case "Waiting":
        // Requests that are held come first.
        if (this.heldRequest.length === 0) this.wires.endServer();
        return;
      case "Opaque":
        this.wires.endServer();
        return;
      case "Ended":
    }
  }

  private holdWhileWaiting(): void {
    const hold = this.client === "Waiting" && this.heldRequest.length > 0;
    if (hold === this.holding) return;
    this.holding = hold;
    this.wires.holdClient(hold);
  }

  // ---- from the server -------------------------------------------------------------------------------------------

  fromServer(bytes: Buffer, length: number): void {
    if (this.heldResponse.length > 0) {
      const whole = this.heldResponse.append(bytes, length);
      this.heldResponse.drop(this.advanceResponse(whole, whole.length));
    } else {
      const used = this.advanceResponse(bytes, length);
      if (used < length) this.heldResponse.append(bytes.subarray(used, length), length - used);
    }
  }

  private advanceResponse(bytes: Buffer, to: number): number {
    let at = 0;
    while (at < to && !this.completed) {
      const next = this.takeResponse(bytes, at, to);
      if (next < 0) break;
      at = next;
    }
    this.toClient.flush();
    if (!this.completed) return at;
    this.completed = false;
    this.finishResponse();
    // Whatever else came along was sent before the next request was: it answers nothing.
    if (at < to) this.breakUnasked();
    else this.goOn();
    return to;
  }

  private takeResponse(bytes: Buffer, at: number, to: number): number {
    switch (this.server) {
      case "Quiet":
        this.breakUnasked();
        return to;
      case "Head":
        return this.takeResponseHead(bytes, at, to);
      case "Body": {
        const next = this.responseBody.read(bytes, at, to);
        if (this.responseBody.refusal !== null) return this.breakResponse(this.responseBody.refusal, to);
        this.passResponse(bytes, at, next);
        this.completed = this.responseBody.done;
        return next;
      }
      case "Opaque":
        this.toClient.add(bytes, at, to);
        return to;
      case "Ended":
        return to;
    }
  }

  private takeResponseHead(bytes: Buffer, at: number, to: number): number {
    const end = this.responseScanner.scan(bytes, at, to, this.protocol.limits.head);
    if (end === -1) return -1;
    if (typeof end !== "number") return this.breakResponse(end, to);
    const head = this.protocol.response;
    const refusal = head.parse(bytes, at, end) ?? this.checkInterim(head);
    if (refusal !== null) return this.breakResponse(refusal, to);
    if (head.status === 101) this.switchProtocols(bytes, at, end);
    else if (head.status < 200) this.passResponse(bytes, at, end);
    else this.beginResponse(head);
    return end;
  }

  private checkInterim(head: ResponseHead): Refusal | null {
    if (head.status === 101) return this.asksUpgrade ? null : "switched";
    return head.status < 200 && ++this.interim > this.protocol.limits.interim ? "tooManyInterim" : null;
  }

  private beginResponse(head: ResponseHead): void {
    this.status = head.status;
    if (this.method === "HEAD" || head.status === 204 || head.status === 304) this.responseBody.startNone();
    else if (head.chunked) this.responseBody.startChunked();
    else if (head.contentLength >= 0) this.responseBody.startLength(head.contentLength);
    else this.responseBody.startUntilClose();
    if (!head.persists || this.responseBody.untilClose) this.closes = true;
    if (this.draining && !this.closes) {
      const changed = rewriteClosing(head);
      this.passResponse(changed, 0, changed.length);
    } else {
      this.passResponse(head.bytes, head.start, head.end);
    }
    this.server = "Body";
    this.completed = this.responseBody.done;
  }

  /** From here on both sides speak something else, which no rule looks at. */
  private switchProtocols(bytes: Buffer, from: number, to: number): void {
    this.status = 101;
    this.passResponse(bytes, from, to);
    this.toClient.flush();
    this.write("forwarded", null);
    this.underWay = false;
    this.server = "Opaque";
    this.client = "Opaque";
    this.advanceHeld();
    this.holdWhileWaiting();
    this.followClientEnd();
  }

  private passResponse(bytes: Buffer, from: number, to: number): void {
    this.responseBytes += to - from;
    this.toClient.add(bytes, from, to);
  }

  private finishResponse(): void {
    this.server = "Quiet";
    this.underWay = false;
    this.served++;
    this.unrecorded = true;
    if (this.client !== "Body") this.write("forwarded", null);
  }

  /** The next request, unless the rest of this one is still to come. */
  private goOn(): void {
    if (this.client !== "Waiting") return;
    if (this.closes || this.draining) {
      this.endBoth(0);
      return;
    }
    this.client = "Head";
    if (this.heldRequest.length > 0) this.advanceHeld();
    this.holdWhileWaiting();
    this.followClientEnd();
  }

  /** A response that cannot be framed. */
  private breakResponse(refusal: Refusal, to: number): number {
    this.toClient.flush();
    const begun = this.status !== 0;
    if (!begun) this.reply(502, true);
    this.write("failed", refusal);
    this.wires.abortServer();
    if (begun) this.abort();
    else this.endBoth(0);
    return to;
  }

  private breakUnasked(): void {
    if (this.unrecorded) this.write("forwarded", null);
    this.failUnasked("unasked");
  }

  serverEnded(): void {
    if (this.server === "Opaque") {
      this.wires.endClient();
      return;
    }
    if (this.underWay && this.responseBody.untilClose && this.server === "Body") {
      this.finishResponse();
      this.endBoth(0);
      return;
    }
    this.loseServer("upstreamReset", 502);
  }

  serverFailed(connected: boolean): void {
    if (connected) this.loseServer("upstreamReset", 502);
    else this.loseServer("connectFailed", 503);
  }

  private loseServer(failure: Failure, status: number): void {
    if (this.server === "Ended") return;
    if (!this.underWay) {
      // Dialled before a request was read: to the client too there shall be no connection.
      if (failure === "connectFailed") this.failUnasked(failure);
      else this.endBoth(0);
      return;
    }
    // A connection that was kept may end just when the next request comes: the client sees what it would see without a
    // waypoint, a connection that ends, and tries again.
    const kept = this.served > 0 && !this.responseScanner.inside && this.interim === 0;
    const answers = this.status === 0 && !kept;
    if (answers) this.reply(status, true);
    this.write("failed", failure);
    if (answers) this.endBoth(0);
    else this.abort();
  }

  /** A failure of the connection that belongs to no request. */
  private failUnasked(failure: Failure): void {
    this.beginRecord();
    this.write("failed", failure);
    this.abort();
  }

  // ---- from outside ----------------------------------------------------------------------------------------------

  clientFailed(): void {
    if (this.underWay) this.write("failed", "clientReset");
    this.abort();
  }

  drain(): void {
    this.draining = true;
  }

  policyChanged(): void {
    if (this.policy.judge !== null) return;
    if (!this.underWay) this.beginRecord();
    this.write("denied", "policyGone");
    this.abort();
  }

  timedOut(kind: "headTimeout" | "idleTimeout"): void {
    if (this.client === "Ended") {
      this.abort();
      return;
    }
    if (kind === "headTimeout") {
      this.beginRecord();
      this.reply(408, true);
      this.write("refused", kind);
    } else if (this.underWay) {
      this.write("failed", kind);
      this.abort();
      return;
    }
    this.endBoth(0);
  }

  // ---- ends ------------------------------------------------------------------------------------------------------

  /** Nothing is taken from either side any more; what was written goes out. Returns its argument. */
  private endBoth(to: number): number {
    if (this.client !== "Ended") {
      this.toServer.flush();
      this.end();
      this.wires.endClient();
      this.wires.endServer();
    }
    return to;
  }

  private abort(): void {
    this.end();
    this.wires.abort();
  }

  private end(): void {
    if (this.unrecorded) this.write("forwarded", null);
    this.client = "Ended";
    this.server = "Ended";
    this.underWay = false;
    this.heldRequest.clear();
    this.heldResponse.clear();
  }

  // ---- answers and records ---------------------------------------------------------------------------------------

  /** An answer of the waypoint's own. */
  private reply(status: number, closes: boolean): void {
    const bytes = answer(status, closes, this.method === "HEAD");
    this.status = status;
    this.responseBytes += bytes.length;
    this.wires.toClient(bytes, 0, bytes.length);
  }

  private beginRecord(): void {
    this.time = Date.now();
    this.began = performance.now();
    this.method = "";
    this.path = "";
    this.host = "";
    this.rule = 0;
    this.status = 0;
    this.interim = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
  }

  private write(verdict: AccessRecord["verdict"], failure: Failure | null): void {
    this.unrecorded = false;
    const { time, origin, method, path, host, status, rule, requestBytes, responseBytes } = this;
    const duration = performance.now() - this.began;
    // prettier-ignore
    this.wires.record({ time, duration, origin, method, path, host, status, verdict, failure, rule, requestBytes, responseBytes });
  }
}
