/** The paths of waves. */
import type { z } from 'zod';
import { type ApiRoute, get, post } from './api-route.ts';
import {
  waveChange,
  waveCheck,
  waveCheckQuery,
  waveCreated,
  waveCreation,
  waveDetails,
  waveList,
  wavePart,
  waveReplay,
  waveReplayQuery,
  waveReport,
  waveRolledBack,
  waveSchedule,
  waveSummary,
  waveSwitched,
  waveSwitchRequest,
} from './wave-contract.ts';

/** A list of 100,000 addresses. */
const LIST_LIMIT = 16 * 2 ** 20;

export const WAVE_ROUTES: readonly ApiRoute[] = [
  get('/waves', 'The waves', waveList, async (o) => ({ waves: await o.listWaves() })),
  get('/waves/:name', 'One wave and each of its mailboxes', waveDetails, (o, _, name) => o.showWave(name)),
  {
    ...post(
      '/waves/:name/create',
      'A named list of mailboxes, perhaps with the time of its switch',
      'wave create',
      waveCreated,
      (o, b, name) => o.createWave(name, b as z.output<typeof waveCreation>),
      waveCreation,
    ),
    bodyLimit: LIST_LIMIT,
  },
  get(
    '/waves/:name/check',
    'Whether its mailboxes may change sides',
    waveCheck,
    (o, q, name) => o.checkWave(name, q as z.output<typeof waveCheckQuery>),
    waveCheckQuery,
  ),
  post(
    '/waves/:name/schedule',
    'Sets or cancels the time of its switch',
    'wave schedule',
    waveSummary,
    (o, b, name) => o.scheduleWave(name, b as z.output<typeof waveSchedule>),
    waveSchedule,
  ),
  post(
    '/waves/:name/hold',
    'Keeps the mail of its mailboxes while they are moved',
    'wave hold',
    waveChange,
    (o, b, name) => o.holdWave(name, b as z.output<typeof wavePart>),
    wavePart,
  ),
  post(
    '/waves/:name/both',
    'Delivers to both sides, for pilots',
    'wave both',
    waveChange,
    (o, b, name) => o.bothWave(name, b as z.output<typeof wavePart>),
    wavePart,
  ),
  post(
    '/waves/:name/switch',
    'To the cloud, in one version for the whole wave, once it is found safe',
    'wave switch',
    waveSwitched,
    (o, b, name) => o.switchWave(name, b as z.output<typeof waveSwitchRequest>),
    waveSwitchRequest,
  ),
  post(
    '/waves/:name/rollback',
    'Back to where its mailboxes came from',
    'wave rollback',
    waveRolledBack,
    (o, b, name) => o.rollbackWave(name, b as z.output<typeof wavePart>),
    wavePart,
  ),
  get('/waves/:name/report', 'Who is confirmed by a first delivery, what was held, what bounced', waveReport, (o, _, name) =>
    o.reportWave(name),
  ),
  get(
    '/waves/:name/replay',
    'What was delivered to the side that a mailbox lives on no longer',
    waveReplay,
    (o, q, name) => o.replayWave(name, q as z.output<typeof waveReplayQuery>),
    waveReplayQuery,
  ),
];
