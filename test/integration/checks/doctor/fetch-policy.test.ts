import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { fetchOverHttps } from '../../../../src/checks/doctor/fetch-policy.ts';
import { selfSigned } from '../../../support/certificates.ts';

it('doctor > takes no MTA-STS policy from a server that it cannot verify, and says why', async () => {
  const server = createServer(selfSigned, (_, response) => response.end('version: STSv1\n'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/mta-sts.txt`;
  expect(await fetchOverHttps(url)).toEqual({ error: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  server.closeAllConnections();
  const closed = once(server, 'close');
  server.close();
  await closed;
  expect(await fetchOverHttps(url)).toEqual({ error: 'ECONNREFUSED' });
});
