/** `run`, `demo` and `check`: what works on the settings file. */
import { type Command, EXIT, text } from './command.ts';
import { mistakeLine } from './mistakes.ts';

export const run: Command = {
  name: 'run',
  summary: 'run the relay until SIGTERM or SIGINT; SIGHUP reloads settings and directory',
  local: true,
  run: ({ ports, config }) => ports.run(config),
};

/** Its arguments are read by the demo itself. */
export const demo: Command = {
  name: 'demo',
  summary: 'both sides and the relay on this machine, sample messages, and what became of each',
  options: { keep: { type: 'boolean', help: 'leave everything running' } },
  local: true,
  run: ({ ports }) => ports.demo([]),
};

export const check: Command = {
  name: 'check',
  summary: 'read the settings and all they name; print every mistake, or "ok"',
  async run({ ports, config, json, values, withOperations }) {
    // Beside a daemon too: the file is asked for, not what the daemon has read
    if (text(values, 'server') !== undefined) {
      return withOperations(async (operations) => {
        const report = await operations.checkSettings();
        ports.stdout.write(json ? `${JSON.stringify(report)}\n` : report.ok ? 'ok\n' : report.mistakes.map(mistakeLine).join(''));
        return report.ok ? EXIT.done : EXIT.settings;
      });
    }
    const loaded = await ports.loadSettings(config);
    const mistakes = loaded.ok ? (loaded.refused ?? []) : loaded.mistakes;
    const report = { ok: mistakes.length === 0, mistakes, notes: loaded.ok ? loaded.notes : [] };
    if (json) ports.stdout.write(`${JSON.stringify(report)}\n`);
    else {
      for (const note of report.notes) ports.stdout.write(`note: ${mistakeLine(note)}`);
      ports.stdout.write(report.ok ? 'ok\n' : report.mistakes.map(mistakeLine).join(''));
    }
    return report.ok ? EXIT.done : EXIT.settings;
  },
};
