import { describe, expect, it } from 'vitest';
import { firstRung, isMismatch, judge, profileOptions, tlsRefusal } from '../../../../src/delivery/starttls.ts';
import type { TlsPolicy } from '../../../../src/mail/route.ts';

const policy = (mode: TlsPolicy['mode'], more: Partial<TlsPolicy> = {}): TlsPolicy => ({
  mode,
  profile: 'intermediate',
  ...more,
});
const mismatch = {
  kind: 'failed',
  code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
  message: 'tlsv1 alert protocol version',
} as const;
const broken = { kind: 'failed', code: 'ECONNRESET', message: 'read ECONNRESET' } as const;

describe('the ladder (P5)', () => {
  it('begins with the profile, or in clear where the mode is none', () => {
    expect(firstRung(policy('opportunistic', { profile: 'modern' }))).toBe('modern');
    expect(firstRung(policy('none'))).toBe('clear');
  });

  it('goes from the profile to legacy where versions or ciphers do not meet, and from there to clear', () => {
    expect(judge(policy('opportunistic'), 'intermediate', mismatch)).toEqual({
      step: { offer: 'STARTTLS intermediate', result: 'handshake-failed', error: `${mismatch.code}: ${mismatch.message}` },
      next: 'legacy',
    });
    expect(judge(policy('opportunistic'), 'legacy', mismatch).next).toBe('clear');
    expect(judge(policy('opportunistic', { profile: 'legacy' }), 'legacy', mismatch).next).toBe('clear');
  });

  it('records what OpenSSL says without its addresses and files', () => {
    const code = 'ERR_SSL_WRONG_VERSION_NUMBER';
    const message =
      '40CD0C3F587F0000:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/openssl/openssl/ssl/record/methods/tlsany_meth.c:77:\n';
    expect(judge(policy('required'), 'intermediate', { kind: 'failed', code, message }).step.error).toBe(
      `${code}: wrong version number`,
    );
  });

  it('goes straight to clear where the handshake broke or took too long', () => {
    expect(judge(policy('opportunistic'), 'intermediate', broken).next).toBe('clear');
    const late = judge(policy('opportunistic'), 'intermediate', {
      kind: 'failed',
      code: 'ETIMEDOUT',
      message: 'no answer in time',
    });
    expect(late).toMatchObject({ step: { result: 'timed-out' }, next: 'clear' });
  });

  it('ends with the profile in required and verified', () => {
    for (const mode of ['required', 'verified'] as const) {
      for (const observed of [mismatch, broken, { kind: 'clear' }, { kind: 'clear', refusal: '454 no' }] as const) {
        expect(judge(policy(mode), 'intermediate', observed).next).toBe('stop');
      }
    }
  });

  it('C12: never reaches clear with a client certificate', () => {
    const own = policy('opportunistic', { certificate: 'relay.pem' });
    for (const rung of ['modern', 'intermediate', 'legacy', 'clear'] as const) {
      for (const observed of [mismatch, broken, { kind: 'clear' }, { kind: 'clear', refusal: '454 no' }] as const) {
        expect(['stop', 'legacy']).toContain(judge(own, rung, observed).next);
      }
    }
  });

  it('uses any certificate but in verified', () => {
    const secured = { kind: 'secured', verified: false, error: 'CERT_HAS_EXPIRED' } as const;
    expect(judge(policy('opportunistic'), 'intermediate', secured)).toMatchObject({ step: { result: 'encrypted' }, next: 'use' });
    expect(judge(policy('required'), 'intermediate', secured)).toMatchObject({ step: { result: 'encrypted' }, next: 'use' });
    expect(judge(policy('verified'), 'intermediate', secured)).toMatchObject({
      step: { error: 'CERT_HAS_EXPIRED' },
      next: 'stop',
    });
    expect(judge(policy('verified'), 'intermediate', { kind: 'secured', verified: true })).toMatchObject({
      step: { result: 'verified' },
      next: 'use',
    });
  });

  it('knows a mismatch by the codes of both spellings of OpenSSL', () => {
    for (const code of [
      'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
      'ERR_SSL_UNSUPPORTED_PROTOCOL',
      'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE',
      'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE',
      'ERR_SSL_DH_KEY_TOO_SMALL',
      'ERR_SSL_EE_KEY_TOO_SMALL',
      'ERR_SSL_LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED',
      'ERR_SSL_UNSAFE_LEGACY_RENEGOTIATION_DISABLED',
    ]) {
      expect([code, isMismatch(code)]).toEqual([code, true]);
    }
    for (const code of ['ECONNRESET', 'ETIMEDOUT', 'ECLOSED', 'ERR_SSL_WRONG_VERSION_NUMBER', 'CERT_HAS_EXPIRED', '']) {
      expect([code, isMismatch(code)]).toEqual([code, false]);
    }
  });

  it('says why nothing was sent', () => {
    expect(tlsRefusal('mx.test', { offer: 'STARTTLS modern', result: 'not-offered' })).toMatchObject({
      code: 451,
      enhanced: '4.7.4',
    });
    expect(tlsRefusal('mx.test', { offer: 'STARTTLS modern', result: 'refused', error: '454 no' }).text).toContain('454 no');
    expect(tlsRefusal('mx.test', { offer: 'STARTTLS modern', result: 'timed-out' })).toMatchObject({ enhanced: '4.7.5' });
  });

  it('has the floors of contract.md', () => {
    expect(profileOptions('modern')).toEqual({ minVersion: 'TLSv1.3' });
    expect(profileOptions('intermediate')).toEqual({ minVersion: 'TLSv1.2' });
    expect(profileOptions('legacy')).toMatchObject({ minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' });
  });
});
