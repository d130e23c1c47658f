/** What `doctor` says: findings, each with what is wrong, why it matters and what to type, and what could not be looked at. */

/** In the order in which they are printed. */
export const AREAS = ['dns', 'domains', 'certificates', 'connectors', 'access', 'directory', 'relay', 'machine'] as const;
export type Area = (typeof AREAS)[number];
export type Severity = 'error' | 'warning' | 'note';

export interface Words {
  /** With the real values. */
  readonly what: string;
  readonly why: string;
  /** What to change or type, a line each. */
  readonly remedy: readonly string[];
}

export interface Finding extends Words {
  readonly severity: Severity;
  readonly area: Area;
  /** One word for one kind of mistake; scripts compare it. */
  readonly code: string;
  /** The domain, connector, file or name that it is about. */
  readonly subject: string;
}

/** What is not known, and so is not called right (design.md P9). */
export interface Unchecked {
  readonly area: Area;
  readonly what: string;
  readonly why: string;
}

/** What the checks of one area write into. */
export class Report {
  readonly area: Area;
  readonly findings: Finding[] = [];
  readonly unchecked: Unchecked[] = [];

  constructor(area: Area) {
    this.area = area;
  }

  /** Mail is lost, refused or bounced, or will be. */
  error(code: string, subject: string, words: Words): void {
    this.add('error', code, subject, words);
  }

  /** Mail suffers sooner or later. */
  warning(code: string, subject: string, words: Words): void {
    this.add('warning', code, subject, words);
  }

  /** Worth knowing; nothing has to be done. */
  note(code: string, subject: string, words: Words): void {
    this.add('note', code, subject, words);
  }

  add(severity: Severity, code: string, subject: string, { what, why, remedy }: Words): void {
    this.findings.push({ severity, area: this.area, code, subject, what, why, remedy });
  }

  unknown(what: string, why: string): void {
    this.unchecked.push({ area: this.area, what, why });
  }
}
