/** Tells a webhook of findings: POST of JSON, whose `text` chat systems show and whose `alerts` programs read. */
import { readFile } from 'node:fs/promises';
import type { Notice } from './alert-book.ts';

export interface WebhookCall {
  readonly hostname: string;
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly notices: readonly Notice[];
  readonly omitted: number;
}

const WORDS = { new: '', reminder: 'still there: ', cleared: 'over: ' } as const;
/** Some take little: the text is cut, the list is not. */
const TEXT = 3_000;

/**
 * Calls the URL that stands in the file, which is read each time: a new one counts at once. Rejects with words for people,
 * and never with the URL, which is a secret. `deadline` in milliseconds.
 */
export async function callWebhook(file: string, call: WebhookCall, deadline: number, stop: AbortSignal): Promise<void> {
  const url = parseUrl(await readFile(file, 'utf8').catch((error: unknown) => fail(`${file} cannot be read (${codeOf(error)})`)));
  if (url === undefined) fail(`${file} holds no http(s) URL`);
  let response: Response;
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': `Bridgehead/${call.version}` },
      body: JSON.stringify(bodyOf(call)),
      // where it would lead is not what the administrator wrote
      redirect: 'manual',
      signal: AbortSignal.any([AbortSignal.timeout(deadline), stop]),
    });
  } catch (error) {
    const { name, cause } = error as Error;
    fail(name === 'TimeoutError' ? `no answer within ${deadline / 1000} s` : `no connection (${codeOf(cause ?? error)})`);
  }
  await response.body?.cancel();
  if (!response.ok) fail(`it answered ${response.status}`);
}

/** The one URL in the text, http or https; `undefined` where there is none. */
export function parseUrl(text: string): URL | undefined {
  const written = text.trim();
  if (/\s/.test(written) || !URL.canParse(written)) return undefined;
  const url = new URL(written);
  return url.protocol === 'https:' || url.protocol === 'http:' ? url : undefined;
}

/** What the webhook gets. */
export function bodyOf({ hostname, version, now, notices, omitted }: WebhookCall): Record<string, unknown> {
  const lines = notices.map(
    ({ state, severity, problem, remedy }) =>
      `${WORDS[state]}${severity}: ${problem}${remedy === null || state === 'cleared' ? '' : ` (${remedy})`}`,
  );
  return {
    source: 'bridgehead',
    version,
    hostname,
    time: new Date(now).toISOString(),
    text: [`Bridgehead on ${hostname}`, ...lines].join('\n').slice(0, TEXT),
    alerts: notices.map(({ state, key, severity, problem, remedy, since }) => ({
      state,
      code: key,
      severity,
      problem,
      remedy,
      since: new Date(since).toISOString(),
    })),
    omitted,
  };
}

function fail(why: string): never {
  throw new Error(why);
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error';
