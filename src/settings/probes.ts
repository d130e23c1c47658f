/** Probes: what their settings come to, and whether they can work at all. Pure. */
import { isIP } from 'node:net';
import { isWithin, type Mailbox, mailbox } from '../mail/address.ts';
import type { Findings } from './mistakes.ts';
import type { SettingsFile } from './schema.ts';

/** A probe with absolute paths and times in milliseconds. */
export interface ProbePart {
  readonly name: string;
  readonly to: Mailbox;
  readonly from: Mailbox;
  readonly side?: 'cloud' | 'on-premises';
  /** Absent: only when asked for. */
  readonly every?: number;
  readonly deadline: number;
  readonly wait: {
    readonly reply: boolean;
    readonly maildir?: string;
    readonly imap?: {
      readonly host: string;
      readonly port: number;
      readonly tls: 'implicit' | 'starttls' | 'none';
      readonly caFile?: string;
      readonly user: string;
      readonly passwordFile?: string;
      readonly accessTokenFile?: string;
      readonly mailboxes: readonly string[];
    };
  };
}

type ProbeFile = SettingsFile['probes'][number];

/** Milliseconds: who asks for a probe waits for its end. */
const LONGEST = 600_000;
/** Milliseconds: each run is a message in somebody's mailbox. */
const MOST_OFTEN = 60_000;

export function compileProbes(raw: SettingsFile, path: (name: string) => string): readonly ProbePart[] {
  const domain = raw.domains[0]?.name.name ?? raw.hostname;
  const postmaster = mailbox('postmaster', domain);
  return raw.probes.flatMap(({ name, to, from = postmaster, side, every, deadline, wait }) => {
    if (from === undefined) return [];
    return [
      {
        name,
        to,
        from,
        deadline,
        ...(side === undefined ? {} : { side }),
        ...(every === undefined || every === 'off' ? {} : { every }),
        wait: {
          reply: wait.reply ?? (wait.maildir === undefined && wait.imap === undefined),
          ...(wait.maildir === undefined ? {} : { maildir: path(wait.maildir) }),
          ...(wait.imap === undefined ? {} : { imap: compileImap(wait.imap, path) }),
        },
      },
    ];
  });
}

function compileImap(
  imap: NonNullable<ProbeFile['wait']['imap']>,
  path: (name: string) => string,
): NonNullable<ProbePart['wait']['imap']> {
  const { host, port, tls, user, mailboxes } = imap;
  const [caFile, passwordFile, accessTokenFile] = [imap['ca-file'], imap['password-file'], imap['access-token-file']];
  return {
    host,
    port: port ?? (tls === 'implicit' ? 993 : 143),
    tls,
    user,
    mailboxes,
    ...(caFile === undefined ? {} : { caFile: path(caFile) }),
    ...(passwordFile === undefined ? {} : { passwordFile: path(passwordFile) }),
    ...(accessTokenFile === undefined ? {} : { accessTokenFile: path(accessTokenFile) }),
  };
}

export function checkProbes(raw: SettingsFile, findings: Findings): void {
  const isAccepted = ({ domain }: Mailbox): boolean =>
    raw.domains.some(({ name }) => name.name === domain || (name.includeSubdomains && isWithin(domain, name.name)));
  const ownNames: readonly string[] = [raw.hostname, ...(raw['relay-names'] ?? [])];
  raw.probes.forEach((probe, index) => {
    const at = ['probes', index] as const;
    const first = raw.probes.findIndex(({ name }) => name === probe.name);
    if (first < index)
      findings.mistake(
        [...at, 'name'],
        `the probe "${probe.name}" stands here twice (probes[${first}])`,
        'Give each probe a name of its own',
      );
    if (!isAccepted(probe.to))
      findings.mistake(
        [...at, 'to'],
        `${probe.to.domain} is not among the domains, so the relay does not take mail for it from anybody`,
        'Use an address in one of your domains, and route it in the directory: kind probe, route cloud',
      );
    if (probe.from !== undefined && !isAccepted(probe.from) && !ownNames.includes(probe.from.domain))
      findings.mistake(
        [...at, 'from'],
        `${probe.from.domain} is not ours: answers would not come here`,
        `Use one of your domains, or ${raw.hostname}`,
      );
    if (probe.deadline > LONGEST)
      findings.mistake([...at, 'deadline'], 'a probe waits 10 minutes at most', 'Write deadline: 10m');
    if (typeof probe.every === 'number' && probe.every < MOST_OFTEN)
      findings.mistake([...at, 'every'], 'a probe comes once a minute at most', 'Write every: 15m');
    checkWait(probe.wait, [...at, 'wait'], findings);
  });
}

function checkWait({ maildir, imap, reply }: ProbeFile['wait'], at: readonly (string | number)[], findings: Findings): void {
  if (maildir !== undefined && imap !== undefined)
    findings.mistake([...at], 'maildir and imap are two mailboxes', 'Write one of them, or two probes');
  if (reply === false && maildir === undefined && imap === undefined)
    findings.mistake([...at, 'reply'], 'nothing is waited for', 'Write maildir or imap, or reply: true');
  if (imap === undefined) return;
  const secrets = [imap['password-file'], imap['access-token-file']].filter((file) => file !== undefined).length;
  if (secrets !== 1) findings.mistake([...at, 'imap'], 'signing in needs one secret', 'Name password-file or access-token-file');
  const isOwn = imap.host === 'localhost' || (isIP(imap.host) !== 0 && (imap.host === '::1' || imap.host.startsWith('127.')));
  if (imap.tls === 'none' && !isOwn)
    findings.mistake(
      [...at, 'imap', 'tls'],
      'the password would go over the network in clear',
      'Write tls: implicit or tls: starttls',
    );
}
