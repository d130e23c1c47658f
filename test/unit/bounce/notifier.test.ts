import { describe, expect, it } from 'vitest';
import { createNotifier } from '../../../src/bounce/notifier.ts';
import type { SpooledBody, SpooledMessage, SpoolId } from '../../../src/mail/spooled.ts';
import { delayed, inMemory, message, NOW, onDisk, recipient, refused, SETTINGS } from './samples.ts';

const newId = () => '01JCCCCCCCCCCCCCCCCCCCCCCC' as SpoolId;
const clock = { now: () => NOW, monotonic: () => 0 };
const notifier = createNotifier(SETTINGS, { newId, clock });
const original = Buffer.from('Subject: hello\r\nX: y\r\n\r\nbody\r\n');

/** What is sent; nothing where nobody is owed word. */
const notify = async (about: SpooledMessage, body: SpooledBody, happenings: Parameters<typeof notifier.notify>[2]) => {
  const made = await notifier.notify(about, body, happenings);
  if (made !== undefined && 'suppressed' in made) throw new Error(made.suppressed);
  return made;
};
const textOf = async (...args: Parameters<typeof notify>) => (await notify(...args))?.body.toString() ?? '';

describe('the notifier', () => {
  it('makes a message of our own from the null sender to the sender', async () => {
    const made = await notify(message(), inMemory(original), [refused]);
    expect(made?.message).toMatchObject({
      id: newId(),
      receivedAt: NOW,
      envelope: { sender: null, recipients: [{ address: { address: 'sender@example.net' }, notify: ['NEVER'] }] },
      origin: { peer: 'external', ownHops: 0, tenantProof: false },
      messageId: '<01JCCCCCCCCCCCCCCCCCCCCCCC@mx1.example.com>',
    });
    expect(made?.message.origin.address).toBeUndefined();
    expect(made?.message.size).toBe(made?.body.length);
  });

  it('tells of all that happened in one report, the gravest first (RFC 3464 §2.3)', async () => {
    const good = { recipient: recipient('good@example.com', { notify: ['SUCCESS'] }), action: 'delivered' } as const;
    const made = await notify(message(), inMemory(original), [good, delayed, refused]);
    const text = made?.body.toString() ?? '';
    expect(made?.action).toBe('failed');
    expect(text).toContain('Subject: Your message could not be delivered\r\n');
    expect(text.match(/^Action: .*/gm)).toEqual(['Action: failed', 'Action: delayed', 'Action: delivered']);
    expect(text).toMatch(/\r\ncould not be delivered to[^]*\r\nIt has not been delivered yet[^]*\r\nIt was delivered to/);
  });

  it('is named for what the sender wants to hear of', async () => {
    const good = { recipient: recipient('good@example.com', { notify: ['SUCCESS'] }), action: 'delivered' } as const;
    const never = { ...refused, recipient: recipient('quiet@example.com', { notify: ['NEVER'] }) };
    expect((await notify(message(), inMemory(original), [never, good]))?.action).toBe('delivered');
  });

  it('makes none for the null sender, and none where nobody is owed one', async () => {
    expect(await notify(message({ sender: null }), inMemory(original), [refused])).toBeUndefined();
    const never = { ...refused, recipient: recipient('a@b.example', { notify: ['NEVER'] }) };
    expect(await notify(message(), inMemory(original), [never])).toBeUndefined();
  });

  it('makes none to a return path that SPF says is not the sender’s, of a message that forges our name (P6)', async () => {
    const authentication = {
      time: '2026-11-22T10:00:00Z',
      spf: { result: 'fail' },
      dkim: [],
      dmarc: { result: 'none' },
      'own-domain': 'spoofed',
    } as const;
    expect(await notifier.notify(message({ authentication }), inMemory(original), [refused])).toBeUndefined();
  });

  it('leaves out the recipients of which the sender wants to hear nothing', async () => {
    const never = { ...refused, recipient: recipient('quiet@example.com', { notify: ['NEVER'] }) };
    const text = await textOf(message(), inMemory(original), [never, refused]);
    expect(text).toContain('<User@example.com>');
    expect(text).not.toContain('quiet@example.com');
  });

  it('gives a failed message back whole, its header alone with RET=HDRS or for a delay (RFC 3461 §4.3)', async () => {
    expect(await textOf(message(), inMemory(original), [refused])).toContain(
      'message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: hello\r\nX: y\r\n\r\nbody\r\n',
    );
    for (const text of [
      await textOf(message({ ret: 'HDRS' }), inMemory(original), [refused]),
      await textOf(message({ ret: 'FULL' }), onDisk(original), [delayed]),
    ]) {
      expect(text).toContain('text/rfc822-headers\r\nContent-Transfer-Encoding: 7bit\r\n\r\nSubject: hello\r\nX: y\r\n\r\n--');
      expect(text).not.toContain('body\r\n');
    }
  });

  it('gives the header alone of a message over the excerpt, and reads no more than that', async () => {
    let read = 0;
    const big = {
      length: 1_000_000,
      async *chunks() {
        for (; read < 1_000_000; read += 1000)
          yield Buffer.from(`${read === 0 ? 'Subject: big\r\n\r\n' : ''}${'x'.repeat(982)}\r\n`);
      },
    };
    const text = await textOf(message(), big, [refused]);
    expect(text).toContain('text/rfc822-headers');
    expect(text).not.toContain('xxx');
    expect(read).toBeLessThan(100_000);
  });

  it('cuts a header that is over the excerpt at the end of a line', async () => {
    const header = Buffer.from(`${'X-Long: abcdefgh\r\n'.repeat(5000)}\r\nbody\r\n`);
    const made = await notify(message(), onDisk(header), [refused]);
    expect(made?.body.length).toBeLessThan(52_500);
    expect(made?.body.toString()).toMatch(/X-Long: abcdefgh\r\n\r\n--=_/);
  });

  it('tells the sender also when the body cannot be read', async () => {
    const broken = {
      length: 10,
      async *chunks(): AsyncGenerator<Buffer> {
        yield Buffer.alloc(0);
        throw new Error('EIO');
      },
    };
    expect(await textOf(message(), broken, [refused])).toContain('550 5.1.1 User unknown');
  });
});
