/** One message as it comes in behind DATA, up to the one 250 that makes it ours (RFC 5321 §6.1, design.md P1). */
import { isAscii } from 'node:buffer';
import { BodyDigest } from '../mail/body-digest.ts';
import { reply, type SmtpReply } from '../mail/reply.ts';
import type { NewMessage, SpoolId } from '../mail/spooled.ts';
import { HeaderScan, type HeaderScanSettings } from './header-scan.ts';
import { originalClient } from './original-client.ts';
import { claimsOf } from './own-domains.ts';
import type { NetworkSet } from './peers.ts';
import type { BodyDraft } from './ports.ts';
import { receiveRecords, type SessionFacts } from './records.ts';
import type { Transaction } from './transaction.ts';
import { DataWalk, LINE_LIMIT, LineEndMender } from './wire.ts';

/** G8: this many fields of ours, or this many in all, and the message goes round in circles. */
const OWN_HOPS_LIMIT = 2;
const HOPS_LIMIT = 30;

const END_OF_DATA = '.\r\n';

export const TOO_BIG = reply(552, '5.3.4', 'Message exceeds the maximum size');
const BARE_LINE_END = reply(550, '5.6.11', 'Message holds a bare CR or LF (RFC 5321 2.3.8)');
const NUL = reply(550, '5.6.11', 'Message holds a NUL octet');
const LOOP = reply(554, '5.4.6', 'Mail loop: the message has passed here before');
const TOO_MANY_HOPS = reply(554, '5.4.6', 'Mail loop: too many Received fields');
export const NOT_STORED = reply(451, '4.3.0', 'Message could not be stored, try again later');

export interface MessageSettings extends HeaderScanSettings {
  readonly bareLineEnds: 'reject' | 'normalise';
}

export class IncomingMessage {
  readonly id: SpoolId;
  /** Octets that came so far, also those of a message that is dropped. */
  arrived = 0;
  /** Set while the draft asks to wait. Resolves also when writing failed: `refusal` tells of it. */
  pending: Promise<void> | undefined;
  private readonly draft: BodyDraft;
  private readonly settings: MessageSettings;
  private readonly walk = new DataWalk();
  private readonly scan: HeaderScan;
  private readonly digest = new BodyDigest();
  private readonly mender: LineEndMender | undefined;
  private readonly traceSize: number;
  /** Octets that the message may have as it came. */
  private readonly limit: number;
  /** Octets handed to the draft, dot-stuffed, our field included. */
  private written = 0;
  private ascii = true;
  private dropped = false;
  private storeFailed = false;
  /** Networks of the filters that it came by, where its client is looked for behind them. */
  private gateways: NetworkSet | undefined;

  /** `trace` is our Received field; `limit` the largest message that any of the recipients' ways takes (C14). */
  constructor(id: SpoolId, draft: BodyDraft, settings: MessageSettings, trace: string, limit: number) {
    this.id = id;
    this.draft = draft;
    this.settings = settings;
    this.scan = new HeaderScan(settings);
    this.mender = settings.bareLineEnds === 'normalise' ? new LineEndMender() : undefined;
    const field = Buffer.from(trace, 'latin1');
    this.traceSize = field.length;
    this.limit = limit;
    this.pending = this.append(field);
  }

  /** Octets of the message, dots unstuffed, our field included. */
  get size(): number {
    return this.written - this.walk.stuffedDots - (this.mender?.addedDots ?? 0);
  }

  /** Octets of the message as it came, also of one that was dropped; right once its end has come. */
  get arrivedSize(): number {
    return this.arrived - END_OF_DATA.length - this.walk.stuffedDots;
  }

  /** Takes what came. Answers where the octets behind the final dot begin, or -1 while the message goes on. */
  take(chunk: Buffer, from: number): number {
    const { walk } = this;
    const bareBefore = walk.bareLineEnds;
    const stuffedBefore = walk.stuffedDots;
    const behind = walk.take(chunk, from);
    this.arrived += (behind < 0 ? chunk.length : behind) - from;
    if (this.dropped) return behind;
    const stuffed = walk.stuffedDots > stuffedBefore;
    if (walk.held !== undefined) this.body(walk.held, true, stuffed);
    if (walk.bodyEnd > from) {
      const whole = from === 0 && walk.bodyEnd === chunk.length;
      this.body(whole ? chunk : chunk.subarray(from, walk.bodyEnd), walk.bareLineEnds > bareBefore, stuffed);
    }
    if (this.size - this.traceSize > this.limit || this.unacceptable() !== undefined) this.drop();
    return behind;
  }

  private body(octets: Buffer, bare: boolean, stuffed: boolean): void {
    if (!this.scan.done) this.scan.take(octets);
    if (this.ascii && !isAscii(octets)) this.ascii = false;
    const mended = this.mender === undefined ? octets : this.mender.take(octets, bare);
    if (mended.length === 0) return;
    this.digest.take(mended, stuffed || mended !== octets);
    const wait = this.append(mended);
    if (wait !== undefined) this.pending = wait;
  }

  private append(octets: Buffer): Promise<void> | undefined {
    this.written += octets.length;
    let wait: Promise<void> | undefined;
    try {
      wait = this.draft.write(octets);
    } catch {
      this.giveUpStoring();
    }
    return wait?.catch(() => this.giveUpStoring());
  }

  /** The message will not be taken: what comes of it yet is read and forgotten. */
  drop(): void {
    if (this.dropped) return;
    this.dropped = true;
    this.draft.discard();
  }

  /** The body could not be written in time. */
  giveUpStoring(): void {
    this.storeFailed = true;
    this.drop();
  }

  private unacceptable(): SmtpReply | undefined {
    if (this.walk.nuls > 0) return NUL;
    if (this.walk.bareLineEnds > 0 && this.mender === undefined) return BARE_LINE_END;
    return undefined;
  }

  /** Why the whole message is refused, or `undefined`. No DNS, no look-up: all is known by now (P1). */
  refusal(): SmtpReply | undefined {
    this.scan.end();
    if (this.storeFailed) return NOT_STORED;
    const unacceptable = this.unacceptable();
    if (unacceptable !== undefined) return unacceptable;
    if (this.dropped) return TOO_BIG;
    if (this.scan.ownHops >= OWN_HOPS_LIMIT) return LOOP;
    if (this.scan.received >= HOPS_LIMIT) return TOO_MANY_HOPS;
    return undefined;
  }

  /** The message comes from a filter, whose Received fields tell the client behind it. */
  lookBehind(gateways: NetworkSet): void {
    this.gateways = gateways;
    this.scan.hops = [];
  }

  get messageId(): string | undefined {
    return this.scan.messageId;
  }

  /**
   * Hands the message to the spool. When it resolves, body, envelope and records are on disk: a crash before leaves the
   * sender to try again, a crash after leaves the message with us. It rejects where they are not.
   */
  commit(transaction: Transaction, session: SessionFacts, now: number): Promise<SmtpReply> {
    const { walk, scan } = this;
    const { client } = session;
    // C1: mail of our own servers, and of our own tenant, may claim our domains and write their fields
    const isOurs = client.peer === 'on-premises' || (client.peer === 'cloud' && scan.tenantProof);
    const removedFields = isOurs || scan.reserved.size === 0 ? undefined : [...scan.reserved];
    const claims = isOurs ? undefined : claimsOf(this.settings.watched, transaction.sender, scan);
    const behind = this.gateways === undefined ? undefined : originalClient(scan.hops ?? [], this.gateways);
    const message: NewMessage = {
      id: this.id,
      receivedAt: now,
      envelope: {
        sender: transaction.sender,
        recipients: transaction.admitted.map((one) => one.recipient),
        ...(transaction.ret === undefined ? undefined : { ret: transaction.ret }),
        ...(transaction.envid === undefined ? undefined : { envid: transaction.envid }),
        // Counted, not believed: many declare BODY=8BITMIME whatever they send, and a hop without it takes what has none
        eightBit: !this.ascii,
        smtputf8: false,
      },
      origin: {
        peer: client.peer,
        address: client.address,
        ...(client.helo === undefined ? undefined : { name: client.helo }),
        sessionId: session.sessionId,
        ...(behind === undefined ? undefined : { originalAddress: behind }),
        ownHops: scan.ownHops,
        tenantProof: scan.tenantProof,
        ...(claims !== undefined && { claims }),
      },
      ...(scan.messageId === undefined ? undefined : { messageId: scan.messageId }),
      size: this.size,
      bodySha256: this.digest.hex(),
      ...(removedFields !== undefined && { removedFields }),
    };
    const accepted = reply(250, '2.0.0', `Queued as ${this.id}`);
    const records = receiveRecords(session, message, transaction.admitted, accepted, {
      ...(walk.longestLine > LINE_LIMIT ? { longestLine: walk.longestLine } : undefined),
      ...(scan.claims.length > 0 ? { received: scan.claims } : undefined),
      ...(walk.bareLineEnds > 0 ? { note: `${walk.bareLineEnds} bare line ends normalised` } : undefined),
    });
    return this.draft.commit(message, records).then(() => accepted);
  }
}
