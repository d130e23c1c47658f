/** What a path of the API is. */
import type { z } from 'zod';
import type { Operations } from './contract.ts';
import type { NamedFile } from './directory-contract.ts';

export interface ApiRoute {
  readonly method: 'GET' | 'POST';
  /** Below `/api/v1`, parameters as `:name`. */
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
  /** What is changed, for the audit log; absent for questions. */
  readonly change?: string;
  /** Octets of the body, where it may be larger than most. */
  readonly bodyLimit?: number;
  /** `input` is the parsed query or body; `files` those whose `uploads` it names. */
  run(operations: Operations, input: unknown, parameter: string, files: readonly NamedFile[]): Promise<unknown>;
}

export const get = (path: string, summary: string, answer: z.ZodType, run: ApiRoute['run'], query?: z.ZodType): ApiRoute => ({
  method: 'GET',
  path,
  summary,
  answer,
  run,
  ...(query !== undefined && { query }),
});

export const post = (
  path: string,
  summary: string,
  change: string | undefined,
  answer: z.ZodType,
  run: ApiRoute['run'],
  body?: z.ZodType,
): ApiRoute => ({
  method: 'POST',
  path,
  summary,
  answer,
  run,
  ...(change !== undefined && { change }),
  ...(body !== undefined && { body }),
});
