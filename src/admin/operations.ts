/** What an operator can do, over the ports: one implementation for HTTP, the page and the command line (design.md D10). */
import { parseMailbox } from '../mail/address.ts';
import type { EventRecord } from '../mail/event.ts';
import { formatReply, type SmtpReply } from '../mail/reply.ts';
import { adviceOn } from '../mail/reply-advice.ts';
import type { Connector, NextHop, RouteDecision } from '../mail/route.ts';
import type { SpooledMessage, SpoolId } from '../mail/spooled.ts';
import { describeTls } from '../mail/tls-policy.ts';
import type { Clock } from '../platform/clock.ts';
import type { Activity } from './activity.ts';
import { tlsOf, tlsOfLeg } from './connector-tls.ts';
import {
  type ConnectorState,
  type ExplainQuery,
  type Explanation,
  OperationError,
  type Operations,
  type QueueChange,
  type QueueMessage,
  queueSelection,
} from './contract.ts';
import { createDirectoryOperations, createWaveOperations, decided } from './directory-operations.ts';
import type { AdminPorts, ExplainQuestion, QueueStats, Selector, Steering } from './ports.ts';
import { createProbeOperations } from './probe-operations.ts';
import { createReportOperations } from './report-operations.ts';

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

export interface OperationsParts {
  readonly ports: AdminPorts;
  readonly activity: Activity;
  readonly clock: Clock;
}

export function createOperations({ ports, activity, clock }: OperationsParts): Operations {
  const { queue, connectors, evidence, routing, status, settings } = ports;

  const connectorOf = (name: string): Connector => {
    const connector = connectors.all().find((one) => one.name === name);
    if (connector !== undefined) return connector;
    const known = connectors.all().map((one) => one.name);
    throw new OperationError('not-found', `there is no connector "${name}"; there is ${known.join(', ')}`);
  };
  const stateOf = (connector: Connector, stats: QueueStats): ConnectorState => {
    const pause = connectors.paused(connector.name);
    const waiting = stats.connectors.find((one) => one.connector === connector.name);
    const { success, failure } = activity.contactsOf(connector.name);
    return {
      name: connector.name,
      side: connector.side,
      'next-hop': formatNextHop(connector.nextHop),
      'tls-mode': connector.tls.mode,
      state: pause === undefined ? 'active' : 'paused',
      'paused-by': pause?.by ?? null,
      'paused-since': pause === undefined ? null : iso(pause.since),
      waiting: waiting?.messages ?? 0,
      oldest: waiting === undefined || waiting.messages === 0 ? null : iso(waiting.oldest),
      'last-success': contactOf(success),
      'last-failure': contactOf(failure),
    };
  };
  const steer = async (selection: WireSelection, steering: Steering): Promise<QueueChange> => {
    // Checked here too: without a daemon no HTTP schema stands in front, and "everything" must be said, not forgotten
    const { success, error } = queueSelection.safeParse(selection);
    if (!success) throw new OperationError('invalid', error.issues.map((issue) => issue.message).join('; '));
    const sum = { messages: 0, recipients: 0 };
    const held = new Map<string, number>();
    for (const selector of selectorsOf(selection)) {
      const { messages, recipients, stillHeld = [] } = await queue.steer(selector, steering);
      for (const one of stillHeld) held.set(one.by, (held.get(one.by) ?? 0) + one.recipients);
      sum.messages += messages;
      sum.recipients += recipients;
    }
    return held.size === 0 ? sum : { ...sum, 'still-held': [...held].map(([by, recipients]) => ({ by, recipients })) };
  };

  const operations: Operations = {
    ...createWaveOperations(ports.waves),
    ...createReportOperations(ports, () => clock.now()),
    ...createProbeOperations(ports.probes),
    ...createDirectoryOperations({
      ...ports,
      question: questionOf,
      explanation: (recipient, decision) => explanationOf(recipient.address, decision),
    }),
    async status() {
      const state = status.state();
      const stats = queue.stats();
      const oldest = Math.min(...stats.connectors.filter((one) => one.messages > 0).map((one) => one.oldest));
      return {
        hostname: status.hostname,
        version: status.version,
        running: state.running,
        accepting: state.accepting,
        why: state.why ?? null,
        since: state.startedAt === undefined ? null : iso(state.startedAt),
        queue: {
          messages: stats.messages,
          octets: stats.bytes,
          untried: stats.connectors.find((one) => one.connector === undefined)?.messages ?? 0,
          oldest: Number.isFinite(oldest) ? iso(oldest) : null,
        },
        connectors: connectors.all().map((connector) => stateOf(connector, stats)),
        'last-hour': activity.lastHour(clock.now()),
        findings: status.findings(),
        ...(status.certificates !== undefined && { certificates: status.certificates() }),
      };
    },
    checkSettings: () => settings.check(),
    reload: () => settings.reload(),
    async explain({ 'directory-version': version, ...query }) {
      const question = questionOf(query);
      const decision =
        version === undefined ? await routing.explain(question) : decided(await ports.directory.explain({ version }, question));
      return explanationOf(question.recipient.address, decision);
    },
    async listQueue({ limit, after, ...selection }) {
      const selectors = selectorsOf(selection);
      const messages: QueueMessage[] = [];
      let next: string | undefined;
      for (const selector of selectors) {
        const page = await queue.list(selector, {
          limit: limit === undefined ? 100 : Number(limit),
          ...(after !== undefined && { after: after as SpoolId }),
        });
        messages.push(...page.messages.map(messageOf));
        next = page.next;
      }
      return { messages, next: next ?? null };
    },
    async showMessage(id) {
      const message = queue.load(id as SpoolId);
      if (message === undefined)
        throw new OperationError('not-found', `no message ${id} is in the queue; "trace --id ${id}" tells what became of it`);
      return withAdvice(messageOf(message), message);
    },
    hold: (selection) => steer(selection, { kind: 'hold' }),
    release: (selection) => steer(selection, { kind: 'release' }),
    retry: (selection) => steer(selection, { kind: 'retry' }),
    expire: (selection) => steer(selection, { kind: 'expire' }),
    async reroute({ to, ...selection }) {
      return steer(selection, { kind: 'reroute', connector: connectorOf(to).name });
    },
    async listConnectors() {
      const stats = queue.stats();
      return connectors.all().map((connector) => stateOf(connector, stats));
    },
    async pauseConnector(name) {
      const connector = connectorOf(name);
      await connectors.pause(name, 'operator');
      return stateOf(connector, queue.stats());
    },
    async resumeConnector(name) {
      const connector = connectorOf(name);
      await connectors.resume(name);
      return stateOf(connector, queue.stats());
    },
    async testConnector(name) {
      return connectors.test(connectorOf(name).name);
    },
    async showConnectorTls(name) {
      return tlsOf(connectorOf(name), connectors.learnedTls(name));
    },
    async acceptTls(name, { host }) {
      const accepted = await connectors.acceptTls(connectorOf(name).name, host);
      return { connector: name, accepted: accepted.map((hop) => ({ host: hop.host, kind: hop.worse?.kind ?? '' })) };
    },
    async trace({ 'message-id': messageId, since, until, limit, ...facts }) {
      const { records, more } = await evidence.query({
        ...defined(facts),
        ...(messageId !== undefined && { messageId }),
        ...(since !== undefined && { since: Date.parse(since) }),
        ...(until !== undefined && { until: Date.parse(until) }),
        ...(limit !== undefined && { limit: Number(limit) }),
      });
      return { records: [...records], more };
    },
    doctor: (query) => ports.doctor.examine(query, operations),
  };
  return operations;
}

interface WireSelection {
  readonly id?: string | string[] | undefined;
  readonly recipient?: string | undefined;
  readonly sender?: string | undefined;
  readonly domain?: string | undefined;
  readonly connector?: string | undefined;
  readonly 'older-than'?: string | undefined;
  readonly all?: boolean | undefined;
}

/** One selector for each id that is named, else one. */
function selectorsOf({ id, 'older-than': olderThan, all, sender, ...rest }: WireSelection): Selector[] {
  const base: Selector = {
    ...defined(rest),
    ...(sender !== undefined && { sender: sender === '<>' ? '' : sender }),
    ...(olderThan !== undefined && {
      olderThan: Number(olderThan.slice(0, -1)) * UNITS[olderThan.slice(-1) as keyof typeof UNITS],
    }),
    ...(all === true && { all }),
  };
  if (id === undefined) return [Object.keys(base).length === 0 ? { all: true } : base];
  return [id].flat().map((one) => ({ ...base, id: one as SpoolId }));
}

function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function messageOf(message: SpooledMessage): QueueMessage {
  return {
    id: message.id,
    received: iso(message.receivedAt),
    sender: message.sender?.address ?? '',
    'message-id': message.messageId ?? null,
    size: message.size,
    peer: message.origin.peer,
    client: message.origin.address ?? null,
    recipients: message.recipients.map((recipient) => ({
      recipient: recipient.address.address,
      state: recipient.state,
      attempts: recipient.attempts,
      'next-attempt': recipient.state === 'queued' || recipient.state === 'deferred' ? iso(recipient.nextAttemptAt) : null,
      connector: recipient.rerouteTo ?? recipient.copyTo ?? recipient.lastConnector ?? null,
      'held-by': recipient.state === 'held' ? (recipient.heldBy ?? null) : null,
      'last-reply': recipient.lastReply === undefined ? null : formatReply(recipient.lastReply),
    })),
  };
}

/** What waits does so for its last reply. */
function withAdvice(shown: QueueMessage, { recipients }: SpooledMessage): QueueMessage {
  return {
    ...shown,
    recipients: shown.recipients.map((one, i) => {
      const reply = recipients[i]?.lastReply;
      return { ...one, advice: reply === undefined ? null : (adviceOn(reply, 'deferred') ?? null) };
    }),
  };
}

/** The decision in the form of contract.md; absent facts are null. */
function questionOf({ recipient: text, from = '', peer, size }: Omit<ExplainQuery, 'directory-version'>): ExplainQuestion {
  const recipient = parseMailbox(text);
  if (recipient === undefined) throw new OperationError('invalid', `"${text}" is not an e-mail address`);
  const sender = from === '' || from === '<>' ? null : parseMailbox(from);
  if (sender === undefined) throw new OperationError('invalid', `"${from}" is not an e-mail address`);
  return { recipient, sender, peer: peer ?? 'external', ...(size !== undefined && { size }) };
}

function explanationOf(recipient: string, decision: RouteDecision): Explanation {
  const leg = decision.kind === 'deliver' ? decision.primary : undefined;
  const tls = leg === undefined ? undefined : tlsOfLeg(leg);
  const steps = decision.steps.map(({ step, result, source }) => ({ step, result, source }));
  return {
    recipient,
    canonical: decision.canonical.address,
    route: decision.route,
    'routing-address': leg?.address.address ?? null,
    connector: leg?.connector.name ?? null,
    'next-hop': leg === undefined ? null : formatNextHop(leg.connector.nextHop),
    'tls-mode': tls?.mode ?? null,
    reply: formatReply(decision.reply),
    reason: decision.reason,
    'directory-version': decision.directoryVersion,
    steps: tls === undefined ? steps : [...steps, { step: 'tls', result: describeTls(tls), source: tls.source }],
  };
}

function contactOf(event: EventRecord | undefined): ConnectorState['last-success'] {
  if (event === undefined) return null;
  const mta = event['remote-mta'];
  const host =
    mta === undefined ? null : mta.address === undefined || mta.address === mta.name ? mta.name : `${mta.name} [${mta.address}]`;
  return {
    time: event.time,
    host,
    reply: event.reply === undefined ? null : formatReply(event.reply as SmtpReply),
    tls: event.tls ?? null,
  };
}

function formatNextHop(hop: NextHop): string {
  switch (hop.kind) {
    case 'mx':
      return 'MX of the domain';
    case 'smart-hosts':
      return hop.hosts.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(', ');
    case 'lmtp':
      return 'unix' in hop.endpoint ? `lmtp unix:${hop.endpoint.unix}` : `lmtp ${hop.endpoint.host}:${hop.endpoint.port}`;
    case 'maildir':
      return `maildir ${hop.path}`;
  }
}

function iso(milliseconds: number): string {
  // A recipient in no hurry (Infinity) has no time; a date that cannot be written must not break the answer
  return new Date(Math.min(milliseconds, 8.64e15)).toISOString();
}
