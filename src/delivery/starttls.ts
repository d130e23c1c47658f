/**
 * The ladder of design.md P5: what is offered first, what after a failure, and when clear is allowed. Pure; the
 * connections are made in session.ts.
 */
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import { reply, type SmtpReply } from '../mail/reply.ts';
import type { TlsPolicy, TlsProfile } from '../mail/route.ts';
import type { LadderStep } from '../mail/tls.ts';
import { plainError } from '../platform/plain-error.ts';

/** What one connection offers. */
export type Rung = TlsProfile | 'clear';

/** What came of it, as the connection saw it. */
export type Observed =
  | { readonly kind: 'secured'; readonly verified: boolean; readonly error?: string }
  /** The session can be used, in clear. `refusal` is the answer to STARTTLS; absent where it was not offered. */
  | { readonly kind: 'clear'; readonly refusal?: string }
  /** The connection is gone. `refusal` where STARTTLS was answered with 421. */
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly refusal?: string };

export interface Verdict {
  readonly step: LadderStep;
  /** `use` this session, or offer another rung on a fresh connection, or nothing more (`stop`). */
  readonly next: 'use' | 'stop' | Rung;
}

/** The first offer to a host of which nothing is known. */
export function firstRung(policy: TlsPolicy): Rung {
  return policy.mode === 'none' ? 'clear' : policy.profile;
}

/** C12: who shows a certificate is known by it; without it the mail would be another's. */
function mayGoInClear(policy: TlsPolicy): boolean {
  return policy.mode === 'none' || (policy.mode === 'opportunistic' && policy.certificate === undefined);
}

export function judge(policy: TlsPolicy, rung: Rung, observed: Observed): Verdict {
  const offer = rung === 'clear' ? 'clear' : `STARTTLS ${rung}`;
  switch (observed.kind) {
    case 'secured': {
      const untrusted = policy.mode === 'verified' && !observed.verified;
      const error = observed.error ?? 'not verified';
      if (untrusted) return { step: { offer, result: 'handshake-failed', error }, next: 'stop' };
      return { step: { offer, result: observed.verified ? 'verified' : 'encrypted' }, next: 'use' };
    }
    case 'clear': {
      const next = mayGoInClear(policy) ? 'use' : 'stop';
      if (rung === 'clear')
        return { step: { offer, result: policy.mode === 'none' ? 'not-tried' : 'plain-after-failure' }, next };
      if (observed.refusal === undefined) return { step: { offer, result: 'not-offered' }, next };
      return { step: { offer, result: 'refused', error: observed.refusal }, next };
    }
    case 'failed': {
      const { refusal } = observed;
      if (refusal !== undefined) return { step: { offer, result: 'refused', error: refusal }, next: rungAfter(policy, rung, '') };
      const result = observed.code === 'ETIMEDOUT' ? 'timed-out' : 'handshake-failed';
      const error =
        observed.code === 'ETIMEDOUT' ? observed.message : plainError(`${observed.code}: ${observed.message}`).slice(0, 300);
      return { step: { offer, result, error }, next: rungAfter(policy, rung, observed.code) };
    }
  }
}

/** RFC 7435: old TLS is better than none, and none is better than no mail; `required` and `verified` offer their profile only. */
function rungAfter(policy: TlsPolicy, rung: Rung, code: string): Rung | 'stop' {
  if (policy.mode !== 'opportunistic') return 'stop';
  if (rung !== 'legacy' && rung !== 'clear' && isMismatch(code)) return 'legacy';
  return rung !== 'clear' && mayGoInClear(policy) ? 'clear' : 'stop';
}

// OpenSSL 3 through Node, both spellings of its alerts: our floor or ciphers and the peer's do not meet.
const MISMATCH =
  /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|UNKNOWN_PROTOCOL|HANDSHAKE_FAILURE|INSUFFICIENT_SECURITY|NO_SHARED_CIPHER|NO_CIPHERS|WRONG_CIPHER|UNKNOWN_CIPHER|(?:DH|EE|CA)_KEY_TOO_SMALL|MD_TOO_WEAK|BAD_DH|DH_VALUE|LEGACY_SIGALG|WRONG_SIGNATURE_TYPE|UNSAFE_LEGACY_RENEGOTIATION|BAD_ECPOINT|WRONG_CURVE/;

/** Whether a handshake failed because the two sides' versions, ciphers or strengths do not meet. */
export function isMismatch(code: string): boolean {
  return MISMATCH.test(code);
}

/** Why nothing may be sent, in the words of RFC 3463 §3.8 (4.7.4 security features not supported, 4.7.5 cryptographic failure). */
export function tlsRefusal(host: string, step: LadderStep): SmtpReply {
  if (step.result === 'not-offered') return reply(451, '4.7.4', `TLS is required, but ${host} does not offer STARTTLS`);
  if (step.result === 'refused') return reply(451, '4.7.4', `TLS is required, but ${host} refused STARTTLS: ${step.error ?? ''}`);
  return reply(451, '4.7.5', `TLS with ${host} failed (${step.offer}): ${step.error ?? step.result}`);
}

/** Versions and ciphers of a profile (contract.md, "TLS modes"). */
export function profileOptions(profile: TlsProfile): SecureContextOptions {
  switch (profile) {
    case 'modern':
      return { minVersion: 'TLSv1.3' };
    case 'intermediate':
      return { minVersion: 'TLSv1.2' };
    case 'legacy':
      return {
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT:@SECLEVEL=0',
        // Windows Server 2003 knows no RFC 5746; OpenSSL 3 refuses such peers by default
        secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
      };
  }
}
