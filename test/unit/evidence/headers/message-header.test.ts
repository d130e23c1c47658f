import { describe, expect, it } from 'vitest';
import { HEADER_LIMIT, headerFields, receivedValues } from '../../../../src/evidence/headers/message-header.ts';

const RECEIVED = 'from a.example.net ([192.0.2.1])\n\tby b.example.org with ESMTPS id 1;\n\tSun, 22 Nov 2026 10:00:00 +0000';
const MESSAGE = `Return-Path: <a@example.net>\nReceived: ${RECEIVED}\nSubject: a: b\n\nReceived: by the.body with SMTP\n`;
const octets = (text: string): Buffer => Buffer.from(text, 'utf8');
const swapped = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();
const words = (values: readonly string[]): string[] => values.map((value) => value.split(/\s+/).filter(Boolean).join(' '));
const ONE = words([RECEIVED]);

describe('the header of whatever is given', () => {
  it.each([
    ['LF', octets(MESSAGE)],
    ['CRLF', octets(MESSAGE.replaceAll('\n', '\r\n'))],
    ['CR', octets(MESSAGE.replaceAll('\n', '\r'))],
    ['a byte order mark', octets(`\ufeff${MESSAGE}`)],
    ['UTF-16LE with its mark', Buffer.from(`\ufeff${MESSAGE}`, 'utf16le')],
    ['UTF-16LE without', Buffer.from(MESSAGE, 'utf16le')],
    ['UTF-16BE with its mark', swapped(`\ufeff${MESSAGE}`)],
    ['UTF-16BE without', swapped(MESSAGE)],
    ['Latin-1', Buffer.from(MESSAGE.replace('a: b', 'f\u00fcr'), 'latin1')],
    ['mbox', octets(`From a@example.net Sun Nov 22 10:00:00 2026\n>From old@example.net Sun Nov 22 09:00:00 2026\n${MESSAGE}`)],
    ['blank lines in front', octets(`\n\r\n  \n${MESSAGE}`)],
    ['what Outlook copies', octets(`Microsoft Mail Internet Headers Version 2.0\r\n${MESSAGE.replaceAll('\n', '\r\n')}`)],
    ['a quoted header', octets(`> ${MESSAGE.split('\n\n')[0]?.replaceAll('\n', '\n> ')}\n\nthat was it`)],
    ['an indented header', octets(`    ${MESSAGE.split('\n\n')[0]?.replaceAll('\n', '\n    ')}\n`)],
    ['a header whose white space was eaten', octets(MESSAGE.replaceAll('\n\t', '\n'))],
    ['a header alone, without a line end', octets(`Received: ${RECEIVED}`)],
    ['a blank line after every line', octets((MESSAGE.split('\n\n')[0] ?? '').replaceAll('\n', '\n\n'))],
    ['white space before the colon, any case', octets(MESSAGE.replace('Received:', 'RECEIVED :'))],
  ])('is found with %s', (_, message) => {
    expect(words(receivedValues(message))).toEqual(ONE);
  });

  it('has the fields in their order, and ends at the blank line', () => {
    expect(headerFields(octets(MESSAGE)).map(({ name }) => name)).toEqual(['return-path', 'received', 'subject']);
  });

  it.each([
    ['nothing', ''],
    ['blank lines', '\r\n\r\n'],
    ['text', 'Dear all,\nhow are you?\n'],
    ['a body behind an empty header', '\nReceived'],
  ])('is none in %s', (_, text) => {
    expect(receivedValues(octets(text))).toEqual([]);
  });

  it('is read to its limit, however large the file', () => {
    const field = `Received: by b.example.org with SMTP id 1\n`;
    expect(receivedValues(octets(field.repeat(100_000))).length).toBeLessThanOrEqual(Math.ceil(HEADER_LIMIT / field.length));
    expect(receivedValues(octets(`X-Long: ${'x'.repeat(HEADER_LIMIT)}\n${field}`))).toEqual([]);
  });
});
