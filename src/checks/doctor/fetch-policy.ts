/** Fetches an MTA-STS policy as a sending server does. */
import type { FetchedPolicy } from './ports.ts';

/** Milliseconds. */
const DEADLINE = 10_000;
/** RFC 8461 §3.3 lets fetchers stop at 64 KiB. */
const MOST = 64 * 1024;

/** RFC 8461 §3.3: HTTPS with a trusted certificate, and no redirects. Never rejects. */
export async function fetchOverHttps(url: string): Promise<FetchedPolicy> {
  try {
    const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(DEADLINE) });
    let body = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      body += decoder.decode(chunk as Uint8Array, { stream: true });
      if (body.length > MOST) break;
    }
    return { status: response.status, body };
  } catch (error) {
    const { message, cause } = error as Error;
    return { error: cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message };
  }
}
