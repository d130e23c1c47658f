/** `status`: one screen. */
import type { ConnectorState, Status } from '../admin/contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT } from './command.ts';
import { ageOf, agoOf, countOf, octetsOf, table } from './table.ts';

export const status: Command = {
  name: 'status',
  summary: 'accepting or not and why, what waits and how old, what flows, what needs a person',
  run: ({ ports, json, withOperations }) =>
    withOperations(async (operations) => {
      const answer = await operations.status();
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : statusScreen(answer, ports.now(), ports.stdout.columns));
      return EXIT.done;
    }),
};

export function statusScreen(status: Status, now: number, width?: number): string {
  const up = status.since === null ? '' : `, up ${ageOf(now - Date.parse(status.since))}`;
  const state = !status.running
    ? 'not running'
    : status.accepting
      ? 'accepting mail'
      : `NOT accepting mail: ${status.why ?? 'cause unknown'}`;
  const { queue } = status;
  const waiting =
    queue.messages === 0
      ? 'empty'
      : `${countOf(queue.messages, 'message')}, ${octetsOf(queue.octets)}${queue.untried === 0 ? '' : `, ${queue.untried} not tried yet`}${
          queue.oldest === null ? '' : `; the oldest came ${agoOf(queue.oldest, now)}`
        }`;
  const parts = [
    printable(`${status.hostname}  ${state}    (Bridgehead ${status.version}${up})`),
    '',
    `Queue      ${waiting}`,
    `Last hour  ${flowOf(status['last-hour'])}`,
    '',
    connectorTable(status.connectors, now, width).trimEnd(),
  ];
  if (status.findings.length > 0) {
    parts.push('', 'Findings');
    for (const { severity, problem, remedy } of status.findings) {
      parts.push(printable(`  ${severity.padEnd(7)}  ${problem}`));
      if (remedy !== null) parts.push(printable(`           ${remedy}`));
    }
  }
  return `${parts.join('\n')}\n`;
}

function flowOf(flow: Status['last-hour']): string {
  const counts = (['received', 'sent', 'deferred', 'failed', 'refused'] as const).map(
    (name) => `${flow[name].toLocaleString('en-US')} ${name}`,
  );
  const share = ({ encrypted, all }: { encrypted: number; all: number }): string =>
    all === 0 ? '-' : `${Math.floor((100 * encrypted) / all)} %`;
  return `${counts.join(', ')}; TLS in ${share(flow['tls-in'])}, out ${share(flow['tls-out'])}`;
}

export function connectorTable(connectors: readonly ConnectorState[], now: number, width?: number): string {
  return table(
    [
      { title: 'CONNECTOR' },
      { title: 'STATE' },
      { title: 'WAITING', right: true },
      { title: 'OLDEST', right: true },
      { title: 'LAST SUCCESS' },
      { title: 'LAST FAILURE' },
    ],
    connectors.map((one) => [
      one.name,
      one.state === 'paused' ? `paused by ${one['paused-by'] ?? 'unknown'}` : 'active',
      String(one.waiting),
      one.oldest === null ? '-' : ageOf(now - Date.parse(one.oldest)),
      contactText(one['last-success'], now, (contact) => tlsWords(contact.tls)),
      contactText(one['last-failure'], now, (contact) => contact.reply ?? tlsWords(contact.tls)),
    ]),
    width,
  );
}

type Contact = NonNullable<ConnectorState['last-success']>;

function contactText(contact: Contact | null, now: number, what: (contact: Contact) => string): string {
  return contact === null ? 'none seen' : `${agoOf(contact.time, now)}, ${what(contact)}`;
}

/** `TLSv1.3 verified`, `in clear (not-offered)` */
export function tlsWords(tls: Contact['tls']): string {
  if (tls === null) return 'TLS unknown';
  if (tls.result === 'encrypted' || tls.result === 'verified') return [tls.protocol, tls.result].filter(Boolean).join(' ');
  return tls.result === 'handshake-failed' || tls.result === 'timed-out' ? `TLS ${tls.result}` : `in clear (${tls.result})`;
}
