import { createHash } from 'node:crypto';
import { SMTPServer } from 'smtp-server';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js';
import { describe, expect, it } from 'vitest';
import { OVERRIDDEN, RELIED_ON } from '../../../src/reception/smtp-overrides.ts';

/**
 * The source of each method of smtp-server 3.21.6 that smtp-overrides.ts replaces or counts on. Where an upgrade changes
 * one: read what changed, see whether the override still does what is needed, then write the new value here.
 */
const READ = {
  server: {
    constructor: '73df03f9f622',
    listen: '49ff231070e0',
    updateSecureContext: '643afa2b7bfe',
    _upgrade: '2d34eaba8e47',
    _expectsProxyHeader: 'b900129fbb5a',
    connect: '9818ea13a1c3',
    _handleProxy: 'b52456c48b04',
    _acceptSocket: 'f4c69396f94c',
    onSecure: 'e7fd7542d67f',
    _onError: '01d6f6dc6b8d',
  },
  connection: {
    constructor: '943e49e7f4cc',
    upgrade: '6a3fa8a3ee41',
    close: '4b80aaabd134',
    init: '1265a7d7ca8f',
    _createParser: '15ca8c360137',
    send: 'c33568c0111a',
    _armTimeout: 'b8bc04964752',
    _onTimeout: 'f21be62dd64b',
    _onCommand: '41c8a1b7a32a',
    _onCloseEvent: '66ef4e7f2f72',
    _onError: 'ddcc47e46ea9',
    _resetSession: '2bf7682ca138',
  },
} as const;

function digest(owner: typeof SMTPServer | typeof SMTPConnection, name: string): string {
  const source =
    name === 'constructor'
      ? (/constructor\([\s\S]*?\n {4}\}\n/.exec(Function.prototype.toString.call(owner))?.[0] ?? '')
      : String((owner.prototype as unknown as Record<string, unknown>)[name]);
  return createHash('sha256').update(source).digest('hex').slice(0, 12);
}

describe('smtp-server', () => {
  it.each(['server', 'connection'] as const)('is still the one whose %s was read', (part) => {
    const owner = part === 'server' ? SMTPServer : SMTPConnection;
    const names = [...RELIED_ON[part], ...OVERRIDDEN[part]];
    expect(Object.fromEntries(names.map((name) => [name, digest(owner, name)]))).toEqual(READ[part]);
  });
});
