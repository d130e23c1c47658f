/** The file by which commands find the daemon: whoever could write it chose its words. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRunFile } from '../../../src/platform/run-file.ts';
import { must, type Target } from '../target.ts';

export const runFile: Target = {
  name: 'run-file',
  inputs: 'file',
  long: 50_000,
  short: 2_000,
  async open() {
    const folder = mkdtempSync(join(tmpdir(), 'bridgehead-fuzz-'));
    const good = { pid: process.pid, adminUrl: 'http://127.0.0.1:8025', tokenFile: '/x/token', certificateFile: '/x/cert.pem' };
    return {
      corpus: [JSON.stringify(good), JSON.stringify({ pid: 1, adminUrl: 'http://127.0.0.1:1' }), '', '{}', '[]', 'null', '1'].map(
        (text) => Buffer.from(text),
      ),
      words: ['"pid":', '"adminUrl":', '1e999', 'null', '[]', '{}', '"', ',', 'file:///etc/passwd', 'http://evil.example'],
      run(input) {
        writeFileSync(join(folder, 'run.json'), input);
        const read = readRunFile(folder);
        if (read === undefined) return;
        must(Number.isSafeInteger(read.pid) && read.pid > 0 && typeof read.adminUrl === 'string', 'a run file that is none');
      },
      [Symbol.asyncDispose]: async () => rmSync(folder, { recursive: true, force: true }),
    };
  },
};
