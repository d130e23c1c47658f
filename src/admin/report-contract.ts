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
    top: list(z.object({ address: z.string(), ...counted, reply: z.string(), reason: z.string() })),
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
