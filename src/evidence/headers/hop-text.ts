/** Hops told to people, within 100 columns. Pure. */
import { printable } from '../../platform/printable.ts';
import type { Hop } from './hops.ts';

const GUTTER = 14;
const WIDEST_NAME = 60;

/** Two or three lines a hop, in the order of travel; `number` is the first one's. */
export function hopLines(hops: readonly Hop[], number = 1): string[] {
  return hops.flatMap((hop, i) => {
    const head = `${String(number + i).padStart(3)}  ${delayText(hop['delay-seconds']).padEnd(GUTTER - 5)}`;
    const [first = '', ...rest] = partsOf(hop);
    return [`${head}${first}`, ...rest.map((line) => `${' '.repeat(GUTTER)}${line}`)];
  });
}

/** What one hop says of TLS. */
export function tlsText(hop: Hop): string {
  switch (hop.tls) {
    case 'yes':
      if (hop['tls-version'] === null && hop.cipher === null) return 'encrypted, no details told';
      return `encrypted, ${[hop['tls-version'] ?? 'version not told,', hop.cipher ?? ''].join(' ').trimEnd()}`;
    case 'no':
      return hop['on-host'] ? 'in clear, within one host' : 'IN CLEAR';
    case 'unknown':
      return 'does not say whether TLS was used';
    case 'n/a':
      return 'no SMTP session';
  }
}

function partsOf(hop: Hop): string[] {
  const from = [name(hop['from-host']), address(hop)].filter((part) => part !== '').join(' ');
  const by = name(hop['by-host']) || '(a host that does not name itself)';
  const lines: string[] = [];
  const oneLine = from === '' ? `by ${by}` : `${from} -> ${by}`;
  if (oneLine.length <= 86) lines.push(oneLine);
  else lines.push(from, `-> ${by}`);
  const protocol = [hop.with === null ? 'no protocol told' : cut(hop.with), hop.via === null ? '' : `via ${cut(hop.via)}`]
    .filter((part) => part !== '')
    .join(' ');
  lines.push(`${protocol}; ${tlsText(hop)}`);
  return lines.map(printable);
}

function address(hop: Hop): string {
  const ip = hop['from-ip'];
  if (ip === null || hop['from-host'] === ip || hop['from-host'] === `[${ip}]`) return '';
  return `[${ip}]`;
}

function name(host: string | null): string {
  return host === null ? '' : cut(host);
}

function cut(text: string): string {
  return text.length <= WIDEST_NAME ? text : `${text.slice(0, WIDEST_NAME - 1)}…`;
}

/** `+5 s`, `+2 min`, `-30 s`: the clocks of two hosts disagree, or the mail waited. */
export function delayText(seconds: number | null): string {
  if (seconds === null) return '';
  const size = Math.abs(seconds);
  const sign = seconds < 0 ? '-' : '+';
  if (size < 100) return `${sign}${size} s`;
  if (size < 6000) return `${sign}${Math.round(size / 60)} min`;
  return size < 172_800 ? `${sign}${Math.round(size / 3600)} h` : `${sign}${Math.round(size / 86_400)} d`;
}
