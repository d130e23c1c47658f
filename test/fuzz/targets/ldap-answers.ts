/** A directory server whose answers are changed on their way: an answer to each fetch, records of mailboxes or a reason. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { ldapSource } from '../../../src/directory/live/ldap-source.ts';
import type { Domain } from '../../../src/mail/address.ts';
import { parseMailbox } from '../../../src/mail/address.ts';
import { LdapServer, type TestObject } from '../../support/ldap-server.ts';
import { Mutator } from '../mutate.ts';
import { below, must, type Target } from '../target.ts';

const CHECKS = {
  domains: [{ name: 'contoso.com' as Domain, includeSubdomains: false }],
  routingDomains: ['contoso.mail.onmicrosoft.com' as Domain],
};
const user = (name: string, more: Record<string, string | readonly string[]> = {}): TestObject => ({
  dn: `CN=${name},OU=Sales,DC=contoso,DC=com`,
  objectClass: ['top', 'person', 'user'],
  mail: `${name}@contoso.com`,
  proxyAddresses: [`SMTP:${name}@contoso.com`, `smtp:${name}.old@contoso.com`, 'X500:/o=Old/cn=x'],
  homeMDB: 'CN=DB1,DC=contoso,DC=com',
  msExchRecipientTypeDetails: '1',
  ...more,
});
const OBJECTS: readonly TestObject[] = [
  user('anna'),
  user('ANNA'), // the same, in another case
  user('\u0430nna'), // Cyrillic
  user('=cmd|calc'),
  user('loop', { homeMDB: [], targetAddress: 'SMTP:pool@contoso.com' }),
  user('pool', { homeMDB: [], targetAddress: 'SMTP:loop@contoso.com' }),
  user('moved', { homeMDB: [], targetAddress: 'SMTP:moved@contoso.mail.onmicrosoft.com' }),
  user('team', {
    objectClass: ['top', 'group'],
    member: ['CN=anna,OU=Sales,DC=contoso,DC=com', 'CN=team,OU=Sales,DC=contoso,DC=com'],
  }),
  user('large', { proxyAddresses: Array.from({ length: 500 }, (_, n) => `smtp:large${n}@contoso.com`) }),
];
const WORDS = [
  '\u0004\u0000',
  '\u0004\u0084\u007f\u00ff\u00ff\u00ff',
  '0\u0084',
  '\u0061',
  '\u0064',
  '\u0065',
  '\u0073',
  '\u0078',
  'SMTP:',
  'member',
  'member;range=0-1',
  'member;range=0-*',
  'proxyAddresses',
  'ldap://127.0.0.1:9/',
];
/** Milliseconds for one answer: what was made to wait for more does not hold the others up. */
const DEADLINE = 400;
/** All of a fetch, deadlines of its steps included. */
const PATIENCE = 15_000;

export const ldapAnswers: Target = {
  name: 'ldap-answers',
  inputs: 'fetch',
  long: 5_000,
  short: 150,
  async open() {
    const real = await LdapServer.start({ objects: OBJECTS, range: 2 });
    const upstream = Number(new URL(real.url).port);
    const sockets = new Set<Socket>();
    return {
      corpus: [Buffer.from('as they are')],
      words: WORDS,
      atOnce: 16,
      make: (_, number) => Buffer.from(`fetch ${number}`),
      async run(input, chance) {
        const isGood = input.toString() === 'as they are';
        const from = below(chance, 6);
        const way = createServer((client) => {
          const server = connect(upstream, '127.0.0.1');
          for (const socket of [client, server]) {
            sockets.add(socket);
            socket.on('close', () => sockets.delete(socket)).on('error', () => {});
          }
          client.pipe(server);
          let answers = 0;
          server.on('data', (octets: Buffer) => {
            const changed =
              isGood || answers++ < from || chance() < 0.3 ? octets : new Mutator([octets], WORDS, 200_000).next(chance);
            if (!client.destroyed) client.write(changed);
          });
          server.on('close', () => client.destroy());
          client.on('close', () => server.destroy());
        }).listen(0, '127.0.0.1');
        await once(way, 'listening');
        const began = performance.now();
        try {
          const url = `ldap://127.0.0.1:${(way.address() as AddressInfo).port}`;
          const source = ldapSource(
            {
              kind: 'ldap',
              name: 'ad',
              urls: [url],
              startTls: false,
              filter: '(proxyAddresses=*)',
              pageSize: 2,
              refresh: 300_000,
              deadline: DEADLINE,
            },
            CHECKS,
          );
          const fetched = await source.fetch(new AbortController().signal);
          must(performance.now() - began < PATIENCE, `an end after ${(performance.now() - began).toFixed(0)} ms`);
          if (!fetched.ok) {
            must(!isGood, `not read as it is: ${fetched.problem}`);
            must(
              fetched.problem !== '' && fetched.remedy !== '' && fetched.problem.length < 2_000,
              `no reason: ${fetched.problem.slice(0, 300)}`,
            );
            must(
              !/[\u0000-\u001f\u007f]/.test(fetched.problem),
              `control characters in a reason: ${JSON.stringify(fetched.problem)}`,
            );
            return;
          }
          for (const { address, aliases, routingAddress } of fetched.records)
            for (const box of [address, ...aliases, ...(routingAddress === undefined ? [] : [routingAddress])])
              must(parseMailbox(box.address)?.address === box.address, 'a record that is no mailbox');
          for (const { problem, remedy } of fetched.findings)
            must(
              problem.length < 2_000 && !/[\u0000-\u001f\u007f\u200b\ufeff]/.test(problem + remedy),
              `a finding that nobody can read: ${JSON.stringify(problem)}`,
            );
        } finally {
          way.close();
        }
      },
      async settle() {
        await new Promise((resolve) => setImmediate(resolve));
        must(sockets.size === 0, `${sockets.size} connections are left open`);
      },
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy();
        await real[Symbol.asyncDispose]();
      },
    };
  },
};
