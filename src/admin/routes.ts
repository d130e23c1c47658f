/** The paths of the API: for each its method, its schemas and the operation behind it. Server and OpenAPI read this. */
import type { z } from 'zod';
import { type ApiRoute, get, post } from './api-route.ts';
import {
  type AcceptTlsRequest,
  acceptedTls,
  acceptTlsRequest,
  checkReport,
  connectorList,
  connectorState,
  connectorTest,
  connectorTls,
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
import { type DoctorQuery, diagnosis, doctorQuery } from './doctor-contract.ts';
import { PROBE_ROUTES } from './probe-operations.ts';
import { REPORT_ROUTES } from './report-routes.ts';
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
  get('/connectors/:name/tls', 'Its TLS policies, and what the TLS of its next hops has been', connectorTls, (o, _, name) =>
    o.showConnectorTls(name),
  ),
  post(
    '/connectors/:name/accept-tls',
    'Takes what next hops whose TLS got worse show now as good',
    'accept-tls',
    acceptedTls,
    (o, b, name) => o.acceptTls(name, b as AcceptTlsRequest),
    acceptTlsRequest,
  ),
  get(
    '/trace',
    'Every event of the matching messages, in order',
    trace,
    (o, q) => o.trace(q as z.output<typeof traceQuery>),
    traceQuery,
  ),
  get(
    '/doctor',
    'What is wrong with DNS, certificates, connectors, directory and machine, and what to type',
    diagnosis,
    (o, q) => o.doctor(q as DoctorQuery),
    doctorQuery,
  ),
  ...DIRECTORY_ROUTES,
  ...WAVE_ROUTES,
  ...REPORT_ROUTES,
  ...PROBE_ROUTES,
];
