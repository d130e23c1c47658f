/** The wire types of waves (contract.md): a named batch of mailboxes and its move from one side to the other. */
import { z } from 'zod';
import type { EventRecord } from '../mail/event.ts';
import { address, fileFinding, list, note, reason, time, who } from './directory-contract.ts';

const state = z.enum(['on-premises', 'both', 'hold', 'cloud', 'confirmed']);
const tls = z
  .custom<NonNullable<EventRecord['tls']>>()
  .meta({ type: 'object', description: 'The TLS facts of the hop, as in the event record' });
const flag = z.boolean().optional();
const some = z.array(address).min(1).max(100_000).readonly();

export const waveSummary = z.object({
  name: z.string(),
  created: time,
  'created-by': z.string(),
  schedule: z
    .object({
      at: time,
      by: z.string(),
      state: z.enum(['waiting', 'done', 'refused', 'cancelled']),
      note: z.string().nullable(),
    })
    .nullable(),
  counts: z
    .object({
      mailboxes: z.int(),
      probes: z.int().describe('Test users; they are in no other count'),
      'on-premises': z.int(),
      both: z.int(),
      hold: z.int(),
      cloud: z.int(),
      confirmed: z.int(),
    })
    .readonly(),
  held: z.object({ messages: z.int(), octets: z.int() }).describe('What waits for the wave now'),
});
export type WaveSummary = z.output<typeof waveSummary>;
export const waveList = z.object({ waves: list(waveSummary) });

const mailbox = {
  address: z.string(),
  kind: z.string().nullable(),
  state,
  since: time,
  confirmed: z
    .object({
      time,
      'message-id': z.string().nullable(),
      'remote-mta': z
        .object({ name: z.string(), address: z.string().optional(), port: z.int().optional() })
        .readonly()
        .nullable(),
      tls: tls.nullable(),
    })
    .nullable()
    .describe('The first delivery to the cloud'),
  'overruled-by': z.string().nullable().describe("An administrator's word that counts in place of the wave's"),
};
const step = z.object({ state, time, who: z.string(), reason: z.string(), 'directory-version': z.int().nullable() });
export const waveDetails = waveSummary.extend({ mailboxes: list(z.object({ ...mailbox, steps: list(step) })) });
export type WaveDetails = z.output<typeof waveDetails>;

const bounced = z.object({
  time,
  event: z.enum(['FAIL', 'EXPIRE']),
  sender: z.string().nullable(),
  'message-id': z.string().nullable(),
  reply: z.string().nullable(),
});
export const waveReport = waveSummary.extend({
  mailboxes: list(
    z.object({
      ...mailbox,
      held: z.int(),
      'held-now': z.int(),
      delivered: z.object({ cloud: z.int(), 'on-premises': z.int() }),
      bounced: list(bounced),
    }),
  ),
  incomplete: list(z.string()).describe('Mailboxes with more records than were looked at'),
});
export type WaveReport = z.output<typeof waveReport>;

/** The list as the client read it: of a migration batch file nothing but the addresses leaves the machine. */
export const waveCreation = z.strictObject({
  file: z.string().max(255).optional(),
  addresses: z
    .array(z.object({ address, line: z.int().nonnegative() }))
    .min(1)
    .max(100_000)
    .readonly(),
  at: time.optional().describe('When it is switched'),
  who,
});
export type WaveCreation = z.output<typeof waveCreation>;
export const waveCreated = z.object({ created: z.boolean(), wave: waveSummary.nullable(), findings: list(fileFinding) });
export type WaveCreated = z.output<typeof waveCreated>;

export const waveSchedule = z.strictObject({ at: time.nullable().describe('null: not by itself'), who });
export type WaveSchedule = z.output<typeof waveSchedule>;
export const wavePart = z.strictObject({ only: some.optional(), reason, who });
export type WavePart = z.output<typeof wavePart>;
export const waveSwitchRequest = z
  .strictObject({ except: some.optional(), force: flag, reason, who })
  .refine(({ force, reason: why }) => force !== true || why !== undefined, 'to switch by force a reason is needed');
export type WaveSwitchRequest = z.output<typeof waveSwitchRequest>;

const change = {
  name: z.string(),
  version: z.int().nullable().describe('The directory version that made it true; null: nothing had to move'),
  moved: list(z.string()),
};
export const waveChange = z.object(change);
export type WaveChange = z.output<typeof waveChange>;
const unsafe = z.object({ address: z.string(), why: z.string(), remedy: z.string() });
export const waveSwitched = z.object({
  ...change,
  switched: z.boolean(),
  except: list(z.string()),
  forced: list(unsafe).describe('Found unsafe, and switched by force'),
  unchecked: z.int().describe('Switched although nobody could check them: no export of the cloud is known'),
  unsafe: list(unsafe).describe('Why nothing was switched'),
});
export type WaveSwitched = z.output<typeof waveSwitched>;

const carried = z.object({
  address: z.string(),
  from: z.enum(['cloud', 'on-premises']),
  to: z.enum(['cloud', 'on-premises']),
  time,
  'message-id': z.string().nullable(),
  'spool-id': z.string().nullable(),
  sender: z.string().nullable(),
  search: z.string().describe('A search for this message on that side'),
});
const replay = {
  name: z.string(),
  messages: list(carried).describe('Delivered to the side that the mailbox lives on no longer'),
  incomplete: list(z.string()),
  instructions: list(z.string()),
};
export const waveReplayQuery = z.strictObject({ since: time.optional() });
export const waveReplay = z.object(replay);
export type WaveReplay = z.output<typeof waveReplay>;
export const waveRolledBack = z.object({
  ...change,
  ...replay,
  'under-way': z.int().describe('Attempts at the side it left that had not ended yet: `wave replay` names what became of them'),
  powershell: list(z.string()),
});
export type WaveRolledBack = z.output<typeof waveRolledBack>;

export const waveCheckQuery = z.strictObject({ to: z.enum(['cloud', 'on-premises']).default('cloud') });
export const waveCheck = z.object({
  to: z.enum(['cloud', 'on-premises']),
  version: z.int(),
  safe: z.int(),
  unsafe: z.int(),
  unknown: z.int(),
  mailboxes: list(
    z.object({
      address: z.string(),
      'routing-address': z.string().nullable(),
      verdict: z.enum(['safe', 'unsafe', 'unknown']),
      reasons: list(
        z.object({
          blocks: z.boolean(),
          problem: z.string(),
          remedy: z.string(),
          commands: list(z.object({ where: z.enum(['on-premises', 'cloud', 'relay']), line: z.string() })),
        }),
      ),
    }),
  ),
  notes: list(note),
});
export type WaveCheck = z.output<typeof waveCheck>;
