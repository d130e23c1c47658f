/** The paths of the directory, the domains, shadow mode and the reports. */
import type { z } from 'zod';
import { type ApiRoute, get, post } from './api-route.ts';
import { explainWithRequest, explanation } from './contract.ts';
import {
  diffRequest,
  directoryChange,
  directoryCheck,
  directoryDiff,
  directoryEntry,
  directoryHistory,
  directoryImported,
  directoryList,
  directoryRolledBack,
  domainList,
  domainState,
  exportRequest,
  historyQuery,
  importRequest,
  keptExport,
  mxRequest,
  mxSwitched,
  recipientQuery,
  refreshed,
  refreshRequest,
  rollbackRequest,
  setRequest,
  verifyRequest,
} from './directory-contract.ts';
import { clientsQuery, clientsReport, shadowReport, shadowRequest } from './report-contract.ts';

export const DIRECTORY_ROUTES: readonly ApiRoute[] = [
  post(
    '/directory/import',
    'Puts files in the place of what a source held: a new version, active at once, or refused as a whole',
    'directory import',
    directoryImported,
    (o, b, _, files) => {
      const { uploads: __, ...options } = b as z.output<typeof importRequest>;
      return o.importDirectory(files, options);
    },
    importRequest,
  ),
  post(
    '/directory/diff',
    'What an import of these files would change',
    undefined,
    directoryDiff,
    (o, b, _, files) => {
      const { uploads: __, ...options } = b as z.output<typeof diffRequest>;
      return o.diffDirectory(files, options);
    },
    diffRequest,
  ),
  get('/directory', 'The active version, its sources, and what administrators set', directoryList, (o) => o.listDirectory()),
  get('/directory/check', 'On-premises, the cloud and the active version compared', directoryCheck, (o) => o.checkDirectory()),
  post(
    '/directory/export',
    'Keeps what one side has, for comparing alone: it has no word in routing',
    'directory export',
    keptExport,
    (o, b, _, files) => {
      const { uploads: __, ...options } = b as z.output<typeof exportRequest>;
      return o.keepExport(files, options);
    },
    exportRequest,
  ),
  get(
    '/directory/recipient',
    'One recipient, by any of its addresses',
    directoryEntry,
    (o, q) => o.showRecipient((q as z.output<typeof recipientQuery>).address),
    recipientQuery,
  ),
  post(
    '/directory/set',
    "An administrator's word for one address; it wins over waves and sources",
    'directory set',
    directoryChange,
    (o, b) => o.setRecipient(b as z.output<typeof setRequest>),
    setRequest,
  ),
  get(
    '/directory/history',
    'The versions, the newest first',
    directoryHistory,
    (o, q) => o.directoryHistory(q as z.output<typeof historyQuery>),
    historyQuery,
  ),
  post(
    '/directory/rollback',
    'Makes a version active that was, or the one before this',
    'directory rollback',
    directoryRolledBack,
    (o, b) => o.rollbackDirectory(b as z.output<typeof rollbackRequest>),
    rollbackRequest,
  ),
  post(
    '/directory/refresh',
    'Asks a live source, or reads the files of the settings, now',
    'directory refresh',
    refreshed,
    (o, b) => o.refreshSource(b as z.output<typeof refreshRequest>),
    refreshRequest,
  ),
  post(
    '/explain/with',
    'The route a recipient would take if these files were imported',
    undefined,
    explanation,
    (o, b, _, files) => {
      const { uploads: __, ...query } = b as z.output<typeof explainWithRequest>;
      return o.explainWith(files, query);
    },
    explainWithRequest,
  ),
  get('/domains', 'The accepted domains: proof, and where the MX points', domainList, async (o) => ({
    domains: await o.listDomains(),
  })),
  post(
    '/domains/:name/verify',
    'Looks for the proof in DNS now',
    'domain verify',
    domainState,
    (o, b, name) => o.verifyDomain(name, b as z.output<typeof verifyRequest>),
    verifyRequest,
  ),
  post(
    '/domains/:name/mx',
    'Notes where the MX goes and tells what to change in DNS; refuses while recipients remain on-premises',
    'domain mx',
    mxSwitched,
    (o, b, name) => o.switchMx(name, b as z.output<typeof mxRequest>),
    mxRequest,
  ),
  post(
    '/shadow',
    'How the messages in the logs of another relay would be routed here',
    undefined,
    shadowReport,
    (o, b, _, files) => {
      const { uploads: __, ...options } = b as z.output<typeof shadowRequest>;
      return o.shadow(files, options);
    },
    shadowRequest,
  ),
  get(
    '/report/clients',
    'Who sends through the relay',
    clientsReport,
    (o, q) => o.reportClients(q as z.output<typeof clientsQuery>),
    clientsQuery,
  ),
];
