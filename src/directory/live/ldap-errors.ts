/** What went wrong with a directory server, in words that say what to do. */
import { ResultCodeError } from 'ldapts';
import type { LdapSettings } from './ports.ts';

const INVALID_CREDENTIALS = 49;

/** RFC 4511 §4.1.9: what a result code means, for servers that do not say it, and what to do. */
const RESULTS: Readonly<Record<number, readonly [meaning: string, remedy: string]>> = {
  3: ['the server took too long for it (time limit)', 'Lower ldap.page-size, or raise the limit of the server'],
  4: ['more objects than the server gives (size limit)', 'Lower ldap.page-size, or raise the limit of the server'],
  8: ['the server wants a stronger sign-in', 'Use ldaps://, or leave start-tls away'],
  13: ['the server wants encryption', 'Use ldaps://, or leave start-tls away'],
  32: ['there is no such base', 'Mend ldap.base'],
  48: ['the server answers nobody without a name', 'Set bind-dn and password-file'],
  [INVALID_CREDENTIALS]: [
    'invalid credentials',
    'Mend bind-dn or its password-file; no other server is asked with it, so that the account is not locked',
  ],
  50: ['the name may not read there', 'Let bind-dn read ldap.base'],
};

const codeOf = (error: unknown): number | undefined => (error instanceof ResultCodeError ? error.code : undefined);

/** Whether the next server would say the same, and asking it does harm. */
export const isFinal = (error: unknown): boolean => codeOf(error) === INVALID_CREDENTIALS;

export function explainLdap(error: unknown, { caFile }: LdapSettings): { readonly problem: string; readonly remedy: string } {
  const result = codeOf(error);
  const { message, code: name = '' } = error as { message: string; code?: string | number };
  const problem = message.split('\n')[0]?.trim().slice(0, 300) ?? '';
  if (result !== undefined) {
    const [meaning, remedy] = RESULTS[result] ?? [`result code ${result}`, 'Look at the log of the directory server'];
    const said = problem.replace(/\s*Code: 0x[0-9a-f]+$/i, '');
    return { problem: said === '' ? meaning : `${meaning}: ${said}`, remedy };
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(String(name)))
    return {
      problem: `its certificate is not trusted: ${problem}`,
      remedy: caFile === undefined ? 'Name its issuer in ldap.ca-file' : 'Mend ldap.ca-file, or use the name in the certificate',
    };
  return {
    problem: problem === '' ? String(name) : problem,
    remedy: 'Look at the server and the way to it; the relay tries again by itself',
  };
}
