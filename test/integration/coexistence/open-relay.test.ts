/** R15: no form of an address, no sender and no peer makes the relay carry mail to where it should not. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Coexistence, type From, ROUTING_DOMAIN, rcpts } from './harness.ts';

const ELSEWHERE = 'elsewhere.example';
/** All but the first few want to reach somebody at `elsewhere.example` or, from outside, in the tenant itself. */
const FORMS: readonly string[] = [
  `victim@${ELSEWHERE}`,
  `Victim@Elsewhere.EXAMPLE`,
  `victim@${ELSEWHERE}.`,
  `victim@sub.${ELSEWHERE}`,
  `victim@example.com.${ELSEWHERE}`,
  `victim@notexample.com`,
  `victim@example.com.`.replace('example.com.', 'xexample.com'),
  `victim@example.comx`,
  `victim@example.co`,
  `victim@com`,
  `victim@localhost`,
  `victim@[127.0.0.1]`,
  `victim@[192.0.2.1]`,
  `victim@[IPv6:::1]`,
  `victim@[IPv6:2001:db8::1]`,
  `victim@127.0.0.1`,
  `victim@2130706433`,
  `victim@0x7f000001`,
  `victim@xn--exmple-cua.com`,
  `victim%${ELSEWHERE}`,
  `victim%${ELSEWHERE}@example.com`,
  `victim%${ELSEWHERE}@relay.example.com`,
  `victim%${ELSEWHERE}@[127.0.0.1]`,
  `victim%${ELSEWHERE}%example.com@example.com`,
  `"victim%${ELSEWHERE}"@example.com`,
  `"victim%${ELSEWHERE}"`,
  `victim\\%${ELSEWHERE}@example.com`,
  `${ELSEWHERE}!victim`,
  `${ELSEWHERE}!victim@example.com`,
  `example.com!${ELSEWHERE}!victim`,
  `"${ELSEWHERE}!victim"@example.com`,
  `@example.com:victim@${ELSEWHERE}`,
  `@relay.example.com:victim@${ELSEWHERE}`,
  `@example.com,@relay.example.com:victim@${ELSEWHERE}`,
  `@${ELSEWHERE}:victim@example.com`,
  `@[127.0.0.1]:victim@${ELSEWHERE}`,
  `victim@${ELSEWHERE}@example.com`,
  `"victim@${ELSEWHERE}"@example.com`,
  `"victim@${ELSEWHERE}"`,
  `victim"@${ELSEWHERE}"@example.com`,
  `"victim"@${ELSEWHERE}`,
  `victim@example.com@${ELSEWHERE}`,
  `victim@${ELSEWHERE} @example.com`,
  `victim@${ELSEWHERE},known@example.com`,
  `known@example.com,victim@${ELSEWHERE}`,
  `known@example.com>,<victim@${ELSEWHERE}`,
  `known@example.com> <victim@${ELSEWHERE}`,
  `<victim@${ELSEWHERE}>`,
  `mailto:victim@${ELSEWHERE}`,
  `smtp:victim@${ELSEWHERE}`,
  `smtp:[${ELSEWHERE}]`,
  `|/bin/sh@example.com`,
  `"|/bin/sh"@example.com`,
  `:include:/etc/passwd@example.com`,
  `/etc/passwd@example.com`,
  `IMCEASMTP-victim+40${ELSEWHERE}@example.com`,
  `IMCEAEX-_o=Foreign_ou=First_cn=Recipients_cn=victim@example.com`,
  `IMCEAEX-smtp+3Avictim+40${ELSEWHERE}@example.com`,
  `/C=us/A=x/P=y/O=z/S=victim/@example.com`,
  `victim+40${ELSEWHERE}@example.com`,
  `victim=${ELSEWHERE}@example.com`,
  `SRS0=abcd=xy=${ELSEWHERE}=victim@example.com`,
  `SRS1=abcd=${ELSEWHERE}==abcd=xy=other=victim@example.com`,
  `prvs=1234abcdef=victim@${ELSEWHERE}`,
  `victim#${ELSEWHERE}@example.com`,
  `victim\u00a0@${ELSEWHERE}`,
  `victim@${ELSEWHERE}\t`,
  `*)(uid=*@example.com`,
  `*@example.com`,
  `@example.com`,
  `victim@`,
  `victim`,
];
/** From outside the tenant's own addresses are closed too (G10). */
const TENANT_FORMS: readonly string[] = [
  `moved@${ROUTING_DOMAIN}`,
  `anybody@${ROUTING_DOMAIN}`,
  `moved@${ROUTING_DOMAIN.toUpperCase()}`,
  `moved%${ROUTING_DOMAIN}@example.com`,
  `@example.com:moved@${ROUTING_DOMAIN}`,
  `"moved@${ROUTING_DOMAIN}"@example.com`,
];
const SENDERS = ['', 'writer@partner.example', 'boss@example.com', `moved@${ROUTING_DOMAIN}`, `victim@${ELSEWHERE}`];
const ADDRESS: Readonly<Record<From, string>> = { external: '127.0.0.9', 'on-premises': '127.0.0.2', cloud: '127.0.0.3' };

let world: Coexistence;

beforeAll(async () => {
  world = await Coexistence.start({
    // an on-premises server that is asked for nobody: the relay alone decides
    domains: ['{ name: example.com, unknown-recipients: on-premises, verify-recipients: off }'],
    more: ['limits: { exempt: [127.0.0.0/8] }'],
    recipients: ['known@example.com,on-premises', 'moved@example.com,cloud'],
  });
});
afterAll(() => world[Symbol.asyncDispose]());

/** A transaction of one recipient after the other, each with its message where it is taken; what each RCPT was answered. */
async function tryAll(from: From, sender: string, forms: readonly string[], parameters = ''): Promise<Map<string, string>> {
  const socket = connect({ port: world.port, host: '127.0.0.1', localAddress: ADDRESS[from], noDelay: true });
  await once(socket, 'connect');
  let received = '';
  let wake = (): void => {};
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1');
    wake();
  });
  socket.on('close', () => wake());
  const reply = async (): Promise<string> => {
    for (;;) {
      const whole = /^(?:\d{3}-[^\n]*\r\n)*\d{3} [^\n]*\r\n/.exec(received)?.[0];
      if (whole !== undefined) {
        received = received.slice(whole.length);
        return whole.trimEnd();
      }
      if (socket.destroyed) throw new Error('the relay hung up');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  const say = (line: string): Promise<string> => {
    socket.write(`${line}\r\n`, 'utf8');
    return reply();
  };
  await reply();
  await say('EHLO client.test');
  const answers = new Map<string, string>();
  for (const form of forms) {
    await say(`MAIL FROM:<${sender}>`);
    const answer = await say(`RCPT TO:<${form}>${parameters}`);
    answers.set(form, answer);
    if (answer.startsWith('2')) {
      await say('DATA');
      await say('Subject: x\r\n\r\nx\r\n.');
    } else await say('RSET');
  }
  await say('QUIT');
  socket.destroy();
  return answers;
}

/** What everybody but our own servers is told, whatever else is true of the form. */
const isRefused = (answer: string): boolean => /^5(?:01|50|53|55) 5\./.test(answer);
/** Plain local parts of ours that only look odd: the server behind us knows them or not, and nothing leads elsewhere. */
const HARMLESS = new Set(['victim', `victim+40${ELSEWHERE}`, `victim=${ELSEWHERE}`, `victim#${ELSEWHERE}`, '*']);
const isHarmless = (form: string): boolean => {
  const [local = ''] = form.split('@');
  return form.endsWith('@example.com') && (HARMLESS.has(local) || /^(?:SRS[01]=|IMCEA(?:EX|SMTP)-|\*\)\(uid=)/.test(local));
};

describe('R15 open relay', () => {
  it('is tried with sixty forms of addresses and more', () => {
    expect(new Set(FORMS).size).toBe(FORMS.length);
    expect(FORMS.length).toBeGreaterThanOrEqual(60);
  });

  describe.each(['external', 'cloud'] as const)('%s clients', (from) => {
    it.each(SENDERS)('from <%s>: every form that leads elsewhere is refused at RCPT', async (sender) => {
      const answers = await tryAll(from, sender, [...FORMS, ...TENANT_FORMS]);
      const taken = [...answers].filter(([, answer]) => !isRefused(answer)).map(([form]) => form);
      expect(taken.filter((form) => !isHarmless(form))).toEqual([]);
    });

    it('is not talked round by ORCPT', async () => {
      const answers = await tryAll(from, '', [`victim@${ELSEWHERE}`], ' ORCPT=rfc822;known@example.com');
      expect([...answers.values()].every(isRefused)).toBe(true);
    });
  });

  it.each(SENDERS)('on-premises clients may write to the tenant, and no further (from <%s>)', async (sender) => {
    const answers = await tryAll('on-premises', sender, [...FORMS, `moved@${ROUTING_DOMAIN}`]);
    expect(answers.get(`moved@${ROUTING_DOMAIN}`)).toMatch(/^250 /);
    const taken = [...answers].filter(([, answer]) => !isRefused(answer)).map(([form]) => form);
    // a `%` or `!` of our own servers is a plain character in a mailbox of ours
    expect(taken.filter((form) => !form.endsWith('@example.com') && form !== `moved@${ROUTING_DOMAIN}`)).toEqual([]);
  });

  it('let nothing out to anybody that is not ours', async () => {
    await world.operations.retry({ all: true });
    await world.records(`moved@${ROUTING_DOMAIN}`, 'SEND', SENDERS.length);
    // what leaves by the way to the Internet are notifications to the senders of this test
    const strangers = world.internet.messages.filter(({ mail }) => !mail.includes('<>'));
    expect(strangers).toEqual([]);
    expect(
      world.internet.messages.flatMap(({ rcpts: to }) => to).filter((to) => to.includes('victim') && !to.includes(ELSEWHERE)),
    ).toEqual([]);
    expect([...new Set(rcpts(world.cloud))]).toEqual([`moved@${ROUTING_DOMAIN}`]);
    for (const to of rcpts(world.home)) {
      expect(to).toMatch(/@example\.com$/);
      expect(to.slice(0, -'@example.com'.length)).not.toMatch(/[@:]/);
    }
  });
});
