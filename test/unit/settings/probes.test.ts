import { describe, expect, it } from 'vitest';
import { checkSettings } from '../../../src/settings/load.ts';

const settingsWith = (probe: string) =>
  checkSettings(
    '/nowhere/bridgehead.yaml',
    [
      'hostname: mx1.example.com',
      'domains: [{ name: example.com }]',
      'connectors: [{ name: home, address-spaces: [example.com], next-hop: { smart-hosts: ["10.1.0.5:25"] } }]',
      `probes: [${probe}]`,
    ].join('\n'),
  );

describe('the settings of probes', () => {
  it('wait for an answer where nothing else is said, and come from postmaster', async () => {
    const loaded = await settingsWith('{ name: cloud, to: probe@example.com, wait: {} }');
    expect(loaded).toMatchObject({
      ok: true,
      settings: { probes: [{ from: { address: 'postmaster@example.com' }, deadline: 300_000, wait: { reply: true } }] },
    });
  });

  it('take paths from the settings file on', async () => {
    const loaded = await settingsWith('{ name: box, to: probe@example.com, every: 15m, wait: { maildir: mail } }');
    expect(loaded).toMatchObject({
      ok: true,
      settings: { probes: [{ every: 900_000, wait: { maildir: '/nowhere/mail', reply: false } }] },
    });
  });

  it.each([
    ['{ name: a, to: probe@elsewhere.example, wait: {} }', 'elsewhere.example is not among the domains'],
    ['{ name: a, to: a@example.com, from: b@elsewhere.example, wait: {} }', 'elsewhere.example is not ours'],
    ['{ name: a, to: a@example.com, every: 5s, wait: {} }', 'once a minute at most'],
    ['{ name: a, to: a@example.com, deadline: 1h, wait: {} }', 'waits 10 minutes at most'],
    ['{ name: a, to: a@example.com, wait: { reply: false } }', 'nothing is waited for'],
    ['{ name: a, to: a@example.com, wait: {} }, { name: a, to: a@example.com, wait: {} }', 'stands here twice'],
    ['{ name: a, to: a@example.com, wait: { imap: { host: imap.example.com, user: a } } }', 'signing in needs one secret'],
    [
      '{ name: a, to: a@example.com, wait: { imap: { host: imap.example.com, tls: none, user: a, password-file: x } } }',
      'in clear',
    ],
    [
      '{ name: a, to: a@example.com, wait: { imap: { host: imap.example.com, user: a, password-file: x } } }',
      'there is no file /nowhere/x',
    ],
  ])('%s is a mistake that is named', async (probe, problem) => {
    const loaded = await settingsWith(probe);
    expect(loaded.ok ? [] : loaded.mistakes.map((one) => one.problem).join('\n')).toContain(problem);
  });
});
