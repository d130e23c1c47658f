/** `domain ...`: accepted domains, the DNS proof that they are ours, and where the MX points. */
import { type DomainState, type MxSwitched, mxRequest, verifyRequest } from '../admin/directory-contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT } from './command.ts';
import { checked } from './questions.ts';
import { countOf, table } from './table.ts';

const list: Command = {
  name: 'domain list',
  summary: 'the accepted domains: their proof, what becomes of unknown recipients, where the MX points',
  run: ({ ports, json, withOperations }) =>
    withOperations(async (operations) => {
      const domains = await operations.listDomains();
      ports.stdout.write(json ? `${JSON.stringify({ domains })}\n` : domainTable(domains, ports.stdout.columns));
      return EXIT.done;
    }),
};

const domainTable = (domains: readonly DomainState[], width?: number): string =>
  table(
    ['DOMAIN', 'TYPE', 'UNKNOWN RECIPIENTS', 'MX', 'PROOF', 'SINCE'].map((title) => ({ title })),
    domains.map((one) => [
      one.domain,
      one.type,
      one['unknown-recipients'],
      one['mx-since'] === null ? one.mx : `${one.mx} since ${one['mx-since'].slice(0, 10)}`,
      one.proof === null ? 'none asked' : `${one.proof.state}${one.proof.override === null ? '' : ', overridden'}`,
      one.proof === null ? '' : one.proof.since.slice(0, 10),
    ]),
    width,
  );

const verify: Command = {
  name: 'domain verify',
  summary: 'look for the proof in DNS now; cloud routes of a domain without it are refused',
  positionals: ['NAME'],
  options: {
    override: { type: 'boolean', help: 'let its cloud routes be used all the same; needs --reason' },
    reason: { type: 'string', value: 'TEXT', help: 'why' },
  },
  run: ({ ports, json, positionals: [name = ''], values, withOperations }) => {
    const request = checked(verifyRequest, { override: values['override'], reason: values['reason'], who: ports.user });
    return withOperations(async (operations) => {
      const answer = await operations.verifyDomain(name, request);
      const { proof } = answer;
      const words =
        proof === null
          ? `${answer.domain} needs no proof: its settings name none (domains[].verification)`
          : `${proof.message}${proof.remedy === null ? '' : `\n${proof.remedy}`}`;
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : `${words.split('\n').map(printable).join('\n')}\n`);
      return proof === null || !proof.gated ? EXIT.done : EXIT.no;
    });
  },
};

const mx: Command = {
  name: 'domain mx',
  summary: 'where the MX goes: tells what to change in DNS; refuses "cloud" while recipients remain on-premises',
  positionals: ['NAME', 'relay|cloud'],
  options: { 'with-remaining': { type: 'boolean', help: 'although recipients remain on-premises' } },
  run: ({ ports, json, positionals: [name = '', side], values, withOperations }) => {
    const request = checked(mxRequest, { mx: side, 'with-remaining': values['with-remaining'], who: ports.user });
    return withOperations(async (operations) => {
      const answer = await operations.switchMx(name, request);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : mxText(answer));
      return answer.done ? EXIT.done : EXIT.no;
    });
  },
};

function mxText({ domain, mx: side, done, refused, remaining, steps, notes }: MxSwitched): string {
  const lines: string[] = [];
  if (refused !== null) lines.push(`refused: ${refused}`);
  if (remaining.count > 0) {
    const kinds = Object.entries(remaining.kinds).map(([kind, count]) => `${count} ${kind}`);
    lines.push(
      `${countOf(remaining.count, 'recipient')} not in the cloud (${kinds.join(', ')}):`,
      ...remaining.list.map((one) => `  ${one}`),
    );
    if (remaining.count > remaining.list.length) lines.push(`  ... and ${remaining.count - remaining.list.length} more`);
  }
  for (const [i, { about, text, lines: typed }] of steps.entries()) {
    lines.push(`${i + 1}. ${about}: ${text}`, ...typed.map((line) => `     ${line}`));
  }
  lines.push(...notes.map((note) => `note: ${note}`));
  lines.push(done ? `noted: the MX of ${domain} goes to the ${side}` : `the MX of ${domain} stays with the ${side}`);
  return `${lines.map(printable).join('\n')}\n`;
}

export const domainCommands: readonly Command[] = [list, verify, mx];
