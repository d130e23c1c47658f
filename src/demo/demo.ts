/**
 * `bridgehead demo`: both sides and the relay between them on one machine, messages in every direction, and what
 * became of each.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { EventRecord } from '../mail/event.ts';
import { type Account, accountOf } from './account.ts';
import type { DemoPorts } from './ports.ts';
import { canSpeakFrom, command, freePorts, Processes } from './processes.ts';
import { DOMAIN, ON_PREMISES_USERS, RECIPIENTS, RELAY_NAME, SAMPLES, type SiteName, SOURCES } from './samples.ts';
import { type SendResult, send } from './send.ts';
import { type DemoPortNumbers, settingsFile } from './settings-file.ts';
import { type Arrival, arrivalsDue, eventsOf, problemsOf } from './verdict.ts';

const USAGE = `bridgehead demo [--keep] [--json]

A pretend cloud tenant, a pretend on-premises server and the relay between them, on this machine alone.
Sends sample messages in every direction and tells what became of each, hop by hop, with its TLS.

  --keep   leave everything running and print what to try; Ctrl-C ends it
  --json   the account as one JSON object
`;

const START_DEADLINE = 30_000;
const ARRIVAL_DEADLINE = 30_000;
const RECORD_DEADLINE = 15_000;

/** Runs the demo. The exit status: 0 every message did what it should, 1 one did not, 2 wrong usage. */
export async function runDemo(args: readonly string[], ports: DemoPorts): Promise<number> {
  const options = readOptions(args);
  if (options === undefined || options.help) {
    ports.write(USAGE);
    return options === undefined ? 2 : 0;
  }
  for (const { address } of Object.values(SOURCES)) {
    if (await canSpeakFrom(address)) continue;
    ports.write(`The demo tells its pretend networks apart by loopback addresses, and ${address} is not usable here.\n`);
    ports.write(`On macOS: sudo ifconfig lo0 alias ${address}\n`);
    return 1;
  }

  const directory = mkdtempSync(join(tmpdir(), 'bridgehead-demo-'));
  try {
    await using processes = new Processes();
    const arrivals: Arrival[] = [];
    const numbers = await start(processes, directory, arrivals, ports);
    const config = join(directory, 'bridgehead.yaml');
    if (!options.json) ports.write(opening(numbers));
    const accounts = await sendAll(ports, config, numbers, arrivals);
    const ok = accounts.every((account) => account.problems.length === 0);
    if (options.json) ports.write(`${JSON.stringify(asJson(ok, accounts, numbers))}\n`);
    else ports.write(closing(accounts, ok, ports.mainFile));
    if (options.keep && !ports.signal.aborted) {
      if (!options.json) ports.write(invitation(ports.mainFile, config, numbers));
      await new Promise((resolve) => ports.signal.addEventListener('abort', resolve, { once: true }));
    }
    return ok ? 0 : 1;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    ports.write(ports.signal.aborted ? 'Interrupted.\n' : `The demo could not run: ${why}\n`);
    return 1;
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function readOptions(args: readonly string[]): { keep: boolean; json: boolean; help: boolean } | undefined {
  const flag = { type: 'boolean', default: false } as const;
  try {
    return parseArgs({ args: [...args], options: { keep: flag, json: flag, help: flag } }).values;
  } catch {
    return undefined;
  }
}

/** Starts the pretend servers and the relay, and resolves when all of them greet. */
async function start(processes: Processes, directory: string, arrivals: Arrival[], ports: DemoPorts): Promise<DemoPortNumbers> {
  const signal = AbortSignal.any([ports.signal, AbortSignal.timeout(START_DEADLINE)]);
  const site = (name: SiteName, host: string, breaksStartTls: boolean, users?: readonly string[]) =>
    processes.pretendServer(
      { name: host, directory: join(directory, name), breaksStartTls, ...(users === undefined ? {} : { users }) },
      (taken) => arrivals.push({ ...taken, site: name }),
      signal,
    );
  const [cloud, onPremises, oldSite, [relay = 0, admin = 0]] = await Promise.all([
    site('cloud', 'cloud.example.net', false),
    site('on-premises', 'exchange.example.com', false, ON_PREMISES_USERS),
    site('old-site', 'mail.old.example.com', true),
    freePorts(2),
  ]);
  const numbers = { relay, admin, sites: { cloud, 'on-premises': onPremises, 'old-site': oldSite } };
  mkdirSync(join(directory, 'data'), { mode: 0o700 });
  writeFileSync(join(directory, 'bridgehead.yaml'), settingsFile(numbers));
  writeFileSync(join(directory, 'recipients.csv'), `${RECIPIENTS.join('\n')}\n`);
  await processes.relay(ports.mainFile, join(directory, 'bridgehead.yaml'), join(directory, 'relay.log'), relay, signal);
  return numbers;
}

/** Sends the samples one by one, waits for what must arrive, and reads the relay's records. */
async function sendAll(
  ports: DemoPorts,
  config: string,
  numbers: DemoPortNumbers,
  arrivals: readonly Arrival[],
): Promise<Account[]> {
  const sent: SendResult[] = [];
  for (const sample of SAMPLES) sent.push(await send(sample, numbers.relay));
  const due = arrivalsDue(SAMPLES);
  const arrived = () => arrivals.reduce((sum, arrival) => sum + arrival.recipients.length, 0) >= due;
  await waitFor(arrived, ARRIVAL_DEADLINE, ports.signal);

  let events: EventRecord[] = [];
  const recorded = async () => {
    events = parseEvents(await command(ports.mainFile, ['trace', '--json', '--config', config], ports.signal));
    return events.filter((event) => event.event === 'SEND').length >= due && events.some((event) => event.event === 'REJECT');
  };
  await waitFor(recorded, RECORD_DEADLINE, ports.signal);
  return SAMPLES.map((sample, index) => {
    const mine = eventsOf(sample, events);
    return { sample, events: mine, problems: problemsOf(sample, sent[index] ?? { refused: new Map() }, arrivals, mine) };
  });
}

/** Looks until it is so, or the time is over: then the account says what is missing. */
async function waitFor(condition: () => boolean | Promise<boolean>, deadline: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + deadline;
  while (!(await condition()) && performance.now() < end && !signal.aborted) await delay(100);
}

function parseEvents(lines: string): EventRecord[] {
  return lines
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as EventRecord);
}

function opening({ relay, sites }: DemoPortNumbers): string {
  const line = (name: string, port: number, what: string) =>
    `   ${name.padEnd(12)} 127.0.0.1:${String(port).padEnd(6)} ${what}\n`;
  return `One domain, ${DOMAIN}, on two sides, and Bridgehead between them. Nothing leaves this machine.

${line('relay', relay, RELAY_NAME)}${line('cloud', sites.cloud, 'pretend tenant, STARTTLS')}${line(
  'on-premises',
  sites['on-premises'],
  'pretend server, STARTTLS, knows its own users',
)}${line('old-site', sites['old-site'], 'pretend server, offers STARTTLS and then breaks it')}
`;
}

function closing(accounts: readonly Account[], ok: boolean, mainFile: string): string {
  const text = accounts.map((account, index) => `${index + 1}  ${accountOf(account).join('\n')}\n`).join('\n');
  const good = accounts.filter((account) => account.problems.length === 0).length;
  const wrong = accounts.flatMap((account, index) => (account.problems.length === 0 ? [] : [`${index + 1}`])).join(', ');
  const verdict = ok
    ? `All ${accounts.length} messages did what they should, and every hop is on record with its TLS.`
    : `${good} of ${accounts.length} messages did what they should; see ${wrong}.`;
  const isCheckout = mainFile.endsWith('.ts');
  const [keep, start] = isCheckout ? ['npm run demo -- --keep', 'npm start'] : ['bridgehead demo --keep', 'bridgehead run'];
  return `${text}\n${verdict}\nGo on: "${keep}" leaves it running; "${start}" runs the relay with config/bridgehead.yaml.\n`;
}

function invitation(mainFile: string, config: string, numbers: DemoPortNumbers): string {
  const relay = `${process.execPath} ${mainFile}`;
  return `
Everything keeps running; Ctrl-C ends it and removes ${config.replace(/\/[^/]*$/, '')}.

   the page       http://127.0.0.1:${numbers.admin}/
   records        ${relay} trace --config ${config}
   a route        ${relay} explain maria@${DOMAIN} --config ${config}
   the state      ${relay} status --config ${config}
   send mail      swaks --server 127.0.0.1:${numbers.relay} --to maria@${DOMAIN} --from me@partner.example --tls
`;
}

function asJson(ok: boolean, accounts: readonly Account[], numbers: DemoPortNumbers): object {
  return {
    ok,
    relay: `127.0.0.1:${numbers.relay}`,
    admin: `http://127.0.0.1:${numbers.admin}/`,
    messages: accounts.map(({ sample, events, problems }) => ({
      title: sample.title,
      sender: sample.sender,
      recipients: sample.expect.map(({ recipient }) => recipient),
      ok: problems.length === 0,
      problems,
      events,
    })),
  };
}
