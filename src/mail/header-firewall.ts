/**
 * Header fields that only the organisation's own servers may write. Exchange removes them from what outsiders send, and so
 * do we (coexistence.md 1.3, exception): a forged spam verdict or "internal" stamp must not reach it.
 */

const COMMON = 'x-ms-exchange-';
const RESERVED = ['organization-', 'forest-', 'crosspremises-'] as const;

/** `name` in lower case. */
export function isReserved(name: string): boolean {
  return name.startsWith(COMMON) && RESERVED.some((word) => name.startsWith(word, COMMON.length));
}
