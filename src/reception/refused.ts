/** Connections that were never let in: told why, and closed. */
import type { Socket } from 'node:net';

/** Milliseconds for the 421 to be read. */
const LINGER = 5_000;
/** Connections that are kept for a while, at a time; in a greater flood the others are closed at once, or they would take all descriptors. */
const KEPT = 4_096;

export class RefusedSockets {
  private readonly kept = new Set<Socket>();

  /**
   * `answer`: one reply without its line end; absent where the client expects TLS and could not read it. It comes after
   * `delay` milliseconds: who is refused again and again, and comes again at once, costs us less the longer it waits.
   */
  refuse(socket: Socket, answer: string | undefined, delay: number): void {
    socket.on('error', () => {});
    if (this.kept.size >= KEPT) {
      // what the kernel takes at once may still arrive
      if (answer !== undefined) socket.write(`${answer}\r\n`);
      socket.destroy();
      return;
    }
    this.kept.add(socket);
    let timer = delay > 0 ? setTimeout(() => (timer = this.close(socket, answer)), delay) : this.close(socket, answer);
    socket.once('close', () => {
      clearTimeout(timer);
      this.kept.delete(socket);
    });
  }

  private close(socket: Socket, answer: string | undefined): NodeJS.Timeout | undefined {
    if (answer === undefined) {
      socket.destroy();
      return undefined;
    }
    socket.resume();
    socket.end(`${answer}\r\n`);
    return setTimeout(() => socket.destroy(), LINGER).unref();
  }

  /** At the end of reception. */
  closeAll(): void {
    for (const socket of this.kept) socket.destroy();
  }
}
