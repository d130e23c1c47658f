import { describe, expect, it } from 'vitest';
import { tellReady } from '../../../src/platform/service-manager.ts';

// that systemd hears it: test/faults/systemd.ts
describe('telling the service manager', () => {
  it('says nothing where nobody waits', async () => {
    expect(await tellReady({})).toBeUndefined();
  });

  it('answers what kept it from being said, and forgets the socket: what the relay starts must not speak for it', async () => {
    const environment: NodeJS.ProcessEnv = { NOTIFY_SOCKET: '/nonexistent/notify' };
    expect(await tellReady(environment)).toMatch(/^systemd-notify (?:ended with [1-9]|cannot be run \(ENOENT\))/);
    expect(environment).toEqual({});
  });
});
