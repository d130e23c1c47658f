/** All targets, the quick ones first. */
import type { Target } from '../target.ts';
import { addresses } from './addresses.ts';
import { bodies } from './bodies.ts';
import { commands } from './commands.ts';
import { dialogues } from './dialogues.ts';
import { directory } from './directory.ts';
import { endpoints } from './endpoints.ts';
import { http } from './http.ts';
import { imports } from './imports.ts';
import { ldapAnswers } from './ldap-answers.ts';
import { replies } from './replies.ts';
import { reports } from './reports.ts';
import { runFile } from './run-file.ts';
import { settings, settingsKeys } from './settings.ts';
import { spoolRecords } from './spool-records.ts';
import { spoolStarts } from './spool-starts.ts';

export const TARGETS: readonly Target[] = [
  addresses,
  commands,
  dialogues,
  bodies,
  replies,
  settings,
  settingsKeys,
  directory,
  imports,
  ldapAnswers,
  reports,
  http,
  endpoints,
  runFile,
  spoolRecords,
  spoolStarts,
];
