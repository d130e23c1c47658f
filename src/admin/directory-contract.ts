/** The wire types of the directory, the domains and the reports (contract.md): who lives where, looked at and changed over the API. */
import { z } from 'zod';

export const list = <T extends z.ZodType>(one: T) => z.array(one).readonly();
export const time = z.iso.datetime().describe('ISO 8601 in UTC');
export const address = z.string().min(1).max(1024);
/** Who changes something; it stands in the history. */
export const who = z
  .string()
  .min(1)
  .max(100)
  .regex(/^\P{C}+$/u, 'write a name, in one line')
  .optional();
export const reason = z
  .string()
  .min(1)
  .max(500)
  .regex(/^\P{C}+$/u, 'write it in one line')
  .optional();
const label = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'letters, digits, "-", "_" and ".", at most 64');
const route = z.enum(['on-premises', 'cloud', 'hold', 'both']);
const flag = z.boolean().optional();

/** What is wrong with a line of a file, or worth a look. */
export const fileFinding = z.object({
  severity: z.enum(['error', 'warning']),
  file: z.string(),
  line: z.int(),
  address: z.string(),
  problem: z.string(),
  remedy: z.string(),
});
export type FileFinding = z.output<typeof fileFinding>;

const command = z.object({ where: z.enum(['on-premises', 'cloud', 'relay']), line: z.string() });
export type TypedCommand = z.output<typeof command>;
export const note = z.object({ text: z.string(), commands: list(command) });

// Files -------------------------------------------------------------------------------------------------------------

/** A file that an operation reads: on this machine, wherever it came from. `name` is what findings call it. */
export interface NamedFile {
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

export const uploadQuery = z.strictObject({
  name: z.string().min(1).max(255).describe('The short name of the file; findings call it so'),
});
export const uploaded = z.object({ upload: z.string(), octets: z.int() });
export type Uploaded = z.output<typeof uploaded>;
/** Files that were sent before; each is read once and then forgotten. */
export const uploads = z
  .array(z.string().regex(/^[0-9A-Za-z]{1,64}$/))
  .min(1)
  .max(64)
  .readonly();

// Import and diff ---------------------------------------------------------------------------------------------------

const reading = {
  source: label.optional().describe('The source that the files become; `imported` where absent'),
  format: z.string().max(40).optional().describe('What the files are, where they should not be recognised'),
  side: z.enum(['on-premises', 'cloud']).optional().describe('Where an Exchange export was made'),
};
export const whatIfOptions = z.strictObject(reading);
export type WhatIfOptions = z.output<typeof whatIfOptions>;
export const importOptions = z.strictObject({
  ...reading,
  'dry-run': flag,
  'yes-shrink': flag.describe('Recipients are meant to go'),
  who,
  reason,
});
export type ImportOptions = z.output<typeof importOptions>;
export const importRequest = importOptions.extend({ uploads });

export const queuedMoves = z.object({
  recipients: z.int().describe('Recipients that are still to be delivered'),
  moves: z.int(),
  changes: z.record(z.string(), z.int()).readonly(),
  list: list(z.object({ id: z.string(), recipient: z.string(), from: z.string(), to: z.string() })),
});

const changes = {
  version: z.int(),
  recipients: z.int(),
  cloud: z.int(),
  'on-premises': z.int(),
  hold: z.int(),
  both: z.int(),
  added: z.int(),
  removed: z.int(),
  changed: z.int(),
  moves: z.record(z.string(), z.int()).readonly().describe('How many go which way: `on-premises → cloud`'),
  queued: queuedMoves.nullable().describe('Queued mail that moves with it'),
  findings: list(fileFinding),
};
/** Of a refused set `version` and the counts are those that stay active, and the differences 0. */
export const directoryImported = z.object({ ...changes, applied: z.boolean() });
export type DirectoryImported = z.output<typeof directoryImported>;

export const diffOptions = z.strictObject({
  ...reading,
  offset: z.coerce.number().int().nonnegative().default(0),
  limit: z.coerce.number().int().min(0).max(10_000).default(100).describe('Recipients listed'),
});
export type DiffOptions = z.output<typeof diffOptions>;
export const diffRequest = diffOptions.extend({ uploads });

const diffSide = z.object({ route, 'routing-address': z.string().nullable(), source: z.string() }).nullable();
export const directoryDiff = z.object({
  ...changes,
  ok: z.boolean().describe('An import would take it'),
  entries: list(z.object({ address: z.string(), from: diffSide, to: diffSide })),
  more: z.boolean(),
});
export type DirectoryDiff = z.output<typeof directoryDiff>;

// Looking and setting -----------------------------------------------------------------------------------------------

const counts = z.object({ cloud: z.int(), 'on-premises': z.int(), hold: z.int(), both: z.int() }).readonly();
const sourceState = z.object({
  name: z.string(),
  kind: z.enum(['file', 'imported', 'live']),
  origins: list(z.string()),
  recipients: z.int(),
  state: z.enum(['ok', 'failing', 'never']),
  'last-success': time.nullable(),
  age: z.number().nullable().describe('Seconds since the last success'),
  since: time.nullable().describe('When what it holds was new'),
  error: z.string().nullable(),
});
const liveState = z.object({
  name: z.string(),
  kind: z.enum(['ldap', 'graph']),
  origin: z.string(),
  state: z.enum(['waiting', 'good', 'stale']),
  refreshing: z.boolean(),
  'last-success': time.nullable(),
  age: z.number().nullable().describe('Seconds'),
  'last-attempt': time.nullable(),
  recipients: z.int().nullable(),
  error: z.object({ problem: z.string(), remedy: z.string() }).nullable(),
  next: time.nullable(),
});
const word = z.object({
  address: z.string(),
  route,
  'routing-address': z.string().nullable(),
  who: z.string(),
  time,
  age: z.number().describe('Seconds'),
  reason: z.string(),
  'sources-say': route.nullable(),
});
export const directoryList = z.object({
  version: z.int(),
  recipients: z.int(),
  counts,
  pinned: z.int().nullable().describe('The version that a rollback restored; sources do not change it until the next import'),
  sources: list(sourceState).describe('In their order of precedence'),
  live: list(liveState),
  set: list(word).describe('What administrators set; it wins over waves and sources'),
  waves: list(z.object({ wave: z.string(), mailboxes: z.int() })),
});
export type DirectoryList = z.output<typeof directoryList>;

export const recipientQuery = z.strictObject({ address });
const view = z.object({ route, 'routing-address': z.string().nullable(), source: z.string() });
export const directoryEntry = z.object({
  version: z.int(),
  pinned: z.int().nullable(),
  address: z.string(),
  route,
  'routing-address': z.string().nullable().describe('null: the default one'),
  kind: z.string().nullable(),
  connector: z.string().nullable(),
  primary: z.enum(['on-premises', 'cloud']).nullable().describe('For route both'),
  source: z.string(),
  addresses: list(z.object({ address: z.string(), role: z.enum(['primary', 'alias', 'routing', 'x500']) })),
  'of-sources': view.nullable().describe('What the sources alone say; null: nothing'),
  set: word.nullable(),
  waves: list(word.extend({ wave: z.string() })).describe('The one that counts first'),
});
export type DirectoryEntryShown = z.output<typeof directoryEntry>;

export const setRequest = z
  .strictObject({
    address,
    route: route.optional(),
    'routing-address': address.optional(),
    primary: z.enum(['on-premises', 'cloud']).optional(),
    lift: flag.describe('Take the word back: waves and sources count again'),
    reason: z
      .string()
      .min(1)
      .max(500)
      .regex(/^\P{C}+$/u, 'write it in one line'),
    who,
  })
  .refine(({ route: to, lift }) => (to === undefined) === (lift === true), 'name a route, or lift what was set');
export type SetRequest = z.output<typeof setRequest>;
export const directoryChange = z.object({ version: z.int(), changed: z.boolean(), findings: list(fileFinding) });
export type DirectoryChange = z.output<typeof directoryChange>;

export const historyQuery = z.strictObject({ limit: z.coerce.number().int().min(1).max(5000).default(50) });
export const directoryHistory = z.object({
  active: z.int(),
  versions: list(
    z.object({
      version: z.int(),
      time,
      who: z.string(),
      what: z.string(),
      reason: z.string().nullable(),
      from: list(z.object({ source: z.string(), file: z.string() })),
      digest: z.string(),
      recipients: z.int(),
      counts,
      restorable: z.boolean(),
    }),
  ),
});
export type DirectoryHistory = z.output<typeof directoryHistory>;
export const rollbackRequest = z.strictObject({ version: z.int().positive().optional(), who, reason });
export type RollbackRequest = z.output<typeof rollbackRequest>;
const { version: _, findings: __, queued, added, removed, changed, moves, ...figures } = changes;
export const directoryRolledBack = directoryChange.extend({
  restored: z.int().describe('The version whose decisions count again; sources do not change it until the next import'),
  ...figures,
  differences: z.object({ added, removed, changed, moves }).describe('How it decides otherwise than the version that was active'),
  queued,
});
export type DirectoryRolledBack = z.output<typeof directoryRolledBack>;
export const refreshRequest = z.strictObject({
  source: label,
  'yes-shrink': flag.describe('Recipients of this source are meant to go'),
  who,
});
export type RefreshRequest = z.output<typeof refreshRequest>;
export const refreshed = z.object({
  ok: z.boolean(),
  recipients: z.int().nullable(),
  problem: z.string().nullable(),
  remedy: z.string().nullable(),
  findings: list(fileFinding),
});
export type Refreshed = z.output<typeof refreshed>;

// Check -------------------------------------------------------------------------------------------------------------

const checkedSide = z
  .object({ origins: list(z.string()), recipients: z.int(), mailboxes: z.int(), 'taken-at': time.nullable() })
  .nullable()
  .describe('null: no source of this side is known');
export const checkFinding = z.object({
  severity: z.enum(['error', 'warning', 'info']),
  kind: z.string(),
  address: z.string(),
  problem: z.string(),
  cause: z.string(),
  remedy: z.string(),
  commands: list(command),
  sources: list(z.string()),
});
export const directoryCheck = z.object({
  version: z.int(),
  recipients: z.int(),
  sides: z.object({ 'on-premises': checkedSide, cloud: checkedSide }),
  severities: z.object({ error: z.int(), warning: z.int(), info: z.int() }).readonly(),
  counts: z.record(z.string(), z.int().optional()).readonly(),
  findings: list(checkFinding),
  omitted: z.int().describe('Findings that are counted and not listed'),
  notes: list(note),
});
export type DirectoryCheck = z.output<typeof directoryCheck>;

export const exportOptions = z.strictObject({ side: z.enum(['on-premises', 'cloud']), format: z.string().max(40).optional() });
export type ExportOptions = z.output<typeof exportOptions>;
export const exportRequest = exportOptions.extend({ uploads });
export const keptExport = z.object({
  side: z.enum(['on-premises', 'cloud']),
  kept: z.boolean(),
  recipients: z.int(),
  mailboxes: z.int(),
  findings: list(fileFinding),
});
export type KeptExport = z.output<typeof keptExport>;

// Domains -----------------------------------------------------------------------------------------------------------

const proof = z.object({
  state: z.enum(['unverified', 'verified', 'lost']),
  since: time,
  'checked-at': time,
  answer: z.string(),
  gated: z.boolean().describe('Its cloud routes are refused'),
  override: z.object({ who: z.string(), at: time, reason: z.string() }).nullable(),
  message: z.string(),
  remedy: z.string().nullable(),
});
export const domainState = z.object({
  domain: z.string(),
  type: z.string(),
  'unknown-recipients': z.string(),
  mx: z.enum(['relay', 'cloud']),
  'mx-since': time.nullable().describe('When it was switched; null: as the settings have it'),
  proof: proof.nullable().describe('null: its settings ask for none'),
});
export type DomainState = z.output<typeof domainState>;
export const domainList = z.object({ domains: list(domainState) });

export const verifyRequest = z
  .strictObject({ override: flag, reason, who })
  .refine(({ override, reason: why }) => override !== true || why !== undefined, 'an override needs a reason');
export type VerifyRequest = z.output<typeof verifyRequest>;

export const mxRequest = z.strictObject({ mx: z.enum(['relay', 'cloud']), 'with-remaining': flag, who });
export type MxRequest = z.output<typeof mxRequest>;
export const mxSwitched = z.object({
  domain: z.string(),
  mx: z.enum(['relay', 'cloud']),
  done: z.boolean(),
  refused: z.string().nullable(),
  since: time.nullable(),
  remaining: z.object({ count: z.int(), kinds: z.record(z.string(), z.int()).readonly(), list: list(z.string()) }),
  steps: list(z.object({ about: z.string(), text: z.string(), lines: list(z.string()) })),
  notes: list(z.string()),
});
export type MxSwitched = z.output<typeof mxSwitched>;
