import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { BoundSockets } from '../../../src/platform/bound-sockets.ts';

async function bound(): Promise<{ sockets: BoundSockets; port: number }> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as { port: number };
  await once(probe.close(), 'close');
  const sockets = new BoundSockets();
  await sockets.bind({ address: '127.0.0.1', port }, 16);
  return { sockets, port };
}

describe('sockets that were bound before', () => {
  it('are handed over with the clients that came meanwhile, and what they said', async () => {
    const { sockets, port } = await bound();
    const early = connect(port, '127.0.0.1');
    await once(early, 'connect');
    early.write('before\n');
    const server = createServer((socket: Socket) => socket.on('data', (said) => socket.end(`heard ${said.toString()}`)));
    expect(sockets.handOver({ address: '127.0.0.1', port }, server, 16)).toBe(true);
    const [answer] = (await once(early, 'data')) as [Buffer];
    expect(answer.toString()).toBe('heard before\n');

    const late = connect(port, '127.0.0.1').on('connect', () => late.write('after\n'));
    const [other] = (await once(late, 'data')) as [Buffer];
    expect(other.toString()).toBe('heard after\n');
    expect(sockets.close()).toEqual([]);
    early.destroy();
    late.destroy();
    await once(server.close(), 'close');
  });

  it('are given to nobody else, and told where nobody took them', async () => {
    const { sockets, port } = await bound();
    expect(sockets.handOver({ address: '127.0.0.1', port: port + 1 }, createServer(), 16)).toBe(false);
    expect(sockets.close()).toEqual([`127.0.0.1:${port}`]);
    const refused = connect(port, '127.0.0.1');
    const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it('of another process are left alone', async () => {
    const environment: NodeJS.ProcessEnv = { LISTEN_PID: String(process.pid + 1), LISTEN_FDS: '3' };
    const sockets = new BoundSockets();
    await sockets.inherit(environment, process.pid);
    expect(sockets.names).toEqual([]);
    expect(environment).toEqual({});
  });
});
