/** The wire types of probes (`bridgehead probe`). Absent facts are null. */
import { z } from 'zod';
import type { EventRecord } from '../mail/event.ts';

const time = z.iso.datetime();
const tls = z
  .custom<NonNullable<EventRecord['tls']>>()
  .meta({ type: 'object', description: 'The TLS facts of the hop, as in the event record' });
const record = z.custom<EventRecord>().meta({ type: 'object', description: 'An event record, as in `trace --json`' });
const ok = z.boolean().nullable().describe('null: not asked for, or it did not come to it');
const seconds = z.number().nullable();

const hop = z.object({
  'from-host': z.string().nullable(),
  'by-host': z.string().nullable(),
  date: z.string().nullable(),
  tls: z.string(),
  'tls-version': z.string().nullable(),
  cipher: z.string().nullable(),
  trusted: z.boolean().describe('Written by a host that we name as ours'),
  'delay-seconds': z.number().nullable(),
});

const leg = z.object({
  ok,
  seconds,
  seen: z.string().nullable().describe('Where it was seen'),
  tls: tls.nullable().describe('Of the hop that the relay was part of'),
  hops: z.array(hop).readonly().describe('What the Received fields tell, in the order of travel'),
});

export const probeReport = z.object({
  probe: z.string(),
  time,
  ok: z.boolean(),
  to: z.string(),
  token: z.string(),
  'message-id': z.string(),
  there: leg,
  back: leg,
  problem: z.string().nullable(),
  next: z.array(z.string()).readonly().describe('What to do next'),
  records: z.array(record).readonly().describe('Our own records of both directions'),
});
export type ProbeReport = z.output<typeof probeReport>;

const legResult = z.object({ ok, seconds, tls: z.string().nullable() });
const result = z.object({
  probe: z.string(),
  time,
  ok: z.boolean(),
  problem: z.string().nullable(),
  next: z.array(z.string()).readonly(),
  there: legResult,
  back: legResult,
});

export const probeList = z.object({
  probes: z
    .array(
      z.object({
        name: z.string(),
        to: z.string(),
        every: z.number().nullable().describe('Seconds; null: only when asked for'),
        last: result.nullable(),
        'last-success': time.nullable(),
      }),
    )
    .readonly(),
});
export type ProbeList = z.output<typeof probeList>;

export const probeHistoryQuery = z.strictObject({
  name: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(10_000).default(50),
});
export const probeHistory = z.object({ results: z.array(result).readonly().describe('Newest first') });
export type ProbeHistory = z.output<typeof probeHistory>;

export interface ProbeOperations {
  listProbes(): Promise<ProbeList>;
  /** Sends a test message, waits for it and its answer. Rejects where no relay runs. */
  runProbe(name: string): Promise<ProbeReport>;
  probeHistory(query: z.input<typeof probeHistoryQuery>): Promise<ProbeHistory>;
}

/** What admin needs of the probes. */
export interface ProbesPort {
  list(): ProbeList['probes'];
  run(name: string): Promise<ProbeReport>;
  /** Newest first. */
  history(name: string | undefined, limit: number): ProbeHistory['results'];
}
