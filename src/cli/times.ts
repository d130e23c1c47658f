/** `--since` and `--until`: ISO 8601, how long ago (`1h`), or `today`. */

const AGO = /^(\d{1,6})([smhd])$/;
const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const ISO = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;

/** The time as ISO 8601 in UTC; `undefined` where it is none. `today` and times without a zone are local. */
export function parseTime(text: string, now: number): string | undefined {
  const ago = AGO.exec(text);
  if (ago !== null) return new Date(now - Number(ago[1]) * UNITS[ago[2] as keyof typeof UNITS]).toISOString();
  if (text === 'now') return new Date(now).toISOString();
  if (text === 'today' || text === 'yesterday') {
    const midnight = new Date(now);
    midnight.setHours(0, 0, 0, 0);
    if (text === 'yesterday') midnight.setDate(midnight.getDate() - 1);
    return midnight.toISOString();
  }
  if (!ISO.test(text)) return undefined;
  // A bare date is the local day's beginning, as "today" is; Date alone would take it for UTC
  const time = Date.parse(text.length === 10 ? `${text}T00:00` : text);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}

/** A time to come as ISO 8601 in UTC: `2h` is in two hours; `undefined` where it is none. */
export function parseMoment(text: string, now: number): string | undefined {
  const ahead = AGO.exec(text);
  if (ahead !== null) return new Date(now + Number(ahead[1]) * UNITS[ahead[2] as keyof typeof UNITS]).toISOString();
  return parseTime(text, now);
}
