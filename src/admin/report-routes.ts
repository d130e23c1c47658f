/** The paths of the reports for people who ask for proof. */
import type { z } from 'zod';
import { type ApiRoute, get } from './api-route.ts';
import {
  evidenceVerification,
  migrationQuery,
  migrationReport,
  tlsExceptions,
  tlsExceptionsQuery,
  tlsQuery,
  tlsReport,
  verifyEvidenceQuery,
} from './report-contract.ts';

export const REPORT_ROUTES: readonly ApiRoute[] = [
  get(
    '/report/tls',
    'How mail was protected: shares, protocols, ciphers, and every kind of exception',
    tlsReport,
    (o, q) => o.reportTls(q as z.output<typeof tlsQuery>),
    tlsQuery,
  ),
  get(
    '/report/tls/exceptions',
    'The exceptions of that report one by one, a page at a time',
    tlsExceptions,
    (o, q) => o.reportTlsExceptions(q as z.output<typeof tlsExceptionsQuery>),
    tlsExceptionsQuery,
  ),
  get(
    '/report/migration',
    'Mailboxes and deliveries by side, wave by wave and day by day',
    migrationReport,
    (o, q) => o.reportMigration(q as z.output<typeof migrationQuery>),
    migrationQuery,
  ),
  get(
    '/report/verify',
    'Follows the hash chain of the records and names what was changed, taken out or put in',
    evidenceVerification,
    (o, q) => o.verifyEvidence(q as z.output<typeof verifyEvidenceQuery>),
    verifyEvidenceQuery,
  ),
];
