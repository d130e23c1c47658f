/** Questions to Microsoft Graph over HTTPS: signed in, patient when throttled, and never larger or longer than allowed. */
import { ask, type GraphAnswer, GraphError } from './graph-http.ts';
import { GraphTokens } from './graph-tokens.ts';
import type { GraphSettings } from './ports.ts';

/** Waits; rejects at once when `signal` ends. */
export type Delay = (milliseconds: number, signal: AbortSignal) => Promise<void>;

const MAX_TRIES = 6;
/** Milliseconds that a server may ask us to wait. */
const LONGEST_WAIT = 5 * 60_000;

export class GraphClient {
  readonly #settings: GraphSettings;
  readonly #delay: Delay;
  readonly #tokens: GraphTokens;
  readonly #origin: string;

  constructor(settings: GraphSettings, delay: Delay, now: () => number) {
    this.#settings = settings;
    this.#delay = delay;
    this.#tokens = new GraphTokens(settings, now);
    this.#origin = new URL(settings.url).origin;
  }

  /** One page. Rejects with `GraphError`, or when `signal` ends. */
  async get(url: string, signal: AbortSignal): Promise<GraphAnswer> {
    // a link is the server's word, and our token goes with it
    if (!URL.canParse(url) || new URL(url).origin !== this.#origin)
      throw new GraphError(0, 'the service names a page at another server', `Look at what ${this.#origin} answers`);
    for (let tries = 1; ; tries++) {
      const token = await this.#tokens.token(signal);
      const answer = await ask(url, { headers: headers(token) }, this.#settings.deadline, signal);
      if (answer.status === 200) return answer.body;
      const error = GraphError.of(answer.status, answer.body);
      if (answer.status === 401 && tries === 1 && token !== undefined) {
        this.#tokens.forget();
        continue;
      }
      if (!THROTTLED.has(answer.status) || tries >= MAX_TRIES) throw error;
      const wait = answer.retryAfter ?? 1000 * 2 ** tries;
      if (wait > LONGEST_WAIT) throw error;
      await this.#delay(wait, signal);
    }
  }
}

/** 429 and 503 name a wait; 500, 502 and 504 pass by. */
const THROTTLED = new Set([429, 500, 502, 503, 504]);

const headers = (token: string | undefined): Record<string, string> => ({
  accept: 'application/json',
  ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
});
