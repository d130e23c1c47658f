/**
 * Hands a probe to the relay as any client would, by SMTP at one of its own listeners, so that its reception, its rules for
 * clients and its TLS are part of what is proven.
 */
import { isIPv6 } from 'node:net';
import { SmtpConversation, type WireReply } from '../smtp-conversation.ts';
import type { ListenerAddress } from './ports.ts';

/** Milliseconds for each answer: the relay is on this machine. */
const PATIENCE = 15_000;

export interface Handover {
  readonly helo: string;
  readonly from: string;
  readonly to: string;
  readonly lines: readonly string[];
}

/** Taken, or the step that failed and what was said to it. */
export type HandedOver =
  | { readonly ok: true; readonly reply: string }
  | { readonly ok: false; readonly step: string; readonly reply: string };

/** Never rejects. */
export async function handOver(
  { address, port, tls }: ListenerAddress,
  { helo, from, to, lines }: Handover,
  signal: AbortSignal,
): Promise<HandedOver> {
  const connected = await SmtpConversation.connect({
    address: reachable(address),
    port,
    patience: PATIENCE,
    signal,
    now: () => performance.now(),
  });
  if ('lost' in connected) return { ok: false, step: `connecting to ${address}:${port}`, reply: connected.message };
  using c = connected;
  let refusal: { readonly ok: false; readonly step: string; readonly reply: string } | undefined;
  const step = async (
    what: string,
    work: Promise<WireReply | { readonly lost: string; readonly message: string }>,
    wanted: 2 | 3 = 2,
  ) => {
    const answer = await work;
    const isFine = !('lost' in answer) && Math.floor(answer.code / 100) === wanted;
    if (!isFine) refusal = { ok: false, step: what, reply: 'lost' in answer ? answer.message : answer.text };
    return isFine ? answer : undefined;
  };
  const secure = async (): Promise<boolean> => {
    const secured = await c.secure({}); // our own certificate, on this machine: nothing to verify
    if ('lost' in secured) refusal = { ok: false, step: 'TLS', reply: secured.message };
    return !('lost' in secured);
  };
  if (tls === 'implicit' && !(await secure())) return refusal ?? unknown;
  if ((await step('the greeting', c.reply())) === undefined) return refusal ?? unknown;
  const ehlo = await step('EHLO', c.command(`EHLO ${helo}`));
  if (ehlo?.lines.some((keyword) => /^STARTTLS\b/i.test(keyword)) === true) {
    if ((await step('STARTTLS', c.command('STARTTLS'))) === undefined || !(await secure())) return refusal ?? unknown;
    await step('EHLO', c.command(`EHLO ${helo}`));
  }
  if (refusal !== undefined) return refusal;
  if ((await step(`MAIL FROM:<${from}>`, c.command(`MAIL FROM:<${from}>`))) === undefined) return refusal ?? unknown;
  if ((await step(`RCPT TO:<${to}>`, c.command(`RCPT TO:<${to}>`))) === undefined) return refusal ?? unknown;
  if ((await step('DATA', c.command('DATA'), 3)) === undefined) return refusal ?? unknown;
  const taken = await step('the end of DATA', c.command(...lines, '.'));
  if (taken === undefined) return refusal ?? unknown;
  await c.quit();
  return { ok: true, reply: taken.text };
}

const unknown = { ok: false, step: 'the session', reply: 'cause unknown' } as const;

/** Where a listener on all addresses is reached from this machine. */
function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  return isIPv6(address) && /^[0:]+$/.test(address) ? '::1' : address;
}
