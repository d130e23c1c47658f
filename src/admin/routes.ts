/** The paths of the API: for each its method, its schemas and the operation behind it. Server and OpenAPI read this. */
import type { z } from 'zod';
import { type ApiRoute, get, post } from './api-route.ts';
import {
  checkReport,
  connectorList,
  connectorState,
  connectorTest,
  explainQuery,
  explanation,
  type QueueReroute,
  type QueueSelection,
  queueChange,
  queueList,
  queueMessage,
  queueQuery,
  queueReroute,
  queueSelection,
  status,
  trace,
  traceQuery,
} from './contract.ts';
import { DIRECTORY_ROUTES } from './directory-routes.ts';
import { WAVE_ROUTES } from './wave-routes.ts';

export const ROUTES: readonly ApiRoute[] = [
  get('/status', 'Accepting or not and why, what waits, what flows, what needs a person', status, (o) => o.status()),
  post('/settings/check', 'Reads the settings file and all it names', undefined, checkReport, (o) => o.checkSettings()),
  post('/settings/reload', 'Takes settings and directory anew, whole or not at all', 'reload', checkReport, (o) => o.reload()),
  get(
    '/explain',
    'The route a recipient would take now',
    explanation,
    (o, q) => o.explain(q as z.output<typeof explainQuery>),
    explainQuery,
  ),
  get(
    '/queue',
    'Spooled messages in the order of their ids',
    queueList,
    (o, q) => o.listQueue(q as z.output<typeof queueQuery>),
    queueQuery,
  ),
  get('/queue/:id', 'One spooled message', queueMessage, (o, _, id) => o.showMessage(id)),
  post(
    '/queue/hold',
    'Holds recipients until they are released',
    'hold',
    queueChange,
    (o, b) => o.hold(b as QueueSelection),
    queueSelection,
  ),
  post(
    '/queue/release',
    'Releases held recipients',
    'release',
    queueChange,
    (o, b) => o.release(b as QueueSelection),
    queueSelection,
  ),
  post('/queue/retry', 'Tries now', 'retry', queueChange, (o, b) => o.retry(b as QueueSelection), queueSelection),
  post(
    '/queue/expire',
    'Gives up now; the sender is told',
    'expire',
    queueChange,
    (o, b) => o.expire(b as QueueSelection),
    queueSelection,
  ),
  post(
    '/queue/reroute',
    'Sends by another connector',
    'reroute',
    queueChange,
    (o, b) => o.reroute(b as QueueReroute),
    queueReroute,
  ),
  get('/connectors', 'Each connector: state, waiting, last success and failure', connectorList, async (o) => ({
    connectors: await o.listConnectors(),
  })),
  post('/connectors/:name/pause', 'Sends nothing by it; expiry stops too', 'pause', connectorState, (o, _, name) =>
    o.pauseConnector(name),
  ),
  post('/connectors/:name/resume', 'Sends by it again', 'resume', connectorState, (o, _, name) => o.resumeConnector(name)),
  post('/connectors/:name/test', 'Connects and tries TLS, without mail', undefined, connectorTest, (o, _, name) =>
    o.testConnector(name),
  ),
  get(
    '/trace',
    'Every event of the matching messages, in order',
    trace,
    (o, q) => o.trace(q as z.output<typeof traceQuery>),
    traceQuery,
  ),
  ...DIRECTORY_ROUTES,
  ...WAVE_ROUTES,
];
