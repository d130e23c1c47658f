/** `smtp-check`: what a server offers and what mail would do with it, without mail. */
import { isIP } from 'node:net';
import { parseDomain, parseMailbox } from '../mail/address.ts';
import { parseDuration, parseHostPort } from '../settings/values.ts';
import { type Command, EXIT, text, UsageError, type Values } from './command.ts';
import { mistakeLine } from './mistakes.ts';
import type { SmtpCheckRequest } from './ports.ts';

const PATIENCE = 15_000;

export const smtpCheck: Command = {
  name: 'smtp-check',
  summary: 'banner, EHLO keywords, STARTTLS, certificate chain, TLS versions of a server, and what each tls.mode would do',
  positionals: ['[HOST[:PORT]]'],
  local: true,
  options: {
    mx: { type: 'string', value: 'DOMAIN', help: 'each mail exchanger of this domain, in place of HOST' },
    connector: {
      type: 'string',
      value: 'NAME',
      help: 'with its certificate, HELO name and source address; without HOST: its hosts',
    },
    name: { type: 'string', multiple: true, value: 'NAME', help: 'a name the certificate must have (several allowed; the host)' },
    helo: { type: 'string', value: 'NAME', help: "the name to give in EHLO (the connector's, else the hostname)" },
    from: { type: 'string', value: 'ADDRESS', help: 'ask MAIL FROM and RCPT TO, and take it back; "" is the null sender' },
    to: { type: 'string', value: 'ADDRESS', help: 'the recipient to ask for' },
    tls: { type: 'string', value: 'HOW', help: 'starttls (default), implicit (TLS from the first octet, port 465)' },
    ip: { type: 'string', value: '4|6|any', help: "the address family (the connector's, else any)" },
    timeout: { type: 'string', value: 'TIME', help: 'how long each answer is waited for (15s)' },
  },
  async run({ ports, json, values, positionals: [host], config }) {
    const request = requestOf(values, host);
    // without settings it works as well, unless they are asked for
    const mustLoad = request.connector !== undefined || values['config'] !== undefined;
    const done = await ports.smtpCheck(config, request, mustLoad);
    if (!done.ok) {
      for (const mistake of done.mistakes) ports.stderr.write(mistakeLine(mistake));
      return EXIT.settings;
    }
    const { checked } = done;
    if (json) {
      const reports = checked.map(({ report }) => report);
      ports.stdout.write(
        `${JSON.stringify('mx' in (request.target ?? {}) || reports.length !== 1 ? { checks: reports } : reports[0])}\n`,
      );
    } else ports.stdout.write(checked.map((one) => one.text).join('\n'));
    return checked.length > 0 && checked.every(({ ok }) => ok) ? EXIT.done : EXIT.no;
  },
};

function requestOf(values: Values, host: string | undefined): SmtpCheckRequest {
  const [mx, connector, helo, from, to] = ['mx', 'connector', 'helo', 'from', 'to'].map((name) => text(values, name));
  const tls = text(values, 'tls') ?? 'starttls';
  if (tls !== 'starttls' && tls !== 'implicit') throw new UsageError(`--tls ${tls}: there is starttls and implicit`);
  const ip = text(values, 'ip');
  if (ip !== undefined && !['4', '6', 'any'].includes(ip)) throw new UsageError(`--ip ${ip}: there is 4, 6 and any`);
  if (host === undefined && mx === undefined && connector === undefined)
    throw new UsageError('HOST is missing (or --mx, --connector)');
  if (host !== undefined && mx !== undefined) throw new UsageError('HOST and --mx: one of the two');
  if ((from === undefined) !== (to === undefined)) throw new UsageError('--from and --to go together');
  for (const [option, address] of Object.entries({ from, to }))
    if (address !== undefined && !(address === '' && option === 'from') && parseMailbox(address) === undefined)
      throw new UsageError(`--${option} ${address}: write it like user@example.com`);
  // what is sent in a command must be one word
  if (helo !== undefined && !/^[A-Za-z0-9.:_[\]-]{1,255}$/.test(helo))
    throw new UsageError(`--helo ${helo}: write it like mx1.example.com`);
  const target = targetOf(host, mx, tls === 'implicit' ? 465 : 25);
  return {
    names: [values['name'] ?? []].flat().map((name) => String(name).toLowerCase()),
    implicitTls: tls === 'implicit',
    patience: patienceOf(text(values, 'timeout')),
    ...(target === undefined ? {} : { target }),
    ...(connector === undefined ? {} : { connector }),
    ...(helo === undefined ? {} : { helo }),
    ...(from === undefined || to === undefined ? {} : { envelope: { from, to } }),
    ...(ip === undefined ? {} : { ip: ip === 'any' ? ip : (Number(ip) as 4 | 6) }),
  };
}

function targetOf(host: string | undefined, mx: string | undefined, port: number): SmtpCheckRequest['target'] {
  if (mx !== undefined) {
    const domain = parseDomain(mx);
    if (domain === undefined) throw new UsageError(`--mx ${mx}: write it like example.com`);
    return { mx: domain };
  }
  if (host === undefined) return undefined;
  const target = isIP(host) === 6 ? { host, port } : parseHostPort(host, port);
  if (target === undefined) throw new UsageError(`${host}: write it like mail.example.com or mail.example.com:2525`);
  return target;
}

function patienceOf(written: string | undefined): number {
  if (written === undefined) return PATIENCE;
  const patience = parseDuration(written);
  if (patience === undefined || patience > 300_000) throw new UsageError(`--timeout ${written}: write it like 15s, at most 5m`);
  return patience;
}
