/** The wire types of shadow mode and of the reports (contract.md). */
import { z } from 'zod';
import { address, list, time, uploads } from './directory-contract.ts';

const routes = z.record(z.string(), z.int().optional()).readonly();

export const shadowOptions = z.strictObject({
  top: z.coerce.number().int().min(1).max(1000).default(50).describe('Entries of each list'),
});
export type ShadowOptions = z.output<typeof shadowOptions>;
export const shadowRequest = shadowOptions.extend({ uploads });

const counted = { count: z.int(), line: z.int().describe('Of the first'), last: time.nullable() };
export const shadowReport = z.object({
  'directory-version': z.int(),
  recipients: z.int().describe('A message with two recipients counts twice'),
  first: time.nullable(),
  last: time.nullable(),
  routes,
  connectors: list(z.object({ connector: z.string(), count: z.int() })),
  domains: list(z.object({ domain: z.string(), count: z.int(), unknown: z.int(), refused: z.int(), routes })),
  unknown: z.object({
    count: z.int(),
    distinct: z.int(),
    top: list(
      z.object({
        address: z.string(),
        ...counted,
        reply: z.string(),
        reason: z.string(),
        asks: z.string().nullable().describe('The connector that is asked before the recipient is taken; its answer counts'),
      }),
    ),
  }),
  refused: list(z.object({ ...counted, reply: z.string(), reason: z.string(), examples: list(z.string()) })),
  'too-large': z.object({ count: z.int(), largest: z.int(), examples: list(z.string()) }),
  outgoing: z.object({
    count: z.int(),
    refused: z.int(),
    domains: list(z.object({ domain: z.string(), count: z.int() })),
  }),
  notes: list(z.string()),
});
export type ShadowReport = z.output<typeof shadowReport>;

export const clientsQuery = z.strictObject({
  since: time.optional(),
  until: time.optional(),
  domain: address.optional().describe('Recipients of this domain alone; since its MX was switched, where no time is said'),
});
export type ClientsQuery = z.output<typeof clientsQuery>;
export const clientsReport = z.object({
  since: time.nullable(),
  domain: z.string().nullable(),
  clients: list(
    z.object({
      address: z.string(),
      name: z.string().nullable(),
      peer: z.string().nullable(),
      taken: z.int(),
      refused: z.int(),
      first: time,
      last: time,
      recipients: z.int(),
      examples: z.object({ recipients: list(z.string()), senders: list(z.string()) }),
    }),
  ),
  omitted: z.int().describe('Records of further clients'),
  more: z.boolean().describe('More records matched than are looked at'),
});
export type ClientsReport = z.output<typeof clientsReport>;

// Proof -------------------------------------------------------------------------------------------------------------

const reportSpan = {
  since: time.optional().describe('Absent: seven days before `until`'),
  until: time.optional().describe('Absent: now'),
};
const ofDomain = address.optional().describe('Messages alone of which a sender or recipient is in this domain or below it');

export const tlsQuery = z.strictObject({ ...reportSpan, domain: ofDomain });
export type TlsQuery = z.output<typeof tlsQuery>;

const direction = z.enum(['in', 'out']);
const exceptionKind = z
  .enum(['in-clear', 'not-sent', 'downgraded', 'not-verified', 'unknown'])
  .describe('The gravest that is true of the hop');
const hopCounts = {
  hops: z.int(),
  encrypted: z.int(),
  verified: z.int().describe('Of the encrypted'),
  'in-clear': z.int(),
  unknown: z.int().describe('The record does not say'),
  local: z.int().describe('No network was crossed'),
};
const named = list(z.object({ direction, name: z.string(), ...hopCounts }));
const facts = {
  kind: exceptionKind,
  direction,
  way: z.string().describe('The peer class, or the connector'),
  remote: z.string(),
  reason: z.string(),
};
export const tlsReport = z.object({
  hostname: z.string(),
  version: z.string(),
  made: time,
  since: time,
  until: time,
  domain: z.string().nullable(),
  messages: z.object({
    all: z.int(),
    encrypted: z.int().describe('On every hop of ours'),
    'in-clear': z.int().describe('On one hop at least'),
    'under-way': z.int(),
    unknown: z.int(),
    local: z.int(),
  }),
  in: z.object(hopCounts),
  out: z.object(hopCounts),
  protocols: named,
  ciphers: named,
  peers: named,
  connectors: named,
  remotes: named,
  exceptions: list(z.object({ ...facts, hops: z.int(), first: time, last: time, example: z.string().nullable() })),
  'exception-hops': z.record(exceptionKind, z.int()).readonly(),
  'exceptions-omitted': z.int(),
  records: z.int(),
  chain: list(z.object({ day: z.string(), records: z.int().nullable(), head: z.string().nullable() })).describe(
    'The days it rests on, each with the head of its hash chain',
  ),
});
export type TlsReport = z.output<typeof tlsReport>;

export const tlsExceptionsQuery = z.strictObject({
  ...reportSpan,
  domain: ofDomain,
  after: z
    .string()
    .regex(/^\d{4}-\d{2}-\d{2} \d{1,9}$/)
    .optional()
    .describe('Where the page before ended'),
  limit: z.coerce.number().int().min(1).max(10_000).default(5000),
});
export type TlsExceptionsQuery = z.input<typeof tlsExceptionsQuery>;
export const tlsExceptions = z.object({
  rows: list(
    z.object({
      time,
      ...facts,
      'spool-id': z.string().nullable(),
      'message-id': z.string().nullable(),
      sender: z.string().nullable(),
      recipient: z.string().nullable(),
      protocol: z.string().nullable(),
      cipher: z.string().nullable(),
    }),
  ),
  next: z.string().nullable(),
});
export type TlsExceptions = z.output<typeof tlsExceptions>;

export const verifyEvidenceQuery = z.strictObject({ since: time.optional(), until: time.optional() });
export type VerifyEvidenceQuery = z.output<typeof verifyEvidenceQuery>;
export const evidenceVerification = z.object({
  ok: z.boolean(),
  days: list(
    z.object({
      day: z.string(),
      records: z.int(),
      'not-chained': z.int().describe('Written by an earlier version, which made no chain'),
      head: z.string().nullable(),
      findings: z.int(),
    }),
  ),
  findings: list(
    z.object({
      day: z.string(),
      record: z.int().nullable(),
      time: z.string().nullable(),
      'spool-id': z.string().nullable(),
      problem: z.string(),
    }),
  ),
});
export type EvidenceVerification = z.output<typeof evidenceVerification>;

export const migrationQuery = z.strictObject({ ...reportSpan, domain: ofDomain });
export type MigrationQuery = z.output<typeof migrationQuery>;
export const migrationReport = z.object({
  hostname: z.string(),
  version: z.string(),
  made: time,
  since: time,
  until: time,
  domain: z.string().nullable(),
  directory: z.object({
    version: z.int(),
    recipients: z.int(),
    cloud: z.int(),
    'on-premises': z.int(),
    hold: z.int(),
    both: z.int(),
    probes: z.int().describe('Test users; they are in no other count'),
  }),
  waves: list(
    z.object({
      name: z.string(),
      created: time,
      mailboxes: z.int(),
      'on-premises': z.int(),
      both: z.int(),
      hold: z.int(),
      cloud: z.int(),
      confirmed: z.int().describe('Mailboxes whose first delivery to the cloud is recorded'),
      encrypted: z.int().describe('Of the confirmed: that delivery was encrypted'),
    }),
  ),
  days: list(
    z.object({
      day: z.string(),
      cloud: z.int().describe('Deliveries, a recipient each'),
      'on-premises': z.int(),
      internet: z.int(),
      confirmed: z.int().describe('Mailboxes whose first delivery to the cloud was on this day'),
      'confirmed-so-far': z.int(),
    }),
  ),
});
export type MigrationReport = z.output<typeof migrationReport>;

/** What is reported from the records, for people who ask for proof. */
export interface ReportOperations {
  reportTls(query: TlsQuery): Promise<TlsReport>;
  /** The exceptions of that report one by one, a page at a time. */
  reportTlsExceptions(query: TlsExceptionsQuery): Promise<TlsExceptions>;
  reportMigration(query: MigrationQuery): Promise<MigrationReport>;
  /** Follows the hash chain of the records. */
  verifyEvidence(query: VerifyEvidenceQuery): Promise<EvidenceVerification>;
}
