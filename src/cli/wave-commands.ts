/** `wave ...`: a named batch of mailboxes and its move. */
import { waveCheckQuery, waveCreation, wavePart, waveReplayQuery, waveSwitchRequest } from '../admin/wave-contract.ts';
import { printable } from '../platform/printable.ts';
import { waveCheckText } from './check-text.ts';
import { type Command, EXIT, type Option, text, UsageError, type Values } from './command.ts';
import { findingLine } from './directory-commands.ts';
import { namedFiles } from './files.ts';
import { checked } from './questions.ts';
import { parseMoment, parseTime } from './times.ts';
import { replayText, reportText, uncheckedText, underWayText, waveTable, waveText } from './wave-text.ts';

const REASON: Option = { type: 'string', value: 'TEXT', help: 'why; it stands in the history' };
const ADDRESSES = { type: 'string', multiple: true, value: 'ADDRESS' } as const;

const several = (values: Values, name: string): string[] | undefined => {
  const given = values[name];
  return Array.isArray(given) ? given.map(String).flatMap((one) => one.split(',')) : undefined;
};

/** ISO 8601, or in how long (`2h`). */
function momentOf(written: string, now: number): string {
  const time = parseMoment(written, now);
  if (time === undefined)
    throw new UsageError(`${written}: write the time like 2026-11-22T22:00:00+01:00, or 2h for in two hours`);
  return time;
}

const create: Command = {
  name: 'wave create',
  summary: 'a wave from a list of mailboxes: a migration batch file, any CSV with a column of addresses, or one address a line',
  positionals: ['NAME', 'FILE'],
  options: { at: { type: 'string', value: 'TIME', help: 'when it is switched by itself: ISO 8601, or 2h for in two hours' } },
  run: async ({ ports, json, positionals: [name = '', file = ''], values, withOperations }) => {
    const [named] = namedFiles([file]);
    const at = text(values, 'at');
    // read here: of a batch file with passwords nothing but the addresses leaves this machine
    const list = await ports.readWaveList(named?.path ?? file);
    if (list.findings.some(({ severity }) => severity === 'error')) {
      ports.stdout.write(
        json
          ? `${JSON.stringify({ created: false, wave: null, findings: list.findings })}\n`
          : `${list.findings.map(findingLine).join('')}${notMade(name)}`,
      );
      return EXIT.no;
    }
    const request = checked(waveCreation, {
      file: named?.name,
      addresses: list.addresses,
      at: at === undefined ? undefined : momentOf(at, ports.now()),
      who: ports.user,
    });
    return await withOperations(async (operations) => {
      const answer = await operations.createWave(name, request);
      const all = { ...answer, findings: [...list.findings, ...answer.findings] };
      if (json) ports.stdout.write(`${JSON.stringify(all)}\n`);
      else {
        ports.stdout.write(all.findings.map(findingLine).join(''));
        ports.stdout.write(answer.wave === null ? notMade(name) : waveTable([answer.wave], ports.now(), ports.stdout.columns));
      }
      return answer.created ? EXIT.done : EXIT.no;
    });
  },
};

const notMade = (name: string): string => `wave ${printable(name)} was not made\n`;

const list: Command = {
  name: 'wave list',
  summary: 'the waves and how far each one is',
  run: ({ ports, json, withOperations }) =>
    withOperations(async (operations) => {
      const waves = await operations.listWaves();
      if (json) ports.stdout.write(`${JSON.stringify({ waves })}\n`);
      else ports.stdout.write(waves.length === 0 ? 'there is no wave\n' : waveTable(waves, ports.now(), ports.stdout.columns));
      return EXIT.done;
    }),
};

const show: Command = {
  name: 'wave show',
  summary: 'one wave: each mailbox, its state, and who made it so',
  positionals: ['NAME'],
  run: ({ ports, json, positionals: [name = ''], withOperations }) =>
    withOperations(async (operations) => {
      const wave = await operations.showWave(name);
      ports.stdout.write(json ? `${JSON.stringify(wave)}\n` : waveText(wave, ports.now(), ports.stdout.columns));
      return EXIT.done;
    }),
};

const check: Command = {
  name: 'wave check',
  summary: 'whether its mailboxes may change sides: each routing address against the newest export of the cloud',
  positionals: ['NAME'],
  options: { to: { type: 'string', value: 'SIDE', help: 'cloud (default), on-premises' } },
  run: ({ ports, json, positionals: [name = ''], values, withOperations }) => {
    const query = checked(waveCheckQuery, { to: values['to'] });
    return withOperations(async (operations) => {
      const answer = await operations.checkWave(name, query);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : waveCheckText(name, answer));
      return answer.unsafe > 0 ? EXIT.no : EXIT.done;
    });
  },
};

const schedule: Command = {
  name: 'wave schedule',
  summary: 'set the time of its switch, or "none"',
  positionals: ['NAME', 'TIME'],
  run: ({ ports, json, positionals: [name = '', written = ''], withOperations }) => {
    const at = written === 'none' ? null : momentOf(written, ports.now());
    return withOperations(async (operations) => {
      const wave = await operations.scheduleWave(name, { at, who: ports.user });
      ports.stdout.write(json ? `${JSON.stringify(wave)}\n` : waveTable([wave], ports.now(), ports.stdout.columns));
      return EXIT.done;
    });
  },
};

const part = (verb: 'hold' | 'both', summary: string, done: string): Command => ({
  name: `wave ${verb}`,
  summary,
  positionals: ['NAME'],
  options: { only: { ...ADDRESSES, help: 'these mailboxes alone; may be given again' }, reason: REASON },
  run: ({ ports, json, positionals: [name = ''], values, withOperations }) => {
    const request = checked(wavePart, { only: several(values, 'only'), reason: values['reason'], who: ports.user });
    return withOperations(async (operations) => {
      const answer = await (verb === 'hold' ? operations.holdWave(name, request) : operations.bothWave(name, request));
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : movedText(answer, done));
      return EXIT.done;
    });
  },
});

const switchWave: Command = {
  name: 'wave switch',
  summary: 'to the cloud, in one version for the whole wave; refused where a mailbox is found unsafe',
  positionals: ['NAME'],
  options: {
    except: { ...ADDRESSES, help: 'leave this mailbox where it is; may be given again' },
    force: { type: 'boolean', help: 'also what is found unsafe; needs --reason' },
    reason: REASON,
  },
  run: ({ ports, json, positionals: [name = ''], values, withOperations }) => {
    const request = checked(waveSwitchRequest, {
      except: several(values, 'except'),
      force: values['force'],
      reason: values['reason'],
      who: ports.user,
    });
    return withOperations(async (operations) => {
      const answer = await operations.switchWave(name, request);
      if (json) ports.stdout.write(`${JSON.stringify(answer)}\n`);
      else if (answer.switched) {
        const forced = answer.forced.map(({ address, why }) => `${printable(`  by force: ${address}: ${why}`)}\n`);
        const left = answer.except.map((address) => `${printable(`  left out: ${address}`)}\n`);
        ports.stdout.write(
          `${movedText(answer, 'switched to the cloud')}${left.join('')}${forced.join('')}${uncheckedText(answer)}`,
        );
      } else {
        const lines = answer.unsafe.flatMap(({ address, why, remedy }) => [`unsafe  ${address}: ${why}`, `        ${remedy}`]);
        ports.stdout.write(
          `${lines.map(printable).join('\n')}\nnothing was switched: mend these, leave them out with --except, or --force --reason TEXT\n`,
        );
      }
      return answer.switched ? EXIT.done : EXIT.no;
    });
  },
};

const rollback: Command = {
  name: 'wave rollback',
  summary: 'back to where it came from; names the messages that are on the other side, for the mover to carry back',
  positionals: ['NAME'],
  options: { only: { ...ADDRESSES, help: 'this mailbox alone; may be given again' }, reason: REASON },
  run: ({ ports, json, positionals: [name = ''], values, withOperations }) => {
    const request = checked(wavePart, { only: several(values, 'only'), reason: values['reason'], who: ports.user });
    return withOperations(async (operations) => {
      const answer = await operations.rollbackWave(name, request);
      const script =
        answer.powershell.length === 0
          ? ''
          : `\nOn-premises, so that its directory says the same:\n${answer.powershell.join('\n')}\n`;
      ports.stdout.write(
        json
          ? `${JSON.stringify(answer)}\n`
          : `${movedText(answer, 'taken back')}${replayText(answer)}${underWayText(answer)}${script}`,
      );
      return EXIT.done;
    });
  },
};

const report: Command = {
  name: 'wave report',
  summary: 'who is confirmed by a first delivery with its TLS, who is not, what was held, what bounced',
  positionals: ['NAME'],
  run: ({ ports, json, positionals: [name = ''], withOperations }) =>
    withOperations(async (operations) => {
      const answer = await operations.reportWave(name);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : reportText(answer, ports.now(), ports.stdout.columns));
      return EXIT.done;
    }),
};

const replay: Command = {
  name: 'wave replay',
  summary: 'name the messages that were delivered to the side a mailbox lives on no longer, and how to find them there',
  positionals: ['NAME'],
  options: { since: { type: 'string', value: 'TIME', help: 'from then on, not from the switch on' } },
  run: ({ ports, json, positionals: [name = ''], values, withOperations }) => {
    const written = text(values, 'since');
    const since = written === undefined ? undefined : parseTime(written, ports.now());
    if (written !== undefined && since === undefined)
      throw new UsageError(`--since ${written}: write it like 2026-11-22T10:00:00Z, 1h, today`);
    const query = checked(waveReplayQuery, { since });
    return withOperations(async (operations) => {
      const answer = await operations.replayWave(name, query);
      ports.stdout.write(json ? `${JSON.stringify(answer)}\n` : replayText(answer));
      return EXIT.done;
    });
  },
};

function movedText(
  { name, version, moved }: { name: string; version: number | null; moved: readonly string[] },
  done: string,
): string {
  return version === null
    ? `wave ${name}: nothing had to move\n`
    : `wave ${name}: ${moved.length} ${moved.length === 1 ? 'mailbox' : 'mailboxes'} ${done} (version ${version})\n`;
}

export const waveCommands: readonly Command[] = [
  create,
  list,
  show,
  check,
  schedule,
  part('hold', 'keep the mail of its mailboxes while they are moved', 'on hold'),
  part('both', 'deliver to both sides, for pilots', 'on both sides'),
  switchWave,
  rollback,
  report,
  replay,
];
