/**
 * The shipped units under a real systemd: booted as process 1 of a container of this very machine (its root with a layer
 * above it that is forgotten), on a loopback address of the host. Starts, takes mail, reloads, crashes, is stopped, has its
 * settings wrong, and takes its port from the socket unit. Says so and ends with 0 where no container can be booted.
 *
 *   node test/faults/systemd.ts        (as root; needs systemd-container)
 */

import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { seeded, testMessage } from '../e2e/support/messages.ts';
import { SmtpClient } from '../e2e/support/smtp-client.ts';
import { SmtpSink } from '../e2e/support/smtp-sink.ts';
import { freePorts, greets, isRunning, run, runBeside, until, Workspace } from '../e2e/support/workspace.ts';
import { say, table, verdict } from './report.ts';

/** On an address that nothing else has: the container shares the network of the host. */
const HOST = '127.0.25.26';
const UNIT = 'bridgehead.service';
const BOOT = 30_000;

if (process.getuid?.() !== 0) {
  process.stderr.write('systemd.ts boots a container, so it must be started as root\n');
  process.exit(2);
}
if (!existsSync('/usr/bin/systemd-nspawn')) {
  say('systemd: SKIPPED, systemd-nspawn is missing (apt-get install systemd-container)');
  process.exit(0);
}

const root = fileURLToPath(new URL('../../', import.meta.url));
/** nspawn leaves its control groups behind; one with a process in it cannot be removed. */
await using _groups = {
  async [Symbol.asyncDispose]() {
    for (const folder of ['/sys/fs/cgroup', '/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd'])
      for (const name of ['payload', 'supervisor'])
        if (existsSync(join(folder, name)))
          run('find', [join(folder, name), '-depth', '-type', 'd', '-exec', 'rmdir', '{}', ';']);
  },
};
await using workspace = new Workspace('systemd');
await using sink = await new SmtpSink().listen();
const [adminPort = 0] = await freePorts(1);
const broken: string[] = [];
const rows: (string | number)[][] = [];
const must = (holds: boolean, what: string): void => void (holds || broken.push(what));

// as the head of the unit file says: the built program in /opt, the settings in /etc
const program = workspace.folder('opt');
const settings = workspace.folder('etc');
const dropIns = workspace.folder('drop-ins');
const socketDropIns = workspace.folder('socket-drop-ins');
const built = run(join(root, 'node_modules/.bin/tsc'), [
  '-p',
  join(root, 'tsconfig.build.json'),
  '--outDir',
  join(program, 'dist'),
]);
if (built.status !== 0) throw new Error(`tsc: ${built.stdout}`);
for (const name of ['package.json', 'README.md']) writeFileSync(join(program, name), readFileSync(join(root, name)));
mkdirSync(join(program, 'node_modules'));
const rightSettings = `hostname: relay.example
data-directory: /var/lib/bridgehead
listeners: [{ address: ${HOST}, port: 25 }]
admin: { address: 127.0.0.1, port: ${adminPort} }
domains: [{ name: example.com, unknown-recipients: reject, verify-recipients: off }]
directory: { sources: [{ name: plain, file: recipients.csv }] }
cloud: { routing-domains: [tenant.example.net] }
queue: { retry: [1s, 2s] }
connectors:
  - { name: home, address-spaces: [example.com], next-hop: { smart-hosts: ["127.0.0.1:${sink.port}"] }, tls: { mode: none } }
  - { name: cloud, address-spaces: [tenant.example.net, "*"], next-hop: { smart-hosts: ["127.0.0.1:${sink.port}"] } }
`;
const setSettings = (text: string): void => writeFileSync(join(settings, 'bridgehead.yaml'), text);
const setRecipients = (...names: string[]): void =>
  writeFileSync(
    join(settings, 'recipients.csv'),
    `address,route\n${names.map((name) => `${name}@example.com,on-premises\n`).join('')}`,
  );
setSettings(rightSettings);
setRecipients('user');
const target = workspace.path('test.target');
writeFileSync(target, '[Unit]\nWants=systemd-journald.service\nAfter=systemd-journald.service\nAllowIsolate=yes\n');

const units = '/etc/systemd/system';
const layer = workspace.folder('layer');
// in a mount space of its own, so that nothing of it is left on the host
const layered = `mount -t tmpfs none "$0" && mkdir "$0/up" "$0/work" "$0/root" &&
  mount -t overlay none -o "lowerdir=/,upperdir=$0/up,workdir=$0/work" "$0/root" && exec systemd-nspawn "$@"`;
const container = workspace.start(
  'container',
  'unshare',
  [
    '--mount',
    'sh',
    '-c',
    layered,
    layer,
    '--quiet',
    `--directory=${layer}/root`,
    `--machine=bridgehead-${process.pid}`,
    '--register=no',
    '--keep-unit',
    '--link-journal=no',
    '--console=pipe',
    '--tmpfs=/var/lib/bridgehead', // a real one of this machine is none of ours
    `--bind-ro=${program}:/opt/bridgehead`,
    `--bind-ro=${join(root, 'node_modules')}:/opt/bridgehead/node_modules`,
    `--bind-ro=${process.execPath}:/usr/bin/node`,
    `--bind-ro=${settings}:/etc/bridgehead`,
    `--bind-ro=${join(root, 'config', UNIT)}:${units}/${UNIT}`,
    `--bind-ro=${join(root, 'config/bridgehead.socket')}:${units}/bridgehead.socket`,
    `--bind-ro=${dropIns}:${units}/${UNIT}.d`,
    `--bind-ro=${socketDropIns}:${units}/bridgehead.socket.d`,
    `--bind-ro=${target}:${units}/bridgehead-test.target`,
    '--boot',
    'systemd.unit=bridgehead-test.target',
  ],
  { SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' },
);
// also where this script itself fails; the kernel takes all that is in the container with it
process.on('exit', () => container.kill('SIGKILL'));
const processOne = (): string | undefined => {
  const { pid = 0 } = container;
  const children = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ') : [];
  return children.find((child) => child !== '' && readFileSync(`/proc/${child}/comm`, 'utf8').trim() === 'systemd');
};
/** A program inside the container. */
const within = (...line: string[]) => run('nsenter', ['-t', processOne() ?? '0', ...'-m -u -i -n -p -C --'.split(' '), ...line]);
const beside = (...line: string[]) =>
  runBeside('nsenter', ['-t', processOne() ?? '0', ...'-m -u -i -n -p -C --'.split(' '), ...line]);
const systemctl = (...line: string[]) => within('systemctl', ...line);
const shown = (name: string): string => systemctl('show', '-p', name, '--value', UNIT).stdout.trim();
const journal = (): string => within('journalctl', '--no-pager', '-o', 'cat', '-u', UNIT).stdout;

try {
  await until(
    'systemd is up',
    () => {
      if (!isRunning(container)) throw new Error(`ended with ${container.exitCode}: ${workspace.log('container').trim()}`);
      return processOne() !== undefined && systemctl('is-active', 'bridgehead-test.target').stdout.trim() === 'active';
    },
    BOOT,
    200,
  );
} catch (error) {
  say(`systemd: SKIPPED, no container can be booted here: ${error instanceof Error ? error.message : String(error)}`);
  await workspace[Symbol.asyncDispose]();
  process.exit(0);
}
// the container ends as a machine does; where it would not, workspace ends it
workspace.atEnd(() => systemctl('poweroff', '--force'));

let sent = 0;
/** A message that is taken; its hash. */
async function taken(what: string, to = 'user@example.com'): Promise<string> {
  const message = testMessage(`systemd-${(sent += 1)}`, 5_000, seeded(sent));
  const opened = await SmtpClient.open(25, '127.0.0.1', 10_000, HOST);
  await opened?.client.command('EHLO client.example');
  const answer = await opened?.client.send('a@example.net', [to], message.bytes);
  await opened?.client.quit();
  must(answer?.kind === 'acked', `${what}: the message was not taken: ${JSON.stringify(answer)}`);
  return message.hash;
}
const arrives = (what: string, hash: string) =>
  until(`${what}: the message arrives`, () => sink.deliveries.some((one) => one.hash === hash), 20_000);
/** What the kernel says of the relay. */
const facts = (): Record<string, string> =>
  Object.fromEntries(
    within('cat', `/proc/${shown('MainPID')}/status`)
      .stdout.split('\n')
      .map((line) => line.split(':\t'))
      .map(([key = '', value = '']) => [key, value.trim()]),
  );
async function step(what: string, work: () => Promise<string>): Promise<void> {
  const began = performance.now();
  const found = await work().catch((error: unknown) => {
    broken.push(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    return 'BROKEN';
  });
  rows.push([what, `${((performance.now() - began) / 1000).toFixed(1)} s`, found]);
}

await step('the units are read', async () => {
  const added = within('useradd', '--system', '--home-dir', '/var/lib/bridgehead', '--shell', '/usr/sbin/nologin', 'bridgehead');
  must(added.status === 0 || /already exists/.test(added.stderr), `useradd: ${added.stderr}`);
  const { status, stdout, stderr } = within('systemd-analyze', 'verify', `${units}/${UNIT}`, `${units}/bridgehead.socket`);
  must(status === 0 && stdout + stderr === '', `systemd-analyze verify: ${status} ${stdout}${stderr}`);
  return 'no remark';
});

await step('start', async () => {
  const { status, stderr } = systemctl('start', UNIT);
  must(status === 0, `start: ${stderr}\n${journal().slice(-2_000)}`);
  // it returned: mail is taken at once
  await arrives('start', await taken('start'));
  const { Uid, CapEff, NoNewPrivs, Seccomp } = facts();
  must(!/\b0\b/.test(Uid ?? '0'), `start: Uid ${Uid}`);
  must(CapEff === '0000000000000400', `start: CapEff ${CapEff}`);
  must(NoNewPrivs === '1' && Seccomp === '2', `start: NoNewPrivs ${NoNewPrivs}, Seccomp ${Seccomp}`);
  const told = within('/usr/bin/node', '/opt/bridgehead/dist/main.js', 'status', '--config', '/etc/bridgehead/bridgehead.yaml');
  must(told.status === 0, `status: ${told.status} ${told.stdout}${told.stderr}`);
  return `Uid ${Uid?.split('\t')[0]}, CapEff ${CapEff}, Seccomp ${Seccomp}`;
});

await step('reload', async () => {
  setRecipients('user', 'another');
  const { status, stderr } = systemctl('reload', UNIT);
  must(status === 0, `reload: ${stderr}`);
  await until('the reload is told', () => journal().includes('settings and directory reloaded'), 10_000, 200);
  await arrives('reload', await taken('reload', 'another@example.com'));
  return 'a new recipient is taken';
});

await step('killed by SIGSEGV', async () => {
  const pid = shown('MainPID');
  sink.answer = () => '451 4.3.0 Later'; // it waits in the queue over the crash
  const hash = await taken('crash');
  systemctl('kill', '--kill-whom=main', '--signal=SEGV', UNIT);
  await until('the relay is there again', async () => shown('MainPID') !== pid && (await greets(25, HOST)), 30_000, 200);
  sink.answer = () => undefined;
  await arrives('crash', hash);
  must(shown('NRestarts') === '1', `crash: NRestarts ${shown('NRestarts')}`);
  return 'started again, what it had acknowledged arrives';
});

await step('stop, with a client that waits', async () => {
  const idle = connect(25, HOST);
  const heard = text(idle).catch(() => '');
  await once(idle, 'data');
  const stopping = beside('systemctl', 'stop', UNIT);
  const last = (await heard).trim().split('\r\n').at(-1) ?? '';
  must(last.startsWith('421 '), `stop: the client hears ${last}`);
  must((await stopping).status === 0, `stop: ${(await stopping).stderr}`);
  must(shown('Result') === 'success' && shown('ActiveState') === 'inactive', `stop: ${shown('Result')}, ${shown('ActiveState')}`);
  return `the client hears ${last}`;
});

await step('settings that are wrong', async () => {
  setSettings(rightSettings.replace('hostname:', 'hostnam:'));
  const { status } = systemctl('start', UNIT);
  const [state, sub, code] = [shown('ActiveState'), shown('SubState'), shown('ExecMainStatus')];
  must(status !== 0, 'wrong settings: systemctl start says nothing of it');
  // not `activating`, `auto-restart`: it would try for ever
  must(state === 'failed' && sub === 'failed' && code === '78', `wrong settings: ${state}, ${sub}, ${code}`);
  must(
    /bridgehead\.yaml:1.*hostnam/.test(journal()),
    `wrong settings: the journal does not name the line:\n${journal().slice(-500)}`,
  );
  setSettings(rightSettings);
  return `systemctl start fails, status ${code}, not tried again`;
});

await step('port 25 from bridgehead.socket, no capability', async () => {
  writeFileSync(join(dropIns, 'no-rights.conf'), '[Service]\nCapabilityBoundingSet=\nAmbientCapabilities=\n');
  writeFileSync(join(socketDropIns, 'address.conf'), `[Socket]\nListenStream=\nListenStream=${HOST}:25\n`);
  systemctl('daemon-reload');
  const { status, stderr } = systemctl('start', 'bridgehead.socket', UNIT);
  must(status === 0, `socket: ${stderr}\n${journal().slice(-1_000)}`);
  await arrives('socket', await taken('socket'));
  const { CapEff, CapBnd } = facts();
  must(CapEff === '0000000000000000' && CapBnd === CapEff, `socket: CapEff ${CapEff}, CapBnd ${CapBnd}`);
  // clients come all the time while it is started anew: each is greeted
  const pid = shown('MainPID');
  let isOver = false;
  const restart = beside('systemctl', 'restart', UNIT).finally(() => (isOver = true));
  const greetings: Promise<boolean>[] = [];
  await until(
    'the restart is over',
    () => {
      greetings.push(greets(25, HOST, 30_000));
      return isOver;
    },
    60_000,
  );
  must((await restart).status === 0 && shown('MainPID') !== pid, `socket: restart ${(await restart).stderr}`);
  const lost = (await Promise.all(greetings)).filter((isGreeted) => !isGreeted).length;
  must(lost === 0, `socket: ${lost} of ${greetings.length} clients of the restart were not greeted`);
  return `CapEff ${CapEff}, ${greetings.length} clients greeted over a restart`;
});

say(table(['systemd', 'took', ''], rows));
say(`under ${systemctl('--version').stdout.split('\n')[0]}`);
process.exitCode = verdict('systemd', broken);
