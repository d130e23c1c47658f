/**
 * The attackers of flood.ts, as a process of their own: sessions that say nothing, senders of an octet a second, and
 * clients that ask for recipients who do not exist as fast as they are answered. Tells what it did, every second.
 *
 *   node test/faults/flood-attack.ts PORT IDLE SLOW FLOODERS
 */
import { connect, type Socket } from 'node:net';

const [port = 0, idle = 0, slow = 0, flooders = 0] = process.argv.slice(2).map(Number);
/** Connects on their way at a time: a SYN queue that overflows would test the kernel. */
const CONNECTING = 100;
const UNKNOWN = 20;

export interface AttackCounts {
  idle: number;
  slow: number;
  /** Sessions of slow senders that the relay ended. */
  slowEnded: number;
  floodConnects: number;
  unknownAsked: number;
  unknownRefused: number;
  turnedAway: number;
}
const counts: AttackCounts = {
  idle: 0,
  slow: 0,
  slowEnded: 0,
  floodConnects: 0,
  unknownAsked: 0,
  unknownRefused: 0,
  turnedAway: 0,
};

const open = (from: string): Socket =>
  connect({ port, host: '127.0.0.1', localAddress: from })
    .setNoDelay(true)
    .on('error', () => {});

function idleSession(number: number): Promise<void> {
  // 50 of an address, 250 of a network: what the limits of one client let in
  const address = Math.floor(number / 50);
  const socket = open(`127.1.${Math.floor(address / 5)}.${(address % 5) + 1}`);
  let counted = false;
  return new Promise((resolve) => {
    socket.once('data', () => {
      counts.idle += 1;
      counted = true;
      resolve();
    });
    socket.once('close', () => {
      if (counted) counts.idle -= 1;
      resolve();
    });
    socket.on('data', () => {});
  });
}

function slowSender(number: number): void {
  const socket = open(`127.2.${Math.floor(number / 20)}.${(number % 20) + 1}`);
  let text = '';
  let drip: NodeJS.Timeout | undefined;
  socket.on('data', (data) => {
    text += data.toString('latin1');
    if (drip === undefined && text.includes('\r\n354 ')) {
      counts.slow += 1;
      drip = setInterval(() => socket.write('x'), 1000);
    }
  });
  socket.once('data', () =>
    socket.write('EHLO slow.example\r\nMAIL FROM:<slow@example.net>\r\nRCPT TO:<moved@example.com>\r\nDATA\r\n'),
  );
  socket.once('close', () => {
    if (drip !== undefined) {
      counts.slow -= 1;
      counts.slowEnded += 1;
    }
    clearInterval(drip);
    setTimeout(slowSender, 100, number);
  });
}

let tried = 0;
function flooder(number: number): void {
  const socket = open(`127.3.${Math.floor(number / 5)}.${(number % 5) + 1}`);
  counts.floodConnects += 1;
  let text = '';
  socket.on('data', (data) => {
    text = (text + data.toString('latin1')).slice(-100_000);
    for (let end = text.indexOf('\r\n'); end >= 0; end = text.indexOf('\r\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 2);
      if (line.startsWith('220 ')) {
        socket.write(`EHLO flood.example\r\nMAIL FROM:<f@example.net>\r\n`);
      } else if (line.startsWith('250 2.1.0')) {
        let asked = '';
        for (let i = 0; i < UNKNOWN; i++) asked += `RCPT TO:<nobody${(tried += 1)}@example.com>\r\n`;
        counts.unknownAsked += UNKNOWN;
        socket.write(`${asked}QUIT\r\n`);
      } else if (line.startsWith('550 ')) {
        counts.unknownRefused += 1;
      } else if (line.startsWith('421 ')) {
        counts.turnedAway += 1;
        socket.destroy();
      }
    }
  });
  socket.once('close', () => setImmediate(flooder, number));
}

let next = 0;
const opener = async (): Promise<void> => {
  while (next < idle) await idleSession(next++);
};
await Promise.all(Array.from({ length: CONNECTING }, opener));
for (let i = 0; i < slow; i++) slowSender(i);
for (let i = 0; i < flooders; i++) flooder(i);
setInterval(() => process.stdout.write(`${JSON.stringify(counts)}\n`), 1000);
process.once('SIGTERM', () => process.exit(0));
