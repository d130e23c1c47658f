/** What of a look at a server needs a person: what, why it matters, what to do. Pure. */
import type { TlsProfile } from '../mail/route.ts';
import { plainError } from '../platform/plain-error.ts';
import type { Finding, SmtpCheckQuestion, SmtpCheckReport } from './smtp-check-report.ts';
import type { Look } from './smtp-look.ts';

/** Milliseconds: RFC 5321 §4.5.3.2.1 allows five minutes, and nobody likes them. */
const SLOW_BANNER = 5_000;
/** Days. */
const SOON = 30;

export function findingsOf(
  report: SmtpCheckReport,
  first: Look,
  question: SmtpCheckQuestion,
  { profile, now }: { readonly profile: TlsProfile; readonly now: number },
): Finding[] {
  const findings: Finding[] = [];
  const add = (severity: Finding['severity'], problem: string, remedy: string | null = null): void =>
    void findings.push({ severity, problem, remedy });
  session(report, first, question, add);
  if (question.implicitTls && report.tls !== null)
    add('info', 'TLS from the first octet is for mail programs; the connectors of a relay speak STARTTLS, mostly on port 25');
  offers(report, first, question, profile, add);
  certificates(report, question, now, add);
  const rank = { error: 0, warning: 1, info: 2 } as const;
  return findings.toSorted((a, b) => rank[a.severity] - rank[b.severity]);
}

type Add = (severity: Finding['severity'], problem: string, remedy?: string | null) => void;

const CONNECT_REMEDIES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'Nothing listens there: start the mail server, or name another port',
  ETIMEDOUT: 'A firewall drops the packets: open TCP to this port; many networks block port 25 outwards unless asked',
  EHOSTUNREACH: 'There is no route: look at the network, and at the address family (--ip)',
  ENETUNREACH: 'There is no route: look at the network, and at the address family (--ip)',
  EADDRNOTAVAIL: "This machine does not have the connector's source-address",
};

function session(
  { address, port, envelope, ...report }: SmtpCheckReport,
  { ended }: Look,
  question: SmtpCheckQuestion,
  add: Add,
): void {
  const at = `${address ?? report.host}:${port}`;
  if (ended?.stage === 'connect')
    return add('error', `no connection to ${at} (${ended.code})`, CONNECT_REMEDIES[ended.code] ?? null);
  if (ended?.stage === 'banner' && ended.reply === undefined) {
    const isTls = ended.code === 'ETIMEDOUT' && !question.implicitTls;
    add(
      'error',
      `${at} is connected and gives no SMTP greeting (${ended.message})`,
      isTls ? 'Where the server speaks TLS from the first octet (port 465): --tls implicit' : null,
    );
  } else if (ended?.stage === 'banner') {
    add(
      'error',
      `the server takes no mail from us now: ${ended.reply}`,
      'Its administrator knows why: a block list, a limit, or maintenance',
    );
  } else if (ended?.stage === 'EHLO') {
    add(
      'error',
      `EHLO ${question.helo} failed: ${ended.message}`,
      'Use a name that DNS knows (--helo NAME): many servers refuse others (R20)',
    );
  }
  const banner = report['timings-ms'].banner ?? 0;
  if (banner > SLOW_BANNER && ended?.stage !== 'banner')
    add('info', `the greeting came after ${(banner / 1000).toFixed(1)} s: the server makes strangers wait, or looks our name up`);
  const refusal = envelope.find(({ reply }) => !/^[23]/.test(reply));
  if (refusal !== undefined) add('error', `${refusal.command} is refused: ${refusal.reply}`);
}

function offers(
  { starttls, tls, injection, profiles, protocols, ...report }: SmtpCheckReport,
  { ended, isOffered }: Look,
  question: SmtpCheckQuestion,
  profile: TlsProfile,
  add: Add,
): void {
  if (isOffered === false)
    return add(
      'error',
      'STARTTLS is not offered: all mail to this server is in clear',
      'Give the server a certificate and switch STARTTLS on; behind a firewall look for its SMTP inspection (it masks the keyword as XXXXXXXA)',
    );
  if (starttls.reply !== null && !starttls.reply.startsWith('2'))
    return add(
      'error',
      `STARTTLS is offered and refused: ${starttls.reply}`,
      "Look in the server's log: a certificate that it cannot read is the usual cause",
    );
  const isTls = ended?.stage === 'handshake' || ended?.stage === 'STARTTLS' || ended?.stage === 'EHLO after STARTTLS';
  if (isTls && tls === null) {
    add(
      'error',
      `TLS fails with every offer: ${plainError(`${ended.code}: ${ended.message}`)}`.slice(0, 400),
      "Look in the server's log for its side of the handshake",
    );
  } else if (isTls) {
    const taken = [...profiles, ...protocols].filter(({ accepted }) => accepted).map(({ offer }) => offer);
    add(
      'error',
      `TLS fails with the profile ${profile} (${ended.code})`,
      taken.length === 0
        ? null
        : `It works with ${taken.join(', ')}: bring the server up to date, or set tls.profile of the connector`,
    );
  }
  if (injection === 'executed')
    add(
      'error',
      'a command that was sent in clear behind STARTTLS was executed in TLS (CVE-2011-0411): a man in the middle can put words into sessions',
      'Update the server',
    );
  const old = protocols
    .filter(({ offer, accepted }) => accepted && (offer === 'TLSv1' || offer === 'TLSv1.1'))
    .map(({ offer }) => offer);
  if (old.length > 0)
    add(
      'info',
      `${old.join(' and ')} ${old.length > 1 ? 'are' : 'is'} accepted (RFC 8996 ended it); opportunistic TLS is the better for it, an audit is not`,
    );
  // where nothing at all is accepted, its version is not what is wrong
  const takesAny = protocols.some(({ accepted }) => accepted);
  if (takesAny && !protocols.some(({ offer, accepted }) => accepted && (offer === 'TLSv1.2' || offer === 'TLSv1.3')))
    add('warning', 'neither TLS 1.2 nor TLS 1.3 is accepted: the cloud takes nothing older', 'Update the server');
  if (report['client-certificate-asked'] === true && question.connector?.tls.certificate === undefined)
    add(
      'info',
      'the server asks for a client certificate, and none was shown: it may treat a client with one better',
      question.connector === undefined ? 'With the identity of a connector: --connector NAME' : null,
    );
}

function certificates({ chain, tls, ...report }: SmtpCheckReport, question: SmtpCheckQuestion, now: number, add: Add): void {
  const [leaf] = chain?.certificates ?? [];
  if (tls === null || chain === null || leaf === undefined) return;
  // names or a connector that verifies: who asked means it
  const isWanted = question.names.length > 0 || question.connector?.tls.mode === 'verified';
  const severity = isWanted ? 'error' : 'warning';
  if (leaf['days-left'] < 0)
    add(
      severity,
      `the certificate ended on ${leaf['valid-to'].slice(0, 10)}`,
      'Renew it; mode verified defers all mail until then',
    );
  else if (leaf['days-left'] < SOON) add('warning', `the certificate ends in ${leaf['days-left']} days`, 'Renew it');
  if (Date.parse(leaf['valid-from']) > now)
    add(severity, `the certificate is not valid before ${leaf['valid-from']}`, 'Look at the clocks of both machines');
  if (!chain.complete)
    add(
      severity,
      `the chain is incomplete: the certificate of "${chain.missing ?? ''}" is missing, or it is no public authority (R14)`,
      chain['fetch-from'] === null
        ? "Put the intermediate certificate behind the server's own one, in the same file"
        : `Put the intermediate certificate behind the server's own one: it is at ${chain['fetch-from']}`,
    );
  else if (leaf['self-signed'])
    add(
      severity,
      'the certificate is signed by itself: nobody can verify it',
      'Fine for opportunistic and required; verified needs one of an authority, or tls.ca-file',
    );
  else if (!tls.verified && tls['name-matches'] && leaf['days-left'] >= 0)
    add(
      severity,
      `the certificate is not trusted: ${tls['verification-error'] ?? 'unknown cause'}`,
      'Use one of a public authority, or name its own one in tls.ca-file',
    );
  if (!tls['name-matches'])
    add(
      severity,
      `the certificate is for ${leaf.names.slice(0, 5).join(', ') || 'no name'}, not for ${tls['names-asked'].join(' or ')}`,
      `Name the host as the certificate does, or set tls.names of the connector${question.names.length === 0 ? '; --name NAME checks for another one' : ''}`,
    );
  if (chain['root-sent']) add('info', 'the root is sent as well: every client has its own, so it only costs octets');
  if (chain.unused > 0) add('info', `${chain.unused} of the certificates sent belong to no step of the chain`);
  const weak = /^RSA (\d+)$/.exec(leaf.key);
  if (weak !== null && Number(weak[1]) < 2048)
    add('warning', `the key of the certificate is weak (${leaf.key})`, 'Take RSA 2048 or an elliptic curve');
  if (report['ehlo-after-tls']?.keywords.some((keyword) => /^STARTTLS\b/i.test(keyword)) === true)
    add('info', 'STARTTLS is offered within TLS too (RFC 3207 §4.2 forbids it)');
}
