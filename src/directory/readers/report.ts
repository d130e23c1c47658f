/** Findings about one file, as a reader makes them. */
import { printable } from '../../platform/printable.ts';
import type { Finding, RecordSink } from '../ports.ts';

/** Errors, then reading stops: a file of another kind has one for each of its lines. */
const ENOUGH = 1_000;
/** Characters of a cell that a finding shows. */
const SHOWN = 100;

export class Report {
  readonly #sink: Pick<RecordSink, 'finding'>;
  readonly file: string;
  #errors = 0;

  /** `file`: its short name. */
  constructor(sink: Pick<RecordSink, 'finding'>, file: string) {
    this.#sink = sink;
    this.file = file;
  }

  /** Whether there are so many errors that the rest is not worth reading. */
  get isFull(): boolean {
    return this.#errors >= ENOUGH;
  }

  /** One that says nothing, for reading the same file once more. */
  silent(): Report {
    return new Report({ finding: () => undefined }, this.file);
  }

  get hasErrors(): boolean {
    return this.#errors > 0;
  }

  error(line: number, address: string, problem: string, remedy: string): undefined {
    this.#errors++;
    if (this.#errors <= ENOUGH) this.#add('error', line, address, problem, remedy);
    return undefined;
  }

  warning(line: number, address: string, problem: string, remedy: string): undefined {
    this.#add('warning', line, address, problem, remedy);
    return undefined;
  }

  #add(severity: Finding['severity'], line: number, address: string, problem: string, remedy: string): void {
    this.#sink.finding({
      severity,
      file: this.file,
      line,
      address: shown(address),
      problem: printable(problem),
      remedy: printable(remedy),
    });
  }
}

/** A cell as a finding shows it: on one line, nothing hidden, not too long. */
export function shown(text: string): string {
  return printable(text.length > SHOWN ? `${text.slice(0, SHOWN)}...` : text);
}
