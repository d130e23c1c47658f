/**
 * The clients of ceilings.ts, as a process of its own: they connect from many addresses, hear the greeting, go over to TLS
 * if told so, and say nothing more. What to do comes and is answered over the channel to the parent.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';

/** Clients to open, or `undefined`: close all that are. */
export interface Wanted {
  readonly port: number;
  readonly count: number;
  /** The second number of their addresses: 127.NET.x.y. */
  readonly net: number;
  readonly perAddress: number;
  /** Connects a second; 0 is as fast as they are greeted. */
  readonly rate: number;
  readonly tls: boolean;
}

export interface Came {
  /** Open, greeted and in TLS where that was asked for. */
  readonly greeted: number;
  /** Told 421. */
  readonly turnedAway: number;
  /** Closed or silent without either. */
  readonly failed: number;
  /** Milliseconds from connect to greeting. */
  readonly slowest: number;
  /** Seconds from the first connect to the last. */
  readonly seconds: number;
}

/** Connects on their way at a time, where no rate is asked for. */
const AT_ONCE = 50;
const PATIENCE = 30_000;
const ADDRESSES_OF_NETWORK = 5;

const open = new Set<Socket>();
const greetings: number[] = [];

type End = 'greeted' | 'turnedAway' | 'failed';

function client({ port, net, perAddress, tls }: Wanted, number: number): Promise<End> {
  const address = Math.floor(number / perAddress);
  const localAddress = `127.${net}.${Math.floor(address / ADDRESSES_OF_NETWORK)}.${(address % ADDRESSES_OF_NETWORK) + 1}`;
  const began = performance.now();
  const socket = connect({ port, host: '127.0.0.1', localAddress }).setNoDelay(true);
  open.add(socket);
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), PATIENCE);
    const end = (how: End): void => {
      clearTimeout(timer);
      resolve(how);
    };
    socket.on('error', () => {});
    socket.once('close', () => {
      open.delete(socket);
      end('failed');
    });
    let text = '';
    let replies = 0;
    const listen = (data: Buffer): void => {
      text += data.toString('latin1');
      if (!/(?:^|\n)\d{3} [^\n]*\n$/.test(text)) return;
      const reply = text;
      text = '';
      if (reply.startsWith('421')) return end('turnedAway');
      replies += 1;
      if (replies === 1) {
        greetings.push(performance.now() - began);
        if (tls) socket.write('EHLO idle.example\r\n');
        else end('greeted');
      } else if (replies === 2) {
        socket.write('STARTTLS\r\n');
      } else {
        socket.off('data', listen);
        const secured = connectTls({ socket, rejectUnauthorized: false }, () => end('greeted'));
        secured.on('error', () => {});
        secured.on('data', () => {});
      }
      return undefined;
    };
    socket.on('data', listen);
  });
}

async function bring(wanted: Wanted): Promise<Came> {
  greetings.length = 0;
  const began = performance.now();
  const ends: Promise<End>[] = [];
  if (wanted.rate > 0) {
    while (ends.length < wanted.count) {
      const due = Math.min(wanted.count, Math.floor(((performance.now() - began) * wanted.rate) / 1000));
      while (ends.length < due) ends.push(client(wanted, ends.length));
      await delay(5);
    }
  } else {
    const one = async (): Promise<void> => {
      while (ends.length < wanted.count) {
        const end = client(wanted, ends.length);
        ends.push(end);
        await end;
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }
  const seconds = (performance.now() - began) / 1000;
  const came = await Promise.all(ends);
  const count = (how: End): number => came.filter((end) => end === how).length;
  return {
    greeted: count('greeted'),
    turnedAway: count('turnedAway'),
    failed: count('failed'),
    slowest: Math.max(0, ...greetings),
    seconds,
  };
}

process.on('message', (wanted: Wanted | 'close') => {
  if (wanted === 'close') {
    for (const socket of open) socket.destroy();
    process.send?.('closed');
  } else void bring(wanted).then((came) => process.send?.(came));
});
process.once('disconnect', () => process.exit(0));
