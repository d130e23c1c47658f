/** Reads the dialogues of test/integration/reception/dialogues and holds them against a server; their form stands at the top of order.txt. */
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

const FOLDER = new URL('../integration/reception/dialogues/', import.meta.url);
/** Milliseconds for one reply. */
const PATIENCE = 10_000;

export type Who = 'bridgehead' | 'postfix';

interface Expectation {
  readonly begins: string;
  readonly holds: string[];
  readonly lacks: string[];
}

type Step =
  | { readonly kind: 'send'; readonly octets: Buffer; readonly singly: boolean }
  | { readonly kind: 'reply'; readonly line: number; readonly of: Record<Who, Expectation> }
  | { readonly kind: 'tls' }
  | { readonly kind: 'end' };

export interface Dialogue {
  /** `order.txt:12` */
  readonly place: string;
  readonly name: string;
  readonly steps: readonly Step[];
  /** Messages that were taken by its end. */
  readonly messages: number | undefined;
  readonly readsGreeting: boolean;
}

/** Those with everybody; `of` a folder: those with who is listed for them. */
export function readDialogues(of?: 'filter'): Dialogue[] {
  const folder = of === undefined ? FOLDER : new URL(`${of}/`, FOLDER);
  return readdirSync(folder)
    .filter((file) => file.endsWith('.txt'))
    .sort()
    .flatMap((file) => parse(file, readFileSync(new URL(file, folder), 'utf8')));
}

const HELLO = ['C: EHLO client.example.net', 'S: 250'];
const MAIL = ['C: MAIL FROM:<a@example.net>', 'S: 250'];
const SHORT: Readonly<Record<string, readonly string[]>> = {
  'MAIL:': MAIL,
  'DATA:': [...MAIL, 'C: RCPT TO:<user@example.com>', 'S: 250', 'C: DATA', 'S: 354'],
};

function parse(file: string, text: string): Dialogue[] {
  const dialogues: Dialogue[] = [];
  let prologue: readonly string[] = [];
  let at: { place: string; name: string; raw: boolean; messages: number | undefined; lines: [number, string][] } | undefined;
  const finish = (): void => {
    if (at === undefined) return;
    const { place, name, raw, messages, lines } = at;
    const before = raw ? [] : prologue.map((line): [number, string] => [0, line]);
    dialogues.push({ place, name, messages, readsGreeting: !raw, steps: stepsOf([...before, ...lines], place) });
  };
  text.split('\n').forEach((line, i) => {
    if (line === '' || line.startsWith('#')) return;
    if (line.startsWith('= ')) {
      finish();
      at = { place: `${file}:${i + 1}`, name: line.slice(2), raw: false, messages: undefined, lines: [] };
    } else if (at === undefined) prologue = line === '@ EHLO' ? HELLO : [];
    else if (line === '@ RAW') at.raw = true;
    else if (line.startsWith('M: ')) at.messages = Number(line.slice(3));
    else for (const one of SHORT[line] ?? [line]) at.lines.push([i + 1, one]);
  });
  finish();
  return dialogues;
}

function stepsOf(lines: readonly [number, string][], place: string): Step[] {
  const steps: Step[] = [];
  let marks: [string, string][] = [];
  for (const [number, line] of lines) {
    const mark = line.slice(0, 2);
    const rest = line.slice(3);
    if (mark === 'C:') steps.push({ kind: 'send', octets: octetsOf(`${rest}\\r\\n`), singly: false });
    else if (mark === 'C>' || mark === 'C/') steps.push({ kind: 'send', octets: octetsOf(rest), singly: mark === 'C/' });
    else if (line === 'TLS') steps.push({ kind: 'tls' });
    else if (line === 'END') steps.push({ kind: 'end' });
    else if (/^[SP][*!]$/.test(mark)) marks.push([mark, rest]);
    else if (mark === 'S:') {
      const many = /^\{(.*)\*(\d+)\}$/.exec(rest);
      const ours: Expectation = { begins: many?.[1] ?? rest, ...marksOf('S', marks) };
      // of Postfix the class of the reply is compared: its texts are its own
      const theirs: Expectation = {
        begins: ours.begins[0] ?? '',
        ...marksOf(marks.some(([m]) => m[0] === 'P') ? 'P' : 'S', marks),
      };
      for (let i = 0; i < Number(many?.[2] ?? 1); i++)
        steps.push({ kind: 'reply', line: number, of: { bridgehead: ours, postfix: theirs } });
      marks = [];
    } else if (mark === 'P:') {
      const word = rest.split(' ', 1)[0] ?? '';
      for (let i = steps.length - 1; i >= 0; i--) {
        const step = steps[i];
        if (step?.kind !== 'reply' || (i < steps.length - 1 && step.line !== lastLine(steps))) break;
        steps[i] = { ...step, of: { ...step.of, postfix: { begins: word, holds: [], lacks: [] } } };
      }
    } else throw new Error(`${place}: "${line}" is no step`);
  }
  return steps;
}

function lastLine(steps: readonly Step[]): number | undefined {
  const last = steps.at(-1);
  return last?.kind === 'reply' ? last.line : undefined;
}

function marksOf(who: 'S' | 'P', marks: readonly [string, string][]): { holds: string[]; lacks: string[] } {
  const of = (sign: string): string[] => marks.filter(([mark]) => mark === who + sign).map(([, text]) => text);
  return { holds: of('*'), lacks: of('!') };
}

/** Escapes and repetitions made octets. */
function octetsOf(text: string): Buffer {
  let whole = text;
  for (let inner = INNERMOST.exec(whole); inner !== null; inner = INNERMOST.exec(whole))
    whole = whole.replace(inner[0], () => (inner?.[1] ?? '').repeat(Number(inner?.[2])));
  const plain = whole.replace(/\\(?:x([0-9a-f]{2})|([rnt0]))/g, (_, hex: string | undefined, sign: string | undefined) =>
    hex === undefined ? (SIGNS[sign ?? ''] ?? '') : String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(plain, 'latin1');
}
const INNERMOST = /\{([^{}]*)\*(\d+)\}/;
const SIGNS: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', 0: '\0' };

/** What went otherwise than the dialogue says, `undefined` where nothing did. */
export async function hold(dialogue: Dialogue, port: number, who: Who, from = '127.0.0.1'): Promise<string | undefined> {
  const wire = new Wire(connect({ port, host: '127.0.0.1', localAddress: from }));
  try {
    if (dialogue.readsGreeting) await wire.reply();
    for (const step of dialogue.steps) {
      const wrong = await take(step, wire, who);
      if (wrong === 'give up') return undefined;
      if (wrong !== undefined) return `${dialogue.place} ${dialogue.name}\n${wrong}\n${wire.transcript}`;
    }
    return undefined;
  } finally {
    wire.destroy();
  }
}

async function take(step: Step, wire: Wire, who: Who): Promise<string | undefined> {
  switch (step.kind) {
    case 'send':
      await wire.send(step.octets, step.singly);
      return undefined;
    case 'tls':
      await wire.startTls();
      return undefined;
    case 'end':
      // how long a server waits behind its last word is its own affair
      return who === 'postfix' || (await wire.ends()) ? undefined : 'the server did not close';
    case 'reply': {
      const { begins, holds, lacks } = step.of[who];
      if (who === 'postfix' && begins === '*') return 'give up';
      const reply = await wire.reply();
      const last = reply.split('\n').at(-1) ?? '';
      if (!last.startsWith(begins) || reply === '')
        return `line ${step.line}: expected ${begins}, got ${reply === '' ? 'nothing' : reply}`;
      const missing = holds.find((text) => !reply.includes(text));
      if (missing !== undefined) return `line ${step.line}: no ${missing} in ${reply}`;
      const there = lacks.find((text) => reply.includes(text));
      if (there !== undefined) return `line ${step.line}: ${there} in ${reply}`;
      // who answers otherwise than we do goes another way from here on
      return who === 'postfix' && step.of.bridgehead.begins[0] !== begins[0] ? 'give up' : undefined;
    }
  }
}

class Wire {
  private socket: Socket;
  private received = '';
  private ended = false;
  private wake: (() => void) | undefined;
  transcript = '';

  constructor(socket: Socket) {
    this.socket = socket;
    this.attach();
  }

  private attach(): void {
    const gone = (): void => {
      this.ended = true;
      this.wake?.();
    };
    this.socket.setEncoding('latin1');
    this.socket.setNoDelay(true);
    this.socket.on('data', (text: string) => {
      this.received += text;
      this.wake?.();
    });
    this.socket.on('end', gone).on('close', gone).on('error', gone);
  }

  async send(octets: Buffer, singly: boolean): Promise<void> {
    this.transcript += `C ${JSON.stringify(octets.toString('latin1').slice(0, 300))}\n`;
    if (!singly) this.socket.write(octets);
    else
      for (const octet of octets) {
        await new Promise<void>((resolve) => {
          this.socket.write(Buffer.of(octet), () => setImmediate(resolve));
        });
      }
  }

  /** All lines of the next reply; '' where the server closed or was silent. */
  async reply(): Promise<string> {
    for (;;) {
      const whole = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/.exec(this.received);
      if (whole !== null) {
        this.received = this.received.slice(whole[0].length);
        this.transcript += `S ${whole[0]}`;
        return whole[0].trimEnd().replaceAll('\r\n', '\n');
      }
      if (this.ended || !(await this.more())) return '';
    }
  }

  async ends(): Promise<boolean> {
    while (!this.ended) if (!(await this.more())) return false;
    return true;
  }

  private async more(): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), PATIENCE);
      this.wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  async startTls(): Promise<void> {
    this.socket.removeAllListeners();
    const socket = tlsConnect({ socket: this.socket, rejectUnauthorized: false, servername: 'mx1.example.com' });
    await once(socket, 'secureConnect');
    this.socket = socket;
    this.received = '';
    this.attach();
  }

  destroy(): void {
    this.socket.destroy();
  }
}
