import { describe, expect, it } from 'vitest';
import { advice } from '../../../src/cli/advice-command.ts';
import type { Invocation } from '../../../src/cli/command.ts';

async function ask(words: readonly string[], json = false): Promise<{ status: number; out: string; err: string }> {
  let [out, err] = ['', ''];
  const ports = { stdout: { write: (text: string) => (out += text) }, stderr: { write: (text: string) => (err += text) } };
  const status = await advice.run({ positionals: words, json, ports } as unknown as Invocation);
  return { status, out, err };
}

describe('advice', () => {
  it.each([
    ['550 5.7.64 TenantAttribution; Relay Access Denied'],
    ["Remote Server returned '550 5.7.64 TenantAttribution; Relay Access Denied [x.outlook.com]'"],
    ['mail.contoso.com #<exchange.contoso.com #5.7.64 smtp; 550 Relay Access Denied>'],
    ['5.7.64'],
  ])('finds the code in %s', async (text) => {
    expect(await ask(text.split(' '))).toMatchObject({ status: 0, out: expect.stringContaining('whose mail this is') });
  });

  it('says that nothing is known, with exit status 1, and that there is no code at all, as wrong usage', async () => {
    expect(await ask(['5.9.9'])).toMatchObject({ status: 1, out: '', err: expect.stringContaining('5.9.9') });
    expect(() => advice.run({ positionals: ['hello'] } as unknown as Invocation)).toThrow('no status code');
  });

  it('answers in JSON', async () => {
    const { out } = await ask(['450', '4.4.317'], true);
    expect(JSON.parse(out)).toMatchObject({ reply: { code: 450, enhanced: '4.4.317' }, advice: { remedy: expect.any(String) } });
  });
});
