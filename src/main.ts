#!/usr/bin/env node
/** The entry. Everything is in bridgehead.ts; what is compiled once is kept, so that commands start in half the time. */
import { enableCompileCache } from 'node:module';

const { directory } = enableCompileCache();
if (directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= directory; // for the worker threads
await import('./bridgehead.ts');
