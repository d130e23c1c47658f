/** `doctor`: what is wrong, why it matters, what to type. */
import { type Diagnosis, DOCTOR_AREAS, doctorQuery } from '../admin/doctor-contract.ts';
import { printable } from '../platform/printable.ts';
import { type Command, EXIT } from './command.ts';
import { checked } from './questions.ts';
import { countOf } from './table.ts';

/** Where there is no terminal to tell. */
const WIDTH = 100;
const NARROWEST = 60;

export const doctor: Command = {
  name: 'doctor',
  summary: 'look at DNS, certificates, connectors, directory and machine: what is wrong, and what to type',
  options: {
    only: { type: 'string', value: 'AREA', help: `one of ${DOCTOR_AREAS.join(', ')}` },
    offline: { type: 'boolean', help: 'ask nobody on the network: no DNS, no policies, no next hops' },
  },
  run: ({ ports, json, values, withOperations }) => {
    const query = checked(doctorQuery, { only: values['only'], offline: values['offline'] });
    return withOperations(async (operations) => {
      const answer = await operations.doctor(query);
      const width = Math.max(NARROWEST, Math.min(WIDTH, ports.stdout.columns ?? WIDTH));
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : doctorText(answer, query.only === undefined, width));
      return answer.errors + answer.warnings === 0 ? EXIT.done : EXIT.no;
    });
  },
};

/** `withCloud`: with what is typed in Exchange Online. */
export function doctorText(answer: Diagnosis, withCloud: boolean, width: number): string {
  const lines: string[] = [];
  for (const { severity, area, code, subject, what, why, remedy } of answer.findings) {
    lines.push(
      `${severity.padEnd(7)}  ${area}  ${code}`,
      ...folded(`${what.startsWith(subject) ? what : capital(what)}.`, width),
      ...folded(`${capital(why)}.`, width),
    );
    lines.push(...remedy.map((line) => `    > ${printable(line)}`), '');
  }
  if (answer.unchecked.length > 0) {
    lines.push('Not known');
    for (const { what, why } of answer.unchecked) lines.push(...folded(`- ${what}: ${why}`, width));
    lines.push('');
  }
  const commands = withCloud ? answer['cloud-commands'] : [];
  if (commands.length > 0) {
    lines.push('In Exchange Online (Connect-ExchangeOnline), once, where it is not so already', '');
    for (const { about, why, lines: typed } of commands)
      lines.push(`  ${about}`, ...folded(`${capital(why)}.`, width), ...typed.map((line) => `    > ${printable(line)}`), '');
  }
  const { errors, warnings, notes } = answer;
  lines.push(
    errors + warnings + notes === 0
      ? 'Nothing is wrong.'
      : `${countOf(errors, 'error')}, ${countOf(warnings, 'warning')}, ${countOf(notes, 'note')}${errors + warnings === 0 ? ': nothing has to be done.' : '.'}`,
  );
  return `${lines.join('\n')}\n`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** In lines of at most `width`, two spaces in. */
function folded(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = ' ';
  for (const word of printable(text).split(' ')) {
    if (line.length > 2 && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
