/** Probes, as operators ask for them: over HTTP and from the command line. */

import type { z } from 'zod';
import { type ApiRoute, get, post } from './api-route.ts';
import { OperationError, type Refusal } from './contract.ts';
import type { ProbeOperations, ProbesPort } from './probe-contract.ts';
import { probeHistory, probeHistoryQuery, probeList, probeReport } from './probe-contract.ts';

const NEWEST = 50;

export const createProbeOperations = (probes: ProbesPort): ProbeOperations => ({
  listProbes: () => Promise.resolve({ probes: probes.list() }),
  async runProbe(name) {
    try {
      return await probes.run(name);
    } catch (error) {
      const { refusal, message } = error as Error & { refusal?: Refusal };
      throw refusal === undefined ? error : new OperationError(refusal, message);
    }
  },
  probeHistory: ({ name, limit = NEWEST }) => Promise.resolve({ results: probes.history(name, Number(limit)) }),
});

export const PROBE_ROUTES: readonly ApiRoute[] = [
  get('/probes', 'Each probe and what its last run came to', probeList, (o) => o.listProbes()),
  get(
    '/probes/history',
    'Past runs, the newest first',
    probeHistory,
    (o, q) => o.probeHistory(q as z.output<typeof probeHistoryQuery>),
    probeHistoryQuery,
  ),
  post('/probes/:name/run', 'Sends a test message and waits for it and its answer', 'probe', probeReport, (o, _, name) =>
    o.runProbe(name),
  ),
];
