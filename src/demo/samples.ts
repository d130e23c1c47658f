/** The sample messages and what must become of each. Plain values. */
import type { TlsResult } from '../mail/tls.ts';

/** The pretend servers behind the relay. */
export type SiteName = 'cloud' | 'on-premises' | 'old-site';

export const DOMAIN = 'example.com';
export const OLD_DOMAIN = 'old.example.com';
export const ROUTING_DOMAIN = 'contoso.mail.example.net';
export const RELAY_NAME = 'mx1.example.com';

/** Loopback has a whole /8: each pretend network is an address of it. */
export const SOURCES = {
  external: { address: '127.0.0.9', name: 'mail.partner.example' },
  'on-premises': { address: '127.0.0.2', name: 'exchange.example.com' },
  cloud: { address: '127.0.0.3', name: 'mail-out.cloud.example.net' },
} as const;

/** `recipients.csv`: who lives where. */
export const RECIPIENTS = [
  'address,route,routing-address,aliases',
  `maria@${DOMAIN},cloud,maria@${ROUTING_DOMAIN},maria.rossi@${DOMAIN}`,
  `omar@${DOMAIN},on-premises,,`,
];

/** Omar's colleagues, in no list yet: whoever plays a migration imports them. */
const COLLEAGUES =
  'ada anna ben boris carla chen dina dmitri elena emil fatima felix gita goran hana henry ines ivan jana jonas kira klaus lara liam mina milan nadia nils olga paula pedro rosa ravi sara simon tara tomas vera yusuf';

/** Users of the pretend on-premises server; it refuses all others. */
export const ON_PREMISES_USERS = ['omar', ...COLLEAGUES.split(' ')].flatMap((name) => [
  `${name}@${DOMAIN}`,
  `${name}.old@${DOMAIN}`,
]);

export interface Expectation {
  /** As the sender writes it. */
  readonly recipient: string;
  /** The reply that RCPT must get, where it must not be taken: `550 5.1.1`. */
  readonly refused?: string;
  readonly arrivesAt?: SiteName;
  /** RCPT TO at the next hop. */
  readonly arrivesAs?: string;
  /** How it must leave the relay. */
  readonly tls?: TlsResult;
}

export interface Sample {
  readonly title: string;
  readonly from: keyof typeof SOURCES;
  readonly sender: string;
  /** Whether the sending server uses STARTTLS with us. */
  readonly startTls: boolean;
  readonly text: string;
  readonly expect: readonly Expectation[];
}

const toMaria: Expectation = {
  recipient: `maria@${DOMAIN}`,
  arrivesAt: 'cloud',
  arrivesAs: `maria@${ROUTING_DOMAIN}`,
  tls: 'encrypted',
};
const toOmar: Expectation = {
  recipient: `omar@${DOMAIN}`,
  arrivesAt: 'on-premises',
  arrivesAs: `omar@${DOMAIN}`,
  tls: 'encrypted',
};

export const SAMPLES: readonly Sample[] = [
  {
    title: 'From the Internet to a mailbox that has moved to the cloud',
    from: 'external',
    sender: 'alice@partner.example',
    startTls: true,
    text: 'Maria moved last night. I did not have to know.',
    expect: [toMaria],
  },
  {
    title: 'From the Internet to a mailbox that is still on-premises, sent in clear',
    from: 'external',
    sender: 'alice@partner.example',
    startTls: false,
    text: 'My own server has no TLS; the hop behind the relay has.',
    expect: [toOmar],
  },
  {
    title: 'From on-premises to a mailbox in the cloud',
    from: 'on-premises',
    sender: `omar@${DOMAIN}`,
    startTls: true,
    text: 'Same domain, other side.',
    expect: [toMaria],
  },
  {
    title: 'From the cloud to a mailbox on-premises',
    from: 'cloud',
    sender: `maria@${DOMAIN}`,
    startTls: true,
    text: 'And back.',
    expect: [toOmar],
  },
  {
    title: 'One message to both sides',
    from: 'external',
    sender: 'alice@partner.example',
    startTls: true,
    text: 'One DATA, two next hops, one copy each.',
    expect: [toMaria, toOmar],
  },
  {
    title: 'To nobody: refused in session, so that no bounce is owed',
    from: 'external',
    sender: 'alice@partner.example',
    startTls: true,
    text: 'This is never sent.',
    expect: [{ recipient: `nobody@${DOMAIN}`, refused: '550 5.1.1' }],
  },
  {
    title: 'To an old server that offers STARTTLS and then breaks it: the mail gets there all the same',
    from: 'external',
    sender: 'alice@partner.example',
    startTls: true,
    text: 'Opportunistic TLS: encrypted where it works, delivered where it does not, and the record says which.',
    expect: [
      {
        recipient: `archive@${OLD_DOMAIN}`,
        arrivesAt: 'old-site',
        arrivesAs: `archive@${OLD_DOMAIN}`,
        tls: 'plain-after-failure',
      },
    ],
  },
];

/** The Message-ID of a sample, by which its records are found. */
export function messageIdOf(sample: Sample): string {
  return `<sample-${SAMPLES.indexOf(sample) + 1}@${sample.sender.slice(sample.sender.indexOf('@') + 1)}>`;
}

export function compose(sample: Sample, date: Date): string {
  return [
    `From: <${sample.sender}>`,
    `To: ${sample.expect.map((expectation) => `<${expectation.recipient}>`).join(', ')}`,
    `Subject: ${sample.title}`,
    `Date: ${date.toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: ${messageIdOf(sample)}`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    '',
    sample.text,
    '',
  ].join('\r\n');
}
