/** `bridgehead`: hands the command line its ports, and runs the relay until a signal ends it. */
import { existsSync, readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { runSmtpChecks } from './checks/smtp-check-run.ts';
import type { LoadedSettings } from './cli/ports.ts';
import { runCli } from './cli/run-cli.ts';
import { nameError } from './delivery/certificate-names.ts';
import { firstRung, judge, profileOptions } from './delivery/starttls.ts';
import { runDemo } from './demo/demo.ts';
import { openDirectory } from './directory/directory.ts';
import { isFormat, openFileSource } from './directory/readers/open-source.ts';
import { readWaveList } from './directory/readers/wave-list.ts';
import { readHeaders, renderHeaders } from './evidence/headers/header-report.ts';
import { renderMessageTracking } from './evidence/message-tracking-csv.ts';
import { renderTrace } from './evidence/trace-table.ts';
import { formatReply } from './mail/reply.ts';
import { openOffline } from './offline.ts';
import { AccountProblem } from './platform/account.ts';
import type { BoundSockets } from './platform/bound-sockets.ts';
import { systemClock } from './platform/clock.ts';
import { openLog, type RelayLog } from './platform/logger.ts';
import { collectStartupGarbage } from './platform/memory.ts';
import { ownFindings, settleBeside, settleIn } from './platform/privilege.ts';
import { tellReady } from './platform/service-manager.ts';
import { DirectoryRefused, type Relay, startRelay } from './relay.ts';
import { dataDirectoryOf } from './settings/data-directory.ts';
import { type Loaded, loadSettings } from './settings/load.ts';
import { formatMistake } from './settings/mistakes.ts';
import type { Settings } from './settings/settings.ts';
import { reportOf } from './settings-parts.ts';
import { SpoolInUse } from './spool/lock.ts';

const version = (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version;
const clock = systemClock;
const SETTINGS_WRONG = 78; // EX_CONFIG
/** Transactions and deliveries under way end by then, the process 2 s later; the rest stays spooled. */
const STOP_DEADLINE = 28_000;
/** The same behind an uncaught error: some of them may never end. */
const FAULT_DEADLINE = 10_000;
/** Milliseconds within which a second signal asks for nothing more than the first. */
const SAME_REQUEST = 1_000;

/** Runs the relay in the foreground; the exit status. */
async function run(file: string): Promise<number> {
  const loaded = await loadSettings(file);
  if (!loaded.ok) {
    for (const mistake of loaded.mistakes) process.stderr.write(`${formatMistake(mistake)}\n`);
    return SETTINGS_WRONG;
  }
  const rights = { ...loaded.settings, listeners: loaded.settings.reception.listeners };
  let sockets: BoundSockets;
  try {
    sockets = await settleIn(rights);
  } catch (error) {
    process.stderr.write(`the relay cannot start: ${whyNot(error)}\n`);
    return error instanceof AccountProblem ? SETTINGS_WRONG : 1;
  }
  const { account } = loaded.settings;
  if (account === undefined) return runAs(loaded, sockets);
  // All that is named must be readable for the one as whom the relay runs: what root alone could read now could not be
  // read again at a reload, the certificate at its first renewal.
  const reread = await loadSettings(file);
  if (reread.ok) return runAs(reread, sockets);
  sockets.close();
  process.stderr.write(`as user ${userInfo().username}:\n`);
  for (const mistake of reread.mistakes) process.stderr.write(`${formatMistake(mistake)}\n`);
  return SETTINGS_WRONG;
}

/** With the rights that it keeps. */
async function runAs({ settings, notes }: Loaded & { ok: true }, sockets: BoundSockets): Promise<number> {
  const log = await openLog(settings.log, 1);
  const found = ownFindings(settings, userInfo().username);
  for (const finding of found) log.warn({ finding }, 'finding');
  for (const note of notes) log.warn({ note: formatMistake(note) }, 'settings note');
  let relay: Relay;
  try {
    relay = await startRelay(settings, { log, clock, version, sockets, ownFindings: found });
    for (const unused of sockets.close()) log.warn({ socket: unused }, 'systemd opened a socket that no listener has');
  } catch (error) {
    sockets.close();
    log.flush();
    if (error instanceof DirectoryRefused || error instanceof SpoolInUse) process.stderr.write(`${error.message}\n`);
    else process.stderr.write(`the relay cannot start: ${whyNot(error)}\n`);
    return error instanceof DirectoryRefused ? SETTINGS_WRONG : 1;
  }
  collectStartupGarbage();
  const end = ended(relay, log);
  const facts = { version, pid: process.pid, listening: relay.listening, admin: relay.adminUrl };
  const refusal = relay.refusal();
  if (refusal === undefined) log.info(facts, 'the relay accepts mail');
  else log.warn({ ...facts, clientsAreTold: formatReply(refusal) }, 'the relay has started, and refuses mail for now');
  const untold = await tellReady(process.env);
  if (untold !== undefined) log.error({ problem: untold }, 'systemd was not told that the relay is ready, and may end it');
  const status = await end;
  log.flush();
  return status;
}

function whyNot(error: unknown): string {
  const first = firstOf(error);
  const { code, syscall, message } = first as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return `${message}. Another program has it ("ss -ltnp" names it): end that, or give the listener or the admin address another port`;
  const low = code === 'EACCES' && syscall === 'listen';
  return low
    ? `${message}. Ports below 1024 need root with \`user\` in the settings, a socket of systemd, or CAP_NET_BIND_SERVICE`
    : String(first instanceof Error ? message : first);
}

/** What failed first: errors of the disposal behind it would hide it. */
function firstOf(error: unknown): unknown {
  let first = error;
  while (first instanceof SuppressedError) first = first.suppressed;
  return first;
}

/** Until a signal or a fault ends the relay. */
function ended(relay: Relay, log: RelayLog): Promise<number> {
  return new Promise((resolve) => {
    let stoppingSince: number | undefined;
    const stop = (why: string, status: number, deadline = STOP_DEADLINE): void => {
      if (stoppingSince !== undefined) {
        // Ctrl-C under npm comes twice, from the terminal and from npm, which passes it on
        if (status === 0 && clock.monotonic() - stoppingSince < SAME_REQUEST) return;
        log.flush();
        process.exit(1); // asked twice: at once. What is spooled is durable.
      }
      stoppingSince = clock.monotonic();
      log.info({ why }, 'the relay stops');
      relay.stop(deadline).then(
        () => resolve(status),
        (error: unknown) => {
          log.error({ err: firstOf(error) }, 'the relay did not stop cleanly');
          resolve(1);
        },
      );
    };
    process.on('SIGTERM', () => stop('SIGTERM', 0));
    process.on('SIGINT', () => stop('SIGINT', 0));
    process.on('SIGHUP', () => {
      relay.reload('SIGHUP').then(
        ({ ok, mistakes, notes }) => {
          for (const note of notes) log.warn({ note: formatMistake(note) }, 'reload note');
          for (const mistake of mistakes) log.error({ mistake: formatMistake(mistake) }, 'reload refused');
          if (!ok) log.error('the settings and the directory before it stay active');
        },
        (error: unknown) => log.error({ err: error }, 'reload failed'),
      );
    });
    // A bug or a broken machine: nothing can be trusted to be whole but what is on disk. The service manager restarts.
    const fault = (error: unknown): void => {
      log.fatal({ err: error }, 'uncaught error');
      if (stoppingSince === undefined) relay.noteFault();
      stop('uncaught error', 1, FAULT_DEADLINE);
    };
    process.on('uncaughtException', fault);
    process.on('unhandledRejection', fault);
  });
}

/** The settings and the recipients that they name, checked together (`check`). */
async function loadAll(file: string): Promise<LoadedSettings<Settings>> {
  const loaded = await loadSettings(file);
  if (!loaded.ok) return loaded;
  const found = await openDirectory(loaded.settings.directory, { clock, readOnly: true });
  const { mistakes, notes } = reportOf(found.findings, loaded.notes);
  return found.ok ? { ...loaded, notes, refused: mistakes } : { ok: false, mistakes };
}

async function demo(args: readonly string[]): Promise<number> {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  return runDemo(args, {
    mainFile: fileURLToPath(new URL(import.meta.url.replace('bridgehead.', 'main.'))),
    write: (text) => process.stdout.write(text),
    signal: interrupted.signal,
  });
}

// A reader that has seen enough (`| head`) is no fault: the command ends its work, unheard, with the status of that work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}
const argv = process.argv.slice(2);
const quiet = await openLog({ level: 'warn', format: 'json' }, 2);
const isRun = argv.length === 0 || argv[0] === '--config';
process.exitCode = await runCli<Settings>(isRun ? ['run', ...argv] : argv, {
  version,
  dataDirectoryOf,
  async adminOf(file) {
    const loaded = await loadSettings(file);
    return loaded.ok ? loaded.settings.admin : undefined;
  },
  loadSettings: loadAll,
  openOffline: (settings) => {
    settleBeside(settings);
    return openOffline(settings, { log: quiet, clock, version });
  },
  run,
  demo,
  async smtpCheck(file, request, mustLoad) {
    const loaded = await loadSettings(file);
    if (!loaded.ok && mustLoad) return loaded;
    const { hostname: name, delivery } = loaded.ok ? loaded.settings : { hostname: hostname(), delivery: undefined };
    const ours = { hostname: name, connectors: delivery?.connectors ?? [], dnsServers: delivery?.dnsServers ?? [] };
    const ladder = { firstRung, judge, options: profileOptions, nameError };
    return { ok: true, checked: await runSmtpChecks(ours, request, { clock, ladder }) };
  },
  async readHeaders(file, { message, trust }, mustLoad) {
    const there = mustLoad || existsSync(file);
    const loaded = there ? await loadSettings(file) : undefined;
    if (loaded?.ok === false && mustLoad) return loaded;
    const ours = loaded?.ok ? loaded.settings.relayNames : [];
    const report = readHeaders(message, [...ours, ...trust]);
    const note = loaded?.ok === false && { note: `${file} has mistakes: its relay-names are not read` };
    return { ok: true, report, text: renderHeaders(report), ...note };
  },
  user: userInfo().username,
  async inspectFile(file, format) {
    // domains and connectors are the relay's affair: here it is asked whether this is a directory at all
    const checks = { domains: [], routingDomains: [], connectors: [] };
    if (format !== undefined && !isFormat(format)) return [];
    const opened = await openFileSource({ name: 'file', file, checks, ...(format !== undefined && { format }) });
    return opened.ok ? [] : opened.findings;
  },
  async readWaveList(file) {
    const { addresses, findings } = await readWaveList(file);
    return { addresses: addresses.map(({ mailbox, line }) => ({ address: mailbox.address, line })), findings };
  },
  render: {
    story: renderTrace,
    csv: (records) => renderMessageTracking(records, version, clock.now()),
  },
  stdout: Object.assign(
    { write: (text: string) => void process.stdout.write(text) },
    process.stdout.columns && { columns: process.stdout.columns },
  ),
  stderr: { write: (text) => void process.stderr.write(text) },
  now: () => clock.now(),
});
quiet.flush();
