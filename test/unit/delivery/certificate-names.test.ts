import { X509Certificate } from 'node:crypto';
import type { PeerCertificate } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { isNamedBy, nameError } from '../../../src/delivery/certificate-names.ts';
import { otherName, signed } from '../../support/certificates.ts';

describe('a name that is wanted (RFC 9525, TlsDomain)', () => {
  it.each([
    ['mail.protection.outlook.com', 'mail.protection.outlook.com', true],
    ['mail.protection.outlook.com', '*.protection.outlook.com', true],
    ['mail.protection.outlook.com', 'protection.outlook.com', false],
    ['mail.protection.outlook.com', 'x.mail.protection.outlook.com', false],
    ['mail.protection.outlook.com', '*.mail.protection.outlook.com', false],
    ['mail.protection.outlook.com', '*.outlook.com', false],
    ['mail.protection.outlook.com', 'm*.protection.outlook.com', false],
    ['example.com', '*.com', false],
    ['*.example.com', 'mx1.example.com', true],
    ['*.example.com', '*.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'a.mx1.example.com', false],
    ['*.example.com', '*.mx1.example.com', false],
    ['localhost', 'localhost', true],
  ])('%s is fulfilled by a certificate for %s: %s', (wanted, shown, is) => {
    expect(isNamedBy(wanted, shown)).toBe(is);
  });

  const certificate = ({ cert }: { readonly cert: string }) => new X509Certificate(cert).toLegacyObject() as PeerCertificate;

  it('may be one of several, or an address', () => {
    expect(nameError(['nowhere.test', 'elsewhere.test'], certificate(otherName))).toBe(undefined);
    expect(nameError(['127.0.0.1'], certificate(signed))).toBe(undefined);
  });

  it('that is missing is named, with those that are there', () => {
    expect(nameError(['mx.test', '127.0.0.1'], certificate(otherName))).toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
      message: 'the certificate is for elsewhere.test, not for mx.test or 127.0.0.1',
    });
  });
});
