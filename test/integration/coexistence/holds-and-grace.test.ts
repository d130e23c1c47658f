/** C9 and R5 (coexistence.md 0 and 5) as the settings say them, each by real sessions with a whole relay. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { arrived, Coexistence, ROUTING_DOMAIN, rcpts, type Setting, text } from './harness.ts';

const exo = (name: string) => `${name}@${ROUTING_DOMAIN}`;
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const more = ['queue: { retry: [1s] }'];
let world: Coexistence;
afterEach(() => world[Symbol.asyncDispose]());

const held = async (...names: string[]) => {
  await world.operations.createWave('pilot', {
    addresses: names.map((name, i) => ({ address: `${name}@example.com`, line: i + 1 })),
  });
  await world.operations.holdWave('pilot', {});
};
const problems = async () => (await world.operations.status()).findings.map(({ problem }) => problem).join('\n');
/** New settings, by a reload. */
async function reconfigure(setting: Omit<Setting, 'recipients'>): Promise<void> {
  world.configure(setting);
  expect(await world.operations.reload()).toMatchObject({ ok: true });
}

describe('C9 the caps of a hold are settings', () => {
  it('C9: at the volume RCPT is answered 452 4.2.2, for the wave alone; a higher one takes mail again, and all of it follows the switch', async () => {
    const recipients = ['anna@example.com,on-premises', 'bert@example.com,on-premises'];
    world = await Coexistence.start({ more, recipients, directory: 'hold: { volume: 2KiB }' });
    await held('anna');
    const header = `X-Filling: ${'x'.repeat(900)}\r\n`;
    await world.deliver({ to: 'anna@example.com', header });
    await world.records('anna@example.com', 'HOLD');
    expect(await problems()).not.toContain('its limit');
    await world.deliver({ to: 'anna@example.com', header });
    await world.records('anna@example.com', 'HOLD', 2);
    const said = await world.send({ to: ['anna@example.com', 'bert@example.com'] });
    expect(said.rcpt.map((one) => one.slice(0, 9))).toEqual(['452 4.2.2', '250 2.1.5']);
    expect((await world.send({ from: 'on-premises', to: exo('anna') })).rcpt[0]).toMatch(/^452 4\.2\.2 /);
    await arrived(world.home, 'bert@example.com');
    expect(await problems()).toMatch(/wave pilot holds .*, its limit: further mail for it is put off with 452 4\.2\.2/);

    await reconfigure({ more, directory: 'hold: { volume: 1MiB }' });
    await world.deliver({ to: 'anna@example.com' });
    await world.operations.switchWave('pilot', { force: true, reason: 'test' });
    await vi.waitFor(() => expect(rcpts(world.cloud)).toEqual(Array(3).fill(exo('anna'))), { timeout: 8_000 });
  });

  it('C9: at the time cap the alarm, at the maximum the side it came from, by the times of the settings in force', async () => {
    const directory = 'hold: { warn-after: 1d, deliver-after: 2d }';
    world = await Coexistence.start({
      more,
      recipients: ['anna@example.com,on-premises', 'bert@example.com,on-premises'],
      directory,
    });
    await held('anna', 'bert');
    for (const name of ['anna', 'bert']) {
      await world.deliver({ to: `${name}@example.com` });
      await world.records(`${name}@example.com`, 'HOLD');
    }
    world.later += 3 * HOUR;
    expect(await problems()).not.toContain('wave pilot');
    await reconfigure({ more, directory: 'hold: { warn-after: 2h, deliver-after: 1d }' });
    expect(await problems()).toMatch(/wave pilot holds mail since .*, longer than 2 h: 2 messages wait for 2 mailboxes/);
    expect(rcpts(world.home)).toEqual([]);
    await reconfigure({ more, directory: 'hold: { warn-after: 1h, deliver-after: 2h }' });
    await arrived(world.home, 'anna@example.com');
    await arrived(world.home, 'bert@example.com');
    expect([rcpts(world.cloud), rcpts(world.internet)]).toEqual([[], []]);
    expect(await problems()).toContain('the hold of 2 mailboxes came to its maximum; their mail goes to the side they came from');
  });
});

describe('R5 the grace period', () => {
  it('R5: the sender hears nothing while it lasts, however long after warn-after; and one word at its end', async () => {
    world = await Coexistence.start({
      more: ['queue: { retry: [1s], warn-after: 4h }'],
      recipients: ['anna@example.com,on-premises'],
      directory: 'grace-period: 10h',
    });
    await world.operations.setRecipient({ address: 'anna@example.com', route: 'cloud', reason: 'moved' });
    world.cloud.script = { rcpt: '550 5.1.10 RESOLVER.ADR.RecipientNotFound' };
    await world.deliver({ to: 'anna@example.com', sender: 'told@partner.example' });
    await world.records('anna@example.com', 'DEFER');
    for (const hours of [5, 4]) {
      world.later += hours * HOUR;
      await world.retry('anna@example.com');
      await world.records('anna@example.com', 'DEFER', hours === 5 ? 2 : 3);
    }
    expect((await world.records('anna@example.com', 'DEFER')).map(({ event }) => event)).not.toContain('DSN');
    world.later += 2 * HOUR;
    await world.retry('anna@example.com');
    const notice = text(await arrived(world.internet, 'told@partner.example'));
    expect(notice).toContain('Action: failed');
    const records = await world.records('anna@example.com', 'FAIL');
    expect(records.filter(({ event }) => event === 'DSN')).toHaveLength(1);
    expect(rcpts(world.internet)).toEqual(['told@partner.example']);
  });

  it('R5: whoever became cloud in a file that was edited while the relay was stopped has it too, nobody else', async () => {
    world = await Coexistence.start({ more, recipients: ['anna@example.com,on-premises', 'bert@example.com,cloud'] });
    await world.stop();
    world.file('recipients.csv', 'address,route', 'anna@example.com,cloud', 'bert@example.com,cloud');
    await world.start();
    world.cloud.script = { rcpt: '550 5.1.10 RESOLVER.ADR.RecipientNotFound' };
    await world.deliver({ to: ['anna@example.com', 'bert@example.com'] });
    await world.records('anna@example.com', 'DEFER');
    const records = await world.records('bert@example.com', 'FAIL');
    const became = (name: string) =>
      records.filter((one) => one['original-recipient'] === `${name}@example.com`).map(({ event }) => event);
    expect([became('anna'), became('bert')]).toEqual([['DEFER'], ['FAIL']]);

    // and a shorter one counts at once
    world.later += HOUR;
    await reconfigure({ more, directory: 'grace-period: 30m' });
    await world.retry('anna@example.com');
    await world.records('anna@example.com', 'FAIL', 2);
  });
});
