import { describe, expect, it } from 'vitest';
import {
  acceptHop,
  type Judgement,
  judgeHop,
  type LearnedHop,
  type SeenCertificate,
  type TlsSight,
} from '../../../src/delivery/learned-hop.ts';

const DAY = 86_400_000;
const START = Date.UTC(2026, 10, 1, 12);

const cert = (sha256: string, more: Partial<SeenCertificate> = {}): SeenCertificate => ({
  key: `key of ${sha256}`,
  sha256,
  subject: 'CN=mx.example.com',
  issuer: 'C=US, O=Let us Encrypt, CN=R10',
  names: ['mx.example.com'],
  validTo: '2027-01-01T00:00:00.000Z',
  verified: true,
  ...more,
});
const unverified = (sha256: string, more: Partial<SeenCertificate> = {}): SeenCertificate =>
  cert(sha256, { issuer: 'CN=mx.example.com', verified: false, error: 'DEPTH_ZERO_SELF_SIGNED_CERT', ...more });
const tls = (certificate: SeenCertificate, protocol = 'TLSv1.3'): TlsSight => ({ kind: 'encrypted', protocol, certificate });
const clear: TlsSight = { kind: 'clear', how: 'not-offered' };

/** Shows sights to a hop, one a day. */
function days(sights: readonly TlsSight[], from = 0, hop?: LearnedHop): Judgement {
  let judged: Judgement = { hop };
  sights.forEach((sight, day) => {
    judged = judgeHop({
      hop: judged.hop,
      sight,
      connector: 'home',
      host: 'mx.example.com:25',
      now: START + (from + day) * DAY,
      learnedDays: 3,
    });
  });
  return judged;
}
const learnedWith = (certificate: SeenCertificate, protocol?: string): LearnedHop => {
  const { hop } = days([1, 2, 3].map(() => tls(certificate, protocol)));
  if (hop === undefined) throw new Error('nothing learned');
  return hop;
};

describe('a next hop that had TLS for three days', () => {
  it('and goes in clear now is worse, since the first time, until TLS is back', () => {
    const hop = learnedWith(cert('a'));
    expect(hop.days).toBe(3);
    const first = days([clear], 4, hop);
    expect(first).toMatchObject({ news: 'worse', worse: { kind: 'clear', since: START + 4 * DAY } });
    const again = days([clear], 5, first.hop);
    expect(again.news).toBe(undefined);
    expect(again.worse).toMatchObject({ since: START + 4 * DAY, lastSeen: START + 5 * DAY, days: 2 });
    const back = days([tls(cert('a'))], 6, again.hop);
    expect(back.news).toBe('good again');
    expect(back.worse).toBe(undefined);
    expect(back.hop?.worse).toBe(undefined);
  });

  it('renews its certificate with the same key: no more than a note', () => {
    const judged = days([tls(unverified('b', { key: 'k' }))], 4, learnedWith(unverified('a', { key: 'k' })));
    expect(judged).toMatchObject({ news: 'renewed' });
    expect(judged.hop?.certificates.map(({ sha256 }) => sha256)).toEqual(['b']);
  });

  it('renews it with another key, trusted again and from the same authority: no more than a note', () => {
    const judged = days([tls(cert('b', { issuer: 'C=US, O=Let us Encrypt, CN=R11' }))], 4, learnedWith(cert('a')));
    expect(judged).toMatchObject({ news: 'renewed' });
    expect(judged.hop?.certificates).toHaveLength(1);
  });

  it('shows a self-signed certificate with another key: worse, whatever names stand in it', () => {
    const judged = days([tls(unverified('b'))], 4, learnedWith(unverified('a')));
    expect(judged).toMatchObject({ news: 'worse', worse: { kind: 'key' } });
    expect(judged.worse?.how).toContain('another key');
    expect(judged.hop?.certificates.map(({ sha256 }) => sha256)).toEqual(['a']);
  });

  it('shows a certificate that is not trusted any more: worse, also where it is the same one', () => {
    const hop = learnedWith(cert('a'));
    expect(days([tls(unverified('b'))], 4, hop).worse).toMatchObject({ kind: 'unverified' });
    const expired = days([tls(cert('a', { verified: false, error: 'CERT_HAS_EXPIRED' }))], 4, hop);
    expect(expired.worse).toMatchObject({ kind: 'unverified', how: 'CERT_HAS_EXPIRED; same key' });
  });

  it('has a trusted certificate of another authority: told, and good after three days', () => {
    const other = tls(cert('b', { issuer: 'O=Other CA, CN=1' }));
    const hop = learnedWith(cert('a'));
    expect(days([other], 4, hop)).toMatchObject({ news: 'worse', worse: { kind: 'issuer' } });
    expect(days([other, other], 4, hop).worse).toMatchObject({ kind: 'issuer', days: 2 });
    const learned = days([other, other, other], 4, hop);
    expect(learned.hop?.worse).toBe(undefined);
    expect(learned.hop?.certificates.map(({ sha256 }) => sha256)).toEqual(['a', 'b']);
  });

  it('gets a trusted certificate where it had none: better', () => {
    const judged = days([tls(cert('b'))], 4, learnedWith(unverified('a')));
    expect(judged).toMatchObject({ news: 'renewed' });
  });

  it('falls back to TLS before 1.2: worse', () => {
    expect(days([tls(cert('a'), 'TLSv1')], 4, learnedWith(cert('a'))).worse).toMatchObject({
      kind: 'protocol',
      how: 'TLSv1, was TLSv1.3',
    });
    expect(days([tls(cert('a'), 'TLSv1.2')], 4, learnedWith(cert('a'))).worse).toBe(undefined);
  });

  it('does not become good by a session that is resumed, but where that goes back to a good certificate', () => {
    const worse = days([tls(unverified('b'))], 4, learnedWith(unverified('a'))).hop;
    const resumed = (sha256: string): TlsSight => ({ kind: 'resumed', protocol: 'TLSv1.3', sha256 });
    expect(days([resumed('b')], 5, worse).worse).toMatchObject({ kind: 'key' });
    expect(days([resumed('a')], 5, worse).news).toBe('good again');
    const inClear = days([clear], 4, learnedWith(unverified('a'))).hop;
    expect(days([resumed('a')], 5, inClear).news).toBe('good again');
  });

  it('may be several servers with a certificate each', () => {
    const [a, b] = [tls(unverified('a')), tls(unverified('b'))];
    const { hop } = days([a, b, a]);
    expect(hop?.certificates).toHaveLength(2);
    expect(days([b, a], 4, hop).worse).toBe(undefined);
  });

  it('is what an operator says it is', () => {
    const worse = days([tls(unverified('b'))], 4, learnedWith(cert('a'))).hop;
    const accepted = worse && acceptHop(worse, START + 5 * DAY);
    expect(days([tls(unverified('b'))], 6, accepted).worse).toBe(undefined);
    const inClear = days([clear], 4, learnedWith(cert('a'))).hop;
    expect(inClear && acceptHop(inClear, START)).toBe(undefined);
  });
});

describe('a next hop of which little is known', () => {
  it('is not remembered before it had TLS, nor by what the policy refused', () => {
    expect(days([clear, clear])).toEqual({ hop: undefined });
    const question = { hop: undefined, connector: 'home', host: 'mx', now: START, learnedDays: 3 };
    expect(judgeHop({ ...question, sight: tls(unverified('a')), refused: true }).hop).toBe(undefined);
  });

  it('may do as it likes, and begins anew with each time in clear', () => {
    const judged = days([tls(unverified('a')), tls(unverified('b')), clear, tls(unverified('a')), tls(unverified('a'))]);
    expect(judged.worse).toBe(undefined);
    expect(judged.hop?.days).toBe(2);
  });

  it('counts a day once', () => {
    let { hop } = days([tls(cert('a'))]);
    for (let i = 1; i < 5; i++)
      hop = judgeHop({ hop, sight: tls(cert('a')), connector: 'home', host: 'mx', now: START + i, learnedDays: 3 }).hop;
    expect(hop?.days).toBe(1);
  });
});
