/** The ports of admin over a few values, for the tests of the API and of the command line. */
import { Activity } from '../../../src/admin/activity.ts';
import type { Operations } from '../../../src/admin/contract.ts';
import { createOperations } from '../../../src/admin/operations.ts';
import type { AdminPorts, Pause, Selector, Steering } from '../../../src/admin/ports.ts';
import { readReports } from '../../../src/evidence/evidence.ts';
import { type Domain, type Mailbox, parseMailbox } from '../../../src/mail/address.ts';
import type { EventRecord } from '../../../src/mail/event.ts';
import type { Connector, RouteDecision } from '../../../src/mail/route.ts';
import type { SpooledMessage, SpoolId } from '../../../src/mail/spooled.ts';
import { type FakeDirectory, fakeDirectory } from './fake-directory.ts';

export const NOW = Date.parse('2026-11-22T12:00:00Z');

export const box = (address: string): Mailbox => {
  const parsed = parseMailbox(address);
  if (parsed === undefined) throw new Error(address);
  return parsed;
};

const connector = (name: string, more: Partial<Connector>): Connector => ({
  name,
  side: 'cloud',
  addressSpaces: [{ pattern: 'domain1.microsoftonline.com', cost: 1 }],
  nextHop: { kind: 'mx' },
  tls: { mode: 'opportunistic', profile: 'intermediate' },
  origin: 'any',
  ip: 'any',
  connections: 20,
  ...more,
});

export const CLOUD = connector('cloud', {});
export const ON_PREMISES = connector('on-premises', {
  side: 'on-premises',
  nextHop: { kind: 'smart-hosts', hosts: [{ host: '10.1.0.5', port: 25 }], order: 'failover' },
});

export function spooled(n: number, more: Partial<SpooledMessage> = {}): SpooledMessage {
  return {
    id: `01KAGQ0000000000000000000${n}` as SpoolId,
    receivedAt: NOW - 3_600_000 * (n + 1),
    sender: box('x@example.net'),
    eightBit: false,
    smtputf8: false,
    origin: { peer: 'external', address: '198.51.100.7', name: 'client.example.net', ownHops: 0, tenantProof: false },
    messageId: `<m${n}@example.net>`,
    size: 5120,
    wireSize: 5200,
    recipients: [
      {
        index: 0,
        address: box(`user${n}@example.com`),
        state: 'deferred',
        attempts: 3,
        nextAttemptAt: NOW + 300_000,
        lastConnector: 'cloud',
        lastReply: { code: 451, enhanced: '4.7.1', text: 'Greylisted, try again later' },
      },
    ],
    ...more,
  };
}

export interface FakeRelay {
  readonly ports: AdminPorts;
  readonly operations: Operations;
  readonly activity: Activity;
  readonly directory: FakeDirectory;
  /** What was asked of the queue. */
  readonly steered: { selector: Selector; steering: Steering }[];
  messages: SpooledMessage[];
  records: EventRecord[];
  /** By whom a release finds everything held, other than by an operator. */
  holder?: string;
  accepting: boolean;
  more: boolean;
}

/** A relay with two connectors, whose queue and records are what the test says. */
export function fakeRelay(): FakeRelay {
  const steered: FakeRelay['steered'] = [];
  const paused = new Map<string, Pause>();
  const activity = new Activity();
  const decision: RouteDecision = {
    kind: 'deliver',
    route: 'cloud',
    reason: 'directory: migrated',
    directoryVersion: 12,
    canonical: box('user@example.com'),
    primary: { side: 'cloud', connector: CLOUD, address: box('user@domain1.microsoftonline.com') },
    copies: [],
    reply: { code: 250, enhanced: '2.1.5', text: 'Ok' },
    steps: [{ step: 'directory', result: 'cloud as user@domain1.microsoftonline.com', source: 'recipients.csv:12' }],
  };
  const refused: RouteDecision = {
    kind: 'reject',
    route: 'reject',
    reason: 'no such recipient',
    directoryVersion: 12,
    canonical: box('nobody@example.com'),
    reply: { code: 550, enhanced: '5.1.1', text: 'User unknown' },
    steps: [],
  };
  const directory = fakeDirectory(decision);
  const relay: Omit<FakeRelay, 'operations' | 'ports'> & { ports: AdminPorts } = {
    steered,
    activity,
    directory,
    messages: [],
    records: [],
    accepting: true,
    more: false,
    ports: {
      ...directory.ports,
      queue: {
        list: (selector, { limit = 100 }) => {
          const all = relay.messages.filter(
            (one) => selector.recipient === undefined || one.recipients[0]?.address.address === selector.recipient,
          );
          return Promise.resolve({ messages: all.slice(0, limit), next: all.length > limit ? all[limit - 1]?.id : undefined });
        },
        load: (id) => relay.messages.find((one) => one.id === id),
        steer: (selector, steering) => {
          steered.push({ selector, steering });
          if (relay.holder !== undefined)
            return Promise.resolve({ messages: 0, recipients: 0, stillHeld: [{ by: relay.holder, recipients: 2 }] });
          return Promise.resolve({ messages: relay.messages.length, recipients: relay.messages.length });
        },
        stats: () => ({
          messages: relay.messages.length,
          bytes: relay.messages.reduce((sum, one) => sum + one.wireSize, 0),
          connectors: [
            {
              connector: 'cloud',
              messages: relay.messages.length,
              oldest: Math.min(NOW, ...relay.messages.map((one) => one.receivedAt)),
            },
          ],
        }),
      },
      connectors: {
        learnedTls: () => [],
        acceptTls: () => Promise.resolve([]),
        all: () => [CLOUD, ON_PREMISES],
        paused: (name) => paused.get(name),
        pause: async (name, by) => void paused.set(name, { by, since: NOW }),
        resume: async (name) => void paused.delete(name),
        test: (name) =>
          Promise.resolve(
            name === 'cloud'
              ? {
                  connector: name,
                  ok: true,
                  host: 'mail.example [203.0.113.9]',
                  reply: '220 mail.example',
                  tls: { result: 'encrypted', protocol: 'TLSv1.3' },
                  problem: null,
                }
              : { connector: name, ok: false, host: null, reply: null, tls: null, problem: 'connection refused' },
          ),
      },
      evidence: { query: () => Promise.resolve({ records: relay.records, more: relay.more }) },
      // no files: the records are those that wait
      proof: readReports('/nonexistent', {
        *pending() {
          yield { sequence: 1, lines: relay.records.map((one) => JSON.stringify(one)).join('\n') };
        },
      }),
      routing: { explain: ({ recipient }) => (recipient.localPart === 'nobody' ? refused : decision) },
      status: {
        hostname: 'mx1.example.com' as Domain,
        version: '0.1.0',
        state: () =>
          relay.accepting
            ? { running: true, accepting: true, startedAt: NOW - 11_520_000 }
            : { running: true, accepting: false, why: '452 4.3.1 Insufficient system storage' },
        findings: () => [{ severity: 'warning', problem: 'the certificate is self-signed', remedy: 'Name one under tls' }],
      },
      settings: {
        check: () => Promise.resolve({ ok: true, mistakes: [], notes: [] }),
        reload: () => Promise.resolve({ ok: true, mistakes: [], notes: [] }),
      },
      probes: { list: () => [], run: () => Promise.reject(new Error('no probes here')), history: () => [] },
      doctor: {
        examine: () => Promise.resolve({ errors: 0, warnings: 0, notes: 0, findings: [], unchecked: [], 'cloud-commands': [] }),
      },
    },
  };
  const operations = createOperations({ ports: relay.ports, activity, clock: { now: () => NOW, monotonic: () => 0 } });
  return Object.assign(relay, { operations });
}
