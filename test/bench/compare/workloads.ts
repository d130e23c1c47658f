/** The workloads; counts are sized so that a run takes 5 to 20 s. */
export interface Workload {
  readonly name: string;
  readonly text: string;
  readonly bytes: number;
  readonly count: number;
  /** Recipients a message. */
  readonly recipients: number;
  /** Sessions are reused for the next message. */
  readonly reuse: boolean;
  readonly tls: boolean;
  /** Postfix's own pair, or the C pair in native/, where that one lacks something or is the ceiling itself. */
  readonly tools: 'postfix' | 'native';
}

const usual = { bytes: 5120, recipients: 1, reuse: false, tls: false, tools: 'postfix' } as const;

export const WORKLOADS: readonly Workload[] = [
  { ...usual, name: 'a', text: '5 KB, 20 sessions, one message a session', count: 4000 },
  { ...usual, name: 'b', text: '5 KB, 20 sessions, sessions reused', count: 5000, reuse: true },
  { ...usual, name: 'c', text: '50 KB, one message a session', count: 2500, bytes: 51_200 },
  // smtp-sink itself tops out at some 140 a second at 1 MB
  { ...usual, name: 'd', text: '1 MB, one message a session', count: 200, bytes: 1_048_576, tools: 'native' },
  // smtp-sink counts no recipients
  { ...usual, name: 'e', text: '5 KB, 10 recipients a message', count: 1500, recipients: 10, tools: 'native' },
  // smtp-source and smtp-sink have no TLS
  { ...usual, name: 'f', text: '5 KB, STARTTLS in and out', count: 2000, tls: true, tools: 'native' },
];
