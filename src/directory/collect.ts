/** Records that are handed over in this thread (a live source, a host that pushes), as lines for the thread that builds. */
import type { BuildPart } from './build-job.ts';
import type { DirectorySource, Finding } from './ports.ts';
import { contentOf } from './record-lines.ts';

const IN_ONE_CHUNK = 1 << 18;

export async function collect(source: DirectorySource): Promise<BuildPart> {
  const chunks: Uint8Array[] = [];
  const findings: Finding[] = [];
  let lines = '';
  await source.read({
    record: (record) => {
      lines += `${contentOf(record)}${record.line}\n`;
      if (lines.length < IN_ONE_CHUNK) return;
      chunks.push(Buffer.from(lines));
      lines = '';
    },
    finding: (finding) => findings.push(finding),
  });
  chunks.push(Buffer.from(lines));
  return { kind: 'lines', origin: source.origin, chunks, findings };
}
