/** `connector ...`: state of the ways out, pause, resume, test. */
import type { ConnectorTest, ConnectorTls } from '../admin/contract.ts';
import { parseReply } from '../mail/reply.ts';
import { adviceOn } from '../mail/reply-advice.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT } from './command.ts';
import { connectorTable, tlsWords } from './status-command.ts';
import { agoOf, countOf, table } from './table.ts';

const list: Command = {
  name: 'connector list',
  summary: 'each connector: state, waiting, oldest, last success and failure with TLS',
  run: ({ ports, json, withOperations }) =>
    withOperations(async (operations) => {
      const connectors = await operations.listConnectors();
      ports.stdout.write(
        json ? `${JSON.stringify({ connectors })}\n` : connectorTable(connectors, ports.now(), ports.stdout.columns),
      );
      return EXIT.done;
    }),
};

const steer = (verb: 'pause' | 'resume', summary: string): Command => ({
  name: `connector ${verb}`,
  summary,
  positionals: ['NAME'],
  run: ({ ports, json, positionals: [name = ''], withOperations }) =>
    withOperations(async (operations) => {
      const state = await (verb === 'pause' ? operations.pauseConnector(name) : operations.resumeConnector(name));
      ports.stdout.write(json ? `${JSON.stringify(state)}\n` : `${state.name} is ${state.state}, ${state.waiting} waiting\n`);
      return EXIT.done;
    }),
});

const test: Command = {
  name: 'connector test',
  summary: 'connect and try TLS as the connector would, without mail',
  positionals: ['NAME'],
  run: ({ ports, json, positionals: [name = ''], withOperations }) =>
    withOperations(async (operations) => {
      const result = await operations.testConnector(name);
      ports.stdout.write(json ? `${JSON.stringify(result)}\n` : testText(result));
      return result.ok ? EXIT.done : EXIT.no;
    }),
};

function testText({ connector, ok, host, reply, tls, problem }: ConnectorTest): string {
  const lines = [
    `${connector}  ${ok ? 'ok' : 'FAILED'}`,
    `  host   ${host ?? 'none reached'}`,
    ...(reply === null ? [] : [`  reply  ${reply}`]),
    ...(tls === null
      ? []
      : [
          `  TLS    ${tlsWords(tls)}${tls['peer-certificate'] === undefined ? '' : `, certificate ${tls['peer-certificate'].subject}`}`,
        ]),
    ...(problem === null ? [] : [`  cause  ${problem}`]),
    ...adviceOnTest(reply),
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

function adviceOnTest(reply: string | null): string[] {
  const parsed = reply === null ? undefined : parseReply(reply);
  const advice = parsed === undefined ? undefined : adviceOn(parsed, 'unknown');
  return advice === undefined ? [] : [`  means  ${advice.meaning}`, `  often  ${advice.cause}`, `  remedy ${advice.remedy}`];
}

const tls: Command = {
  name: 'connector tls',
  summary: 'its TLS policies, and what the TLS of its next hops has been',
  positionals: ['NAME'],
  run: ({ ports, json, positionals: [name = ''], withOperations }) =>
    withOperations(async (operations) => {
      const answer = await operations.showConnectorTls(name);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : tlsText(answer, ports.now(), ports.stdout.columns));
      return EXIT.done;
    }),
};

const acceptTls: Command = {
  name: 'connector accept-tls',
  summary: 'take what next hops whose TLS got worse show now as good; without HOST all of the connector',
  positionals: ['NAME', '[HOST]'],
  run: ({ ports, json, positionals: [name = '', host], withOperations }) =>
    withOperations(async (operations) => {
      const answer = await operations.acceptTls(name, host === undefined ? {} : { host });
      const lines = answer.accepted.map((one) => `${one.host} is taken as it is now (${WORSE[one.kind] ?? one.kind})`);
      if (lines.length === 0)
        lines.push(`the TLS of ${host ?? `the next hops of ${name}`} did not get worse: there is nothing to accept`);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${lines.map(printable).join('\n')}\n`);
      return answer.accepted.length > 0 ? EXIT.done : EXIT.no;
    }),
};

const WORSE: Readonly<Record<string, string>> = {
  clear: 'without TLS',
  unverified: 'a certificate that cannot be verified',
  key: 'another certificate',
  protocol: 'older TLS',
  issuer: 'another certificate',
};

function tlsText(answer: ConnectorTls, now: number, width?: number): string {
  const policies = table(
    [{ title: 'FOR' }, { title: 'TLS' }, { title: 'WHERE IT STANDS' }],
    [
      [answer.destinations.length === 0 ? 'all' : 'the others', answer.policy, answer.source],
      ...answer.destinations.map(({ domain, policy, source }) => [domain, policy, source]),
    ],
    width,
  );
  if (answer.hosts.length === 0) return `${policies}\nNo next hop has been seen with TLS yet.\n`;
  const hosts = table(
    [
      { title: 'HOST' },
      { title: 'TLS ON' },
      { title: 'LAST SO' },
      { title: 'PROTOCOL' },
      { title: 'CERTIFICATE' },
      { title: 'NOW' },
    ],
    answer.hosts.map(({ host, days, learned, last, protocol, certificate, finding }) => [
      host,
      `${countOf(days, 'day')}${learned ? '' : ', still learning'}`,
      agoOf(last, now),
      protocol,
      certificate === null ? 'none' : `${certificate.subject}, ${certificate.verified ? 'verified' : 'not verified'}`,
      finding === null ? 'as before' : 'WORSE',
    ]),
    width,
  );
  const findings = answer.hosts.flatMap(({ finding }) => (finding === null ? [] : [`${printable(finding)}\n`]));
  return `${policies}\n${hosts}${findings.length === 0 ? '' : `\n${findings.join('')}`}`;
}

export const connectorCommands: readonly Command[] = [
  list,
  steer('pause', 'send nothing by it; expiry stops too'),
  steer('resume', 'send by it again'),
  test,
  tls,
  acceptTls,
];
