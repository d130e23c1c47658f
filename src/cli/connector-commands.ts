/** `connector ...`: state of the ways out, pause, resume, test. */
import type { ConnectorTest } from '../admin/contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT } from './command.ts';
import { connectorTable, tlsWords } from './status-command.ts';

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
  ];
  return `${lines.map(printable).join('\n')}\n`;
}

export const connectorCommands: readonly Command[] = [
  list,
  steer('pause', 'send nothing by it; expiry stops too'),
  steer('resume', 'send by it again'),
  test,
];
