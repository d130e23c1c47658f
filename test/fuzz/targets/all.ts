/** All targets, the quick ones first. */
import type { Target } from '../target.ts';
import { addresses } from './addresses.ts';
import { bodies } from './bodies.ts';
import { commands } from './commands.ts';
import { dialogues } from './dialogues.ts';
import { directory } from './directory.ts';
import { http } from './http.ts';
import { replies } from './replies.ts';
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
  http,
  runFile,
  spoolRecords,
  spoolStarts,
];
